//! The control socket's language: one line of JSON each way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testudo_ledger::entry::{ActorProof, Artifact, Chain, Digest, Evidence, EvidenceResult, Incident};
use zeroize::{Zeroize as _, Zeroizing};

use super::custodian::{
    Added, AddedBody, Addition, Erased, Erasure, Failure, FailureKind, Flushed, LegalHold, Opened, Opening, Retained,
    Retention, Rotated, Rotation, ShippingStatus, Status, WitnessStatus,
};
use super::members::{MemberError, Members};

/// Raised with every change of the language; both sides must have the same.
pub(super) const VERSION: u64 = 3;

/// Content travels as base64; this leaves room for 12 MiB of it.
pub(super) const REQUEST_BYTES_MAX: usize = 17 << 20;

/// Leaves room for 48 MiB of content.
pub(super) const ANSWER_BYTES_MAX: usize = 65 << 20;

/// More witnesses than anyone has.
const WITNESSES_MAX: usize = 256;

/// What the custodian is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Append(Addition),
    Erase(Erasure),
    Hold(LegalHold),
    Release(LegalHold),
    Retain(Retention),
    Rotate(Rotation),
    Open(Opening),
    Flush,
    Status,
}

/// An answer that can be told by its request.
pub(super) trait Answer: Sized {
    fn encode(self) -> Result<Zeroizing<String>, serde_json::Error>;
    fn decode(members: &mut Members) -> Result<Self, MemberError>;
}

impl Request {
    /// The request as one line, without the line's end.
    pub(super) fn encode(self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        let mut value = match self {
            Self::Append(it) => {
                let mut value = match it.body {
                    AddedBody::Artifact(artifact) => {
                        let mut value = json!({"op": "append", "type": "artifact", "action": artifact.action,
                            "digest": artifact.digest.to_string()});
                        set(&mut value, "name", artifact.name);
                        set(&mut value, "proof", artifact.proof.map(ActorProof::as_str));
                        if let Some(chain) = artifact.chain {
                            set(&mut value, "chain_hash", Some(chain.hash.to_string()));
                            set(&mut value, "chain_place", Some(chain.place.to_string()));
                            set(&mut value, "chain_statements", Some(chain.statements));
                        }
                        set(&mut value, "version", artifact.version);
                        value
                    }
                    AddedBody::Evidence(evidence) => {
                        let mut value = json!({"op": "append", "type": "evidence", "control": evidence.control,
                            "result": evidence.result.as_str()});
                        set(&mut value, "digest", evidence.digest.map(|it| it.to_string()));
                        value
                    }
                    AddedBody::Incident(incident) => json!({"op": "append", "type": "incident", "id": incident.id,
                        "state": incident.state, "step": incident.step}),
                };
                set(&mut value, "by", it.by);
                set(&mut value, "tenant", it.tenant.map(|it| it.as_str().to_owned()));
                set(&mut value, "subject", it.subject);
                set(&mut value, "content", it.content.map(|it| STANDARD.encode(&*it)));
                value
            }
            Self::Erase(it) => json!({"op": "erase", "tenant": it.tenant.as_str(), "subject": it.subject,
                "basis": it.basis, "request": it.request, "approver": it.approver}),
            Self::Hold(it) => legal_hold("hold", it),
            Self::Release(it) => legal_hold("release", it),
            Self::Retain(it) => json!({"op": "retain", "approver": it.approver}),
            Self::Rotate(it) => {
                let mut value = json!({"op": "rotate", "approver": it.approver});
                set(&mut value, "tenant", it.tenant.map(|it| it.as_str().to_owned()));
                value
            }
            Self::Open(it) => json!({"op": "open", "index": it.index, "reader": it.reader, "purpose": it.purpose}),
            Self::Flush => json!({"op": "flush"}),
            Self::Status => json!({"op": "status"}),
        };
        set(&mut value, "v", Some(VERSION));
        let line = serde_json::to_vec(&value).map(Zeroizing::new);
        wipe(&mut value, "content");
        line
    }

    /// Reads a line.
    pub(super) fn decode(line: &[u8]) -> Result<Self, MemberError> {
        let mut members = Members::parse(line)?;
        version(&mut members)?;
        let op = members.text("op")?;
        let request = Self::operation(&op, &mut members)?;
        members.finish()?;
        Ok(request)
    }

    fn operation(op: &str, it: &mut Members) -> Result<Self, MemberError> {
        Ok(match op {
            "append" => Self::Append(Addition {
                body: added_body(it)?,
                by: it.text_if_there("by")?,
                tenant: it.tenant_if_there("tenant")?,
                subject: it.text_if_there("subject")?,
                content: it.bytes_if_there("content")?,
            }),
            "erase" => Self::Erase(Erasure {
                tenant: it.tenant("tenant")?,
                subject: it.text("subject")?,
                basis: it.text("basis")?,
                request: it.text("request")?,
                approver: it.text("approver")?,
            }),
            "hold" => Self::Hold(legal_hold_of(it)?),
            "release" => Self::Release(legal_hold_of(it)?),
            "retain" => Self::Retain(Retention {
                approver: it.text("approver")?,
            }),
            "rotate" => Self::Rotate(Rotation {
                tenant: it.tenant_if_there("tenant")?,
                approver: it.text("approver")?,
            }),
            "open" => Self::Open(Opening {
                index: it.count("index")?,
                reader: it.text("reader")?,
                purpose: it.text("purpose")?,
            }),
            "flush" => Self::Flush,
            "status" => Self::Status,
            _ => return Err(MemberError::Operation),
        })
    }
}

fn legal_hold(op: &str, it: LegalHold) -> Value {
    json!({"op": op, "tenant": it.tenant.as_str(), "subject": it.subject, "reason": it.reason,
        "approver": it.approver})
}

fn legal_hold_of(it: &mut Members) -> Result<LegalHold, MemberError> {
    Ok(LegalHold {
        tenant: it.tenant("tenant")?,
        subject: it.text("subject")?,
        reason: it.text("reason")?,
        approver: it.text("approver")?,
    })
}

fn added_body(it: &mut Members) -> Result<AddedBody, MemberError> {
    let kind = |name, wanted| MemberError::Kind { name, wanted };
    match it.text("type")?.as_str() {
        "artifact" => artifact(it).map(AddedBody::Artifact),
        "evidence" => {
            let digest = it.text_if_there("digest")?;
            let digest = digest.map(|it| Digest::parse(&it)).transpose();
            Ok(AddedBody::Evidence(Evidence {
                control: it.text("control")?,
                digest: digest.map_err(|_| kind("digest", "64 hexadecimal digits"))?,
                result: EvidenceResult::from_name(&it.text("result")?)
                    .ok_or(kind("result", "`pass`, `fail` or `unknown`"))?,
            }))
        }
        "incident" => Ok(AddedBody::Incident(Incident {
            id: it.text("id")?,
            state: it.text("state")?,
            step: it.text("step")?,
        })),
        _ => Err(kind("type", "`artifact`, `evidence` or `incident`")),
    }
}

fn artifact(it: &mut Members) -> Result<Artifact, MemberError> {
    let kind = |name, wanted| MemberError::Kind { name, wanted };
    let digest = |name, text: String| Digest::parse(&text).map_err(|_| kind(name, "64 hexadecimal digits"));
    let chain = match it.count_if_there("chain_statements")? {
        None => None,
        Some(statements) => Some(Chain {
            hash: digest("chain_hash", it.text("chain_hash")?)?,
            place: digest("chain_place", it.text("chain_place")?)?,
            statements,
        }),
    };
    let proof = it.text_if_there("proof")?.map(|text| ActorProof::from_name(&text));
    Ok(Artifact {
        action: it.text("action")?,
        chain,
        digest: digest("digest", it.text("digest")?)?,
        name: it.text_if_there("name")?,
        proof: proof
            .map(|it| it.ok_or(kind("proof", "`key`, `user` or `said`")))
            .transpose()?,
        version: it.text_if_there("version")?,
    })
}

/// An answer as one line, without the line's end.
pub(super) fn encode_answer<T: Answer>(answer: Result<T, Failure>) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
    let (name, inner) = match answer {
        Ok(answer) => ("ok", answer.encode()?),
        Err(failure) => {
            let kind = kind_name(failure.kind);
            let inner = json!({"kind": kind, "message": failure.message, "remedy": failure.remedy});
            ("error", Zeroizing::new(inner.to_string()))
        }
    };
    // Room for everything at once: growing would leave pieces of the content behind.
    let mut line = Zeroizing::new(Vec::with_capacity(inner.len().saturating_add(32)));
    line.extend_from_slice(format!(r#"{{"v":{VERSION},"{name}":"#).as_bytes());
    line.extend_from_slice(inner.as_bytes());
    line.push(b'}');
    Ok(line)
}

/// Reads the answer to a request.
pub(super) fn decode_answer<T: Answer>(line: &[u8]) -> Result<Result<T, Failure>, MemberError> {
    let mut outer = Members::parse(line)?;
    version(&mut outer)?;
    let answer = match (outer.take("ok"), outer.take("error")) {
        (Some(ok), None) => {
            let mut members = Members::of(ok)?;
            let answer = T::decode(&mut members)?;
            members.finish()?;
            Ok(answer)
        }
        (None, Some(error)) => {
            let mut members = Members::of(error)?;
            let wanted = "a kind of failure";
            let kind = kind_of(&members.text("kind")?).ok_or(MemberError::Kind { name: "kind", wanted })?;
            let failure = Failure::new(kind, members.prose("message")?, members.prose("remedy")?);
            members.finish()?;
            Err(failure)
        }
        _ => return Err(MemberError::Missing("ok")),
    };
    outer.finish()?;
    Ok(answer)
}

fn version(members: &mut Members) -> Result<(), MemberError> {
    match members.count("v")? {
        VERSION => Ok(()),
        other => Err(MemberError::Version(other)),
    }
}

fn set(value: &mut Value, name: &str, member: Option<impl Into<Value>>) {
    if let (Value::Object(map), Some(member)) = (value, member) {
        map.insert(name.to_owned(), member.into());
    }
}

fn wipe(value: &mut Value, name: &str) {
    if let Some(Value::String(text)) = value.get_mut(name) {
        text.zeroize();
    }
}

const KINDS: [(FailureKind, &str); 6] = [
    (FailureKind::Refused, "refused"),
    (FailureKind::Missing, "missing"),
    (FailureKind::Unavailable, "unavailable"),
    (FailureKind::Late, "late"),
    (FailureKind::Unserved, "unserved"),
    (FailureKind::Protocol, "protocol"),
];

fn kind_name(kind: FailureKind) -> &'static str {
    KINDS.iter().find(|it| it.0 == kind).map_or("protocol", |it| it.1)
}

fn kind_of(name: &str) -> Option<FailureKind> {
    KINDS.iter().find(|it| it.1 == name).map(|it| it.0)
}

impl Answer for Added {
    fn encode(self) -> Result<Zeroizing<String>, serde_json::Error> {
        text(&json!({"index": self.index, "at": self.at_ms}))
    }

    fn decode(members: &mut Members) -> Result<Self, MemberError> {
        Ok(Self {
            index: members.count("index")?,
            at_ms: members.count("at")?,
        })
    }
}

impl Answer for Erased {
    fn encode(self) -> Result<Zeroizing<String>, serde_json::Error> {
        text(&json!({"index": self.index, "payloads": self.payloads}))
    }

    fn decode(members: &mut Members) -> Result<Self, MemberError> {
        Ok(Self {
            index: members.count("index")?,
            payloads: members.count("payloads")?,
        })
    }
}

impl Answer for Retained {
    fn encode(self) -> Result<Zeroizing<String>, serde_json::Error> {
        let mut value = json!({"deleted": self.deleted, "held": self.held});
        set(&mut value, "index", self.index);
        text(&value)
    }

    fn decode(members: &mut Members) -> Result<Self, MemberError> {
        Ok(Self {
            index: members.count_if_there("index")?,
            deleted: members.count("deleted")?,
            held: members.count("held")?,
        })
    }
}

impl Answer for Rotated {
    fn encode(self) -> Result<Zeroizing<String>, serde_json::Error> {
        text(&json!({"index": self.index, "wrapped": self.wrapped}))
    }

    fn decode(members: &mut Members) -> Result<Self, MemberError> {
        Ok(Self {
            index: members.count("index")?,
            wrapped: members.count("wrapped")?,
        })
    }
}

impl Answer for Flushed {
    fn encode(self) -> Result<Zeroizing<String>, serde_json::Error> {
        text(&json!({"size": self.size}))
    }

    fn decode(members: &mut Members) -> Result<Self, MemberError> {
        Ok(Self {
            size: members.count("size")?,
        })
    }
}

impl Answer for Opened {
    fn encode(self) -> Result<Zeroizing<String>, serde_json::Error> {
        let content = Zeroizing::new(STANDARD.encode(&*self.content));
        // Base64 needs no escapes.
        Ok(Zeroizing::new(format!(
            r#"{{"index":{},"content":"{}"}}"#,
            self.index, *content
        )))
    }

    fn decode(members: &mut Members) -> Result<Self, MemberError> {
        Ok(Self {
            index: members.count("index")?,
            content: members
                .bytes_if_there("content")?
                .ok_or(MemberError::Missing("content"))?,
        })
    }
}

impl Answer for Status {
    fn encode(self) -> Result<Zeroizing<String>, serde_json::Error> {
        let witnesses: Vec<Value> = self.witnesses.into_iter().map(witness).collect();
        let mut value = json!({"version": self.version, "origin": self.origin, "writable": self.writable,
            "size": self.size, "queue": self.queue, "witnesses": witnesses});
        set(&mut value, "checkpoint_age_ms", self.checkpoint_age_ms);
        set(&mut value, "last_error", self.last_error);
        set(&mut value, "shipping", self.shipping.map(shipping));
        text(&value)
    }

    fn decode(members: &mut Members) -> Result<Self, MemberError> {
        let witnesses = members.list("witnesses")?;
        if witnesses.len() > WITNESSES_MAX {
            return Err(MemberError::Kind {
                name: "witnesses",
                wanted: "a list of at most 256",
            });
        }
        Ok(Self {
            version: members.prose("version")?,
            origin: members.prose("origin")?,
            writable: members.flag("writable")?,
            size: members.count("size")?,
            queue: members.count("queue")?,
            checkpoint_age_ms: members.count_if_there("checkpoint_age_ms")?,
            last_error: members.prose_if_there("last_error")?,
            witnesses: witnesses.into_iter().map(witness_of).collect::<Result<_, _>>()?,
            shipping: members.take("shipping").map(shipping_of).transpose()?,
        })
    }
}

fn witness(status: WitnessStatus) -> Value {
    let mut value = json!({"name": status.name, "size": status.size});
    set(&mut value, "age_ms", status.age_ms);
    set(&mut value, "error", status.error);
    value
}

fn witness_of(value: Value) -> Result<WitnessStatus, MemberError> {
    let mut members = Members::of(value)?;
    let status = WitnessStatus {
        name: members.prose("name")?,
        size: members.count("size")?,
        age_ms: members.count_if_there("age_ms")?,
        error: members.prose_if_there("error")?,
    };
    members.finish()?;
    Ok(status)
}

fn shipping(status: ShippingStatus) -> Value {
    let mut value = json!({"size": status.size, "lag_entries": status.lag_entries, "lag_ms": status.lag_ms});
    set(&mut value, "alarm", status.alarm);
    set(&mut value, "error", status.error);
    value
}

fn shipping_of(value: Value) -> Result<ShippingStatus, MemberError> {
    let mut members = Members::of(value)?;
    let status = ShippingStatus {
        size: members.count("size")?,
        lag_entries: members.count("lag_entries")?,
        lag_ms: members.count("lag_ms")?,
        alarm: members.prose_if_there("alarm")?,
        error: members.prose_if_there("error")?,
    };
    members.finish()?;
    Ok(status)
}

fn text(value: &Value) -> Result<Zeroizing<String>, serde_json::Error> {
    serde_json::to_string(value).map(Zeroizing::new)
}
