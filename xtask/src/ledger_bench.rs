//! `cargo xtask bench-ledger`: what a durable entry costs, beside SQLite and beside the bare disk, in one run.

mod sides;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hdrhistogram::Histogram;

use crate::{output, shell};

/// Tasks that write at once.
const WRITERS: [usize; 3] = [1, 8, 64];

/// How much to measure.
#[derive(Debug, Clone, Copy)]
struct Effort {
    windows: usize,
    window: Duration,
}

const FULL: Effort = Effort {
    windows: 5,
    window: Duration::from_secs(3),
};
const QUICK: Effort = Effort {
    windows: 2,
    window: Duration::from_millis(400),
};

/// One window of one side: how many a second, and how long each took in nanoseconds.
#[derive(Debug)]
struct Window {
    per_second: f64,
    latency_ns: Histogram<u64>,
}

/// `bench-ledger [--quick]`: builds in release, then measures from a release process.
pub(crate) fn bench(arguments: &[String]) -> anyhow::Result<()> {
    output::step("building the ledger (release)");
    shell::run(shell::cargo().args(["build", "--quiet", "--locked", "--release", "--package", "xtask"]))?;
    let program = shell::target().join("release/xtask");
    shell::run(Command::new(program).arg("bench-ledger-measure").args(arguments))
}

/// The measuring half of `bench-ledger`.
pub(crate) fn measure(arguments: &[String]) -> anyhow::Result<()> {
    let effort = match arguments {
        [] => FULL,
        [flag] if flag == "--quick" => QUICK,
        _ => bail!("`bench-ledger` takes --quick"),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let mut table = Table::default();
    for writers in WRITERS {
        let (mut ledger, mut sqlite, mut disk) = (Vec::new(), Vec::new(), Vec::new());
        for window in 0..effort.windows {
            output::step(&format!(
                "{writers} writers, window {} of {}",
                window.saturating_add(1),
                effort.windows
            ));
            // Alternated, so that a machine that grows slower or faster favours nobody.
            for step in 0..3_usize {
                match step.wrapping_add(window) % 3 {
                    0 => ledger.push(runtime.block_on(sides::ledger(&folder()?, writers, effort.window))?),
                    1 => sqlite.push(runtime.block_on(sides::sqlite(&folder()?, writers, effort.window))?),
                    _ => disk.push(sides::disk(&folder()?, effort.window)?),
                }
            }
        }
        table.add(&format!("ledger, durable, {writers} writers"), &ledger)?;
        table.add(&format!("SQLite WAL, synchronous=FULL, {writers} writers"), &sqlite)?;
        table.add("the disk: append 2 KB, fdatasync", &disk)?;
    }
    let mut queued = Vec::new();
    for _ in 0..effort.windows {
        queued.push(runtime.block_on(sides::queued(&folder()?, effort.window))?);
    }
    table.add("ledger, queued: slot and append, at 5 000 a second", &queued)?;
    table.print(effort);
    Ok(())
}

/// An empty folder on the disk that holds the build.
fn folder() -> anyhow::Result<PathBuf> {
    let folder = shell::target().join("bench/ledger");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("the folder of the last run")?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

#[derive(Debug, Default)]
struct Table {
    rows: Vec<String>,
}

impl Table {
    /// The medians of the windows.
    fn add(&mut self, name: &str, windows: &[Window]) -> anyhow::Result<()> {
        let per_second = median(windows.iter().map(|it| it.per_second)).context("a window")?;
        let quantile = |q: f64| median(windows.iter().map(|it| micros(it.latency_ns.value_at_quantile(q))));
        let (p50, p99) = (quantile(0.5).context("a window")?, quantile(0.99).context("a window")?);
        self.rows
            .push(format!("{name:<52} {per_second:>10.0} {p50:>10.1} {p99:>10.1}"));
        Ok(())
    }

    fn print(&self, effort: Effort) {
        let Effort { windows, window } = effort;
        output::line(&format!(
            "medians of {windows} windows of {} ms; an entry of about 700 bytes with 1 KiB of content, a row of the same size",
            window.as_millis()
        ));
        output::line(&format!(
            "{:<52} {:>10} {:>10} {:>10}",
            "", "a second", "p50 us", "p99 us"
        ));
        for row in &self.rows {
            output::line(row);
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of one call are far below 2^53")]
fn micros(ns: u64) -> f64 {
    ns as f64 / 1000.0
}
