//! The integrator's thread: decides when to sign, and answers those who wait for it.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use testudo_ledger::SignedCheckpoint;
use testudo_types::UnixMillis;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Tree;
use crate::draft::{AppendError, Level, Receipt};
use crate::recorder::{Done, Limits};
use crate::shared::{Part, Shared};
use crate::wal::Leaf;
use crate::witnessing::Cosigned;
use crate::writer::Ack;

/// What the integrator is asked to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Durable leaves, in order, and who waits for more than that.
    Leaves { leaves: Vec<Leaf>, waiters: Vec<Waiter> },
    /// Bring everything so far under a checkpoint.
    Flush { done: Done },
    /// Forget the payloads of these entries; everything so far is brought under a checkpoint first.
    DropPayloads { indexes: BTreeSet<u64>, done: Done },
    /// Witnesses have answered.
    Cosigned {
        checkpoint: SignedCheckpoint,
        cosigned: Cosigned,
    },
}

/// Somebody who waits for a checkpoint over an entry.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) index: u64,
    pub(crate) at: UnixMillis,
    pub(crate) level: Level,
    pub(crate) ack: Ack,
}

/// The state of the integrator's thread.
#[derive(Debug)]
pub(crate) struct Integrator {
    pub(crate) tree: Tree,
    pub(crate) limits: Limits,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: mpsc::UnboundedReceiver<Task>,
    /// Tells the writer and the observer how many entries are under the newest checkpoint.
    pub(crate) size: watch::Sender<u64>,
    /// Gives the newest checkpoint to the witnesses' thread; nothing when there are no witnesses.
    pub(crate) witnesses: Option<watch::Sender<Option<SignedCheckpoint>>>,
    pub(crate) pending: Vec<Leaf>,
    pub(crate) waiters: Vec<Waiter>,
    /// Those who wait for witnesses, and until when.
    pub(crate) unwitnessed: Vec<(Instant, Waiter)>,
    /// When the pending leaves must be under a checkpoint, or a failed attempt is to be repeated.
    pub(crate) due: Option<Instant>,
    pub(crate) failure: Option<Arc<str>>,
}

impl Integrator {
    /// Runs until nobody can ask any more.
    pub(crate) async fn run(mut self) {
        self.offer_to_witnesses();
        loop {
            let due = self.due;
            let expires = self.unwitnessed.first().map(|(at, _)| *at);
            tokio::select! {
                biased;
                task = self.tasks.recv() => {
                    let Some(task) = task else { break };
                    self.take(task);
                    while let Ok(task) = self.tasks.try_recv() {
                        self.take(task);
                    }
                    if !self.waiters.is_empty() && self.failure.is_none() {
                        let _told = self.integrate();
                    }
                }
                () = until(due), if due.is_some() => {
                    let _told = self.integrate();
                }
                () = until(expires), if expires.is_some() => self.expire(),
            }
            if self.due.is_some_and(|due| due <= Instant::now()) {
                let _told = self.integrate();
            }
        }
        // The write-ahead log still has what this cannot bring in.
        let _told = self.integrate();
    }

    fn take(&mut self, task: Task) {
        match task {
            Task::Leaves { leaves, waiters } => {
                if self.due.is_none() && !leaves.is_empty() {
                    self.due = Some(after_ms(self.limits.checkpoint_every_ms));
                }
                self.pending.extend(leaves);
                self.waiters.extend(waiters);
                if let Some(reason) = self.failure.clone() {
                    self.disappoint(&reason);
                }
            }
            Task::Flush { done } => {
                let _gone = done.send(self.integrate());
            }
            Task::DropPayloads { indexes, done } => {
                let outcome = self.integrate().and_then(|()| {
                    let dropped = self.tree.drop_payloads(&indexes);
                    dropped.map_err(|error| AppendError::NotWritten {
                        reason: error.to_string().into(),
                    })
                });
                let _gone = done.send(outcome);
            }
            Task::Cosigned { checkpoint, cosigned } => self.cosigned(&checkpoint, &cosigned),
        }
    }

    /// Brings all pending leaves under a checkpoint and answers who waited for it.
    fn integrate(&mut self) -> Result<(), AppendError> {
        if self.pending.is_empty() && self.failure.is_none() {
            self.due = None;
            return Ok(());
        }
        let outcome = self.tree.integrate(&self.pending);
        let size = self.tree.size();
        if self.pending.last().is_some_and(|last| last.index < size) {
            let bytes = self.pending.iter().map(Leaf::bytes).sum();
            self.shared.leave_backlog(bytes);
            // A burst must not pin its memory for ever.
            self.pending = Vec::new();
        }
        if let Err(error) = outcome {
            return Err(self.fail(&error));
        }
        self.due = None;
        self.shared.set_checkpoint(size);
        if self.failure.take().is_some() {
            self.shared.recover(Part::Integrator);
            tracing::info!("the recorder signs checkpoints again");
        }
        let _before = self.size.send_replace(size);
        self.offer_to_witnesses();
        for waiter in std::mem::take(&mut self.waiters) {
            if waiter.level == Level::Witnessed {
                self.await_witnesses(waiter);
            } else {
                waiter.succeed();
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: &io::Error) -> AppendError {
        let reason: Arc<str> = error.to_string().into();
        tracing::error!(%reason, "no checkpoint can be written; what is durable stays in the write-ahead log");
        self.due = Some(after_ms(self.limits.retry_every_ms));
        self.failure = Some(Arc::clone(&reason));
        self.shared.fail(Part::Integrator, Arc::clone(&reason));
        self.disappoint(&reason);
        AppendError::NotIntegrated {
            index: self.tree.size(),
            reason,
        }
    }

    /// Tells those who wait for a checkpoint that there is none now.
    fn disappoint(&mut self, reason: &Arc<str>) {
        for Waiter { index, ack, .. } in self.waiters.drain(..) {
            let reason = Arc::clone(reason);
            let _gone = ack.send(Err(AppendError::NotIntegrated { index, reason }));
        }
    }

    fn offer_to_witnesses(&self) {
        if let Some(witnesses) = &self.witnesses {
            let _before = witnesses.send_replace(Some(self.tree.checkpoint().clone()));
        }
    }

    fn await_witnesses(&mut self, waiter: Waiter) {
        if self.witnesses.is_none() {
            waiter.fail_witnessing("no witnesses are configured");
            return;
        }
        self.unwitnessed.push((after_ms(self.limits.witness_wait_ms), waiter));
    }

    fn cosigned(&mut self, checkpoint: &SignedCheckpoint, cosigned: &Cosigned) {
        if let Some(contradiction) = &cosigned.contradiction {
            self.shared.remark(contradiction.as_str().into());
        }
        let Cosigned { signatures, quorum, .. } = cosigned;
        if !signatures.is_empty()
            && let Err(error) = self.tree.add_cosignatures(checkpoint, signatures, *quorum)
        {
            tracing::error!(%error, "cosignatures cannot be written");
            return;
        }
        if !cosigned.quorum {
            tracing::warn!(reason = %cosigned.reason, "too few witnesses have signed the checkpoint");
            return;
        }
        self.shared.set_witnessed();
        let size = checkpoint.checkpoint().size();
        let (done, waiting) = std::mem::take(&mut self.unwitnessed)
            .into_iter()
            .partition(|(_, waiter)| waiter.index < size);
        self.unwitnessed = waiting;
        for (_, waiter) in done {
            waiter.succeed();
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        let count = self.unwitnessed.iter().take_while(|(at, _)| *at <= now).count();
        for (_, waiter) in self.unwitnessed.drain(..count) {
            waiter.fail_witnessing("the witnesses did not answer in time, or too few did");
        }
    }
}

impl Waiter {
    fn succeed(self) {
        let receipt = Receipt::Written {
            index: self.index,
            at: self.at,
        };
        let _gone = self.ack.send(Ok(receipt));
    }

    fn fail_witnessing(self, reason: &str) {
        let _gone = self.ack.send(Err(AppendError::NotWitnessed {
            index: self.index,
            reason: reason.into(),
        }));
    }
}

fn after_ms(ms: u64) -> Instant {
    let now = Instant::now();
    now.checked_add(Duration::from_millis(ms)).unwrap_or(now)
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
