//! Where the files of a log come from.

use super::fault::{FaultKind, Faults};
use crate::tile::bundle::BUNDLE_BYTES_MAX;
use crate::{Hash, Tile};

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

/// A tile's bytes, exactly as wide as asked for; notes a fault when that fails.
pub(super) fn read_tile<F: LogFiles>(files: &F, tile: &Tile, faults: &mut Faults) -> Option<TileFile> {
    // A log may remove a partial tile once the full one is there.
    let candidates = [*tile, tile.full()];
    let count = if tile.is_full() { 1 } else { 2 };
    for candidate in candidates.into_iter().take(count) {
        let path = candidate.path();
        match files.read(&path, BUNDLE_BYTES_MAX) {
            Ok(Some(bytes)) => {
                let exact = candidate == *tile;
                return Some(TileFile { path, bytes, exact });
            }
            Ok(None) => {}
            Err(error) => {
                let reason = error.to_string();
                faults.add(FaultKind::Unreadable { reason }, path, None, None);
                return None;
            }
        }
    }
    faults.add(FaultKind::Missing, tile.path(), None, None);
    None
}

/// The file that a tile was found in.
#[derive(Debug)]
pub(super) struct TileFile {
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
    /// Whether the file has the tile's width; else it is full, and the tile is its beginning.
    exact: bool,
}

impl TileFile {
    /// The hashes of a tile of this width.
    pub(super) fn hashes(&self, width: u16, faults: &mut Faults) -> Option<Vec<Hash>> {
        let expected = usize::from(if self.exact { width } else { 256 }).saturating_mul(32);
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
        if self.exact && !rest.is_empty() {
            let reason = format!("{} bytes follow the last entry", rest.len());
            let byte = u64::try_from(place(rest)).ok();
            faults.add(FaultKind::Malformed { reason }, self.path.clone(), None, byte);
            return None;
        }
        Some(entries)
    }
}
