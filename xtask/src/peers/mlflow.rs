//! `cargo xtask peers mlflow`: MLflow's own clients against a vault that `testudo serve` shows them.

#![expect(clippy::disallowed_types, reason = "this measures, and sleeps for nobody")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::bail;

use crate::{output, python, shell};

/// Releases of MLflow's client, the oldest first; 2.9 is the first that knows aliases and calls stages old.
const RELEASES: [&str; 4] = ["2.10.2", "2.22.1", "3.6.0", "3.17.2"];

/// `peers mlflow [--ours PROGRAM]`.
pub(super) fn check(words: &[String]) -> anyhow::Result<()> {
    let ours = match words {
        [] => {
            output::step("building ours");
            shell::run(shell::cargo().args(["build", "--quiet", "--locked", "-p", "testudo-cli"]))?;
            shell::target().join("debug/testudo")
        }
        [name, program] if name == "--ours" => PathBuf::from(program),
        _ => bail!("`peers mlflow` takes --ours PROGRAM"),
    };
    let script = shell::workspace().join("tests/peers/mlflow_client.py");
    let begun = Instant::now();
    for release in RELEASES {
        let package = format!("mlflow-skinny=={release}");
        // Loading a model needs the last two; old releases need pkg_resources.
        let packages = [package.as_str(), "numpy", "pandas", "setuptools<80"];
        let place = python::cache("testudo-peers")?.join(format!("mlflow-{release}"));
        let python = python::environment(&place, &packages)?;
        output::step(&format!("MLflow {release}"));
        let folder = shell::target().join("peers/mlflow").join(release);
        shell::run(Command::new(python).arg(&script).arg(&ours).arg(folder))?;
    }
    output::line(&format!(
        "{} clients in {:.0} s",
        RELEASES.len(),
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}
