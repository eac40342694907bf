//! Entries about payloads and keys: read, erased, held, deleted by age, rotated.

use super::canonical::{Reader, Value, read_list};
use super::error::{DecodeError, EncodeError};
use super::schema::{names, record};
use super::{NUMBER_MAX, PrincipalPseudonym, SubjectPseudonym};

record! {
    /// Somebody is about to read a payload.
    pub struct PayloadRead {
        /// The entry whose payload it is.
        pub index: u64,
        /// A code, for example `incident` or `subject_access`.
        pub purpose: String,
        /// A principal's pseudonym or the name of a role.
        pub reader: String,
    }
}

record! {
    /// The tombstone of a subject's payloads: their keys are destroyed, their records deleted.
    ///
    /// A subject with more ranges than fit has several tombstones with the same request.
    pub struct Erasure {
        pub approver: PrincipalPseudonym,
        /// A code, for example `gdpr_17_1_b`.
        pub basis: String,
        /// How many entries in the ranges had a payload of the subject; some may be gone before, by age.
        pub payloads: u64,
        /// Where they were. Other subjects' payloads inside a range are not covered.
        pub ranges: Ranges,
        /// The id under which it was asked for.
        pub request: String,
        pub subject: SubjectPseudonym,
    }
}

record! {
    /// Erasure of a subject is forbidden, or allowed again.
    pub struct LegalHold {
        pub action: LegalHoldAction,
        /// A code, for example the name of a case.
        pub reason: String,
        pub subject: SubjectPseudonym,
    }
}

names! {
    /// What happened to a legal hold.
    pub enum LegalHoldAction {
        Set = "set",
        Release = "release",
    }
}

record! {
    /// Payloads that were deleted because their time was over.
    pub struct Retention {
        /// It speaks of entries up to this time, in milliseconds since 1970.
        pub before_at: u64,
        /// The class of records it speaks of, for example `exchange`.
        pub class: String,
        /// How many payloads were deleted.
        pub payloads: u64,
        /// Where they were. Payloads of other classes or later times inside a range are not covered.
        pub ranges: Ranges,
        /// The rules that asked for it.
        pub regimes: Vec<String>,
    }
}

record! {
    /// A key was replaced by the next.
    pub struct Rotation {
        /// The id of the old key.
        pub from: String,
        /// The id of the new key.
        pub to: String,
        pub what: RotationOf,
    }
}

names! {
    /// Which key was replaced.
    pub enum RotationOf {
        EncryptionKey = "encryption_key",
        LogKey = "log_key",
        SubjectKey = "subject_key",
        TenantKey = "tenant_key",
    }
}

/// Entries from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRange {
    pub first: u64,
    pub last: u64,
}

/// Ranges of entries, ascending, apart from each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(Vec<IndexRange>);

/// Why ranges were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    #[error("the range {first} to {last} ends before it begins")]
    Backwards { first: u64, last: u64 },
    #[error("the range that starts at {first} does not lie after the one before it with a space between")]
    Order { first: u64 },
    #[error("the range that ends at {last} passes {NUMBER_MAX}")]
    TooGreat { last: u64 },
    #[error("there are {count} ranges; at most {max} fit into an entry", max = Ranges::MAX)]
    TooMany { count: usize },
}

impl Ranges {
    /// How many ranges fit into one entry.
    pub const MAX: usize = 1500;

    /// Checks and takes ranges.
    ///
    /// # Errors
    /// When they are too many, one is backwards, or they do not ascend with space between.
    pub fn new(ranges: Vec<IndexRange>) -> Result<Self, RangeError> {
        if ranges.len() > Self::MAX {
            return Err(RangeError::TooMany { count: ranges.len() });
        }
        let mut free_from = 0;
        for &IndexRange { first, last } in &ranges {
            if last < first {
                return Err(RangeError::Backwards { first, last });
            }
            if first < free_from {
                return Err(RangeError::Order { first });
            }
            if last > NUMBER_MAX {
                return Err(RangeError::TooGreat { last });
            }
            free_from = last.saturating_add(2);
        }
        Ok(Self(ranges))
    }

    /// Joins ascending indexes into ranges, cut into pieces that fit into one entry each.
    /// An index that does not ascend, or that no entry can have, is left out.
    #[must_use]
    pub fn join(indexes: impl IntoIterator<Item = u64>) -> Vec<Self> {
        let mut pieces: Vec<Self> = Vec::new();
        for index in indexes {
            let end = pieces.last().and_then(|piece| piece.0.last()).map(|range| range.last);
            if end.is_some_and(|end| index <= end) || index > NUMBER_MAX {
                continue;
            }
            let grown = pieces.last_mut().and_then(|piece| piece.0.last_mut());
            match grown {
                Some(range) if range.last.checked_add(1) == Some(index) => range.last = index,
                _ => {
                    let range = IndexRange {
                        first: index,
                        last: index,
                    };
                    match pieces.last_mut() {
                        Some(piece) if piece.0.len() < Self::MAX => piece.0.push(range),
                        _ => pieces.push(Self(vec![range])),
                    }
                }
            }
        }
        pieces
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[IndexRange] {
        &self.0
    }

    /// How many entries lie in the ranges.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, range| {
            sum.saturating_add(range.last.saturating_sub(range.first).saturating_add(1))
        })
    }

    /// Whether an entry lies in one of the ranges.
    #[must_use]
    pub fn contains(&self, index: u64) -> bool {
        let after = self.0.partition_point(|range| range.first <= index);
        after
            .checked_sub(1)
            .and_then(|at| self.0.get(at))
            .is_some_and(|range| index <= range.last)
    }
}

impl Value for Ranges {
    fn write(&self, out: &mut String) -> Result<(), EncodeError> {
        out.push('[');
        for (at, range) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            range.write(out)?;
        }
        out.push(']');
        Ok(())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        Self::new(read_list(reader, Self::MAX)?).map_err(|error| start.error(error.into()))
    }
}

/// Spelled `[first,last]`.
impl Value for IndexRange {
    fn write(&self, out: &mut String) -> Result<(), EncodeError> {
        out.push('[');
        self.first.write(out)?;
        out.push(',');
        self.last.write(out)?;
        out.push(']');
        Ok(())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.expect("[")?;
        let first = u64::read(reader)?;
        reader.expect(",")?;
        let last = u64::read(reader)?;
        reader.expect("]")?;
        Ok(Self { first, last })
    }
}
