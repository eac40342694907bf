//! What can be wrong with a log, where, and what to do about it.

use std::fmt;

use crate::Hash;
use crate::entry::DecodeError;

/// Something wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub place: Place,
}

/// Where a fault is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path below the log's folder, or the name under which an earlier checkpoint was given.
    pub file: String,
    /// The entry, or the first entry under the hash that is wrong.
    pub entry: Option<u64>,
    /// Counted from the start of the file.
    pub byte: Option<u64>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    #[error("cannot be read: {reason}")]
    Unreadable { reason: String },
    #[error("is not what it should be: {reason}")]
    Malformed { reason: String },
    #[error("is not there")]
    Missing,
    #[error("ends too early: {reason}")]
    Truncated { reason: String },
    #[error("is not of the log that the policy names: {reason}")]
    UnknownLog { reason: String },
    #[error("has a wrong signature: {reason}")]
    BadSignature { reason: String },
    #[error("is not cosigned by enough witnesses: {reason}")]
    Quorum { reason: String },
    #[error("is too old: {age_ms} ms, allowed are {age_ms_max} ms since {since}")]
    Stale {
        age_ms: u64,
        age_ms_max: u64,
        /// What the age was counted from.
        since: &'static str,
    },
    #[error("the log has forked: at size {size} it was signed with the root {known}, and is now {found}")]
    Fork { size: u64, known: Hash, found: Hash },
    #[error("the log was rolled back: it had {known} entries, and has {size}")]
    RolledBack { known: u64, size: u64 },
    #[error("does not hold the hashes of what lies under it")]
    TileDiffers,
    #[error("the tree's root is {found}, and the checkpoint says {claimed}")]
    RootDiffers { claimed: Hash, found: Hash },
    #[error("an entry was altered: its hash is not the one in the tree")]
    EntryAltered,
    #[error("an entry cannot be read: {0}")]
    EntryMalformed(DecodeError),
    #[error("an entry's time {at} lies before {before}, that of an earlier entry")]
    TimeDecreases { before: u64, at: u64 },
    #[error("a payload was altered: it is not the one that its entry commits to")]
    PayloadAltered,
    #[error("a payload belongs to no entry")]
    PayloadStray,
    #[error("a payload is gone, and no later entry says that it was erased or its time was over")]
    PayloadMissing,
    #[error("the proof does not lead from the entry to the checkpoint: {reason}")]
    ProofWrong { reason: String },
}

/// Faults that ask for the same reaction, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultClass {
    /// Somebody signed two histories.
    Fork,
    /// The log was put back to an earlier state.
    RolledBack,
    /// The checkpoint is not by whom it should be.
    Signature,
    /// Witnesses have not seen the checkpoint.
    Quorum,
    /// Tree, entries and checkpoint contradict each other.
    Inconsistent,
    /// A payload is not the one that was committed to.
    Payload,
    /// A file, or a part of one, is not there.
    Missing,
    /// Bytes are not in their format.
    Malformed,
    /// The checkpoint or its cosignatures are too old.
    Stale,
    /// The machine could not read.
    Unreadable,
}

impl FaultKind {
    /// Which reaction it asks for.
    #[must_use]
    pub fn class(&self) -> FaultClass {
        match self {
            Self::Fork { .. } => FaultClass::Fork,
            Self::RolledBack { .. } => FaultClass::RolledBack,
            Self::UnknownLog { .. } | Self::BadSignature { .. } => FaultClass::Signature,
            Self::Quorum { .. } => FaultClass::Quorum,
            Self::TileDiffers | Self::RootDiffers { .. } | Self::EntryAltered | Self::ProofWrong { .. } => {
                FaultClass::Inconsistent
            }
            Self::PayloadAltered | Self::PayloadStray | Self::PayloadMissing => FaultClass::Payload,
            Self::Missing | Self::Truncated { .. } => FaultClass::Missing,
            Self::Malformed { .. } | Self::EntryMalformed(_) | Self::TimeDecreases { .. } => FaultClass::Malformed,
            Self::Stale { .. } => FaultClass::Stale,
            Self::Unreadable { .. } => FaultClass::Unreadable,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check the disk and the permissions, then verify again",
            Self::Malformed { .. } | Self::Truncated { .. } | Self::Missing => {
                "restore the file from another copy of the log, then verify again"
            }
            Self::UnknownLog { .. } => "check that this is the right policy file for this log",
            Self::BadSignature { .. } => {
                "compare the checkpoint with an earlier copy; if the copy is sound, somebody changed this one"
            }
            Self::Quorum { .. } => "ask the witnesses again, and find out why they did not cosign",
            Self::Stale { .. } => "fetch a newer checkpoint; if there is none, find out why the log stands still",
            Self::Fork { .. } => {
                "keep both checkpoints: together they prove that the log's key signed two histories; trust neither"
            }
            Self::RolledBack { .. } => {
                "keep the earlier checkpoint: entries after the present end existed and were removed"
            }
            Self::TileDiffers => "rebuild the tile from the entries, and find out who changed it",
            Self::RootDiffers { .. } => {
                "entries and tiles are not those that were signed; compare them with another copy of the log"
            }
            Self::EntryAltered => "take the entry from another copy of the log; this one is not what was recorded",
            Self::EntryMalformed(_) => "verify with a newer version; if that fails too, a faulty writer recorded it",
            Self::TimeDecreases { .. } => "check the clock of the writing machine at that time",
            Self::PayloadAltered => "take the payload from another copy of the log; this one is not what was recorded",
            Self::PayloadStray => "remove the record, and find out who wrote it",
            Self::PayloadMissing => "restore the payload from another copy of the log",
            Self::ProofWrong { .. } => "ask for the proof again; if it fails again, the entry is not in the log",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(entry) = self.entry {
            write!(f, ", entry {entry}")?;
        }
        if let Some(byte) = self.byte {
            write!(f, ", byte {byte}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.kind, self.kind.remedy())
    }
}

/// Faults up to a bound.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) list: Vec<Fault>,
    max: usize,
}

impl Faults {
    pub(super) fn new(max: usize) -> Self {
        Self { list: Vec::new(), max }
    }

    /// Notes a fault, unless there are enough.
    pub(super) fn add(&mut self, kind: FaultKind, file: impl Into<String>, entry: Option<u64>, byte: Option<u64>) {
        if !self.is_full() {
            let file = file.into();
            let place = Place { file, entry, byte };
            self.list.push(Fault { kind, place });
        }
    }

    /// Whether looking further tells nothing more.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= self.max
    }
}
