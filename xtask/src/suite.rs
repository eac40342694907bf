//! `cargo xtask test`: everything that must hold, with the test runner's closing line last.

use anyhow::bail;

use crate::{output, shell};

/// Runs format check, lints and all tests; goes on after a failure so that one run tells all.
pub(crate) fn test(arguments: &[String]) -> anyhow::Result<()> {
    if let Some(unknown) = arguments.first() {
        bail!("`test` takes no argument, and got `{unknown}`; for a part of it use cargo nextest");
    }
    install_nextest()?;
    let mut failed = Vec::new();
    for (name, words) in [
        ("format", &["fmt", "--all", "--check"][..]),
        (
            "lints",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ],
        ),
        (
            "tests",
            &["nextest", "run", "--workspace", "--locked", "--no-fail-fast"],
        ),
    ] {
        output::step(name);
        if let Err(error) = shell::run(shell::cargo().args(words)) {
            output::problem(&format!("{error:#}"));
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn install_nextest() -> anyhow::Result<()> {
    if shell::exists("cargo-nextest") {
        return Ok(());
    }
    output::step("installing cargo-nextest, which runs the tests (some minutes, once)");
    shell::run(shell::cargo().args(["install", "cargo-nextest", "--locked"]))
}
