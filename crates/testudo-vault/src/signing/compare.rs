//! Whether the files of a model are the ones that were signed.

use std::collections::{BTreeMap, BTreeSet};

use super::hashing::Digest;
use super::manifest::{Manifest, Method, Place, Resource};
use super::measure::{How, MeasureError, Measured, measure, pieces};
use super::name::{NameError, ResourceName};
use super::scope::Scope;
use super::tree::{Found, Links, Model, TreeError, Warning};
use super::verify::Verified;

/// Endings of files that programs load or run; such a file must not be excused by its signer alone.
const LOADED: [&str; 47] = [
    "bat",
    "bin",
    "ckpt",
    "cmd",
    "dll",
    "dylib",
    "engine",
    "exe",
    "ggml",
    "gguf",
    "h5",
    "hdf5",
    "ipynb",
    "jar",
    "jinja",
    "jinja2",
    "joblib",
    "js",
    "json",
    "keras",
    "llamafile",
    "lua",
    "mar",
    "model",
    "msgpack",
    "npy",
    "npz",
    "nemo",
    "onnx",
    "ot",
    "pb",
    "pickle",
    "pkl",
    "ps1",
    "pt",
    "pth",
    "pte",
    "py",
    "pyc",
    "pyd",
    "pyz",
    "safetensors",
    "sh",
    "so",
    "tflite",
    "yaml",
    "yml",
];

/// What is done about files that are not in the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    Refuse,
    /// They are not even looked for.
    Ignore,
}

/// How a model is looked at.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// What the verifier leaves out.
    pub scope: Scope,
    pub unlisted: Unlisted,
    /// Whether a manifest may ask for links to be followed.
    pub links: Links,
}

/// Why a model could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error("the model cannot be read")]
    Tree(#[from] TreeError),
    #[error("the model cannot be measured")]
    Measure(#[from] MeasureError),
    #[error("the signed statement leaves out a path that is none")]
    Ignored(#[from] NameError),
    #[error("a single file without a name was signed; give that file, and not the folder around it")]
    Single,
    #[error("the signer followed symbolic links; accept that with `--allow-symlinks`")]
    FollowsLinks,
    #[error(
        "the signer excused `{0}`, which programs load, from the signature; if you trust it, leave it out yourself with `--ignore-paths`"
    )]
    ExcusedLoadable(ResourceName),
}

/// What differs between a model and what was signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Signed, and not there.
    pub missing: Vec<String>,
    /// There, with other content.
    pub changed: Vec<String>,
    /// There, and not signed.
    pub unsigned: Vec<ResourceName>,
    /// There, and excused by the signer.
    pub excused: Vec<ResourceName>,
    pub warnings: Vec<Warning>,
    pub files: usize,
    pub bytes: u64,
}

impl Comparison {
    /// Whether the model is the one that was signed.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.missing.is_empty() && self.changed.is_empty() && self.unsigned.is_empty()
    }
}

impl Verified {
    /// Measures the files of a model and compares them with what was signed.
    ///
    /// # Errors
    /// When a file cannot be read or the statement asks for what the verifier does not allow. A model
    /// that differs is no error: see [`Comparison::is_same`].
    pub fn compare(
        &self,
        model: &Model,
        lookup: &Lookup,
        watch: &(dyn Fn(Measured) + Sync),
    ) -> Result<Comparison, CompareError> {
        let named = named(&self.manifest, model)?;
        let manifest = named.as_ref().unwrap_or(&self.manifest);
        let links = match (manifest.follows_links, lookup.links) {
            (false, _) => Links::Refuse,
            (true, Links::Follow) => Links::Follow,
            (true, Links::Refuse) => return Err(CompareError::FollowsLinks),
        };
        let mut scope = lookup.scope.clone();
        for path in &manifest.ignored {
            scope.excuse(path)?;
        }
        let mut comparison = Comparison::default();
        let listed: BTreeSet<&ResourceName> = manifest.resources.iter().map(|it| it.place.file()).collect();
        let mut files = match lookup.unlisted {
            Unlisted::Refuse => walk(model, &scope, links, &listed, &mut comparison)?,
            Unlisted::Ignore => Vec::new(),
        };
        add_listed(model, links, &listed, &mut files)?;
        let (signed, unsigned): (Vec<Found>, Vec<Found>) = files.into_iter().partition(|it| listed.contains(&it.name));
        for found in unsigned {
            // Pieces do not show a file without content; the reference implementation leaves it out too.
            if found.stamp.bytes > 0 || manifest.method == Method::Files {
                comparison.unsigned.push(found.name);
            }
        }
        comparison.files = signed.len();
        comparison.bytes = signed.iter().map(|it| it.stamp.bytes).sum();
        let there = resources(model, &signed, manifest, links, watch)?;
        tell(manifest, &there, &mut comparison);
        Ok(comparison)
    }
}

impl Manifest {
    /// This one, in which a single file without a name is called as the only file of `other`.
    #[must_use]
    pub fn called_as(&self, other: &Self) -> Self {
        let mut called = self.clone();
        if let ([only], true) = (other.resources.as_slice(), self.is_nameless) {
            called.name_single(only.place.file());
        }
        called
    }

    fn name_single(&mut self, name: &ResourceName) {
        for resource in &mut self.resources {
            match &mut resource.place {
                Place::File(file) | Place::Shard { file, .. } => *file = name.clone(),
            }
        }
    }

    /// How what was measured by the same method and hash differs from this, which was signed.
    #[must_use]
    pub fn difference(&self, measured: &Self) -> Comparison {
        let listed: BTreeSet<&ResourceName> = self.resources.iter().map(|it| it.place.file()).collect();
        let (signed, unsigned): (Vec<&Resource>, Vec<&Resource>) = measured
            .resources
            .iter()
            .partition(|it| listed.contains(it.place.file()));
        let mut comparison = Comparison {
            unsigned: unsigned.into_iter().map(|it| it.place.file().clone()).collect(),
            ..Comparison::default()
        };
        let there = signed.into_iter().map(|it| (it.place.clone(), it.digest.clone()));
        tell(self, &there.collect(), &mut comparison);
        comparison
    }
}

/// The manifest of a nameless file, with the name that the file has here.
fn named(manifest: &Manifest, model: &Model) -> Result<Option<Manifest>, CompareError> {
    if !manifest.is_nameless {
        return Ok(None);
    }
    let single = model.single().ok_or(CompareError::Single)?;
    let mut named = manifest.clone();
    named.name_single(single);
    Ok(Some(named))
}

/// Everything in the model; files excused by the signer are noted, and refused where programs load them.
fn walk(
    model: &Model,
    scope: &Scope,
    links: Links,
    listed: &BTreeSet<&ResourceName>,
    comparison: &mut Comparison,
) -> Result<Vec<Found>, CompareError> {
    let walked = model.walk(scope, links)?;
    for (name, runs) in walked.excused {
        if listed.contains(&name) {
            continue;
        }
        if runs || is_loaded(&name) {
            return Err(CompareError::ExcusedLoadable(name));
        }
        comparison.excused.push(name);
    }
    comparison.warnings = walked.warnings;
    Ok(walked.files)
}

/// A file that is signed is looked at wherever it lies, also where files are left out.
fn add_listed(
    model: &Model,
    links: Links,
    listed: &BTreeSet<&ResourceName>,
    files: &mut Vec<Found>,
) -> Result<(), TreeError> {
    let known: BTreeSet<ResourceName> = files.iter().map(|it| it.name.clone()).collect();
    for name in listed.iter().filter(|name| !known.contains(**name)) {
        match model.look(name, links) {
            Ok(found) => files.push(found),
            Err(TreeError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

fn resources(
    model: &Model,
    files: &[Found],
    manifest: &Manifest,
    links: Links,
    watch: &(dyn Fn(Measured) + Sync),
) -> Result<BTreeMap<Place, Digest>, MeasureError> {
    let pieces = pieces(files, manifest.method)?;
    let how = How {
        hash: manifest.hash,
        links,
        watch,
    };
    let digests = measure(model, files, &pieces, how)?;
    let places = pieces.iter().filter_map(|piece| place(files, piece, manifest.method));
    Ok(places.zip(digests).collect())
}

/// What a piece is called.
pub(crate) fn place(files: &[Found], piece: &super::measure::Piece, method: Method) -> Option<Place> {
    let file = files.get(piece.file)?.name.clone();
    Some(match method {
        Method::Files => Place::File(file),
        Method::Shards(_) => Place::Shard {
            file,
            start: piece.start,
            end: piece.end,
        },
    })
}

fn tell(manifest: &Manifest, there: &BTreeMap<Place, Digest>, comparison: &mut Comparison) {
    let mut listed = BTreeSet::new();
    for Resource { place, digest } in &manifest.resources {
        listed.insert(place);
        match there.get(place) {
            None => comparison.missing.push(place.to_name()),
            Some(found) if found != digest => comparison.changed.push(place.to_name()),
            Some(_) => {}
        }
    }
    // A signed file that has grown has pieces that nobody signed.
    let grown = there.keys().filter(|place| !listed.contains(place));
    comparison.changed.extend(grown.map(Place::to_name));
}

fn is_loaded(name: &ResourceName) -> bool {
    let last = name.parts().last().unwrap_or_default().to_ascii_lowercase();
    last.rsplit_once('.')
        .is_some_and(|(_, ending)| LOADED.contains(&ending))
}
