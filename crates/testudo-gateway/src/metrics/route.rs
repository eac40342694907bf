//! The series of one route.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use metrics::{Counter, Histogram, Key, Label, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;
use testudo_types::{Action, Direction, ThreatKind};

use super::{METADATA, names};
use crate::agent::CallTally;
use crate::guard::model::ModelWork;

/// More series than the program's own constants can make on one route.
pub(super) const SERIES_MAX: usize = 2_048;

/// A label that the program itself names: the value is a constant, so it cannot come from a request.
type OwnLabel = (&'static str, &'static str);

/// Records what happens on one configured route, or before a route is known.
pub struct RouteMetrics {
    recorder: super::SharedRecorder,
    /// Route, upstream and profile, from configuration.
    labels: Vec<Label>,
    counters: Series<Counter>,
    histograms: Series<Histogram>,
}

impl fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RouteMetrics").field(&self.labels).finish()
    }
}

impl RouteMetrics {
    pub(super) fn new(recorder: super::SharedRecorder, labels: Vec<Label>) -> Self {
        Self {
            recorder,
            labels,
            counters: Series::default(),
            histograms: Series::default(),
        }
    }

    /// An exchange ended; `operation` and `outcome` are the names of variants, empty when not known.
    ///
    /// `duration` is from the request's head to the response's last byte.
    pub fn exchange_ended(&self, operation: &'static str, outcome: &'static str, duration: Duration) {
        self.count(names::REQUESTS, &[("operation", operation), ("outcome", outcome)], 1);
        self.time(names::DURATION, &[("operation", operation)], duration);
    }

    /// An exchange was refused or failed; `reason` is [`crate::auth::AuthError::as_str`],
    /// [`crate::limits::LimitKind::as_str`] or the class of an upstream error.
    pub fn refused(&self, outcome: &'static str, reason: &'static str) {
        self.count(names::REFUSALS, &[("outcome", outcome), ("error_type", reason)], 1);
    }

    /// The first byte of a streamed response was given to the client, so long after the request's head.
    pub fn first_chunk(&self, operation: &'static str, after: Duration) {
        self.time(names::FIRST_CHUNK, &[("operation", operation)], after);
    }

    /// Detectors saw the same thing so many times.
    pub fn findings(&self, direction: Direction, kind: ThreatKind, action: Action, times: u64) {
        let labels = [
            ("kind", kind.as_str()),
            ("action", action.as_str()),
            ("direction", direction.as_str()),
        ];
        self.count(names::FINDINGS, &labels, times);
    }

    /// So many values would have been findings and are on an allow-list.
    pub fn allowed(&self, times: u64) {
        if times > 0 {
            self.count(names::ALLOWED, &[], times);
        }
    }

    /// Exchanges of the route go to another version or upstream from now on.
    pub(crate) fn model_moved(&self) {
        self.count(names::MODEL_MOVES, &[], 1);
    }

    /// Calls of tools that one answer asked for.
    pub(crate) fn calls(&self, tally: &CallTally) {
        let gone = tally
            .asked()
            .saturating_sub(tally.held())
            .saturating_sub(tally.endorsed());
        for (decision, reason, times) in [("let", "", gone), ("let", "endorsed", tally.endorsed())] {
            if times > 0 {
                self.count(names::CALLS, &[("decision", decision), ("reason", reason)], times);
            }
        }
        for (reason, times) in tally.reasons() {
            self.count(names::CALLS, &[("decision", "held"), ("reason", reason)], times);
        }
    }

    /// A guard did not scan something; `reason` is a constant such as `unscannable`, `budget` or `failed`.
    pub fn guard_gap(&self, direction: Direction, reason: &'static str) {
        self.count(
            names::GUARD_GAPS,
            &[("direction", direction.as_str()), ("reason", reason)],
            1,
        );
    }

    /// Guards ran for this long over one direction of an exchange.
    pub fn guard_time(&self, direction: Direction, duration: Duration) {
        self.time(names::GUARD, &[("direction", direction.as_str())], duration);
    }

    /// What the trained models did for one exchange.
    pub fn models(&self, work: &ModelWork) {
        for (tier, from, windows) in [
            ("ngram", "scored", work.ngram_windows),
            ("encoder", "scored", work.encoder_windows),
            ("encoder", "remembered", work.encoder_windows_remembered),
        ] {
            if windows > 0 {
                self.count(names::MODEL_WINDOWS, &[("tier", tier), ("from", from)], windows);
            }
        }
        let scored = work.texts.saturating_sub(work.texts_remembered);
        for (from, texts) in [("scored", scored), ("remembered", work.texts_remembered)] {
            if texts > 0 {
                self.count(names::MODEL_TEXTS, &[("from", from)], texts);
            }
        }
        if work.encoder_windows > 0 {
            self.time(names::ENCODER, &[], Duration::from_millis(work.encoder_ms));
        }
    }

    /// What the model service says a request took.
    pub fn tokens(&self, input_tokens: Option<u64>, output_tokens: Option<u64>) {
        for (kind, tokens) in [("input", input_tokens), ("output", output_tokens)] {
            if let Some(tokens) = tokens {
                self.count(names::TOKENS, &[("gen_ai_token_type", kind)], tokens);
            }
        }
    }

    fn count(&self, name: &'static str, own: &[OwnLabel], by: u64) {
        let make = |recorder: &PrometheusRecorder, key: &Key| recorder.register_counter(key, &METADATA);
        if let Some(counter) = self
            .counters
            .at(name, own, || make(&self.recorder.0, &self.key(name, own)))
        {
            counter.increment(by);
        }
    }

    fn time(&self, name: &'static str, own: &[OwnLabel], duration: Duration) {
        let make = |recorder: &PrometheusRecorder, key: &Key| recorder.register_histogram(key, &METADATA);
        if let Some(histogram) = self
            .histograms
            .at(name, own, || make(&self.recorder.0, &self.key(name, own)))
        {
            histogram.record(duration.as_secs_f64());
        }
    }

    fn key(&self, name: &'static str, own: &[OwnLabel]) -> Key {
        let own = own.iter().map(|(label, value)| Label::from_static_parts(label, value));
        Key::from_parts(name, self.labels.iter().cloned().chain(own).collect::<Vec<_>>())
    }
}

/// Series by name and own labels, made at first use and then only looked up.
struct Series<T>(RwLock<BTreeMap<SeriesId, T>>);

/// A name and the values of at most three labels.
type SeriesId = (&'static str, [&'static str; 3]);

impl<T> Default for Series<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Clone> Series<T> {
    /// The series; `None` when there are more than the program can name, which is a mistake in it.
    fn at(&self, name: &'static str, own: &[OwnLabel], make: impl FnOnce() -> T) -> Option<T> {
        let mut values = [""; 3];
        for (value, (_, own)) in values.iter_mut().zip(own) {
            *value = own;
        }
        let id = (name, values);
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Some(known.clone());
        }
        let mut series = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if series.len() >= SERIES_MAX {
            return None;
        }
        Some(series.entry(id).or_insert_with(make).clone())
    }
}
