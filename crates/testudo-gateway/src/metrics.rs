//! Counters, gauges and histograms, with labels that only configuration and code can name.
//!
//! Series come into being at first use and are then plain atomics. A route's series are
//! reached through [`RouteMetrics`], which is made from a configured route; every other
//! label is a variant of an enum or a constant of the program. No request text gets in.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio_util::sync::CancellationToken;

use crate::auth::AuthError;
use crate::settings::Route;

mod labels;
mod names;
mod route;

pub use labels::{GuardGap, Outcome, UpstreamFailure};
use labels::{Table, place};
pub use route::RouteMetrics;

/// Histogram samples are folded into buckets this often, so that they do not pile up between scrapes.
const UPKEEP_MS: u64 = 5_000;
/// Upper bounds in seconds, from 100 µs to 10 min.
const SECONDS: [f64; 19] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    120.0, 600.0,
];
static METADATA: Metadata<'static> = Metadata::new("testudo_gateway", Level::INFO, None);

/// All series of one gateway; not global, so that tests and two gateways in one process stay apart.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    auth_refusals: Table<Counter>,
    requests_in_flight: Gauge,
    connections: Gauge,
    held_bytes: Gauge,
    reloads_refused: Counter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Empty series.
    ///
    /// # Errors
    /// When the bucket bounds above are not sound, which a test rules out.
    pub fn new() -> Result<Arc<Self>, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .build_recorder();
        for (name, text) in names::COUNTERS {
            recorder.describe_counter((*name).into(), Some(Unit::Count), (*text).into());
        }
        for (name, text) in names::GAUGES {
            recorder.describe_gauge((*name).into(), None, (*text).into());
        }
        for (name, text) in names::HISTOGRAMS {
            recorder.describe_histogram((*name).into(), Some(Unit::Seconds), (*text).into());
        }
        let gauge = |name| recorder.register_gauge(&Key::from_static_name(name), &METADATA);
        Ok(Arc::new(Self {
            handle: recorder.handle(),
            auth_refusals: Table::of_len(AuthError::ALL.len()),
            requests_in_flight: gauge(names::IN_FLIGHT),
            connections: gauge(names::CONNECTIONS),
            held_bytes: gauge(names::HELD_BYTES),
            reloads_refused: recorder.register_counter(&Key::from_static_name(names::RELOADS_REFUSED), &METADATA),
            recorder,
        }))
    }

    /// The series of one route; made when the configuration is taken, kept beside the route.
    ///
    /// The same names after a reload continue the same series.
    #[must_use]
    pub fn route(self: &Arc<Self>, route: &Route) -> RouteMetrics {
        let labels = vec![
            Label::new("route", route.name.as_str().to_owned()),
            Label::new("upstream", route.upstream.as_str().to_owned()),
            Label::new("profile", route.profile.name.as_str().to_owned()),
        ];
        RouteMetrics::new(Arc::clone(self), labels)
    }

    /// A caller was not recognised.
    pub fn auth_refused(&self, reason: AuthError) {
        let make = || self.counter(names::AUTH_REFUSALS, &[], &[("error_type", reason.as_str())]);
        if let Some(counter) = self.auth_refusals.at(place(&AuthError::ALL, &reason), make) {
            counter.increment(1);
        }
    }

    /// A new configuration was not sound and the old one stays.
    pub fn reload_refused(&self) {
        self.reloads_refused.increment(1);
    }

    /// Counts an exchange as running until the guard is dropped.
    pub fn in_flight(&self) -> Counted {
        Counted::new(&self.requests_in_flight)
    }

    /// Counts a connection as open until the guard is dropped.
    pub fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// An account of bytes held back by one stream; what it holds is given back when it is dropped.
    pub fn held_bytes(&self) -> HeldBytes {
        HeldBytes { gauge: self.held_bytes.clone(), bytes: 0 }
    }

    /// Everything in the Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds histogram samples every five seconds until told to stop; without it and without scrapes they pile up.
    pub async fn upkeep(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_millis(UPKEEP_MS));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.handle.run_upkeep(),
            }
        }
    }

    fn counter(&self, name: &'static str, shared: &[Label], own: &[(&'static str, &'static str)]) -> Counter {
        self.recorder.register_counter(&key(name, shared, own), &METADATA)
    }

    fn histogram(&self, name: &'static str, shared: &[Label], own: &[(&'static str, &'static str)]) -> Histogram {
        self.recorder.register_histogram(&key(name, shared, own), &METADATA)
    }
}

fn key(name: &'static str, shared: &[Label], own: &[(&'static str, &'static str)]) -> Key {
    let own = own.iter().map(|(label, value)| Label::from_static_parts(label, value));
    Key::from_parts(name, shared.iter().cloned().chain(own).collect::<Vec<_>>())
}

/// One of the things a gauge counts; ends with the guard.
#[must_use = "dropping it at once counts nothing"]
pub struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counted")
    }
}

/// Bytes that one stream holds back.
#[must_use = "dropping it at once counts nothing"]
pub struct HeldBytes {
    gauge: Gauge,
    bytes: u32,
}

impl HeldBytes {
    /// Says how many bytes are held back now.
    pub fn set(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if bytes >= self.bytes {
            self.gauge.increment(f64::from(bytes.saturating_sub(self.bytes)));
        } else {
            self.gauge.decrement(f64::from(self.bytes.saturating_sub(bytes)));
        }
        self.bytes = bytes;
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl std::fmt::Debug for HeldBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeldBytes({})", self.bytes)
    }
}

#[cfg(test)]
mod tests;
