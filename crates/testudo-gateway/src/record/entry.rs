//! What the ledger is told of an exchange.

use std::collections::BTreeMap;

use testudo_ledger::entry::{Begun, Digest, Direction as Half, Exchange, FindingCount};
use testudo_recorder::Draft;
use testudo_types::{Action, Direction, ModelName, PolicyName, RouteName, UpstreamName, Verdict};

use super::{Outcome, Record};

impl Record {
    /// The entry of an exchange that has ended.
    pub(super) fn exchange_entry(&mut self, duration_ms: u64) -> Draft {
        let findings = self.finding_counts();
        let body = Exchange {
            action: self.action(),
            detail: self.detail.to_owned(),
            duration_ms,
            edited: self.edited,
            findings,
            findings_omitted: None,
            first_byte_ms: self.first_byte_ms,
            forwarded: self.forwarded,
            id: self.id.as_str().to_owned(),
            input_tokens: self.usage.and_then(|it| it.input_tokens),
            model: self.model.as_ref().map(|it| it.as_str().to_owned()),
            model_version: self.model_version.clone(),
            operation: self.operation.to_owned(),
            outcome: self.outcome.as_str().to_owned(),
            output_tokens: self.usage.and_then(|it| it.output_tokens),
            policies: self
                .policies
                .iter()
                .map(PolicyName::as_str)
                .map(str::to_owned)
                .collect(),
            policy_digest: Digest::from_bytes(self.policy_digest),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            route: self.route_name(),
            scanned_request: names(&self.scanned_request),
            scanned_response: names(&self.scanned_response),
            status: self.status,
            streamed: self.streamed,
            upstream: self.upstream_name(),
            verdict: self.verdict(),
        };
        let mut draft = Draft::new(body);
        if let Some(principal) = &self.principal {
            draft.tenant = Some(principal.tenant.clone());
            draft.principal = Some(principal.key.clone());
            draft.subject = self.subject.take();
            draft.content = self.content.take();
        }
        draft
    }

    /// The entry of a stream whose first byte is about to leave.
    pub(super) fn begun_entry(&self) -> Draft {
        let body = Begun {
            action: self.action(),
            id: self.id.as_str().to_owned(),
            model: self.model.as_ref().map(|it| ModelName::as_str(it).to_owned()),
            model_version: self.model_version.clone(),
            operation: self.operation.to_owned(),
            policy_digest: Digest::from_bytes(self.policy_digest),
            route: self.route_name(),
            upstream: self.upstream_name(),
            verdict: self.verdict(),
        };
        let mut draft = Draft::new(body);
        if let Some(principal) = &self.principal {
            draft.tenant = Some(principal.tenant.clone());
            draft.principal = Some(principal.key.clone());
        }
        draft
    }

    /// What was concluded, apart from what was done: an exchange whose client left is judged by its findings.
    fn verdict(&self) -> Verdict {
        match self.outcome {
            Outcome::Blocked
            | Outcome::Refused
            | Outcome::Unauthenticated
            | Outcome::Forbidden
            | Outcome::Limited
            | Outcome::Unrecorded => Verdict::Deny,
            Outcome::Held => Verdict::Escalate,
            Outcome::Delivered | Outcome::Masked | Outcome::UpstreamFailed | Outcome::ClientGone => {
                match self.action() {
                    Action::Block => Verdict::Deny,
                    Action::Hold => Verdict::Escalate,
                    Action::Mask => Verdict::Modify,
                    Action::Observe => Verdict::Warn,
                    Action::Pass => Verdict::Allow,
                }
            }
        }
    }

    /// Findings by rule; those beyond the ones kept whole stand under the name of their kind.
    fn finding_counts(&self) -> Vec<FindingCount> {
        let mut by_rule: BTreeMap<(&str, &str, &str, Action), u64> = BTreeMap::new();
        let mut named: BTreeMap<(&str, &str, Action), u64> = BTreeMap::new();
        for seen in self.findings.kept() {
            let half = seen.direction.as_str();
            let kind = seen.finding.kind.as_str();
            let action = seen.decision.action;
            let count = by_rule
                .entry((half, kind, seen.finding.rule.as_str(), action))
                .or_default();
            *count = count.saturating_add(1);
            let count = named.entry((half, kind, action)).or_default();
            *count = count.saturating_add(1);
        }
        for (direction, kind, action, count) in self.findings.counts() {
            let (half, kind) = (direction.as_str(), kind.as_str());
            let more = count.saturating_sub(named.get(&(half, kind, action)).copied().unwrap_or(0));
            if more > 0 {
                by_rule.insert((half, kind, kind, action), more);
            }
        }
        let request = Direction::Request.as_str();
        let calls = self.call_counts();
        let findings = by_rule
            .into_iter()
            .map(|((half, kind, rule, action), count)| FindingCount {
                action,
                count,
                direction: if half == request { Half::Request } else { Half::Response },
                kind: kind.to_owned(),
                rule: rule.to_owned(),
            });
        findings.chain(calls).collect()
    }

    /// Calls of tools, counted beside the findings: how many were asked for, and held for which reason.
    fn call_counts(&self) -> Vec<FindingCount> {
        let count = |action, rule: String, count| FindingCount {
            action,
            count,
            direction: Half::Response,
            kind: "call".to_owned(),
            rule,
        };
        let asked = [
            ("call.asked", self.calls.asked()),
            ("call.endorsed", self.calls.endorsed()),
            ("call.approved", self.calls.approved()),
        ];
        let asked = asked.into_iter().filter(|(_, times)| *times > 0);
        let held = self.calls.reasons();
        asked
            .map(|(rule, times)| count(Action::Pass, rule.to_owned(), times))
            .chain(held.map(|(reason, times)| count(Action::Hold, format!("call.{reason}"), times)))
            .collect()
    }

    fn route_name(&self) -> String {
        self.route.as_ref().map_or("", RouteName::as_str).to_owned()
    }

    fn upstream_name(&self) -> String {
        self.upstream.as_ref().map_or("", UpstreamName::as_str).to_owned()
    }
}

fn names(kinds: &[&'static str]) -> Vec<String> {
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}
