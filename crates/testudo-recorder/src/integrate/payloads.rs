//! Payload files: sealed records of 256 entries each, appended while open, rewritten only to forget.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use testudo_ledger::entry::Commitment;
use testudo_ledger::payload::{self, FileError, Place, Records};

use super::edge::PayloadWrite;
use super::{Tree, TreeError};
use crate::files::Files;

/// A record's mark and its index.
const HEAD_BYTES: usize = 4 + 8;
/// How much of a file is copied at once.
const PIECE_BYTES: usize = 1 << 20;

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
        // In the tail anything can stand, also what looks like a record of an entry without payload.
        let mut expected = self.edge.commitments();
        let mut bytes = 0;
        let mut last = None;
        let mut records = records(&*self.files, &path, self.size() / 256, self.size());
        loop {
            let place = match records.next_place() {
                Ok(Some(place)) => place,
                Ok(None) | Err(FileError::Damaged { .. }) => break,
                Err(FileError::Read(error)) => return Err(failed(error)),
            };
            let Some(commitment) = expected.remove(&place.index) else {
                break;
            };
            expected = expected.split_off(&place.index);
            bytes = place.end;
            last = commitment.map(|commitment| (place, commitment));
        }
        // A damaged length must not have its own or later payloads cut away.
        let ends_well = match last {
            Some((place, commitment)) => self.is_sound(&path, place, &commitment).map_err(failed)?,
            None => true,
        };
        drop(records);
        let expected = expected.into_keys().collect();
        if !ends_well || self.holds_one_of(&path, bytes, &expected).map_err(failed)? {
            return Err(TreeError::PayloadDamaged { path, offset: bytes });
        }
        if self.files.read_range(&path, 0, 0).map_err(failed)?.is_some() {
            self.files.truncate(&path, bytes).map_err(failed)?;
        }
        self.edge.payload_bytes = bytes;
        Ok(())
    }

    fn is_sound(&self, path: &Path, place: Place, commitment: &Commitment) -> io::Result<bool> {
        let bytes = self
            .files
            .read_range(path, place.record_start(), place.record_bytes())?
            .unwrap_or_default();
        let record = payload::Record::decode(&bytes);
        Ok(record.is_ok_and(|it| it.commitment() == *commitment))
    }

    /// Whether the heads of some of these entries' records stand behind `offset`: then cutting there would destroy
    /// payloads because of damage before them.
    fn holds_one_of(&self, path: &Path, mut offset: u64, indexes: &BTreeSet<u64>) -> io::Result<bool> {
        const MARK: &[u8] = b"TSP1";
        if indexes.is_empty() {
            return Ok(false);
        }
        loop {
            // Pieces overlap by a head, so that none is missed between two.
            let piece = self
                .files
                .read_range(path, offset, PIECE_BYTES.saturating_add(HEAD_BYTES))?;
            let piece = piece.unwrap_or_default();
            let heads = piece
                .windows(HEAD_BYTES)
                .filter_map(|it| it.strip_prefix(MARK)?.first_chunk());
            if heads.map(|it| u64::from_be_bytes(*it)).any(|it| indexes.contains(&it)) {
                return Ok(true);
            }
            if piece.len() <= PIECE_BYTES {
                return Ok(false);
            }
            offset = offset.saturating_add(PIECE_BYTES as u64);
        }
    }

    /// Removes the records of these entries from their files; entries without one are passed over.
    ///
    /// A crash leaves each file whole, with or without them; do it again then. A damaged file is not touched.
    pub(super) fn drop_payloads(&mut self, indexes: &BTreeSet<u64>) -> io::Result<()> {
        let mut by_file: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for index in indexes.iter().filter(|index| **index < self.size()) {
            by_file.entry(index / 256).or_default().insert(*index);
        }
        for (file, indexes) in by_file {
            let path = self.payload_file(file);
            let places = places(&*self.files, &path, file, self.size())?;
            if !places.iter().any(|it| indexes.contains(&it.index)) {
                continue;
            }
            let kept = places.iter().filter(|it| !indexes.contains(&it.index));
            let replaced = self.rewrite(&path, kept);
            if file == self.size() / 256 {
                // Even when that failed, the new file may be the one that is there.
                self.tidy_payloads().map_err(io::Error::other)?;
            }
            replaced?;
        }
        Ok(())
    }

    /// Replaces a file by these of its records, piece by piece: it may be greater than memory.
    fn rewrite<'a>(&self, path: &Path, kept: impl Iterator<Item = &'a Place>) -> io::Result<()> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|it| it.to_str())) else {
            return Ok(());
        };
        let temporary = folder.join(format!("{name}.tmp"));
        if let Err(error) = self.copy(path, &temporary, kept) {
            // What it holds must not outlast the file.
            if let Err(left) = self.files.remove(&temporary) {
                tracing::warn!(error = %left, "cannot remove the half of a payload file");
            }
            return Err(error);
        }
        self.files.rename(&temporary, path)?;
        self.files.sync_folder(folder)
    }

    fn copy<'a>(&self, from: &Path, to: &Path, kept: impl Iterator<Item = &'a Place>) -> io::Result<()> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for place in kept {
            match runs.last_mut() {
                Some(run) if run.end == place.start => run.end = place.end,
                _ => runs.push(place.start..place.end),
            }
        }
        self.files.write(to, &[])?;
        let mut copy = self.files.open_append(to)?;
        for run in runs {
            let mut at = run.start;
            while at < run.end {
                let wanted = usize::try_from(run.end.saturating_sub(at)).unwrap_or(usize::MAX);
                let piece = self.files.read_range(from, at, wanted.min(PIECE_BYTES))?;
                let piece = piece.filter(|it| !it.is_empty());
                let piece = piece.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
                copy.append(&piece)?;
                at = at.saturating_add(piece.len() as u64);
            }
        }
        copy.sync()
    }

    fn payload_file(&self, file: u64) -> PathBuf {
        self.folder.root().join(payload::path(file))
    }
}

/// The records of a payload file; none when there is no file.
pub(crate) fn records<'a>(
    files: &'a dyn Files,
    path: &'a Path,
    window: u64,
    size: u64,
) -> Records<impl FnMut(u64, usize) -> io::Result<Vec<u8>> + 'a> {
    Records::below(window, size, move |offset, len| {
        Ok(files.read_range(path, offset, len)?.unwrap_or_default())
    })
}

/// Where the records of a file lie. What is damaged at any place is not read at all: an answer that leaves out
/// what follows would have it taken for deleted, and destroyed.
pub(crate) fn places(files: &dyn Files, path: &Path, window: u64, size: u64) -> io::Result<Vec<Place>> {
    let mut records = records(files, path, window, size);
    let mut places = Vec::new();
    while let Some(place) = records.next_place().map_err(unreadable)? {
        places.push(place);
    }
    Ok(places)
}

/// As an error of reading the file.
pub(crate) fn unreadable(error: FileError<io::Error>) -> io::Error {
    match error {
        FileError::Read(error) => error,
        damaged @ FileError::Damaged { .. } => io::Error::new(io::ErrorKind::InvalidData, damaged),
    }
}
