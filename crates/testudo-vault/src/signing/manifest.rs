//! The digests of all files of a model, in the order in which they are signed.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::num::NonZeroU64;

use aws_lc_rs::digest;

use super::hashing::{Digest, HashKind};
use super::name::ResourceName;
use crate::hex;

/// How files become resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// One digest a file.
    Files,
    /// One digest for each so many bytes of a file.
    Shards(NonZeroU64),
}

impl Method {
    /// What the specification takes when nobody says otherwise.
    pub const SHARD_BYTES_DEFAULT: NonZeroU64 = match NonZeroU64::new(1_000_000_000) {
        Some(bytes) => bytes,
        None => NonZeroU64::MIN,
    };
}

/// What a digest is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    File(ResourceName),
    Shard { file: ResourceName, start: u64, end: u64 },
}

impl Place {
    /// The file that it lies in.
    #[must_use]
    pub fn file(&self) -> &ResourceName {
        match self {
            Self::File(file) | Self::Shard { file, .. } => file,
        }
    }

    /// The name in a statement.
    #[must_use]
    pub fn to_name(&self) -> String {
        match self {
            Self::File(file) => file.to_string(),
            Self::Shard { file, start, end } => format!("{file}:{start}:{end}"),
        }
    }

    /// The order of the reference implementation: part by part, and pieces by where they start.
    fn by_parts(&self, other: &Self) -> Ordering {
        let bounds = |place: &Self| match place {
            Self::File(_) => (0, 0),
            Self::Shard { start, end, .. } => (*start, *end),
        };
        self.file()
            .parts()
            .cmp(other.file().parts())
            .then_with(|| bounds(self).cmp(&bounds(other)))
    }
}

/// One digest with what it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub place: Place,
    pub digest: Digest,
}

/// Everything that is signed about a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What the signer called the model; it means nothing.
    pub name: String,
    pub method: Method,
    pub hash: HashKind,
    /// Whether files were read through links.
    pub follows_links: bool,
    /// What the signer left out.
    pub ignored: Vec<String>,
    /// A single file that its statement calls `.`, as the reference implementation does; its resources then bear the
    /// name [`Self::NAMELESS`].
    pub is_nameless: bool,
    /// Never none, and no place twice.
    pub resources: Vec<Resource>,
}

#[cfg(test)]
impl Manifest {
    /// Of files whose SHA-256 repeats a digit.
    pub(crate) fn of_files(files: &[(&str, char)]) -> Self {
        let resources = files.iter().map(|(name, digit)| Resource {
            place: Place::File(ResourceName::parse(name).unwrap()),
            digest: Digest::from_hex(HashKind::Sha256, &String::from(*digit).repeat(64)).unwrap(),
        });
        Self {
            name: "m".to_owned(),
            method: Method::Files,
            hash: HashKind::Sha256,
            follows_links: false,
            ignored: Vec::new(),
            is_nameless: false,
            resources: resources.collect(),
        }
    }
}

impl Manifest {
    /// Stands for the name of a single file that has none.
    pub const NAMELESS: &'static str = "model";

    /// SHA-256 over the digests in their order: what a model is called by elsewhere.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        for resource in &self.resources {
            context.update(resource.digest.as_bytes());
        }
        let mut root = [0; 32];
        for (to, from) in root.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        root
    }

    /// [`Self::root`] as lower-case hexadecimal digits.
    #[must_use]
    pub fn root_hex(&self) -> String {
        hex::encode(&self.root())
    }

    /// Puts the resources in the order of the specification: names by code points.
    pub(crate) fn sort(&mut self) {
        self.resources.sort_by_cached_key(|it| it.place.to_name());
    }

    /// Whether the resources stand in the order of the specification, or of its reference implementation.
    pub(crate) fn is_sorted(&self) -> bool {
        let names: Vec<String> = self.resources.iter().map(|it| it.place.to_name()).collect();
        let pairs = || self.resources.iter().zip(self.resources.iter().skip(1));
        names.iter().zip(names.iter().skip(1)).all(|(a, b)| a < b)
            || pairs().all(|(a, b)| a.place.by_parts(&b.place) == Ordering::Less)
    }

    /// Whether no two names are one.
    pub(crate) fn is_unique(&self) -> bool {
        let mut seen = BTreeMap::new();
        self.resources.iter().all(|it| seen.insert(&it.place, ()).is_none())
    }
}
