//! Notices stretches of the system prompt in an answer.

use std::sync::Arc;

use testudo_types::Score;

use crate::hit::Waiting;
use crate::suffix_automaton::{Matched, SuffixAutomaton};
use crate::{Budget, Hit, Progress, RuleIndex};

/// The longest part of a system prompt that is remembered, in bytes.
pub const FINGERPRINT_BYTES_MAX: usize = 32 * 1024;
/// The usual length from which a common stretch counts as a leak, in bytes.
pub const LEAK_BYTES_MIN: usize = 48;
/// Overlapping leaks are reported at the latest after this many bytes.
const GROUP_BYTES_MAX: usize = 16 * 1024;

/// What is needed to recognise any stretch of one system prompt; ASCII letters compare without case.
pub struct Fingerprint {
    automaton: SuffixAutomaton,
    len_min: usize,
}

impl Fingerprint {
    /// Remembers `system_text`; a common stretch of `len_min` bytes or more is a leak.
    ///
    /// Of a longer text the first [`FINGERPRINT_BYTES_MAX`] bytes count: make
    /// several fingerprints to cover more. A `len_min` below 8 is taken as 8.
    #[must_use]
    pub fn of(system_text: &str, len_min: usize) -> Self {
        let end = system_text.floor_char_boundary(FINGERPRINT_BYTES_MAX.min(system_text.len()));
        let text = system_text.get(..end).unwrap_or_default();
        Self {
            automaton: SuffixAutomaton::new(text.as_bytes()),
            len_min: len_min.max(8),
        }
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fingerprint")
            .field("len_min", &self.len_min)
            .finish_non_exhaustive()
    }
}

/// Looks for a leaked system prompt in a text that arrives in pieces.
#[derive(Debug)]
pub struct LeakScanner {
    leaking: Leaking,
    waiting: Waiting,
    exhausted: bool,
}

impl LeakScanner {
    /// Looks for one prompt.
    #[must_use]
    pub fn new(fingerprint: &Arc<Fingerprint>) -> Self {
        Self {
            leaking: Leaking::new(fingerprint),
            waiting: Waiting::default(),
            exhausted: false,
        }
    }

    /// Takes the next piece of text.
    #[must_use]
    pub fn push(&mut self, piece: &str, budget: &mut Budget) -> Progress {
        let live = (!self.exhausted)
            .then(|| self.leaking.push(piece, budget, self.waiting.hits_mut()))
            .flatten();
        self.release(live)
    }

    /// No more text comes: everything becomes final. Call it once.
    #[must_use]
    pub fn finish(&mut self) -> Progress {
        let live = (!self.exhausted).then(|| self.leaking.finish(self.waiting.hits_mut()));
        self.release(live)
    }

    fn release(&mut self, live: Option<usize>) -> Progress {
        match live {
            Some(live) => self.waiting.release(live, false),
            None => {
                self.exhausted = true;
                Progress {
                    hits: Vec::new(),
                    safe: self.waiting.safe(),
                    exhausted: true,
                }
            }
        }
    }
}

/// The search without the wait for overlapping hits.
#[derive(Debug)]
pub(crate) struct Leaking {
    fingerprint: Arc<Fingerprint>,
    matched: Matched,
    /// The stretch that is long enough and may still grow.
    open: Option<(usize, usize)>,
    /// The latest group of overlapping leaks.
    group: (usize, usize),
    /// Text from offset `base` on, to find where characters begin.
    text: String,
    base: usize,
}

const TRIM_BYTES: usize = 1024;

impl Leaking {
    pub(crate) fn new(fingerprint: &Arc<Fingerprint>) -> Self {
        Self {
            fingerprint: Arc::clone(fingerprint),
            matched: Matched::default(),
            open: None,
            group: (0, 0),
            text: String::new(),
            base: 0,
        }
    }

    pub(crate) fn push(&mut self, piece: &str, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<usize> {
        if !budget.spend(piece.len()) {
            return None;
        }
        let mut end = self.base.saturating_add(self.text.len());
        self.text.push_str(piece);
        let mut live = end;
        for c in piece.chars() {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                self.matched = self.fingerprint.automaton.step(self.matched, byte);
            }
            end = end.saturating_add(c.len_utf8());
            live = self.read_to(end, hits);
        }
        let unneeded = live.saturating_sub(self.base);
        if unneeded >= TRIM_BYTES {
            self.text.drain(..unneeded);
            self.base = live;
        }
        Some(if piece.is_empty() { self.live_at(end) } else { live })
    }

    pub(crate) fn finish(&mut self, hits: &mut Vec<Hit>) -> usize {
        self.close(hits);
        self.base.saturating_add(self.text.len())
    }

    /// Judges the suffix that ends at `end`; returns the first offset that is not settled.
    fn read_to(&mut self, end: usize, hits: &mut Vec<Hit>) -> usize {
        let start = self.suffix_start(end);
        if end.saturating_sub(start) < self.fingerprint.len_min {
            self.close(hits);
            return start;
        }
        let open = self.open.map_or(start, |(start, _)| start);
        self.open = Some((open, end));
        if open >= self.group.1 {
            self.group.0 = open;
        }
        self.group.1 = end;
        if end.saturating_sub(self.group.0) >= GROUP_BYTES_MAX {
            self.close(hits);
            self.matched = Matched::default();
            return end;
        }
        open
    }

    fn live_at(&self, end: usize) -> usize {
        self.open.map_or_else(|| self.suffix_start(end), |(start, _)| start)
    }

    /// Where the longest suffix that occurs in the prompt starts, in whole characters.
    fn suffix_start(&self, end: usize) -> usize {
        let start = end.saturating_sub(self.matched.len as usize).saturating_sub(self.base);
        self.text
            .ceil_char_boundary(start.min(self.text.len()))
            .saturating_add(self.base)
    }

    fn close(&mut self, hits: &mut Vec<Hit>) {
        if let Some((start, end)) = self.open.take() {
            hits.push(Hit {
                start,
                rule: RuleIndex::SYSTEM_PROMPT,
                end,
                score: Score::MAX,
            });
        }
    }
}
