//! Scores a text that is not remembered, and what it says in disguise: all windows by n-grams, the doubtful ones by
//! the encoder.

use std::borrow::Cow;
use std::ops::Range;

use testudo_detect::model::{Encoder, Logits, ModelVerdict};
use testudo_detect::views::{Unscanned, View, Views, normalise};
use testudo_detect::{Budget, Hit, RuleIndex};
use testudo_types::{Origin, Score};

use super::{ModelScan, ModelWork, Models};
use crate::heavy;

/// Windows that are less certain are not worth a finding.
const SCORE_MIN: u8 = 50;

impl Models {
    pub(super) fn read(
        &self,
        (text, views): (&str, Option<&Views>),
        origin: &Origin,
        (work, budget): (&mut ModelWork, &mut Budget),
        enough: impl FnMut(Score) -> bool,
    ) -> ModelScan {
        let mut scan = ModelScan::default();
        let views = views.map_or_else(|| Cow::Owned(normalise(text, budget)), Cow::Borrowed);
        let texts: Vec<&str> = std::iter::once(text)
            .chain(views.views.iter().map(|view| view.text.as_str()))
            .collect();
        let verdict = self
            .model
            .judge_with(&texts, origin, budget, enough, |encoder, windows| {
                self.encode(encoder, windows, work, &mut scan)
            });
        work.ngram_windows = work.ngram_windows.saturating_add(count(verdict.scored_windows));
        // What else could not be derived, the rules report.
        scan.exhausted = verdict.exhausted || views.unscanned == Some(Unscanned::Budget);
        scan.cut_short = verdict.spared_windows > 0;
        scan.hits = hits(&verdict, &views.views);
        scan.score = verdict.score.percent();
        if !scan.hits.is_empty() {
            scan.explanation = verdict.explanation;
        }
        scan
    }

    /// What the encoder makes of windows, in their order; `None` for those that it could not read.
    fn encode(
        &self,
        encoder: &dyn Encoder,
        windows: &[&str],
        work: &mut ModelWork,
        scan: &mut ModelScan,
    ) -> Vec<Option<Logits>> {
        let mut logits = Vec::with_capacity(windows.len());
        let mut asked = Vec::new();
        for (at, window) in windows.iter().enumerate() {
            let key = self.key("", window);
            let known = self.logits.get(&key);
            logits.push(known);
            if known.is_some() {
                work.encoder_windows_remembered = work.encoder_windows_remembered.saturating_add(1);
            } else if work.take_window() {
                asked.push((at, key, *window));
            } else {
                scan.limited = true;
            }
        }
        if asked.is_empty() {
            return logits;
        }
        let texts: Vec<&str> = asked.iter().map(|(_, _, window)| *window).collect();
        let before = self.clock.monotonic();
        let answer = heavy::long(|| encoder.score(&texts));
        work.encoder_ms = work.encoder_ms.saturating_add(self.clock.monotonic().since(before));
        match answer {
            Ok(scores) if scores.len() == asked.len() && scores.iter().all(|score| score.is_finite()) => {
                work.encoder_windows = work.encoder_windows.saturating_add(count(asked.len()));
                for ((at, key, _), score) in asked.into_iter().zip(scores) {
                    self.logits.insert(key, score);
                    if let Some(logit) = logits.get_mut(at) {
                        *logit = Some(score);
                    }
                }
            }
            Ok(_) | Err(_) => scan.failed = true,
        }
        logits
    }
}

/// One hit for each stretch of windows that overlap, as certain as the most certain of them.
///
/// A window of a view stands where its text stands in the original.
fn hits(verdict: &ModelVerdict, views: &[View]) -> Vec<Hit> {
    let place = |view: usize, range: Range<usize>| match view.checked_sub(1) {
        None => Some(range),
        Some(view) => Some(views.get(view)?.spans.original(range)),
    };
    let mut stretches: Vec<(Range<usize>, Score)> = verdict
        .windows
        .iter()
        .filter(|window| window.score.percent() >= SCORE_MIN)
        .filter_map(|window| Some((place(window.view, window.range.clone())?, window.score)))
        .filter(|(range, _)| !range.is_empty())
        .collect();
    stretches.sort_by_key(|(range, _)| range.start);
    let mut hits: Vec<Hit> = Vec::new();
    for (range, score) in stretches {
        match hits.last_mut() {
            Some(last) if range.start < last.end => {
                last.end = last.end.max(range.end);
                last.score = last.score.max(score);
            }
            _ => hits.push(Hit {
                start: range.start,
                rule: RuleIndex::INJECTION_MODEL,
                end: range.end,
                score,
            }),
        }
    }
    hits
}

fn count(windows: usize) -> u64 {
    u64::try_from(windows).unwrap_or(u64::MAX)
}
