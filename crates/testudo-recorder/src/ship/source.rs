//! The ledger's own files, read for the copy.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use testudo_ledger::checkpoint::CheckpointError;
use testudo_ledger::payload::{self, Records};
use testudo_ledger::tile::{Tiles, TilesError, bundle};
use testudo_ledger::tree::ProveError;
use testudo_ledger::{Hash, SignedCheckpoint, Tile, TileLevel, tree};

use crate::files::{Disk, Files as _};
use crate::integrate::payloads::unreadable;

/// The file with the newest checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// The file with the newest checkpoint that others have signed.
pub(super) const WITNESSED: &str = "witnessed";

/// A checkpoint with as many signatures as a note may hold is far smaller.
pub(super) const CHECKPOINT_BYTES_MAX: usize = 256 << 10;

/// While partial tiles are replaced by wider ones.
const TRIES: usize = 20;

/// Of a hash.
const HASH_BYTES: usize = 32;

/// Why the ledger's own files cannot be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    #[error("a file of the ledger cannot be read")]
    Read(#[source] testudo_bounded::ReadError),
    #[error("`{}` cannot be read", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` cannot be read", path.display())]
    Payload {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("a checkpoint of the ledger is damaged; run `testudo ledger fsck`")]
    Checkpoint(#[source] CheckpointError),
    #[error("`{0}` is missing; run `testudo ledger fsck`")]
    Missing(String),
    #[error("`{0}` has a wrong length; run `testudo ledger fsck`")]
    Length(String),
    #[error("the tree cannot be read")]
    Tree(#[source] Box<TilesError<LocalError>>),
    #[error("reading was interrupted")]
    Stopped,
}

/// A checkpoint and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) bytes: Vec<u8>,
    pub(super) checkpoint: SignedCheckpoint,
}

impl Noted {
    pub(super) fn size(&self) -> u64 {
        self.checkpoint.checkpoint().size()
    }
}

/// The folder of a ledger.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) folder: PathBuf,
}

/// The part of a payload file that a checkpoint covers.
#[derive(Debug)]
pub(super) struct Covered {
    pub(super) file: File,
    pub(super) bytes: u64,
}

impl Source {
    /// The checkpoint in a file; none when there is no such file.
    pub(super) fn note(&self, name: &str) -> Result<Option<Noted>, LocalError> {
        let Some(bytes) = read(&self.folder.join(name), CHECKPOINT_BYTES_MAX)? else {
            return Ok(None);
        };
        let checkpoint = SignedCheckpoint::parse(&bytes).map_err(LocalError::Checkpoint)?;
        Ok(Some(Noted { bytes, checkpoint }))
    }

    /// A tile with exactly its width; a partial one may be cut from a wider one that has replaced it since.
    pub(super) fn tile(&self, tile: &Tile) -> Result<Vec<u8>, LocalError> {
        for _ in 0..TRIES {
            for found in std::iter::once(*tile).chain(self.wider(tile)?) {
                let Some(bytes) = self.file(&found)? else { continue };
                let cut = prefix(&bytes, tile);
                let whole = prefix(&bytes, &found).is_some_and(|it| it.len() == bytes.len());
                return match cut {
                    Some(cut) if whole => Ok(cut.to_vec()),
                    _ => Err(LocalError::Length(found.path())),
                };
            }
            if tile.is_full() {
                break;
            }
            // The one that was listed has been replaced meanwhile.
        }
        Err(LocalError::Missing(tile.path()))
    }

    /// The tiles at the same place with more items, the widest last.
    fn wider(&self, tile: &Tile) -> Result<Vec<Tile>, LocalError> {
        if tile.is_full() {
            return Ok(Vec::new());
        }
        let path = self.folder.join(format!("{}.p", tile.full().path()));
        let names = Disk.list(&path);
        let names = names.map_err(|source| LocalError::Folder { path, source })?;
        let widths = names.iter().filter_map(|name| name.parse().ok());
        let mut wider: Vec<Tile> = widths
            .filter(|width| *width > tile.width())
            .filter_map(|width| Tile::new(tile.level(), tile.index(), width))
            .collect();
        wider.sort_unstable();
        wider.push(tile.full());
        Ok(wider)
    }

    fn file(&self, tile: &Tile) -> Result<Option<Vec<u8>>, LocalError> {
        let limit = match tile.level() {
            TileLevel::Entries => bundle::BUNDLE_BYTES_MAX,
            TileLevel::Hashes(_) => HASH_BYTES.saturating_mul(256),
        };
        read(&self.folder.join(tile.path()), limit)
    }

    /// The root over the first `size` of `of` entries.
    pub(super) fn root(&self, size: u64, of: u64) -> Result<Hash, LocalError> {
        let tiles = Tiles::new(of, |tile: &Tile| self.tile(tile));
        tree::root(size, &tiles).map_err(|error| LocalError::Tree(Box::new(error)))
    }

    /// The proof that the tree of `size` entries continues the tree of its first `old_size`.
    pub(crate) fn consistency(&self, old_size: u64, size: u64) -> Result<Vec<Hash>, LocalError> {
        let tiles = Tiles::new(size, |tile: &Tile| self.tile(tile));
        tree::consistency(old_size, size, &tiles).map_err(|error| match error {
            ProveError::Source(error) => LocalError::Tree(Box::new(error)),
            ProveError::IndexBeyondTree { .. } | ProveError::OldBeyondNew { .. } => LocalError::Stopped,
        })
    }

    /// The payload file of a window up to the last entry below `size`; none when there is no such file.
    pub(super) fn payload(&self, window: u64, size: u64) -> Result<Option<Covered>, LocalError> {
        let path = self.folder.join(payload::path(window));
        let failed = |source| LocalError::Payload {
            path: path.clone(),
            source,
        };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let bytes = covered(&mut file, window, size).map_err(failed)?;
        file.rewind().map_err(failed)?;
        Ok(Some(Covered { file, bytes }))
    }
}

/// How long the records of entries below `size` are; a record that is being written does not count. A damaged file
/// is not copied: what is in the store may be whole.
fn covered(file: &mut File, window: u64, size: u64) -> io::Result<u64> {
    let mut records = Records::below(window, size, |offset, len| {
        file.seek(SeekFrom::Start(offset))?;
        let piece = io::Read::by_ref(file).take(widen(len));
        testudo_bounded::read_to_end(piece, len).map_err(io::Error::other)
    });
    let mut end = 0;
    while let Some(place) = records.next_place().map_err(unreadable)? {
        end = place.end;
    }
    Ok(end)
}

fn widen(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The first `tile.width()` items of a tile's bytes.
fn prefix<'a>(bytes: &'a [u8], tile: &Tile) -> Option<&'a [u8]> {
    let width = usize::from(tile.width());
    if let TileLevel::Hashes(_) = tile.level() {
        return bytes.get(..width.saturating_mul(HASH_BYTES));
    }
    let mut rest = bytes;
    for _ in 0..width {
        let (len, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_be_bytes(*len))..)?;
    }
    bytes.get(..bytes.len().saturating_sub(rest.len()))
}

fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, LocalError> {
    match testudo_bounded::read_file(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(testudo_bounded::ReadError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LocalError::Read(error)),
    }
}
