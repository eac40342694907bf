//! `cargo xtask peers detect | models`: our detectors and other projects' on the same rows, scored and timed the same way.
//!
//! Peers are installed at fixed versions into a cache outside the checkout and run through the small programs of
//! `tests/peers`; ours is an example of testudo-encoder. One that cannot be installed or run is left out, and said so.

mod injection;
mod install;
mod made;
mod mlflow;
mod models;
mod places;
mod signing;
mod weights;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{output, shell};

/// `peers detect [--data FILE] [--rows N] [--only injection|personal|secrets]`, or `peers models-signing`.
pub(crate) fn peers(arguments: &[String]) -> anyhow::Result<()> {
    let rest = match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("detect", rest)) => rest,
        Some(("models", rest)) => return models::compare(rest),
        Some(("models-signing", rest)) => return signing::compare(rest),
        Some(("models-weights", rest)) => return weights::check(rest),
        Some(("mlflow", rest)) => return mlflow::check(rest),
        _ => bail!(
            "`peers` compares detectors, scanners, signatures and counts of weights, and asks as others' clients do: \
             `peers detect`, `peers models`, `peers models-signing`, `peers models-weights`, `peers mlflow`"
        ),
    };
    let options = Options::read(rest)?;
    let work = shell::target().join("peers");
    fs::create_dir_all(&work)?;
    output::step("building ours");
    let package = [
        "--package",
        "testudo-encoder",
        "--features",
        "weights",
        "--example",
        "detection_peers",
    ];
    shell::run(
        shell::cargo()
            .args(["build", "--release", "--quiet", "--locked"])
            .args(package),
    )?;
    let bench = Bench {
        ours: shell::target().join("release/examples/detection_peers"),
        programs: shell::workspace().join("tests/peers"),
        work,
    };
    for part in ["injection", "personal", "secrets"] {
        if options.only.as_deref().is_some_and(|only| only != part) {
            continue;
        }
        match part {
            "injection" => injection::compare(&bench, &options)?,
            "personal" => places::personal(&bench, options.rows.unwrap_or(800))?,
            _ => places::secrets(&bench, options.rows.unwrap_or(800))?,
        }
    }
    Ok(())
}

struct Options {
    data: PathBuf,
    rows: Option<usize>,
    only: Option<String>,
}

impl Options {
    fn read(words: &[String]) -> anyhow::Result<Self> {
        let mut options = Self {
            data: shell::workspace().join("../shared/data/dev.jsonl"),
            rows: None,
            only: None,
        };
        for pair in words.chunks(2) {
            match pair {
                [name, value] if name == "--data" => options.data = value.into(),
                [name, value] if name == "--rows" => {
                    options.rows = Some(value.parse().context("--rows takes a number")?)
                }
                [name, value] if name == "--only" => options.only = Some(value.clone()),
                _ => bail!("`peers detect` takes --data FILE, --rows N, --only injection|personal|secrets"),
            }
        }
        Ok(options)
    }
}

/// Where things are.
struct Bench {
    ours: PathBuf,
    programs: PathBuf,
    work: PathBuf,
}

/// What a program said about rows.
struct Answers {
    name: &'static str,
    /// By row id.
    rows: BTreeMap<String, Value>,
    texts_per_second: f64,
}

impl Bench {
    /// Our own program.
    fn ours(&self, name: &'static str, mode: &str, rows: &Path) -> anyhow::Result<Answers> {
        output::step(name);
        answers(name, Command::new(&self.ours).arg(mode).arg(rows), &self.work)
    }

    /// A program of `tests/peers` under a peer's interpreter; `None`, with a line, when it does not run.
    fn peer(&self, name: &'static str, program: &str, runner: anyhow::Result<Command>, rows: &Path) -> Option<Answers> {
        output::step(name);
        let run = runner.and_then(|mut command| {
            command.arg(self.programs.join(program)).arg(rows);
            if let Some(modules) = install::modules(program) {
                command.arg(modules?);
            }
            answers(name, &mut command, &self.work)
        });
        run.map_err(|error| output::problem(&format!("{name} is left out: {error:#}")))
            .ok()
    }
}

fn answers(name: &'static str, command: &mut Command, work: &Path) -> anyhow::Result<Answers> {
    let log = File::create(work.join(format!("{name}.log")))?;
    let said = command
        .stderr(log)
        .output()
        .with_context(|| format!("{name} does not start"))?;
    if !said.status.success() {
        bail!(
            "it failed ({}); see {}",
            said.status,
            work.join(format!("{name}.log")).display()
        );
    }
    let text = String::from_utf8(said.stdout).context("it printed something that is not UTF-8")?;
    let mut found = Answers {
        name,
        rows: BTreeMap::new(),
        texts_per_second: 0.0,
    };
    // Libraries print, too; only objects are answers.
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let value: Value = serde_json::from_str(line).with_context(|| format!("it printed `{line}`"))?;
        let number = |name: &str| value.get(name).and_then(Value::as_f64);
        if let (Some(seconds), Some(texts)) = (number("seconds"), number("texts")) {
            found.texts_per_second = texts / seconds.max(1e-9);
        } else if let Some(id) = value.get("id").and_then(Value::as_str) {
            found.rows.insert(id.to_owned(), value.clone());
        }
    }
    Ok(found)
}

/// Writes rows without their labels and kinds, so that no program can read the truth.
fn blind(rows: &[Value], path: &Path) -> anyhow::Result<()> {
    let mut text = String::new();
    for row in rows {
        let shown = serde_json::json!({"id": row["id"], "text": row["text"], "origin": row["origin"]});
        text.push_str(&shown.to_string());
        text.push('\n');
    }
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// A share in percent, or a dash.
fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1}", share * 100.0))
}

/// Columns as wide as their widest cell.
fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| {
                if at == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        output::line(cells.join("  ").trim_end());
    }
    output::line("");
}
