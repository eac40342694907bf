//! What files looked like when they were signed, so that the unchanged ones need not be read again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use testudo_types::UnixMillis;

use super::hashing::Digest;
use super::manifest::{Manifest, Method, Place};
use super::measure::Piece;
use super::tree::{Found, Stamp};
use super::verify::Verified;

/// A file that changed less than this before it was looked at may change again without a trace: clocks of file
/// systems are coarse.
const SETTLED_NS: i128 = 2_000_000_000;

/// Why a memory of earlier files is of no use.
#[derive(Debug, thiserror::Error)]
pub enum RememberedError {
    #[error("it is not a memory of signed files")]
    Shape(#[source] serde_json::Error),
    #[error("it belongs to another signature: the root digests differ")]
    Root,
}

/// How the files of one signed model looked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    root: String,
    /// Milliseconds since 1970 when the reading began.
    at: u64,
    files: BTreeMap<String, Looks>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Looks {
    device: u64,
    inode: u64,
    bytes: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl From<Stamp> for Looks {
    fn from(stamp: Stamp) -> Self {
        Self {
            device: stamp.device,
            inode: stamp.inode,
            bytes: stamp.bytes,
            modified_ns: stamp.modified_ns,
            changed_ns: stamp.changed_ns,
        }
    }
}

impl Remembered {
    pub(crate) fn new(manifest: &Manifest, files: &[Found], began: UnixMillis) -> Self {
        Self {
            root: manifest.root_hex(),
            at: began.0,
            files: files.iter().map(|it| (it.name.to_string(), it.stamp.into())).collect(),
        }
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, RememberedError> {
        serde_json::from_slice(bytes).map_err(RememberedError::Shape)
    }

    /// To be kept beside the signature.
    ///
    /// # Errors
    /// Never in practice: numbers and texts always become JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RememberedError> {
        serde_json::to_vec(self).map_err(RememberedError::Shape)
    }

    /// Digests of those `pieces` that need not be read again. They come from `earlier`, whose signature was
    /// verified; the memory only says which files are still the same.
    pub(crate) fn known(
        &self,
        earlier: &Verified,
        files: &[Found],
        pieces: &[Piece],
        method: Method,
    ) -> Result<Vec<Option<Digest>>, RememberedError> {
        let signed = earlier.manifest();
        if self.root != signed.root_hex() {
            return Err(RememberedError::Root);
        }
        if signed.method != method || signed.follows_links {
            return Ok(vec![None; pieces.len()]);
        }
        let digests: BTreeMap<&Place, &Digest> = signed.resources.iter().map(|it| (&it.place, &it.digest)).collect();
        let settled = i128::from(self.at).saturating_mul(1_000_000).saturating_sub(SETTLED_NS);
        let same = |found: &Found| {
            self.files.get(found.name.as_str()).is_some_and(|looks| {
                *looks == Looks::from(found.stamp) && looks.modified_ns < settled && looks.changed_ns < settled
            })
        };
        Ok(pieces
            .iter()
            .map(|piece| {
                let found = files.get(piece.file).filter(|found| same(found));
                found
                    .and_then(|_| super::compare::place(files, piece, method))
                    .and_then(|place| digests.get(&place).map(|it| (*it).clone()))
            })
            .collect())
    }
}
