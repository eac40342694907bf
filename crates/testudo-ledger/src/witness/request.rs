//! The body of `add-checkpoint`.

use std::fmt;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::note::NOTE_BYTES_MAX;
use crate::proof::{HASHES_MAX, parse_hashes, split_hashes};
use crate::tile::decimal;
use crate::{Hash, HashError};

/// More bytes are not looked at: a note and, before it, a size and 63 hashes.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 4096;

/// A checkpoint to be cosigned, and the proof that it continues an older one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness is believed to have cosigned last; 0 when it has not.
    pub old_size: u64,
    /// The consistency proof from that size.
    pub proof: Vec<Hash>,
    /// What is to be cosigned.
    pub checkpoint: SignedCheckpoint,
}

/// Why bytes are not a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("the request is longer than {REQUEST_BYTES_MAX} bytes or not UTF-8 text")]
    Text,
    #[error("the first line is not `old <size>`")]
    Old,
    #[error("a line of the consistency proof is not a hash")]
    Hash(#[from] HashError),
    #[error("the consistency proof has more than {HASHES_MAX} hashes")]
    TooMany,
    #[error("no empty line stands before the checkpoint")]
    Separator,
    #[error("the checkpoint cannot be read")]
    Checkpoint(#[from] CheckpointError),
}

impl AddCheckpoint {
    /// Reads a request, in the one form that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// When the bytes are no such request.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|it| it.len() <= REQUEST_BYTES_MAX);
        let old = text.ok_or(RequestError::Text)?.strip_prefix("old ");
        let (old, rest) = old.and_then(|it| it.split_once('\n')).ok_or(RequestError::Old)?;
        let (hashes, note) = split_hashes(rest).ok_or(RequestError::Separator)?;
        Ok(Self {
            old_size: decimal(old).ok_or(RequestError::Old)?,
            proof: parse_hashes(hashes, RequestError::TooMany)?,
            checkpoint: SignedCheckpoint::parse(note.as_bytes())?,
        })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
