//! `cargo xtask bench-vault`: a large model pushed and pulled, beside `cp` and `age` on the same files.
//!
//! Every row ends when its output is on the disk: the vault syncs what it writes, and after the others we do. Every
//! run does all rows, so that what else the machine does meets all of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::vault_trial::{Cost, Trial, now_ms};
use crate::{output, shell};

const GB: u64 = 1_000_000_000;

/// `bench-vault [--gb N] [--files N] [--runs N] [--program FILE]`: 5 GB in one file, three runs, a release build.
pub(crate) fn bench(arguments: &[String]) -> anyhow::Result<()> {
    let wanted = Wanted::parse(arguments)?;
    let program = match &wanted.program {
        Some(program) => fs::canonicalize(program).with_context(|| program.display().to_string())?,
        None => {
            output::step("building (release)");
            shell::run(shell::cargo().args(["build", "--quiet", "--locked", "--release", "-p", "testudo-cli"]))?;
            shell::target().join("release/testudo")
        }
    };
    install_age()?;
    let trial = Trial::new("bench-vault", &program, false)?;
    for number in 0..wanted.files {
        trial.make_file(&format!("model/{number}"), wanted.file_bytes())?;
    }
    let mut rows: Vec<Row> = Vec::new();
    for run in 1..=wanted.runs {
        output::step(&format!("run {run} of {}", wanted.runs));
        for (name, cost) in run_once(&trial, &wanted)? {
            match rows.iter_mut().find(|it| it.name == name) {
                Some(row) => row.costs.push(cost),
                None => rows.push(Row {
                    name,
                    costs: vec![cost],
                }),
            }
        }
    }
    print(&rows, &wanted, &program);
    Ok(())
}

/// What was asked for.
struct Wanted {
    bytes: u64,
    files: u64,
    runs: u64,
    program: Option<PathBuf>,
}

impl Wanted {
    fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let mut wanted = Self {
            bytes: GB.saturating_mul(5),
            files: 1,
            runs: 3,
            program: None,
        };
        let mut words = arguments.iter();
        while let Some(flag) = words.next() {
            let value = words.next().with_context(|| format!("`{flag}` takes a value"))?;
            let count = || value.parse::<u64>().with_context(|| format!("`{flag}` takes a number"));
            match flag.as_str() {
                "--gb" => wanted.bytes = bytes(value)?,
                "--files" => wanted.files = count()?,
                "--runs" => wanted.runs = count()?,
                "--program" => wanted.program = Some(value.into()),
                _ => bail!("`bench-vault` takes --gb N, --files N, --runs N and --program FILE"),
            }
        }
        ensure!(wanted.files > 0 && wanted.runs > 0, "there is nothing to measure");
        ensure!(wanted.file_bytes() > 0, "there is nothing to measure");
        Ok(wanted)
    }

    fn file_bytes(&self) -> u64 {
        self.bytes.checked_div(self.files).unwrap_or(0)
    }
}

/// Gigabytes with at most three digits behind the point.
fn bytes(text: &str) -> anyhow::Result<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    ensure!(part.len() <= 3, "`{text}` has more than three digits behind the point");
    let parts: u64 = format!("{part:0<3}").parse().context("`--gb` takes a number")?;
    let whole: u64 = whole.parse().context("`--gb` takes a number")?;
    Ok(whole.saturating_mul(GB).saturating_add(parts.saturating_mul(GB / 1000)))
}

struct Row {
    name: &'static str,
    costs: Vec<Cost>,
}

fn run_once(trial: &Trial, wanted: &Wanted) -> anyhow::Result<Vec<(&'static str, Cost)>> {
    let mut rows = Vec::new();
    rows.push((
        "cp",
        synced(trial, trial.other("cp").args(["-r", "model", "copy"]), "copy")?,
    ));
    trial.remove("copy")?;

    rows.push((
        "testudo model push",
        trial.cost(&mut trial.command(&["push", "model"]))?,
    ));
    rows.push(("the same again", trial.cost(&mut trial.command(&["push", "model"]))?));
    let versions = trial.versions()?;
    let version = versions.first().context("no version was pushed")?;
    let pull = ["pull", "pulled", "--version", version];
    rows.push(("testudo model pull", trial.cost(&mut trial.command(&pull))?));
    trial.is_model("pulled")?;
    trial.remove("data")?;

    let recipient = age_key(trial)?;
    fs::create_dir_all(trial.path("sealed"))?;
    let seal = each(trial, wanted, |file, number| {
        age(trial, &["-r", &recipient, "-o", &format!("sealed/{number}"), file])
    })?;
    rows.push(("age -r", seal));
    fs::create_dir_all(trial.path("opened"))?;
    let open = each(trial, wanted, |_, number| {
        let (to, from) = (format!("opened/{number}"), format!("sealed/{number}"));
        age(trial, &["-d", "-i", "age.key", "-o", &to, &from])
    })?;
    rows.push(("age -d", open));
    trial.is_model("opened")?;
    trial.remove("sealed")?;
    trial.remove("age.key")?;
    Ok(rows)
}

fn age(trial: &Trial, arguments: &[&str]) -> Command {
    let mut command = trial.other("age");
    command.args(arguments);
    command
}

/// One file after another; of memory the most that one process had.
fn each(trial: &Trial, wanted: &Wanted, command: impl Fn(&str, u64) -> Command) -> anyhow::Result<Cost> {
    let mut all = Cost {
        ms: 0,
        processor_ms: 0,
        memory_kib: 0,
    };
    for number in 0..wanted.files {
        let mut command = command(&format!("model/{number}"), number);
        let to = command
            .get_args()
            .position(|it| it == "-o")
            .unwrap_or(0)
            .saturating_add(1);
        let to = command
            .get_args()
            .nth(to)
            .context("no output")?
            .to_string_lossy()
            .into_owned();
        let cost = synced(trial, &mut command, &to)?;
        all.ms = all.ms.saturating_add(cost.ms);
        all.processor_ms = all.processor_ms.saturating_add(cost.processor_ms);
        all.memory_kib = all.memory_kib.max(cost.memory_kib);
    }
    Ok(all)
}

/// A command, and its output on the disk.
fn synced(trial: &Trial, command: &mut Command, output: &str) -> anyhow::Result<Cost> {
    let cost = trial.cost(command)?;
    let start = now_ms();
    sync(&trial.path(output))?;
    Ok(Cost {
        ms: cost.ms.saturating_add(now_ms().saturating_sub(start)),
        ..cost
    })
}

fn sync(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync(&entry?.path())?;
        }
    }
    Ok(File::open(path)?.sync_all()?)
}

fn age_key(trial: &Trial) -> anyhow::Result<String> {
    let made = trial
        .other("age-keygen")
        .args(["-o", "age.key"])
        .output()
        .context("age-keygen")?;
    ensure!(made.status.success(), "age-keygen failed");
    let shown = shell::read(trial.other("age-keygen").args(["-y", "age.key"]))?;
    Ok(shown.trim().to_owned())
}

fn install_age() -> anyhow::Result<()> {
    if shell::exists("age") && shell::exists("age-keygen") {
        return Ok(());
    }
    output::step("installing age");
    shell::run(Command::new("apt-get").args(["install", "--yes", "--quiet", "age"]))
        .context("install age with your system's package manager")
}

fn print(rows: &[Row], wanted: &Wanted, program: &Path) {
    let tenths = |bytes: u64| {
        let tenths = bytes.checked_div(GB / 10).unwrap_or(0);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    output::line(&format!(
        "{} GB in {} file(s), medians of {} run(s), {}",
        tenths(wanted.bytes),
        wanted.files,
        wanted.runs,
        program.display()
    ));
    output::line("");
    output::line("| | seconds | MB/s | processor, seconds | most memory, MB |");
    output::line("| --- | ---: | ---: | ---: | ---: |");
    for row in rows {
        let ms = median(row.costs.iter().map(|it| it.ms).collect());
        let memory_kib = median(row.costs.iter().map(|it| it.memory_kib).collect());
        let rate = wanted.bytes.checked_div(ms.saturating_mul(1000)).unwrap_or(0);
        let processor_ms = median(row.costs.iter().map(|it| it.processor_ms).collect());
        output::line(&format!(
            "| {} | {} | {rate} | {} | {} |",
            row.name,
            seconds(ms),
            seconds(processor_ms),
            memory_kib.saturating_mul(1024).div_ceil(1_000_000)
        ));
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:02}", ms / 1000, ms % 1000 / 10)
}

/// Of an even count the lower of the two in the middle.
fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gigabytes_are_read_to_the_megabyte() {
        assert_eq!(bytes("5").unwrap(), 5 * GB);
        assert_eq!(bytes("0.2").unwrap(), 200_000_000);
        assert_eq!(bytes("1.005").unwrap(), 1_005_000_000);
        for bad in ["", "x", "1.0005", "-1", "1.x", "."] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_median_is_one_of_its_values() {
        assert_eq!(median(vec![3, 1, 2]), 2);
        assert_eq!(median(vec![4, 1, 3, 2]), 2);
        assert_eq!(median(Vec::new()), 0);
    }
}
