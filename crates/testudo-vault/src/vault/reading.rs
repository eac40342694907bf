//! Reads a file of a version block by block, for those who hand it on while they read.

use std::fmt;

use super::VaultError;
use super::artifact::Artifact;
use super::record::StoredFile;
use crate::sealing::{Opener, SealError, Shape};
use crate::signing::{HashKind, Hasher};

/// Pieces that are fetched at once: 1 MiB.
const PIECES: u64 = 64;

/// A file that is being read. It holds one block at a time.
pub struct Reading {
    artifact: Artifact,
    path: String,
    name: String,
    digest: String,
    opener: Opener,
    shape: Shape,
    piece: u64,
    /// `None` when the end was reached, or never will be.
    hasher: Option<Hasher>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("path", &self.path)
            .field("piece", &self.piece)
            .finish_non_exhaustive()
    }
}

impl Artifact {
    /// Begins to read a file of a version.
    ///
    /// # Errors
    /// When it is missing in the store, or another one.
    pub async fn reading(&self, file: &StoredFile) -> Result<Reading, VaultError> {
        let (opener, shape) = self.opener(file).await?;
        Ok(Reading {
            artifact: self.clone(),
            path: self.object_path(file.object()),
            name: file.name().to_owned(),
            digest: file.digest().to_owned(),
            opener,
            shape,
            piece: 0,
            hasher: Some(Hasher::new(HashKind::Sha256)),
        })
    }
}

impl Reading {
    /// The next block, of at most 1 MiB; `None` after the last. Every piece of it is verified, and the last block
    /// comes only when the whole is what it should be.
    ///
    /// # Errors
    /// When what is in the store was changed, cut or exchanged; nothing more comes then.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, VaultError> {
        // Whatever goes wrong from here on is the end.
        let Some(mut hasher) = self.hasher.take() else {
            return Ok(None);
        };
        let sealed = |source| VaultError::sealed(&self.name, source);
        let last = self.piece.saturating_add(PIECES).min(self.shape.pieces());
        let range = self.shape.range(self.piece).start..self.shape.range(last.saturating_sub(1)).end;
        let mut bytes = self.artifact.objects.range(&self.path, range).await?.to_vec();
        let mut block = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_mut_slice();
        for piece in self.piece..last {
            let range = self.shape.range(piece);
            let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
            let Some((now, later)) = rest.split_at_mut_checked(length) else {
                return Err(sealed(SealError::Truncated));
            };
            rest = later;
            block.extend_from_slice(self.opener.open(piece, now).map_err(sealed)?);
        }
        hasher.update(&block);
        if last < self.shape.pieces() {
            self.hasher = Some(hasher);
        } else if hasher.finish().to_hex() != self.digest {
            return Err(sealed(SealError::Changed));
        }
        self.piece = last;
        Ok(Some(block))
    }
}
