//! The compiled rules, and the choice of those that apply to a text.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};
use testudo_types::{Direction, Origin, ThreatKind};

use crate::exempt::{Exempt, Tally};
use crate::load::{Compiled, RuleProblem, load};
use crate::output::{Declared, LinkForm, Sink};
use crate::pseudonym::Restorer;
use crate::rescan::Reading;
use crate::scan::Gates;
use crate::structure::special;
use crate::tracker::Starts;
use crate::views::Views;
use crate::{AllowList, Budget, Rule, RuleIndex, RuleSource, Scan, StreamScanner, builtin_packs, rescan};

/// All rules, compiled; immutable, made once and shared.
pub struct Detector {
    compiled: Compiled,
    digest: [u8; 32],
}

impl Detector {
    /// Compiles packs.
    ///
    /// # Errors
    /// All problems of all packs at once; nothing is dropped silently.
    pub fn new(packs: &[RuleSource]) -> Result<Self, Vec<RuleProblem>> {
        load(packs).map(|compiled| Self {
            compiled,
            digest: digest(packs),
        })
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

    /// Of the packs and of the table of special tokens, so that evidence can say which rules judged.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
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
        self.select_declared(scope, &Declared::default())
    }

    /// The same, with the rules for what a route declares about its answers.
    #[must_use]
    pub fn select_declared(self: &Arc<Self>, scope: &Scope, declared: &Declared) -> Selection {
        let applies = |rule: &Rule| scope.kinds.contains(&rule.kind) && rule.applies(scope.direction, &scope.origin);
        let wanted = |rule: &Rule| match (rule.kind, rule.link) {
            (ThreatKind::Quality, _) => declared.refusals,
            (_, Some(_)) => declared.links,
            _ => rule.sinks.iter().any(|sink| declared.sinks.contains(sink)),
        };
        let shown = |rule: &Rule| {
            let mut sinks = rule.sinks.iter().filter(|sink| declared.sinks.contains(sink));
            sinks.next() == Some(&Sink::Markdown) && sinks.next().is_none()
        };
        let rules = self.rules();
        let always = rules.iter().map(|rule| applies(rule) && !rule.is_declared()).collect();
        let besides: Vec<bool> = rules
            .iter()
            .map(|rule| applies(rule) && rule.is_declared() && wanted(rule))
            .collect();
        let outside_code = rules.iter().map(shown).collect();
        let reading = match scope.direction {
            Direction::Request => Reading::Whole,
            Direction::Response => Reading::Growing,
        };
        let besides = besides
            .contains(&true)
            .then(|| self.choose(besides, Reading::Plain, outside_code, None));
        let selection = self.choose(always, reading, Vec::new(), besides);
        if reading == Reading::Growing {
            // No first answer waits for it.
            selection.starts();
        }
        selection
    }

    /// The rules of `mask`, as if something were declared about answers that makes them apply.
    pub(crate) fn select_besides(self: &Arc<Self>, mask: Vec<bool>) -> Selection {
        let none = vec![false; mask.len()];
        let besides = self.choose(mask, Reading::Plain, Vec::new(), None);
        self.choose(none, Reading::Plain, Vec::new(), Some(besides))
    }

    /// The rules of `mask`, for texts as they stand.
    pub(crate) fn select_where(self: &Arc<Self>, mask: Vec<bool>) -> Selection {
        self.select_reading(mask, Reading::Plain)
    }

    pub(crate) fn select_reading(self: &Arc<Self>, mask: Vec<bool>, reading: Reading) -> Selection {
        // Rules that need a declaration are never chosen without one.
        let kept = |(rule, chosen): (&Rule, bool)| chosen && !rule.is_declared();
        let mask = self.rules().iter().zip(mask).map(kept).collect();
        self.choose(mask, reading, Vec::new(), None)
    }

    fn choose(
        self: &Arc<Self>,
        mask: Vec<bool>,
        reading: Reading,
        outside_code: Vec<bool>,
        besides: Option<Selection>,
    ) -> Selection {
        let phrases = |(rule, chosen): (&Rule, &bool)| *chosen && rule.kind == ThreatKind::Injection;
        let guess_mask: Vec<bool> = self.rules().iter().zip(&mask).map(phrases).collect();
        let gates = |mask: &[bool]| {
            Gates::new(&self.compiled, |rule| {
                mask.get(rule.position()).copied().unwrap_or(false)
            })
        };
        Selection {
            inner: Arc::new(Chosen {
                detector: Arc::clone(self),
                gates: gates(&mask),
                guess_gates: gates(&guess_mask),
                mask,
                reading,
                outside_code,
                besides,
                starts: OnceLock::new(),
            }),
            exempt: Exempt::default(),
        }
    }
}

fn digest(packs: &[RuleSource]) -> [u8; 32] {
    let mut digest = Sha256::new();
    let packs = packs.iter().flat_map(|pack| [&*pack.name, &*pack.text]);
    for part in packs.chain([special::TABLE]) {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
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
    exempt: Exempt,
}

struct Chosen {
    detector: Arc<Detector>,
    mask: Vec<bool>,
    gates: Gates,
    /// Of those of the chosen that a guess at a text is good enough for.
    guess_gates: Gates,
    reading: Reading,
    /// Rules that say nothing about what Markdown only shows.
    outside_code: Vec<bool>,
    /// The rules that apply because of what is declared; no view is read for them.
    besides: Option<Selection>,
    /// Made for the first text that arrives in pieces; requests seldom do.
    starts: OnceLock<Starts>,
}

impl Selection {
    /// All hits of a whole text and of its views.
    #[must_use]
    pub fn scan(&self, text: &str, budget: &mut Budget) -> Scan {
        rescan::scan(self, text, budget).0
    }

    /// The same with the views, where all of them are read, for others who read them.
    #[must_use]
    pub fn scan_with_views(&self, text: &str, budget: &mut Budget) -> (Scan, Option<Views>) {
        rescan::scan(self, text, budget)
    }

    /// The same rules, for which the values of an allow-list are no findings.
    #[must_use]
    pub fn allowing(&self, list: &Arc<AllowList>) -> Self {
        let mut selection = self.clone();
        selection.exempt.allowed = (!list.is_empty()).then(|| Arc::clone(list));
        selection
    }

    /// The same rules for one exchange: its own stand-ins are no findings, and `tally` counts what is allowed.
    #[must_use]
    pub fn within(&self, own: Option<&Restorer>, tally: &Tally) -> Self {
        let mut selection = self.clone();
        selection.exempt.own = own.cloned();
        selection.exempt.tally = tally.clone();
        selection
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
        let own = self.inner.mask.get(index.position()).copied().unwrap_or(false);
        own || self.besides().is_some_and(|besides| besides.contains(index))
    }

    /// The rules that apply because of what is declared.
    pub(crate) fn besides(&self) -> Option<&Self> {
        self.inner.besides.as_ref()
    }

    /// Whether some rule says nothing about code that is only shown.
    pub(crate) fn heeds_code(&self) -> bool {
        let chosen = self.inner.mask.iter().zip(&self.inner.outside_code);
        chosen.into_iter().any(|(chosen, outside)| *chosen && *outside)
    }

    /// Whether this rule says nothing about code that is only shown.
    pub(crate) fn is_outside_code(&self, index: RuleIndex) -> bool {
        self.inner.outside_code.get(index.position()).copied().unwrap_or(false)
    }

    /// How a rule collects links, when that is what it does.
    pub(crate) fn link(&self, index: RuleIndex) -> Option<LinkForm> {
        self.rule(index).and_then(|rule| rule.link)
    }

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.inner.detector.compiled
    }

    /// How the chosen become candidates or, of a guessed text, those that a guess is good enough for.
    pub(crate) fn gates(&self, guessed: bool) -> &Gates {
        if guessed {
            &self.inner.guess_gates
        } else {
            &self.inner.gates
        }
    }

    /// What is read besides the plain text.
    pub(crate) fn reading(&self) -> Reading {
        self.inner.reading
    }

    pub(crate) fn exempt(&self) -> &Exempt {
        &self.exempt
    }

    pub(crate) fn starts(&self) -> &Starts {
        self.inner
            .starts
            .get_or_init(|| Starts::new(self.compiled(), &self.inner.mask))
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
