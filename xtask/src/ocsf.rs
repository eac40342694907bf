//! `cargo xtask ocsf`: exports against the published schema, encrypted exports against the age tool.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{output, python, shell};

/// The schema comes inside the first package; nothing of it is kept in the repository.
const PACKAGES: [&str; 2] = ["ocsf-json-schema==1.2.0", "jsonschema==4.26.0"];
const FORMATS: [&str; 3] = ["jsonl", "csv", "ocsf"];

/// Exports an entry of each kind, validates the events, and opens the encrypted files.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    if !arguments.is_empty() {
        bail!("ocsf takes no arguments");
    }
    let folder = shell::target().join("ocsf");
    fs::create_dir_all(&folder)?;
    let python = python::environment(&folder.join("venv"), &PACKAGES)?;
    install_age()?;
    let key = folder.join("age.key");
    if !key.exists() {
        shell::run(Command::new("age-keygen").arg("-o").arg(&key))?;
    }
    let recipient = shell::read(Command::new("age-keygen").arg("-y").arg(&key))?;
    output::step("exporting an entry of each kind");
    shell::run(
        shell::cargo()
            .args(["run", "--quiet", "-p", "testudo-recorder", "--example"])
            .args(["export_samples", "--"])
            .arg(&folder)
            .arg(recipient.trim()),
    )?;
    let script = shell::workspace().join("tests/ocsf/validate.py");
    shell::run(Command::new(&python).arg(script).arg(folder.join("samples.ocsf")))?;
    for format in FORMATS {
        open(&folder, &key, format)?;
    }
    output::line("age opens each encrypted export and finds the plain one");
    Ok(())
}

/// What the tool decrypts must be what was exported in plain.
fn open(folder: &Path, key: &Path, format: &str) -> anyhow::Result<()> {
    let plain = folder.join(format!("samples.{format}"));
    let opened = folder.join(format!("opened.{format}"));
    shell::run(
        Command::new("age")
            .args(["--decrypt", "--identity"])
            .arg(key)
            .arg("--output")
            .arg(&opened)
            .arg(folder.join(format!("samples.{format}.age"))),
    )?;
    if shell::read_file(&plain)? != shell::read_file(&opened)? {
        bail!("{} and {} are not the same", plain.display(), opened.display());
    }
    Ok(())
}

fn install_age() -> anyhow::Result<()> {
    if shell::exists("age") && shell::exists("age-keygen") {
        return Ok(());
    }
    output::step("installing age");
    shell::run(Command::new("apt-get").args(["update", "-qq"])).context("age is missing; install it")?;
    shell::run(Command::new("apt-get").args(["install", "-qq", "-y", "age"])).context("age is missing; install it")
}
