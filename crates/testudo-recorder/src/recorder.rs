//! The recorder's handle: places in the queue, appends, health, the end.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use testudo_types::Clock;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use crate::draft::{AppendError, Draft, Level, Receipt, Unavailable};
use crate::folder::Folder;
use crate::observer::Observer;
use crate::recover::OpenError;
use crate::sealer::Sealer;
use crate::shared::{Health, Shared};
use crate::witnessing::Witnessing;
use crate::writer::{Control, Item};

/// How much the recorder holds and how often it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries in the queue, reserved places included.
    pub queue_entries: usize,
    /// Bytes in the queue above which no slot is given; slots given before may exceed it. Appends without
    /// a slot have no more than this in the queue and in the batch being written.
    pub queue_bytes: usize,
    /// Bytes that are on the disk and under no checkpoint; above it the writer waits.
    pub backlog_bytes: usize,
    /// Entries and bytes that one sync makes durable.
    pub batch_entries: usize,
    pub batch_bytes: usize,
    /// A write-ahead segment is closed at this size.
    pub segment_bytes: u64,
    /// The greatest time from an entry to its checkpoint, in milliseconds.
    pub checkpoint_every_ms: u64,
    /// How long the writer waits before it tries a failed disk again, in milliseconds.
    pub retry_every_ms: u64,
    /// How long an append waits for witnesses, in milliseconds.
    pub witness_wait_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_entries: 8192,
            queue_bytes: 64 << 20,
            backlog_bytes: 128 << 20,
            batch_entries: 1024,
            batch_bytes: 8 << 20,
            segment_bytes: 32 << 20,
            checkpoint_every_ms: 1000,
            retry_every_ms: 1000,
            witness_wait_ms: 10_000,
        }
    }
}

/// What a recorder works with, beside its folder.
pub struct Options {
    pub clock: Arc<dyn Clock>,
    pub sealer: Box<dyn Sealer>,
    /// Of the program, for the entries about starting and stopping.
    pub version: String,
    pub limits: Limits,
    /// Told of every integrated entry, in order, from where it stopped.
    pub observer: Option<Box<dyn Observer>>,
    /// Asked for cosignatures on every checkpoint.
    pub witnessing: Option<Arc<dyn Witnessing>>,
}

impl Options {
    /// With default limits, without observer and witnesses.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, sealer: Box<dyn Sealer>, version: &str) -> Self {
        Self {
            clock,
            sealer,
            version: version.to_owned(),
            limits: Limits::default(),
            observer: None,
            witnessing: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A handle to the one writer of a log. Clones are handles to the same writer.
///
/// When the last one is dropped without [`Recorder::close`], the writer finishes what is queued on its own.
#[derive(Debug, Clone)]
pub struct Recorder {
    items: mpsc::Sender<Item>,
    control: mpsc::UnboundedSender<Control>,
    shared: Arc<Shared>,
    /// Closed when the last thread has ended.
    ended: watch::Receiver<()>,
}

impl Recorder {
    /// Recovers the log in a folder, starts its writer, and records the start.
    ///
    /// When this returns, everything that was ever acknowledged is under a checkpoint.
    ///
    /// # Errors
    /// When the log is damaged, cannot be written, or does not belong to its key.
    pub async fn open(folder: Folder, options: Options) -> Result<Self, OpenError> {
        crate::recover::open(folder, options).await
    }

    pub(crate) fn new(
        items: mpsc::Sender<Item>,
        control: mpsc::UnboundedSender<Control>,
        shared: Arc<Shared>,
        ended: watch::Receiver<()>,
    ) -> Self {
        Self {
            items,
            control,
            shared,
            ended,
        }
    }

    /// Reserves a place in the queue, without waiting.
    ///
    /// An exchange that holds a slot before it is forwarded can always be queued when it ends.
    ///
    /// # Errors
    /// When the queue is full, the disk has failed, or the recorder is closed.
    pub fn slot(&self) -> Result<Slot, Unavailable> {
        if let Some(reason) = self.shared.failure() {
            return Err(Unavailable::Failed { reason });
        }
        if self.shared.queue_is_heavy() {
            return Err(Unavailable::Full);
        }
        match self.items.clone().try_reserve_owned() {
            Ok(permit) => Ok(Slot {
                permit,
                shared: Arc::clone(&self.shared),
            }),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Unavailable::Full),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Unavailable::Closed),
        }
    }

    /// Appends, waiting for a place when the queue is full: of entries, or of the bytes of appends that wait.
    ///
    /// # Errors
    /// When the entry does not reach `level`; the error says how far it came.
    pub async fn append(&self, draft: Draft, level: Level) -> Result<Receipt, AppendError> {
        check(&draft)?;
        let room = self.shared.room(draft.queue_bytes()).await;
        let items = self.items.clone();
        let permit = items.reserve_owned().await.map_err(|_| AppendError::Closed)?;
        let slot = Slot {
            permit,
            shared: Arc::clone(&self.shared),
        };
        slot.queue(draft, level, room).await
    }

    /// Counts something that passed unrecorded because there was no slot; it becomes part of the next `gap` entry.
    pub fn count_unrecorded(&self) {
        self.shared.count_lost(1, "unavailable");
    }

    /// How the writer is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        let queued = self.items.max_capacity().saturating_sub(self.items.capacity());
        self.shared.health(queued)
    }

    /// Brings everything appended before this call under a checkpoint and removes its write-ahead copies.
    ///
    /// # Errors
    /// When the disk does not permit it.
    pub async fn flush(&self) -> Result<(), AppendError> {
        self.ask(|done| Control::Flush { done }).await
    }

    /// Deletes the sealed payloads of these entries from the payload files and the write-ahead log, after bringing
    /// everything appended before this call under a checkpoint. Entries without a payload are passed over.
    ///
    /// # Errors
    /// When the disk does not permit it; some of the payloads may be gone. Call it again then.
    pub async fn drop_payloads(&self, indexes: BTreeSet<u64>) -> Result<(), AppendError> {
        self.ask(|done| Control::DropPayloads { indexes, done }).await
    }

    /// Records the stop, brings everything under a checkpoint and ends the writer. Slots that are still held may
    /// append for five seconds more. When this returns, the folder can be opened again.
    ///
    /// # Errors
    /// When the disk does not permit it. The writer has ended all the same, and the next open goes on from
    /// the write-ahead log.
    pub async fn close(&self) -> Result<(), AppendError> {
        let outcome = self.ask(|done| Control::Close { done }).await;
        // Nothing is ever sent: this waits for the threads to let go of the folder.
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
        outcome
    }

    async fn ask(&self, control: impl FnOnce(Done) -> Control) -> Result<(), AppendError> {
        let (done, answer) = oneshot::channel();
        self.control.send(control(done)).map_err(|_| AppendError::Closed)?;
        answer.await.unwrap_or(Err(AppendError::Closed))
    }
}

/// Where the answer to a request goes.
pub(crate) type Done = oneshot::Sender<Result<(), AppendError>>;

/// A reserved place in the queue; given back when dropped.
#[derive(Debug)]
#[must_use = "a slot that is dropped records nothing"]
pub struct Slot {
    permit: mpsc::OwnedPermit<Item>,
    shared: Arc<Shared>,
}

impl Slot {
    /// The greatest content of one draft in bytes.
    pub const CONTENT_BYTES_MAX: usize = 64 << 20;

    /// Queues the draft at once; the result tells when it has reached `level`. Dropping the result cancels nothing.
    pub fn append(self, draft: Draft, level: Level) -> Pending {
        if let Err(error) = check(&draft) {
            return Pending(State::Ready(Some(Err(error))));
        }
        self.queue(draft, level, None)
    }

    /// Queues a draft that was looked at; `room` is given back when it is written or refused.
    fn queue(self, draft: Draft, level: Level, room: Option<OwnedSemaphorePermit>) -> Pending {
        self.shared.enter_queue(draft.queue_bytes());
        if level == Level::Queued {
            let items = self.permit.send(Item {
                draft,
                level,
                ack: None,
                room,
            });
            if items.capacity() < items.max_capacity() / 2 || self.shared.queue_is_filling() {
                self.shared.urgent().notify_one();
            }
            return Pending(State::Ready(Some(Ok(Receipt::Queued))));
        }
        let (ack, answer) = oneshot::channel();
        let _sender = self.permit.send(Item {
            draft,
            level,
            ack: Some(ack),
            room,
        });
        self.shared.urgent().notify_one();
        Pending(State::Waiting(answer))
    }
}

/// What a draft can be refused for before it is queued.
fn check(draft: &Draft) -> Result<(), AppendError> {
    let Some(content) = &draft.content else { return Ok(()) };
    if draft.tenant.is_none() || (draft.subject.is_none() && draft.principal.is_none()) {
        return Err(AppendError::NobodysContent);
    }
    if content.len() > Slot::CONTENT_BYTES_MAX {
        return Err(AppendError::ContentTooLarge {
            bytes: content.len(),
            max: Slot::CONTENT_BYTES_MAX,
        });
    }
    Ok(())
}

/// An append under way: a future of its outcome.
#[derive(Debug)]
#[must_use = "the outcome is an error when the entry did not reach its level"]
pub struct Pending(State);

#[derive(Debug)]
enum State {
    Ready(Option<Result<Receipt, AppendError>>),
    Waiting(oneshot::Receiver<Result<Receipt, AppendError>>),
}

impl Future for Pending {
    type Output = Result<Receipt, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(outcome) => Poll::Ready(outcome.take().unwrap_or(Err(AppendError::Closed))),
            State::Waiting(answer) => Pin::new(answer)
                .poll(context)
                .map(|answer| answer.unwrap_or(Err(AppendError::Closed))),
        }
    }
}
