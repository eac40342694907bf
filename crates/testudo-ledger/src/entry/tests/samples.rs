//! Entries of every kind, fixed and generated.

use proptest::prelude::*;
use testudo_types::{Action, Severity, Verdict};

use crate::entry::{
    ActorProof, AdminLogin, Alarm, AlarmState, Approval, ApprovalDecision, Artifact, Begun, Body, Chain, Commitment,
    Configuration, ConfigurationAction, Data, Decision, Digest, Direction, Entry, Erasure, Evidence, EvidenceResult,
    Exchange, FindingCount, Gap, Hold, Incident, IndexRange, Key, KeyAction, LegalHold, LegalHoldAction, NUMBER_MAX,
    PayloadRead, PayloadRef, PrincipalPseudonym, Ranges, Recorder, RecorderAction, Retention, Rotation, RotationOf,
    SubjectPseudonym, TenantPseudonym,
};

const DIGEST: Digest = Digest::from_bytes([9; 32]);
const PRINCIPAL: PrincipalPseudonym = PrincipalPseudonym::from_bytes([2; 16]);
const SUBJECT: SubjectPseudonym = SubjectPseudonym::from_bytes([3; 16]);

pub(super) fn entry(body: Body) -> Entry {
    Entry {
        at: 1_790_000_000_123,
        tenant: Some(TenantPseudonym::from_bytes([1; 16])),
        principal: Some(PRINCIPAL),
        payload: Some(PayloadRef {
            bytes: 42,
            commitment: Commitment::from_bytes([7; 32]),
            subject: SUBJECT,
        }),
        body,
    }
}

fn exchange() -> Exchange {
    Exchange {
        action: Action::Mask,
        detail: String::new(),
        duration_ms: 1234,
        edited: true,
        findings: vec![
            FindingCount {
                action: Action::Mask,
                count: 2,
                direction: Direction::Request,
                kind: "personal_data".to_owned(),
                rule: "personal.email".to_owned(),
            },
            FindingCount {
                action: Action::Observe,
                count: 1,
                direction: Direction::Response,
                kind: "injection".to_owned(),
                rule: "owasp-llm:2025:LLM01".to_owned(),
            },
        ],
        findings_omitted: None,
        first_byte_ms: Some(321),
        forwarded: true,
        id: "ex_0123456789abcdef".to_owned(),
        input_tokens: Some(17),
        model: Some("gpt-4o".to_owned()),
        model_version: None,
        operation: "chat".to_owned(),
        outcome: "completed".to_owned(),
        output_tokens: None,
        policies: vec!["default".to_owned()],
        policy_digest: DIGEST,
        request_bytes: 512,
        response_bytes: 2048,
        route: "openai".to_owned(),
        scanned_request: vec!["injection".to_owned(), "personal_data".to_owned()],
        scanned_response: Vec::new(),
        status: 200,
        streamed: false,
        upstream: "openai".to_owned(),
        verdict: Verdict::Modify,
    }
}

fn decided() -> Vec<Body> {
    vec![
        exchange().into(),
        Body::Begun(Begun {
            action: Action::Pass,
            id: "ex_1".to_owned(),
            model: None,
            model_version: None,
            operation: "chat".to_owned(),
            policy_digest: DIGEST,
            route: "openai".to_owned(),
            upstream: "openai".to_owned(),
            verdict: Verdict::Allow,
        }),
        Body::Decision(Decision {
            action: Action::Block,
            exchange: None,
            policies: vec!["tools".to_owned()],
            reasons: vec!["label_conflict".to_owned()],
            subject: "tool:send_mail".to_owned(),
            verdict: Verdict::Deny,
        }),
        Body::Hold(Hold {
            argument_digest: DIGEST,
            exchange: Some("ex_1".to_owned()),
            expires_at: 1_790_000_060_000,
            id: "hold_1".to_owned(),
            policy_digest: DIGEST,
            tool: "send \"mail\" \\ é".to_owned(),
        }),
        Body::Approval(Approval {
            approver: PRINCIPAL,
            decision: ApprovalDecision::Deny,
            hold: "hold_1".to_owned(),
            quorum: 2,
        }),
        Body::Key(Key {
            action: KeyAction::Create,
            expires_at: None,
            key: PRINCIPAL,
            routes: 3,
        }),
        Body::Configuration(Configuration {
            action: ConfigurationAction::Refuse,
            digest: DIGEST,
            problems: 2,
        }),
        Body::AdminLogin(AdminLogin {
            method: "password".to_owned(),
            principal: None,
            success: false,
        }),
    ]
}

fn operated() -> Vec<Body> {
    vec![
        Body::Artifact(Artifact {
            action: "promote:prod".to_owned(),
            chain: Some(Chain {
                hash: DIGEST,
                place: DIGEST,
                statements: 3,
            }),
            digest: DIGEST,
            name: Some("classifier".to_owned()),
            proof: Some(ActorProof::Key),
            version: None,
        }),
        Body::Data(Data {
            action: "scan".to_owned(),
            digest: DIGEST,
            rows: Some(0),
        }),
        Body::Alarm(Alarm {
            name: "disk_free_bytes".to_owned(),
            severity: Severity::Critical,
            state: AlarmState::Fire,
            value: Some(-1),
        }),
        Body::Incident(Incident {
            id: "inc_1".to_owned(),
            state: "contained".to_owned(),
            step: "revoke_key".to_owned(),
        }),
        Body::Evidence(Evidence {
            control: "aiuc-1:2025:B001".to_owned(),
            digest: None,
            result: EvidenceResult::Pass,
        }),
    ]
}

fn kept() -> Vec<Body> {
    let ranges = Ranges::new(vec![
        IndexRange { first: 0, last: 0 },
        IndexRange { first: 7, last: 300 },
    ])
    .unwrap();
    vec![
        Body::PayloadRead(PayloadRead {
            index: 7,
            purpose: "incident".to_owned(),
            reader: "auditor".to_owned(),
        }),
        Body::Erasure(Erasure {
            approver: PRINCIPAL,
            basis: "gdpr_17_1_b".to_owned(),
            payloads: 3,
            ranges: ranges.clone(),
            request: "req-7".to_owned(),
            subject: SUBJECT,
        }),
        Body::LegalHold(LegalHold {
            action: LegalHoldAction::Set,
            reason: "case_12".to_owned(),
            subject: SUBJECT,
        }),
        Body::Retention(Retention {
            before_at: 1_780_000_000_000,
            class: "exchange".to_owned(),
            payloads: 295,
            ranges,
            regimes: vec!["ai_act_19".to_owned()],
        }),
        Body::Rotation(Rotation {
            from: "kek_1".to_owned(),
            to: "kek_2".to_owned(),
            what: RotationOf::EncryptionKey,
        }),
        Body::Gap(Gap {
            count: 12,
            from_at: 1,
            reason: "disk_full".to_owned(),
            to_at: 2,
        }),
        Body::Recorder(Recorder {
            action: RecorderAction::Start,
            size: 0,
            version: "0.0.0".to_owned(),
        }),
    ]
}

/// One of each kind, in the order of [`Body::KINDS`].
pub(super) fn bodies() -> Vec<Body> {
    [decided(), operated(), kept()].concat()
}

/// Entries that cannot be written as they are, with how many findings they count.
pub(super) fn oversized() -> Vec<(Entry, u64)> {
    let worst = "\"\u{7}é".repeat(400);
    let finding = FindingCount {
        kind: worst.clone(),
        rule: worst.clone(),
        count: u64::MAX,
        ..exchange().findings[0].clone()
    };
    let everything = Exchange {
        detail: worst.clone(),
        findings: vec![finding; 5000],
        id: worst.clone(),
        model: Some(worst.clone()),
        model_version: Some(worst.clone()),
        operation: worst.clone(),
        outcome: worst.clone(),
        policies: vec![worst.clone(); 300],
        route: worst.clone(),
        scanned_request: vec![worst.clone(); 300],
        scanned_response: vec![worst.clone(); 300],
        upstream: worst.clone(),
        duration_ms: u64::MAX,
        ..exchange()
    };
    let spread = Ranges::join((NUMBER_MAX.saturating_sub(3000)..NUMBER_MAX).step_by(2)).remove(0);
    assert_eq!(spread.as_slice().len(), Ranges::MAX);
    let deleted = Retention {
        before_at: u64::MAX,
        class: worst.clone(),
        payloads: u64::MAX,
        ranges: spread,
        regimes: vec![worst.clone(); 500],
    };
    let many = Exchange {
        findings: vec![exchange().findings[0].clone(); 300],
        findings_omitted: Some(4),
        ..exchange()
    };
    let mut late = entry(Body::Alarm(Alarm {
        name: worst,
        severity: Severity::Low,
        state: AlarmState::Resolve,
        value: Some(i64::MIN),
    }));
    late.at = u64::MAX;
    vec![
        (entry(everything.into()), 5000),
        (entry(deleted.into()), 0),
        (entry(many.into()), 304),
        (late, 0),
    ]
}

/// Entries with one flaw, and the member that has it.
pub(super) fn unwritable() -> Vec<(Entry, &'static str)> {
    let with = |change: &dyn Fn(&mut Exchange)| {
        let mut changed = exchange();
        change(&mut changed);
        entry(changed.into())
    };
    let mut payload = entry(exchange().into());
    payload.payload.as_mut().unwrap().bytes = NUMBER_MAX + 1;
    vec![
        (with(&|e| e.route = "a\nb".to_owned()), "route"),
        (with(&|e| e.route = "x".repeat(257)), "route"),
        (with(&|e| e.model = Some("\u{9b}".to_owned())), "model"),
        (
            with(&|e| e.model_version = Some("m@\u{85}".to_owned())),
            "model_version",
        ),
        (with(&|e| e.duration_ms = NUMBER_MAX + 1), "duration_ms"),
        (with(&|e| e.input_tokens = Some(u64::MAX)), "input_tokens"),
        (with(&|e| e.findings[1].rule = "\0".to_owned()), "rule"),
        (with(&|e| e.findings[0].count = u64::MAX), "count"),
        (with(&|e| e.policies = vec![String::new(); 257]), "policies"),
        (with(&|e| e.scanned_request = vec!["\r".to_owned()]), "scanned_request"),
        (with(&|e| e.policies = vec!["x".repeat(256); 256]), "body"),
        (payload, "bytes"),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    "[\"\\\\a-z{}\\[\\],:é😀\u{200b}]{0,12}"
}

fn any_exchange() -> impl Strategy<Value = Body> {
    let texts = || proptest::collection::vec(any_text(), 0..4);
    let number = || 0..=NUMBER_MAX;
    let finding = (any_text(), any_text(), number()).prop_map(|(kind, rule, count)| FindingCount {
        action: Action::Hold,
        count,
        direction: Direction::Response,
        kind,
        rule,
    });
    (
        (texts(), texts(), texts(), any_text(), any_text(), any_text()),
        (number(), number(), any::<u16>(), any::<[bool; 3]>(), any::<[u8; 32]>()),
        proptest::collection::vec(finding, 0..4),
        (
            proptest::option::of(number()),
            proptest::option::of(number()),
            proptest::option::of(any_text()),
        ),
    )
        .prop_map(|(texts, numbers, findings, options)| {
            let (policies, scanned_request, scanned_response, id, route, detail) = texts;
            let (duration_ms, request_bytes, status, [edited, forwarded, streamed], digest) = numbers;
            let (input_tokens, findings_omitted, model) = options;
            Body::Exchange(Exchange {
                detail,
                duration_ms,
                edited,
                findings,
                findings_omitted,
                forwarded,
                id,
                input_tokens,
                model_version: model.clone(),
                model,
                policies,
                policy_digest: Digest::from_bytes(digest),
                request_bytes,
                route,
                scanned_request,
                scanned_response,
                status,
                streamed,
                ..exchange()
            })
        })
}

fn any_small() -> impl Strategy<Value = Body> {
    (
        any_text(),
        proptest::option::of(-9_007_199_254_740_991_i64..=9_007_199_254_740_991),
        proptest::collection::vec(0..3000_u64, 0..40),
    )
        .prop_flat_map(|(name, value, mut indexes)| {
            indexes.sort_unstable();
            let alarm = Alarm {
                name: name.clone(),
                severity: Severity::Medium,
                state: AlarmState::Resolve,
                value,
            };
            let retention = Retention {
                before_at: 1,
                class: name,
                payloads: 2,
                ranges: Ranges::join(indexes).pop().unwrap_or_default(),
                regimes: Vec::new(),
            };
            prop_oneof![Just(Body::Alarm(alarm)), Just(Body::Retention(retention))]
        })
}

pub(super) fn any_entry() -> impl Strategy<Value = Entry> {
    (
        0..=NUMBER_MAX,
        proptest::option::of(any::<[u8; 16]>()),
        proptest::option::of(any::<[u8; 16]>()),
        proptest::option::of((0..=NUMBER_MAX, any::<[u8; 32]>(), any::<[u8; 16]>())),
        prop_oneof![
            4 => any_exchange(),
            2 => any_small(),
            1 => proptest::sample::select(bodies()),
        ],
    )
        .prop_map(|(at, tenant, principal, payload, body)| Entry {
            at,
            tenant: tenant.map(TenantPseudonym::from_bytes),
            principal: principal.map(PrincipalPseudonym::from_bytes),
            payload: payload.map(|(bytes, commitment, subject)| PayloadRef {
                bytes,
                commitment: Commitment::from_bytes(commitment),
                subject: SubjectPseudonym::from_bytes(subject),
            }),
            body,
        })
}

/// Exchanges as hostile callers and large configurations may make them.
pub(super) fn any_oversized() -> impl Strategy<Value = Entry> {
    let text =
        || (any::<char>(), 0..400_usize, "\\PC{0,8}").prop_map(|(it, count, end)| it.to_string().repeat(count) + &end);
    let texts = || (text(), 0..400_usize).prop_map(|(it, count)| vec![it; count]);
    (text(), texts(), texts(), texts(), any::<u64>()).prop_map(|(model, policies, scanned, rules, number)| {
        let finding = |rule: &String| FindingCount {
            count: number,
            kind: rule.clone(),
            rule: rule.clone(),
            ..exchange().findings[0].clone()
        };
        entry(Body::Exchange(Exchange {
            findings: rules.iter().map(finding).collect(),
            duration_ms: number,
            detail: model.clone(),
            id: model.clone(),
            model: Some(model.clone()),
            model_version: Some(model),
            policies,
            scanned_request: scanned.clone(),
            scanned_response: scanned,
            ..exchange()
        }))
    })
}

/// A small change of bytes, made of what JSON is made of.
#[derive(Debug, Clone)]
pub(super) struct Change {
    place: prop::sample::Index,
    insert: &'static str,
    remove: usize,
}

impl Change {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        let start = self.place.index(bytes.len().saturating_add(1));
        let end = bytes.len().min(start.saturating_add(self.remove));
        bytes.splice(start..end, self.insert.bytes());
    }
}

pub(super) fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    const PIECES: &[&str] = &[
        "", " ", "\n", ",", ":", "\"", "\\", "{", "}", "[", "]", "0", "-", "-0", "1e3", "1.0", "null", "true",
        "\\u0061", "\\/", "a", "é", "\u{7f}", ",\"v\":1", "\"x\":1,", "{}", "[]", "\"\"",
    ];
    let change = (
        any::<prop::sample::Index>(),
        proptest::sample::select(PIECES),
        0..3_usize,
    );
    proptest::collection::vec(
        change.prop_map(|(place, insert, remove)| Change { place, insert, remove }),
        1..3,
    )
}
