//! Whether a log is sound, judged from its files and a policy alone.
//!
//! Everything is read once, in order, and held in memory only for the 256 entries at hand: the
//! checkpoint's signatures, each entry's bytes and form, every tile at every level against what
//! the entries give, the root, and every payload against what its entry commits to. Where two
//! files contradict each other, the signed root or the tile above tells which of them was changed.

mod checkpoint;
mod fault;
mod files;
mod levels;
mod payloads;
mod proof;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

pub use self::fault::{Fault, FaultClass, FaultKind, Place};
pub use self::files::LogFiles;
pub use self::proof::{ProvenEntry, verify_proof};

use self::fault::Faults;
use self::walk::Walk;
use crate::entry::{Body, Entry};
use crate::{Hash, Policy};

/// Where a log's checkpoint lies below its folder.
pub const CHECKPOINT: &str = "checkpoint";

/// How many entries a bundle or a file of payloads has when it is full.
const WINDOW: u64 = 256;

/// What else to check, and how far to go on after faults.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Checkpoints of this log from earlier, kept by whoever checks.
    pub known: &'a [KnownCheckpoint<'a>],
    /// How new the checkpoint has to be; with none, any age will do.
    pub freshness: Option<Freshness>,
    pub payloads: PayloadCheck,
    /// After so many faults no more are looked for.
    pub faults_max: usize,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            known: &[],
            freshness: None,
            payloads: PayloadCheck::Check,
            faults_max: 100,
        }
    }
}

/// A checkpoint from earlier.
#[derive(Debug, Clone, Copy)]
pub struct KnownCheckpoint<'a> {
    /// What faults call it, for example the path of its file.
    pub name: &'a str,
    /// The signed note.
    pub note: &'a [u8],
}

/// How new a checkpoint has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The present, in milliseconds since 1970.
    pub now_ms: u64,
    pub age_ms_max: u64,
}

/// Whether there are payload files to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadCheck {
    Check,
    /// As `Check`, but the writer may be at work: payloads past the checkpoint are left alone, and what seems to be
    /// wrong with others must be so at a second look as well.
    Growing,
    /// For a copy of the log that was handed over without payloads.
    Skip,
}

/// What was found in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub origin: String,
    /// How many entries the checkpoint speaks of.
    pub size: u64,
    pub root: Hash,
    /// How many entries of each type were read.
    pub entries: BTreeMap<&'static str, u64>,
    /// The time of the first entry, in milliseconds since 1970.
    pub first_at: Option<u64>,
    /// The time of the last entry, in milliseconds since 1970.
    pub last_at: Option<u64>,
    /// Entries that could not be written, as the log itself says.
    pub lost: u64,
    pub payloads: PayloadCounts,
    /// Entries that say why payloads are gone.
    pub deleted: Vec<Deleted>,
    /// Witnesses of the policy that cosigned, with their times in seconds since 1970.
    pub cosigned: Vec<(String, u64)>,
    /// How many of the earlier checkpoints this log continues.
    pub known: u64,
}

/// How many payloads were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PayloadCounts {
    /// There, and what their entries commit to.
    pub present: u64,
    /// Gone, and a later entry says why.
    pub deleted: u64,
    /// Past the checkpoint, so that nothing can be said of them; only when the log may be growing.
    pub beyond: u64,
}

/// An entry that says why payloads are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// The entry's index.
    pub by: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// For example `erased (request 17)`.
    pub why: String,
    /// How many of the payloads that are gone it explains.
    pub payloads: u64,
}

/// A log that is not sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log is not sound: {} faults, the gravest: {}", .faults.len(), .gravest)]
pub struct Unsound {
    /// The fault that matters most.
    pub gravest: Fault,
    /// All of them up to the bound, in the order they were found; never empty.
    pub faults: Vec<Fault>,
    /// What could be read nevertheless; nothing when there is no readable checkpoint.
    pub report: Option<Box<Report>>,
}

/// Checks a log.
///
/// # Errors
/// When anything at all is wrong with it, with what and where.
pub fn verify_log<F: LogFiles>(files: &F, policy: &Policy, options: &Options<'_>) -> Result<Report, Box<Unsound>> {
    let first = look(files, policy, options);
    match first {
        Err(unsound) if options.payloads == PayloadCheck::Growing && unsound.faults.iter().any(is_of_payloads) => {
            look_again(&unsound, files, policy, options)
        }
        seen => seen,
    }
}

/// A payload may have been deleted after the checkpoint was read, whose tree has no entry about it. The entry
/// comes before the deletion, so the checkpoint that is there now covers it. A payload that is missed for the first
/// time is left for whoever verifies next, for it may have been deleted meanwhile.
fn look_again<F: LogFiles>(
    before: &Unsound,
    files: &F,
    policy: &Policy,
    options: &Options<'_>,
) -> Result<Report, Box<Unsound>> {
    let mut unsound = match look(files, policy, options) {
        Err(unsound) if before.faults.len() < options.faults_max.max(1) => unsound,
        seen => return seen,
    };
    let place = |it: &Fault| (it.place.file.clone(), it.place.entry);
    let known: BTreeSet<_> = before.faults.iter().map(place).collect();
    unsound
        .faults
        .retain(|it| !is_of_payloads(it) || known.contains(&place(it)));
    match (gravest(&unsound.faults), unsound.report.take()) {
        (None, Some(report)) => Ok(*report),
        (found, report) => {
            unsound.gravest = found.unwrap_or(unsound.gravest);
            unsound.report = report;
            Err(unsound)
        }
    }
}

/// Whether it can come from a payload's being deleted at this moment.
fn is_of_payloads(fault: &Fault) -> bool {
    fault.place.file.starts_with("payload/")
        && matches!(
            fault.kind,
            FaultKind::PayloadMissing | FaultKind::Malformed { .. } | FaultKind::Truncated { .. }
        )
}

fn gravest(faults: &[Fault]) -> Option<Fault> {
    faults.iter().min_by_key(|fault| fault.kind.class()).cloned()
}

fn look<F: LogFiles>(files: &F, policy: &Policy, options: &Options<'_>) -> Result<Report, Box<Unsound>> {
    let mut faults = Faults::new(options.faults_max.max(1));
    let report = checkpoint::read(files, policy, &mut faults).map(|head| {
        let mut report = Report::new(&head);
        let known = checkpoint::known(&head, policy, options.known, &mut faults, &mut report);
        let state = (report.size, report.root);
        Walk::new(files, state, options.payloads, &mut faults, &mut report).run(&known);
        if let Some(freshness) = options.freshness {
            checkpoint::check_age(&head, policy, report.last_at, freshness, &mut faults);
        }
        report
    });
    match (gravest(&faults.list), report) {
        (None, Some(report)) => Ok(report),
        (gravest, report) => {
            let gravest = gravest.unwrap_or_else(checkpoint::missing);
            Err(Box::new(Unsound {
                gravest,
                faults: faults.list,
                report: report.map(Box::new),
            }))
        }
    }
}

/// An earlier state of the log, believed.
#[derive(Debug)]
struct Known {
    name: String,
    size: u64,
    root: Hash,
}

impl Report {
    fn new(head: &checkpoint::Head<'_>) -> Self {
        let checkpoint = head.signed.checkpoint();
        let cosigned = head.cosigned.iter();
        Self {
            origin: checkpoint.origin().to_owned(),
            size: checkpoint.size(),
            root: *checkpoint.root(),
            entries: BTreeMap::new(),
            first_at: None,
            last_at: None,
            lost: 0,
            payloads: PayloadCounts::default(),
            deleted: Vec::new(),
            cosigned: cosigned
                .map(|it| (it.key.name().as_str().to_owned(), it.time_s.unwrap_or(0)))
                .collect(),
            known: 0,
        }
    }

    fn count(&mut self, entry: &Entry) {
        let count = self.entries.entry(entry.body.kind()).or_default();
        *count = count.saturating_add(1);
        self.first_at = self.first_at.or(Some(entry.at));
        self.last_at = Some(entry.at);
        if let Body::Gap(gap) = &entry.body {
            self.lost = self.lost.saturating_add(gap.count);
        }
    }
}
