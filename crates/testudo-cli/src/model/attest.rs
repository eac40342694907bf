//! `testudo model attest`: measures what goes in, runs the training, measures what came out, and signs all of it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};
use testudo_bounded::json::{Document, Limits};
use testudo_gateway::system_clock::SystemClock;
use testudo_types::{Clock as _, UnixMillis};
use testudo_vault::attest::{BUILDER, Dependency, Provenance, ROOT, Subject, TRAINING_RUN};
use testudo_vault::signing::{HashKind, Links, Manifest, Method, Model, SignOptions, digest};

use super::measured::{scope, watching};
use super::trusted::{self, Trusted};
use crate::arguments::model::attest::Attest;
use crate::arguments::model::keys::Trusting;
use crate::environment::Variables;
use crate::exit::Exit;
use crate::output::{counted, day_and_time, printable};

/// The largest file of parameters.
const PARAMETERS_BYTES_MAX: usize = 4 << 20;
const LIMITS: Limits = Limits {
    bytes_max: PARAMETERS_BYTES_MAX,
    depth_max: 48,
    nodes_max: 200_000,
};

pub(super) async fn run(arguments: &Attest, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let signer = match trusted::signer(&arguments.by) {
        Ok(signer) => signer,
        Err(error) => return super::complain(&error, Exit::BadInput),
    };
    let mut external_parameters = parameters(arguments)?;
    // Before the run, which may change it.
    let mut dependencies = inputs(arguments)?;
    dependencies.extend(super::vault::ingredients(arguments, variables).await?);
    let (mut started, mut finished) = (
        arguments.started.map(|it| it.to_string()),
        arguments.finished.map(|it| it.to_string()),
    );
    if let Some((program, rest)) = arguments.command.split_first() {
        let argv: Vec<Value> = arguments
            .command
            .iter()
            .map(|word| Value::from(word.to_string_lossy().into_owned()))
            .collect();
        external_parameters
            .entry("command")
            .or_insert_with(|| Value::Array(argv));
        started = Some(now());
        let status = Command::new(program).args(rest).status();
        let status = status.with_context(|| format!("`{}` cannot be started", program.to_string_lossy()))?;
        if !status.success() {
            bail!("the run failed ({status}); nothing is attested");
        }
        finished = Some(now());
    }
    let measured = measure(&arguments.model, &arguments.ignore_paths, &[&arguments.output])?;
    let provenance = Provenance {
        subjects: subjects(&measured),
        root: Some(measured.root_hex()),
        build_type: arguments.build_type.clone().unwrap_or_else(|| TRAINING_RUN.to_owned()),
        external_parameters,
        dependencies,
        builder: arguments.builder.clone().unwrap_or_else(|| BUILDER.to_owned()),
        invocation: arguments.invocation.clone(),
        started,
        finished,
    };
    let bundle = provenance.sign(&signer)?;
    super::sign::replace(&arguments.output, &bundle)?;
    writeln!(
        out,
        "attested {} from {} into {}",
        counted(provenance.subjects.len(), "file"),
        counted(provenance.dependencies.len(), "input"),
        printable(&arguments.output.display().to_string())
    )?;
    Ok(Exit::Done)
}

/// Who must have signed what goes in by its signature.
fn input_signer(arguments: &Attest) -> Trusting {
    Trusting {
        public_key: arguments.input_key.clone(),
        certificate_chain: arguments.input_certificate_chain.clone(),
        sigstore: arguments.input_trust_root.is_some(),
        trust_root: arguments.input_trust_root.clone(),
        identity: arguments.input_identity.clone(),
        identity_provider: arguments.input_identity_provider.clone(),
        ..Trusting::default()
    }
}

fn now() -> String {
    let now: UnixMillis = SystemClock::new().wall();
    day_and_time(now)
}

/// Whole files by SHA-256.
pub(super) fn measure(path: &Path, ignored: &[std::path::PathBuf], own: &[&Path]) -> anyhow::Result<Manifest> {
    let model = Model::open(path, Links::Refuse)?;
    let options = SignOptions {
        scope: scope(&model, false, ignored, own)?,
        method: Method::Files,
        hash: HashKind::Sha256,
        links: Links::Refuse,
        reference_names: false,
        earlier: None,
        now: SystemClock::new().wall(),
    };
    let measured = watching(|watch| digest(&model, &options, watch));
    Ok(measured
        .with_context(|| format!("cannot measure `{}`", path.display()))?
        .manifest)
}

fn subjects(manifest: &Manifest) -> Vec<Subject> {
    let subjects = manifest.resources.iter().map(|it| Subject {
        name: it.place.file().to_string(),
        digest: sha256(it.digest.to_hex()),
    });
    subjects.collect()
}

fn sha256(digits: String) -> BTreeMap<String, String> {
    BTreeMap::from([("sha256".to_owned(), digits)])
}

/// What a dependency is to the run, and what its digest is of.
pub(super) fn notes(role: &str, is_root: bool) -> BTreeMap<String, String> {
    let mut notes = BTreeMap::from([("testudo:role".to_owned(), role.to_owned())]);
    if is_root {
        notes.insert("testudo:digest".to_owned(), ROOT.to_owned());
    }
    notes
}

fn inputs(arguments: &Attest) -> anyhow::Result<Vec<Dependency>> {
    let mut found = Vec::new();
    for (role, list) in [
        ("dataset", &arguments.datasets),
        ("base-model", &arguments.base_models),
        ("input", &arguments.inputs),
    ] {
        for (name, path) in list {
            let manifest = measure(path, &[], &[])?;
            let (digits, is_root) = match manifest.resources.as_slice() {
                [only] if path.is_file() => (only.digest.to_hex(), false),
                _ => (manifest.root_hex(), true),
            };
            found.push(Dependency {
                uri: None,
                digest: sha256(digits),
                name: Some(name.clone()),
                annotations: notes(role, is_root),
            });
        }
    }
    for (name, path) in &arguments.signed_inputs {
        let (_, verified) = Trusted::of(&input_signer(arguments))?.signature(path)?;
        let mut annotations = notes("input", true);
        annotations.insert("testudo:signer".to_owned(), trusted::by(verified.by()));
        found.push(Dependency {
            uri: None,
            digest: sha256(verified.manifest().root_hex()),
            name: Some(name.clone()),
            annotations,
        });
    }
    for folder in &arguments.code {
        found.push(code(folder, arguments.allow_dirty)?);
    }
    Ok(found)
}

/// The commit of a checkout.
fn code(folder: &Path, allow_dirty: bool) -> anyhow::Result<Dependency> {
    let commit = git(folder, &["rev-parse", "--verify", "HEAD"])?;
    let dirty = !git(folder, &["status", "--porcelain"])?.is_empty();
    if dirty && !allow_dirty {
        bail!(
            "`{}` has changes that are not committed; commit them, or take it as it is with --allow-dirty",
            folder.display()
        );
    }
    let origin = git(folder, &["config", "--get", "remote.origin.url"]).unwrap_or_default();
    let mut annotations = notes("code", false);
    if dirty {
        annotations.insert("testudo:dirty".to_owned(), "true".to_owned());
    }
    let name = folder.canonicalize().ok();
    let name = name.and_then(|it| Some(it.file_name()?.to_string_lossy().into_owned()));
    Ok(Dependency {
        uri: without_secret(&origin).map(|origin| format!("git+{origin}")),
        digest: BTreeMap::from([("gitCommit".to_owned(), commit)]),
        name,
        annotations,
    })
}

/// An address, without the user and password that may stand in it; nothing for what is no address.
fn without_secret(origin: &str) -> Option<String> {
    let mut url = url::Url::parse(origin).ok().filter(url::Url::has_host)?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url.into())
}

fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    // A checkout's own settings may name a program that watches its files; none is started to look at it.
    let output = Command::new("git")
        .args(["-c", "core.fsmonitor=false", "-C"])
        .arg(folder)
        .args(arguments)
        .output();
    let output = output.context("git cannot be started; --code needs it")?;
    if !output.status.success() {
        bail!(
            "`{}` is no checkout that git can tell the state of: {}",
            folder.display(),
            printable(String::from_utf8_lossy(&output.stderr).trim())
        );
    }
    Ok(String::from_utf8(output.stdout)
        .context("git says something that is not UTF-8")?
        .trim()
        .to_owned())
}

fn parameters(arguments: &Attest) -> anyhow::Result<Map<String, Value>> {
    let mut all = match &arguments.parameters {
        None => Map::new(),
        Some(path) => {
            let text = testudo_bounded::read_text(path, PARAMETERS_BYTES_MAX)?;
            let read = if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("toml")) {
                toml::from_str(&text).map_err(anyhow::Error::new)
            } else {
                // Read twice: a key that stands twice is a mistake.
                Document::parse(text.as_bytes(), &LIMITS)
                    .map_err(anyhow::Error::new)
                    .and_then(|_| Ok(serde_json::from_str(&text)?))
            };
            read.with_context(|| format!("`{}` is no object of parameters", path.display()))?
        }
    };
    for (name, value) in &arguments.parameter {
        all.insert(name.clone(), value.clone());
    }
    Ok(all)
}
