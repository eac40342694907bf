//! The entries of a log, read from its folder.

use std::io;
use std::path::{Path, PathBuf};

use testudo_bounded::ReadError;
use testudo_ledger::checkpoint::CheckpointError;
use testudo_ledger::tile::bundle::{self, BUNDLE_BYTES_MAX, BundleError};
use testudo_ledger::{SignedCheckpoint, Tile, TileLevel};

use super::LeafSource;

/// Far above any checkpoint with all its signatures.
const CHECKPOINT_BYTES_MAX: usize = 1 << 20;
const BUNDLE: u64 = 256;

/// Why a log's entries could not be read from its folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderSourceError {
    #[error("the checkpoint of the log cannot be read")]
    Read(#[source] ReadError),
    #[error("the checkpoint of the log is not one")]
    Checkpoint(#[source] CheckpointError),
    #[error("the entries in `{path}` cannot be read")]
    Bundle {
        path: String,
        #[source]
        source: ReadError,
    },
    #[error("`{path}` holds something else than entries; check the log with `testudo ledger verify`")]
    Form {
        path: String,
        #[source]
        source: BundleError,
    },
    #[error("the log has {size} entries and was asked for entry {first}")]
    Beyond { first: u64, size: u64 },
}

/// The entries under the checkpoint of a folder, taken as they are: nothing is verified.
#[derive(Debug)]
pub struct FolderSource {
    root: PathBuf,
    origin: Option<String>,
    size: u64,
}

impl FolderSource {
    /// Reads how far the log in a folder is.
    ///
    /// # Errors
    /// When the checkpoint is there and cannot be read.
    pub fn open(root: &Path) -> Result<Self, FolderSourceError> {
        let mut source = Self {
            root: root.to_owned(),
            origin: None,
            size: 0,
        };
        match testudo_bounded::read_file(root.join("checkpoint"), CHECKPOINT_BYTES_MAX) {
            Ok(note) => {
                let signed = SignedCheckpoint::parse(&note).map_err(FolderSourceError::Checkpoint)?;
                source.size = signed.checkpoint().size();
                source.origin = Some(signed.checkpoint().origin().to_owned());
                Ok(source)
            }
            Err(problem) if is_missing(&problem) => Ok(source),
            Err(problem) => Err(FolderSourceError::Read(problem)),
        }
    }

    /// The name of the log; absent when it has no checkpoint yet.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The entries of a bundle that the checkpoint covers.
    fn bundle(&mut self, number: u64) -> Result<Vec<Vec<u8>>, FolderSourceError> {
        loop {
            let beyond = FolderSourceError::Beyond {
                first: number.saturating_mul(BUNDLE),
                size: self.size,
            };
            let tile = Tile::of_tree(TileLevel::Entries, number, self.size).ok_or(beyond)?;
            match self.read(&tile) {
                // The log went on meanwhile: a partial bundle is removed once a wider one is there.
                Err(FolderSourceError::Bundle { source, .. }) if is_missing(&source) && self.grew()? => {}
                settled => return settled,
            }
        }
    }

    /// Looks whether the log has more entries by now.
    fn grew(&mut self) -> Result<bool, FolderSourceError> {
        let newer = Self::open(&self.root)?;
        let grew = newer.size > self.size;
        *self = newer;
        Ok(grew)
    }

    fn read(&self, tile: &Tile) -> Result<Vec<Vec<u8>>, FolderSourceError> {
        let path = tile.path();
        let bytes = match testudo_bounded::read_file(self.root.join(&path), BUNDLE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(source) => return Err(FolderSourceError::Bundle { path, source }),
        };
        match bundle::decode(&bytes, tile.width()) {
            Ok(entries) => Ok(entries.into_iter().map(<[u8]>::to_vec).collect()),
            Err(source) => Err(FolderSourceError::Form { path, source }),
        }
    }
}

impl LeafSource for FolderSource {
    type Error = FolderSourceError;

    fn size(&self) -> u64 {
        self.size
    }

    fn leaves(&mut self, first: u64, max: usize) -> Result<Vec<Vec<u8>>, FolderSourceError> {
        let mut leaves = Vec::new();
        let end = self
            .size
            .min(first.saturating_add(u64::try_from(max).unwrap_or(u64::MAX)));
        let mut next = first;
        while next < end {
            let start = next.saturating_sub(next % BUNDLE);
            let skipped = usize::try_from(next.saturating_sub(start)).unwrap_or_default();
            let wanted = usize::try_from(end.saturating_sub(next)).unwrap_or(usize::MAX);
            let bundle = self.bundle(start / BUNDLE)?;
            let before = leaves.len();
            leaves.extend(bundle.into_iter().skip(skipped).take(wanted));
            let read = u64::try_from(leaves.len().saturating_sub(before)).unwrap_or_default();
            next = next.saturating_add(read.max(1));
        }
        match leaves.is_empty() {
            true => Err(FolderSourceError::Beyond { first, size: self.size }),
            false => Ok(leaves),
        }
    }
}

fn is_missing(problem: &ReadError) -> bool {
    matches!(problem, ReadError::Open { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
