//! Lets entries that nobody waits for gather, so that one sync serves many and no sender has to wake the writer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long entries gather; bounds the syncs a second when nobody waits.
const GATHER: Duration = Duration::from_millis(10);
/// Gatherings that bring nothing before the queue itself wakes the writer again.
const EMPTY_MAX: u32 = 10;

/// Whether the writer leaves the queue alone for a moment.
#[derive(Debug)]
pub(super) struct Gathering {
    urgent: Arc<Notify>,
    until: Option<Instant>,
    /// Gatherings in a row that brought nothing.
    empty: u32,
}

impl Gathering {
    /// `urgent` ends a gathering at once.
    pub(super) fn new(urgent: Arc<Notify>) -> Self {
        Self {
            urgent,
            until: None,
            empty: 0,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.until.is_some()
    }

    /// After a batch: gathers when nobody waited for any of it.
    pub(super) fn follow(&mut self, nobody_waits: bool) {
        self.empty = 0;
        self.until = nobody_waits.then(soon).flatten();
    }

    /// Waits for the end: something is urgent, or the time is over.
    pub(super) async fn over(&self) {
        let end = self.until.unwrap_or_else(Instant::now);
        tokio::select! {
            () = self.urgent.notified() => {}
            () = tokio::time::sleep_until(end) => {}
        }
    }

    /// At the end: goes on as long as more can be expected soon.
    pub(super) fn end(&mut self, brought_nothing: bool) {
        self.empty = self.empty.saturating_add(1);
        self.until = (brought_nothing && self.empty < EMPTY_MAX).then(soon).flatten();
    }
}

fn soon() -> Option<Instant> {
    Instant::now().checked_add(GATHER)
}
