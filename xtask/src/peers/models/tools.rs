//! Runs scanners over lists of files, each as its users do, and keeps what they say.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::super::install::{self, Environment};
use crate::{output, shell};

/// Other scanners, and where each is installed.
pub(super) const PEERS: [(&str, Environment); 4] = [
    (
        "picklescan",
        Environment {
            name: "models-picklescan",
            packages: &["picklescan==1.0.5", "numpy==2.4.6", "py7zr==1.1.4"],
        },
    ),
    (
        "modelscan",
        Environment {
            name: "models-modelscan",
            packages: &["modelscan==0.8.8"],
        },
    ),
    (
        "fickling",
        Environment {
            name: "models-fickling",
            packages: &["fickling==0.1.12", "typing_extensions"],
        },
    ),
    (
        "modelaudit",
        Environment {
            name: "models-modelaudit",
            packages: &["modelaudit==0.2.54"],
        },
    ),
];
/// Whole processes that are timed for one small file.
const STARTS: usize = 5;
/// Files of ours in one call: a command line has a length.
const FILES_EACH: usize = 500;

/// What a tool says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Found,
    Clean,
    /// It failed, passed the file over, or did not end.
    NoAnswer,
}

/// Words by file, and the seconds of each; ours are timed together.
#[derive(Default)]
pub(super) struct Said {
    pub(super) words: BTreeMap<PathBuf, Word>,
    pub(super) seconds: f64,
}

/// A scanner that can be run.
pub(super) enum Tool {
    Ours(PathBuf),
    Peer(&'static str, &'static Environment),
}

impl Tool {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "testudo",
            Self::Peer(name, _) => name,
        }
    }

    /// Runs it over files. A peer whose process dies goes on after the file that it died of.
    pub(super) fn judge(&self, files: &[PathBuf], work: &Path) -> anyhow::Result<Said> {
        let mut said = Said::default();
        match self {
            Self::Ours(program) => {
                for part in files.chunks(FILES_EACH) {
                    ours(program, part, &mut said)?;
                }
            }
            Self::Peer(name, environment) => {
                let mut rest = files;
                while !rest.is_empty() {
                    peer(name, environment, rest, work, &mut said)?;
                    let done = rest.iter().take_while(|path| said.words.contains_key(*path)).count();
                    let Some((died_of, after)) = rest.get(done..).and_then(<[PathBuf]>::split_first) else {
                        break;
                    };
                    output::problem(&format!("{name} died of {}", died_of.display()));
                    said.words.insert(died_of.clone(), Word::NoAnswer);
                    rest = after;
                }
            }
        }
        Ok(said)
    }

    /// Seconds of a whole process for one small file: the median of several, after one that warms the caches.
    pub(super) fn start_seconds(&self, file: &Path, work: &Path) -> anyhow::Result<f64> {
        let files = [file.to_owned()];
        let mut times = Vec::new();
        for _ in 0..=STARTS {
            let start = Instant::now();
            self.judge(&files, work)?;
            times.push(start.elapsed().as_secs_f64());
        }
        times.remove(0);
        times.sort_by(f64::total_cmp);
        times.get(STARTS / 2).copied().context("nothing was timed")
    }
}

/// Our own program, as a user calls it, on one core like the others.
fn ours(program: &Path, files: &[PathBuf], said: &mut Said) -> anyhow::Result<()> {
    let start = Instant::now();
    let output = Command::new(program)
        .args(["model", "scan", "--format", "json", "--jobs", "1"])
        .args(files)
        .output()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    said.seconds += start.elapsed().as_secs_f64();
    if !matches!(output.status.code(), Some(0 | 1 | 3)) {
        bail!("it failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    for line in String::from_utf8(output.stdout)?.lines() {
        let value: Value = serde_json::from_str(line)?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        // Both are refused; the difference is in what it says.
        let word = if matches!(text("verdict"), "malicious" | "unknown") {
            Word::Found
        } else {
            Word::Clean
        };
        said.words.insert(text("path").into(), word);
    }
    Ok(())
}

/// Runs a peer until it ends or dies.
fn peer(
    name: &'static str,
    environment: &Environment,
    files: &[PathBuf],
    work: &Path,
    said: &mut Said,
) -> anyhow::Result<()> {
    let list = work.join(format!("{name}.txt"));
    let lines: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    fs::write(&list, lines.join("\n"))?;
    let log = File::options()
        .create(true)
        .append(true)
        .open(work.join(format!("{name}.log")))?;
    let mut child = install::python(environment)?
        .arg(shell::workspace().join("tests/peers/models_scan.py"))
        .arg(&list)
        .arg(name)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .with_context(|| format!("{name} does not start"))?;
    let answers = BufReader::new(child.stdout.take().context("its output cannot be read")?);
    let mut shown = Instant::now();
    let mut any = false;
    for (done, line) in answers.lines().enumerate() {
        let line = line.context("it printed something that is not UTF-8")?;
        // Libraries print, too; only objects are answers.
        let Some(value) = serde_json::from_str::<Value>(&line).ok().filter(Value::is_object) else {
            continue;
        };
        let Some(id) = value.get("id").and_then(Value::as_str) else {
            continue;
        };
        any = true;
        let word = match value.get("verdict").and_then(Value::as_str) {
            Some("found") => Word::Found,
            Some("clean") => Word::Clean,
            _ => Word::NoAnswer,
        };
        said.words.insert(id.into(), word);
        said.seconds += value.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
        if shown.elapsed() > Duration::from_secs(5) {
            shown = Instant::now();
            output::step(&format!("{name}: {done} of {} files", files.len()));
        }
    }
    let status = child.wait()?;
    if !status.success() && !any && said.words.is_empty() {
        bail!(
            "it failed ({status}); see {}",
            work.join(format!("{name}.log")).display()
        );
    }
    Ok(())
}

/// Keeps each verdict, for whoever wants to look into one.
pub(super) fn keep(name: &str, said: &Said, work: &Path) -> anyhow::Result<()> {
    let path = work.join(format!("{name}.verdicts.jsonl"));
    let mut file = File::options().create(true).append(true).open(path)?;
    for (path, word) in &said.words {
        let row = serde_json::json!({"path": path, "verdict": format!("{word:?}")});
        writeln!(file, "{row}")?;
    }
    Ok(())
}
