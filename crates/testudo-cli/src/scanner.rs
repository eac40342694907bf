//! What the guards of one profile find in a text, outside of a gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use testudo_detect::{Budget, Detector, Hit, Rule, Scope, Selection};
use testudo_gateway::settings::{GuardSetting, Profile};
use testudo_types::{Action, Direction, Origin, ThreatKind};

/// What scanning one text or conversation may cost, as in the gateway.
const WORK_MAX: u64 = 256 << 20;

/// One finding, with what the profile does about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) hit: Hit,
    pub(crate) action: Action,
    /// What carried the score, where a rule's title does not say it.
    pub(crate) why: Option<String>,
}

/// All that was found in one text.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) found: Vec<Found>,
    /// The text cost more to scan than is granted, so there may be more in it.
    pub(crate) exhausted: bool,
}

/// Scans texts by one profile. Cheap to clone, so that each thread has its own.
#[derive(Debug, Clone)]
pub(crate) struct Scanner {
    detector: Arc<Detector>,
    profile: Arc<Profile>,
    selections: BTreeMap<&'static str, Selection>,
}

impl Scanner {
    pub(crate) fn new(detector: Arc<Detector>, profile: Arc<Profile>) -> Self {
        Self {
            detector,
            profile,
            selections: BTreeMap::new(),
        }
    }

    /// Work for one text, or for all texts of one conversation.
    pub(crate) fn budget() -> Budget {
        Budget::new(WORK_MAX)
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The rule behind a hit.
    pub(crate) fn rule(&self, hit: &Hit) -> Option<&Rule> {
        self.detector.rule(hit.rule)
    }

    /// What the profile does about a kind of finding, and from which score on.
    pub(crate) fn guard(&self, direction: Direction, kind: ThreatKind) -> Option<(Action, u8)> {
        let guard = guards(&self.profile, direction).get(&kind)?;
        Some((guard.action, guard.score_min))
    }

    /// From which score on the profile acts on a kind of finding; `None` when it only watches.
    pub(crate) fn score_min(&self, direction: Direction, kind: ThreatKind) -> Option<u8> {
        let (action, score_min) = self.guard(direction, kind)?;
        (action > Action::Observe).then_some(score_min)
    }

    pub(crate) fn scan(&mut self, text: &str, origin: &Origin, budget: &mut Budget) -> Scanned {
        let direction = direction(origin);
        let guards = guards(&self.profile, direction);
        let detector = &self.detector;
        let selection = self.selections.entry(origin.as_str()).or_insert_with(|| {
            let on = guards.iter().filter(|(_, guard)| guard.action != Action::Pass);
            let kinds: BTreeSet<ThreatKind> = on.map(|(kind, _)| *kind).collect();
            detector.select(&Scope {
                direction,
                origin: origin.clone(),
                kinds,
            })
        });
        let scan = selection.scan(text, budget);
        let found = scan.hits.iter().map(|hit| Found {
            hit: *hit,
            action: action(detector, guards, hit),
            why: None,
        });
        Scanned {
            found: found.collect(),
            exhausted: scan.exhausted,
        }
    }

    /// What the profile does about text that nobody could scan; it stops the exchange when the profile is silent.
    pub(crate) fn unscannable(&self, origin: &Origin) -> Action {
        guards(&self.profile, direction(origin))
            .get(&ThreatKind::Unscannable)
            .map_or(Action::Block, |guard| guard.action)
    }
}

/// Which way text of this origin travels.
pub(crate) fn direction(origin: &Origin) -> Direction {
    match origin {
        Origin::Model => Direction::Response,
        Origin::System
        | Origin::User
        | Origin::Assistant
        | Origin::ToolResult { .. }
        | Origin::Document
        | Origin::ToolDefinition
        | Origin::Unknown => Direction::Request,
    }
}

fn guards(profile: &Profile, direction: Direction) -> &BTreeMap<ThreatKind, GuardSetting> {
    match direction {
        Direction::Request => &profile.request,
        Direction::Response => &profile.response,
    }
}

/// What the shipped policies do: the profile's action from its threshold on, below it `observe`.
fn action(detector: &Detector, guards: &BTreeMap<ThreatKind, GuardSetting>, hit: &Hit) -> Action {
    let guard = detector.rule(hit.rule).and_then(|rule| guards.get(&rule.kind));
    match guard {
        Some(guard) if hit.score.percent() >= guard.score_min => guard.action,
        _ => Action::Observe,
    }
}
