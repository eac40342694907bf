//! `cargo xtask bench-query`: how fast the query index is built and answers, and how fast a ledger tells of statements.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::{output, shell};

const ENTRIES: u64 = 10_000_000;
/// Entries that are really written, with their log.
const TOLD_ENTRIES_MAX: u64 = 1_000_000;

/// Builds the index of made-up entries under the target folder and asks it.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let entries = match arguments {
        [] => ENTRIES,
        [name, number] if name == "--entries" => number.parse().context("--entries takes a number")?,
        _ => bail!("bench-query takes `--entries N` and nothing else"),
    };
    let folder = shell::target().join("bench-query");
    output::step(&format!("indexing {entries} entries in {}", folder.display()));
    example("query_bench", &folder, entries)?;
    let told = entries.min(TOLD_ENTRIES_MAX);
    output::step(&format!("asking a ledger of {told} entries about chains of statements"));
    example("told_bench", &folder.join("told"), told)
}

fn example(name: &str, folder: &Path, entries: u64) -> anyhow::Result<()> {
    shell::run(
        shell::cargo()
            .args(["run", "--release", "--quiet", "-p", "testudo-recorder", "--example"])
            .args([name, "--"])
            .arg(folder)
            .arg(entries.to_string()),
    )
}
