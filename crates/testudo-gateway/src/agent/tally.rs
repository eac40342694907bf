//! How many calls an answer asked for, how many were held, and why, in words from code.

use std::collections::BTreeMap;

/// Counts of one exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CallTally {
    asked: u64,
    held: u64,
    /// Calls that a code of the user's let go.
    endorsed: u64,
    /// Answers that were kept and are given out.
    approved: u64,
    reasons: BTreeMap<&'static str, u64>,
}

impl CallTally {
    pub(crate) fn ask(&mut self) {
        self.asked = self.asked.saturating_add(1);
    }

    pub(crate) fn endorse(&mut self) {
        self.endorsed = self.endorsed.saturating_add(1);
    }

    pub(crate) fn approve(&mut self) {
        self.approved = self.approved.saturating_add(1);
    }

    pub(crate) fn hold(&mut self, reason: &'static str) {
        self.held = self.held.saturating_add(1);
        let count = self.reasons.entry(reason).or_default();
        *count = count.saturating_add(1);
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held > 0
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked
    }

    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    pub(crate) fn endorsed(&self) -> u64 {
        self.endorsed
    }

    pub(crate) fn approved(&self) -> u64 {
        self.approved
    }

    /// Why calls were held, and how many each.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.reasons.iter().map(|(reason, count)| (*reason, *count))
    }
}
