//! The gateway's side of the ledger: a place for each exchange before it is forwarded, and what happens without one.

mod content;
mod flood;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use testudo_ledger::entry::{Body, Configuration, ConfigurationAction, Digest, Gap};
use testudo_recorder::{AppendError, Draft, Health, Level, OnFailure, Pending, Recorder, Slot};
use testudo_types::{Clock, Principal};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub(crate) use self::content::Captured;
use self::flood::Flood;
use crate::metrics::LedgerMetrics;

/// How often what a flood left is told in a `gap` entry.
const FLOOD_TOLD_MS: u64 = 10_000;
/// The code of a `gap` entry about exchanges that had no valid key.
const FLOOD_REASON: &str = "refused_before_authentication";

/// Writes what happens in this gateway; shared by all exchanges.
#[derive(Debug)]
pub(crate) struct Ledger {
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    metrics: Arc<LedgerMetrics>,
    flood: Mutex<Flood>,
    /// An alarm is raised once, not with each exchange.
    alarmed: AtomicBool,
}

/// The exchange was not recorded as its route asks, and its route blocks then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unrecorded;

impl Ledger {
    pub(crate) fn new(recorder: Recorder, clock: Arc<dyn Clock>, metrics: Arc<LedgerMetrics>) -> Self {
        let flood = Mutex::new(Flood::new(clock.monotonic()));
        Self {
            recorder,
            clock,
            metrics,
            flood,
            alarmed: AtomicBool::new(false),
        }
    }

    /// How the writer is doing; the gauges show it, too.
    pub(crate) fn health(&self) -> Health {
        let health = self.recorder.health();
        self.metrics.observe(&health);
        health
    }

    /// A place for an exchange; none when there is none to be had and the route goes on without.
    ///
    /// # Errors
    /// When there is none and the route blocks.
    pub(crate) fn reserve(&self, on_failure: OnFailure) -> Result<Option<Slot>, Unrecorded> {
        match self.recorder.slot() {
            Ok(slot) => {
                self.calm();
                Ok(Some(slot))
            }
            Err(unavailable) => {
                self.recorder.count_unrecorded();
                self.alarm(&unavailable);
                match on_failure {
                    OnFailure::Block => Err(Unrecorded),
                    OnFailure::Degrade => Ok(None),
                }
            }
        }
    }

    /// Takes the entry of an exchange that nobody with a key began; too many are only counted.
    pub(crate) fn enter_unauthenticated(&self, draft: Draft) {
        let wall = self.clock.wall();
        if !self.flood().admits(self.clock.monotonic(), wall) {
            return;
        }
        match self.recorder.slot() {
            Ok(slot) => drop(slot.append(draft, Level::Queued)),
            Err(_) => self.recorder.count_unrecorded(),
        }
    }

    /// Waits until an append has reached its level.
    ///
    /// # Errors
    /// When it does not and the route blocks.
    pub(crate) async fn wait(&self, pending: Pending, on_failure: OnFailure) -> Result<(), Unrecorded> {
        match pending.await {
            Ok(_receipt) => {
                self.calm();
                Ok(())
            }
            Err(error) => self.failed(&error, on_failure),
        }
    }

    /// Enters what somebody does, and waits until it is on the disk.
    ///
    /// # Errors
    /// When it is not; then it must not be done.
    pub(crate) async fn enter(&self, principal: &Principal, body: Body) -> Result<(), Unrecorded> {
        let slot = self.reserve(OnFailure::Block)?.ok_or(Unrecorded)?;
        let mut draft = Draft::new(body);
        draft.tenant = Some(principal.tenant.clone());
        draft.principal = Some(principal.key.clone());
        self.wait(slot.append(draft, Level::Durable), OnFailure::Block).await
    }

    /// What follows from an append that failed.
    ///
    /// # Errors
    /// When the route blocks.
    pub(crate) fn failed(&self, error: &AppendError, on_failure: OnFailure) -> Result<(), Unrecorded> {
        self.metrics.failed();
        self.alarm(error);
        match on_failure {
            OnFailure::Block => Err(Unrecorded),
            OnFailure::Degrade => Ok(()),
        }
    }

    /// Enters that a configuration was taken or refused.
    pub(crate) fn configuration(&self, action: ConfigurationAction, digest: [u8; 32], problems: usize) {
        let body = Configuration {
            action,
            digest: Digest::from_bytes(digest),
            problems: u64::try_from(problems).unwrap_or(u64::MAX),
        };
        self.note(body.into());
    }

    /// Tells every ten seconds how many exchanges a flood has left without an entry, until told to stop.
    pub(crate) async fn upkeep(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_millis(FLOOD_TOLD_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => self.tell_flood(),
            }
        }
        self.tell_flood();
    }

    fn tell_flood(&self) {
        let Some(left) = self.flood().take() else { return };
        self.metrics.flooded(left.count);
        let body = Gap {
            count: left.count,
            from_at: left.from.0,
            reason: FLOOD_REASON.to_owned(),
            to_at: left.to.0,
        };
        self.note(body.into());
    }

    /// An entry about the gateway itself.
    pub(crate) fn note(&self, body: Body) {
        match self.recorder.slot() {
            Ok(slot) => drop(slot.append(Draft::new(body), Level::Queued)),
            Err(unavailable) => {
                self.recorder.count_unrecorded();
                self.alarm(&unavailable);
            }
        }
    }

    fn flood(&self) -> std::sync::MutexGuard<'_, Flood> {
        self.flood.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alarm(&self, reason: &dyn std::fmt::Display) {
        if !self.alarmed.swap(true, Ordering::AcqRel) {
            tracing::error!(target: "testudo::ledger", %reason, "exchanges cannot be recorded");
        }
    }

    fn calm(&self) {
        if self.alarmed.load(Ordering::Acquire) && self.alarmed.swap(false, Ordering::AcqRel) {
            tracing::info!(target: "testudo::ledger", "exchanges are recorded again");
        }
    }
}
