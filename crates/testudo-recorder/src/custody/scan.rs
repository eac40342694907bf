//! Passes over the whole log: whose payloads are where, and which are due.

use std::collections::BTreeSet;

use testudo_ledger::entry::{Entry, SubjectPseudonym};
use testudo_types::UnixMillis;

use crate::reading::{LogFolder, ReadLogError};
use crate::retention::{Judge, Judged, Rules};

/// Every entry that has or had a payload of a subject. The files must be whole, so that the payloads can go.
pub(super) fn payloads_of(log: &LogFolder, subject: SubjectPseudonym) -> Result<BTreeSet<u64>, ReadLogError> {
    let named = subject.to_string();
    let mut found = BTreeSet::new();
    for number in bundles(log)? {
        let before = found.len();
        for (index, bytes) in numbered(number, log.bundle(number)?) {
            // Most entries do not name the subject; the search is many times faster than the reader.
            if !std::str::from_utf8(&bytes).is_ok_and(|text| text.contains(&named)) {
                continue;
            }
            let entry = Entry::decode(&bytes).ok();
            if entry
                .and_then(|entry| entry.payload)
                .is_some_and(|it| it.subject == subject)
            {
                found.insert(index);
            }
        }
        if found.len() > before {
            log.payload_places(number)?;
        }
    }
    Ok(found)
}

/// Which payloads are due. Entries of an unknown kind are never.
pub(super) fn judge(
    log: &LogFolder,
    rules: &Rules,
    now: UnixMillis,
    held: &BTreeSet<SubjectPseudonym>,
) -> Result<Judged, ReadLogError> {
    let mut judge = Judge::new(rules, now, held);
    for number in bundles(log)? {
        let present = present(log, number)?;
        if present.is_empty() {
            judge.stop(number.saturating_mul(256));
            continue;
        }
        for (index, bytes) in numbered(number, log.bundle(number)?) {
            // What it says of a payload is not known.
            let Ok(entry) = Entry::decode(&bytes) else {
                judge.stop(index);
                continue;
            };
            if judge.is_over(entry.at) {
                return Ok(judge.end());
            }
            if present.contains(&index) {
                judge.look(index, &entry);
            } else if entry.payload.is_some() {
                judge.stop(index);
            }
        }
    }
    Ok(judge.end())
}

/// The entries of a bundle whose payload record is there.
fn present(log: &LogFolder, number: u64) -> Result<BTreeSet<u64>, ReadLogError> {
    let places = log.payload_places(number)?;
    Ok(places.into_iter().map(|it| it.index).collect())
}

fn bundles(log: &LogFolder) -> Result<std::ops::Range<u64>, ReadLogError> {
    Ok(0..log.size()?.div_ceil(256))
}

fn numbered(number: u64, bundle: Vec<Vec<u8>>) -> impl Iterator<Item = (u64, Vec<u8>)> {
    (number.saturating_mul(256)..).zip(bundle)
}
