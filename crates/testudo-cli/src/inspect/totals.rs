//! What a run has seen so far.

use std::collections::BTreeMap;

use super::input::Skip;
use super::judge::Verdict;
use crate::output::size;

/// How many inputs got which verdict, and what else there was.
#[derive(Debug, Default)]
pub(super) struct Totals {
    verdicts: BTreeMap<Verdict, u64>,
    skipped: BTreeMap<Skip, u64>,
    /// Inputs that could not be read.
    pub(super) bad: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Totals {
    pub(super) fn count(&mut self, verdict: Verdict, bytes: u64) {
        let counter = self.verdicts.entry(verdict).or_default();
        *counter = counter.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(super) fn skip(&mut self, skip: Skip) {
        let counter = self.skipped.entry(skip).or_default();
        *counter = counter.saturating_add(1);
    }

    pub(super) fn of(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    pub(super) fn texts(&self) -> u64 {
        self.verdicts.values().copied().fold(0, u64::saturating_add)
    }

    /// The greatest verdict of all.
    pub(super) fn worst(&self) -> Verdict {
        self.verdicts.keys().copied().max().unwrap_or(Verdict::Allow)
    }

    /// `3 binary files, 1 symbolic link`; `None` when nothing was left out.
    pub(super) fn skipped_words(&self) -> Option<String> {
        let words: Vec<String> = self
            .skipped
            .iter()
            .map(|(skip, count)| {
                let (one, several) = skip.nouns();
                format!("{count} {}", if *count == 1 { one } else { several })
            })
            .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// For whoever waits.
    pub(super) fn progress(&self) -> String {
        let found = self.of(Verdict::Flag).saturating_add(self.of(Verdict::Block));
        format!(
            "{} texts of {} files, {}, {found} with findings",
            self.texts(),
            self.files,
            size(self.bytes)
        )
    }
}
