//! From drafts to durable leaves: places, time, pseudonyms, seals, bytes, one sync.

use std::sync::Arc;

use testudo_ledger::entry::{Entry, PayloadRef};
use testudo_types::UnixMillis;

use super::{Item, Writer};
use crate::draft::{AppendError, Draft, Level, Receipt};
use crate::integrate::{Task, Waiter};
use crate::sealer::{Batch, Refusal, Sealed};
use crate::wal::Leaf;

/// A batch that could not be written, and why.
pub(super) type Unwritten = (Arc<str>, Vec<Item>);

impl Writer {
    /// Writes the batch durably, acknowledges it and hands it to the integrator. Drafts that can never be written
    /// are refused one by one and the others close ranks.
    pub(super) async fn try_write(&mut self, mut items: Vec<Item>) -> Result<(), Unwritten> {
        while !items.is_empty() {
            let at = self.shared.clock.wall().max(self.last_at);
            let sealed = match self.seal(&items).await {
                Ok(sealed) => sealed,
                Err(reason) => return Err((reason, items)),
            };
            let first_index = self.wal.next();
            let (leaves, refused) = leaves(first_index, at, &items, sealed);
            if !refused.is_empty() {
                self.turn_away(&mut items, refused);
                continue;
            }
            if let Err(error) = self.wal.append(&leaves) {
                return Err((error.to_string().into(), items));
            }
            self.last_at = at;
            self.shared.set_durable(self.wal.next());
            self.acknowledge(first_index, at, items, leaves);
            break;
        }
        Ok(())
    }

    async fn seal(&mut self, items: &[Item]) -> Result<Vec<Result<Sealed, Refusal>>, Arc<str>> {
        let drafts: Vec<&Draft> = items.iter().map(|item| &item.draft).collect();
        let batch = Batch {
            origin: self.folder.origin(),
            first_index: self.wal.next(),
            drafts: &drafts,
        };
        let sealed = self.sealer.seal(batch).await.map_err(|error| error.to_string())?;
        if sealed.len() != items.len() {
            return Err("the key store did not answer for every entry".into());
        }
        Ok(sealed)
    }

    /// Answers the refused ones and takes them out; `refused` is sorted by position.
    fn turn_away(&self, items: &mut Vec<Item>, refused: Vec<(usize, AppendError)>) {
        for (position, error) in refused.into_iter().rev() {
            let item = items.remove(position);
            match item.ack {
                Some(ack) => {
                    let _gone = ack.send(Err(error));
                }
                None => {
                    tracing::error!(kind = item.draft.body.kind(), %error, "an entry was refused");
                    self.shared.count_lost(1, "refused");
                }
            }
        }
    }

    fn acknowledge(&self, first_index: u64, at: UnixMillis, items: Vec<Item>, leaves: Vec<Leaf>) {
        let mut waiters = Vec::new();
        for (index, item) in (first_index..).zip(items) {
            let Some(ack) = item.ack else { continue };
            match item.level {
                Level::Queued | Level::Durable => {
                    let _gone = ack.send(Ok(Receipt::Written { index, at }));
                }
                level @ (Level::Integrated | Level::Witnessed) => waiters.push(Waiter { index, at, level, ack }),
            }
        }
        self.shared.enter_backlog(leaves.iter().map(Leaf::bytes).sum());
        // When its thread has died, dropping the waiters tells them, and the loop ends.
        let _gone = self.integrator.send(Task::Leaves { leaves, waiters });
    }
}

/// The leaves of a batch, or who cannot have one.
fn leaves(
    first_index: u64,
    at: UnixMillis,
    items: &[Item],
    sealed: Vec<Result<Sealed, Refusal>>,
) -> (Vec<Leaf>, Vec<(usize, AppendError)>) {
    let mut leaves = Vec::with_capacity(items.len());
    let mut refused = Vec::new();
    for ((position, index), (item, sealed)) in (0..).zip(first_index..).zip(items.iter().zip(sealed)) {
        match leaf(index, at, item, sealed) {
            Ok(leaf) => leaves.push(leaf),
            Err(error) => refused.push((position, error)),
        }
    }
    (leaves, refused)
}

fn leaf(index: u64, at: UnixMillis, item: &Item, sealed: Result<Sealed, Refusal>) -> Result<Leaf, AppendError> {
    let sealed = sealed.map_err(|Refusal(reason)| AppendError::Refused { reason })?;
    let (payload, record) = match sealed.payload {
        Some(payload) => {
            let told = PayloadRef {
                bytes: payload.bytes,
                commitment: payload.commitment,
                subject: payload.subject,
            };
            (Some(told), Some(payload.record))
        }
        None => (None, None),
    };
    let mut entry = Entry {
        at: at.0,
        tenant: sealed.tenant,
        principal: sealed.principal,
        payload,
        body: item.draft.body.clone(),
    };
    // Who does not wait cannot be told: then a shortened entry is better than none.
    let bytes = match item.ack {
        Some(_) => entry.encode(),
        None => entry.encode_clipped(),
    };
    Ok(Leaf {
        index,
        entry: bytes.map_err(AppendError::Invalid)?,
        payload: record,
    })
}
