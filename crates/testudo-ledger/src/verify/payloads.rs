//! Payload files against what entries commit to, and gone payloads against what later entries say of them.

use super::fault::{FaultKind, Faults};
use super::files::{LogFiles, read_tile};
use super::{Deleted, PayloadCheck, PayloadCounts, WINDOW};
use crate::entry::{Body, Commitment, Entry, IndexRange, PayloadRef, RecordClass, SubjectPseudonym};
use crate::payload::{self, FileError, Record, RecordError, Records};
use crate::{Tile, TileLevel};

/// What the entry at a place says of its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// The entry could not be read.
    Unknown,
    Nothing,
    Payload(Commitment),
}

impl Expected {
    pub(super) fn of(payload: Option<&PayloadRef>) -> Self {
        payload.map_or(Self::Nothing, |it| Self::Payload(it.commitment))
    }
}

/// What is known about payloads so far.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    pub(super) counts: PayloadCounts,
    pub(super) deleted: Vec<Deleted>,
    covers: Vec<Cover>,
    /// Windows with payloads that are not there, and which.
    gone: Vec<(u64, Gone)>,
    /// The last entry that could not be read; what it may have said about payloads before it is not known.
    unread: Option<u64>,
}

/// What an entry says about payloads that are not there any more.
#[derive(Debug, Clone, Copy)]
struct Cover {
    range: IndexRange,
    of: Of,
    /// The entry that says so; it speaks of entries before it.
    by: u64,
    /// Its place in `deleted`.
    at: usize,
}

/// Which payloads in its ranges an entry speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Subject(SubjectPseudonym),
    /// Those of a class, up to a time. No entry has a class that is not known.
    Old {
        class: Option<RecordClass>,
        before_at: u64,
    },
}

/// A payload that is not there any more.
#[derive(Debug, Clone, Copy)]
struct Lost {
    index: u64,
    at: u64,
    class: RecordClass,
    subject: SubjectPseudonym,
}

impl Cover {
    fn explains(&self, lost: &Lost) -> bool {
        let speaks = match self.of {
            Of::Subject(subject) => subject == lost.subject,
            Of::Old { class, before_at } => class == Some(lost.class) && lost.at <= before_at,
        };
        speaks && self.by > lost.index
    }
}

/// A bit for each entry of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Gone([u64; 4]);

impl Payloads {
    /// Notes what an entry says about others' payloads.
    pub(super) fn note(&mut self, index: u64, entry: &Entry) {
        let (ranges, of, why) = match &entry.body {
            Body::Erasure(it) => {
                let why = format!("erased (request {})", it.request);
                (&it.ranges, Of::Subject(it.subject), why)
            }
            Body::Retention(it) => {
                let of = Of::Old {
                    class: RecordClass::from_name(&it.class),
                    before_at: it.before_at,
                };
                (&it.ranges, of, format!("time over ({})", it.regimes.join(", ")))
            }
            _ => return,
        };
        let at = self.deleted.len();
        self.deleted.push(Deleted {
            by: index,
            at: entry.at,
            why,
            payloads: 0,
        });
        self.covers.extend(ranges.as_slice().iter().map(|range| Cover {
            range: *range,
            of,
            by: index,
            at,
        }));
    }

    /// Checks the payload file of a window against what its entries, so far, expect of it.
    pub(super) fn check<F: LogFiles>(
        &mut self,
        number: u64,
        expected: &[Expected],
        payload_check: PayloadCheck,
        files: &F,
        faults: &mut Faults,
    ) {
        let first = number.saturating_mul(WINDOW);
        let unread = (first..).zip(expected).filter(|(_, it)| **it == Expected::Unknown);
        self.unread = unread.map(|(index, _)| index).last().or(self.unread);
        let open = expected.len() < usize::try_from(WINDOW).unwrap_or(usize::MAX);
        let mut window = Opened {
            number,
            expected,
            growing: open && payload_check == PayloadCheck::Growing,
            gone: Gone::of(expected),
            counts: &mut self.counts,
            faults,
        };
        let sound = window.read(files);
        let gone = window.gone;
        // What a damaged file holds is not known; that it is damaged was noted.
        if sound && gone != Gone::default() {
            self.gone.push((number, gone));
        }
    }

    /// Judges what was gone, now that all entries were seen.
    pub(super) fn finish<F: LogFiles>(&mut self, size: u64, files: &F, faults: &mut Faults) {
        self.covers.sort_by_key(|cover| cover.range.first);
        let mut covers = std::mem::take(&mut self.covers).into_iter().peekable();
        let mut open: Vec<Cover> = Vec::new();
        for (number, gone) in std::mem::take(&mut self.gone) {
            if faults.is_full() {
                return;
            }
            for lost in lost(number, gone, size, files, faults) {
                let index = lost.index;
                while let Some(cover) = covers.next_if(|it| it.range.first <= index) {
                    open.push(cover);
                }
                open.retain(|it| index <= it.range.last);
                let cover = open.iter().find(|it| it.explains(&lost));
                if let Some(deleted) = cover.and_then(|it| self.deleted.get_mut(it.at)) {
                    deleted.payloads = deleted.payloads.saturating_add(1);
                    self.counts.deleted = self.counts.deleted.saturating_add(1);
                } else if self.unread.is_none_or(|unread| unread < index) {
                    faults.add(FaultKind::PayloadMissing, payload::path(number), Some(index), None);
                }
            }
        }
    }
}

/// The payloads of a window that are gone.
fn lost<F: LogFiles>(number: u64, gone: Gone, size: u64, files: &F, faults: &mut Faults) -> Vec<Lost> {
    let tile = Tile::of_tree(TileLevel::Entries, number, size);
    let Some((tile, file)) = tile.and_then(|tile| Some((tile, read_tile(files, &tile, faults)?))) else {
        return Vec::new();
    };
    let entries = file.entries(tile.width(), faults).unwrap_or_default();
    let first = number.saturating_mul(WINDOW);
    let indexed = (first..).zip(entries).zip(0_u16..);
    indexed
        .filter(|(_, at)| gone.contains(*at))
        .filter_map(|((index, (_, bytes)), _)| {
            let entry = Entry::decode(bytes).ok()?;
            Some(Lost {
                index,
                at: entry.at,
                class: RecordClass::of(&entry.body),
                subject: entry.payload?.subject,
            })
        })
        .collect()
}

impl Gone {
    fn of(expected: &[Expected]) -> Self {
        let mut all = Self::default();
        for (at, expected) in (0_u16..).zip(expected) {
            if matches!(expected, Expected::Payload(_)) {
                all.flip(at);
            }
        }
        all
    }

    fn contains(self, at: u16) -> bool {
        let word = self.0.get(usize::from(at / 64)).copied().unwrap_or(0);
        word >> (at % 64) & 1 == 1
    }

    fn flip(&mut self, at: u16) {
        if let Some(word) = self.0.get_mut(usize::from(at / 64)) {
            *word ^= 1 << (at % 64);
        }
    }
}

/// A window whose payload file is being read.
struct Opened<'a> {
    number: u64,
    expected: &'a [Expected],
    /// Whether there may be more in the file than entries so far.
    growing: bool,
    gone: Gone,
    counts: &'a mut PayloadCounts,
    faults: &'a mut Faults,
}

impl Opened<'_> {
    /// Reads the file; false when what it holds could not be told.
    fn read<F: LogFiles>(&mut self, files: &F) -> bool {
        let path = payload::path(self.number);
        let mut records = Records::new(self.number, |offset, len| {
            files.read_part(&path, offset, len).map(Option::unwrap_or_default)
        });
        loop {
            match records.next_record() {
                Ok(Some((place, record))) => self.record(&record, place.start),
                Ok(None) => return true,
                Err(FileError::Read(error)) => {
                    let reason = error.to_string();
                    self.faults.add(FaultKind::Unreadable { reason }, path, None, None);
                    return false;
                }
                // The writer may be in the middle of a record.
                Err(FileError::Damaged {
                    error: RecordError::Ends,
                    ..
                }) if self.growing => return true,
                Err(FileError::Damaged { at, error }) => return self.damaged(&error, at),
            }
        }
    }

    fn record(&mut self, record: &Record<'_>, place: u64) {
        let at = u16::try_from(record.index % WINDOW).unwrap_or(0);
        let kind = match self.expected.get(usize::from(at)) {
            Some(Expected::Unknown) => return,
            Some(Expected::Payload(commitment)) => {
                self.gone.flip(at);
                if record.commitment() == *commitment {
                    self.counts.present = self.counts.present.saturating_add(1);
                    return;
                }
                FaultKind::PayloadAltered
            }
            None if self.growing => {
                self.counts.beyond = self.counts.beyond.saturating_add(1);
                return;
            }
            Some(Expected::Nothing) | None => FaultKind::PayloadStray,
        };
        let file = payload::path(self.number);
        self.faults.add(kind, file, Some(record.index), Some(place));
    }

    fn damaged(&mut self, error: &RecordError, place: u64) -> bool {
        let reason = error.to_string();
        let kind = match error {
            RecordError::Ends => FaultKind::Truncated { reason },
            _ => FaultKind::Malformed { reason },
        };
        self.faults.add(kind, payload::path(self.number), None, Some(place));
        false
    }
}
