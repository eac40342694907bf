//! What the machine has to say about one pickle, said once each.

use std::collections::BTreeMap;

use crate::verdict::Verdict;

/// Different things that are kept of one pickle.
const NOTES_MAX: usize = 500;

#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) rule: &'static str,
    pub(super) verdict: Verdict,
    pub(super) reason: String,
    pub(super) at: u64,
    pub(super) count: u64,
}

#[derive(Debug, Default)]
pub(super) struct Notes {
    kept: Vec<Note>,
    by_reason: BTreeMap<(&'static str, String), usize>,
    left_out: u64,
    worst: Option<Verdict>,
}

impl Notes {
    pub(super) fn add(&mut self, rule: &'static str, verdict: Verdict, reason: String, at: u64) {
        self.worst = self.worst.max(Some(verdict));
        let key = (rule, reason);
        if let Some(note) = self.by_reason.get(&key).and_then(|index| self.kept.get_mut(*index)) {
            note.count = note.count.saturating_add(1);
            return;
        }
        if self.kept.len() >= NOTES_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.by_reason.insert(key.clone(), self.kept.len());
        self.kept.push(Note {
            rule,
            verdict,
            reason: key.1,
            at,
            count: 1,
        });
    }

    pub(super) fn worst(&self) -> Option<Verdict> {
        self.worst
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn all(&self) -> &[Note] {
        &self.kept
    }
}
