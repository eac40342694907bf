//! The tree above the entries, computed again and compared with the tiles.

use super::fault::{FaultKind, Faults};
use super::files::{LogFiles, read_tile};
use crate::tile::WIDTH;
use crate::{Hash, Tile, TileLevel};

/// Hashes over complete windows of 256 entries and more, each level up to the next full tile.
#[derive(Debug, Default)]
pub(super) struct Levels {
    /// Of level 1 first: how many tiles are full, and the hashes of the next.
    open: Vec<(u64, Vec<Hash>)>,
}

impl Levels {
    /// Takes the root over the next window of 256 entries; compares the tiles that become full.
    pub(super) fn push<F: LogFiles>(&mut self, window: Hash, size: u64, files: &F, faults: &mut Faults) {
        let mut hash = window;
        let mut levels = self.open.iter_mut().zip(1_u8..);
        for ((index, hashes), level) in levels.by_ref() {
            hashes.push(hash);
            if hashes.len() < usize::from(WIDTH) {
                return;
            }
            compare(level, *index, hashes, size, files, faults);
            hash = join(hashes, None).unwrap_or(Hash::EMPTY);
            hashes.clear();
            *index = index.saturating_add(1);
        }
        self.open.push((0, vec![hash]));
    }

    /// Compares the tiles at the right edge, which are not full.
    pub(super) fn finish<F: LogFiles>(&self, size: u64, files: &F, faults: &mut Faults) {
        for ((index, hashes), level) in self.open.iter().zip(1_u8..) {
            if !hashes.is_empty() {
                compare(level, *index, hashes, size, files, faults);
            }
        }
    }

    /// The root of the tree of all windows taken and these leaves after them.
    pub(super) fn root(&self, leaves: &[Hash]) -> Hash {
        let mut root = join(leaves, None);
        for (_, hashes) in &self.open {
            root = join(hashes, root);
        }
        root.unwrap_or(Hash::EMPTY)
    }
}

/// The root over subtrees of one size, and a smaller rest right of them.
pub(super) fn join(subtrees: &[Hash], right: Option<Hash>) -> Option<Hash> {
    let (mut left, mut right) = (subtrees, right);
    while !left.is_empty() {
        // The last group of a power of two of them is a complete subtree.
        let group = 1_usize.checked_shl(left.len().trailing_zeros()).unwrap_or(1);
        let (before, last) = left.split_at_checked(left.len().saturating_sub(group))?;
        let mut hashes = last.to_vec();
        while hashes.len() > 1 {
            let (pairs, _) = hashes.as_chunks();
            hashes = pairs.iter().map(|[a, b]| Hash::node(a, b)).collect();
        }
        let hash = hashes.pop()?;
        right = Some(right.map_or(hash, |right| Hash::node(&hash, &right)));
        left = before;
    }
    right
}

/// Compares a tile with the hashes that should be in it.
pub(super) fn compare<F: LogFiles>(
    level: u8,
    index: u64,
    expected: &[Hash],
    size: u64,
    files: &F,
    faults: &mut Faults,
) {
    let Some(tile) = Tile::of_tree(TileLevel::Hashes(level), index, size) else {
        return;
    };
    let Some(file) = read_tile(files, &tile, faults) else {
        return;
    };
    if let Some(found) = file.hashes(tile.width(), faults) {
        tell_difference(level, index, expected, &found, &file.path, faults);
    }
}

/// Notes the first hash of a tile that is not the expected one.
pub(super) fn tell_difference(
    level: u8,
    index: u64,
    expected: &[Hash],
    found: &[Hash],
    path: &str,
    faults: &mut Faults,
) {
    let differing = expected.iter().zip(found).zip(0_u64..).find(|((a, b), _)| a != b);
    if let Some((_, at)) = differing {
        let place = index.checked_mul(u64::from(WIDTH)).and_then(|it| it.checked_add(at));
        let entry = place.and_then(|it| it.checked_shl(u32::from(level).saturating_mul(8)));
        faults.add(FaultKind::TileDiffers, path, entry, Some(at.saturating_mul(32)));
    }
}
