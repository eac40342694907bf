//! Provenance, read: by whoever made it, and nothing that could be read in two ways.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use testudo_bounded::json::{Document, JsonError, Kind, Limits, Node};

use super::write::{Dependency, Provenance, Subject};
use super::{PREDICATE_TYPE, ROOT};
use crate::signing::{
    Bundle, BundleError, Digest, HashKind, Manifest, Method, SignedBy, StampAuthorities, Trust, VerifyError,
};

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The largest statement that is read, and how much may be in it.
const LIMITS: Limits = Limits {
    bytes_max: 64 << 20,
    depth_max: 64,
    nodes_max: 2_000_000,
};
/// The largest bundle: the statement in base64, and certificates.
const BUNDLE_BYTES_MAX: usize = 96 << 20;
const SUBJECTS_MAX: usize = 500_000;
const DEPENDENCIES_MAX: usize = 100_000;
/// Algorithms in one set of digests.
const DIGESTS_MAX: usize = 32;

/// Why an attestation is not believed.
#[derive(Debug, thiserror::Error)]
pub enum AttestedError {
    #[error("the attestation is larger than {BUNDLE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the file is not an attestation")]
    Bundle(#[from] BundleError),
    #[error("it is not known who made the attestation")]
    Signature(#[from] VerifyError),
    #[error("the signed statement is not sound JSON")]
    Json(#[from] JsonError),
    #[error("the signed statement lacks `{0}`, or it is not what it should be")]
    Field(&'static str),
    #[error("the signed statement is about `{0}` and not about where something comes from (SLSA provenance v1)")]
    Predicate(String),
    #[error("subject `{0}` stands in the statement twice")]
    Twice(String),
    #[error("the statement has more subjects or dependencies than make sense")]
    TooMany,
    #[error("the subjects have no SHA-256 that could be compared, or the model was not measured by whole files")]
    Measured,
}

/// What an attestation and a model have not in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Attested, and not there.
    pub missing: Vec<String>,
    pub changed: Vec<String>,
    /// There, and not attested.
    pub unattested: Vec<String>,
}

impl Differences {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.changed.is_empty() && self.unattested.is_empty()
    }
}

/// What a verifier wants an attestation to say.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    pub builder: Option<String>,
    pub build_type: Option<String>,
    /// External parameters by path, parts joined by dots, and their values.
    pub parameters: Vec<(String, Value)>,
    /// Digests that one of the dependencies must have, in hexadecimal digits.
    pub dependencies: Vec<String>,
}

/// What an attestation says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unexpected {
    #[error("it was built by `{0}`")]
    Builder(String),
    #[error("it is a build of type `{0}`")]
    BuildType(String),
    #[error("parameter `{name}` is {found}")]
    Parameter { name: String, found: String },
    #[error("nothing with digest `{0}` went in")]
    Dependency(String),
}

/// Provenance that somebody trusted has signed.
#[derive(Debug, Clone)]
pub struct Attested {
    provenance: Provenance,
    by: SignedBy,
}

impl Attested {
    /// Checks who signed, then reads what was signed.
    ///
    /// # Errors
    /// When it was not signed by whom `trust` names, or is not SLSA provenance.
    pub fn verify(bundle: &[u8], trust: &Trust) -> Result<Self, AttestedError> {
        Self::judged(bundle, trust, None)
    }

    /// The same, and certificates are judged at the time that one of `authorities` has stamped.
    ///
    /// # Errors
    /// As [`Attested::verify`], and when none of them stamped it.
    pub fn verify_stamped(bundle: &[u8], trust: &Trust, authorities: &StampAuthorities) -> Result<Self, AttestedError> {
        Self::judged(bundle, trust, Some(authorities))
    }

    fn judged(bundle: &[u8], trust: &Trust, stamped: Option<&StampAuthorities>) -> Result<Self, AttestedError> {
        if bundle.len() > BUNDLE_BYTES_MAX {
            return Err(AttestedError::TooLarge);
        }
        let bundle = Bundle::parse(bundle)?;
        let (statement, by) = bundle.verified_statement(trust, stamped)?;
        Ok(Self {
            provenance: read(statement)?,
            by,
        })
    }

    /// What an attestation claims, whoever made it: to be shown, never to be relied on.
    ///
    /// # Errors
    /// When it is not SLSA provenance in a bundle.
    pub fn dangerous_unverified(bundle: &[u8]) -> Result<Provenance, AttestedError> {
        if bundle.len() > BUNDLE_BYTES_MAX {
            return Err(AttestedError::TooLarge);
        }
        read(Bundle::parse(bundle)?.payload())
    }

    /// What was signed.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Who signed it.
    #[must_use]
    pub fn by(&self) -> &SignedBy {
        &self.by
    }

    /// Holds the subjects against the files of a model.
    ///
    /// # Errors
    /// When there is nothing to compare by.
    pub fn compare(&self, manifest: &Manifest) -> Result<Differences, AttestedError> {
        if manifest.hash != HashKind::Sha256 || manifest.method != Method::Files {
            return Err(AttestedError::Measured);
        }
        let mut attested = BTreeMap::new();
        for subject in &self.provenance.subjects {
            let sha256 = subject.digest.get("sha256").ok_or(AttestedError::Measured)?;
            attested.insert(subject.name.as_str(), sha256.as_str());
        }
        let mut differences = Differences::default();
        for resource in &manifest.resources {
            let name = resource.place.file().as_str();
            match attested.remove(name) {
                None => differences.unattested.push(name.to_owned()),
                Some(sha256) if *sha256 != resource.digest.to_hex() => differences.changed.push(name.to_owned()),
                Some(_) => {}
            }
        }
        differences.missing = attested.keys().map(|name| (*name).to_owned()).collect();
        if let Some(root) = &self.provenance.root
            && differences.is_empty()
            && *root != manifest.root_hex()
        {
            differences.changed.push(ROOT.to_owned());
        }
        Ok(differences)
    }

    /// Everything that is not as the verifier wants it.
    #[must_use]
    pub fn expects(&self, expected: &Expected) -> Vec<Unexpected> {
        let provenance = &self.provenance;
        let mut found = Vec::new();
        if expected.builder.as_ref().is_some_and(|it| *it != provenance.builder) {
            found.push(Unexpected::Builder(provenance.builder.clone()));
        }
        if expected
            .build_type
            .as_ref()
            .is_some_and(|it| *it != provenance.build_type)
        {
            found.push(Unexpected::BuildType(provenance.build_type.clone()));
        }
        for (name, wanted) in &expected.parameters {
            let value = parameter(&provenance.external_parameters, name);
            if !value.is_some_and(|value| equal(value, wanted)) {
                found.push(Unexpected::Parameter {
                    name: name.clone(),
                    found: value.map_or_else(|| "not there".to_owned(), |value| format!("`{value}`")),
                });
            }
        }
        for wanted in &expected.dependencies {
            let has = |it: &Dependency| it.digest.values().any(|digest| digest == wanted);
            if !provenance.dependencies.iter().any(has) {
                found.push(Unexpected::Dependency(wanted.clone()));
            }
        }
        found
    }
}

/// Numbers by their value: writers that go through protocol buffers write 3 as 3.0.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let doubles = a.as_f64().zip(b.as_f64());
            a == b || (a.is_f64() != b.is_f64() && doubles.is_some_and(|(a, b)| (a - b) == 0.0))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

/// A parameter by the whole name, else by its parts.
fn parameter<'p>(parameters: &'p Map<String, Value>, name: &str) -> Option<&'p Value> {
    if let Some(value) = parameters.get(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let mut value = parameters.get(parts.next()?)?;
    for part in parts {
        value = match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            other => other.get(part)?,
        };
    }
    Some(value)
}

fn read(statement: &[u8]) -> Result<Provenance, AttestedError> {
    let document = Document::parse(statement, &LIMITS)?;
    let root = document.root();
    if text(root, "_type", "_type")? != STATEMENT_TYPE {
        return Err(AttestedError::Field("_type"));
    }
    let kind = text(root, "predicateType", "predicateType")?;
    if kind != PREDICATE_TYPE {
        return Err(AttestedError::Predicate(kind.chars().take(200).collect()));
    }
    let predicate = object(root, "predicate", "predicate")?;
    let definition = object(predicate, "buildDefinition", "predicate.buildDefinition")?;
    let details = object(predicate, "runDetails", "predicate.runDetails")?;
    let builder = object(details, "builder", "predicate.runDetails.builder")?;
    let parameters = object(
        definition,
        "externalParameters",
        "predicate.buildDefinition.externalParameters",
    )?;
    let external_parameters = serde_json::from_slice(parameters.raw())
        .map_err(|_| AttestedError::Field("predicate.buildDefinition.externalParameters"))?;
    let metadata = details.get("metadata").filter(|it| !it.is_null());
    let when = |key: &'static str| optional(metadata, key);
    Ok(Provenance {
        subjects: subjects(root)?,
        root: written_root(details)?,
        build_type: text(definition, "buildType", "predicate.buildDefinition.buildType")?,
        external_parameters,
        dependencies: dependencies(definition, "resolvedDependencies")?,
        builder: text(builder, "id", "predicate.runDetails.builder.id")?,
        invocation: when("invocationId")?,
        started: when("startedOn")?,
        finished: when("finishedOn")?,
    })
}

fn written_root(details: Node<'_>) -> Result<Option<String>, AttestedError> {
    let found = dependencies(details, "byproducts")?;
    let root = found.iter().find(|it| it.name.as_deref() == Some(ROOT));
    Ok(root.and_then(|it| it.digest.get("sha256").cloned()))
}

fn subjects(root: Node<'_>) -> Result<Vec<Subject>, AttestedError> {
    let list = root.get("subject").filter(|it| it.kind() == Kind::Array);
    let mut subjects = Vec::new();
    let mut seen = BTreeSet::new();
    for item in list.ok_or(AttestedError::Field("subject"))?.items() {
        if subjects.len() >= SUBJECTS_MAX {
            return Err(AttestedError::TooMany);
        }
        let name = text(item, "name", "subject[].name")?;
        let digest = digests(item, "subject[].digest")?;
        if name.is_empty() || digest.is_empty() {
            return Err(AttestedError::Field("subject[]"));
        }
        if !seen.insert(name.clone()) {
            return Err(AttestedError::Twice(name.chars().take(200).collect()));
        }
        subjects.push(Subject { name, digest });
    }
    if subjects.is_empty() {
        return Err(AttestedError::Field("subject"));
    }
    Ok(subjects)
}

fn dependencies(of: Node<'_>, key: &'static str) -> Result<Vec<Dependency>, AttestedError> {
    let Some(list) = of.get(key).filter(|it| !it.is_null()) else {
        return Ok(Vec::new());
    };
    if list.kind() != Kind::Array {
        return Err(AttestedError::Field(key));
    }
    let mut found = Vec::new();
    for item in list.items() {
        if item.kind() != Kind::Object {
            return Err(AttestedError::Field(key));
        }
        if found.len() >= DEPENDENCIES_MAX {
            return Err(AttestedError::TooMany);
        }
        let annotations = item.get("annotations").map(|it| it.entries()).into_iter().flatten();
        // Those that are no texts are somebody else's.
        let annotations = annotations.filter_map(|(_, value)| {
            let name = value.key_text()?.into_owned();
            Some((name, value.as_str()?.into_owned()))
        });
        found.push(Dependency {
            uri: optional(Some(item), "uri")?,
            digest: digests(item, key)?,
            name: optional(Some(item), "name")?,
            annotations: annotations.collect(),
        });
    }
    Ok(found)
}

/// SHA-256 must be one where it stands; others are kept as they are.
fn digests(of: Node<'_>, path: &'static str) -> Result<BTreeMap<String, String>, AttestedError> {
    let Some(set) = of.get("digest").filter(|it| !it.is_null()) else {
        return Ok(BTreeMap::new());
    };
    if set.kind() != Kind::Object {
        return Err(AttestedError::Field(path));
    }
    let mut digests = BTreeMap::new();
    for (_, value) in set.entries() {
        let (name, digest) = match (value.key_text(), value.as_str()) {
            (Some(name), Some(digest)) if !digest.is_empty() && digest.len() <= 1024 => (name, digest),
            _ => return Err(AttestedError::Field(path)),
        };
        let is_sound = name != "sha256" || Digest::from_hex(HashKind::Sha256, &digest).is_some();
        if !is_sound || digests.len() >= DIGESTS_MAX {
            return Err(AttestedError::Field(path));
        }
        digests.insert(name.into_owned(), digest.into_owned());
    }
    Ok(digests)
}

fn text(of: Node<'_>, key: &str, path: &'static str) -> Result<String, AttestedError> {
    let found = of.get(key).and_then(|it| it.as_str());
    found
        .map(std::borrow::Cow::into_owned)
        .ok_or(AttestedError::Field(path))
}

/// A text that may be missing or null, and is nothing else.
fn optional(of: Option<Node<'_>>, key: &'static str) -> Result<Option<String>, AttestedError> {
    match of.and_then(|it| it.get(key)).filter(|it| !it.is_null()) {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(AttestedError::Field(key)),
        },
    }
}

fn object<'d>(of: Node<'d>, key: &str, path: &'static str) -> Result<Node<'d>, AttestedError> {
    of.get(key)
        .filter(|it| it.kind() == Kind::Object)
        .ok_or(AttestedError::Field(path))
}
