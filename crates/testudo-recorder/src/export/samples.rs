//! One entry of each type, with every optional member there and absent, for tests and for the check of exports.

use testudo_ledger::entry::{
    ActorProof, AdminLogin, Alarm, AlarmState, Approval, ApprovalDecision, Artifact, Begun, Body, Chain, Commitment,
    Configuration, ConfigurationAction, Data, Decision, Digest, Direction, Entry, Erasure, Evidence, EvidenceResult,
    Exchange, FindingCount, Gap, Hold, Incident, IndexRange, Key, KeyAction, LegalHold, LegalHoldAction, PayloadRead,
    PayloadRef, PrincipalPseudonym, Ranges, Recorder, RecorderAction, Retention, Rotation, RotationOf,
    SubjectPseudonym, TenantPseudonym,
};
use testudo_types::{Action, Severity, Verdict};

/// 14 November 2026, 12:00 UTC.
const AT: u64 = 1_794_657_600_000;
const DIGEST: Digest = Digest::from_bytes([0xd1; 32]);
const PERSON: PrincipalPseudonym = PrincipalPseudonym::from_bytes([0xaa; 16]);
const SUBJECT: SubjectPseudonym = SubjectPseudonym::from_bytes([0xbb; 16]);

/// Entries, at least one of each type and of each way it can end.
pub(crate) fn samples() -> Vec<Entry> {
    let bodies = [exchanges(), decisions(), changes(), operations(), keeping()].concat();
    let each = (AT..).zip(bodies);
    each.flat_map(|(at, body)| [whole(at, body.clone()), bare(at, body)])
        .collect()
}

fn whole(at: u64, body: Body) -> Entry {
    Entry {
        at,
        tenant: Some(TenantPseudonym::from_bytes([0xcc; 16])),
        principal: Some(PERSON),
        payload: Some(PayloadRef {
            bytes: 4_096,
            commitment: Commitment::from_bytes([0xee; 32]),
            subject: SUBJECT,
        }),
        body,
    }
}

fn bare(at: u64, body: Body) -> Entry {
    Entry {
        at,
        tenant: None,
        principal: None,
        payload: None,
        body,
    }
}

fn exchanges() -> Vec<Body> {
    let actions = [
        (Verdict::Allow, Action::Pass, "completed", 200),
        (Verdict::Warn, Action::Observe, "completed", 200),
        (Verdict::Modify, Action::Mask, "masked", 200),
        (Verdict::Escalate, Action::Hold, "held", 409),
        (Verdict::Deny, Action::Block, "blocked", 403),
    ];
    let mut bodies: Vec<Body> = actions
        .iter()
        .map(|(verdict, action, outcome, status)| exchange(*verdict, *action, outcome, *status).into())
        .collect();
    bodies.push(
        Exchange {
            findings: Vec::new(),
            findings_omitted: None,
            first_byte_ms: None,
            input_tokens: None,
            model: None,
            output_tokens: None,
            policies: Vec::new(),
            ..exchange(Verdict::Deny, Action::Block, "unauthenticated", 401)
        }
        .into(),
    );
    for model in [Some("large-model".to_owned()), None] {
        bodies.push(
            Begun {
                action: Action::Pass,
                id: "ex_2".to_owned(),
                model,
                model_version: None,
                operation: "chat".to_owned(),
                policy_digest: DIGEST,
                route: "chat".to_owned(),
                upstream: "provider".to_owned(),
                verdict: Verdict::Allow,
            }
            .into(),
        );
    }
    bodies
}

fn exchange(verdict: Verdict, action: Action, outcome: &str, status: u16) -> Exchange {
    let finding = |direction, kind: &str, rule: &str| FindingCount {
        action,
        count: 2,
        direction,
        kind: kind.to_owned(),
        rule: rule.to_owned(),
    };
    Exchange {
        action,
        detail: "=1+1".to_owned(),
        duration_ms: 812,
        edited: action == Action::Mask,
        findings: vec![
            finding(Direction::Request, "personal_data", "pack.email"),
            finding(Direction::Response, "injection", "owasp-llm:2025:LLM01"),
            finding(Direction::Response, "of_a_newer_kind", "other \"quoted\", rule"),
        ],
        findings_omitted: Some(3),
        first_byte_ms: Some(240),
        forwarded: true,
        id: "ex_1".to_owned(),
        input_tokens: Some(512),
        model: Some("large-model".to_owned()),
        model_version: Some("large@874230e7607febb0eef0f409bd266cab2267a578b2f12a5c41ed2ad913b28383".to_owned()),
        operation: "chat".to_owned(),
        outcome: outcome.to_owned(),
        output_tokens: Some(128),
        policies: vec!["default".to_owned(), "no-secrets".to_owned()],
        policy_digest: DIGEST,
        request_bytes: 2_048,
        response_bytes: 1_024,
        route: "chat".to_owned(),
        scanned_request: vec!["personal_data".to_owned()],
        scanned_response: vec!["injection".to_owned()],
        status,
        streamed: true,
        upstream: "provider".to_owned(),
        verdict,
    }
}

fn decisions() -> Vec<Body> {
    let decision = |exchange| Decision {
        action: Action::Block,
        exchange,
        policies: vec!["tools".to_owned()],
        reasons: vec!["argument_not_named".to_owned()],
        subject: "tool:send_mail".to_owned(),
        verdict: Verdict::Deny,
    };
    let hold = |exchange| Hold {
        argument_digest: DIGEST,
        exchange,
        expires_at: AT.saturating_add(60_000),
        id: "hold_1".to_owned(),
        policy_digest: DIGEST,
        tool: "send_mail".to_owned(),
    };
    let approval = |decision| Approval {
        approver: PERSON,
        decision,
        hold: "hold_1".to_owned(),
        quorum: 1,
    };
    vec![
        decision(Some("ex_3".to_owned())).into(),
        decision(None).into(),
        hold(Some("ex_3".to_owned())).into(),
        hold(None).into(),
        approval(ApprovalDecision::Approve).into(),
        approval(ApprovalDecision::Deny).into(),
    ]
}

fn changes() -> Vec<Body> {
    let mut bodies: Vec<Body> = Vec::new();
    for action in KeyAction::ALL {
        bodies.push(
            Key {
                action: *action,
                expires_at: (*action == KeyAction::Create).then_some(AT),
                key: PERSON,
                routes: 2,
            }
            .into(),
        );
    }
    for action in ConfigurationAction::ALL {
        bodies.push(
            Configuration {
                action: *action,
                digest: DIGEST,
                problems: 1,
            }
            .into(),
        );
    }
    for (principal, success) in [(Some(PERSON), true), (None, false)] {
        bodies.push(
            AdminLogin {
                method: "passkey".to_owned(),
                principal,
                success,
            }
            .into(),
        );
    }
    bodies
}

fn operations() -> Vec<Body> {
    let mut bodies: Vec<Body> = Vec::new();
    for action in ["admit", "refuse", "promote", "roll_back", "of_a_newer_kind"] {
        let name = (action != "refuse").then(|| "classifier".to_owned());
        bodies.push(
            Artifact {
                action: action.to_owned(),
                chain: (action == "promote").then_some(Chain {
                    hash: DIGEST,
                    place: DIGEST,
                    statements: 7,
                }),
                digest: DIGEST,
                proof: (action == "promote").then_some(ActorProof::Key),
                version: name.as_ref().map(|_| "3".to_owned()),
                name,
            }
            .into(),
        );
        bodies.push(
            Data {
                action: action.to_owned(),
                digest: DIGEST,
                rows: (action != "refuse").then_some(10),
            }
            .into(),
        );
    }
    for severity in [Severity::Low, Severity::Medium, Severity::High, Severity::Critical] {
        for state in AlarmState::ALL {
            bodies.push(
                Alarm {
                    name: "drift_percent".to_owned(),
                    severity,
                    state: *state,
                    value: (severity != Severity::Low).then_some(-7),
                }
                .into(),
            );
        }
    }
    for state in ["open", "contained", "closed"] {
        bodies.push(
            Incident {
                id: "inc_1".to_owned(),
                state: state.to_owned(),
                step: "notify".to_owned(),
            }
            .into(),
        );
    }
    for result in EvidenceResult::ALL {
        bodies.push(
            Evidence {
                control: "testudo:1:C7".to_owned(),
                digest: (*result == EvidenceResult::Pass).then_some(DIGEST),
                result: *result,
            }
            .into(),
        );
    }
    bodies
}

fn keeping() -> Vec<Body> {
    let ranges = Ranges::new(vec![IndexRange { first: 3, last: 9 }]).unwrap_or_default();
    let read = |reader: &str| PayloadRead {
        index: 7,
        purpose: "incident".to_owned(),
        reader: reader.to_owned(),
    };
    let mut bodies: Vec<Body> = vec![
        read(&PERSON.to_string()).into(),
        read("auditor").into(),
        Erasure {
            approver: PERSON,
            basis: "gdpr_17_1_b".to_owned(),
            payloads: 2,
            ranges: ranges.clone(),
            request: "req_1".to_owned(),
            subject: SUBJECT,
        }
        .into(),
        Retention {
            before_at: AT,
            class: "exchange".to_owned(),
            payloads: 2,
            ranges,
            regimes: vec!["ai_act_26_6".to_owned()],
        }
        .into(),
        Gap {
            count: 12,
            from_at: AT,
            reason: "disk_full".to_owned(),
            to_at: AT,
        }
        .into(),
    ];
    bodies.extend(LegalHoldAction::ALL.iter().map(|action| {
        Body::from(LegalHold {
            action: *action,
            reason: "case_7".to_owned(),
            subject: SUBJECT,
        })
    }));
    bodies.extend(RotationOf::ALL.iter().map(|what| {
        Body::from(Rotation {
            from: "kek_1".to_owned(),
            to: "kek_2".to_owned(),
            what: *what,
        })
    }));
    bodies.extend(RecorderAction::ALL.iter().map(|action| {
        Body::from(Recorder {
            action: *action,
            size: 41,
            version: "0.3.0".to_owned(),
        })
    }));
    bodies
}
