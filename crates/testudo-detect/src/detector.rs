//! The compiled rules, and the choice of those that apply to a text.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use testudo_types::{Direction, Origin, ThreatKind};

use crate::load::{Compiled, RuleProblem, load};
use crate::rescan::Reading;
use crate::tracker::Starts;
use crate::{Budget, Rule, RuleIndex, RuleSource, Scan, StreamScanner, builtin_packs, rescan};

/// All rules, compiled; immutable, made once and shared.
pub struct Detector {
    compiled: Compiled,
}

impl Detector {
    /// Compiles packs.
    ///
    /// # Errors
    /// All problems of all packs at once; nothing is dropped silently.
    pub fn new(packs: &[RuleSource]) -> Result<Self, Vec<RuleProblem>> {
        load(packs).map(|compiled| Self { compiled })
    }

    /// Compiles the packs that ship with the program.
    ///
    /// # Errors
    /// When a shipped pack is unsound, which a test excludes.
    pub fn builtin() -> Result<Self, Vec<RuleProblem>> {
        Self::new(&builtin_packs())
    }

    /// Every rule; [`RuleIndex::position`] indexes here.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.compiled.rules
    }

    /// The rule behind a hit.
    #[must_use]
    pub fn rule(&self, index: RuleIndex) -> Option<&Rule> {
        self.compiled.rules.get(index.position())
    }

    /// Every literal and context word that makes a rule a candidate, folded to lower case and sorted.
    ///
    /// A text made of these is the most expensive to scan.
    #[must_use]
    pub fn prefilter_words(&self) -> Vec<String> {
        self.compiled.words.clone()
    }

    /// The rules for texts of one scope. Costs about as much as scanning a
    /// page: make it once for each scope and keep it.
    #[must_use]
    pub fn select(self: &Arc<Self>, scope: &Scope) -> Selection {
        let chosen = |rule: &Rule| scope.kinds.contains(&rule.kind) && rule.applies(scope.direction, &scope.origin);
        let mask = self.rules().iter().map(chosen).collect();
        let reading = match scope.direction {
            Direction::Request => Reading::Whole,
            Direction::Response => Reading::Growing,
        };
        self.select_reading(mask, reading)
    }

    /// The rules of `mask`, for texts as they stand.
    pub(crate) fn select_where(self: &Arc<Self>, mask: Vec<bool>) -> Selection {
        self.select_reading(mask, Reading::Plain)
    }

    pub(crate) fn select_reading(self: &Arc<Self>, mask: Vec<bool>, reading: Reading) -> Selection {
        let phrases = |(rule, chosen): (&Rule, &bool)| *chosen && rule.kind == ThreatKind::Injection;
        let guess_mask = self.rules().iter().zip(&mask).map(phrases).collect();
        let starts = Starts::new(&self.compiled, &mask);
        Selection {
            inner: Arc::new(Chosen {
                detector: Arc::clone(self),
                mask,
                guess_mask,
                reading,
                starts,
            }),
        }
    }
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detector")
            .field("rules", &self.rules().len())
            .finish_non_exhaustive()
    }
}

/// What decides which rules apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub direction: Direction,
    /// Only its kind counts; a tool's name does not.
    pub origin: Origin,
    pub kinds: BTreeSet<ThreatKind>,
}

/// The rules of one scope, ready to scan; cheap to clone.
#[derive(Clone)]
pub struct Selection {
    inner: Arc<Chosen>,
}

struct Chosen {
    detector: Arc<Detector>,
    mask: Vec<bool>,
    /// Those of the chosen that a guess at a text is good enough for.
    guess_mask: Vec<bool>,
    reading: Reading,
    starts: Starts,
}

impl Selection {
    /// All hits of a whole text and of its views.
    #[must_use]
    pub fn scan(&self, text: &str, budget: &mut Budget) -> Scan {
        rescan::scan(self, text, budget)
    }

    /// A scanner for a text that arrives in pieces.
    #[must_use]
    pub fn stream(&self) -> StreamScanner {
        StreamScanner::new(self)
    }

    /// Every rule of the detector, chosen or not.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        self.inner.detector.rules()
    }

    /// The rule behind a hit.
    #[must_use]
    pub fn rule(&self, index: RuleIndex) -> Option<&Rule> {
        self.inner.detector.rule(index)
    }

    /// Whether a rule is among the chosen.
    #[must_use]
    pub fn contains(&self, index: RuleIndex) -> bool {
        self.inner.mask.get(index.position()).copied().unwrap_or(false)
    }

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.inner.detector.compiled
    }

    /// Whether a rule is among the chosen and, of a guessed text, one that a guess is good enough for.
    pub(crate) fn reads(&self, index: RuleIndex, guessed: bool) -> bool {
        let mask = if guessed {
            &self.inner.guess_mask
        } else {
            &self.inner.mask
        };
        mask.get(index.position()).copied().unwrap_or(false)
    }

    /// What is read besides the plain text.
    pub(crate) fn reading(&self) -> Reading {
        self.inner.reading
    }

    pub(crate) fn starts(&self) -> &Starts {
        &self.inner.starts
    }
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = self.inner.mask.iter().filter(|chosen| **chosen).count();
        f.debug_struct("Selection")
            .field("rules", &chosen)
            .finish_non_exhaustive()
    }
}
