//! Scans a text that arrives in pieces, with the hits of the whole text.

use crate::hit::Waiting;
use crate::matching::Stretch;
use crate::tracker::Tracker;
use crate::views::Growing;
use crate::{Budget, Hit, Progress, Selection};

/// One channel's text as it arrives.
///
/// A piece costs a step for each character and each partial match that is
/// still possible; patterns run only where a match has been completed.
#[derive(Debug)]
pub struct StreamScanner {
    growing: Growing,
    waiting: Waiting,
    exhausted: bool,
}

impl StreamScanner {
    pub(crate) fn new(selection: &Selection) -> Self {
        Self {
            growing: Growing::new(selection),
            waiting: Waiting::default(),
            exhausted: false,
        }
    }

    /// Takes the next piece of text.
    #[must_use]
    pub fn push(&mut self, piece: &str, budget: &mut Budget) -> Progress {
        self.advance(budget, |growing, budget, hits| growing.push(piece, budget, hits))
    }

    /// No more text comes: everything becomes final. Call it once.
    #[must_use]
    pub fn finish(&mut self, budget: &mut Budget) -> Progress {
        self.advance(budget, Growing::finish)
    }

    fn advance(
        &mut self,
        budget: &mut Budget,
        step: impl FnOnce(&mut Growing, &mut Budget, &mut Vec<Hit>) -> Option<usize>,
    ) -> Progress {
        if !self.exhausted {
            match step(&mut self.growing, budget, self.waiting.hits_mut()) {
                Some(live) => return self.waiting.release(live, self.growing.follows_views()),
                None => self.exhausted = true,
            }
        }
        Progress {
            hits: Vec::new(),
            safe: self.waiting.safe(),
            exhausted: true,
        }
    }
}

/// The rules' part of a stream, without the wait for overlapping hits.
#[derive(Debug, Clone)]
pub(crate) struct Scanning {
    selection: Selection,
    tracker: Tracker,
    /// Text that may still be needed, from offset `base` of the channel.
    text: String,
    base: usize,
    /// Matches that start before this are settled.
    live: usize,
    /// By rule, where its last hit ended, while that is ahead of `live`.
    resumes: Vec<(u32, usize)>,
}

/// Released text is cut off in lumps of at least this many bytes.
const TRIM_BYTES: usize = 1024;

impl Scanning {
    pub(crate) fn new(selection: &Selection) -> Self {
        Self {
            tracker: Tracker::new(selection.compiled(), selection.starts()),
            selection: selection.clone(),
            text: String::new(),
            base: 0,
            live: 0,
            resumes: Vec::new(),
        }
    }

    /// Appends the hits that became certain; returns the first offset where an
    /// unknown hit may start, or `None` when the budget ran out.
    pub(crate) fn push(&mut self, piece: &str, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<usize> {
        let compiled = self.selection.compiled();
        self.text.push_str(piece);
        if !self.tracker.read(compiled, self.selection.starts(), piece, budget) {
            return None;
        }
        let live = self.ceil(self.tracker.live(compiled)).max(self.live);
        self.settle(live, budget, hits)?;
        self.trim(live);
        Some(live)
    }

    /// The same for the end of the text.
    pub(crate) fn finish(&mut self, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<usize> {
        self.tracker.end(self.selection.compiled(), self.selection.starts());
        let live = self.base.saturating_add(self.text.len());
        self.settle(live, budget, hits)?;
        Some(live)
    }

    /// Matches that start before this are settled.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Whether a hit reaches beyond [`Self::live`] and keeps others of its rule away.
    pub(crate) fn has_resumes(&self) -> bool {
        !self.resumes.is_empty()
    }

    /// Bytes before a match that its checks may look at.
    pub(crate) fn keep_back(&self) -> usize {
        self.selection.starts().keep_back
    }

    /// The first character boundary at or after an offset of the channel.
    fn ceil(&self, offset: usize) -> usize {
        let inside = offset.saturating_sub(self.base).min(self.text.len());
        self.text.ceil_char_boundary(inside).saturating_add(self.base)
    }

    /// Runs the patterns of rules that may have matched before `live`.
    fn settle(&mut self, live: usize, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<()> {
        let mut accepted = std::mem::take(self.tracker.accepted_mut());
        accepted.retain_mut(|(rule, from)| {
            if *from >= live || budget.is_exhausted() {
                return true;
            }
            let beyond = self.run(*rule, *from, live, budget, hits);
            *from = beyond.unwrap_or(live).max(live);
            beyond.is_some()
        });
        *self.tracker.accepted_mut() = accepted;
        self.resumes.retain(|(_, end)| *end > live);
        self.live = live;
        (!budget.is_exhausted()).then_some(())
    }

    fn run(&mut self, rule: u32, from: usize, live: usize, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<usize> {
        let resume = self
            .resumes
            .iter()
            .find(|(known, _)| *known == rule)
            .map_or(0, |(_, end)| *end);
        let at = self.ceil(from.max(resume).max(self.live)).saturating_sub(self.base);
        let bound = live.saturating_sub(self.base);
        let matcher = self.selection.compiled().matcher(rule)?;
        let stretch = Stretch {
            text: &self.text,
            at,
            bound,
            base: self.base,
            exempt: self.selection.exempt(),
        };
        let rest = matcher.run(stretch, budget, hits);
        if rest.resume > resume {
            self.resumes.retain(|(known, _)| *known != rule);
            self.resumes.push((rule, rest.resume));
        }
        rest.beyond
    }

    fn trim(&mut self, live: usize) {
        let keep_back = self.selection.starts().keep_back;
        let unneeded = live.saturating_sub(keep_back).saturating_sub(self.base);
        if unneeded >= TRIM_BYTES {
            let unneeded = self.text.floor_char_boundary(unneeded);
            self.text.drain(..unneeded);
            self.base = self.base.saturating_add(unneeded);
        }
    }
}
