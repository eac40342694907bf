//! Which payloads are due, entry by entry in the order of the log, and the entries that say so.

use std::collections::{BTreeMap, BTreeSet};

use testudo_ledger::entry::{Entry, IndexRange, Ranges, Retention, SubjectPseudonym};
use testudo_types::UnixMillis;

use super::{RecordClass, Rules};

/// Looks at entries in ascending order.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    rules: &'a Rules,
    now: UnixMillis,
    held: &'a BTreeSet<SubjectPseudonym>,
    judged: Judged,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Payloads to delete, by class, ascending.
    delete: BTreeMap<RecordClass, Vec<u64>>,
    /// Where entries have, had or may have had a payload, ascending. Ranges reach over no other of these than
    /// the ones to delete: what is gone for another reason must not look as if its time were over.
    seen: Vec<u64>,
    /// Due, and kept because of a hold.
    pub(crate) held: u64,
}

/// What became of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Delete,
    /// Its time is over, and it is kept.
    Held,
    NotYet,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(rules: &'a Rules, now: UnixMillis, held: &'a BTreeSet<SubjectPseudonym>) -> Self {
        Self {
            rules,
            now,
            held,
            judged: Judged::default(),
        }
    }

    /// Whether nothing from this time on can be due.
    pub(crate) fn is_over(&self, at: u64) -> bool {
        let latest = RecordClass::ALL
            .into_iter()
            .filter_map(|class| self.rules.due_at(class, self.now))
            .max();
        latest.is_none_or(|latest| at > latest.0)
    }

    /// Notes that no range may reach over this entry; also one of a whole file's stands for all of them.
    pub(crate) fn stop(&mut self, index: u64) {
        self.judged.seen.push(index);
    }

    /// Judges one entry whose payload is still there.
    pub(crate) fn look(&mut self, index: u64, entry: &Entry) -> Due {
        let Some(payload) = &entry.payload else {
            return Due::NotYet;
        };
        self.judged.seen.push(index);
        let class = RecordClass::of(&entry.body);
        let due_at = self.rules.due_at(class, self.now);
        if due_at.is_none_or(|due_at| entry.at > due_at.0) {
            return Due::NotYet;
        }
        if self.held.contains(&payload.subject) {
            self.judged.held = self.judged.held.saturating_add(1);
            return Due::Held;
        }
        self.judged.delete.entry(class).or_default().push(index);
        Due::Delete
    }

    pub(crate) fn end(self) -> Judged {
        self.judged
    }
}

impl Judged {
    /// Everything to delete.
    pub(crate) fn indexes(&self) -> BTreeSet<u64> {
        self.delete.values().flatten().copied().collect()
    }

    /// What is to be appended before it is deleted.
    pub(crate) fn bodies(&self, rules: &Rules, now: UnixMillis) -> Vec<Retention> {
        let mut bodies = Vec::new();
        for (class, delete) in &self.delete {
            let reasons = rules
                .period(*class)
                .map(|period| period.reasons.as_slice())
                .unwrap_or_default();
            for (ranges, payloads) in pieces(delete, &self.seen) {
                bodies.push(Retention {
                    before_at: rules.due_at(*class, now).unwrap_or_default().0,
                    class: class.as_str().to_owned(),
                    payloads,
                    ranges,
                    regimes: reasons.iter().map(|&reason| reason.to_owned()).collect(),
                });
            }
        }
        bodies
    }
}

/// Ranges that hold all of `delete` and nothing else of `seen`, both ascending, with how many of
/// `delete` are in each piece; as many in one piece as fit into an entry.
fn pieces(delete: &[u64], seen: &[u64]) -> Vec<(Ranges, u64)> {
    let mut runs: Vec<(IndexRange, u64)> = Vec::new();
    let mut wanted = delete.iter().copied().peekable();
    let mut grows = false;
    for &index in seen {
        if wanted.peek() != Some(&index) {
            grows = false;
            continue;
        }
        wanted.next();
        match runs.last_mut() {
            Some((range, count)) if grows => {
                range.last = index;
                *count = count.saturating_add(1);
            }
            _ => runs.push((
                IndexRange {
                    first: index,
                    last: index,
                },
                1,
            )),
        }
        grows = true;
    }
    runs.chunks(Ranges::MAX)
        .filter_map(|chunk| {
            let ranges = Ranges::new(chunk.iter().map(|(range, _)| *range).collect()).ok()?;
            let count = chunk.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
            Some((ranges, count))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_hold_what_is_deleted_and_no_other_payload(kinds in prop::collection::vec(0_u8..3, 0..300)) {
            let indexes = |wanted: fn(u8) -> bool| -> Vec<u64> {
                (0..).zip(&kinds).filter(|(_, kind)| wanted(**kind)).map(|(index, _)| index).collect()
            };
            // 0: no payload, 1: kept, 2: deleted.
            let seen = indexes(|kind| kind > 0);
            let delete = indexes(|kind| kind == 2);
            let pieces = pieces(&delete, &seen);
            prop_assert_eq!(pieces.iter().map(|(_, count)| count).sum::<u64>(), delete.len() as u64);
            for (index, kind) in (0..).zip(&kinds) {
                let inside = pieces.iter().any(|(ranges, _)| ranges.contains(index));
                match kind {
                    1 => prop_assert!(!inside),
                    2 => prop_assert!(inside),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_long_list_is_cut_into_entries() {
        let seen: Vec<u64> = (0..8000).collect();
        let delete: Vec<u64> = (0..4000).map(|it| it * 2).collect();
        let pieces = pieces(&delete, &seen);
        assert_eq!(pieces.len(), 3);
        assert!(pieces.iter().all(|(ranges, _)| ranges.as_slice().len() <= Ranges::MAX));
    }
}
