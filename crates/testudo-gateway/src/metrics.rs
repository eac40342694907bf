//! Counters, gauges and histograms, with labels that only configuration and code can name.
//!
//! A route's series are reached through the names of configured routes
//! ([`Metrics::configure`]); every other label is a constant of the program. No request
//! text gets in, so requests cannot make series.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use testudo_types::{ProfileName, RouteName, UpstreamName};
use tokio_util::sync::CancellationToken;

use crate::settings::Route;

mod ledger;
mod names;
mod route;

pub use ledger::LedgerMetrics;
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
#[derive(Debug)]
pub struct Metrics {
    recorder: SharedRecorder,
    handle: Handle,
    routes: ArcSwap<BTreeMap<RouteName, RouteSeries>>,
    /// What happens before a route is known.
    unrouted: Arc<RouteMetrics>,
    gauges: Gauges,
    ledger: Arc<LedgerMetrics>,
}

impl Metrics {
    /// Empty series.
    ///
    /// # Errors
    /// When the bucket bounds of this file are not sound, which a test rules out.
    pub fn new() -> Result<Arc<Self>, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .build_recorder();
        describe(&recorder);
        let handle = Handle(recorder.handle());
        let gauges = Gauges::new(&recorder);
        let ledger = Arc::new(LedgerMetrics::new(&recorder));
        let recorder = SharedRecorder(Arc::new(recorder));
        let unrouted = Arc::new(RouteMetrics::new(recorder.clone(), labels("", "", "")));
        Ok(Arc::new(Self {
            recorder,
            handle,
            routes: ArcSwap::default(),
            unrouted,
            gauges,
            ledger,
        }))
    }

    /// Takes the names of the configured routes; names that stay continue their series.
    ///
    /// Called at the start and after each reload: a route that is not named here is counted as no route.
    pub fn configure(&self, routes: &[Arc<Route>]) {
        self.configure_names(routes.iter().map(|route| RouteNames {
            route: &route.name,
            upstream: &route.upstream,
            followed: route.model.as_ref().map(|model| model.upstreams.as_slice()),
            profile: &route.profile.name,
        }));
    }

    fn configure_names<'a>(&self, routes: impl Iterator<Item = RouteNames<'a>>) {
        let routes = routes.map(|names| {
            let toward = |upstream: &str| {
                let labels = labels(names.route.as_str(), upstream, names.profile.as_str());
                Arc::new(RouteMetrics::new(self.recorder.clone(), labels))
            };
            let series = match names.followed {
                None => RouteSeries {
                    own: toward(names.upstream.as_str()),
                    toward: BTreeMap::new(),
                },
                Some(upstreams) => RouteSeries {
                    own: toward(""),
                    toward: upstreams.iter().map(|it| (it.clone(), toward(it.as_str()))).collect(),
                },
            };
            (names.route.clone(), series)
        });
        self.routes.store(Arc::new(routes.collect()));
    }

    /// The series of a configured route, or those of no route; of a route that follows a model those of exchanges that
    /// went nowhere.
    #[must_use]
    pub fn of(&self, route: Option<&RouteName>) -> Arc<RouteMetrics> {
        self.toward(route, None)
    }

    /// The series of a configured route for what went to one of its upstreams.
    #[must_use]
    pub fn toward(&self, route: Option<&RouteName>, upstream: Option<&UpstreamName>) -> Arc<RouteMetrics> {
        let routes = self.routes.load();
        let found = route.and_then(|route| routes.get(route)).map(|series| {
            let toward = upstream.and_then(|upstream| series.toward.get(upstream));
            toward.unwrap_or(&series.own)
        });
        Arc::clone(found.unwrap_or(&self.unrouted))
    }

    /// The series of the ledger.
    #[must_use]
    pub fn ledger(&self) -> &Arc<LedgerMetrics> {
        &self.ledger
    }

    /// A new configuration was not sound and the old one stays.
    pub fn reload_refused(&self) {
        self.gauges.reloads_refused.increment(1);
    }

    /// Counts an exchange as running until the guard is dropped.
    pub fn in_flight(&self) -> Counted {
        Counted::new(&self.gauges.in_flight)
    }

    /// Counts a connection as open until the guard is dropped.
    pub fn connection(&self) -> Counted {
        Counted::new(&self.gauges.connections)
    }

    /// Whether an alarm about a followed model is on; `about` is a name from the configuration.
    pub(crate) fn model_alarm(&self, alarm: &'static str, about: &str, on: bool) {
        let labels = vec![
            Label::from_static_parts("alarm", alarm),
            Label::new("about", about.to_owned()),
        ];
        let key = Key::from_parts(names::MODEL_ALARM, labels);
        let gauge = self.recorder.0.register_gauge(&key, &METADATA);
        gauge.set(f64::from(u8::from(on)));
    }

    /// A question of an MLflow client; both labels are constants of the program.
    pub(crate) fn mlflow(&self, operation: &'static str, outcome: &'static str) {
        let labels = vec![
            Label::from_static_parts("operation", operation),
            Label::from_static_parts("outcome", outcome),
        ];
        let key = Key::from_parts(names::MLFLOW, labels);
        self.recorder.0.register_counter(&key, &METADATA).increment(1);
    }

    /// Bytes of files that MLflow clients were given.
    pub(crate) fn mlflow_sent(&self, bytes: u64) {
        let key = Key::from_static_name(names::MLFLOW_BYTES);
        self.recorder.0.register_counter(&key, &METADATA).increment(bytes);
    }

    /// An account of bytes held back by one stream; what it holds is given back when it is dropped.
    pub fn held_bytes(&self) -> HeldBytes {
        HeldBytes {
            gauge: self.gauges.held_bytes.clone(),
            bytes: 0,
        }
    }

    /// Everything in the Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.0.render()
    }

    /// Folds histogram samples every five seconds until told to stop; without it and without scrapes they pile up.
    pub async fn upkeep(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_millis(UPKEEP_MS));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.handle.0.run_upkeep(),
            }
        }
    }
}

/// The names that label a route's series.
struct RouteNames<'n> {
    route: &'n RouteName,
    upstream: &'n UpstreamName,
    /// Where a route that follows a model may go.
    followed: Option<&'n [UpstreamName]>,
    profile: &'n ProfileName,
}

/// The series of one route.
#[derive(Debug)]
struct RouteSeries {
    own: Arc<RouteMetrics>,
    /// Of a route that follows a model: what went to each upstream.
    toward: BTreeMap<UpstreamName, Arc<RouteMetrics>>,
}

fn describe(recorder: &PrometheusRecorder) {
    for (name, text) in names::COUNTERS {
        recorder.describe_counter((*name).into(), Some(Unit::Count), (*text).into());
    }
    for (name, text) in names::GAUGES {
        recorder.describe_gauge((*name).into(), None, (*text).into());
    }
    for (name, text) in names::HISTOGRAMS {
        recorder.describe_histogram((*name).into(), Some(Unit::Seconds), (*text).into());
    }
}

fn labels(route: &str, upstream: &str, profile: &str) -> Vec<Label> {
    [("route", route), ("upstream", upstream), ("profile", profile)]
        .into_iter()
        .map(|(label, value)| Label::new(label, value.to_owned()))
        .collect()
}

/// The recorder, whose series are made while it is shared.
#[derive(Clone)]
struct SharedRecorder(Arc<PrometheusRecorder>);

impl std::fmt::Debug for SharedRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedRecorder")
    }
}

struct Handle(PrometheusHandle);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

/// Series of the whole gateway.
struct Gauges {
    in_flight: Gauge,
    connections: Gauge,
    held_bytes: Gauge,
    reloads_refused: Counter,
}

impl Gauges {
    fn new(recorder: &PrometheusRecorder) -> Self {
        let gauge = |name| recorder.register_gauge(&Key::from_static_name(name), &METADATA);
        Self {
            in_flight: gauge(names::IN_FLIGHT),
            connections: gauge(names::CONNECTIONS),
            held_bytes: gauge(names::HELD_BYTES),
            reloads_refused: recorder.register_counter(&Key::from_static_name(names::RELOADS_REFUSED), &METADATA),
        }
    }
}

impl std::fmt::Debug for Gauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gauges")
    }
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
