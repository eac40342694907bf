//! The record of one exchange: filled as it goes, written once when it ends, however it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use testudo_dialects::Usage;
use testudo_recorder::{Pending, Slot, SubjectName};
use testudo_types::{
    Action, Clock, ExchangeId, Millis, ModelName, PolicyName, Principal, RouteName, ThreatKind, UpstreamName,
};

use crate::agent::CallTally;
use crate::guard::model::ModelWork;
use crate::guard::{FindingLog, Seen};
use crate::ledger::{Captured, Ledger, Unrecorded};
use crate::limits::Reservation;
use crate::metrics::{Counted, HeldBytes, Metrics};
use crate::settings::Recording;

mod entry;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Delivered whole, byte for byte.
    Delivered,
    /// Delivered whole, with something masked.
    Masked,
    /// Calls of the answer were held, and a text stands in their place.
    Held,
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
    /// It could not be recorded as its route asks, so it was refused or its answer withheld.
    Unrecorded,
}

impl Outcome {
    /// The name used in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Masked => "masked",
            Self::Held => "held",
            Self::Blocked => "blocked",
            Self::Refused => "refused",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Limited => "limited",
            Self::UpstreamFailed => "upstream_failed",
            Self::ClientGone => "client_gone",
            Self::Unrecorded => "unrecorded",
        }
    }
}

/// Filled on the way; its drop enters it into the ledger, writes the line, counts, and settles what was reserved.
#[derive(Debug)]
pub(crate) struct Record {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    ledger: Arc<Ledger>,
    place: Place,
    recording: Recording,
    _in_flight: Counted,
    pub(crate) id: ExchangeId,
    started: Millis,
    pub(crate) route: Option<RouteName>,
    pub(crate) upstream: Option<UpstreamName>,
    /// A name from code.
    pub(crate) operation: &'static str,
    pub(crate) principal: Option<Principal>,
    /// As the request names it, once policy has admitted it.
    pub(crate) model: Option<ModelName>,
    /// Which version of which artifact answers, where the route follows one.
    pub(crate) model_version: Option<String>,
    /// Whom the texts are about, as the client says.
    pub(crate) subject: Option<SubjectName>,
    pub(crate) policies: Vec<PolicyName>,
    /// Of the policies and settings that decide.
    pub(crate) policy_digest: [u8; 32],
    /// Kinds whose guards ran.
    pub(crate) scanned_request: Arc<[&'static str]>,
    pub(crate) scanned_response: Arc<[&'static str]>,
    pub(crate) content: Captured,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) findings: FindingLog,
    /// Calls of tools that the answer asked for.
    pub(crate) calls: CallTally,
    pub(crate) model_work: ModelWork,
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

/// Where the exchange's entry will stand.
#[derive(Debug)]
enum Place {
    /// No place was asked for: nobody with a valid key began this.
    None,
    Reserved(Slot),
    /// There was none to be had.
    Unavailable,
    /// The entry is on its way.
    Entered,
}

/// What all records are made with.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ledger: Arc<Ledger>,
}

impl Record {
    pub(crate) fn open(surroundings: Surroundings, id: ExchangeId) -> Self {
        let Surroundings { clock, metrics, ledger } = surroundings;
        let started = clock.monotonic();
        Self {
            clock,
            _in_flight: metrics.in_flight(),
            metrics,
            ledger,
            place: Place::None,
            recording: Recording::DEFAULT,
            id,
            started,
            route: None,
            upstream: None,
            operation: "",
            principal: None,
            model: None,
            model_version: None,
            subject: None,
            policies: Vec::new(),
            policy_digest: [0; 32],
            scanned_request: Arc::from([]),
            scanned_response: Arc::from([]),
            content: Captured::default(),
            reservation: None,
            findings: FindingLog::default(),
            calls: CallTally::default(),
            model_work: ModelWork::default(),
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

    /// Says how the route records; until then as when nothing is configured.
    pub(crate) fn record_as(&mut self, recording: Recording) {
        self.recording = recording;
        self.content.keep(recording.content);
    }

    /// Takes a place in the ledger, so that whatever happens from here on can be entered.
    pub(crate) fn reserve(&mut self) -> Result<(), Unrecorded> {
        self.place = Place::Unavailable;
        if let Some(slot) = self.ledger.reserve(self.recording.on_failure)? {
            self.place = Place::Reserved(slot);
        }
        Ok(())
    }

    /// Whether the answer waits for the entry.
    pub(crate) fn holds_answer(&self) -> bool {
        self.recording.holds_answers() && matches!(self.place, Place::Reserved(_))
    }

    /// Enters that a stream begins, and waits for that, where the route asks for it.
    pub(crate) async fn begin(&mut self) -> Result<(), Unrecorded> {
        if !self.holds_answer() {
            return Ok(());
        }
        let Recording { level, on_failure, .. } = self.recording;
        match self.ledger.reserve(on_failure)? {
            Some(slot) => {
                let pending = slot.append(self.begun_entry(), level);
                self.ledger.wait(pending, on_failure).await
            }
            None => Ok(()),
        }
    }

    /// Enters the exchange as it has ended; nothing when there is no place or it is entered already.
    pub(crate) fn enter(&mut self) -> Option<Confirmation> {
        self.judge_edits();
        let duration_ms = self.clock.monotonic().since(self.started);
        match std::mem::replace(&mut self.place, Place::Entered) {
            Place::Reserved(slot) => {
                let draft = self.exchange_entry(duration_ms);
                let pending = slot.append(draft, self.recording.level);
                return Some(Confirmation {
                    pending,
                    ledger: Arc::clone(&self.ledger),
                    recording: self.recording,
                });
            }
            Place::None => {
                let draft = self.exchange_entry(duration_ms);
                self.ledger.enter_unauthenticated(draft);
            }
            Place::Unavailable | Place::Entered => {}
        }
        None
    }

    /// Enters the exchange and waits for that, where the route asks for it.
    pub(crate) async fn settle(&mut self) -> Result<(), Unrecorded> {
        if !self.holds_answer() {
            return Ok(());
        }
        match self.enter() {
            Some(confirmation) => confirmation.reached().await,
            None => Ok(()),
        }
    }

    /// The answer was withheld because its entry failed, whatever the exchange was before.
    pub(crate) fn withheld(&mut self) {
        self.outcome = Outcome::Unrecorded;
    }

    fn judge_edits(&mut self) {
        if self.edited && self.outcome == Outcome::Delivered {
            self.outcome = Outcome::Masked;
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
            .max(if self.calls.is_held() {
                Action::Hold
            } else {
                Action::Pass
            })
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
        let series = self.metrics.toward(self.route.as_ref(), self.upstream.as_ref());
        let operation = self.operation;
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
        series.models(&self.model_work);
        series.allowed(self.findings.allowed());
        series.calls(&self.calls);
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
            model_version = self.model_version.as_deref(),
            operation = self.operation,
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
            calls = self.calls.asked(),
            calls_held = self.calls.held(),
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
        self.judge_edits();
        // Nobody waits for it any more.
        drop(self.enter());
        let duration_ms = self.clock.monotonic().since(self.started);
        self.count(duration_ms);
        self.write_line(duration_ms);
    }
}

/// An entry on its way to the level that its route asks for.
#[derive(Debug)]
pub(crate) struct Confirmation {
    pending: Pending,
    ledger: Arc<Ledger>,
    recording: Recording,
}

impl Confirmation {
    /// Waits for it.
    pub(crate) async fn reached(self) -> Result<(), Unrecorded> {
        self.ledger.wait(self.pending, self.recording.on_failure).await
    }

    /// The same, polled.
    pub(crate) fn poll_reached(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unrecorded>> {
        Pin::new(&mut self.pending).poll(cx).map(|outcome| match outcome {
            Ok(_receipt) => Ok(()),
            Err(error) => self.ledger.failed(&error, self.recording.on_failure),
        })
    }
}
