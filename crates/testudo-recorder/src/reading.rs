//! Reading a log from its files, whether somebody is writing it or not.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use testudo_ledger::checkpoint::CheckpointError;
use testudo_ledger::payload::{self, Place};
use testudo_ledger::tile::{Tile, TileLevel, Tiles, TilesError, bundle};
use testudo_ledger::tree::{self, ProveError};
use testudo_ledger::verify::LogFiles;
use testudo_ledger::{Hash, Proof, SignedCheckpoint};

use crate::files::{Disk, Files};
use crate::integrate::payloads;

/// Far above any checkpoint with its signatures.
const NOTE_BYTES_MAX: usize = 1 << 20;
/// How often a reader looks again when the writer has just replaced what it wanted to read.
const ATTEMPTS: usize = 5;

/// A ledger's folder, to read from. It trusts what it reads: `verify` is what checks.
#[derive(Debug, Clone)]
pub struct LogFolder {
    root: PathBuf,
    files: Arc<dyn Files>,
}

/// Why something could not be read from a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadLogError {
    #[error("cannot read `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("there is no `{path}` in the ledger's folder")]
    Missing { path: String },
    #[error("`{path}` is damaged; run `testudo ledger verify`")]
    Damaged { path: String },
    #[error("`checkpoint` is damaged; run `testudo ledger verify`")]
    Checkpoint(#[source] CheckpointError),
    #[error("entry {index} is not in the log yet; it has {size}, the first is 0")]
    Beyond { index: u64, size: u64 },
}

impl LogFolder {
    /// The log in a folder.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self::with(root, Arc::new(Disk))
    }

    pub(crate) fn with(root: &Path, files: Arc<dyn Files>) -> Self {
        Self {
            root: root.to_owned(),
            files,
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file of the log by its path in the folder, at most `limit` bytes; nothing when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is larger.
    pub fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, ReadLogError> {
        let path = self.root.join(path);
        let found = self.files.read(&path, limit);
        found.map_err(|source| ReadLogError::File { path, source })
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// When it is missing, cannot be read, or is none. Its signatures are not checked.
    pub fn checkpoint(&self) -> Result<SignedCheckpoint, ReadLogError> {
        self.note("checkpoint")
    }

    /// The newest checkpoint that witnesses have signed; nothing when none ever did.
    ///
    /// # Errors
    /// When it cannot be read, or is no checkpoint. Its signatures are not checked.
    pub fn witnessed(&self) -> Result<Option<SignedCheckpoint>, ReadLogError> {
        match self.note("witnessed") {
            Ok(checkpoint) => Ok(Some(checkpoint)),
            Err(ReadLogError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn note(&self, name: &str) -> Result<SignedCheckpoint, ReadLogError> {
        let bytes = self.read(name, NOTE_BYTES_MAX)?;
        let bytes = bytes.ok_or_else(|| ReadLogError::Missing { path: name.to_owned() })?;
        SignedCheckpoint::parse(&bytes).map_err(ReadLogError::Checkpoint)
    }

    /// How many entries are under the newest checkpoint.
    ///
    /// # Errors
    /// As [`Self::checkpoint`].
    pub fn size(&self) -> Result<u64, ReadLogError> {
        Ok(self.checkpoint()?.checkpoint().size())
    }

    /// The bytes of one entry.
    ///
    /// # Errors
    /// When it is not under the newest checkpoint, or its bundle is missing or damaged.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, ReadLogError> {
        let place = usize::try_from(index % 256).unwrap_or(usize::MAX);
        let entries = self.bundle(index / 256)?.into_iter().nth(place);
        match entries {
            Some(entry) => Ok(entry),
            None => Err(ReadLogError::Beyond {
                index,
                size: self.size()?,
            }),
        }
    }

    /// The entries `256 * number` and following, as many of 256 as are under the newest checkpoint.
    ///
    /// # Errors
    /// When none is, or the bundle is missing or damaged.
    pub fn bundle(&self, number: u64) -> Result<Vec<Vec<u8>>, ReadLogError> {
        let mut outcome = self.try_bundle(number);
        for _ in 1..ATTEMPTS {
            // The writer removes a partial bundle once a wider one is under a checkpoint.
            match outcome {
                Err(ReadLogError::Missing { .. }) => outcome = self.try_bundle(number),
                done => return done,
            }
        }
        outcome
    }

    fn try_bundle(&self, number: u64) -> Result<Vec<Vec<u8>>, ReadLogError> {
        let size = self.size()?;
        let tile = Tile::of_tree(TileLevel::Entries, number, size).ok_or(ReadLogError::Beyond {
            index: number.saturating_mul(256),
            size,
        })?;
        let bytes = self.tile(&tile)?;
        let entries = bundle::decode(&bytes, tile.width());
        let entries = entries.map_err(|_| ReadLogError::Damaged { path: tile.path() })?;
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// The sealed payload record of an entry under the newest checkpoint; nothing when it never had one or it is
    /// deleted.
    ///
    /// # Errors
    /// When its file cannot be read or is damaged.
    pub fn payload(&self, index: u64) -> Result<Option<Vec<u8>>, ReadLogError> {
        let places = self.payload_places(index / 256)?;
        let Some(place) = places.into_iter().find(|it| it.index == index) else {
            return Ok(None);
        };
        let path = self.root.join(payload::path(index / 256));
        let record = self.files.read_range(&path, place.record_start(), place.record_bytes());
        record.map_err(|source| ReadLogError::File { path, source })
    }

    /// Where the records of a payload file lie, as far as their entries are under the newest checkpoint.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub(crate) fn payload_places(&self, window: u64) -> Result<Vec<Place>, ReadLogError> {
        let path = self.root.join(payload::path(window));
        let look = || {
            let size = self.size()?;
            let places = payloads::places(&*self.files, &path, window, size);
            places.map_err(|source| ReadLogError::File {
                path: path.clone(),
                source,
            })
        };
        let mut outcome = look();
        for _ in 1..ATTEMPTS {
            // The writer may be adding the head of a record.
            match outcome {
                Err(ReadLogError::File { source, .. }) if source.kind() == io::ErrorKind::InvalidData => {
                    outcome = look();
                }
                done => return done,
            }
        }
        outcome
    }

    /// The proof file of an entry, for the newest checkpoint that witnesses have signed and that covers it, or else
    /// for the newest. `extra` is put beside the proof and is not proven.
    ///
    /// # Errors
    /// When the entry is under no checkpoint yet, or a file is missing or damaged.
    pub fn prove(&self, index: u64, extra: &[u8]) -> Result<Proof, ReadLogError> {
        let covers = |it: &SignedCheckpoint| it.checkpoint().size() > index;
        let checkpoint = match self.witnessed()?.filter(covers) {
            Some(witnessed) => witnessed,
            None => self.checkpoint()?,
        };
        let hashes = self.inclusion(index, checkpoint.checkpoint().size())?;
        Ok(Proof::new(index, hashes, checkpoint, extra.to_vec()))
    }

    /// The inclusion proof of an entry in the tree of a checkpoint, from the leaf's sibling upwards.
    ///
    /// # Errors
    /// When the entry is not under that checkpoint, or a tile is missing or damaged.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, ReadLogError> {
        tree::inclusion(index, size, &self.hashes(size)).map_err(|error| read_error(error, index, size))
    }

    /// The proof that the tree of `new` entries begins with the tree of `old`.
    ///
    /// # Errors
    /// When `old` is the larger, or a tile is missing or damaged.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, ReadLogError> {
        tree::consistency(old, new, &self.hashes(new)).map_err(|error| read_error(error, old, new))
    }

    /// The hashes of the tree of `size` entries.
    pub fn hashes(&self, size: u64) -> Tiles<impl Fn(&Tile) -> Result<Vec<u8>, ReadLogError>> {
        Tiles::new(size, |tile: &Tile| self.tile(tile))
    }

    /// A tile of exactly its width; a wider one stands in for a partial one that is gone.
    fn tile(&self, tile: &Tile) -> Result<Vec<u8>, ReadLogError> {
        if let Some(bytes) = self.read(&tile.path(), bundle::BUNDLE_BYTES_MAX)? {
            return Ok(bytes);
        }
        let (wider, bytes) = self.stand_in(tile)?;
        let len = match tile.level() {
            TileLevel::Hashes(_) => usize::from(tile.width()).saturating_mul(32),
            TileLevel::Entries => {
                let entries = bundle::decode(&bytes, wider.width());
                let entries = entries.map_err(|_| ReadLogError::Damaged { path: wider.path() })?;
                let kept = entries.iter().take(usize::from(tile.width()));
                kept.map(|it| it.len().saturating_add(2)).sum()
            }
        };
        let cut = bytes.get(..len).map(<[u8]>::to_vec);
        cut.ok_or_else(|| ReadLogError::Damaged { path: wider.path() })
    }

    /// The wider tile that a partial one has become, and its bytes.
    fn stand_in(&self, tile: &Tile) -> Result<(Tile, Vec<u8>), ReadLogError> {
        let missing = || ReadLogError::Missing { path: tile.path() };
        let mut last = *tile;
        for _ in 0..ATTEMPTS {
            // The writer goes on: this one may be gone by now as well.
            last = self.wider(&last)?.ok_or_else(missing)?;
            if let Some(bytes) = self.read(&last.path(), bundle::BUNDLE_BYTES_MAX)? {
                return Ok((last, bytes));
            }
        }
        Err(missing())
    }

    /// The same tile in the tree as it is now.
    fn wider(&self, tile: &Tile) -> Result<Option<Tile>, ReadLogError> {
        let now = Tile::of_tree(tile.level(), tile.index(), self.size()?);
        Ok(now.filter(|now| now.width() > tile.width()))
    }
}

impl LogFiles for LogFolder {
    type Error = ReadLogError;

    /// A partial tile that its writer has replaced is cut from the wider one.
    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, ReadLogError> {
        let found = Self::read(self, path, bytes_max)?;
        match Tile::parse(path) {
            Ok(tile) if found.is_none() && !tile.is_full() => match self.tile(&tile) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(ReadLogError::Missing { .. }) => Ok(None),
                Err(error) => Err(error),
            },
            _ => Ok(found),
        }
    }

    fn read_part(&self, path: &str, offset: u64, bytes_max: usize) -> Result<Option<Vec<u8>>, ReadLogError> {
        let path = self.root.join(path);
        let part = self.files.read_range(&path, offset, bytes_max);
        part.map_err(|source| ReadLogError::File { path, source })
    }
}

fn read_error(error: ProveError<TilesError<ReadLogError>>, index: u64, size: u64) -> ReadLogError {
    match error {
        ProveError::Source(TilesError::Read { source, .. }) => source,
        ProveError::Source(TilesError::Length { tile }) => ReadLogError::Damaged { path: tile.path() },
        ProveError::Source(TilesError::Outside { .. })
        | ProveError::IndexBeyondTree { .. }
        | ProveError::OldBeyondNew { .. } => ReadLogError::Beyond { index, size },
    }
}
