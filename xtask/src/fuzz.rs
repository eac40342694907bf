//! `cargo xtask fuzz`: every fuzz target for a while, with the stable compiler.
//!
//! The instrumentation is libFuzzer's own (coverage counters and comparisons) without a sanitizer, which is
//! what needs nightly; `fuzz/README.md` says how to run with one.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{output, shell};

const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions";
/// Named, so that build scripts stay without instrumentation.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// `fuzz [--seconds N] [NAME]…`: N seconds per target (60), findings under the target folder.
pub(crate) fn fuzz(arguments: &[String]) -> anyhow::Result<()> {
    let mut seconds: u64 = 60;
    let mut wanted = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let value = rest.next().context("`--seconds` needs a number")?;
            seconds = value
                .parse()
                .with_context(|| format!("`{value}` is no number of seconds"))?;
        } else {
            wanted.push(argument.as_str());
        }
    }
    let all = targets()?;
    if let Some(unknown) = wanted.iter().find(|name| !all.iter().any(|it| it == *name)) {
        bail!("there is no fuzz target `{unknown}`; there are {}", all.join(", "));
    }
    let folder = shell::target().join("fuzz");
    output::step("building the fuzz targets");
    shell::run(
        shell::cargo()
            .args([
                "build",
                "--quiet",
                "--locked",
                "--release",
                "--manifest-path",
                "fuzz/Cargo.toml",
                "--target",
                TARGET,
            ])
            .args(wanted.iter().flat_map(|name| ["--bin", *name]))
            .env("CARGO_TARGET_DIR", &folder)
            .env("RUSTFLAGS", FLAGS),
    )?;
    let mut failed = Vec::new();
    let mut passed: usize = 0;
    for name in all
        .iter()
        .filter(|name| wanted.is_empty() || wanted.contains(&name.as_str()))
    {
        output::step(&format!("{name}: {seconds} s"));
        match run(&folder, name, seconds) {
            Ok(()) => passed = passed.saturating_add(1),
            Err(error) => {
                output::problem(&format!("{error:#}"));
                failed.push(name.clone());
            }
        }
    }
    output::line(&format!("{passed} passed, {} failed", failed.len()));
    if !failed.is_empty() {
        bail!("fuzzing found failures in {}", failed.join(", "));
    }
    Ok(())
}

/// Runs one target; its corpus and its findings stay in `folder`.
fn run(folder: &Path, name: &str, seconds: u64) -> anyhow::Result<()> {
    let corpus = folder.join("corpus").join(name);
    let findings = folder.join("findings").join(name);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&findings)?;
    let program = folder.join(TARGET).join("release").join(name);
    let log = folder.join(format!("{name}.log"));
    let ran = shell::run(
        Command::new(program)
            .arg(&corpus)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", findings.display()))
            .args([
                "-print_final_stats=1",
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-max_len=4096",
            ])
            .stderr(File::create(&log)?),
    )
    .with_context(|| format!("see {}; the input is in {}", log.display(), findings.display()));
    let said = shell::read_file(&log).unwrap_or_default();
    for line in said.lines().filter_map(|line| line.strip_prefix("stat::")) {
        output::line(&format!("   {line}"));
    }
    ran
}

/// The names of the targets, by their files.
fn targets() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(shell::workspace().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "rs")
            && let Some(stem) = path.file_stem().and_then(|it| it.to_str())
        {
            names.push(stem.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
