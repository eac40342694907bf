//! The right edge of the log: what a growing tree needs of what it already has.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use testudo_ledger::entry::{Commitment, Entry};
use testudo_ledger::tile::{self, Tile, TileLevel, bundle};
use testudo_ledger::{Frontier, Hash, payload};

use crate::wal::Leaf;

/// Levels of tiles that a log of any size has.
const LEVELS: u8 = 8;

/// The incomplete tiles and bundle of a log, in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Edge {
    pub(super) frontier: Frontier,
    /// The hashes of the incomplete tile of each level.
    pub(super) tiles: Vec<Vec<Hash>>,
    /// The incomplete bundle, encoded.
    pub(super) bundle: Vec<u8>,
    /// How much of the payload file that goes with the bundle counts.
    pub(super) payload_bytes: u64,
}

/// What must be on the disk before the grown log may be signed.
#[derive(Debug)]
pub(super) struct Growth {
    pub(super) edge: Edge,
    pub(super) tiles: Vec<(Tile, Vec<u8>)>,
    pub(super) payloads: Vec<PayloadWrite>,
}

/// Records that are new in a payload file; never two for one file.
#[derive(Debug)]
pub(super) struct PayloadWrite {
    /// The file's number.
    pub(super) file: u64,
    /// Where the new records begin.
    pub(super) offset: u64,
    pub(super) content: Vec<u8>,
}

impl Edge {
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// What the entries of the incomplete bundle say of their payloads; of those that cannot be read nothing is known.
    pub(super) fn commitments(&self) -> BTreeMap<u64, Option<Commitment>> {
        let first = (self.size() / 256).saturating_mul(256);
        let width = u16::try_from(self.size() % 256).unwrap_or(0);
        let entries = bundle::decode(&self.bundle, width).unwrap_or_default();
        let told = (first..)
            .zip(entries)
            .filter_map(|(index, bytes)| match Entry::decode(bytes) {
                Ok(entry) => entry.payload.map(|payload| (index, Some(payload.commitment))),
                Err(_) => Some((index, None)),
            });
        told.collect()
    }

    /// What changes when these leaves are added; the edge itself stays until the caller has written everything.
    ///
    /// `None` when an entry is longer than a bundle can say, which the writer has ruled out.
    pub(super) fn grow(&self, leaves: &[Leaf]) -> Option<Growth> {
        let mut growth = Growth {
            edge: self.clone(),
            tiles: Vec::new(),
            payloads: Vec::new(),
        };
        growth.edge.tiles.resize_with(usize::from(LEVELS), Vec::new);
        for leaf in leaves {
            growth.push(leaf)?;
        }
        growth.finish(self.size());
        Some(growth)
    }
}

impl Growth {
    fn push(&mut self, leaf: &Leaf) -> Option<()> {
        let (file, place) = (self.edge.size() / 256, self.edge.size() % 256);
        bundle::append(&mut self.edge.bundle, &leaf.entry).ok()?;
        if let Some(record) = &leaf.payload {
            self.push_payload(file, record)?;
        }
        let (tiles, full) = (&mut self.edge.tiles, &mut self.tiles);
        self.edge
            .frontier
            .push_each(Hash::leaf(&leaf.entry), |level, index, hash| {
                // Only every eighth level is stored.
                if !level.is_multiple_of(8) {
                    return;
                }
                let level = level / 8;
                let Some(hashes) = tiles.get_mut(usize::from(level)) else {
                    return;
                };
                hashes.push(hash);
                if hashes.len() == usize::from(tile::WIDTH)
                    && let Some(tile) = Tile::new(TileLevel::Hashes(level), index / 256, tile::WIDTH)
                {
                    full.push((tile, bytes(hashes)));
                    hashes.clear();
                }
            });
        if place == 255 {
            let tile = Tile::new(TileLevel::Entries, file, tile::WIDTH)?;
            self.tiles.push((tile, std::mem::take(&mut self.edge.bundle)));
            self.edge.payload_bytes = 0;
        }
        Some(())
    }

    fn push_payload(&mut self, file: u64, record: &[u8]) -> Option<()> {
        if self.payloads.last().is_none_or(|last| last.file != file) {
            self.payloads.push(PayloadWrite {
                file,
                offset: self.edge.payload_bytes,
                content: Vec::new(),
            });
        }
        let content = &mut self.payloads.last_mut()?.content;
        let before = content.len();
        payload::append(content, record).ok()?;
        let added = content.len().saturating_sub(before) as u64;
        self.edge.payload_bytes = self.edge.payload_bytes.saturating_add(added);
        Some(())
    }

    /// Adds the incomplete tiles that are new or wider.
    fn finish(&mut self, old_size: u64) {
        for level in levels() {
            let last = tile::growth(level, old_size, self.edge.size()).last();
            let Some(tile) = last.filter(|tile| !tile.is_full()) else {
                continue;
            };
            let content = match level {
                TileLevel::Entries => self.edge.bundle.clone(),
                TileLevel::Hashes(level) => {
                    let hashes = self.edge.tiles.get(usize::from(level));
                    bytes(hashes.map(Vec::as_slice).unwrap_or_default())
                }
            };
            self.tiles.push((tile, content));
        }
    }
}

/// The incomplete tiles of a log of this size.
pub(super) fn partial_tiles(size: u64) -> impl Iterator<Item = Tile> {
    last_tiles(size).filter(|tile| !tile.is_full())
}

/// The last tile of each level that a log of this size has.
pub(super) fn last_tiles(size: u64) -> impl Iterator<Item = Tile> {
    levels().filter_map(move |level| {
        let items = match level {
            TileLevel::Entries => size,
            TileLevel::Hashes(level) => size >> u32::from(level).saturating_mul(8),
        };
        Tile::of_tree(level, items.checked_sub(1)? / 256, size)
    })
}

fn levels() -> impl Iterator<Item = TileLevel> {
    (0..LEVELS).map(TileLevel::Hashes).chain([TileLevel::Entries])
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|it| *it.as_bytes()).collect()
}
