//! `cargo xtask peers models`: our scanner of model files and four others on the same files.
//!
//! Harmless files are made by the real savers, harmful ones by a generator of the known bypasses whose payload is a
//! marker. Folders of other files, such as the test files of those scanners, can be added.

#![expect(clippy::disallowed_types, reason = "this measures, and sleeps for nobody")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::install::Environment;
use super::{Answers, answers, table};
use crate::{output, shell};

const SAVERS: Environment = Environment {
    name: "models-savers",
    packages: &[
        "numpy==2.4.6",
        "scipy==1.17.1",
        "scikit-learn==1.9.1",
        "joblib==1.6.0",
        "pandas==3.1.1",
        "xgboost==3.2.0",
        "lightgbm==4.7.0",
        "skops==0.16.0",
        "safetensors==0.8.0",
        "h5py==3.16.0",
        "onnx==1.23.2",
        "lz4==4.4.5",
        "zstandard==0.25.0",
        "py7zr==1.1.4",
    ],
};
const OLD_SAVERS: Environment = Environment {
    name: "models-savers-old",
    packages: &[
        "numpy==1.26.4",
        "scipy==1.11.4",
        "scikit-learn==1.3.2",
        "joblib==1.2.0",
        "pandas==2.0.3",
        "xgboost==1.7.6",
        "lightgbm==3.3.5",
        "setuptools==80.9.0",
    ],
};
const PEERS: [(&str, Environment); 4] = [
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

/// Files, and whether loading them does harm.
struct Corpus {
    name: String,
    harmful: bool,
    files: Vec<PathBuf>,
}

/// `peers models [--harmful FOLDER] [--harmless FOLDER] [--only NAME]`, folders as often as there are.
pub(super) fn compare(words: &[String]) -> anyhow::Result<()> {
    let mut corpora = Vec::new();
    let mut only = None;
    for pair in words.chunks(2) {
        match pair {
            [name, value] if name == "--harmful" || name == "--harmless" => {
                corpora.push(corpus(value, Path::new(value), name == "--harmful")?);
            }
            [name, value] if name == "--only" => only = Some(value.clone()),
            _ => bail!("`peers models` takes --harmful FOLDER, --harmless FOLDER, --only NAME"),
        }
    }
    let work = shell::target().join("peers/models");
    fs::create_dir_all(&work)?;
    for (environment, script, name, harmful) in [
        (&SAVERS, "benign.py", "harmless", false),
        (&OLD_SAVERS, "benign.py", "harmless-old", false),
        (&SAVERS, "bypass.py", "bypasses", true),
    ] {
        let folder = work.join(name);
        let made = super::install::python(environment).and_then(|python| make(python, script, &folder));
        match made.and_then(|()| corpus(name, &folder, harmful)) {
            Ok(it) => corpora.push(it),
            Err(error) => output::problem(&format!("{name} is left out: {error:#}")),
        }
    }
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
    let mut all = Vec::new();
    if only.as_deref().is_none_or(|only| only == "testudo") {
        all.push(judge("testudo", &corpora, &work, &|list, one| ours(list, one))?);
    }
    for (name, environment) in &PEERS {
        if only.as_deref().is_some_and(|only| only != *name) {
            continue;
        }
        output::step(name);
        let run = |list: &Path, _: bool| {
            let mut command = super::install::python(environment)?;
            command
                .arg(shell::workspace().join("tests/peers/models_scan.py"))
                .arg(list)
                .arg(name);
            answers(name, &mut command, &work)
        };
        match judge(name, &corpora, &work, &run) {
            Ok(column) => all.push(column),
            Err(error) => output::problem(&format!("{name} is left out: {error:#}")),
        }
    }
    print(&corpora, &all);
    Ok(())
}

fn make(mut python: Command, script: &str, folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    python
        .arg(shell::workspace().join("tests/formats").join(script))
        .arg(folder);
    shell::run(
        python
            .env("OMP_NUM_THREADS", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
}

fn corpus(name: &str, folder: &Path, harmful: bool) -> anyhow::Result<Corpus> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(Corpus {
        name: name.to_owned(),
        harmful,
        files,
    })
}

/// What one tool made of each corpus: found, errors, and the time; and how long it takes for a single file.
struct Column {
    name: &'static str,
    cells: Vec<(usize, usize, f64, Vec<String>)>,
    start_seconds: f64,
}

fn judge(
    name: &'static str,
    corpora: &[Corpus],
    work: &Path,
    run: &dyn Fn(&Path, bool) -> anyhow::Result<Answers>,
) -> anyhow::Result<Column> {
    let mut cells = Vec::new();
    for corpus in corpora {
        let list = list(&corpus.files, work)?;
        let start = Instant::now();
        let answers = run(&list, false)?;
        let seconds = start.elapsed().as_secs_f64();
        let said = |path: &Path, word: &str| {
            let row = answers.rows.get(&path.display().to_string());
            row.and_then(|row| row.get("verdict")).and_then(Value::as_str) == Some(word)
        };
        let count = |word: &str| corpus.files.iter().filter(|path| said(path, word)).count();
        let wrong = corpus.files.iter().filter(|path| said(path, "found") != corpus.harmful);
        let wrong = wrong.take(5).map(|path| path.display().to_string()).collect();
        cells.push((count("found"), count("error"), seconds, wrong));
    }
    let one: Vec<PathBuf> = corpora
        .iter()
        .flat_map(|corpus| corpus.files.first().cloned())
        .take(1)
        .collect();
    let list = list(&one, work)?;
    let start = Instant::now();
    run(&list, true)?;
    Ok(Column {
        name,
        cells,
        start_seconds: start.elapsed().as_secs_f64(),
    })
}

fn list(files: &[PathBuf], work: &Path) -> anyhow::Result<PathBuf> {
    let path = work.join("list.txt");
    let lines: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    fs::write(&path, lines.join("\n"))?;
    Ok(path)
}

/// Our own program, as a user calls it.
fn ours(list: &Path, _: bool) -> anyhow::Result<Answers> {
    let files = shell::read_file(list)?;
    let said = Command::new(shell::target().join("release/testudo"))
        .args(["model", "scan", "--format", "json"])
        .args(files.lines())
        .output()?;
    if !matches!(said.status.code(), Some(0 | 1 | 3)) {
        bail!("it failed: {}", String::from_utf8_lossy(&said.stderr));
    }
    let mut rows = BTreeMap::new();
    for line in String::from_utf8(said.stdout)?.lines() {
        let value: Value = serde_json::from_str(line)?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        // Both are refused; the difference is in what it says.
        let word = if matches!(text("verdict"), "malicious" | "unknown") {
            "found"
        } else {
            "clean"
        };
        rows.insert(text("path").to_owned(), serde_json::json!({"verdict": word}));
    }
    Ok(Answers {
        name: "testudo",
        rows,
        texts_per_second: 0.0,
    })
}

fn print(corpora: &[Corpus], all: &[Column]) {
    let mut head = vec!["tool".to_owned()];
    for corpus in corpora {
        let kind = if corpus.harmful { "found" } else { "false alarms" };
        head.push(format!("{} ({}): {kind}", corpus.name, corpus.files.len()));
        head.extend(["errors".to_owned(), "seconds".to_owned()]);
    }
    head.push("one file, seconds".to_owned());
    let mut rows = vec![head];
    for column in all {
        let mut row = vec![column.name.to_owned()];
        for (found, errors, seconds, _) in &column.cells {
            row.extend([found.to_string(), errors.to_string(), format!("{seconds:.2}")]);
        }
        row.push(format!("{:.3}", column.start_seconds));
        rows.push(row);
    }
    table(&rows);
    for column in all {
        for ((.., wrong), corpus) in column
            .cells
            .iter()
            .zip(corpora)
            .filter(|((.., wrong), _)| !wrong.is_empty())
        {
            let what = if corpus.harmful { "missed" } else { "false alarms" };
            output::line(&format!(
                "{} on {}, {what}, the first: {}",
                column.name,
                corpus.name,
                wrong.join(", ")
            ));
        }
    }
}
