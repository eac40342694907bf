//! Bills, written: the same for the same model, whoever writes it and when.

use std::io;

use aws_lc_rs::digest::{SHA256, digest};

use super::document::{
    Analysis, Component, Considerations, Dataset, Dependency, Document, FORMAT, Hash, LicenceBody, LicenceChoice,
    Metadata, Metric, ModelCard, Organization, Parameters, Pedigree, Port, Property, Reference, Risk, SCHEMA, Tools,
    VERSION,
};
use super::licence::Licence;
use crate::signing::HashKind;

/// What the model is called within its bill.
const MODEL: &str = "model";

/// Everything that a bill says.
#[derive(Debug, Clone, Default)]
pub struct Described {
    pub name: String,
    pub version: Option<String>,
    pub description: Option<String>,
    pub supplier: Option<String>,
    pub licences: Vec<Licence>,
    pub licence_link: Option<String>,
    pub task: Option<String>,
    pub family: Option<String>,
    pub architecture: Option<String>,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub datasets: Vec<String>,
    /// What it was made from: `owner/name`, or a path.
    pub base_models: Vec<String>,
    /// How it was made from that.
    pub base_relation: Option<String>,
    pub claims: Vec<PerformanceClaim>,
    pub use_cases: Option<String>,
    pub limitations: Option<String>,
    pub ethics: Option<String>,
    pub tags: Vec<String>,
    /// The root digest of OpenSSF Model Signing over the files, in hexadecimal digits.
    pub root: Option<String>,
    /// What else is known; each name gets `testudo:` before it.
    pub facts: Vec<(String, String)>,
    pub signature: Option<SignatureEntry>,
    /// Every file, by name.
    pub files: Vec<FileEntry>,
    /// When it was made, as RFC 3339 has it; only what is given stands in a bill.
    pub timestamp: Option<String>,
}

/// A result that somebody claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerformanceClaim {
    pub metric: String,
    pub value: String,
    pub on: Option<String>,
}

/// A signature over the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureEntry {
    /// Where it lies, seen from the bill.
    pub location: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Who signed, in words.
    pub signer: String,
}

/// What a file of a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    File,
    /// Weights or a whole model, where each file is looked at by itself.
    Model,
}

/// A file, and what was found out about it.
#[derive(Debug, Clone)]
pub struct FileEntry {
    pub name: String,
    pub kind: FileKind,
    /// In hexadecimal digits.
    pub hashes: Vec<(HashKind, String)>,
    /// Each name gets `testudo:` before it.
    pub facts: Vec<(String, String)>,
}

impl Described {
    /// The bill, in JSON.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut document = self.document();
        let digest = digest(&SHA256, &serde_json::to_vec(&document)?);
        document.serial_number = Some(serial(digest.as_ref()));
        let mut bytes = serde_json::to_vec_pretty(&document)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn document(&self) -> Document<'_> {
        let components: Vec<Component<'_>> = self.files.iter().map(component).collect();
        let mut parts: Vec<String> = components.iter().filter_map(|it| it.bom_ref.clone()).collect();
        parts.sort();
        Document {
            schema: SCHEMA,
            bom_format: FORMAT,
            spec_version: VERSION,
            serial_number: None,
            version: 1,
            metadata: Metadata {
                timestamp: self.timestamp.as_deref(),
                tools: Tools { components: [tool()] },
                component: self.model(),
            },
            components,
            dependencies: vec![Dependency {
                of: MODEL.to_owned(),
                depends_on: parts,
            }],
        }
    }

    fn model(&self) -> Component<'_> {
        let hashes = match self.files.as_slice() {
            [only] => hashes(only),
            _ => Vec::new(),
        };
        Component {
            kind: "machine-learning-model",
            bom_ref: Some(MODEL.to_owned()),
            supplier: self.supplier.as_deref().map(|name| Organization { name }),
            name: &self.name,
            version: self.version.as_deref(),
            description: self.description.as_deref(),
            hashes,
            licenses: self.licences(),
            pedigree: self.pedigree(),
            external_references: self.references(),
            model_card: Some(self.card()),
            properties: self.properties(),
            tags: &self.tags,
            ..Component::default()
        }
    }

    fn licences(&self) -> Vec<LicenceChoice<'_>> {
        // The schema takes one expression alone, or any number of licences.
        if let [Licence::Expression(expression)] = self.licences.as_slice() {
            return vec![LicenceChoice::Expression { expression }];
        }
        let url = self.licence_link.as_deref();
        let body = |licence| match licence {
            &Licence::Id(id) => LicenceBody {
                id: Some(id),
                name: None,
                url,
            },
            other => LicenceBody {
                id: None,
                name: Some(Licence::as_str(other)),
                url,
            },
        };
        let licences = self
            .licences
            .iter()
            .map(|it| LicenceChoice::Licence { license: body(it) });
        licences.collect()
    }

    fn pedigree(&self) -> Option<Pedigree<'_>> {
        if self.base_models.is_empty() {
            return None;
        }
        let ancestors = self.base_models.iter().map(|name| Component {
            kind: "machine-learning-model",
            bom_ref: Some(format!("base:{name}")),
            name,
            purl: purl(name),
            ..Component::default()
        });
        Some(Pedigree {
            ancestors: ancestors.collect(),
            notes: self.base_relation.as_deref(),
        })
    }

    fn references(&self) -> Vec<Reference<'_>> {
        let mut references = Vec::new();
        if let Some(signature) = &self.signature {
            references.push(Reference {
                url: reference(&signature.location),
                kind: "digital-signature",
                comment: Some(format!("OpenSSF Model Signing 1.0, by {}", signature.signer)),
                hashes: vec![Hash {
                    alg: "SHA-256",
                    content: &signature.sha256,
                }],
            });
        }
        for file in &self.files {
            let kind = match file.name.to_ascii_lowercase().as_str() {
                "readme.md" | "model_card.md" => "model-card",
                "license" | "license.txt" | "license.md" | "licence" | "copying" => "license",
                _ => continue,
            };
            references.push(Reference {
                url: reference(&file.name),
                kind,
                comment: None,
                hashes: hashes(file),
            });
        }
        references
    }

    fn card(&self) -> ModelCard<'_> {
        let datasets = self.datasets.iter().map(|name| Dataset { kind: "dataset", name });
        let metrics: Vec<Metric<'_>> = self
            .claims
            .iter()
            .map(|claim| Metric {
                kind: &claim.metric,
                value: &claim.value,
                slice: claim.on.as_deref(),
            })
            .collect();
        let said = self.use_cases.is_some() || self.limitations.is_some() || self.ethics.is_some();
        ModelCard {
            model_parameters: Parameters {
                task: self.task.as_deref(),
                architecture_family: self.family.as_deref(),
                model_architecture: self.architecture.as_deref(),
                datasets: datasets.collect(),
                inputs: ports(&self.inputs),
                outputs: ports(&self.outputs),
            },
            quantitative_analysis: (!metrics.is_empty()).then_some(Analysis {
                performance_metrics: metrics,
            }),
            considerations: said.then(|| Considerations {
                use_cases: self.use_cases.as_deref().into_iter().collect(),
                technical_limitations: self.limitations.as_deref().into_iter().collect(),
                ethical_considerations: self.ethics.as_deref().map(|name| Risk { name }).into_iter().collect(),
            }),
        }
    }

    fn properties(&self) -> Vec<Property<'_>> {
        let root = self.root.as_deref().map(|root| Property {
            name: "testudo:root-sha256".to_owned(),
            value: root,
        });
        root.into_iter().chain(properties(&self.facts)).collect()
    }
}

fn ports(list: &[String]) -> Vec<Port<'_>> {
    list.iter().map(|format| Port { format }).collect()
}

/// The component of one file, for a list of files that is no model.
///
/// # Errors
/// When it cannot be written.
pub fn file_component(file: &FileEntry) -> Result<String, serde_json::Error> {
    serde_json::to_string(&component(file))
}

/// The component that says what wrote a bill, and the beginning of every bill, for whoever writes one piece by piece:
/// then components, each from [`file_component`], with commas between them, and `]}`.
///
/// # Errors
/// When it cannot be written.
pub fn writer(out: &mut impl io::Write) -> io::Result<()> {
    let tool = serde_json::to_string(&tool())?;
    write!(
        out,
        "{{\"$schema\":\"{SCHEMA}\",\"bomFormat\":\"{FORMAT}\",\"specVersion\":\"{VERSION}\",\"version\":1,\
         \"metadata\":{{\"tools\":{{\"components\":[{tool}]}}}},\"components\":["
    )
}

fn tool() -> Component<'static> {
    Component {
        kind: "application",
        name: "testudo",
        version: Some(env!("CARGO_PKG_VERSION")),
        ..Component::default()
    }
}

fn component(file: &FileEntry) -> Component<'_> {
    Component {
        kind: match file.kind {
            FileKind::File => "file",
            FileKind::Model => "machine-learning-model",
        },
        bom_ref: Some(format!("file:{}", file.name)),
        name: &file.name,
        hashes: hashes(file),
        properties: properties(&file.facts).collect(),
        ..Component::default()
    }
}

fn hashes(file: &FileEntry) -> Vec<Hash<'_>> {
    let hashes = file.hashes.iter().map(|(kind, content)| Hash {
        alg: match kind {
            HashKind::Sha256 => "SHA-256",
            HashKind::Blake2b => "BLAKE2b-512",
            HashKind::Blake3 => "BLAKE3",
        },
        content,
    });
    hashes.collect()
}

fn properties(facts: &[(String, String)]) -> impl Iterator<Item = Property<'_>> {
    facts.iter().map(|(name, value)| Property {
        name: format!("testudo:{name}"),
        value,
    })
}

/// A model of a hub; other names have no package address.
fn purl(name: &str) -> Option<String> {
    let plain = |part: &str| {
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && part.chars().all(inside) && !part.starts_with('.')
    };
    let (owner, model) = name.split_once('/')?;
    (plain(owner) && plain(model)).then(|| format!("pkg:huggingface/{owner}/{model}"))
}

/// A path as a relative address.
fn reference(path: &str) -> String {
    let mut out = String::new();
    // A first part with a colon would be read as a scheme.
    if path.split('/').next().is_some_and(|first| first.contains(':')) {
        out.push_str("./");
    }
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A serial number from a hash: version 8 of RFC 9562, which leaves the rest to its maker.
fn serial(digest: &[u8]) -> String {
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = *from;
    }
    if let Some(version) = bytes.get_mut(6) {
        *version = (*version & 0x0f) | 0x80;
    }
    if let Some(variant) = bytes.get_mut(8) {
        *variant = (*variant & 0x3f) | 0x80;
    }
    let digits = crate::hex::encode(&bytes);
    let mut out = String::from("urn:uuid:");
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}
