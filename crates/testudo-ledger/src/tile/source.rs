//! The tree's hashes out of its tiles.

use super::{Tile, TileLevel};
use crate::{Hash, HashSource};

/// Answers for the hashes of a tree of one size by reading its tiles. It trusts what it reads: compare the root.
#[derive(Debug, Clone, Copy)]
pub struct Tiles<F> {
    size: u64,
    read: F,
}

/// Why a hash cannot be had from tiles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TilesError<E> {
    #[error("`{}` cannot be read", .tile.path())]
    Read {
        tile: Tile,
        #[source]
        source: E,
    },
    #[error("`{}` does not hold {} hashes of 32 bytes", .tile.path(), .tile.width())]
    Length { tile: Tile },
    #[error("a tree of {size} has no complete subtree {index} of height {level}")]
    Outside { level: u8, index: u64, size: u64 },
}

impl<F, E> Tiles<F>
where
    F: Fn(&Tile) -> Result<Vec<u8>, E>,
{
    /// Of the tree of `size` leaves; `read` gives a tile's bytes, of exactly its width.
    pub fn new(size: u64, read: F) -> Self {
        Self { size, read }
    }
}

impl<F, E> HashSource for Tiles<F>
where
    F: Fn(&Tile) -> Result<Vec<u8>, E>,
{
    type Error = TilesError<E>;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let outside = TilesError::Outside {
            level,
            index,
            size: self.size,
        };
        // Hashes between the levels of tiles are computed from the 2, 4, … 128 hashes below them.
        let below: u8 = level % 8;
        let first = index.checked_shl(u32::from(below)).filter(|it| it >> below == index);
        let Some(first) = first else { return Err(outside) };
        let Some(tile) = Tile::of_tree(TileLevel::Hashes(level / 8), first / 256, self.size) else {
            return Err(outside);
        };
        let bytes = (self.read)(&tile).map_err(|source| TilesError::Read { tile, source })?;
        let hashes = hashes(&bytes, tile.width()).ok_or(TilesError::Length { tile })?;
        let start = usize::try_from(first % 256).unwrap_or(usize::MAX);
        let under = 1_usize.checked_shl(u32::from(below)).unwrap_or(usize::MAX);
        let under = start.checked_add(under).and_then(|end| hashes.get(start..end));
        under.map(complete).ok_or(outside)
    }
}

/// The hashes in a tile of this width; nothing when the bytes are more or fewer.
#[must_use]
pub fn hashes(tile: &[u8], width: u16) -> Option<Vec<Hash>> {
    let (hashes, rest) = tile.as_chunks::<32>();
    let fits = rest.is_empty() && hashes.len() == usize::from(width);
    fits.then(|| hashes.iter().map(|it| Hash::from_bytes(*it)).collect())
}

/// The root over a power of two of hashes.
fn complete(hashes: &[Hash]) -> Hash {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        let (pairs, _) = level.as_chunks();
        level = pairs.iter().map(|[left, right]| Hash::node(left, right)).collect();
    }
    level.first().copied().unwrap_or(Hash::EMPTY)
}
