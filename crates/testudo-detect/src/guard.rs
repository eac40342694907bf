//! Everything that guards one channel of text: rules, prompt leak and canaries together.

use std::sync::Arc;

use crate::canary::CanaryScanner;
use crate::hit::Waiting;
use crate::leak::Leaking;
use crate::output::{Besides, LinkJudge};
use crate::rescan::without_contained;
use crate::views::{Growing, Views};
use crate::{Budget, Canaries, Fingerprint, Progress, Scan, Selection, structure};

/// Scans one channel's text as it arrives, with the hits of [`scan_all`]; what HTML hides is no part of a stream.
#[derive(Debug)]
pub struct GuardScanner {
    rules: Growing,
    besides: Option<Besides>,
    leak: Option<Leaking>,
    canaries: CanaryScanner,
    waiting: Waiting,
    exhausted: bool,
}

impl GuardScanner {
    /// Starts a channel.
    #[must_use]
    pub fn new(selection: &Selection, fingerprint: Option<&Arc<Fingerprint>>, canaries: &Canaries) -> Self {
        Self::with_links(selection, fingerprint, canaries, None)
    }

    /// The same, with the links that `judge` objects to.
    #[must_use]
    pub fn with_links(
        selection: &Selection,
        fingerprint: Option<&Arc<Fingerprint>>,
        canaries: &Canaries,
        judge: Option<&LinkJudge>,
    ) -> Self {
        Self {
            rules: Growing::new(selection),
            besides: selection.besides().map(|besides| Besides::new(besides, judge)),
            leak: fingerprint.map(Leaking::new),
            canaries: CanaryScanner::new(canaries),
            waiting: Waiting::default(),
            exhausted: false,
        }
    }

    /// Takes the next piece of text.
    #[must_use]
    pub fn push(&mut self, piece: &str, budget: &mut Budget) -> Progress {
        let live = if self.exhausted { None } else { self.read(piece, budget) };
        self.release(live)
    }

    /// No more text comes: everything becomes final. Call it once.
    #[must_use]
    pub fn finish(&mut self, budget: &mut Budget) -> Progress {
        let live = if self.exhausted { None } else { self.end(budget) };
        self.release(live)
    }

    fn read(&mut self, piece: &str, budget: &mut Budget) -> Option<usize> {
        let hits = self.waiting.hits_mut();
        let mut live = self.rules.push(piece, budget, hits)?;
        if let Some(besides) = &mut self.besides {
            live = live.min(besides.push(piece, budget, hits)?);
        }
        if let Some(leak) = &mut self.leak {
            live = live.min(leak.push(piece, budget, hits)?);
        }
        Some(live.min(self.canaries.push(piece, budget, hits)?))
    }

    fn end(&mut self, budget: &mut Budget) -> Option<usize> {
        let hits = self.waiting.hits_mut();
        let end = self.rules.finish(budget, hits)?;
        if let Some(besides) = &mut self.besides {
            besides.finish(budget, hits)?;
        }
        if let Some(leak) = &mut self.leak {
            leak.finish(hits);
        }
        Some(end)
    }

    fn release(&mut self, live: Option<usize>) -> Progress {
        match live {
            Some(live) => {
                let contained = self.rules.follows_views() || self.besides.is_some();
                self.waiting.release(live, contained)
            }
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

/// All hits of a whole text: rules, links that `judge` objects to, prompt leak, canaries, and in requests what HTML hides.
#[must_use]
pub fn scan_all(
    selection: &Selection,
    fingerprint: Option<&Arc<Fingerprint>>,
    canaries: &Canaries,
    judge: Option<&LinkJudge>,
    text: &str,
    budget: &mut Budget,
) -> Scan {
    scan_all_with_views(selection, fingerprint, canaries, judge, text, budget).0
}

/// The same with the views of the text, where the selection reads all of them: nobody has to derive them again.
#[must_use]
pub fn scan_all_with_views(
    selection: &Selection,
    fingerprint: Option<&Arc<Fingerprint>>,
    canaries: &Canaries,
    judge: Option<&LinkJudge>,
    text: &str,
    budget: &mut Budget,
) -> (Scan, Option<Views>) {
    let (scan, views) = selection.scan_with_views(text, budget);
    let Scan {
        mut hits,
        mut exhausted,
    } = scan;
    let structured = structure::scan(selection, text, budget);
    hits.extend(structured.hits);
    exhausted |= structured.exhausted;
    if let Some(besides) = selection.besides() {
        exhausted |= !Besides::whole(besides, judge, text, budget, &mut hits);
        hits = without_contained(hits);
    }
    if let Some(fingerprint) = fingerprint {
        let mut leak = Leaking::new(fingerprint);
        exhausted |= leak.push(text, budget, &mut hits).is_none();
        leak.finish(&mut hits);
    }
    exhausted |= CanaryScanner::new(canaries).push(text, budget, &mut hits).is_none();
    hits.sort_unstable();
    (Scan { hits, exhausted }, views)
}
