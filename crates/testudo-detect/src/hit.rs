//! What a scan reports, and how hits wait until nothing can change them.

use std::cmp::Reverse;

use testudo_types::Score;

use crate::rescan::without_contained;
use crate::{Rule, RuleIndex};

/// One place where a rule matched and its checks agreed.
///
/// Hits order by start, then rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hit {
    /// First byte of what should be masked: the group `value`, or the whole match.
    pub start: usize,
    /// The rule, in [`crate::Detector::rules`].
    pub rule: RuleIndex,
    /// One past the last byte.
    pub end: usize,
    /// The rule's score.
    pub score: Score,
}

/// The hits of a whole text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// In order of start, then rule; hits of different rules may overlap.
    pub hits: Vec<Hit>,
    /// The budget ran out: hits may be missing and the text counts as unscannable.
    pub exhausted: bool,
}

/// What one more piece of a stream settled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// New hits, each final and reported once, in order of start, then rule;
    /// offsets count from the first byte of the channel. Hits that overlap
    /// come in the same report.
    pub hits: Vec<Hit>,
    /// Text below this offset is free: no later hit reaches into it. Never falls.
    pub safe: usize,
    /// The budget ran out: nothing more will be released, the stream counts as unscannable.
    pub exhausted: bool,
}

/// Joins overlapping hits into places that do not overlap, for masking.
///
/// Each place covers all of its hits and carries the rule of the strictest:
/// most severe, then longest, then most certain, then first.
/// `rules` are those of the detector that made the hits.
#[must_use]
pub fn resolve(hits: &[Hit], rules: &[Rule]) -> Vec<Hit> {
    let mut sorted = hits.to_vec();
    sorted.sort_unstable();
    let strictness = |hit: &Hit| {
        let severity = rules.get(hit.rule.position()).map(|rule| rule.severity);
        (
            severity,
            hit.end.saturating_sub(hit.start),
            hit.score,
            Reverse(hit.rule),
        )
    };
    let mut places: Vec<(Hit, Hit)> = Vec::new();
    for hit in sorted {
        match places.last_mut() {
            Some((place, strictest)) if hit.start < place.end => {
                place.end = place.end.max(hit.end);
                if strictness(&hit) > strictness(strictest) {
                    *strictest = hit;
                }
            }
            _ => places.push((hit, hit)),
        }
    }
    places
        .into_iter()
        .map(|(place, strictest)| Hit {
            start: place.start,
            end: place.end,
            ..strictest
        })
        .collect()
}

/// Hits that are certain but may still overlap one that is not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting {
    hits: Vec<Hit>,
    safe: usize,
}

impl Waiting {
    /// Where new hits are put.
    pub(crate) fn hits_mut(&mut self) -> &mut Vec<Hit> {
        &mut self.hits
    }

    /// Everything below this has been released.
    pub(crate) fn safe(&self) -> usize {
        self.safe
    }

    /// Releases up to `live`, the first offset where an unknown hit may start,
    /// but never a part of a group of overlapping hits.
    ///
    /// Hits `with_views` may lie within others of their rule, and those are dropped.
    pub(crate) fn release(&mut self, live: usize, with_views: bool) -> Progress {
        if self.hits.is_empty() {
            self.safe = self.safe.max(live);
            return Progress {
                safe: self.safe,
                ..Progress::default()
            };
        }
        self.hits.sort_unstable();
        let mut group = (0, 0);
        for hit in self.hits.iter().take_while(|hit| hit.start < live) {
            group = if hit.start < group.1 {
                (group.0, group.1.max(hit.end))
            } else {
                (hit.start, hit.end)
            };
        }
        let safe = if group.1 > live { group.0 } else { live };
        self.safe = self.safe.max(safe);
        let settled = self.hits.partition_point(|hit| hit.start < self.safe);
        let mut hits: Vec<Hit> = self.hits.drain(..settled).collect();
        if with_views {
            hits = without_contained(hits);
        }
        Progress {
            hits,
            safe: self.safe,
            exhausted: false,
        }
    }
}
