//! The record of one exchange: filled as it goes, written once when it ends, however it ends.

use std::sync::Arc;
use std::time::Duration;

use testudo_dialects::{Operation, Usage};
use testudo_types::{Action, Clock, ExchangeId, Millis, PolicyName, Principal, RouteName, ThreatKind, UpstreamName};

use crate::guard::{FindingLog, Seen};
use crate::limits::Reservation;
use crate::metrics::{Counted, HeldBytes, Metrics};

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Delivered whole, byte for byte.
    Delivered,
    /// Delivered whole, with something masked.
    Masked,
    /// Stopped by a guard.
    Blocked,
    /// Refused before it reached the upstream: malformed, unknown route, too large.
    Refused,
    /// No valid key.
    Unauthenticated,
    /// Policy does not let the caller use the route or model.
    Forbidden,
    /// Over a limit.
    Limited,
    /// The upstream failed or timed out.
    UpstreamFailed,
    /// The client went away before the end.
    ClientGone,
}

impl Outcome {
    /// The name used in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Masked => "masked",
            Self::Blocked => "blocked",
            Self::Refused => "refused",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Limited => "limited",
            Self::UpstreamFailed => "upstream_failed",
            Self::ClientGone => "client_gone",
        }
    }
}

/// Filled on the way; its drop writes the line, counts, and settles what was reserved.
#[derive(Debug)]
pub(crate) struct Record {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    _in_flight: Counted,
    pub(crate) id: ExchangeId,
    started: Millis,
    pub(crate) route: Option<RouteName>,
    pub(crate) upstream: Option<UpstreamName>,
    pub(crate) operation: Option<Operation>,
    pub(crate) principal: Option<Principal>,
    pub(crate) policies: Vec<PolicyName>,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) findings: FindingLog,
    pub(crate) usage: Option<Usage>,
    pub(crate) status: u16,
    pub(crate) streamed: bool,
    pub(crate) edited: bool,
    /// The upstream may have seen the request.
    pub(crate) forwarded: bool,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    first_byte_ms: Option<u64>,
    /// Why, in words from code and never from the exchange.
    pub(crate) detail: &'static str,
    outcome: Outcome,
}

impl Record {
    pub(crate) fn open(clock: Arc<dyn Clock>, metrics: Arc<Metrics>, id: ExchangeId) -> Self {
        let started = clock.monotonic();
        Self {
            clock,
            _in_flight: metrics.in_flight(),
            metrics,
            id,
            started,
            route: None,
            upstream: None,
            operation: None,
            principal: None,
            policies: Vec::new(),
            reservation: None,
            findings: FindingLog::default(),
            usage: None,
            status: 0,
            streamed: false,
            edited: false,
            forwarded: false,
            request_bytes: 0,
            response_bytes: 0,
            first_byte_ms: None,
            detail: "",
            // What is true when nobody says otherwise: the exchange was dropped.
            outcome: Outcome::ClientGone,
        }
    }

    /// An account of bytes that its stream holds back.
    pub(crate) fn held_bytes(&self) -> HeldBytes {
        self.metrics.held_bytes()
    }

    /// Says how the exchange ended; the first to say so is right.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if self.outcome == Outcome::ClientGone {
            self.outcome = outcome;
        }
    }

    /// The first byte of the answer is on its way to the client.
    pub(crate) fn first_byte(&mut self) {
        if self.first_byte_ms.is_none() {
            self.first_byte_ms = Some(self.clock.monotonic().since(self.started));
        }
    }

    fn action(&self) -> Action {
        self.findings
            .counts()
            .map(|(_, _, action, _)| action)
            .max()
            .unwrap_or(Action::Pass)
    }

    fn rules(&self) -> String {
        let mut names: Vec<&str> = self
            .findings
            .kept()
            .iter()
            .map(|seen: &Seen| seen.finding.rule.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(16);
        names.join(",")
    }

    fn count(&self, duration_ms: u64) {
        let series = self.metrics.of(self.route.as_ref());
        let operation = self.operation.map_or("", Operation::as_str);
        series.exchange_ended(operation, self.outcome.as_str(), Duration::from_millis(duration_ms));
        if let Some(first) = self.first_byte_ms {
            series.first_chunk(operation, Duration::from_millis(first));
        }
        if self.outcome > Outcome::Blocked {
            series.refused(self.outcome.as_str(), self.detail);
        }
        if let Some(usage) = self.usage {
            series.tokens(usage.input_tokens, usage.output_tokens);
        }
        for (direction, kind, action, count) in self.findings.counts() {
            series.findings(direction, kind, action, count);
            if kind == ThreatKind::Unscannable {
                series.guard_gap(direction, kind.as_str());
            }
        }
    }

    fn write_line(&self, duration_ms: u64) {
        let findings: u64 = self.findings.counts().map(|(_, _, _, count)| count).sum();
        let policies: Vec<&str> = self.policies.iter().map(PolicyName::as_str).collect();
        tracing::info!(
            target: "testudo::exchange",
            id = self.id.as_str(),
            route = self.route.as_ref().map_or("", RouteName::as_str),
            upstream = self.upstream.as_ref().map_or("", UpstreamName::as_str),
            operation = self.operation.map_or("", Operation::as_str),
            tenant = self.principal.as_ref().map_or("", |it| it.tenant.as_str()),
            key = self.principal.as_ref().map_or("", |it| it.key.as_str()),
            outcome = self.outcome.as_str(),
            detail = self.detail,
            status = self.status,
            streamed = self.streamed,
            edited = self.edited,
            action = self.action().as_str(),
            findings,
            rules = self.rules(),
            policies = policies.join(","),
            input_tokens = self.usage.and_then(|it| it.input_tokens),
            output_tokens = self.usage.and_then(|it| it.output_tokens),
            request_bytes = self.request_bytes,
            response_bytes = self.response_bytes,
            first_byte_ms = self.first_byte_ms,
            duration_ms,
            "exchange"
        );
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            match self.usage {
                Some(usage) => reservation.settle(usage.input_tokens, usage.output_tokens),
                None if !self.forwarded => reservation.release(),
                // The upstream did not say: the estimate stands.
                None => drop(reservation),
            }
        }
        if self.edited && self.outcome == Outcome::Delivered {
            self.outcome = Outcome::Masked;
        }
        let duration_ms = self.clock.monotonic().since(self.started);
        self.count(duration_ms);
        self.write_line(duration_ms);
    }
}
