//! The guards of a route in one direction: which rules for which origin, and what each kind of finding leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use testudo_detect::output::Declared;
use testudo_detect::{AllowList, Detector, Rule, RuleIndex, Scope, Selection};
use testudo_types::{Action, Direction, Origin, ThreatKind};

use super::model::Models;
use crate::settings::GuardSetting;

/// The guards of a route in one direction, selected once at load.
#[derive(Debug)]
pub struct GuardPlan {
    pub(super) direction: Direction,
    by_origin: BTreeMap<&'static str, Selection>,
    settings: BTreeMap<ThreatKind, GuardSetting>,
    /// The names of the kinds that are looked for.
    kinds: Arc<[&'static str]>,
    pub(super) work_max: u64,
    pub(super) models: Option<Arc<Models>>,
}

impl GuardPlan {
    /// Selects the rules of `settings`' kinds for each origin.
    #[must_use]
    pub fn new(
        detector: &Arc<Detector>,
        direction: Direction,
        settings: &BTreeMap<ThreatKind, GuardSetting>,
        work_max: u64,
    ) -> Self {
        Self::declared(detector, direction, settings, work_max, &Declared::default())
    }

    /// The same, with the rules for what a route declares about its answers.
    #[must_use]
    pub fn declared(
        detector: &Arc<Detector>,
        direction: Direction,
        settings: &BTreeMap<ThreatKind, GuardSetting>,
        work_max: u64,
        declared: &Declared,
    ) -> Self {
        let kinds: BTreeSet<ThreatKind> = settings
            .iter()
            .filter(|(_, setting)| setting.action != Action::Pass)
            .map(|(kind, _)| *kind)
            .collect();
        let by_origin = Origin::ALL
            .iter()
            .map(|origin| {
                let scope = Scope {
                    direction,
                    origin: origin.clone(),
                    kinds: kinds.clone(),
                };
                (origin.as_str(), detector.select_declared(&scope, declared))
            })
            .collect();
        let settings = settings
            .iter()
            .filter(|(kind, _)| kinds.contains(kind))
            .map(|(k, s)| (*k, *s))
            .collect();
        Self {
            direction,
            by_origin,
            settings,
            kinds: kinds.iter().map(|kind| kind.as_str()).collect(),
            work_max,
            models: None,
        }
    }

    /// The same plan with trained models beside the rules; they read requests, where injections are looked for.
    #[must_use]
    pub fn with_models(self, models: Option<Arc<Models>>) -> Self {
        let models = models.filter(|_| self.watches(ThreatKind::Injection) && self.direction == Direction::Request);
        Self { models, ..self }
    }

    /// The same guards, for which the values of an allow-list are no findings.
    #[must_use]
    pub fn allowing(mut self, list: &Arc<AllowList>) -> Self {
        for selection in self.by_origin.values_mut() {
            *selection = selection.allowing(list);
        }
        self
    }

    /// The names of the kinds that are looked for.
    #[must_use]
    pub fn kinds(&self) -> Arc<[&'static str]> {
        Arc::clone(&self.kinds)
    }

    /// No guard is on: bodies pass unread.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.settings.is_empty()
    }

    /// Whether anything can be changed or stopped; otherwise guards only watch and nothing waits for them.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.settings.values().any(|setting| setting.action > Action::Observe)
    }

    /// Whether a kind is guarded at all.
    #[must_use]
    pub fn watches(&self, kind: ThreatKind) -> bool {
        self.settings.contains_key(&kind)
    }

    pub(super) fn rule(&self, index: RuleIndex, origin: &Origin) -> Option<&Rule> {
        self.selection(origin)?.rule(index)
    }

    pub(super) fn selection(&self, origin: &Origin) -> Option<&Selection> {
        self.by_origin.get(origin.as_str())
    }
}
