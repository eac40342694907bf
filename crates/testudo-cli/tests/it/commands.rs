//! Runs every case of `tests/cmd`: a command with its files, and what it must print.
//!
//! A case is `NAME.toml` with `command`, `exit`, and optionally `stdin`, `[env]` and `[files]`
//! (text by path). What it prints stands in `NAME.stdout` and `NAME.stderr`; absent means nothing.
//! `BLESS=1 cargo nextest run -p testudo-cli` writes these files anew. `¦` is removed from all
//! input, so that secrets in cases stand inert in the repository.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

struct Case {
    command: Vec<String>,
    exit: i64,
    stdin: String,
    env: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

#[test]
fn every_command_prints_what_it_must() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
    let bless = std::env::var_os("BLESS").is_some();
    let mut cases: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    cases.sort();
    assert!(cases.len() >= 12, "only {} cases found", cases.len());
    let failures: Vec<String> = cases.iter().filter_map(|path| run(path, bless).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn run(path: &Path, bless: bool) -> Result<(), String> {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let case = read(path);
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in &case.files {
        let file = dir.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_testudo"))
        .args(&case.command)
        .current_dir(dir.path())
        .env_clear()
        .envs(&case.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _written = child.stdin.take().unwrap().write_all(case.stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let mut differences = Vec::new();
    if output.status.code().map(i64::from) != Some(case.exit) {
        differences.push(format!("ended with {}, expected {}", output.status, case.exit));
    }
    for (stream, found) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let found = String::from_utf8(found.clone()).unwrap();
        let expected_path = path.with_extension(stream);
        if bless {
            let _removed = fs::remove_file(&expected_path);
            if !found.is_empty() {
                fs::write(&expected_path, &found).unwrap();
            }
        }
        let expected = text(&expected_path).unwrap_or_default();
        if expected != found {
            differences.push(format!("{stream} is\n{found}\nexpected\n{expected}"));
        }
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(format!("{name}: {}", differences.join("\n")))
    }
}

fn text(path: &Path) -> Option<String> {
    testudo_bounded::read_text(path, 1 << 20).ok()
}

fn read(path: &Path) -> Case {
    let text = text(path).unwrap().replace('¦', "");
    let table: toml::Table = toml::from_str(&text).unwrap();
    let map = |key: &str| -> BTreeMap<String, String> {
        let Some(toml::Value::Table(table)) = table.get(key) else {
            return BTreeMap::new();
        };
        table
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
            .collect()
    };
    Case {
        command: table["command"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect(),
        exit: table["exit"].as_integer().unwrap(),
        stdin: table
            .get("stdin")
            .map(|it| it.as_str().unwrap().to_owned())
            .unwrap_or_default(),
        env: map("env"),
        files: map("files"),
    }
}

#[test]
fn shells_can_complete_commands_and_options() {
    for (shell, has) in [("bash", "--fail-on"), ("zsh", "--fail-on"), ("fish", "fail-on")] {
        let output = Command::new(env!("CARGO_BIN_EXE_testudo"))
            .args(["completions", shell])
            .env_clear()
            .output()
            .unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains(has), "{shell}");
    }
}
