//! What the guards of one profile find in a text, outside of a gateway.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context as _;
use testudo_detect::output::Declared;
use testudo_detect::structure::special::{SpecialTokens, TokenLevel};
use testudo_detect::{
    AllowList, Budget, Canaries, Detector, Hit, Rule, RuleIndex, Scope, Selection, scan_all_with_views,
};
use testudo_gateway::guard::broken_token;
use testudo_gateway::guard::model::{ModelWork, Models};
use testudo_gateway::settings::{GuardSetting, InjectionModels, ModelSettings, Profile};
use testudo_gateway::system_clock::SystemClock;
use testudo_types::{Action, Clock, Direction, Origin, ThreatKind};

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
    /// The models' score of the text, also where it makes no finding; `None` when they do not read it.
    pub(crate) model_score: Option<u8>,
    /// The text cost more to scan than is granted, so there may be more in it.
    pub(crate) exhausted: bool,
    /// The slower model could not read what it was asked about.
    pub(crate) model_failed: bool,
}

/// What may still be done for one text, or for all texts of one conversation.
#[derive(Debug)]
pub(crate) struct Allowance {
    rules: Budget,
    models: Budget,
    work: Option<ModelWork>,
}

/// Scans texts by one profile. Cheap to clone, so that each thread has its own.
#[derive(Debug, Clone)]
pub(crate) struct Scanner {
    detector: Arc<Detector>,
    profile: Arc<Profile>,
    models: Option<Arc<Models>>,
    allow: Arc<AllowList>,
    /// Where answers go.
    declared: Declared,
    selections: BTreeMap<&'static str, Selection>,
    /// Tokens of chat templates that the profile breaks.
    tokens: Option<(Arc<SpecialTokens>, TokenLevel)>,
}

/// The trained models that ship. Here nobody waits, so that the encoder reads all it is asked about.
pub(crate) fn models(injection: InjectionModels) -> anyhow::Result<Option<Arc<Models>>> {
    let settings = ModelSettings {
        injection,
        encoder_windows_max: usize::MAX,
        ..ModelSettings::DEFAULT
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    Models::load(settings, &clock).context("the trained models cannot be used; --models off does without them")
}

impl Allowance {
    /// Windows that the models scored, and those of them that the encoder read, remembered ones among them.
    pub(crate) fn windows(&self) -> (u64, u64) {
        self.work.map_or((0, 0), |work| {
            let encoded = work.encoder_windows.saturating_add(work.encoder_windows_remembered);
            (work.ngram_windows, encoded)
        })
    }
}

impl Scanner {
    pub(crate) fn new(detector: Arc<Detector>, profile: Arc<Profile>, models: Option<Arc<Models>>) -> Self {
        // A list that `testudo check` refuses allows nothing.
        let allow = Arc::new(AllowList::new(&profile.allow, &detector).unwrap_or_default());
        // Without the table nothing is said to be broken.
        let level = profile.neutralise;
        let tokens = level.and_then(|level| Some((Arc::new(SpecialTokens::builtin().ok()?), level)));
        Self {
            tokens,
            detector,
            profile,
            models,
            allow,
            declared: Declared::default(),
            selections: BTreeMap::new(),
        }
    }

    /// The same, for answers that go where this says.
    pub(crate) fn declaring(self, declared: Declared) -> Self {
        Self {
            declared,
            selections: BTreeMap::new(),
            ..self
        }
    }

    /// For one text, or for all texts of one conversation.
    pub(crate) fn allowance(&self) -> Allowance {
        Allowance {
            rules: Budget::new(WORK_MAX),
            models: Budget::new(WORK_MAX),
            work: self.models.as_ref().map(|models| models.work()),
        }
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

    pub(crate) fn scan(&mut self, text: &str, origin: &Origin, allowance: &mut Allowance) -> Scanned {
        let direction = direction(origin);
        let guards = guards(&self.profile, direction);
        let on = |kind: &ThreatKind| guards.get(kind).is_some_and(|guard| guard.action != Action::Pass);
        let (detector, allow, declared) = (&self.detector, &self.allow, &self.declared);
        let selection = self.selections.entry(origin.as_str()).or_insert_with(|| {
            let kinds: BTreeSet<ThreatKind> = guards.keys().copied().filter(|kind| on(kind)).collect();
            let scope = Scope {
                direction,
                origin: origin.clone(),
                kinds,
            };
            detector.select_declared(&scope, declared).allowing(allow)
        });
        // As the gateway scans: the rules, and what a page hides.
        let (scan, views) =
            scan_all_with_views(selection, None, &Canaries::default(), None, text, &mut allowance.rules);
        let mut scanned = Scanned {
            exhausted: scan.exhausted,
            ..Scanned::default()
        };
        let mut found: Vec<(Hit, Option<String>)> = scan.hits.into_iter().map(|hit| (hit, None)).collect();
        if let (Some(models), Some(work)) = (&self.models, &mut allowance.work)
            && on(&ThreatKind::Injection)
            && direction == Direction::Request
            && Models::reads(origin)
            && !scan.exhausted
        {
            // Whoever inspects or measures wants every place and the highest score, which the gateway does not need.
            let given = (work, &mut allowance.models);
            let scored = models.scan(text, views.as_ref(), origin, given, |_| false);
            scanned.exhausted |= scored.exhausted;
            scanned.model_failed = scored.failed || scored.limited;
            scanned.model_score = Some(scored.score);
            found.extend(scored.hits.iter().map(|hit| (*hit, Some(scored.explanation.clone()))));
            found.sort();
        }
        let by_others = matches!(origin, Origin::User | Origin::ToolResult { .. } | Origin::Document);
        if by_others && !self.defuse(text, &mut found, &mut allowance.rules) {
            scanned.exhausted = true;
        }
        let found = found.into_iter().map(|(hit, why)| Found {
            action: action(detector, guards, &hit),
            hit,
            why: why.filter(|_| hit.rule == RuleIndex::INJECTION_MODEL),
        });
        scanned.found = found.collect();
        scanned
    }

    /// Lowers what rules say of tokens that the gateway breaks, as it does; false when not all of the text was read.
    fn defuse(&self, text: &str, found: &mut [(Hit, Option<String>)], budget: &mut Budget) -> bool {
        let Some((table, level)) = &self.tokens else {
            return true;
        };
        let Some(tokens) = table.find(text, *level, budget) else {
            return false;
        };
        for (hit, _) in found {
            let next = tokens.partition_point(|token| token.range.start <= hit.start);
            let token = next.checked_sub(1).and_then(|at| tokens.get(at));
            if let (Some(token), Some(rule)) = (token, self.detector.rule(hit.rule))
                && hit.end <= token.range.end
            {
                hit.score = broken_token(rule, hit.score);
            }
        }
        true
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
