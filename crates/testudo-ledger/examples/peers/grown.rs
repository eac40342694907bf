//! A tree of numbered records in memory, and numbers that look random and are the same each time.

use testudo_ledger::tile::bundle::{self, BundleError};
use testudo_ledger::{Frontier, Hash, HashSource, Tile, TileLevel};

/// All complete subtrees' hashes, by level and index.
pub(crate) struct Grown(Vec<Vec<Hash>>);

/// A hash that the tree does not have.
#[derive(Debug)]
pub(crate) struct Missing(u8, u64);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the tree has no hash {} at level {}", self.1, self.0)
    }
}

impl std::error::Error for Missing {}

impl Grown {
    pub(crate) fn new(size: u64) -> Self {
        let mut levels: Vec<Vec<Hash>> = vec![Vec::new(); 64];
        let mut frontier = Frontier::new();
        for index in 0..size {
            frontier.push_each(Hash::leaf(&record(index)), |level, _, hash| {
                if let Some(hashes) = levels.get_mut(usize::from(level)) {
                    hashes.push(hash);
                }
            });
        }
        Self(levels)
    }

    /// The bytes of a tile of hashes.
    pub(crate) fn tile(&self, tile: &Tile) -> Result<Vec<u8>, Missing> {
        let TileLevel::Hashes(level) = tile.level() else {
            return Err(Missing(0, tile.index()));
        };
        let mut bytes = Vec::new();
        for index in places(tile) {
            bytes.extend_from_slice(self.hash(level.saturating_mul(8), index)?.as_bytes());
        }
        Ok(bytes)
    }
}

impl HashSource for Grown {
    type Error = Missing;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Missing> {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let found = self.0.get(usize::from(level)).and_then(|it| it.get(at));
        found.copied().ok_or(Missing(level, index))
    }
}

/// The data of an entry, as both programs make it.
pub(crate) fn record(index: u64) -> Vec<u8> {
    let times = usize::try_from(index % 3).unwrap_or(0);
    format!("record {index}\n").repeat(times).into_bytes()
}

/// The bytes of a bundle of entries.
pub(crate) fn bundle(tile: &Tile) -> Result<Vec<u8>, BundleError> {
    bundle::encode(places(tile).map(record))
}

fn places(tile: &Tile) -> std::ops::Range<u64> {
    let first = tile.index().saturating_mul(256);
    first..first.saturating_add(tile.width().into())
}

/// 32 bytes from a counter.
pub(crate) fn random(counter: &mut u64) -> [u8; 32] {
    *counter = counter.wrapping_add(1);
    *Hash::leaf(&counter.to_be_bytes()).as_bytes()
}

/// A number below `end` from a counter; 0 when there is none.
pub(crate) fn below(counter: &mut u64, end: u64) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = random(counter);
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
        .checked_rem(end)
        .unwrap_or(0)
}

/// The bytes with one bit changed.
pub(crate) fn flip(counter: &mut u64, bytes: &[u8]) -> Vec<u8> {
    let len = u64::try_from(bytes.len()).unwrap_or(0);
    let at = usize::try_from(below(counter, len)).unwrap_or(0);
    let bit = 1_u8.rotate_left(u32::try_from(below(counter, 8)).unwrap_or(0));
    let mut out = bytes.to_vec();
    if let Some(byte) = out.get_mut(at) {
        *byte ^= bit;
    }
    out
}
