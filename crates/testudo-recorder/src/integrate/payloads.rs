//! Payload files: sealed records of 256 entries each, appended while open, rewritten only to forget.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use testudo_ledger::entry::Commitment;
use testudo_ledger::payload;

use super::edge::PayloadWrite;
use super::{Tree, TreeError};
use crate::files::{self, Files};

/// The length before a record.
pub(crate) const LENGTH_BYTES: u64 = 4;
/// That length, the record's mark and its index.
const HEAD_BYTES: usize = 4 + 4 + 8;

impl Tree {
    pub(super) fn write_payloads(
        &mut self,
        payloads: &[PayloadWrite],
        touched: &mut BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        for PayloadWrite { file, offset, content } in payloads {
            let path = self.payload_file(*file);
            self.enter_folder(&path, touched)?;
            if *offset == 0 {
                // New, or what an attempt before this one left.
                self.files.write(&path, content)?;
                continue;
            }
            if self.payload_untidy {
                self.files.truncate(&path, *offset)?;
            }
            self.payload_untidy = true;
            let mut open = self.files.open_append(&path)?;
            open.append(content)?;
            open.sync()?;
        }
        Ok(())
    }

    /// Cuts the open payload file to the records of entries that are in the tree; the rest is what a crash left.
    pub(super) fn tidy_payloads(&mut self) -> Result<(), TreeError> {
        let path = self.payload_file(self.size() / 256);
        let failed = |source| TreeError::Payloads {
            path: path.clone(),
            source,
        };
        let Some(records) = records(&*self.files, &path).map_err(failed)? else {
            self.edge.payload_bytes = 0;
            return Ok(());
        };
        // In the tail anything can stand, also what looks like a record of an entry without payload.
        let mut expected = self.edge.commitments();
        let mut bytes = 0;
        let mut last = None;
        for record in records {
            let Some(commitment) = expected.remove(&record.index) else {
                break;
            };
            expected = expected.split_off(&record.index);
            bytes = record.end;
            last = commitment.map(|commitment| (record, commitment));
        }
        // A damaged length must not have its own or later payloads cut away.
        let ends_well = match last {
            Some((record, commitment)) => self.is_sound(&path, record, &commitment).map_err(failed)?,
            None => true,
        };
        let expected = expected.into_keys().collect();
        if !ends_well || self.holds_one_of(&path, bytes, &expected).map_err(failed)? {
            return Err(TreeError::PayloadDamaged { path, offset: bytes });
        }
        self.files.truncate(&path, bytes).map_err(failed)?;
        self.edge.payload_bytes = bytes;
        Ok(())
    }

    fn is_sound(&self, path: &Path, place: Place, commitment: &Commitment) -> io::Result<bool> {
        let start = place.start.saturating_add(LENGTH_BYTES);
        let len = usize::try_from(place.end.saturating_sub(start)).unwrap_or(usize::MAX);
        let bytes = self.files.read_range(path, start, len)?.unwrap_or_default();
        let record = payload::Record::decode(&bytes);
        Ok(record.is_ok_and(|it| it.commitment() == *commitment))
    }

    /// Whether the heads of some of these entries' records stand behind `offset`: then cutting there would destroy
    /// payloads because of damage before them.
    fn holds_one_of(&self, path: &Path, mut offset: u64, indexes: &BTreeSet<u64>) -> io::Result<bool> {
        const MARK: &[u8] = b"TSP1";
        const STEP_BYTES: usize = 1 << 20;
        if indexes.is_empty() {
            return Ok(false);
        }
        loop {
            // Pieces overlap by a head, so that none is missed between two.
            let piece = self
                .files
                .read_range(path, offset, STEP_BYTES.saturating_add(HEAD_BYTES))?;
            let piece = piece.unwrap_or_default();
            let heads = piece.windows(12).filter_map(|it| it.strip_prefix(MARK)?.first_chunk());
            if heads.map(|it| u64::from_be_bytes(*it)).any(|it| indexes.contains(&it)) {
                return Ok(true);
            }
            if piece.len() <= STEP_BYTES {
                return Ok(false);
            }
            offset = offset.saturating_add(STEP_BYTES as u64);
        }
    }

    /// Removes the records of these entries from their files; entries without one are passed over.
    ///
    /// A crash leaves each file whole, with or without them; do it again then.
    pub(super) fn drop_payloads(&mut self, indexes: &BTreeSet<u64>) -> io::Result<()> {
        let mut by_file: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for index in indexes.iter().filter(|index| **index < self.size()) {
            by_file.entry(index / 256).or_default().insert(*index);
        }
        for (file, indexes) in by_file {
            let path = self.payload_file(file);
            let Some(records) = records(&*self.files, &path)? else {
                continue;
            };
            if !records.iter().any(|it| indexes.contains(&it.index)) {
                continue;
            }
            let mut kept = Vec::new();
            for record in records.iter().filter(|it| !indexes.contains(&it.index)) {
                let len = usize::try_from(record.end.saturating_sub(record.start)).unwrap_or(usize::MAX);
                kept.extend(self.files.read_range(&path, record.start, len)?.unwrap_or_default());
            }
            let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|it| it.to_str())) else {
                continue;
            };
            let replaced = files::replace(&*self.files, folder, name, &kept);
            if file == self.size() / 256 {
                // Even when that failed, the new file may be the one that is there.
                self.tidy_payloads().map_err(io::Error::other)?;
            }
            replaced?;
        }
        Ok(())
    }

    fn payload_file(&self, file: u64) -> PathBuf {
        self.folder.root().join(payload::path(file))
    }
}

/// Where a record lies in its file, the length before it included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// The whole records at the start of a payload file, in order; nothing when there is no file.
pub(crate) fn records(files: &dyn Files, path: &Path) -> io::Result<Option<Vec<Place>>> {
    let mut places = Vec::new();
    let mut start = 0_u64;
    loop {
        let Some(head) = files.read_range(path, start, HEAD_BYTES)? else {
            return Ok(None);
        };
        let Some((len, index)) = head_of(&head) else { break };
        let end = start.saturating_add(LENGTH_BYTES).saturating_add(len);
        // The last byte must be there too.
        let last = files.read_range(path, end.saturating_sub(1), 1)?;
        if last.is_none_or(|it| it.is_empty()) {
            break;
        }
        places.push(Place { index, start, end });
        start = end;
    }
    Ok(Some(places))
}

fn head_of(head: &[u8]) -> Option<(u64, u64)> {
    let (len, rest) = head.split_first_chunk()?;
    let rest = rest.strip_prefix(b"TSP1")?;
    let index = u64::from_be_bytes(*rest.first_chunk()?);
    let len = u64::from(u32::from_be_bytes(*len));
    (len >= 12).then_some((len, index))
}
