//! The writer: takes drafts from the queue in batches, gives them places, makes them durable with one sync each batch.

mod batch;
mod gather;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use testudo_ledger::entry::{self, Gap, RecorderAction};
use testudo_types::UnixMillis;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::Instant;

use self::gather::Gathering;
use crate::draft::{AppendError, Draft, Level, Receipt};
use crate::files::Files;
use crate::folder::Folder;
use crate::integrate::Task;
use crate::recorder::{Done, Limits};
use crate::sealer::Sealer;
use crate::shared::{Part, Shared};
use crate::wal::Wal;

/// How long slots that are still held may append after a close.
const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// What must fit on the disk before a failed writer goes on.
const PROBE_BYTES: usize = 256 << 10;

pub(crate) type Ack = oneshot::Sender<Result<Receipt, AppendError>>;

/// A draft in the queue.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) draft: Draft,
    pub(crate) level: Level,
    /// Nothing when nobody waits.
    pub(crate) ack: Option<Ack>,
    /// What an append without a slot has of the queue's bytes.
    #[expect(dead_code, reason = "it is given back when the item is dropped")]
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// What is asked of the writer beside appending.
#[derive(Debug)]
pub(crate) enum Control {
    Flush { done: Done },
    DropPayloads { indexes: BTreeSet<u64>, done: Done },
    Close { done: Done },
}

/// The state of the writer's thread.
pub(crate) struct Writer {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) folder: Arc<Folder>,
    pub(crate) limits: Limits,
    pub(crate) shared: Arc<Shared>,
    pub(crate) sealer: Box<dyn Sealer>,
    pub(crate) wal: Wal,
    pub(crate) version: String,
    /// The time of the last entry.
    pub(crate) last_at: UnixMillis,
    pub(crate) items: mpsc::Receiver<Item>,
    pub(crate) control: mpsc::UnboundedReceiver<Control>,
    pub(crate) integrator: mpsc::UnboundedSender<Task>,
    /// How many entries are under the newest checkpoint.
    pub(crate) integrated: watch::Receiver<u64>,
    /// Why nothing can be written now.
    pub(crate) failure: Option<Arc<str>>,
    /// When to look whether it can be written again.
    pub(crate) retry_at: Instant,
}

impl Writer {
    /// Runs until it is closed or nobody can ask any more.
    pub(crate) async fn run(mut self) {
        let mut taken = Vec::new();
        let mut gathering = Gathering::new(Arc::clone(self.shared.urgent()));
        loop {
            let stalled = self.shared.backlog() >= self.limits.backlog_bytes && !self.must_refuse();
            let retry_at = self.retry_at;
            tokio::select! {
                biased;
                control = self.control.recv() => match control {
                    Some(Control::Flush { done }) => {
                        let outcome = self.flush().await;
                        let _gone = done.send(outcome);
                    }
                    Some(Control::DropPayloads { indexes, done }) => {
                        match self.flush().await {
                            // The integrator answers when it is done.
                            Ok(()) => drop(self.integrator.send(Task::DropPayloads { indexes, done })),
                            Err(error) => drop(done.send(Err(error))),
                        }
                    }
                    Some(Control::Close { done }) => {
                        let outcome = self.close().await;
                        let _gone = done.send(outcome);
                        return;
                    }
                    None => break,
                },
                () = tokio::time::sleep_until(retry_at), if self.failure.is_some() => self.probe().await,
                changed = self.integrated.changed() => match changed {
                    Ok(()) => {
                        self.retire();
                        if self.failure.is_none() && self.shared.has_loss() {
                            self.write(Vec::new()).await;
                        }
                    }
                    Err(_) => break,
                },
                () = gathering.over(), if gathering.is_on() => gathering.end(self.items.is_empty()),
                count = self.items.recv_many(&mut taken, self.limits.batch_entries),
                    if !stalled && !gathering.is_on() =>
                {
                    if count == 0 {
                        break;
                    }
                    gathering.follow(taken.iter().all(|item| item.ack.is_none()));
                    self.take(&mut taken).await;
                }
            }
        }
        // Nobody waits for the outcome; what failed is in the log lines.
        let _outcome = self.close().await;
    }

    /// Writes what was taken from the queue, in batches of bounded size.
    async fn take(&mut self, taken: &mut Vec<Item>) {
        let mut batch = Vec::new();
        let mut bytes = 0_usize;
        for item in taken.drain(..) {
            let item_bytes = item.draft.queue_bytes();
            self.shared.leave_queue(item_bytes);
            batch.push(item);
            bytes = bytes.saturating_add(item_bytes);
            if bytes >= self.limits.batch_bytes {
                self.write(std::mem::take(&mut batch)).await;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.write(batch).await;
        }
    }

    /// Whether there is no room to take anything, now and until something changes.
    fn must_refuse(&self) -> bool {
        let backlog_stuck =
            self.shared.backlog() >= self.limits.backlog_bytes && self.shared.has_failed(Part::Integrator);
        self.failure.is_some() || backlog_stuck
    }

    async fn write(&mut self, items: Vec<Item>) {
        if self.must_refuse() {
            let reason = self.failure.clone().or_else(|| self.shared.failure());
            self.refuse(items, &reason.unwrap_or_else(|| Arc::from("the disk is full")));
            return;
        }
        let loss = self.shared.take_loss();
        let mut batch = items;
        if let Some(loss) = loss {
            let gap = Gap {
                count: loss.count,
                from_at: loss.from_at,
                reason: loss.reason.to_owned(),
                to_at: loss.to_at,
            };
            batch.insert(0, internal(gap));
        }
        if let Err((reason, batch)) = self.try_write(batch).await {
            if let Some(loss) = loss {
                self.shared.put_loss_back(loss);
            }
            // The entry about the gap is none that anybody gave us.
            let skip = usize::from(loss.is_some()).min(batch.len());
            self.fail(&reason);
            self.refuse(batch.into_iter().skip(skip).collect(), &reason);
        }
    }

    /// Tells everybody in the batch that it was not written.
    fn refuse(&self, items: Vec<Item>, reason: &Arc<str>) {
        self.shared.count_lost(items.len() as u64, "write_failed");
        for ack in items.into_iter().filter_map(|item| item.ack) {
            let _gone = ack.send(Err(AppendError::NotWritten {
                reason: Arc::clone(reason),
            }));
        }
    }

    fn fail(&mut self, reason: &Arc<str>) {
        tracing::error!(%reason, "the recorder cannot write; it tries again by itself");
        self.stay_failed(reason);
    }

    fn stay_failed(&mut self, reason: &Arc<str>) {
        let now = Instant::now();
        let retry = Duration::from_millis(self.limits.retry_every_ms);
        self.retry_at = now.checked_add(retry).unwrap_or(now);
        self.failure = Some(Arc::clone(reason));
        self.shared.fail(Part::Writer, Arc::clone(reason));
    }

    /// Looks whether the disk takes entries again, and if so writes the gap.
    async fn probe(&mut self) {
        let probe = self.folder.wal().with_file_name("probe");
        let room = self.files.write(&probe, &[0; PROBE_BYTES]);
        let removed = self.files.remove(&probe);
        let repaired = room.and(removed).and_then(|()| self.wal.repair());
        if let Err(error) = repaired {
            let reason: Arc<str> = error.to_string().into();
            self.stay_failed(&reason);
            return;
        }
        self.failure = None;
        self.write(Vec::new()).await;
        if self.failure.is_none() {
            self.shared.recover(Part::Writer);
            tracing::info!("the recorder writes again");
        }
    }

    /// Removes segments that are under a checkpoint.
    fn retire(&mut self) {
        let size = *self.integrated.borrow_and_update();
        if self.failure.is_some() {
            return;
        }
        if let Err(error) = self.wal.retire(size) {
            self.fail(&error.to_string().into());
        }
    }

    async fn flush(&mut self) -> Result<(), AppendError> {
        let mut taken = Vec::new();
        while let Ok(item) = self.items.try_recv() {
            taken.push(item);
            if taken.len() >= self.limits.batch_entries {
                self.take(&mut taken).await;
            }
        }
        self.take(&mut taken).await;
        self.integrate_all().await
    }

    async fn integrate_all(&mut self) -> Result<(), AppendError> {
        let (done, answer) = oneshot::channel();
        let sent = self.integrator.send(Task::Flush { done });
        sent.map_err(|_| AppendError::Closed)?;
        answer.await.unwrap_or(Err(AppendError::Closed))?;
        self.retire();
        match &self.failure {
            None => Ok(()),
            Some(reason) => Err(AppendError::NotWritten {
                reason: Arc::clone(reason),
            }),
        }
    }

    async fn close(&mut self) -> Result<(), AppendError> {
        self.items.close();
        let mut taken = Vec::new();
        let deadline = tokio::time::sleep(CLOSE_WAIT);
        tokio::pin!(deadline);
        loop {
            let count = tokio::select! {
                biased;
                count = self.items.recv_many(&mut taken, self.limits.batch_entries) => count,
                () = &mut deadline => 0,
            };
            if count == 0 {
                break;
            }
            self.take(&mut taken).await;
        }
        if self.failure.is_some() {
            self.probe().await;
        }
        let stop = entry::Recorder {
            action: RecorderAction::Stop,
            size: self.wal.next(),
            version: self.version.clone(),
        };
        self.write(vec![internal(stop)]).await;
        self.integrate_all().await
    }
}

/// A draft of the recorder's own.
pub(crate) fn internal(body: impl Into<entry::Body>) -> Item {
    Item {
        draft: Draft::new(body),
        level: Level::Queued,
        ack: None,
        room: None,
    }
}
