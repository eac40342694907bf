//! Exact strings that must never leave: values planted in prompts to notice that they leak.

use std::borrow::Cow;
use std::sync::Arc;

use testudo_types::Score;

use crate::{Budget, Hit, RuleIndex};

/// The longest canary, in bytes.
pub const CANARY_BYTES_MAX: usize = 512;
/// The most canaries one scan looks for.
pub const CANARY_COUNT_MAX: usize = 64;
const CANARY_BYTES_MIN: usize = 4;

/// Why a canary was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CanaryProblem {
    #[error("a canary of {0} bytes is too short or too long; use {CANARY_BYTES_MIN} to {CANARY_BYTES_MAX}")]
    Length(usize),
    #[error("{0} canaries are more than the {CANARY_COUNT_MAX} allowed")]
    Count(usize),
}

/// Canaries to look for; cheap to clone.
#[derive(Clone, Default)]
pub struct Canaries {
    all: Arc<[Arc<Canary>]>,
}

impl std::fmt::Debug for Canaries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canaries")
            .field("count", &self.all.len())
            .finish_non_exhaustive()
    }
}

struct Canary {
    bytes: Box<[u8]>,
    /// By length of a matched prefix minus one, the longest shorter prefix that is its suffix.
    fallback: Box<[u16]>,
}

impl Canaries {
    /// Takes canaries; they compare byte by byte.
    ///
    /// # Errors
    /// When one is too short to be told from ordinary text, or they are too long or too many.
    pub fn new<'a>(canaries: impl IntoIterator<Item = &'a str>) -> Result<Self, CanaryProblem> {
        let mut all = Vec::new();
        for text in canaries {
            if !(CANARY_BYTES_MIN..=CANARY_BYTES_MAX).contains(&text.len()) {
                return Err(CanaryProblem::Length(text.len()));
            }
            all.push(Arc::new(Canary::new(text.as_bytes())));
        }
        if all.len() > CANARY_COUNT_MAX {
            return Err(CanaryProblem::Count(all.len()));
        }
        Ok(Self { all: all.into() })
    }

    /// These, and one more, however many there are.
    ///
    /// # Errors
    /// When it is too short to be told from ordinary text, or too long.
    pub fn and(&self, canary: &str) -> Result<Self, CanaryProblem> {
        let one = Self::new([canary])?;
        Ok(Self {
            all: self.all.iter().chain(one.all.iter()).map(Arc::clone).collect(),
        })
    }

    /// A text without the canaries that stand in it as they are written.
    #[must_use]
    pub fn taken_from<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut rest = Cow::Borrowed(text);
        for value in self.values() {
            if rest.contains(value) {
                rest = Cow::Owned(rest.replace(value, "\n"));
            }
        }
        rest
    }

    /// The values; for those who look for them, not for logs.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        let values = self.all.iter().map(|canary| std::str::from_utf8(&canary.bytes));
        values.filter_map(Result::ok)
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl Canary {
    fn new(bytes: &[u8]) -> Self {
        let mut canary = Self {
            bytes: bytes.into(),
            fallback: vec![0; bytes.len()].into(),
        };
        let mut matched = 0;
        for (at, byte) in bytes.iter().enumerate().skip(1) {
            matched = canary.next(matched, *byte);
            if let Some(slot) = canary.fallback.get_mut(at) {
                *slot = matched;
            }
        }
        canary
    }

    /// The longest prefix that the text ends with after one more byte.
    fn next(&self, mut matched: u16, byte: u8) -> u16 {
        loop {
            if self.bytes.get(usize::from(matched)) == Some(&byte) {
                return matched.saturating_add(1);
            }
            let Some(back) = matched.checked_sub(1) else {
                return 0;
            };
            matched = self.fallback.get(usize::from(back)).copied().unwrap_or(0);
        }
    }
}

/// Looks for canaries in a growing text.
#[derive(Debug)]
pub(crate) struct CanaryScanner {
    canaries: Canaries,
    matched: Vec<u16>,
    at: usize,
}

impl CanaryScanner {
    pub(crate) fn new(canaries: &Canaries) -> Self {
        Self {
            canaries: canaries.clone(),
            matched: vec![0; canaries.all.len()],
            at: 0,
        }
    }

    /// Appends new hits; returns where the longest possible canary starts, or `None` when the budget ran out.
    pub(crate) fn push(&mut self, piece: &str, budget: &mut Budget, hits: &mut Vec<Hit>) -> Option<usize> {
        if !self.matched.is_empty() && !budget.spend(piece.len().saturating_mul(self.matched.len())) {
            return None;
        }
        for (canary, matched) in self.canaries.all.iter().zip(&mut self.matched) {
            for (end, byte) in (self.at.saturating_add(1)..).zip(piece.bytes()) {
                *matched = canary.next(*matched, byte);
                let len = usize::from(*matched);
                if len == canary.bytes.len() {
                    let start = end.saturating_sub(len);
                    hits.push(Hit {
                        start,
                        rule: RuleIndex::CANARY,
                        end,
                        score: Score::MAX,
                    });
                    *matched = canary.fallback.last().copied().unwrap_or(0);
                }
            }
        }
        self.at = self.at.saturating_add(piece.len());
        let longest = self.matched.iter().copied().max().map_or(0, usize::from);
        Some(self.at.saturating_sub(longest))
    }
}
