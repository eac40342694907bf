//! Manifests as in-toto statements, written in one way and read strictly.

use std::num::NonZeroU64;

use serde::Serialize;
use testudo_bounded::json::{Document, JsonError, Kind, Limits, Node};

use super::hashing::{Digest, HashKind};
use super::manifest::{Manifest, Method, Place, Resource};
use super::measure::PIECES_MAX;
use super::name::{NameError, ResourceName, split_shard};
use crate::hex;

pub(crate) const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
pub(crate) const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";
/// Paths that one statement may leave out.
const IGNORED_MAX: usize = 10_000;

/// How much JSON one statement may be: as much as the most pieces need.
pub(crate) const LIMITS: Limits = Limits {
    bytes_max: 1 << 30,
    depth_max: 16,
    nodes_max: 10_000_000,
};

/// Why a signed statement is not one about a model.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    #[error("the signed statement is not sound JSON")]
    Json(#[from] JsonError),
    #[error("the signed statement lacks `{0}`, or it is not what it should be")]
    Field(&'static str),
    #[error("the signed statement is about `{found}` and not about a model's files")]
    Predicate { found: String },
    #[error("the statement has the form of version 0.2; sign the model again, or accept it with `--allow-legacy-v02`")]
    Legacy,
    #[error("a resource has a name that is not a path inside the model")]
    Name(#[from] NameError),
    #[error("resource `{0}` is not a piece as `path:start:end` of the statement's shard size")]
    Shard(String),
    #[error("resource `{0}` has another hash than the statement says, or a digest of the wrong length")]
    Digest(String),
    #[error("`{0}` stands in the statement twice")]
    Twice(String),
    #[error("the resources do not stand in the order of their names")]
    Unsorted,
    #[error("a file of the model has no name, and it is not the only one")]
    Nameless,
    #[error("the root digest is not that of the resources")]
    Root,
    #[error("the statement has more than {PIECES_MAX} resources, or leaves out more than {IGNORED_MAX} paths")]
    TooMany,
}

/// How pieces and single files are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Names {
    /// As the specification says: the hash of a piece by the hash alone, a file by its name.
    #[default]
    Specification,
    /// As the reference implementation writes and wants it: the hash of a piece with its size, a single file as `.`.
    Reference,
}

#[derive(Serialize)]
struct Written<'m> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: [Subject<'m>; 1],
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: Predicate<'m>,
}

#[derive(Serialize)]
struct Subject<'m> {
    name: &'m str,
    digest: Root,
}

#[derive(Serialize)]
struct Root {
    sha256: String,
}

#[derive(Serialize)]
struct Predicate<'m> {
    resources: Vec<WrittenResource<'m>>,
    serialization: Serialization<'m>,
}

#[derive(Serialize)]
struct WrittenResource<'m> {
    name: String,
    digest: String,
    algorithm: &'m str,
}

#[derive(Serialize)]
struct Serialization<'m> {
    method: &'static str,
    hash_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard_size: Option<u64>,
    allow_symlinks: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    ignore_paths: &'m [String],
}

/// The bytes that are signed.
pub(crate) fn write(manifest: &Manifest, names: Names) -> Result<Vec<u8>, serde_json::Error> {
    let (method, shard_size) = match manifest.method {
        Method::Files => ("files", None),
        Method::Shards(size) => ("shards", Some(size.get())),
    };
    let algorithm = match (names, shard_size) {
        (Names::Reference, Some(size)) => sharded(manifest.hash, size),
        _ => manifest.hash.as_str().to_owned(),
    };
    let resources = manifest.resources.iter().map(|resource| WrittenResource {
        name: match (&resource.place, names == Names::Reference && manifest.is_nameless) {
            (place, false) => place.to_name(),
            (Place::File(_), true) => ".".to_owned(),
            (Place::Shard { start, end, .. }, true) => format!(".:{start}:{end}"),
        },
        digest: resource.digest.to_hex(),
        algorithm: &algorithm,
    });
    serde_json::to_vec(&Written {
        kind: STATEMENT_TYPE,
        subject: [Subject {
            name: &manifest.name,
            digest: Root {
                sha256: manifest.root_hex(),
            },
        }],
        predicate_type: PREDICATE_TYPE,
        predicate: Predicate {
            resources: resources.collect(),
            serialization: Serialization {
                method,
                hash_type: manifest.hash.as_str(),
                shard_size,
                allow_symlinks: manifest.follows_links,
                ignore_paths: &manifest.ignored,
            },
        },
    })
}

/// Reads what was signed.
pub(crate) fn read(payload: &[u8]) -> Result<Manifest, StatementError> {
    let document = Document::parse(payload, &LIMITS)?;
    let root = document.root();
    check_type(root)?;
    let predicate_type = string(root, "predicateType", "predicateType")?;
    if predicate_type == super::legacy::PREDICATE_TYPE {
        return Err(StatementError::Legacy);
    }
    if predicate_type != PREDICATE_TYPE {
        return Err(StatementError::Predicate {
            found: predicate_type.chars().take(200).collect(),
        });
    }
    let (name, signed_root) = subject(root)?;
    let predicate = object(root, "predicate", "predicate")?;
    let serialization = object(predicate, "serialization", "predicate.serialization")?;
    let mut manifest = shape(serialization)?;
    manifest.name = name;
    let resources = array(predicate, "resources", "predicate.resources")?;
    for (at, resource) in resources.items().enumerate() {
        if at >= PIECES_MAX {
            return Err(StatementError::TooMany);
        }
        let (resource, nameless) = read_resource(resource, &manifest)?;
        manifest.is_nameless |= nameless;
        manifest.resources.push(resource);
    }
    let named = |it: &Resource| it.place.file().as_str() != Manifest::NAMELESS;
    if manifest.is_nameless && manifest.resources.iter().any(named) {
        return Err(StatementError::Nameless);
    }
    check(&manifest)?;
    if hex::encode(&manifest.root()) != signed_root {
        return Err(StatementError::Root);
    }
    Ok(manifest)
}

pub(crate) fn check_type(root: Node<'_>) -> Result<(), StatementError> {
    if string(root, "_type", "_type")? == STATEMENT_TYPE {
        Ok(())
    } else {
        Err(StatementError::Field("_type"))
    }
}

/// What holds for every statement, also for those that have no root digest.
pub(crate) fn check(manifest: &Manifest) -> Result<(), StatementError> {
    if manifest.resources.is_empty() {
        return Err(StatementError::Field("predicate.resources"));
    }
    if !manifest.is_unique() {
        let mut names: Vec<String> = manifest.resources.iter().map(|it| it.place.to_name()).collect();
        names.sort();
        let twice = names.iter().zip(names.iter().skip(1)).find(|(a, b)| a == b);
        return Err(StatementError::Twice(twice.map(|it| it.0.clone()).unwrap_or_default()));
    }
    if !manifest.is_sorted() {
        return Err(StatementError::Unsorted);
    }
    Ok(())
}

/// Name and root digest of the one subject.
fn subject(root: Node<'_>) -> Result<(String, String), StatementError> {
    let subjects = array(root, "subject", "subject")?;
    let mut items = subjects.items();
    let (Some(subject), None) = (items.next(), items.next()) else {
        return Err(StatementError::Field("subject"));
    };
    let name = string(subject, "name", "subject[0].name")?;
    if name.is_empty() {
        return Err(StatementError::Field("subject[0].name"));
    }
    let digest = object(subject, "digest", "subject[0].digest")?;
    Ok((name, string(digest, "sha256", "subject[0].digest.sha256")?))
}

/// Everything but the name and the resources.
fn shape(serialization: Node<'_>) -> Result<Manifest, StatementError> {
    let hash = string(serialization, "hash_type", "predicate.serialization.hash_type")?;
    let hash = HashKind::from_name(&hash).ok_or(StatementError::Field("predicate.serialization.hash_type"))?;
    let size = serialization.get("shard_size");
    let method = string(serialization, "method", "predicate.serialization.method")?;
    let method = match (method.as_str(), size) {
        ("files", None) => Method::Files,
        ("shards", Some(size)) => {
            Method::Shards(whole(size).ok_or(StatementError::Field("predicate.serialization.shard_size"))?)
        }
        ("files" | "shards", _) => return Err(StatementError::Field("predicate.serialization.shard_size")),
        _ => return Err(StatementError::Field("predicate.serialization.method")),
    };
    let follows_links = serialization
        .get("allow_symlinks")
        .and_then(|it| it.as_bool())
        .ok_or(StatementError::Field("predicate.serialization.allow_symlinks"))?;
    let mut ignored = Vec::new();
    if let Some(paths) = serialization.get("ignore_paths") {
        if paths.kind() != Kind::Array {
            return Err(StatementError::Field("predicate.serialization.ignore_paths"));
        }
        for path in paths.items() {
            let path = path
                .as_str()
                .ok_or(StatementError::Field("predicate.serialization.ignore_paths"))?;
            if ignored.len() >= IGNORED_MAX {
                return Err(StatementError::TooMany);
            }
            ignored.push(path.into_owned());
        }
    }
    Ok(Manifest {
        name: String::new(),
        method,
        hash,
        follows_links,
        ignored,
        is_nameless: false,
        resources: Vec::new(),
    })
}

/// A whole number, which some writers write with a fraction of zero.
fn whole(node: Node<'_>) -> Option<NonZeroU64> {
    if node.kind() != Kind::Number {
        return None;
    }
    let text = std::str::from_utf8(node.raw()).ok()?;
    NonZeroU64::new(text.strip_suffix(".0").unwrap_or(text).parse().ok()?)
}

fn read_resource(resource: Node<'_>, manifest: &Manifest) -> Result<(Resource, bool), StatementError> {
    let mut name = string(resource, "name", "predicate.resources[].name")?;
    let nameless = match manifest.method {
        Method::Files => name == ".",
        Method::Shards(_) => split_shard(&name).is_some_and(|(file, ..)| file == "."),
    };
    if nameless {
        name.replace_range(..1, Manifest::NAMELESS);
    }
    let algorithm = string(resource, "algorithm", "predicate.resources[].algorithm")?;
    let digest = string(resource, "digest", "predicate.resources[].digest")?;
    let place = place(&name, manifest.method)?;
    let expected = match manifest.method {
        Method::Files => algorithm == manifest.hash.as_str(),
        Method::Shards(size) => algorithm == manifest.hash.as_str() || algorithm == sharded(manifest.hash, size.get()),
    };
    match Digest::from_hex(manifest.hash, &digest) {
        Some(digest) if expected => Ok((Resource { place, digest }, nameless)),
        _ => Err(StatementError::Digest(place.to_name())),
    }
}

fn place(name: &str, method: Method) -> Result<Place, StatementError> {
    let Method::Shards(size) = method else {
        return Ok(Place::File(ResourceName::parse(name)?));
    };
    let wrong = || StatementError::Shard(name.chars().take(200).collect());
    let (file, start, end) = split_shard(name).ok_or_else(wrong)?;
    let length = end.checked_sub(start).ok_or_else(wrong)?;
    if length == 0 || length > size.get() || start.checked_rem(size.get()) != Some(0) {
        return Err(wrong());
    }
    Ok(Place::Shard {
        file: ResourceName::parse(file)?,
        start,
        end,
    })
}

/// What the reference implementation calls a hash over pieces.
fn sharded(hash: HashKind, size: u64) -> String {
    format!("{}-sharded-{size}", hash.as_str())
}

pub(crate) fn string(node: Node<'_>, key: &str, path: &'static str) -> Result<String, StatementError> {
    node.get(key)
        .and_then(|it| it.as_str())
        .map(std::borrow::Cow::into_owned)
        .ok_or(StatementError::Field(path))
}

pub(crate) fn object<'d>(node: Node<'d>, key: &str, path: &'static str) -> Result<Node<'d>, StatementError> {
    node.get(key)
        .filter(|it| it.kind() == Kind::Object)
        .ok_or(StatementError::Field(path))
}

pub(crate) fn array<'d>(node: Node<'d>, key: &str, path: &'static str) -> Result<Node<'d>, StatementError> {
    node.get(key)
        .filter(|it| it.kind() == Kind::Array)
        .ok_or(StatementError::Field(path))
}
