//! The series of the ledger.

use std::fmt;

use metrics::{Counter, Gauge, Key, Label, Recorder as _};
use metrics_exporter_prometheus::PrometheusRecorder;
use testudo_ledger::entry::Body;
use testudo_recorder::Health;

use super::{METADATA, names};

/// What the ledger counts.
pub struct LedgerMetrics {
    /// By type of entry, in the order of [`Body::KINDS`].
    entries: Vec<(&'static str, Counter)>,
    errors: Counter,
    lost: Counter,
    flood: Counter,
    queue: Gauge,
    size: Gauge,
    checkpoint_age: Gauge,
    witnessed_age: Gauge,
    writable: Gauge,
}

impl LedgerMetrics {
    pub(super) fn new(recorder: &PrometheusRecorder) -> Self {
        let counter = |name, label: Option<(&'static str, &'static str)>| {
            let labels: Vec<Label> = label
                .into_iter()
                .map(|(name, value)| Label::from_static_parts(name, value))
                .collect();
            recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
        };
        let gauge = |name| recorder.register_gauge(&Key::from_static_name(name), &METADATA);
        Self {
            entries: Body::KINDS
                .iter()
                .map(|kind| (*kind, counter(names::LEDGER_ENTRIES, Some(("type", kind)))))
                .collect(),
            errors: counter(names::LEDGER_ERRORS, None),
            lost: counter(names::LEDGER_GAPS, Some(("reason", "lost"))),
            flood: counter(names::LEDGER_GAPS, Some(("reason", "flood"))),
            queue: gauge(names::LEDGER_QUEUE),
            size: gauge(names::LEDGER_TREE_SIZE),
            checkpoint_age: gauge(names::LEDGER_CHECKPOINT_AGE),
            witnessed_age: gauge(names::LEDGER_WITNESSED_AGE),
            writable: gauge(names::LEDGER_WRITABLE),
        }
    }

    /// An entry of this type is in the tree.
    pub fn entered(&self, kind: &str) {
        if let Some((_, counter)) = self.entries.iter().find(|(known, _)| *known == kind) {
            counter.increment(1);
        }
    }

    /// An entry did not reach its level.
    pub fn failed(&self) {
        self.errors.increment(1);
    }

    /// So many exchanges without a valid key got no entry of their own.
    pub fn flooded(&self, exchanges: u64) {
        self.flood.increment(exchanges);
    }

    /// Takes over what the writer says of itself.
    pub fn observe(&self, health: &Health) {
        let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let seconds = |ms: Option<u64>| ms.map_or(f64::NAN, |ms| number(ms / 1000) + number(ms % 1000) / 1000.0);
        self.lost.absolute(health.lost);
        self.queue
            .set(number(u64::try_from(health.queue_entries).unwrap_or(u64::MAX)));
        self.size.set(big(health.size));
        self.checkpoint_age.set(seconds(health.checkpoint_age_ms));
        self.witnessed_age.set(seconds(health.witnessed_age_ms));
        self.writable.set(f64::from(u8::from(health.writable)));
    }
}

/// A count as a float; exact up to 2^53, where a tree never gets.
fn big(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & 0xffff_ffff).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

impl fmt::Debug for LedgerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerMetrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_as_floats() {
        for count in [0, 1, 4_294_967_295, 4_294_967_296, 9_007_199_254_740_991] {
            assert_eq!(format!("{}", big(count)), count.to_string());
        }
    }
}
