//! What a profile makes of one text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use testudo_detect::{Budget, Detector, Hit, Rule, Scope, Selection};
use testudo_gateway::settings::{GuardSetting, Profile};
use testudo_types::{Action, Direction, Origin, Score, ThreatKind};

/// What scanning one text may cost, as in the gateway.
const WORK_MAX: u64 = 256 << 20;

/// What would become of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Allow,
    /// Something was found that is observed or masked.
    Flag,
    /// The exchange would be stopped.
    Block,
}

impl Verdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Flag => "flag",
            Self::Block => "block",
        }
    }
}

/// All that was found in one text.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// Of the most certain finding; 0 when there is none.
    pub(super) score: u8,
    pub(super) found: Vec<(Hit, Action)>,
    /// The text cost more to scan than is granted, so there may be more in it.
    pub(super) unscannable: Option<Action>,
}

/// Judges texts by one profile.
#[derive(Debug)]
pub(super) struct Judge {
    detector: Arc<Detector>,
    profile: Arc<Profile>,
    selections: BTreeMap<&'static str, Selection>,
}

impl Judge {
    pub(super) fn new(detector: Arc<Detector>, profile: Arc<Profile>) -> Self {
        Self {
            detector,
            profile,
            selections: BTreeMap::new(),
        }
    }

    /// The rule behind a hit.
    pub(super) fn rule(&self, hit: &Hit) -> Option<&Rule> {
        self.detector.rule(hit.rule)
    }

    pub(super) fn judge(&mut self, text: &str, origin: &Origin) -> Judged {
        let direction = match origin {
            Origin::Model => Direction::Response,
            _ => Direction::Request,
        };
        let guards = match direction {
            Direction::Request => &self.profile.request,
            Direction::Response => &self.profile.response,
        };
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
        let scan = selection.scan(text, &mut Budget::new(WORK_MAX));
        let found: Vec<(Hit, Action)> = scan
            .hits
            .iter()
            .map(|hit| (*hit, action(detector, guards, hit)))
            .collect();
        let unscannable = scan.exhausted.then(|| {
            guards
                .get(&ThreatKind::Unscannable)
                .map_or(Action::Block, |guard| guard.action)
        });
        let strictest = found.iter().map(|(_, action)| *action).chain(unscannable).max();
        let verdict = match strictest {
            None | Some(Action::Pass) => Verdict::Allow,
            Some(Action::Observe | Action::Mask) => Verdict::Flag,
            Some(Action::Hold | Action::Block) => Verdict::Block,
        };
        let score = found.iter().map(|(hit, _)| hit.score).max().map_or(0, Score::percent);
        Judged {
            verdict,
            score,
            found,
            unscannable,
        }
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
