//! Where the files of a log come from.

use super::CHECKPOINT;
use super::fault::{FaultKind, Faults};
use crate::note::NOTE_BYTES_MAX;
use crate::tile::bundle::BUNDLE_BYTES_MAX;
use crate::{Hash, SignedCheckpoint, Tile};

/// The files of a log, by their paths below its folder, for example `tile/0/x001/x234/067`.
pub trait LogFiles {
    /// Why a file could not be read although it is there.
    type Error: std::fmt::Display;

    /// A whole file; nothing when it is not there.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than `bytes_max`.
    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Up to `bytes_max` bytes of a file from `offset` on, none past its end; nothing when it is not there.
    /// Payload files are read in parts, because they can be greater than memory.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_part(&self, path: &str, offset: u64, bytes_max: usize) -> Result<Option<Vec<u8>>, Self::Error> {
        let whole = self.read(path, usize::MAX)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(whole.map(|bytes| bytes.into_iter().skip(start).take(bytes_max).collect()))
    }
}

/// How often to look for a tile that its writer has just replaced by a wider one.
const LOOKS: usize = 5;

/// The file that a tile stands in; notes a fault when there is none.
pub(super) fn read_tile<F: LogFiles>(files: &F, tile: &Tile, faults: &mut Faults) -> Option<TileFile> {
    match find_tile(files, tile) {
        Ok(Some(found)) => return Some(found),
        Ok(None) => faults.add(FaultKind::Missing, tile.path(), None, None),
        Err((path, reason)) => faults.add(FaultKind::Unreadable { reason }, path, None, None),
    }
    None
}

/// The tile itself, or else a wider one that begins with it: a log may remove a partial tile once a wider one is
/// there. Where it cannot be read and why not, when that fails.
fn find_tile<F: LogFiles>(files: &F, tile: &Tile) -> Result<Option<TileFile>, (String, String)> {
    let read = |candidate: &Tile| {
        let path = candidate.path();
        match files.read(&path, BUNDLE_BYTES_MAX) {
            Ok(found) => Ok(found.map(|bytes| TileFile {
                path,
                bytes,
                width: candidate.width(),
            })),
            Err(error) => Err((path, error.to_string())),
        }
    };
    if let Some(found) = read(tile)? {
        return Ok(Some(found));
    }
    if tile.is_full() {
        return Ok(None);
    }
    if let Some(found) = read(&tile.full())? {
        return Ok(Some(found));
    }
    let mut last = *tile;
    for _ in 0..LOOKS {
        let Some(wider) = wider(files, &last) else { break };
        if let Some(found) = read(&wider)? {
            return Ok(Some(found));
        }
        last = wider;
    }
    Ok(None)
}

/// What a tile has become under the checkpoint that is there now. Only where to look is taken from that
/// checkpoint; what is found there is compared with the one being verified.
fn wider<F: LogFiles>(files: &F, tile: &Tile) -> Option<Tile> {
    let note = files.read(CHECKPOINT, NOTE_BYTES_MAX).ok()??;
    let size = SignedCheckpoint::parse(&note).ok()?.checkpoint().size();
    Tile::of_tree(tile.level(), tile.index(), size).filter(|it| it.width() > tile.width())
}

/// The file that a tile was found in.
#[derive(Debug)]
pub(super) struct TileFile {
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
    /// The file's own; a narrower tile is its beginning.
    width: u16,
}

impl TileFile {
    /// The hashes of a tile of this width.
    pub(super) fn hashes(&self, width: u16, faults: &mut Faults) -> Option<Vec<Hash>> {
        let expected = usize::from(self.width).saturating_mul(32);
        if self.bytes.len() != expected {
            let (is, reason) = (self.bytes.len(), format!("{} bytes of {expected}", self.bytes.len()));
            let kind = if is < expected {
                FaultKind::Truncated { reason }
            } else {
                FaultKind::Malformed { reason }
            };
            faults.add(kind, self.path.clone(), None, None);
            return None;
        }
        let (hashes, _) = self.bytes.as_chunks();
        Some(
            hashes
                .iter()
                .take(usize::from(width))
                .map(|it| Hash::from_bytes(*it))
                .collect(),
        )
    }

    /// The entries of a bundle of this width, each with the place of its first byte in the file.
    pub(super) fn entries(&self, width: u16, faults: &mut Faults) -> Option<Vec<(usize, &[u8])>> {
        let mut entries = Vec::with_capacity(usize::from(width));
        let mut rest = self.bytes.as_slice();
        let place = |rest: &[u8]| self.bytes.len().saturating_sub(rest.len());
        while entries.len() < usize::from(width) {
            let entry = rest.split_first_chunk().and_then(|(len, after)| {
                let len = usize::from(u16::from_be_bytes(*len));
                after.split_at_checked(len)
            });
            let Some((entry, after)) = entry else {
                let reason = format!("{} entries of {width}", entries.len());
                let byte = u64::try_from(place(rest)).ok();
                faults.add(FaultKind::Truncated { reason }, self.path.clone(), None, byte);
                return None;
            };
            entries.push((place(after).saturating_sub(entry.len()), entry));
            rest = after;
        }
        if self.width == width && !rest.is_empty() {
            let reason = format!("{} bytes follow the last entry", rest.len());
            let byte = u64::try_from(place(rest)).ok();
            faults.add(FaultKind::Malformed { reason }, self.path.clone(), None, byte);
            return None;
        }
        Some(entries)
    }
}
