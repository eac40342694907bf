//! Tiles (C2SP tlog-tiles): the tree's hashes and entries in files of up to 256 that never change once full.

pub mod bundle;
mod path;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use path::decimal;
pub use path::{PathError, index_path};
pub use source::{Tiles, TilesError, hashes};

/// Hashes in a full tile, entries in a full bundle.
pub const WIDTH: u16 = 256;
/// The highest level that a path may name.
const LEVEL_MAX: u8 = 63;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileLevel {
    /// The entries themselves, as a bundle.
    Entries,
    /// Hashes over 256 to this power leaves each; 0 to 63.
    Hashes(u8),
}

/// One file of a log: which hashes or entries, and how many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    level: TileLevel,
    index: u64,
    width: u16,
}

impl Tile {
    /// A tile by its place; nothing when the level is above 63 or the width is not 1 to 256.
    #[must_use]
    pub fn new(level: TileLevel, index: u64, width: u16) -> Option<Self> {
        let level_known = match level {
            TileLevel::Entries => true,
            TileLevel::Hashes(level) => level <= LEVEL_MAX,
        };
        (level_known && (1..=WIDTH).contains(&width)).then_some(Self { level, index, width })
    }

    /// The tile at this place in a tree of `size` leaves, full or partial; nothing when the tree does not reach it.
    #[must_use]
    pub fn of_tree(level: TileLevel, index: u64, size: u64) -> Option<Self> {
        let first = index.checked_mul(u64::from(WIDTH))?;
        let rest = items(level, size).checked_sub(first)?;
        Self::new(level, index, u16::try_from(rest).unwrap_or(WIDTH).min(WIDTH))
    }

    /// What it holds.
    #[must_use]
    pub fn level(&self) -> TileLevel {
        self.level
    }

    /// Its number within the level.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it will never change.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width == WIDTH
    }

    /// The same place, full: what may stand in for a partial tile.
    #[must_use]
    pub fn full(&self) -> Self {
        Self { width: WIDTH, ..*self }
    }
}

/// The tiles of one level that are new or wider when a tree grows from `old_size` to `new_size` leaves, left to
/// right; all but the last are full.
pub fn growth(level: TileLevel, old_size: u64, new_size: u64) -> impl Iterator<Item = Tile> {
    let (old, new) = (items(level, old_size), items(level, new_size));
    let indices = if new > old { old / 256..new.div_ceil(256) } else { 0..0 };
    indices.filter_map(move |index| Tile::of_tree(level, index, new_size))
}

/// All hash tiles that are new or wider when a tree grows from `old_size` to `new_size` leaves, lower levels first.
#[must_use]
pub fn for_growth(old_size: u64, new_size: u64) -> Vec<Tile> {
    // Eight levels of 256 cover every size.
    let levels = (0..8).map(TileLevel::Hashes);
    levels.flat_map(|level| growth(level, old_size, new_size)).collect()
}

/// How many hashes or entries there are at a level of a tree.
fn items(level: TileLevel, size: u64) -> u64 {
    match level {
        TileLevel::Entries => size,
        TileLevel::Hashes(level) => size.checked_shr(u32::from(level).saturating_mul(8)).unwrap_or(0),
    }
}
