//! Proof files (C2SP tlog-proof): that an entry is in a log, checkable without the log.

#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{CheckpointError, SIZE_MAX, SignedCheckpoint};
use crate::note::NOTE_BYTES_MAX;
use crate::policy::{Accepted, Policy, Refused};
use crate::tile::decimal;
use crate::tree::{ProofError, check_inclusion};
use crate::{Hash, HashError};

/// More bytes are not looked at.
pub const PROOF_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;
/// A proof in the largest tree has no more hashes.
pub(crate) const HASHES_MAX: usize = 63;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// An entry's place in a log, of which nothing is known to be true until [`Proof::verify`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    extra: Vec<u8>,
    index: u64,
    hashes: Vec<Hash>,
    checkpoint: SignedCheckpoint,
}

/// Why bytes are not a proof file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofFileError {
    #[error("the proof is longer than {PROOF_BYTES_MAX} bytes or not UTF-8 text")]
    Text,
    #[error("the first line is not `{HEADER}`")]
    Header,
    #[error("the line `extra` is not followed by base64, or by none")]
    Extra,
    #[error("the line `index` is missing, or its number is above {SIZE_MAX} or has leading zeros")]
    Index,
    #[error("a line of the inclusion proof is not a hash")]
    Hash(#[from] HashError),
    #[error("the inclusion proof has more than {HASHES_MAX} hashes")]
    TooMany,
    #[error("no empty line stands before the checkpoint")]
    Separator,
    #[error("the checkpoint cannot be read")]
    Checkpoint(#[from] CheckpointError),
}

/// Why a proof is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyProofError {
    #[error("the checkpoint does not satisfy the policy")]
    Checkpoint(#[from] Refused),
    #[error("the entry is not at this place in the log")]
    Inclusion(#[from] ProofError),
}

impl Proof {
    /// Puts a proof together. `extra` is for the reader's convenience, not protected by the proof, and may be empty.
    #[must_use]
    pub fn new(index: u64, hashes: Vec<Hash>, checkpoint: SignedCheckpoint, extra: Vec<u8>) -> Self {
        Self {
            extra,
            index,
            hashes,
            checkpoint,
        }
    }

    /// Reads a proof file, in the one form that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// When the bytes are no such file. Whether to believe it is another question.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofFileError> {
        let text = std::str::from_utf8(bytes).ok().filter(|it| it.len() <= PROOF_BYTES_MAX);
        let text = text.ok_or(ProofFileError::Text)?;
        let (header, mut rest) = text.split_once('\n').ok_or(ProofFileError::Header)?;
        if header != HEADER {
            return Err(ProofFileError::Header);
        }
        let mut extra = Vec::new();
        if let Some(after) = rest.strip_prefix("extra ") {
            let (encoded, after) = after.split_once('\n').ok_or(ProofFileError::Extra)?;
            extra = STANDARD.decode(encoded).map_err(|_| ProofFileError::Extra)?;
            if extra.is_empty() {
                return Err(ProofFileError::Extra);
            }
            rest = after;
        }
        let index = rest.strip_prefix("index ").and_then(|it| it.split_once('\n'));
        let (index, rest) = index.ok_or(ProofFileError::Index)?;
        let index = decimal(index)
            .filter(|it| *it <= SIZE_MAX)
            .ok_or(ProofFileError::Index)?;
        let (hashes, note) = split_hashes(rest).ok_or(ProofFileError::Separator)?;
        Ok(Self {
            extra,
            index,
            hashes: parse_hashes(hashes, ProofFileError::TooMany)?,
            checkpoint: SignedCheckpoint::parse(note.as_bytes())?,
        })
    }

    /// The entry's number, counted from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// What was put beside the proof. Whoever handed over the file can have changed it.
    #[must_use]
    pub fn unauthenticated_extra(&self) -> &[u8] {
        &self.extra
    }

    /// The inclusion proof, from the leaf's sibling upwards.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The state of the log that the proof is for.
    #[must_use]
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Checks that the leaf is where the proof says, in a log that satisfies the policy.
    ///
    /// # Errors
    /// When the checkpoint or the inclusion does not hold.
    pub fn verify<'a>(&self, leaf: &Hash, policy: &'a Policy) -> Result<Accepted<'a>, VerifyProofError> {
        let accepted = policy.check(&self.checkpoint)?;
        let log = self.checkpoint.checkpoint();
        check_inclusion(leaf, self.index, log.size(), &self.hashes, log.root())?;
        Ok(accepted)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if !self.extra.is_empty() {
            writeln!(f, "extra {}", STANDARD.encode(&self.extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Lines before the first empty line, and what follows it.
pub(crate) fn split_hashes(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('\n') {
        Some(note) => Some(("", note)),
        None => text.split_once("\n\n"),
    }
}

/// One hash a line; no line for empty text.
pub(crate) fn parse_hashes<E: From<HashError>>(text: &str, too_many: E) -> Result<Vec<Hash>, E> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.split('\n').count() > HASHES_MAX {
        return Err(too_many);
    }
    text.split('\n').map(|line| Ok(Hash::parse(line)?)).collect()
}
