//! `cargo xtask test`: everything that must hold, with the test runner's closing line last.

use anyhow::bail;

use crate::{instructions, output, shell};

/// Runs format check, lints, instruction counts and all tests; goes on after a failure so that one run tells all.
pub(crate) fn test(arguments: &[String]) -> anyhow::Result<()> {
    if let Some(unknown) = arguments.first() {
        bail!("`test` takes no argument, and got `{unknown}`; for a part of it use cargo nextest");
    }
    install_nextest()?;
    let mut failed = Vec::new();
    let mut judge = |name: &'static str, outcome: anyhow::Result<()>| {
        if let Err(error) = outcome {
            output::problem(&format!("{error:#}"));
            failed.push(name);
        }
    };
    output::step("format");
    judge("format", cargo(&["fmt", "--all", "--check"]));
    output::step("lints");
    judge("lints", cargo(&LINTS));
    output::step("instructions of the hot paths");
    judge("instructions", instructions::instructions(&[]));
    // Last, so that what ends the output is the runner's own closing line.
    output::step("tests");
    judge("tests", cargo(&TESTS));
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

const LINTS: [&str; 7] = [
    "clippy",
    "--workspace",
    "--all-targets",
    "--locked",
    "--",
    "-D",
    "warnings",
];
const TESTS: [&str; 5] = ["nextest", "run", "--workspace", "--locked", "--no-fail-fast"];

fn cargo(words: &[&str]) -> anyhow::Result<()> {
    shell::run(shell::cargo().args(words))
}

fn install_nextest() -> anyhow::Result<()> {
    if shell::exists("cargo-nextest") {
        return Ok(());
    }
    output::step("installing cargo-nextest, which runs the tests (some minutes, once)");
    shell::run(shell::cargo().args(["install", "cargo-nextest", "--locked"]))
}
