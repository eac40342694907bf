//! `testudo model bom`: judges and reads the files of a model, and writes down what it is made of.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail};
use testudo_formats::{About, Options, Verdict};
use testudo_gateway::system_clock::SystemClock;
use testudo_types::Clock as _;
use testudo_vault::bill::{Described, Licence, PerformanceClaim, SignatureEntry};
use testudo_vault::signing::{HashKind, Links, Manifest, Method, Model, SignOptions, digest};

use super::bill::entry;
use super::files::{Candidate, Opened};
use super::measured::{scope, watching};
use super::scan::{Judged, each};
use super::trusted::{self, Trusted};
use crate::arguments::model::bom::{Bom, Said};
use crate::environment::Variables;
use crate::exit::Exit;

/// A model's files, judged and read.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// What the model calls itself, or is called.
    pub(super) name: String,
    pub(super) root: String,
    pub(super) about: About,
    /// Each with its path below the model and its SHA-256.
    pub(super) files: Vec<Judged>,
    /// Hashes that a signature uses beside SHA-256, by file.
    pub(super) other_hashes: BTreeMap<String, (HashKind, String)>,
    pub(super) signature: Option<SignatureEntry>,
}

pub(super) async fn run(arguments: &Bom, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    if arguments.signature.is_none() && arguments.trusting.anybody() {
        bail!("whom you trust is said about a signature; name one with --signature");
    }
    let options = Options {
        also_allowed: arguments.allowed.clone(),
        ..Options::default()
    };
    let gathered = if arguments.version.is_some() || arguments.alias.is_some() {
        super::vault::gathered(arguments, options, variables).await?
    } else {
        gather(arguments, &options)?
    };
    let bytes = described(gathered, &arguments.said).write()?;
    match &arguments.output {
        Some(path) => super::sign::replace(path, &bytes)?,
        None => out.write_all(&bytes)?,
    }
    Ok(Exit::Done)
}

/// Of files on the disk.
fn gather(arguments: &Bom, options: &Options) -> anyhow::Result<Gathered> {
    let model = Model::open(&arguments.model, Links::Refuse)?;
    let own: Vec<&Path> = arguments
        .signature
        .iter()
        .chain(&arguments.output)
        .map(AsRef::as_ref)
        .collect();
    let measuring = |hash, method| -> anyhow::Result<SignOptions<'_>> {
        Ok(SignOptions {
            scope: scope(&model, false, &arguments.ignore_paths, &own)?,
            method,
            hash,
            links: Links::Refuse,
            reference_names: false,
            earlier: None,
            now: SystemClock::new().wall(),
        })
    };
    let plain = measuring(HashKind::Sha256, Method::Files)?;
    let measured = watching(|watch| digest(&model, &plain, watch))?;
    let mut gathered = folder(&model, &measured.manifest, options)?;
    if let Some(path) = &arguments.signature {
        let (signed, entry) = signature(arguments, path)?;
        let same = if signed.hash == HashKind::Sha256 && signed.method == Method::Files {
            signed.resources == measured.manifest.resources
        } else {
            let options = measuring(signed.hash, signed.method)?;
            let again = watching(|watch| digest(&model, &options, watch))?.manifest;
            if signed.method == Method::Files {
                let hashes = again.resources.iter().map(|it| {
                    let hash = (signed.hash, it.digest.to_hex());
                    (it.place.file().to_string(), hash)
                });
                gathered.other_hashes = hashes.collect();
            }
            signed.resources == again.resources
        };
        if !same {
            bail!("the signature is over other files than those in the model; `testudo model verify` shows which");
        }
        gathered.signature = Some(entry);
    }
    Ok(gathered)
}

/// Judges and reads the files of a folder that was measured.
pub(super) fn folder(model: &Model, manifest: &Manifest, options: &Options) -> anyhow::Result<Gathered> {
    let place = |name: &str| {
        if model.is_single() {
            model.path().to_owned()
        } else {
            model.path().join(name)
        }
    };
    let names: Vec<&str> = manifest.resources.iter().map(|it| it.place.file().as_str()).collect();
    let candidates = names.iter().map(|name| Candidate {
        path: place(name),
        leads_outside: false,
    });
    let candidates: Vec<Candidate> = candidates.collect();
    let mut files = Vec::new();
    each(&candidates, None, options, true, |judged| {
        files.push(judged);
        Ok(())
    })?;
    for (judged, resource) in files.iter_mut().zip(&manifest.resources) {
        judged.path = resource.place.file().to_string();
        if judged.sha256.as_deref() != Some(resource.digest.to_hex().as_str()) {
            bail!(
                "`{}` changed while it was read; run again when nothing writes to it",
                judged.path
            );
        }
    }
    let mut about = About::default();
    for name in in_order(&names) {
        let path = place(name);
        let opened = Opened::open(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        about.read(name, &opened);
    }
    Ok(Gathered {
        name: model.name().to_owned(),
        root: manifest.root_hex(),
        about,
        files,
        ..Gathered::default()
    })
}

/// The order in which files are asked what the model is: near the top first, cards before configurations before weights.
pub(super) fn in_order<'n>(names: &[&'n str]) -> Vec<&'n str> {
    let mut names = names.to_vec();
    names.sort_by_key(|name| {
        let rank = if name.ends_with(".md") {
            0
        } else if name.ends_with(".json") {
            1
        } else {
            2
        };
        (name.matches('/').count(), rank, *name)
    });
    names
}

/// What was signed, and how the bill names the signature.
fn signature(arguments: &Bom, path: &Path) -> anyhow::Result<(Manifest, SignatureEntry)> {
    let (bytes, verified) = Trusted::of(&arguments.trusting)?.signature(path)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let entry = SignatureEntry {
        location: name.unwrap_or_else(|| "model.sig".to_owned()),
        sha256: super::bill::sha256(&bytes.as_slice()).context("the signature cannot be hashed")?,
        signer: trusted::by(verified.by()),
    };
    Ok((verified.manifest().clone(), entry))
}

/// What the bill says.
pub(super) fn described(gathered: Gathered, said: &Said) -> Described {
    let facts = facts(&gathered);
    let Gathered { about, files, .. } = gathered;
    let files = files.iter().map(|judged| {
        let mut entry = entry(judged);
        entry.hashes.extend(gathered.other_hashes.get(&entry.name).cloned());
        entry
    });
    let kinds = |list: &[&str]| list.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>();
    let (taken, given) = about.modalities().unwrap_or_default();
    let or = |list: &[String], other: &[&str]| if list.is_empty() { kinds(other) } else { list.to_vec() };
    let claims = about.results.iter().map(|it| PerformanceClaim {
        metric: it.metric.clone(),
        value: it.value.clone(),
        on: it.on.clone(),
    });
    Described {
        name: said
            .name
            .clone()
            .or_else(|| about.name.clone())
            .unwrap_or(gathered.name),
        version: said.model_version.clone(),
        description: about.description.clone(),
        supplier: said.supplier.clone(),
        licences: licences(&about, &said.licences),
        licence_link: about.license_link.clone(),
        task: about.task.clone(),
        family: about.family.clone(),
        architecture: about.architecture.clone(),
        inputs: or(&about.inputs, taken),
        outputs: or(&about.outputs, given),
        datasets: joined(&said.datasets, &about.datasets),
        base_models: joined(&said.base_models, &about.base_models),
        base_relation: about.base_relation.clone(),
        claims: claims.collect(),
        use_cases: about.use_cases.clone(),
        limitations: about.limitations.clone(),
        ethics: about.ethics.clone(),
        tags: about.tags.clone(),
        root: Some(gathered.root),
        facts,
        signature: gathered.signature,
        files: files.collect(),
        timestamp: said.timestamp.map(|it| it.to_string()),
    }
}

fn joined(first: &[String], second: &[String]) -> Vec<String> {
    let mut all = first.to_vec();
    all.extend(second.iter().filter(|it| !first.contains(it)).cloned());
    all
}

/// As somebody said here; otherwise as the card says.
pub(super) fn licences(about: &About, said: &[String]) -> Vec<Licence> {
    if !said.is_empty() {
        return said.iter().map(|it| Licence::parse(it)).collect();
    }
    let of_card = about.licenses.iter().filter_map(|text| match text.as_str() {
        "other" => about
            .license_name
            .as_deref()
            .map(|name| Licence::Named(name.to_owned())),
        "unknown" => None,
        text => Some(Licence::parse(text)),
    });
    of_card.collect()
}

/// What CycloneDX has no place for.
fn facts(gathered: &Gathered) -> Vec<(String, String)> {
    let about = &gathered.about;
    let worst = gathered
        .files
        .iter()
        .map(|it| it.report.verdict)
        .max()
        .unwrap_or(Verdict::Allowed);
    let bytes = gathered
        .files
        .iter()
        .fold(0_u64, |sum, it| sum.saturating_add(it.bytes));
    let mut facts = vec![
        ("verdict".to_owned(), worst.word().to_owned()),
        ("files".to_owned(), gathered.files.len().to_string()),
        ("bytes".to_owned(), bytes.to_string()),
    ];
    let mut add = |name: &str, value: &str| facts.push((name.to_owned(), value.to_owned()));
    if about.parameters > 0 {
        add("parameters", &about.parameters.to_string());
    }
    for (precision, count) in &about.precisions {
        add(&format!("parameters:{precision}"), &count.to_string());
    }
    for (name, value) in &about.sizes {
        add(&format!("config:{name}"), value);
    }
    for (name, value) in [("library", &about.library), ("quantization", &about.quantization)] {
        if let Some(value) = value {
            add(name, value);
        }
    }
    for (name, values) in [("language", &about.languages), ("unread", &about.unread)] {
        for value in values {
            add(name, value);
        }
    }
    facts
}
