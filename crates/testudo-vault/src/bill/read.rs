//! Bills, read: by whoever made them, and nothing that could be read in two ways.

use std::collections::BTreeMap;

use testudo_bounded::json::{Document, JsonError, Kind, Limits, Node};

use super::document::FORMAT;
use crate::signing::{Digest, HashKind, Manifest, Method};

/// The largest bill that is read.
const LIMITS: Limits = Limits {
    bytes_max: 256 << 20,
    depth_max: 64,
    nodes_max: 10_000_000,
};
/// Components within each other.
const DEPTH_MAX: usize = 16;
/// Names that an error lists.
const SHOWN_MAX: usize = 5;

/// Why a bill is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BillError {
    #[error("the bill is not sound JSON")]
    Json(#[from] JsonError),
    #[error("the bill lacks `{0}`, or it is not what it should be")]
    Field(&'static str),
    #[error("the bill is one of CycloneDX {0}; those from 1.5 on have models in them, up to 1.7 they are read")]
    Version(String),
    #[error("the bill names `{0}` twice, with different content")]
    Twice(String),
    #[error("components lie deeper than {DEPTH_MAX} within each other")]
    Deep,
    #[error("the bill does not list {}", names(.0))]
    Unlisted(Vec<String>),
    #[error("the bill has another hash for {}", names(.0))]
    Differs(Vec<String>),
    #[error("the bill lists files that are not there: {}", names(.0))]
    Missing(Vec<String>),
    #[error("a bill lists SHA-256 of whole files, and the model was measured otherwise")]
    Measured,
}

fn names(names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN_MAX)
        .map(|it| format!("`{}`", it.chars().take(200).collect::<String>().escape_debug()))
        .collect();
    match names.len().checked_sub(SHOWN_MAX) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A component that is a file: it has a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// The verdict of a scan, where the bill tells one.
    pub verdict: Option<String>,
}

/// A bill about a model.
#[derive(Debug, Clone)]
pub struct Bill {
    name: String,
    licences: Vec<String>,
    serial: Option<String>,
    files: BTreeMap<String, Listed>,
}

impl Bill {
    /// Reads a bill in JSON.
    ///
    /// # Errors
    /// When it is not one of CycloneDX 1.5 to 1.7 about a model, or says two things about one file.
    pub fn parse(bytes: &[u8]) -> Result<Self, BillError> {
        let document = Document::parse(bytes, &LIMITS)?;
        let root = document.root();
        if text(root, "bomFormat").as_deref() != Some(FORMAT) {
            return Err(BillError::Field("bomFormat"));
        }
        let version = text(root, "specVersion").ok_or(BillError::Field("specVersion"))?;
        if !matches!(version.as_str(), "1.5" | "1.6" | "1.7") {
            return Err(BillError::Version(version.chars().take(40).collect()));
        }
        let model = root.get("metadata").and_then(|it| it.get("component"));
        let model = model.ok_or(BillError::Field("metadata.component"))?;
        if text(model, "type").as_deref() != Some("machine-learning-model") {
            return Err(BillError::Field("metadata.component.type"));
        }
        let mut bill = Self {
            name: text(model, "name").ok_or(BillError::Field("metadata.component.name"))?,
            licences: licences(model)?,
            serial: text(root, "serialNumber"),
            files: BTreeMap::new(),
        };
        for list in [root.get("components"), model.get("components")].into_iter().flatten() {
            bill.list(list, 0)?;
        }
        Ok(bill)
    }

    fn list(&mut self, list: Node<'_>, depth: usize) -> Result<(), BillError> {
        if list.kind() != Kind::Array {
            return Err(BillError::Field("components"));
        }
        if depth >= DEPTH_MAX {
            return Err(BillError::Deep);
        }
        for component in list.items() {
            let name = text(component, "name").ok_or(BillError::Field("components[].name"))?;
            let kind = text(component, "type").ok_or(BillError::Field("components[].type"))?;
            if matches!(kind.as_str(), "file" | "machine-learning-model" | "data")
                && let Some(sha256) = sha256(component)?
            {
                let listed = Listed {
                    sha256,
                    verdict: property(component, "testudo:verdict"),
                };
                if self.files.get(&name).is_some_and(|known| *known != listed) {
                    return Err(BillError::Twice(name.chars().take(200).collect()));
                }
                self.files.insert(name, listed);
            }
            if let Some(inner) = component.get("components") {
                self.list(inner, depth.saturating_add(1))?;
            }
        }
        Ok(())
    }

    /// What the model is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SPDX ids, expressions and names of licences, as the bill has them for the model.
    #[must_use]
    pub fn licences(&self) -> &[String] {
        &self.licences
    }

    /// Its serial number.
    #[must_use]
    pub fn serial(&self) -> Option<&str> {
        self.serial.as_deref()
    }

    /// Every file that it lists with a SHA-256, by name.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<String, Listed> {
        &self.files
    }

    /// Whether it lists every file of a model with its hash, and no file that is not there.
    ///
    /// # Errors
    /// When it does not.
    pub fn covers(&self, manifest: &Manifest) -> Result<(), BillError> {
        if manifest.hash != HashKind::Sha256 || manifest.method != Method::Files {
            return Err(BillError::Measured);
        }
        let there: BTreeMap<&str, &Digest> = manifest
            .resources
            .iter()
            .map(|it| (it.place.file().as_str(), &it.digest))
            .collect();
        let (mut unlisted, mut differs) = (Vec::new(), Vec::new());
        for (name, digest) in &there {
            match self.files.get(*name) {
                None => unlisted.push((*name).to_owned()),
                Some(listed) if listed.sha256 != digest.to_hex() => differs.push((*name).to_owned()),
                Some(_) => {}
            }
        }
        let missing: Vec<String> = self
            .files
            .keys()
            .filter(|name| !there.contains_key(name.as_str()))
            .cloned()
            .collect();
        if !unlisted.is_empty() {
            Err(BillError::Unlisted(unlisted))
        } else if !differs.is_empty() {
            Err(BillError::Differs(differs))
        } else if !missing.is_empty() {
            Err(BillError::Missing(missing))
        } else {
            Ok(())
        }
    }
}

fn text(node: Node<'_>, key: &str) -> Option<String> {
    node.get(key)?.as_str().map(std::borrow::Cow::into_owned)
}

fn property(component: Node<'_>, wanted: &str) -> Option<String> {
    let properties = component.get("properties")?;
    let found = properties
        .items()
        .find(|it| text(*it, "name").as_deref() == Some(wanted))?;
    text(found, "value")
}

fn licences(model: Node<'_>) -> Result<Vec<String>, BillError> {
    let Some(list) = model.get("licenses") else {
        return Ok(Vec::new());
    };
    let one = |choice: Node<'_>| match choice.get("license") {
        Some(license) => text(license, "id").or_else(|| text(license, "name")),
        None => text(choice, "expression"),
    };
    let all = list.items().map(one).collect::<Option<Vec<_>>>();
    all.ok_or(BillError::Field("metadata.component.licenses"))
}

fn sha256(component: Node<'_>) -> Result<Option<String>, BillError> {
    let mut found: Option<String> = None;
    for hash in component.get("hashes").map(|it| it.items()).into_iter().flatten() {
        if text(hash, "alg").as_deref() != Some("SHA-256") {
            continue;
        }
        let content = text(hash, "content").map(|it| it.to_ascii_lowercase());
        let sound = content.filter(|it| Digest::from_hex(HashKind::Sha256, it).is_some());
        let sound = sound.ok_or(BillError::Field("components[].hashes[].content"))?;
        if found.as_ref().is_some_and(|known| *known != sound) {
            return Err(BillError::Field("components[].hashes"));
        }
        found = Some(sound);
    }
    Ok(found)
}
