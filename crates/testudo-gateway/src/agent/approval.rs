//! Held calls that wait for a person: what is kept of them, and of the answer that asks for them.

use axum::body::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use testudo_bounded::json::Document;
use testudo_dialects::calls::{AskedCall, CallReader, Readings};
use testudo_dialects::sse::Decoder;
use testudo_policy::actions::{ActionFacts, Quantities};
use testudo_policy::provenance::{ArgumentFacts, ToolSpec, ToolSpecs};
use testudo_recorder::SubjectName;
use testudo_types::ExchangeId;

use super::case::{Case, HeldCall, Hold, Judged, Read};
use super::wording::{whence, why};
use crate::approvals::{self, ApprovalId, Approvals, EvidenceLine, Held, StoredAnswer, Taken};
use crate::record::Outcome;
use crate::refusal::Refusal;

/// Where held calls wait, and the request whose answer is kept.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) approvals: Approvals,
    /// SHA-256 of all of the request that makes it the same request.
    pub(crate) request: [u8; 32],
    /// Who the caller says it acts for, and who therefore cannot approve.
    pub(crate) subject: Option<SubjectName>,
}

impl Case {
    /// The answer that was kept for this request and is approved.
    ///
    /// # Errors
    /// It still waits, it was denied, or nobody can tell.
    pub(crate) async fn kept(&self) -> Result<Option<StoredAnswer>, Refusal> {
        let Some(waiting) = &self.waiting else { return Ok(None) };
        let key = &self.judge.principal.key;
        let taken = waiting
            .approvals
            .take_answer(key, &self.judge.route, &waiting.request, &self.policy);
        match taken.await {
            Ok(Taken::Nothing) => Ok(None),
            Ok(Taken::Released(answer, held)) => {
                self.release_kept(&answer.body, held);
                Ok(Some(answer))
            }
            Ok(Taken::Waiting(id)) => Err(Refusal::approval_required(&id)),
            Ok(Taken::Denied(id)) => Err(Refusal::approval_denied(&id)),
            Err(_) => Err(Refusal::new(
                Outcome::Refused,
                503,
                "approvals_unavailable",
                "it cannot be told now whether a call of this request was approved; try again later",
            )),
        }
    }

    /// Tells those who execute calls which ones a kept answer asks for, and counts those that were held: the others
    /// were counted when they were judged.
    pub(super) fn release_kept(&self, body: &[u8], mut held: Vec<(String, [u8; 32])>) {
        let mut released = Vec::new();
        for call in self.calls_of(body) {
            for reading in &call.readings {
                let read = Read::of(reading, &self.limits);
                let Some(canonical) = &read.canonical else { continue };
                let digest = approvals::sha256(canonical);
                let place = held.iter().position(|(tool, one)| *tool == read.tool && *one == digest);
                if let Some(place) = place {
                    held.swap_remove(place);
                    self.count_approved(&read);
                }
                released.push((read.tool, canonical.clone()));
            }
        }
        self.release(released);
    }

    /// The calls that a kept answer asks for, whole or streamed.
    fn calls_of(&self, body: &[u8]) -> Vec<AskedCall> {
        if let Ok(document) = Document::parse(body, &self.limits) {
            return Readings::of_answer(self.operation, document.root()).calls();
        }
        let mut decoder = Decoder::new(body.len());
        let mut reader = CallReader::new(self.operation);
        decoder.push(body);
        while let Ok(Some(event)) = decoder.next() {
            reader.event(&event, &self.limits);
        }
        reader.readings().calls()
    }

    fn count_approved(&self, read: &Read) {
        let arguments = read.arguments.as_ref().unwrap_or(&Value::Null);
        if let Some(quantity) = quantity_of(&self.settings.specs, &read.tool, arguments) {
            self.counted.approved(&self.judge.principal.key, &read.tool, quantity);
        }
    }

    /// Keeps an answer until its held calls are decided; `None` when they cannot wait, and are denied then.
    pub(crate) async fn wait(
        &self,
        judged: &Judged,
        exchange: &ExchangeId,
        (status, headers, body): (StatusCode, &HeaderMap, Bytes),
    ) -> Option<ApprovalId> {
        let waiting = self.waiting.as_ref().filter(|_| judged.asks_people())?;
        let calls: Option<Vec<approvals::HeldCall>> = judged.held.iter().map(held).collect();
        let mut held = Held::of(
            &self.judge.principal,
            self.judge.route.clone(),
            exchange.clone(),
            calls?,
            self.policy,
        );
        held.subject = waiting.subject.as_ref().map(|it| it.as_str().to_owned());
        held.read.clone_from(&judged.read);
        let groups = judged.held.iter().flat_map(|call| &call.approvers);
        held.approvers = groups.map(|group| group.0.to_string()).collect();
        let answer = StoredAnswer {
            request: waiting.request,
            status,
            headers: headers.clone(),
            body,
        };
        let opened = waiting.approvals.open(&held, Some(&answer)).await;
        opened
            .inspect_err(|error| tracing::warn!(target: "testudo::approvals", %error, "a call could not wait"))
            .ok()
    }
}

/// What a call adds to the sums of its key; `None` when it has no consequences.
pub(super) fn quantity_of(specs: &ToolSpecs, tool: &str, arguments: &Value) -> Option<Quantities> {
    let unknown = ToolSpec::unknown();
    let spec = specs.tool(tool).unwrap_or(&unknown);
    spec.effective()
        .is_consequential()
        .then(|| ActionFacts::of(spec, arguments).quantity)
}

/// A call for a person to decide; `None` when nobody may, or nobody could know what it is.
pub(super) fn held(call: &HeldCall) -> Option<approvals::HeldCall> {
    if matches!(call.hold, Hold::Forbidden(_) | Hold::Baited(_) | Hold::Unreadable) {
        return None;
    }
    let arguments = serde_json::to_vec(call.arguments.as_ref()?).ok()?;
    let mut held = approvals::HeldCall::new(&call.tool, &arguments).ok()?;
    held.reason = why(&call.hold);
    held.evidence = call.facts.iter().map(evidence).collect();
    Some(held)
}

fn evidence(fact: &ArgumentFacts) -> EvidenceLine {
    EvidenceLine {
        path: fact.path.clone(),
        value: fact.value.clone(),
        label: fact.provenance.label.as_str().to_owned(),
        where_from: whence(fact).trim_start_matches(", ").to_owned(),
    }
}
