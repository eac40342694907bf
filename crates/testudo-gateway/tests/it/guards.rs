//! Guards of one exchange for tests, with the shipped rules and policies.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use testudo_bounded::json::Limits;
use testudo_detect::bait::Baits;
use testudo_detect::output::Declared;
use testudo_detect::pseudonym::Pseudonyms;
use testudo_detect::{Canaries, Detector, Fingerprint};
use testudo_dialects::sse::{Decoder, Event};
use testudo_dialects::{Operation, StreamReader};
use testudo_gateway::guard::model::Models;
use testudo_gateway::guard::{
    Exchanger, FindingLog, GuardPlan, Inspection, Judge, Leaks, StreamBounds, StreamGuard, StreamStep,
};
use testudo_gateway::settings::GuardSetting;
use testudo_policy::{Guard, PolicyEngine, PolicySource, RouteFacts};
use testudo_types::{Action, Direction, KeyId, Principal, PrincipalKind, ProfileName, RouteName, TenantId, ThreatKind};

/// A live-looking key of no account, in two parts so that it stands nowhere whole.
pub(crate) const SECRET: &str = concat!("AKIA", "Q3EGRSPT7MXA2YVB");
pub(crate) const EMAIL: &str = concat!("ada.lovelace", "@", "analytical.engine.org");

pub(crate) static DETECTOR: LazyLock<Arc<Detector>> = LazyLock::new(|| Arc::new(Detector::builtin().unwrap()));

pub(crate) type Actions<'a> = &'a [(ThreatKind, Action)];

pub(crate) const MASK_ALL: Actions<'static> = &[
    (ThreatKind::Secret, Action::Mask),
    (ThreatKind::PersonalData, Action::Mask),
    (ThreatKind::HiddenText, Action::Mask),
    (ThreatKind::Exfiltration, Action::Mask),
    (ThreatKind::PromptLeak, Action::Block),
    (ThreatKind::Unscannable, Action::Block),
];

pub(crate) const BLOCK_SECRETS: Actions<'static> = &[
    (ThreatKind::Secret, Action::Block),
    (ThreatKind::Unscannable, Action::Block),
];

pub(crate) const OBSERVE: Actions<'static> = &[
    (ThreatKind::Secret, Action::Observe),
    (ThreatKind::PersonalData, Action::Observe),
    (ThreatKind::Unscannable, Action::Observe),
];

fn settings(actions: Actions<'_>) -> BTreeMap<ThreatKind, GuardSetting> {
    actions
        .iter()
        .map(|(kind, action)| {
            (
                *kind,
                GuardSetting {
                    action: *action,
                    score_min: 0,
                },
            )
        })
        .collect()
}

fn facts(actions: Actions<'_>) -> RouteFacts {
    let guards: BTreeMap<ThreatKind, Guard> = actions
        .iter()
        .map(|(kind, action)| {
            (
                *kind,
                Guard {
                    action: *action,
                    score_min: 0,
                },
            )
        })
        .collect();
    RouteFacts {
        name: RouteName::parse("r").unwrap(),
        profile: ProfileName::parse("p").unwrap(),
        request: guards.clone(),
        response: guards,
        hosted_tools: true,
        server_history: true,
    }
}

pub(crate) fn principal() -> Principal {
    Principal {
        tenant: TenantId::parse("t").unwrap(),
        kind: PrincipalKind::Service,
        key: KeyId::parse("k").unwrap(),
        name: "test".into(),
        roles: Vec::new(),
    }
}

pub(crate) fn inspection(direction: Direction, actions: Actions<'_>, exchanger: Exchanger, leaks: Leaks) -> Inspection {
    let plan = GuardPlan::new(&DETECTOR, direction, &settings(actions), 256 << 20);
    Inspection::new(
        Arc::new(plan),
        judge(actions, &[]),
        leaks,
        exchanger,
        FindingLog::default(),
    )
}

/// With trained models beside the rules, and policies beside the shipped ones.
pub(crate) fn scoring(
    direction: Direction,
    actions: Actions<'_>,
    models: &Arc<Models>,
    policies: &[PolicySource],
) -> Inspection {
    let plan = GuardPlan::new(&DETECTOR, direction, &settings(actions), 256 << 20);
    let plan = Arc::new(plan.with_models(Some(Arc::clone(models))));
    let judge = judge(actions, policies);
    Inspection::new(plan, judge, Leaks::default(), Exchanger::Nothing, FindingLog::default())
}

fn judge(actions: Actions<'_>, policies: &[PolicySource]) -> Judge {
    let mut sources = PolicyEngine::default_sources();
    sources.extend(policies.iter().cloned());
    Judge {
        policy: Arc::new(PolicyEngine::new(&sources, &[facts(actions)]).unwrap()),
        principal: Arc::new(principal()),
        route: RouteName::parse("r").unwrap(),
    }
}

/// Guards of answers with what a route declares about them.
pub(crate) fn declared(actions: Actions<'_>, declared: &Declared, leaks: Leaks) -> Inspection {
    let policy = PolicyEngine::new(&PolicyEngine::default_sources(), &[facts(actions)]).unwrap();
    let plan = GuardPlan::declared(&DETECTOR, Direction::Response, &settings(actions), 256 << 20, declared);
    let judge = Judge {
        policy: Arc::new(policy),
        principal: Arc::new(principal()),
        route: RouteName::parse("r").unwrap(),
    };
    Inspection::new(Arc::new(plan), judge, leaks, Exchanger::Nothing, FindingLog::default())
}

pub(crate) fn leaks(system: Option<&str>, canaries: &[&str]) -> Leaks {
    Leaks {
        fingerprint: system.map(|text| Arc::new(Fingerprint::of(text, 48))),
        baits: Baits::of(&Canaries::new(canaries.iter().copied()).unwrap()),
        canaries: Canaries::new(canaries.iter().copied()).unwrap(),
        ..Leaks::default()
    }
}

/// Makes guards again and again without compiling policies each time.
pub(crate) struct Maker {
    plan: Arc<GuardPlan>,
    judge: Judge,
}

impl Maker {
    pub(crate) fn new(actions: Actions<'_>) -> Self {
        let policy = PolicyEngine::new(&PolicyEngine::default_sources(), &[facts(actions)]).unwrap();
        Self {
            plan: Arc::new(GuardPlan::new(
                &DETECTOR,
                Direction::Response,
                &settings(actions),
                256 << 20,
            )),
            judge: Judge {
                policy: Arc::new(policy),
                principal: Arc::new(principal()),
                route: RouteName::parse("r").unwrap(),
            },
        }
    }

    pub(crate) fn inspection(&self, pseudonyms: Option<&Pseudonyms>, leaks: Leaks) -> Inspection {
        let exchanger = match pseudonyms {
            Some(pseudonyms) => Exchanger::Restore(pseudonyms.restorer()),
            None => Exchanger::Nothing,
        };
        Inspection::new(
            Arc::clone(&self.plan),
            self.judge.clone(),
            leaks,
            exchanger,
            FindingLog::default(),
        )
    }

    pub(crate) fn stream(&self, operation: Operation) -> StreamGuard {
        StreamGuard::new(operation, self.inspection(None, Leaks::default()), bounds())
    }
}

pub(crate) fn bounds() -> StreamBounds {
    StreamBounds {
        event_bytes_max: 1 << 20,
        hold_bytes_max: 1 << 20,
        channels_max: 4096,
        json: Limits::DEFAULT,
    }
}

/// Runs a stream through a guard: what left, how it ended, and the findings as text.
pub(crate) fn run(mut guard: StreamGuard, pieces: &[Vec<u8>]) -> (Vec<u8>, StreamStep, Vec<String>) {
    let mut out = Vec::new();
    let mut step = StreamStep::Continue;
    for piece in pieces {
        step = guard.push(piece, &mut out);
        if step == StreamStep::Blocked {
            break;
        }
    }
    if step == StreamStep::Continue {
        step = guard.finish(&mut out);
    }
    let (log, _) = guard.into_inspection().finish();
    let findings = log
        .kept()
        .iter()
        .map(|seen| {
            let place = &seen.finding.place;
            format!(
                "{} {} {}..{} {:?}",
                seen.finding.rule, place.path, place.start, place.end, seen.decision.action
            )
        })
        .collect();
    (out, step, findings)
}

pub(crate) fn events(bytes: &[u8]) -> Vec<Event> {
    let mut decoder = Decoder::new(1 << 22);
    decoder.push(bytes);
    let mut events = Vec::new();
    while let Some(event) = decoder.next().unwrap() {
        events.push(event);
    }
    events.extend(decoder.finish().unwrap());
    events
}

/// The text of every channel of a stream, as a client puts it together.
pub(crate) fn texts(operation: Operation, bytes: &[u8]) -> BTreeMap<String, String> {
    let mut reader = StreamReader::new(operation);
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for event in events(bytes) {
        let frame = reader.frame(&event, &Limits::DEFAULT).unwrap();
        for piece in frame.pieces {
            texts
                .entry(piece.channel.to_string())
                .or_default()
                .push_str(&piece.span.text);
        }
    }
    texts
}
