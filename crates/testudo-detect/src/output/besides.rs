//! The rules that apply because of what is declared: links are put before the judge, shown code is passed over.

use super::code::Code;
use super::links::LinkJudge;
use crate::stream::Scanning;
use crate::{Budget, Hit, Selection, scan};

/// Follows these rules in a text that arrives in pieces.
#[derive(Debug)]
pub(crate) struct Besides {
    selection: Selection,
    scanning: Scanning,
    judge: Option<LinkJudge>,
    /// Text of which hits may still come, from offset `base` of the channel.
    text: String,
    base: usize,
    code: Option<Code>,
    /// Hits of which it is open whether they are code.
    undecided: Vec<Hit>,
}

/// Released text is cut off in lumps of at least this many bytes.
const TRIM_BYTES: usize = 1024;

impl Besides {
    pub(crate) fn new(selection: &Selection, judge: Option<&LinkJudge>) -> Self {
        Self {
            scanning: Scanning::new(selection),
            judge: judge.cloned(),
            code: selection.heeds_code().then(Code::default),
            selection: selection.clone(),
            text: String::new(),
            base: 0,
            undecided: Vec::new(),
        }
    }

    /// Appends what a whole text holds; false when the budget ran out.
    pub(crate) fn whole(
        selection: &Selection,
        judge: Option<&LinkJudge>,
        text: &str,
        budget: &mut Budget,
        hits: &mut Vec<Hit>,
    ) -> bool {
        let found = scan::scan(selection, text, false, budget);
        let mut besides = Self::new(selection, judge);
        if let Some(code) = &mut besides.code {
            code.push(text);
            code.finish();
        }
        text.clone_into(&mut besides.text);
        besides.sort_out(found.hits, budget, hits);
        besides.decide(text.len(), hits);
        !found.exhausted && !budget.is_exhausted()
    }

    /// Appends the hits that became certain; returns the first offset where an
    /// unknown hit may start, or `None` when the budget ran out.
    pub(crate) fn push(&mut self, piece: &str, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<usize> {
        self.text.push_str(piece);
        if let Some(code) = &mut self.code {
            code.push(piece);
        }
        let mut found = Vec::new();
        let live = self.scanning.push(piece, budget, &mut found)?;
        self.sort_out(found, budget, hits);
        let unneeded = live.saturating_sub(self.base);
        if unneeded >= TRIM_BYTES {
            self.text.drain(..unneeded);
            self.base = live;
        }
        (!budget.is_exhausted()).then(|| self.decide(live, hits))
    }

    /// The same for the end of the text.
    pub(crate) fn finish(&mut self, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<usize> {
        if let Some(code) = &mut self.code {
            code.finish();
        }
        let mut found = Vec::new();
        let live = self.scanning.finish(budget, &mut found)?;
        self.sort_out(found, budget, hits);
        (!budget.is_exhausted()).then(|| self.decide(live, hits))
    }

    /// Asks the judge about links, and keeps apart what may be code.
    fn sort_out(&mut self, found: Vec<Hit>, budget: &mut Budget, hits: &mut Vec<Hit>) {
        for hit in found {
            if let Some(form) = self.selection.link(hit.rule) {
                let inside = hit.start.saturating_sub(self.base)..hit.end.saturating_sub(self.base);
                let judged = self.judge.as_ref().zip(self.text.get(inside));
                hits.extend(judged.and_then(|(judge, text)| judge.settle(hit, form, text, budget)));
            } else if self.code.is_some() && self.selection.is_outside_code(hit.rule) {
                self.undecided.push(hit);
            } else {
                hits.push(hit);
            }
        }
    }

    /// Gives on hits that are known to be no code; returns the first offset that is not settled.
    fn decide(&mut self, live: usize, hits: &mut Vec<Hit>) -> usize {
        let Some(code) = &mut self.code else {
            return live;
        };
        self.undecided.retain(|hit| match code.holds(hit.start) {
            Some(true) => false,
            Some(false) => {
                hits.push(*hit);
                false
            }
            None => true,
        });
        let settled = self
            .undecided
            .iter()
            .map(|hit| hit.start)
            .min()
            .unwrap_or(live)
            .min(live);
        code.forget_before(settled);
        settled
    }
}
