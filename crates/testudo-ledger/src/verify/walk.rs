//! Entries in order: hashed, compared with the tiles, read, and their payloads checked.

use super::fault::{FaultKind, Faults};
use super::files::{LogFiles, TileFile, read_tile};
use super::levels::{Levels, join, tell_difference};
use super::payloads::{Expected, Payloads};
use super::{Known, PayloadCheck, Report, WINDOW};
use crate::entry::Entry;
use crate::{Hash, Tile, TileLevel};

/// A walk over all entries of a log; holds one window of 256 of them at a time.
pub(super) struct Walk<'a, F> {
    pub(super) files: &'a F,
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) payload_check: PayloadCheck,
    pub(super) faults: &'a mut Faults,
    pub(super) report: &'a mut Report,
    levels: Levels,
    payloads: Payloads,
    /// The tile of level 1 that the windows at hand stand in.
    above: Option<(u64, Vec<Hash>)>,
    /// Whether some window's hash is not known, so that no root can be computed.
    unknown: bool,
    time: u64,
}

/// A window's files as they were read.
struct Read {
    number: u64,
    tile: Tile,
    bundle: Option<TileFile>,
    hashes: Option<TileFile>,
}

/// Whose hashes are the right ones, when the entries and their tile contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Entries,
    Tile,
    Unknown,
}

impl<'a, F: LogFiles> Walk<'a, F> {
    pub(super) fn new(
        files: &'a F,
        (size, root): (u64, Hash),
        payload_check: PayloadCheck,
        faults: &'a mut Faults,
        report: &'a mut Report,
    ) -> Self {
        Self {
            files,
            size,
            root,
            payload_check,
            faults,
            report,
            levels: Levels::default(),
            payloads: Payloads::default(),
            above: None,
            unknown: false,
            time: 0,
        }
    }

    /// Walks over everything. `known` are earlier states, ascending by size.
    pub(super) fn run(mut self, known: &[Known]) {
        let mut known = known.iter().peekable();
        let mut found: Vec<(&Known, Hash)> = Vec::new();
        while let Some(state) = known.next_if(|it| it.size == 0) {
            found.push((state, Hash::EMPTY));
        }
        let windows = self.size.div_ceil(WINDOW);
        let mut last = Hash::EMPTY;
        for number in 0..windows {
            // A made-up size must not keep the walk going over files that are not there.
            if self.faults.is_full() {
                return;
            }
            let leaves = self.window(number);
            let first = number.saturating_mul(WINDOW);
            while let Some(state) = known.next_if(|it| it.size.saturating_sub(first) <= WINDOW) {
                let count = usize::try_from(state.size.saturating_sub(first)).unwrap_or(usize::MAX);
                if let Some(leaves) = leaves.as_ref().and_then(|it| it.get(..count)) {
                    found.push((state, self.levels.root(leaves)));
                }
            }
            last = self.take(number, leaves.as_deref());
        }
        self.levels.finish(self.size, self.files, self.faults);
        self.finish(last, &found);
    }

    /// Adds a window to the tree; the root after it.
    fn take(&mut self, number: u64, leaves: Option<&[Hash]>) -> Hash {
        let full = number < self.size / WINDOW;
        match (leaves, full) {
            (Some(leaves), false) => self.levels.root(leaves),
            (Some(leaves), true) => {
                let window = join(leaves, None).unwrap_or(Hash::EMPTY);
                self.levels.push(window, self.size, self.files, self.faults);
                self.levels.root(&[])
            }
            (None, true) => {
                let above = self.hash_above(number);
                self.unknown |= above.is_none();
                let window = above.unwrap_or(Hash::EMPTY);
                self.levels.push(window, self.size, self.files, self.faults);
                self.levels.root(&[])
            }
            (None, false) => {
                self.unknown = true;
                Hash::EMPTY
            }
        }
    }

    fn finish(mut self, root: Hash, found: &[(&Known, Hash)]) {
        let sound = !self.unknown && root == self.root;
        if !self.unknown && root != self.root {
            let kind = FaultKind::RootDiffers {
                claimed: self.root,
                found: root,
            };
            self.faults.add(kind, super::CHECKPOINT, None, None);
        }
        for (state, found) in found {
            if *found == state.root {
                self.report.known = self.report.known.saturating_add(1);
            } else if sound {
                let kind = FaultKind::Fork {
                    size: state.size,
                    known: state.root,
                    found: *found,
                };
                self.faults.add(kind, &state.name, None, None);
            }
        }
        if self.payload_check != PayloadCheck::Skip {
            self.payloads.finish(self.size, self.files, self.faults);
        }
        self.report.payloads = self.payloads.counts;
        self.report.deleted = self.payloads.deleted;
    }

    /// Checks a window; the hashes of its entries, as far as they can be told.
    fn window(&mut self, number: u64) -> Option<Vec<Hash>> {
        let bundle = Tile::of_tree(TileLevel::Entries, number, self.size)?;
        let tile = Tile::of_tree(TileLevel::Hashes(0), number, self.size)?;
        let read = Read {
            number,
            tile,
            bundle: read_tile(self.files, &bundle, self.faults),
            hashes: read_tile(self.files, &tile, self.faults),
        };
        let width = tile.width();
        let entries = read.bundle.as_ref().and_then(|it| it.entries(width, self.faults));
        let stored = read.hashes.as_ref().and_then(|it| it.hashes(width, self.faults));
        let computed: Option<Vec<Hash>> = entries
            .as_ref()
            .map(|entries| entries.iter().map(|(_, bytes)| Hash::leaf(bytes)).collect());
        let right = match (&computed, &stored) {
            (Some(computed), Some(stored)) if computed != stored => self.settle(&read, computed, stored),
            (Some(_), _) => Right::Entries,
            _ => Right::Tile,
        };
        if let (Some(computed), Some(stored), Some(file)) = (&computed, &stored, &read.hashes)
            && right != Right::Tile
        {
            tell_difference(0, number, computed, stored, &file.path, self.faults);
        }
        let trusted = match (right, &stored) {
            (Right::Entries, _) | (_, None) => None,
            (Right::Tile | Right::Unknown, Some(stored)) => Some(stored.as_slice()),
        };
        if let (Some(entries), Some(computed)) = (&entries, &computed) {
            self.entries(&read, entries, computed, trusted);
        } else {
            // The payloads of entries that cannot be read are judged by their form only.
            self.payload_file(number, &vec![Expected::Unknown; usize::from(width)]);
        }
        match right {
            Right::Entries => computed.or(stored),
            Right::Tile | Right::Unknown => stored,
        }
    }

    /// Which of two sides is the one that the signed tree was built from.
    fn settle(&mut self, read: &Read, computed: &[Hash], stored: &[Hash]) -> Right {
        let (expected, [by_entries, by_tile]) = if read.tile.is_full() {
            let sides = [computed, stored].map(|it| join(it, None));
            (self.hash_above(read.number), sides)
        } else {
            // Nothing stands above an open window but the root.
            let sides = [computed, stored].map(|it| Some(self.levels.root(it)));
            (Some(self.root), sides)
        };
        if expected.is_none() {
            Right::Unknown
        } else if expected == by_entries {
            Right::Entries
        } else if expected == by_tile {
            Right::Tile
        } else {
            Right::Unknown
        }
    }

    /// The hash over a full window as the tile above says. Faults of that tile are noted when it is compared.
    fn hash_above(&mut self, number: u64) -> Option<Hash> {
        let (index, at) = (number / WINDOW, number % WINDOW);
        if self.above.as_ref().is_none_or(|(held, _)| *held != index) {
            let mut ignored = Faults::new(0);
            let tile = Tile::of_tree(TileLevel::Hashes(1), index, self.size)?;
            let file = read_tile(self.files, &tile, &mut ignored)?;
            self.above = Some((index, file.hashes(tile.width(), &mut ignored)?));
        }
        let (_, hashes) = self.above.as_ref()?;
        hashes.get(usize::try_from(at).ok()?).copied()
    }

    /// Reads the entries of a window. Where `trusted` has another hash, the entry was altered.
    fn entries(&mut self, read: &Read, entries: &[(usize, &[u8])], computed: &[Hash], trusted: Option<&[Hash]>) {
        let first = read.number.saturating_mul(WINDOW);
        let path = read.bundle.as_ref().map_or("", |it| it.path.as_str());
        let mut expected = Vec::with_capacity(entries.len());
        for (((place, bytes), hash), at) in entries.iter().zip(computed).zip(0_usize..) {
            let index = first.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
            let byte = u64::try_from(*place).ok();
            if trusted.is_some_and(|it| it.get(at) != Some(hash)) {
                self.faults.add(FaultKind::EntryAltered, path, Some(index), byte);
                expected.push(Expected::Unknown);
                continue;
            }
            match Entry::decode(bytes) {
                Ok(entry) => {
                    expected.push(Expected::of(entry.payload.as_ref()));
                    self.entry(&entry, path, index, byte);
                }
                Err(error) => {
                    let byte = u64::try_from(place.saturating_add(error.at)).ok();
                    self.faults
                        .add(FaultKind::EntryMalformed(error), path, Some(index), byte);
                    expected.push(Expected::Unknown);
                }
            }
        }
        self.payload_file(read.number, &expected);
    }

    fn entry(&mut self, entry: &Entry, path: &str, index: u64, byte: Option<u64>) {
        if entry.at < self.time {
            let kind = FaultKind::TimeDecreases {
                before: self.time,
                at: entry.at,
            };
            self.faults.add(kind, path, Some(index), byte);
        }
        self.time = self.time.max(entry.at);
        self.report.count(entry);
        self.payloads.note(index, entry);
    }

    fn payload_file(&mut self, number: u64, expected: &[Expected]) {
        if self.payload_check != PayloadCheck::Skip {
            let checked = self.payload_check;
            self.payloads.check(number, expected, checked, self.files, self.faults);
        }
    }
}
