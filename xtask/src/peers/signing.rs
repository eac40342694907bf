//! `cargo xtask peers models-signing`: signatures of models, ours and those of the Python model-signing, each
//! verified by the other, sound and tampered with; and what earlier releases signed.

#![expect(clippy::disallowed_types, reason = "this measures, and sleeps for nobody")]

mod conformance;
mod speed;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::{output, python, shell};

const PACKAGES: [&str; 2] = ["model-signing==1.1.1", "pyopenssl"];
const CURVES: [&str; 3] = ["p256", "p384", "p521"];
const HASHES: [&str; 3] = ["sha256", "blake2b", "blake3"];
const SHARD_BYTES: u64 = 100_000;
/// Releases of the Python implementation whose signatures its repository keeps.
const RELEASES: [(&str, &[&str]); 5] = [
    ("v0.2.0", &["certificate"]),
    ("v0.3.1", &["certificate", "elliptic-key", "sigstore"]),
    ("v1.0.0", &["certificate", "elliptic-key", "sigstore"]),
    ("v1.0.1", &["certificate", "elliptic-key", "sigstore"]),
    ("v1.1.0", &["certificate", "elliptic-key", "sigstore"]),
];

/// What is wanted beside the matrix.
#[derive(Default)]
struct Wanted {
    /// A checkout of the Python implementation.
    upstream: Option<PathBuf>,
    /// The conformance suite, and the specification with its schemas.
    conformance: Option<(PathBuf, PathBuf)>,
    /// The conformance suite of Sigstore.
    bundles: Option<PathBuf>,
    /// How large a model is to be signed by both, in gigabytes.
    speed: Option<u64>,
    /// And nothing else.
    speed_only: bool,
    /// Ours, built already; otherwise it is built here, for speed with optimisation.
    ours: Option<PathBuf>,
}

impl Wanted {
    fn parse(words: &[String]) -> anyhow::Result<Self> {
        let mut wanted = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--upstream" => wanted.upstream = Some(folder(&mut words)?),
                "--conformance" => wanted.conformance = Some((folder(&mut words)?, folder(&mut words)?)),
                "--bundles" => wanted.bundles = Some(folder(&mut words)?),
                "--ours" => wanted.ours = Some(folder(&mut words)?),
                "--speed" | "--speed-only" => {
                    wanted.speed_only = word == "--speed-only";
                    let number = words.next().and_then(|it| it.parse().ok());
                    wanted.speed = Some(number.context("a number of gigabytes is missing")?);
                }
                _ => bail!(
                    "usage: cargo xtask peers models-signing [--upstream FOLDER] [--conformance SUITE SPECIFICATION] \
                     [--bundles FOLDER] [--speed GIGABYTES | --speed-only GIGABYTES] [--ours PROGRAM]"
                ),
            }
        }
        Ok(wanted)
    }
}

fn folder<'w>(words: &mut impl Iterator<Item = &'w String>) -> anyhow::Result<PathBuf> {
    words.next().map(PathBuf::from).context("a path is missing")
}

/// `peers models-signing [--upstream FOLDER] [--conformance SUITE SPECIFICATION] [--bundles FOLDER]
/// [--speed GIGABYTES | --speed-only GIGABYTES] [--ours PROGRAM]`.
pub(super) fn compare(words: &[String]) -> anyhow::Result<()> {
    let wanted = Wanted::parse(words)?;
    let python = python::environment(&python::cache("testudo-peers")?.join("model-signing"), &PACKAGES)?;
    let ours = match &wanted.ours {
        Some(program) => program.clone(),
        None if wanted.speed_only => built(&["--release"])?,
        None => built(&[])?,
    };
    let work = shell::target().join("peers/models-signing");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work)?;
    let bench = Bench {
        ours,
        trusted: trusted_root(&python)?,
        script: shell::workspace().join("tests/peers/model_signing_peer.py"),
        work,
        python,
    };
    shell::run(
        Command::new(&bench.python)
            .arg(&bench.script)
            .arg("make")
            .arg(&bench.work),
    )?;
    let wrong = if wanted.speed_only { 0 } else { bench.verified(&wanted)? };
    if let Some(gigabytes) = wanted.speed {
        let fast = if wanted.speed_only || wanted.ours.is_some() {
            bench.ours.clone()
        } else {
            built(&["--release"])?
        };
        speed::compare(&fast, &bench.python, &bench.work, gigabytes)?;
    }
    if wrong > 0 {
        bail!("{wrong} cases went wrong");
    }
    Ok(())
}

/// Builds ours, and says where it is.
fn built(how: &[&str]) -> anyhow::Result<PathBuf> {
    output::step("building ours");
    let mut command = shell::cargo();
    command.args(["build", "--quiet", "--locked", "-p", "testudo-cli"]);
    shell::run(command.args(how))?;
    let folder = if how.is_empty() { "debug" } else { "release" };
    Ok(shell::target().join(folder).join("testudo"))
}

/// The trusted root of the public Sigstore, as the Python library carries it.
fn trusted_root(python: &Path) -> anyhow::Result<PathBuf> {
    let library = python
        .parent()
        .and_then(Path::parent)
        .context("no environment")?
        .join("lib");
    for entry in fs::read_dir(&library)? {
        let store = entry?.path().join("site-packages/sigstore/_store");
        let root = store.join("https%3A%2F%2Ftuf-repo-cdn.sigstore.dev/trusted_root.json");
        if root.exists() {
            return Ok(root);
        }
    }
    bail!("the Python library carries no trusted root")
}

struct Bench {
    ours: PathBuf,
    /// Of the public Sigstore.
    trusted: PathBuf,
    python: PathBuf,
    script: PathBuf,
    work: PathBuf,
}

/// One way to sign.
#[derive(Clone, Copy)]
struct Case {
    method: &'static str,
    curve: &'static str,
    hash: &'static str,
    shards: bool,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for method in ["key", "certificate"] {
            for curve in CURVES {
                for hash in HASHES {
                    for shards in [false, true] {
                        cases.push(Self {
                            method,
                            curve,
                            hash,
                            shards,
                        });
                    }
                }
            }
        }
        cases
    }

    fn name(self) -> String {
        let pieces = if self.shards { "shards" } else { "files" };
        format!("{}-{}-{}-{pieces}", self.method, self.curve, self.hash)
    }

    fn for_python(self, act: &str, model: &Path, signature: &Path) -> Value {
        json!({
            "act": act,
            "method": self.method,
            "curve": self.curve,
            "hash": self.hash,
            "shards": self.shards.then_some(SHARD_BYTES),
            "model": model,
            "signature": signature,
        })
    }
}

impl Bench {
    /// Everything but speed; how many cases went wrong.
    fn verified(&self, wanted: &Wanted) -> anyhow::Result<usize> {
        let mut wrong = self.matrix()?;
        self.many()?;
        if let Some(upstream) = &wanted.upstream {
            wrong = wrong.saturating_add(self.releases(upstream)?);
        }
        if let Some((suite, specification)) = &wanted.conformance {
            wrong = wrong.saturating_add(conformance::run(
                &self.ours,
                &self.work,
                suite,
                specification,
                &self.trusted,
            )?);
        }
        if let Some(suite) = &wanted.bundles {
            wrong = wrong.saturating_add(conformance::bundles(&self.ours, suite, &self.trusted)?);
        }
        Ok(wrong)
    }

    fn matrix(&self) -> anyhow::Result<usize> {
        let cases = Case::all();
        let model = self.work.join("model");
        let tampered = self.work.join("tampered");
        shell::run(Command::new("cp").arg("-r").arg(&model).arg(&tampered))?;
        let weights = tampered.join("weights/model.safetensors");
        let mut bytes = vec![0; 1_024_000];
        if let Some(byte) = bytes.last_mut() {
            *byte = 1;
        }
        fs::write(&weights, bytes)?;
        let ours = |case: &Case| self.work.join(format!("ours-{}.sig", case.name()));
        let theirs = |case: &Case| self.work.join(format!("theirs-{}.sig", case.name()));
        for case in &cases {
            self.sign(*case, &model, &ours(case))?;
        }
        let mut asked = Vec::new();
        for case in &cases {
            asked.push(case.for_python("sign", &model, &theirs(case)));
        }
        for case in &cases {
            // The library takes pieces of BLAKE3 for whole files.
            asked.push(case.for_python("verify", &model, &ours(case)));
            asked.push(case.for_python("verify", &tampered, &ours(case)));
        }
        let told = self.ask(&asked)?;
        let (signing, verifying) = told.split_at_checked(cases.len()).context("too few answers")?;
        let mut wrong = 0usize;
        let mut tally = [0usize; 4];
        for ((case, signed), verified) in cases.iter().zip(signing).zip(verifying.chunks(2)) {
            let apart = case.hash == "blake3" && case.shards;
            let [sound, changed] = verified else {
                bail!("too few answers")
            };
            let found = [
                sound.is_none(),
                changed.is_some(),
                signed.is_none() && self.verify(*case, &model, &theirs(case))?,
                signed.is_none() && !self.verify(*case, &tampered, &theirs(case))?,
            ];
            for (count, found) in tally.iter_mut().zip(found) {
                *count = count.saturating_add(usize::from(found));
            }
            // What the library cannot verify because it never cuts for this hash is not ours to mend.
            let excused = apart && found == [false, true, true, true];
            if found != [true; 4] && !excused {
                wrong = wrong.saturating_add(1);
                output::line(&format!("{}: {found:?} {signed:?} {sound:?}", case.name()));
            }
        }
        let all = cases.len();
        let [ours_sound, ours_tampered, theirs_sound, theirs_tampered] = tally;
        output::line(&format!(
            "ours, verified by Python        {} of {all} (it never cuts for BLAKE3: 6 not)",
            ours_sound
        ));
        output::line(&format!("ours tampered, refused          {} of {all}", ours_tampered));
        output::line(&format!("Python's, verified by ours      {} of {all}", theirs_sound));
        output::line(&format!("Python's tampered, refused      {} of {all}", theirs_tampered));
        Ok(wrong)
    }

    /// Signatures that earlier releases made, in a checkout of their repository.
    fn releases(&self, upstream: &Path) -> anyhow::Result<usize> {
        let tests = upstream.join("scripts/tests");
        let keys = tests.join("keys/certificate");
        let mut wrong = 0usize;
        for (release, methods) in RELEASES {
            for method in methods {
                let folder = tests.join(format!("{release}-{method}"));
                // Two of them are of a single file.
                let single = *method == "elliptic-key" && matches!(release, "v0.3.1" | "v1.0.0");
                let model = if single {
                    folder.join("signme-1")
                } else {
                    folder.clone()
                };
                let mut command = Command::new(&self.ours);
                command.args(["model", "verify"]).arg(&model);
                command.arg("--signature").arg(folder.join("model.sig"));
                if !single {
                    command.args(["--ignore-paths", "ignore-me"]);
                }
                if *method == "sigstore" {
                    let (identity, provider) = conformance::SIGNER;
                    command.args(["--sigstore", "--identity", identity, "--identity-provider", provider]);
                    command.arg("--trust-root").arg(&self.trusted);
                } else if *method == "certificate" {
                    command.arg("--certificate-chain").arg(keys.join("ca-cert.pem"));
                    command.arg("--accept-expired-certificate");
                } else {
                    command.arg("--public-key").arg(keys.join("signing-key-pub.pem"));
                }
                let strict = passes(&mut command)?;
                let lenient = passes(command.arg("--allow-legacy-v02"))?;
                let sound = lenient && strict == (release != "v0.2.0");
                wrong = wrong.saturating_add(usize::from(!sound));
                let told = if strict {
                    "verified"
                } else if lenient {
                    "verified with --allow-legacy-v02"
                } else {
                    "REFUSED"
                };
                output::line(&format!("{release} {method}: {told}"));
            }
        }
        Ok(wrong)
    }

    /// A model of 100 000 files.
    fn many(&self) -> anyhow::Result<()> {
        let model = self.work.join("many");
        for folder in 0..100 {
            let folder = model.join(folder.to_string());
            fs::create_dir_all(&folder)?;
            for file in 0..1_000 {
                fs::write(folder.join(file.to_string()), [b'x'])?;
            }
        }
        let case = Case {
            method: "key",
            curve: "p256",
            hash: "sha256",
            shards: false,
        };
        let signature = self.work.join("many.sig");
        let begun = Instant::now();
        self.sign(case, &model, &signature)?;
        let signed = begun.elapsed();
        if !self.verify(case, &model, &signature)? {
            bail!("a model of 100 000 files does not verify");
        }
        fs::remove_file(model.join("99/999"))?;
        if self.verify(case, &model, &signature)? {
            bail!("a missing file among 100 000 is not seen");
        }
        output::line(&format!("100 000 files: signed in {:.1} s", signed.as_secs_f64()));
        fs::remove_dir_all(&model)?;
        Ok(())
    }

    fn sign(&self, case: Case, model: &Path, signature: &Path) -> anyhow::Result<()> {
        let mut command = Command::new(&self.ours);
        command.args(["model", "sign"]).arg(model).args(["--hash", case.hash]);
        command.arg("--signature").arg(signature);
        command
            .arg("--private-key")
            .arg(self.work.join(format!("{}.key", case.curve)));
        if case.shards {
            command.args(["--shards", &SHARD_BYTES.to_string(), "--reference-names"]);
        }
        if case.method == "certificate" {
            let certificate = self.work.join(format!("{}.crt", case.curve));
            command.arg("--signing-certificate").arg(certificate);
            command.arg("--certificate-chain").arg(self.work.join("between.crt"));
        }
        shell::run(command.stdout(Stdio::null()))
    }

    fn verify(&self, case: Case, model: &Path, signature: &Path) -> anyhow::Result<bool> {
        let mut command = Command::new(&self.ours);
        command
            .args(["model", "verify"])
            .arg(model)
            .arg("--signature")
            .arg(signature);
        if case.method == "certificate" {
            command.arg("--certificate-chain").arg(self.work.join("root.crt"));
        } else {
            command
                .arg("--public-key")
                .arg(self.work.join(format!("{}.pub", case.curve)));
        }
        passes(&mut command)
    }

    /// What Python says to each case: nothing, or why not.
    fn ask(&self, cases: &[Value]) -> anyhow::Result<Vec<Option<String>>> {
        let mut child = Command::new(&self.python)
            .arg(&self.script)
            .arg("cases")
            .arg(&self.work)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
        lines.push('\n');
        let mut input = child.stdin.take().context("no standard input")?;
        let writer = std::thread::spawn(move || input.write_all(lines.trim_end().as_bytes()));
        let told = child.wait_with_output()?;
        writer.join().map_err(|_| anyhow::anyhow!("writing failed"))??;
        let told = String::from_utf8(told.stdout)?;
        told.lines()
            .map(|line| {
                let value: Value = serde_json::from_str(line)?;
                Ok(value.get("error").and_then(Value::as_str).map(ToOwned::to_owned))
            })
            .collect()
    }
}

fn passes(command: &mut Command) -> anyhow::Result<bool> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    match status.code() {
        Some(0) => Ok(true),
        Some(20..=23) => Ok(false),
        _ => bail!("{command:?} ended with {status}"),
    }
}
