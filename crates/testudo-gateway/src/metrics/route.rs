//! The series of one route.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Histogram, Label};
use testudo_dialects::Operation;
use testudo_types::{Action, Direction, ThreatKind};

use super::labels::{ACTIONS, DIRECTIONS, GuardGap, Outcome, Table, UpstreamFailure, pair, place};
use super::{Metrics, names};
use crate::limits::{LimitKind, TokenUsage};

/// More classes of upstream errors than the program has.
const UPSTREAM_FAILURES_MAX: usize = 64;

/// Records what happens on one configured route.
pub struct RouteMetrics {
    metrics: Arc<Metrics>,
    /// Route, upstream and profile.
    labels: Vec<Label>,
    requests: Table<Counter>,
    findings: Table<Counter>,
    guard_gaps: Table<Counter>,
    limit_refusals: Table<Counter>,
    tokens: Table<Counter>,
    durations: Table<Histogram>,
    first_chunks: Table<Histogram>,
    guards: Table<Histogram>,
    upstream_errors: Mutex<BTreeMap<UpstreamFailure, Counter>>,
}

impl fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RouteMetrics").field(&self.labels).finish()
    }
}

impl RouteMetrics {
    pub(super) fn new(metrics: Arc<Metrics>, labels: Vec<Label>) -> Self {
        let operations = Operation::all().len();
        let of_two = |a: usize, b: usize| a.saturating_mul(b);
        Self {
            metrics,
            labels,
            requests: Table::of_len(of_two(operations, Outcome::ALL.len())),
            findings: Table::of_len(of_two(of_two(ThreatKind::ALL.len(), ACTIONS.len()), DIRECTIONS.len())),
            guard_gaps: Table::of_len(of_two(GuardGap::ALL.len(), DIRECTIONS.len())),
            limit_refusals: Table::of_len(LimitKind::ALL.len()),
            tokens: Table::of_len(2),
            durations: Table::of_len(operations),
            first_chunks: Table::of_len(operations),
            guards: Table::of_len(DIRECTIONS.len()),
            upstream_errors: Mutex::default(),
        }
    }

    /// An exchange ended; `duration` is from the request's head to the response's last byte.
    pub fn request_ended(&self, operation: Operation, outcome: Outcome, duration: Duration) {
        let own = operation_label(operation);
        let at = place(Operation::all(), &operation);
        let index = pair(at, place(&Outcome::ALL, &outcome), Outcome::ALL.len());
        count(
            self.requests
                .at(index, || self.counter(names::REQUESTS, &[own, ("outcome", outcome.as_str())])),
            1,
        );
        record(self.durations.at(at, || self.histogram(names::DURATION, &[own])), duration);
    }

    /// The first byte of a streamed response was given to the client.
    pub fn first_chunk(&self, operation: Operation, after: Duration) {
        let at = place(Operation::all(), &operation);
        let make = || self.histogram(names::FIRST_CHUNK, &[operation_label(operation)]);
        record(self.first_chunks.at(at, make), after);
    }

    /// A detector saw something.
    pub fn finding(&self, kind: ThreatKind, action: Action, direction: Direction) {
        let what = pair(place(&ThreatKind::ALL, &kind), place(&ACTIONS, &action), ACTIONS.len());
        let index = pair(what, place(&DIRECTIONS, &direction), DIRECTIONS.len());
        let own = [("kind", kind.as_str()), ("action", action.as_str()), ("direction", direction.as_str())];
        count(self.findings.at(index, || self.counter(names::FINDINGS, &own)), 1);
    }

    /// A guard did not scan something.
    pub fn guard_gap(&self, gap: GuardGap, direction: Direction) {
        let index = pair(place(&GuardGap::ALL, &gap), place(&DIRECTIONS, &direction), DIRECTIONS.len());
        let own = [("reason", gap.as_str()), ("direction", direction.as_str())];
        count(self.guard_gaps.at(index, || self.counter(names::GUARD_GAPS, &own)), 1);
    }

    /// Guards ran for this long over one direction of an exchange.
    pub fn guard_time(&self, direction: Direction, duration: Duration) {
        let make = || self.histogram(names::GUARD, &[("direction", direction.as_str())]);
        record(self.guards.at(place(&DIRECTIONS, &direction), make), duration);
    }

    /// A limit refused a request.
    pub fn limit_refused(&self, limit: LimitKind) {
        let make = || self.counter(names::LIMIT_REFUSALS, &[("limit", limit.as_str())]);
        count(self.limit_refusals.at(place(&LimitKind::ALL, &limit), make), 1);
    }

    /// What the model service says a request took.
    pub fn tokens(&self, usage: TokenUsage) {
        for (index, kind, tokens) in [(0, "input", usage.input), (1, "output", usage.output)] {
            let make = || self.counter(names::TOKENS, &[("gen_ai_token_type", kind)]);
            count(self.tokens.at(Some(index), make), tokens);
        }
    }

    /// The model service failed.
    pub fn upstream_error(&self, failure: UpstreamFailure) {
        let mut known = self.upstream_errors.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < UPSTREAM_FAILURES_MAX || known.contains_key(&failure) {
            known
                .entry(failure)
                .or_insert_with(|| self.counter(names::UPSTREAM_ERRORS, &[("error_type", failure.0)]))
                .increment(1);
        }
    }

    fn counter(&self, name: &'static str, own: &[(&'static str, &'static str)]) -> Counter {
        self.metrics.counter(name, &self.labels, own)
    }

    fn histogram(&self, name: &'static str, own: &[(&'static str, &'static str)]) -> Histogram {
        self.metrics.histogram(name, &self.labels, own)
    }
}

fn operation_label(operation: Operation) -> (&'static str, &'static str) {
    ("operation", operation.as_str())
}

fn count(counter: Option<&Counter>, by: u64) {
    if let Some(counter) = counter {
        counter.increment(by);
    }
}

fn record(histogram: Option<&Histogram>, duration: Duration) {
    if let Some(histogram) = histogram {
        histogram.record(duration.as_secs_f64());
    }
}
