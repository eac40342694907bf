//! What the handle, the writer and the integrator tell each other beside the queues.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use testudo_types::Clock;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How a recorder is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Whether slots are given; when not, `last_error` says why.
    pub writable: bool,
    /// Places taken in the queue, reserved ones included.
    pub queue_entries: usize,
    pub queue_bytes: usize,
    /// Entries on the disk.
    pub durable: u64,
    /// Entries under the newest checkpoint.
    pub size: u64,
    /// Since the newest checkpoint; nothing before the first of this process.
    pub checkpoint_age_ms: Option<u64>,
    /// Since the newest checkpoint that enough witnesses signed; nothing before the first of this process.
    pub witnessed_age_ms: Option<u64>,
    /// Entries that could not be written since this process started, whether a `gap` entry tells of them yet or not.
    pub lost: u64,
    /// Of the failure that goes on, or else the last one.
    pub last_error: Option<String>,
}

/// Which part of the recorder cannot write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Writer = 1,
    Integrator = 2,
}

/// Entries that no `gap` entry tells of yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) count: u64,
    /// Of the first and the last, in milliseconds since 1970.
    pub(crate) from_at: u64,
    pub(crate) to_at: u64,
    /// A code, of the first.
    pub(crate) reason: &'static str,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    queue_bytes_max: usize,
    queue_bytes: AtomicUsize,
    /// Bytes that appends without a slot may still have in the queue.
    room: Arc<Semaphore>,
    room_bytes: u32,
    /// Cuts short the time in which the writer lets entries gather.
    urgent: Arc<Notify>,
    /// Bytes on the disk and under no checkpoint.
    backlog: AtomicUsize,
    durable: AtomicU64,
    size: AtomicU64,
    /// Monotonic milliseconds plus one; zero is never.
    checkpoint_at: AtomicU64,
    witnessed_at: AtomicU64,
    /// The parts that have failed, as bits.
    failed: AtomicUsize,
    lost: AtomicU64,
    trouble: Mutex<Trouble>,
}

/// Only touched when something fails.
#[derive(Debug, Default)]
struct Trouble {
    reason: Option<Arc<str>>,
    loss: Option<Loss>,
}

impl Shared {
    pub(crate) fn new(clock: Arc<dyn Clock>, queue_bytes_max: usize) -> Self {
        let room_bytes = u32::try_from(queue_bytes_max).unwrap_or(u32::MAX).max(1);
        Self {
            clock,
            queue_bytes_max,
            room: Arc::new(Semaphore::new(usize::try_from(room_bytes).unwrap_or(1))),
            room_bytes,
            queue_bytes: AtomicUsize::new(0),
            urgent: Arc::default(),
            backlog: AtomicUsize::new(0),
            durable: AtomicU64::new(0),
            size: AtomicU64::new(0),
            checkpoint_at: AtomicU64::new(0),
            witnessed_at: AtomicU64::new(0),
            failed: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            trouble: Mutex::default(),
        }
    }

    /// Waits until `bytes` more may be queued without a slot; what is larger than all there is takes all of it.
    pub(crate) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.room_bytes);
        // Nobody closes it.
        Arc::clone(&self.room).acquire_many_owned(bytes).await.ok()
    }

    pub(crate) fn enter_queue(&self, bytes: usize) {
        self.queue_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn leave_queue(&self, bytes: usize) {
        self.queue_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn urgent(&self) -> &Arc<Notify> {
        &self.urgent
    }

    /// Whether the queue has half the bytes it may have.
    pub(crate) fn queue_is_filling(&self) -> bool {
        self.queue_bytes.load(Ordering::Relaxed) >= self.queue_bytes_max / 2
    }

    pub(crate) fn queue_is_heavy(&self) -> bool {
        self.queue_bytes.load(Ordering::Relaxed) >= self.queue_bytes_max
    }

    pub(crate) fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Acquire)
    }

    pub(crate) fn enter_backlog(&self, bytes: usize) {
        self.backlog.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(crate) fn leave_backlog(&self, bytes: usize) {
        self.backlog.fetch_sub(bytes, Ordering::AcqRel);
    }

    pub(crate) fn set_durable(&self, size: u64) {
        self.durable.store(size, Ordering::Release);
    }

    pub(crate) fn set_checkpoint(&self, size: u64) {
        self.size.store(size, Ordering::Release);
        self.checkpoint_at.store(self.now(), Ordering::Release);
    }

    pub(crate) fn set_witnessed(&self) {
        self.witnessed_at.store(self.now(), Ordering::Release);
    }

    fn now(&self) -> u64 {
        self.clock.monotonic().0.saturating_add(1)
    }

    /// Why no slots are given now.
    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        if self.failed.load(Ordering::Acquire) == 0 {
            return None;
        }
        let reason = self.trouble().reason.clone();
        Some(reason.unwrap_or_else(|| Arc::from("unknown")))
    }

    pub(crate) fn has_failed(&self, part: Part) -> bool {
        self.failed.load(Ordering::Acquire) & part as usize != 0
    }

    pub(crate) fn fail(&self, part: Part, reason: Arc<str>) {
        self.trouble().reason = Some(reason);
        self.failed.fetch_or(part as usize, Ordering::AcqRel);
    }

    pub(crate) fn recover(&self, part: Part) {
        self.failed.fetch_and(!(part as usize), Ordering::AcqRel);
    }

    /// Tells of an error that does not keep anything from being written; a failure that goes on is told instead.
    pub(crate) fn remark(&self, reason: Arc<str>) {
        if self.failed.load(Ordering::Acquire) == 0 {
            self.trouble().reason = Some(reason);
        }
    }

    /// Notes entries that will never be written.
    pub(crate) fn count_lost(&self, count: u64, reason: &'static str) {
        if count == 0 {
            return;
        }
        self.lost.fetch_add(count, Ordering::Relaxed);
        let now = self.clock.wall().0;
        let mut trouble = self.trouble();
        let loss = trouble.loss.get_or_insert(Loss {
            count: 0,
            from_at: now,
            to_at: now,
            reason,
        });
        loss.count = loss.count.saturating_add(count);
        loss.to_at = loss.to_at.max(now);
    }

    pub(crate) fn has_loss(&self) -> bool {
        self.trouble().loss.is_some()
    }

    /// What the next `gap` entry tells; it is the caller's to write it or to put it back.
    pub(crate) fn take_loss(&self) -> Option<Loss> {
        self.trouble().loss.take()
    }

    pub(crate) fn put_loss_back(&self, taken: Loss) {
        let mut trouble = self.trouble();
        let newer = trouble.loss;
        trouble.loss = Some(Loss {
            count: taken.count.saturating_add(newer.map_or(0, |it| it.count)),
            to_at: newer.map_or(taken.to_at, |it| it.to_at),
            ..taken
        });
    }

    pub(crate) fn health(&self, queue_entries: usize) -> Health {
        let age = |at: &AtomicU64| match at.load(Ordering::Acquire) {
            0 => None,
            at => Some(self.now().saturating_sub(at)),
        };
        Health {
            writable: self.failed.load(Ordering::Acquire) == 0,
            queue_entries,
            queue_bytes: self.queue_bytes.load(Ordering::Relaxed),
            durable: self.durable.load(Ordering::Acquire),
            size: self.size.load(Ordering::Acquire),
            checkpoint_age_ms: age(&self.checkpoint_at),
            witnessed_age_ms: age(&self.witnessed_at),
            lost: self.lost.load(Ordering::Relaxed),
            last_error: self.trouble().reason.as_deref().map(str::to_owned),
        }
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
