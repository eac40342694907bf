//! Files of payload records, read in parts; the one reader for all who look at them.

use super::{FIXED_BYTES, MAGIC, RECORD_BYTES_MAX, Record, RecordError, TAG_BYTES};
use crate::tile::WIDTH;

/// The length before a record.
const LENGTH_BYTES: usize = 4;
/// That length, what a record starts with, and its index.
const HEAD_BYTES: usize = LENGTH_BYTES + 4 + 8;
/// Some records further on may be seen without being read for.
const GLANCE_BYTES: usize = 4 << 10;
/// How much is read at once when all of it is wanted.
const PART_BYTES: usize = 1 << 20;

/// Where a record lies in its file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub index: u64,
    /// Where the length before the record begins.
    pub start: u64,
    /// Where the record ends.
    pub end: u64,
}

impl Place {
    /// Where the record itself begins.
    #[must_use]
    pub fn record_start(&self) -> u64 {
        self.start.saturating_add(widen(LENGTH_BYTES))
    }

    /// The record's length in bytes.
    #[must_use]
    pub fn record_bytes(&self) -> usize {
        let bytes = self.end.saturating_sub(self.record_start());
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

/// Why the records of a file could not be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError<E> {
    #[error("it cannot be read")]
    Read(#[source] E),
    #[error("it is damaged at byte {at}; run `testudo ledger verify`, then restore it from a backup")]
    Damaged {
        /// Where the record begins that is wrong.
        at: u64,
        #[source]
        error: RecordError,
    },
}

/// Reads the records of one file in order, holding no more than one of them.
///
/// `read` takes an offset and a count, and gives fewer bytes only at the file's end. Everything up to the end
/// must be records of the file's window, ascending. After an error the same error comes again.
#[derive(Debug)]
pub struct Records<R> {
    read: R,
    window: u64,
    size: u64,
    /// The next record begins here, and no lower index may come.
    at: u64,
    next: u64,
    /// Bytes of the file from `from` on.
    buffer: Vec<u8>,
    from: u64,
}

impl<E, R: FnMut(u64, usize) -> Result<Vec<u8>, E>> Records<R> {
    /// The records in the file of a window of 256 entries.
    pub fn new(window: u64, read: R) -> Self {
        Self::below(window, u64::MAX, read)
    }

    /// As [`Self::new`], up to the first record of an entry from `size` on: a writer may be in the middle of it.
    pub fn below(window: u64, size: u64, read: R) -> Self {
        Self {
            read,
            window,
            size,
            at: 0,
            next: first(window),
            buffer: Vec::new(),
            from: 0,
        }
    }

    /// Finds the next record without reading its inside; nothing at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or what follows is no whole record that may stand here.
    pub fn next_place(&mut self) -> Result<Option<Place>, FileError<E>> {
        let Some(place) = self.look(GLANCE_BYTES)? else {
            return Ok(None);
        };
        // With it the next head is read.
        if self.part(place.end.saturating_sub(1), 1, GLANCE_BYTES)?.is_empty() {
            return Err(self.damaged(RecordError::Ends));
        }
        self.pass(place);
        Ok(Some(place))
    }

    /// Reads the next record; nothing at the end.
    ///
    /// # Errors
    /// As [`Self::next_place`], and when the record's inside has no sense.
    pub fn next_record(&mut self) -> Result<Option<(Place, Record<'_>)>, FileError<E>> {
        let Some(place) = self.look(PART_BYTES)? else {
            return Ok(None);
        };
        let (start, len) = (place.record_start(), place.record_bytes());
        let bytes = self.part(start, len, PART_BYTES)?;
        let error = if bytes.len() < len {
            Some(RecordError::Ends)
        } else {
            Record::decode(bytes).err()
        };
        if let Some(error) = error {
            return Err(self.damaged(error));
        }
        self.pass(place);
        let record =
            Record::decode(self.buffered(start, len)).map_err(|error| FileError::Damaged { at: place.start, error })?;
        Ok(Some((place, record)))
    }

    /// Reads the head of the next record.
    fn look(&mut self, part_bytes: usize) -> Result<Option<Place>, FileError<E>> {
        let at = self.at;
        let head = self.part(at, HEAD_BYTES, part_bytes)?;
        if head.is_empty() {
            return Ok(None);
        }
        let (len, index) = match head_of(head) {
            Ok(head) => head,
            Err(error) => return Err(self.damaged(error)),
        };
        if let Err(error) = self.may_stand_here(index) {
            return Err(self.damaged(error));
        }
        if index >= self.size {
            return Ok(None);
        }
        if let Err(error) = check_len(len) {
            return Err(self.damaged(error));
        }
        let start = self.at;
        let end = start.saturating_add(widen(LENGTH_BYTES)).saturating_add(widen(len));
        Ok(Some(Place { index, start, end }))
    }

    fn may_stand_here(&self, index: u64) -> Result<(), RecordError> {
        let first = first(self.window);
        let last = first.saturating_add(u64::from(WIDTH).saturating_sub(1));
        if !(first..=last).contains(&index) {
            return Err(RecordError::Window { index, first, last });
        }
        if index < self.next {
            return Err(RecordError::Order { index });
        }
        Ok(())
    }

    fn pass(&mut self, place: Place) {
        self.at = place.end;
        self.next = place.index.saturating_add(1);
    }

    fn damaged(&self, error: RecordError) -> FileError<E> {
        FileError::Damaged { at: self.at, error }
    }

    /// Up to `len` bytes from `offset` on, fewer at the end of the file; reads `part_bytes` or more when it reads.
    fn part(&mut self, offset: u64, len: usize, part_bytes: usize) -> Result<&[u8], FileError<E>> {
        let gone = offset.checked_sub(self.from).and_then(|it| usize::try_from(it).ok());
        match gone.filter(|gone| *gone <= self.buffer.len()) {
            Some(gone) if self.buffer.len().saturating_sub(gone) < len => {
                self.buffer.drain(..gone);
                self.from = offset;
            }
            Some(_) => {}
            None => {
                self.buffer.clear();
                self.from = offset;
            }
        }
        let wanted = offset.saturating_sub(self.from).saturating_add(widen(len));
        while widen(self.buffer.len()) < wanted {
            let at = self.from.saturating_add(widen(self.buffer.len()));
            let missing = wanted.saturating_sub(widen(self.buffer.len()));
            let missing = usize::try_from(missing).unwrap_or(usize::MAX).max(part_bytes);
            let part = (self.read)(at, missing).map_err(FileError::Read)?;
            if part.is_empty() {
                break;
            }
            self.buffer.extend(part);
        }
        Ok(self.buffered(offset, len))
    }

    /// Those of the bytes that are in memory.
    fn buffered(&self, offset: u64, len: usize) -> &[u8] {
        let start = usize::try_from(offset.saturating_sub(self.from)).unwrap_or(usize::MAX);
        let rest = self.buffer.get(start..).unwrap_or_default();
        rest.get(..len).unwrap_or(rest)
    }
}

fn first(window: u64) -> u64 {
    window.saturating_mul(u64::from(WIDTH))
}

fn head_of(head: &[u8]) -> Result<(usize, u64), RecordError> {
    let (len, rest) = head.split_first_chunk().ok_or(RecordError::Ends)?;
    let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
    if len > RECORD_BYTES_MAX {
        return Err(RecordError::TooLong { bytes: len });
    }
    let (magic, rest) = rest.split_first_chunk::<4>().ok_or(RecordError::Ends)?;
    if magic != MAGIC {
        return Err(RecordError::Magic);
    }
    let index = rest.first_chunk().ok_or(RecordError::Ends)?;
    Ok((len, u64::from_be_bytes(*index)))
}

fn check_len(len: usize) -> Result<(), RecordError> {
    let least = FIXED_BYTES.saturating_add(TAG_BYTES);
    if len < least { Err(RecordError::Ends) } else { Ok(()) }
}

fn widen(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
