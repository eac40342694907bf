//! `cargo xtask bench-query`: how fast the query index is built and answers.

use anyhow::{Context as _, bail};

use crate::{output, shell};

const ENTRIES: u64 = 10_000_000;

/// Builds the index of made-up entries under the target folder and asks it.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let entries = match arguments {
        [] => ENTRIES,
        [name, number] if name == "--entries" => number.parse().context("--entries takes a number")?,
        _ => bail!("bench-query takes `--entries N` and nothing else"),
    };
    let folder = shell::target().join("bench-query");
    output::step(&format!("indexing {entries} entries in {}", folder.display()));
    shell::run(
        shell::cargo()
            .args(["run", "--release", "--quiet", "-p", "testudo-recorder", "--example"])
            .args(["query_bench", "--"])
            .arg(&folder)
            .arg(entries.to_string()),
    )
}
