//! `cargo xtask bench-agents`: what provenance, policy and labels cost on one core.

use anyhow::bail;

use crate::{output, shell};

/// Builds the measurement in release and runs it: five runs of each conversation, with `--quick` one.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let runs = match arguments {
        [] => "5",
        [flag] if flag == "--quick" => "1",
        _ => bail!("`bench-agents` takes --quick"),
    };
    output::step("measuring (builds in release first)");
    let mut command = shell::cargo();
    command
        .args(["run", "--release", "--quiet", "--locked", "-p", "testudo-policy"])
        .args(["--example", "verdict_cost", "--", runs]);
    shell::run(&mut command)
}
