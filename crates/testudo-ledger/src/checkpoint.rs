//! Checkpoints (C2SP tlog-checkpoint): which log, how many entries, which root; signed as a note.

#[cfg(test)]
mod tests;

use std::fmt;

use crate::key::{KeyKind, SigningKey, VerifierKey};
use crate::note::{Note, NoteError, Signature, VerifyError, check_characters};
use crate::tile::decimal;
use crate::{Hash, HashError};

/// Larger trees cannot be proved with the 63 hashes that witnesses take.
pub const SIZE_MAX: u64 = i64::MAX.unsigned_abs();

/// The state of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    extensions: Vec<String>,
}

/// Why a text is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("a checkpoint has three lines or more, none of them empty and each ended by a newline")]
    Lines,
    #[error("the origin is empty or has control characters")]
    Origin,
    #[error("the size is a number up to {SIZE_MAX} without leading zeros")]
    Size,
    #[error("the third line is not the root")]
    Root(#[from] HashError),
    #[error("the checkpoint is not in a signed note")]
    Note(#[from] NoteError),
}

impl Checkpoint {
    /// A log's state.
    ///
    /// # Errors
    /// When the origin is empty or has control characters, or the size is above [`SIZE_MAX`].
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Self, CheckpointError> {
        if origin.is_empty() || origin.contains(|c: char| c < ' ') {
            return Err(CheckpointError::Origin);
        }
        if size > SIZE_MAX {
            return Err(CheckpointError::Size);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
            extensions: Vec::new(),
        })
    }

    /// Reads a note's text, in the one form that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// When the text is no checkpoint.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        check_characters(text)?;
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n');
        let mut next = || lines.next().filter(|it| !it.is_empty()).ok_or(CheckpointError::Lines);
        let (origin, size, root) = (next()?, next()?, next()?);
        let size = decimal(size).ok_or(CheckpointError::Size)?;
        let mut checkpoint = Self::new(origin, size, Hash::parse(root)?)?;
        for line in lines {
            if line.is_empty() {
                return Err(CheckpointError::Lines);
            }
            checkpoint.extensions.push(line.to_owned());
        }
        Ok(checkpoint)
    }

    /// Which log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all of them.
    #[must_use]
    pub fn root(&self) -> &Hash {
        &self.root
    }

    /// Further lines, which mean nothing here.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A checkpoint with signatures, of which nothing is known to be true until they are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Signs as the log.
    ///
    /// # Errors
    /// When the text cannot be a note's.
    pub fn sign(checkpoint: Checkpoint, key: &SigningKey, time_s: u64) -> Result<Self, CheckpointError> {
        let mut note = Note::new(&checkpoint.to_string())?;
        note.sign(key, time_s);
        Ok(Self { checkpoint, note })
    }

    /// Reads a signed note whose text is a checkpoint.
    ///
    /// # Errors
    /// When the bytes are no such note.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { checkpoint, note })
    }

    /// What is claimed.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The claim with its signatures.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Adds a cosignature made elsewhere, unless it is there already.
    ///
    /// # Errors
    /// When there are too many.
    pub fn add(&mut self, signature: Signature) -> Result<(), NoteError> {
        self.note.add(signature)
    }

    /// The same checkpoint with these signatures only.
    pub(crate) fn with_signatures(&self, signatures: Vec<Signature>) -> Result<Self, NoteError> {
        let mut note = Note::new(self.note.text())?;
        signatures.into_iter().try_for_each(|it| note.add(it))?;
        Ok(Self {
            checkpoint: self.checkpoint.clone(),
            note,
        })
    }

    /// Checks that the log itself has signed: a key of kind Ed25519 whose name is the origin.
    ///
    /// # Errors
    /// When none of the keys is this log's, or has signed, or a signature is wrong.
    pub fn verify_log<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a VerifierKey>,
    ) -> Result<&'a VerifierKey, VerifyError> {
        let keys = keys.into_iter();
        let own = keys.filter(|key| key.kind() == KeyKind::Ed25519 && key.name().as_str() == self.checkpoint.origin);
        let verified = self.note.verify(own)?;
        verified.first().map(|it| it.key).ok_or(VerifyError::Unknown)
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}
