//! Notices stretches of the system prompt in an answer.

mod dressed;

use std::sync::Arc;

use testudo_types::Score;

use self::dressed::{Dressed, Folded};
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
    folded: Option<Folded>,
}

impl Fingerprint {
    /// Remembers `system_text`; a common stretch of `len_min` bytes or more is a leak.
    ///
    /// Of a longer text the first [`FINGERPRINT_BYTES_MAX`] bytes count: make
    /// several fingerprints to cover more. A `len_min` below 8 is taken as 8.
    ///
    /// Besides, the letters and digits of the prompt are recognised whatever stands between them, and
    /// under base64, hex, ROT13 and backwards; of a short prompt only all of them together.
    #[must_use]
    pub fn of(system_text: &str, len_min: usize) -> Self {
        let end = system_text.floor_char_boundary(FINGERPRINT_BYTES_MAX.min(system_text.len()));
        let text = system_text.get(..end).unwrap_or_default();
        Self {
            automaton: SuffixAutomaton::new(text.as_bytes()),
            len_min: len_min.max(8),
            folded: Folded::of(text),
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
    /// The latest group of overlapping leaks, while it may still grow.
    group: Option<(usize, usize)>,
    /// Text from offset `base` on, to find where characters begin.
    text: String,
    base: usize,
    dressed: Dressed,
}

const TRIM_BYTES: usize = 1024;

impl Leaking {
    pub(crate) fn new(fingerprint: &Arc<Fingerprint>) -> Self {
        Self {
            fingerprint: Arc::clone(fingerprint),
            matched: Matched::default(),
            open: None,
            group: None,
            text: String::new(),
            base: 0,
            dressed: Dressed::default(),
        }
    }

    pub(crate) fn push(&mut self, piece: &str, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<usize> {
        let lanes = if self.fingerprint.folded.is_some() { 6 } else { 1 };
        if !budget.spend(piece.len().saturating_mul(lanes)) {
            return None;
        }
        let fingerprint = Arc::clone(&self.fingerprint);
        let mut end = self.base.saturating_add(self.text.len());
        self.text.push_str(piece);
        let mut live = self.live_at(end).min(self.dressed.live());
        for c in piece.chars() {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                self.matched = fingerprint.automaton.step(self.matched, byte);
            }
            end = end.saturating_add(c.len_utf8());
            live = self.read_to(end, hits);
            if let Some(folded) = &fingerprint.folded {
                self.dressed.read(folded, c, hits);
                live = live.min(self.dressed.live());
            }
            live = self.bound_group(end, live, hits);
        }
        let unneeded = live.saturating_sub(self.base);
        if unneeded >= TRIM_BYTES {
            self.text.drain(..unneeded);
            self.base = live;
        }
        Some(live)
    }

    pub(crate) fn finish(&mut self, hits: &mut Vec<Hit>) -> usize {
        self.close(hits);
        self.dressed.reset(hits);
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
        open
    }

    /// Breaks all readings off together once the leaks that overlap reach over too much text.
    fn bound_group(&mut self, end: usize, live: usize, hits: &mut Vec<Hit>) -> usize {
        if self.group.is_some_and(|(_, group_end)| live >= group_end) {
            self.group = None;
        }
        let open = self.open.map(|(start, _)| start);
        let Some(open) = open.into_iter().chain(self.dressed.open()).min() else {
            return live;
        };
        let start = self.group.map_or(open, |(start, _)| start.min(open));
        self.group = Some((start, end));
        if end.saturating_sub(start) < GROUP_BYTES_MAX {
            return live;
        }
        self.close(hits);
        self.dressed.reset(hits);
        self.matched = Matched::default();
        self.group = None;
        end
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
