//! Runs scanners over lists of files, each as its users do, and keeps what they say.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
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
/// Files of a peer in one process.
const BATCH: usize = 100;
/// A process that says nothing for so long is stopped; whether a file took too long it finds out itself, by the
/// processor time that it got.
const SILENCE: Duration = Duration::from_secs(1_800);

/// What a tool says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Found,
    /// Ours says `suspicious`: harmless to load as far as was read, but not what a saver writes.
    Told,
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

    /// Runs it over files, a peer in so many processes at a time.
    pub(super) fn judge(&self, files: &[PathBuf], work: &Path, processes: usize) -> anyhow::Result<Said> {
        match self {
            Self::Ours(program) => {
                let mut said = Said::default();
                for part in files.chunks(FILES_EACH) {
                    ours(program, part, &mut said)?;
                }
                Ok(said)
            }
            Self::Peer(name, environment) => {
                // Installed before several processes ask for it.
                install::python(environment)?;
                let peer = Peer {
                    name,
                    environment,
                    work,
                };
                peer.judge(files, processes.max(1))
            }
        }
    }

    /// Seconds of a whole process for one small file: the median of several, after one that warms the caches.
    pub(super) fn start_seconds(&self, file: &Path, work: &Path) -> anyhow::Result<f64> {
        let files = [file.to_owned()];
        let mut times = Vec::new();
        for _ in 0..=STARTS {
            let start = Instant::now();
            self.judge(&files, work, 1)?;
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
        let word = match text("verdict") {
            "malicious" | "unknown" => Word::Found,
            "suspicious" => Word::Told,
            _ => Word::Clean,
        };
        said.words.insert(text("path").into(), word);
    }
    Ok(())
}

/// Another scanner, and where its lists and logs are kept.
struct Peer<'p> {
    name: &'static str,
    environment: &'p Environment,
    work: &'p Path,
}

/// What the processes of one peer share.
struct Shared<'f> {
    batches: Mutex<Vec<&'f [PathBuf]>>,
    said: Mutex<Said>,
    shown: Mutex<Instant>,
    started: Instant,
    files: usize,
}

impl Peer<'_> {
    fn judge(&self, files: &[PathBuf], processes: usize) -> anyhow::Result<Said> {
        let shared = Shared {
            batches: Mutex::new(files.chunks(BATCH).rev().collect()),
            said: Mutex::default(),
            shown: Mutex::new(Instant::now()),
            started: Instant::now(),
            files: files.len(),
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..processes)
                .map(|worker| {
                    scope.spawn({
                        let shared = &shared;
                        move || self.work(shared, worker)
                    })
                })
                .collect();
            for worker in workers {
                match worker.join() {
                    Ok(done) => done?,
                    Err(_panicked) => bail!("a worker of {} panicked", self.name),
                }
            }
            Ok(())
        })?;
        shared
            .said
            .into_inner()
            .map_err(|_| anyhow!("a worker of {} panicked", self.name))
    }

    /// Takes batches until none is left. A process that dies or hangs goes on after the file that it died of.
    fn work(&self, shared: &Shared<'_>, worker: usize) -> anyhow::Result<()> {
        loop {
            let Some(mut rest) = lock(&shared.batches).pop() else {
                return Ok(());
            };
            while !rest.is_empty() {
                let answered = self.batch(rest, worker, shared)?;
                let Some((died_of, after)) = rest.get(answered..).and_then(<[PathBuf]>::split_first) else {
                    break;
                };
                output::problem(&format!("{} died of {}", self.name, died_of.display()));
                lock(&shared.said).words.insert(died_of.clone(), Word::NoAnswer);
                rest = after;
            }
        }
    }

    /// One process, until it ends, dies or hangs; how many files it answered, in their order.
    fn batch(&self, files: &[PathBuf], worker: usize, shared: &Shared<'_>) -> anyhow::Result<usize> {
        let list = self.work.join(format!("{}.{worker}.txt", self.name));
        let lines: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        fs::write(&list, lines.join("\n"))?;
        let log = self.work.join(format!("{}.log", self.name));
        let log_file = File::options().create(true).append(true).open(&log)?;
        let mut child = install::python(self.environment)?
            .arg(shell::workspace().join("tests/peers/models_scan.py"))
            .arg(&list)
            .arg(self.name)
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .with_context(|| format!("{} does not start", self.name))?;
        let answers = BufReader::new(child.stdout.take().context("its output cannot be read")?);
        let (sender, lines) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in answers.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut answered = 0_usize;
        loop {
            match lines.recv_timeout(SILENCE) {
                Ok(line) => answered = answered.saturating_add(usize::from(self.hear(&line, shared))),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    child.kill()?;
                    break;
                }
            }
        }
        let status = child.wait()?;
        let _ended = reader.join();
        if !status.success() && lock(&shared.said).words.is_empty() {
            bail!("it failed ({status}); see {}", log.display());
        }
        Ok(answered)
    }

    /// Takes a line for an answer, if it is one: libraries print, too.
    fn hear(&self, line: &str, shared: &Shared<'_>) -> bool {
        let Some(value) = serde_json::from_str::<Value>(line).ok().filter(Value::is_object) else {
            return false;
        };
        let Some(id) = value.get("id").and_then(Value::as_str) else {
            return false;
        };
        let word = match value.get("verdict").and_then(Value::as_str) {
            Some("found") => Word::Found,
            Some("clean") => Word::Clean,
            _ => Word::NoAnswer,
        };
        let mut said = lock(&shared.said);
        said.words.insert(id.into(), word);
        said.seconds += value.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
        let done = said.words.len();
        drop(said);
        let mut shown = lock(&shared.shown);
        if shown.elapsed() > Duration::from_secs(10) {
            *shown = Instant::now();
            output::step(&progress(self.name, done, shared.files, shared.started.elapsed()));
        }
        true
    }
}

fn progress(name: &str, done: usize, files: usize, elapsed: Duration) -> String {
    let each = elapsed
        .checked_div(u32::try_from(done.max(1)).unwrap_or(u32::MAX))
        .unwrap_or_default();
    let left = each.saturating_mul(u32::try_from(files.saturating_sub(done)).unwrap_or(u32::MAX));
    let minutes = left.as_secs().div_ceil(60);
    format!("{name}: {done} of {files} files, about {minutes} min left")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
