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

impl Word {
    const ALL: [(&str, Self); 4] = [
        ("found", Self::Found),
        ("suspicious", Self::Told),
        ("clean", Self::Clean),
        ("no answer", Self::NoAnswer),
    ];

    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, word)| *word == self)
            .map_or("", |(name, _)| *name)
    }

    fn read(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, word)| *word)
    }
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
    pub(super) fn judge(&self, files: &[PathBuf], work: &Path, kept: &Kept, processes: usize) -> anyhow::Result<Said> {
        let (mut said, files) = kept.earlier(files);
        match self {
            Self::Ours(program) => {
                for part in files.chunks(FILES_EACH) {
                    ours(program, part, kept, &mut said)?;
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
                    kept,
                };
                peer.judge(&files, said, processes.max(1))
            }
        }
    }

    /// Seconds of a whole process for one small file: the median of several, after one that warms the caches.
    pub(super) fn start_seconds(&self, file: &Path, work: &Path) -> anyhow::Result<f64> {
        let files = [file.to_owned()];
        let mut times = Vec::new();
        for _ in 0..=STARTS {
            let kept = Kept::open("start", work, false)?;
            let start = Instant::now();
            self.judge(&files, work, &kept, 1)?;
            times.push(start.elapsed().as_secs_f64());
        }
        times.remove(0);
        times.sort_by(f64::total_cmp);
        times.get(STARTS / 2).copied().context("nothing was timed")
    }
}

/// Our own program, as a user calls it, on one core like the others.
fn ours(program: &Path, files: &[PathBuf], kept: &Kept, said: &mut Said) -> anyhow::Result<()> {
    let start = Instant::now();
    let output = Command::new(program)
        .args(["model", "scan", "--format", "json", "--jobs", "1"])
        .args(files)
        .output()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    let seconds = start.elapsed().as_secs_f64();
    said.seconds += seconds;
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
        let path = PathBuf::from(text("path"));
        kept.keep(
            &path,
            word,
            seconds / f64::from(u32::try_from(files.len()).unwrap_or(u32::MAX)),
        )?;
        said.words.insert(path, word);
    }
    Ok(())
}

/// Another scanner, and where its lists and logs are kept.
struct Peer<'p> {
    name: &'static str,
    environment: &'p Environment,
    work: &'p Path,
    kept: &'p Kept,
}

/// What the processes of one peer share.
struct Shared {
    batches: Mutex<Vec<Vec<PathBuf>>>,
    said: Mutex<Said>,
    shown: Mutex<Instant>,
    started: Instant,
    /// How many had answers before, and how many have none.
    earlier: usize,
    files: usize,
}

impl Peer<'_> {
    fn judge(&self, files: &[PathBuf], said: Said, processes: usize) -> anyhow::Result<Said> {
        // Files of every kind in each batch, so that what is left after an hour is about as much as it looks.
        let count = files.len().div_ceil(BATCH).max(1);
        let batch = |first: usize| files.iter().skip(first).step_by(count).cloned().collect();
        let shared = Shared {
            batches: Mutex::new((0..count).rev().map(batch).collect()),
            earlier: said.words.len(),
            said: Mutex::new(said),
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
    fn work(&self, shared: &Shared, worker: usize) -> anyhow::Result<()> {
        loop {
            let Some(batch) = lock(&shared.batches).pop() else {
                return Ok(());
            };
            let mut rest = batch.as_slice();
            while !rest.is_empty() {
                let answered = self.batch(rest, worker, shared)?;
                let Some((died_of, after)) = rest.get(answered..).and_then(<[PathBuf]>::split_first) else {
                    break;
                };
                output::problem(&format!("{} died of {}", self.name, died_of.display()));
                self.kept.keep(died_of, Word::NoAnswer, 0.0)?;
                lock(&shared.said).words.insert(died_of.clone(), Word::NoAnswer);
                rest = after;
            }
        }
    }

    /// One process, until it ends, dies or hangs; how many files it answered, in their order.
    fn batch(&self, files: &[PathBuf], worker: usize, shared: &Shared) -> anyhow::Result<usize> {
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
    fn hear(&self, line: &str, shared: &Shared) -> bool {
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
        let seconds = value.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
        if let Err(error) = self.kept.keep(Path::new(id), word, seconds) {
            output::problem(&format!("a verdict of {} cannot be kept: {error:#}", self.name));
        }
        let mut said = lock(&shared.said);
        said.words.insert(id.into(), word);
        said.seconds += seconds;
        let done = said.words.len().saturating_sub(shared.earlier);
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

/// The verdicts of one tool, each kept as it comes: for whoever wants to look into one, and to go on after an
/// interrupted run.
pub(super) struct Kept {
    file: Mutex<File>,
    earlier: BTreeMap<PathBuf, (Word, f64)>,
}

impl Kept {
    /// Begins anew, or goes on with what an interrupted run has kept.
    pub(super) fn open(name: &str, work: &Path, resume: bool) -> anyhow::Result<Self> {
        let path = work.join(format!("{name}.verdicts.jsonl"));
        let mut earlier = BTreeMap::new();
        if !resume && path.exists() {
            fs::remove_file(&path)?;
        }
        if path.exists() {
            for line in shell::read_file(&path)?.lines() {
                // The last line may be half.
                let Ok(row) = serde_json::from_str::<Value>(line) else {
                    continue;
                };
                let text = |key: &str| row.get(key).and_then(Value::as_str);
                let seconds = row.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
                if let (Some(path), Some(word)) = (text("path"), text("verdict").and_then(Word::read)) {
                    earlier.insert(path.into(), (word, seconds));
                }
            }
        }
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self {
            file: Mutex::new(file),
            earlier,
        })
    }

    /// What was said of these files, and the files of which nothing was.
    pub(super) fn earlier(&self, files: &[PathBuf]) -> (Said, Vec<PathBuf>) {
        let mut said = Said::default();
        let mut rest = Vec::new();
        for path in files {
            match self.earlier.get(path) {
                Some((word, seconds)) => {
                    said.words.insert(path.clone(), *word);
                    said.seconds += seconds;
                }
                None => rest.push(path.clone()),
            }
        }
        (said, rest)
    }

    fn keep(&self, path: &Path, word: Word, seconds: f64) -> anyhow::Result<()> {
        let row = serde_json::json!({"path": path, "verdict": word.name(), "seconds": seconds});
        Ok(writeln!(lock(&self.file), "{row}")?)
    }
}
