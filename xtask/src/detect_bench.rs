//! `cargo xtask bench-detect`: what each stage of detection costs on one core.

use anyhow::bail;

use crate::{output, shell};

/// Labelled rows, where the workspace has them beside it.
const ROWS: &str = "../shared/data/dev.jsonl";

/// Builds the measurement in release and runs it; medians of five runs, with `--quick` of one.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let runs = match arguments {
        [] => "5",
        [flag] if flag == "--quick" => "1",
        _ => bail!("`bench-detect` takes --quick"),
    };
    output::step("measuring (builds in release first)");
    let mut command = shell::cargo();
    command
        .args([
            "run",
            "--release",
            "--quiet",
            "--locked",
            "-p",
            "testudo-encoder",
            "--features",
            "weights",
        ])
        .args(["--example", "detection_cost", "--", runs]);
    let rows = shell::workspace().join(ROWS);
    if rows.exists() {
        command.arg(rows);
    } else {
        output::step("no labelled rows beside the workspace: the share that reaches the encoder is left out");
    }
    shell::run(&mut command)
}
