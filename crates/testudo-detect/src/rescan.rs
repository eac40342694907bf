//! Scans a text together with its views, and finds the places of the original that hits in views stand for.

use std::cmp::Reverse;

use crate::kinds::Kinds;
use crate::views::{View, ViewKind, Views, normalise_kinds, scan_followed};
use crate::{Budget, Hit, RuleIndex, Scan, Selection, scan};

/// What is read of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The text as it stands.
    Plain,
    /// All views of a text that is at hand as a whole.
    Whole,
    /// The views that can be followed while a text grows.
    Growing,
}

/// All hits of a text and of what `selection` reads besides, with all views when those are read.
pub(crate) fn scan(selection: &Selection, text: &str, budget: &mut Budget) -> (Scan, Option<Views>) {
    let scan = match selection.reading() {
        Reading::Plain => scan::scan(selection, text, false, budget),
        Reading::Whole => {
            let (scan, views) = whole(selection, text, false, budget);
            return (scan, Some(views));
        }
        Reading::Growing => {
            let mut found = scan::scan(selection, text, false, budget);
            let before = found.hits.len();
            found.exhausted |= !scan_followed(selection, text, budget, &mut found.hits);
            if found.hits.len() > before {
                found.hits = without_contained(found.hits);
            }
            found
        }
    };
    (scan, None)
}

/// The hits of planted instructions only, in what [`scan`] reads; others may be among them.
pub(crate) fn phrases(selection: &Selection, text: &str, budget: &mut Budget) -> Scan {
    match selection.reading() {
        Reading::Whole => whole(selection, text, true, budget).0,
        Reading::Plain | Reading::Growing => scan(selection, text, budget).0,
    }
}

/// All hits of a text and of all its views; with `guessed` those that a guess is good enough for.
pub(crate) fn whole(selection: &Selection, text: &str, guessed: bool, budget: &mut Budget) -> (Scan, Views) {
    let kinds = Kinds::of(text.as_bytes());
    let mut found = scan::scan_kinds(selection, (text, &kinds), guessed, budget);
    let (views, all_kinds) = normalise_kinds(text, &kinds, budget);
    found.exhausted |= views.unscanned.is_some();
    let before = found.hits.len();
    for (view, kinds) in views.views.iter().zip(&all_kinds) {
        let seen = scan::scan_kinds(selection, (&view.text, kinds), guessed || view.guessed, budget);
        found.exhausted |= seen.exhausted;
        found
            .hits
            .extend(seen.hits.iter().filter_map(|hit| original(text, view, hit)));
    }
    if found.hits.len() > before {
        found.hits = without_contained(found.hits);
    }
    (found, views)
}

/// The hit in the original, if the view says something there that the original does not.
fn original(text: &str, view: &View, hit: &Hit) -> Option<Hit> {
    let range = view.spans.original(hit.start..hit.end);
    let plain = text.get(range.clone())?;
    let seen = view.text.get(hit.start..hit.end)?;
    // A whole folded text can put a word before something that stands there plainly; the edges of a cut-out say nothing.
    let new = plain != seen || (view.kind == ViewKind::Folded && view.depth == 0);
    (!plain.is_empty() && new).then_some(Hit {
        start: range.start,
        end: range.end,
        ..*hit
    })
}

/// Drops hits that lie within another hit of the same rule; in order of start, then rule.
pub(crate) fn without_contained(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_unstable_by_key(|hit| (hit.rule, hit.start, Reverse(hit.end), Reverse(hit.score)));
    let mut last: Option<(RuleIndex, usize)> = None;
    hits.retain(|hit| {
        let contained = last.is_some_and(|(rule, end)| rule == hit.rule && hit.end <= end);
        // Canaries may lie within one another and each counts; no view is read for either.
        let kept = !contained || hit.rule <= RuleIndex::CANARY;
        if kept {
            last = Some((hit.rule, hit.end));
        }
        kept
    });
    hits.sort_unstable();
    hits
}
