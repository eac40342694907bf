//! The trained injection model: a small n-gram model for every window, an encoder for the windows it is not sure of.

mod again;
mod asking;
mod calibration;
mod chance;
mod features;
pub mod metrics;
mod ngram;
#[cfg(test)]
mod tests;
mod windows;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use testudo_types::{Origin, Score};

pub use asking::{CERTAIN, encoded_windows_min};
pub use calibration::{Calibration, CalibrationProblem, Channel, Thresholds};
pub use chance::Length;
pub use features::{Features, bucket, buckets};
pub use ngram::{Contribution, Head, NgramModel, NgramParts, NgramProblem, norm};
pub use windows::{Extent, WINDOW_BYTES_MAX, Windows, windows};

use crate::Budget;

/// The files of the shipped n-gram model, weights and calibration, so that evidence can say what judged.
#[must_use]
pub fn shipped() -> [&'static [u8]; 2] {
    [ngram::BUILTIN, calibration::BUILTIN.as_bytes()]
}

/// Windows that an encoder is asked about for one text, where its caller sets no limit; those of a second look among them.
const ENCODED_WINDOWS_MAX: usize = 24;
/// Windows that a verdict lists.
const LISTED_WINDOWS_MAX: usize = 8;
/// N-grams that an explanation names.
const NAMED_MAX: usize = 4;
/// Bytes of an n-gram that an explanation shows.
const NAMED_BYTES_MAX: usize = 40;
/// How much the n-grams' logit counts beside the encoder's: at one false alarm in a hundred 5 to 8 attacks of a hundred
/// more were found than by the encoder alone, on rows of known sources and of some that only the n-grams knew.
pub const NGRAM_SHARE: f32 = 0.5;
/// Work units for a byte of a window: features looked up.
const UNITS_PER_BYTE: usize = 4;

/// Scores windows of text more slowly and better than n-grams do.
pub trait Encoder: Send + Sync {
    /// The logits of each window, in order.
    ///
    /// # Errors
    /// The encoder could not score them; the windows then keep their n-gram score.
    fn score(&self, windows: &[&str]) -> Result<Vec<Logits>, EncoderProblem>;
}

/// What an encoder thinks of a window, whichever way it reached the model: above zero means more likely an
/// injection than not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logits {
    /// As what a user asks.
    pub asked: f32,
    /// As what a model is given to read.
    pub read: f32,
    /// As the description of a tool, which may tell a model when and how to call it.
    pub described: f32,
}

impl Logits {
    /// Below every text.
    pub const LOWEST: Self = Self {
        asked: f32::NEG_INFINITY,
        read: f32::NEG_INFINITY,
        described: f32::NEG_INFINITY,
    };

    /// The one for a channel.
    #[must_use]
    pub fn of(self, channel: Channel) -> f32 {
        match channel {
            Channel::User => self.asked,
            Channel::ToolResult | Channel::Document => self.read,
            Channel::ToolDescription => self.described,
        }
    }

    /// The higher of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            asked: self.asked.max(other.asked),
            read: self.read.max(other.read),
            described: self.described.max(other.described),
        }
    }

    /// Whether all are numbers.
    #[must_use]
    pub fn is_finite(self) -> bool {
        self.asked.is_finite() && self.read.is_finite() && self.described.is_finite()
    }
}

/// Why an encoder gave no scores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderProblem {
    /// The weights and the runtime do not fit together.
    #[error("the encoder's weights cannot be used: {0}")]
    Weights(String),
    /// The runtime failed on these windows.
    #[error("the encoder failed: {0}")]
    Failed(String),
    /// More work than the encoder was granted.
    #[error("the encoder is busy; the windows were not scored by it")]
    Busy,
}

/// An encoder with the calibration of its own logits.
#[derive(Clone)]
pub struct CalibratedEncoder {
    /// What scores the windows.
    pub encoder: Arc<dyn Encoder>,
    /// What its logits mean, with [`NGRAM_SHARE`] of the n-grams' added.
    pub calibration: Calibration,
}

impl fmt::Debug for CalibratedEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalibratedEncoder")
            .field("calibration", &self.calibration)
            .finish_non_exhaustive()
    }
}

/// Which tier gave a window its score; the one that knows more is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The n-gram model.
    Ngram,
    /// The encoder.
    Encoder,
}

/// One window and what was thought of it.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowScore {
    /// Which of the views, from zero.
    pub view: usize,
    /// Bytes of that view.
    pub range: Range<usize>,
    /// How it is cut.
    pub extent: Extent,
    /// The n-gram model's logit.
    pub ngram_logit: f32,
    /// The logit that decided: of the n-grams, of both tiers together, or the mean of those of a second look; in each case less
    /// what the windows of a long text reach by chance.
    pub logit: f32,
    /// After a second look: the sentence in it, or around it, that counted.
    pub sentence: Option<Range<usize>>,
    /// The slowest tier that read it.
    pub tier: Tier,
    /// What the logit means in this channel.
    pub score: Score,
}

/// What the model thinks of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelVerdict {
    /// The highest score of a window: 50 is passed by 5 % of harmless texts, 70 by 1 %, 85 by 0.1 %.
    pub score: Score,
    /// The windows that say so, highest first; at most eight.
    pub windows: Vec<WindowScore>,
    /// The score lies where the model does not commit itself.
    pub abstained: bool,
    /// Windows that the n-gram model scored.
    pub scored_windows: usize,
    /// Windows that the encoder scored, those of a second look too.
    pub encoded_windows: usize,
    /// Those of a second look.
    pub again_windows: usize,
    /// Windows that the encoder would have read, had another one not been certain before.
    pub spared_windows: usize,
    /// The highest logit of a window that the encoder scored: what its thresholds are fitted to.
    pub encoder_logit: Option<f32>,
    /// The budget ran out: later windows were not scored.
    pub exhausted: bool,
    /// Where the score comes from, in one line. It quotes the text: not for logs, metrics or the ledger.
    pub explanation: String,
}

/// Both tiers and what their logits mean.
#[derive(Debug, Clone)]
pub struct InjectionModel {
    ngram: NgramModel,
    calibration: Calibration,
    encoder: Option<CalibratedEncoder>,
}

impl InjectionModel {
    /// The shipped n-gram model without an encoder.
    ///
    /// # Errors
    /// The shipped files are damaged.
    pub fn builtin() -> Result<Self, NgramProblem> {
        Ok(Self::new(NgramModel::builtin()?, Calibration::builtin()?))
    }

    /// A model of given parts.
    #[must_use]
    pub fn new(ngram: NgramModel, calibration: Calibration) -> Self {
        Self {
            ngram,
            calibration,
            encoder: None,
        }
    }

    /// The same with an encoder for uncertain windows.
    #[must_use]
    pub fn with_encoder(self, encoder: CalibratedEncoder) -> Self {
        Self {
            encoder: Some(encoder),
            ..self
        }
    }

    /// The first tier.
    #[must_use]
    pub fn ngram(&self) -> &NgramModel {
        &self.ngram
    }

    /// What the first tier's logits mean.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Scores a text through its views: the first is the text, the others what it may hide.
    ///
    /// Costs about 25 work units a byte; a text that costs more is scored as far as `budget` goes.
    #[must_use]
    pub fn judge(&self, views: &[&str], origin: &Origin, budget: &mut Budget) -> ModelVerdict {
        let mut left = ENCODED_WINDOWS_MAX;
        let whole = |_| false;
        self.judge_with(views, origin, budget, whole, |encoder, windows| {
            let first: Vec<&str> = windows.iter().copied().take(left).collect();
            left = left.saturating_sub(first.len());
            encoder
                .score(&first)
                .map(|logits| logits.into_iter().map(Some).collect())
                .unwrap_or_default()
        })
    }

    /// The same where the caller asks the encoder and says when it is enough.
    ///
    /// `ask` gets the windows that are worth it, one at a time and the most suspect first, and gives logits for each that
    /// it had scored; the others keep their n-gram score. It is asked again for what a second look needs; a window that
    /// gets none of it keeps the score of the first.
    ///
    /// `enough` gets a score from [`CERTAIN`] on, as soon as a window has it: true when nothing else that the text
    /// says changes what happens to it. Then the encoder reads no more, and what it did not read keeps its n-gram score,
    /// though none higher than that window's.
    #[must_use]
    pub fn judge_with(
        &self,
        views: &[&str],
        origin: &Origin,
        budget: &mut Budget,
        enough: impl FnMut(Score) -> bool,
        ask: impl FnMut(&dyn Encoder, &[&str]) -> Vec<Option<Logits>>,
    ) -> ModelVerdict {
        let channel = Channel::of(origin);
        let head = Head::of(channel);
        let mut scored = Vec::new();
        let exhausted = !self.score_views(views, head, budget, &mut scored);
        scored.sort_by(|left, right| right.ngram_logit.total_cmp(&left.ngram_logit));
        self.weigh(channel, &mut scored);
        let scored_windows = scored.len();
        let asked = self.ask_encoder(views, channel, &mut scored, enough, ask);
        let encoder_logit = scored
            .iter()
            .filter(|it| it.tier == Tier::Encoder)
            .map(|it| it.logit)
            .reduce(f32::max);
        scored.sort_by(|left, right| {
            let by_score = right.score.cmp(&left.score).then(right.tier.cmp(&left.tier));
            by_score.then(right.logit.total_cmp(&left.logit))
        });
        scored.truncate(LISTED_WINDOWS_MAX);
        let score = scored.first().map_or(Score::MIN, |it| it.score);
        ModelVerdict {
            score,
            abstained: self.calibration.abstains(score),
            explanation: self.explained(views, head, &scored),
            windows: scored,
            scored_windows,
            encoded_windows: asked.windows,
            again_windows: asked.again,
            spared_windows: asked.spared,
            encoder_logit,
            exhausted,
        }
    }

    /// False when the budget ran out.
    fn score_views(&self, views: &[&str], head: Head, budget: &mut Budget, scored: &mut Vec<WindowScore>) -> bool {
        for (view, text) in views.iter().enumerate() {
            let mut cuts = windows(text);
            while let Some((extent, range)) = cuts.next_with_extent() {
                if !budget.spend(range.len().saturating_mul(UNITS_PER_BYTE)) {
                    return false;
                }
                let Some(window) = text.get(range.clone()) else {
                    continue;
                };
                let logit = self.ngram.score(head, window);
                scored.push(WindowScore {
                    view,
                    range,
                    extent,
                    ngram_logit: logit,
                    logit,
                    sentence: None,
                    tier: Tier::Ngram,
                    score: Score::MIN,
                });
            }
        }
        true
    }

    /// What the n-grams' logits mean in a text of so many windows.
    fn weigh(&self, channel: Channel, scored: &mut [WindowScore]) {
        let by_chance = self.calibration.by_chance(channel, length(scored));
        for window in scored {
            window.logit = window.ngram_logit - by_chance;
            window.score = self.calibration.score(channel, window.logit);
        }
    }

    fn explained(&self, views: &[&str], head: Head, scored: &[WindowScore]) -> String {
        let Some(first) = scored.first() else {
            return "nothing to score".to_owned();
        };
        let tier = match first.tier {
            Tier::Ngram => "n-grams",
            Tier::Encoder => "encoder",
        };
        let text = text_of(views, first);
        let sentence = match &first.sentence {
            Some(range) => format!("; its sentence is bytes {}-{}", range.start, range.end),
            None => String::new(),
        };
        let named: Vec<String> = self
            .ngram
            .explain(head, text, NAMED_MAX)
            .iter()
            .map(|it| format!("{:?} {:+.2}", shown(text, &it.range), it.weight))
            .collect();
        let place = match first.view {
            0 => "the text".to_owned(),
            view => format!("view {view}"),
        };
        format!(
            "bytes {}-{} of {place} score {} ({tier}{sentence}), carried by {}",
            first.range.start,
            first.range.end,
            first.score.percent(),
            if named.is_empty() {
                "no single n-gram".to_owned()
            } else {
                named.join(", ")
            }
        )
    }
}

/// How long a text is, in windows; what it hides does not count.
fn length(scored: &[WindowScore]) -> usize {
    scored.iter().filter(|it| it.view == 0).count()
}

/// What a window says.
fn text_of<'a>(views: &[&'a str], window: &WindowScore) -> &'a str {
    views
        .get(window.view)
        .and_then(|text| text.get(window.range.clone()))
        .unwrap_or("")
}

/// At most [`NAMED_BYTES_MAX`] bytes of a place.
fn shown<'a>(text: &'a str, range: &Range<usize>) -> &'a str {
    let mut end = range.end.min(range.start.saturating_add(NAMED_BYTES_MAX));
    while end > range.start && !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(range.start..end).unwrap_or("")
}
