//! `cargo xtask peers models`: our scanner of model files and four others on the same files.
//!
//! Harmless files are made by the real savers or lie in packages, harmful ones are made by a generator of the known
//! bypasses whose payload is a marker. Checkouts of the other scanners, for the files of their tests, and other folders
//! can be added; nothing of them is kept.
//!
//! From an empty cache it installs nine sets of packages (9 GB, a quarter of an hour), makes the files (ten minutes) and
//! runs for an hour on two cores, most of it modelaudit; an interrupted run goes on with `--resume`. `--speed-only` takes
//! some minutes.

#![expect(clippy::disallowed_types, reason = "this measures, and sleeps for nobody")]

mod corpora;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};

pub(super) use self::corpora::TORCH_SAVERS;
use self::corpora::{Corpus, Given, Making};
use self::tools::{Kept, PEERS, Said, Tool, Word};
use super::table;
use crate::{output, shell};

/// As typed.
#[derive(Default)]
struct Options {
    given: Given,
    only: Option<String>,
    /// A part of the names of corpora.
    corpus: String,
    /// A program that was built before.
    ours: Option<PathBuf>,
    /// Processes of a peer at a time.
    processes: Option<usize>,
    speed_only: bool,
    resume: bool,
}

impl Options {
    fn read(words: &[String]) -> anyhow::Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(name) = words.next() {
            match name.as_str() {
                "--speed-only" => options.speed_only = true,
                "--resume" => options.resume = true,
                _ => options.valued(name, words.next())?,
            }
        }
        Ok(options)
    }

    fn valued(&mut self, name: &str, value: Option<&String>) -> anyhow::Result<()> {
        let value = value.with_context(|| format!("`{name}` needs a value"))?;
        let path = || std::path::absolute(value).with_context(|| format!("`{value}` is no path"));
        match name {
            "--picklescan" => self.given.picklescan = Some(path()?),
            "--modelaudit" => self.given.modelaudit = Some(path()?),
            "--fickling" => self.given.fickling = Some(path()?),
            "--harmful" => self.given.harmful.push(path()?),
            "--harmless" => self.given.harmless.push(path()?),
            "--only" => self.only = Some(value.clone()),
            "--corpus" => self.corpus.clone_from(value),
            "--ours" => self.ours = Some(path()?),
            "--processes" => self.processes = Some(value.parse().context("--processes takes a number")?),
            _ => bail!(
                "`peers models` takes --picklescan, --modelaudit and --fickling CHECKOUT, --harmful and --harmless \
                 FOLDER, --only TOOL, --corpus NAME, --ours PROGRAM, --processes N, --resume, and --speed-only"
            ),
        }
        Ok(())
    }
}

pub(super) fn compare(words: &[String]) -> anyhow::Result<()> {
    let mut options = Options::read(words)?;
    if options.speed_only && options.corpus.is_empty() {
        // Made in seconds, on every machine the same.
        "bypasses".clone_into(&mut options.corpus);
    }
    let started = Instant::now();
    let work = shell::target().join("peers/models");
    fs::create_dir_all(&work)?;
    let [.., (_, fickling), _] = &PEERS;
    let making = Making {
        work: &work,
        resume: options.resume,
    };
    let corpora = corpora::all(&options.given, &options.corpus, &making, fickling);
    let ours = match &options.ours {
        Some(program) => program.clone(),
        None => built()?,
    };
    let mut tools = vec![Tool::Ours(ours)];
    tools.extend(PEERS.iter().map(|(name, environment)| Tool::Peer(name, environment)));
    tools.retain(|tool| options.only.as_deref().is_none_or(|only| only == tool.name()));
    // What is timed has the machine to itself.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processes = if options.speed_only {
        1
    } else {
        options.processes.unwrap_or(cores)
    };
    let mut columns = Vec::new();
    for tool in &tools {
        output::step(tool.name());
        // Ours may be another program by now, and takes seconds.
        let resume = options.resume && !matches!(tool, Tool::Ours(_));
        let judged =
            Kept::open(tool.name(), &work, resume).and_then(|kept| judge(tool, &corpora, &work, &kept, processes));
        match judged {
            Ok(column) => columns.push(column),
            Err(error) => output::problem(&format!("{} is left out: {error:#}", tool.name())),
        }
    }
    if !options.speed_only {
        verdicts(&corpora, &columns);
        wrong(&corpora, &columns);
        output::line(&format!("every verdict: {}", work.join("*.verdicts.jsonl").display()));
    }
    speeds(&corpora, &columns);
    let minutes = started.elapsed().as_secs() / 60;
    output::line(&format!(
        "all of it took {minutes} min, with {processes} processes of a peer at a time"
    ));
    Ok(())
}

/// Our program, built as it is released but for the weights of the detectors.
pub(super) fn built() -> anyhow::Result<PathBuf> {
    output::step("building ours");
    let build = [
        "build",
        "--release",
        "--quiet",
        "--locked",
        "--package",
        "testudo-cli",
        "--no-default-features",
    ];
    shell::run(shell::cargo().args(build))?;
    Ok(shell::target().join("release/testudo"))
}

/// What one tool made of each corpus, and how long it takes to start.
struct Column {
    name: &'static str,
    said: Vec<Said>,
    start_seconds: f64,
}

fn judge(tool: &Tool, corpora: &[Corpus], work: &Path, kept: &Kept, processes: usize) -> anyhow::Result<Column> {
    let mut said = Vec::new();
    for corpus in corpora {
        let files: Vec<PathBuf> = corpus.harmful.iter().chain(&corpus.harmless).cloned().collect();
        output::step(&format!("{} on {}: {} files", tool.name(), corpus.name, files.len()));
        said.push(tool.judge(&files, work, kept, processes)?);
    }
    let small = work.join("small.pkl");
    // `[1]`, as protocol 2 has it.
    fs::write(&small, b"\x80\x02]q\x00K\x01a.")?;
    Ok(Column {
        name: tool.name(),
        said,
        start_seconds: tool.start_seconds(&small, work)?,
    })
}

fn count(files: &[PathBuf], said: &Said, word: Word) -> usize {
    // What was never answered is no answer, too.
    let of = |path: &PathBuf| said.words.get(path).copied().unwrap_or(Word::NoAnswer);
    files.iter().filter(|path| of(path) == word).count()
}

fn verdicts(corpora: &[Corpus], columns: &[Column]) {
    let head = [
        "corpus",
        "tool",
        "harmful",
        "found",
        "suspicious",
        "missed",
        "no answer",
        "harmless",
        "passed",
        "suspicious",
        "false alarms",
        "no answer",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (at, corpus) in corpora.iter().enumerate() {
        for column in columns {
            let Some(said) = column.said.get(at) else { continue };
            let mut row = vec![corpus.name.clone(), column.name.to_owned()];
            for (files, words) in [
                (&corpus.harmful, [Word::Found, Word::Told, Word::Clean, Word::NoAnswer]),
                (&corpus.harmless, [Word::Clean, Word::Told, Word::Found, Word::NoAnswer]),
            ] {
                row.push(files.len().to_string());
                row.extend(words.map(|word| {
                    // Others know no such verdict.
                    if files.is_empty() || (word == Word::Told && column.name != "testudo") {
                        "-".to_owned()
                    } else {
                        count(files, said, word).to_string()
                    }
                }));
            }
            rows.push(row);
        }
    }
    table(&rows);
    for corpus in corpora {
        output::line(&format!("{}: truth by {}", corpus.name, corpus.truth));
    }
}

/// Ours as whole processes, the others as the sum of their calls.
#[expect(clippy::cast_precision_loss, reason = "sizes and counts here stay below 2^52")]
fn speeds(corpora: &[Corpus], columns: &[Column]) {
    let head = [
        "corpus",
        "tool",
        "files",
        "files/s",
        "MB/s",
        "one small file, whole process, ms",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (at, corpus) in corpora.iter().enumerate() {
        let files: Vec<&PathBuf> = corpus.harmful.iter().chain(&corpus.harmless).collect();
        let sizes = files
            .iter()
            .filter_map(|path| fs::metadata(path).ok())
            .map(|meta| meta.len());
        let bytes: u64 = sizes.sum();
        for column in columns {
            let Some(said) = column.said.get(at) else { continue };
            let seconds = said.seconds.max(1e-9);
            rows.push(vec![
                corpus.name.clone(),
                column.name.to_owned(),
                files.len().to_string(),
                format!("{:.1}", files.len() as f64 / seconds),
                format!("{:.2}", bytes as f64 / 1e6 / seconds),
                format!("{:.0}", column.start_seconds * 1000.0),
            ]);
        }
    }
    table(&rows);
}

/// Every file that ours is wrong about, and the first that others are.
fn wrong(corpora: &[Corpus], columns: &[Column]) {
    for column in columns {
        let shown = if column.name == "testudo" { usize::MAX } else { 3 };
        for (corpus, said) in corpora.iter().zip(&column.said) {
            for (files, word, what) in [
                (&corpus.harmful, Word::Clean, "missed"),
                (&corpus.harmful, Word::Told, "suspicious"),
                (&corpus.harmless, Word::Found, "false alarms"),
            ] {
                let wrong: Vec<String> = files
                    .iter()
                    .filter(|path| said.words.get(*path) == Some(&word))
                    .take(shown)
                    .map(|path| path.display().to_string())
                    .collect();
                if !wrong.is_empty() {
                    output::line(&format!(
                        "{} on {}, {what}: {}",
                        column.name,
                        corpus.name,
                        wrong.join(", ")
                    ));
                }
            }
        }
    }
}
