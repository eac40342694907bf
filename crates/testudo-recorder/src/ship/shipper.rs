//! Ships what is new, over and over, until it is told to stop.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use testudo_ledger::{Tile, TileLevel, VerifierKey, payload};
use testudo_types::{Clock, Millis};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::chain;
use super::dirty::Dirty;
use super::remote::{Remote, RemoteError};
use super::source::{CHECKPOINT, CHECKPOINT_BYTES_MAX, LocalError, Noted, Source, WITNESSED};
use super::state::{State, StateError};
use super::store::Store;
use crate::control::ShippingStatus;

/// Windows of 256 entries between two notes of how far it has come, and between two looks at what was erased.
const BATCH_WINDOWS: u64 = 64;
/// Levels of hash tiles that a tree can have.
const LEVELS: u8 = 8;
/// After a failure; twice as long after each further one, up to the longest.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_LONGEST: Duration = Duration::from_secs(120);

/// What is shipped, where, and how eagerly.
#[derive(Debug)]
pub struct Options {
    /// The ledger's folder; its lock is held by this process.
    pub folder: PathBuf,
    /// The key that signs the ledger's checkpoints.
    pub log: VerifierKey,
    pub store: Store,
    pub dirty: Dirty,
    pub clock: Arc<dyn Clock>,
    /// Between two runs; erased payloads do not wait.
    pub pause: Duration,
    /// Objects on their way at a time, at least 1.
    pub concurrency: usize,
}

/// Why a run did not finish.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShipError {
    /// Retried later.
    #[error("the ledger cannot be read for its copy")]
    Local(#[from] LocalError),
    /// Retried later.
    #[error("the store does not take the copy")]
    Remote(#[from] RemoteError),
    /// Retried later.
    #[error("what was shipped cannot be remembered")]
    State(#[from] StateError),
    /// Retried later.
    #[error("the queue of rewritten payloads cannot be read or written")]
    Dirty(#[source] io::Error),
    /// Needs a person.
    #[error(transparent)]
    Alarm(#[from] Alarm),
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// The store's checkpoint has this size now.
    Shipped { size: u64 },
    /// There was nothing new.
    Idle,
    /// It was told to stop in between.
    Stopped,
}

/// Copies one ledger to one store.
#[derive(Debug)]
pub struct Shipper {
    source: Source,
    log: VerifierKey,
    remote: Remote,
    dirty: Dirty,
    state: State,
    /// The checkpoint in the store, once it has been looked at.
    shipped: Option<Vec<u8>>,
    /// The witnessed one in the store, once it was shipped.
    witnessed: Option<Vec<u8>>,
    pause: Duration,
    concurrency: usize,
    stop: CancellationToken,
    progress: Arc<Progress>,
}

/// How shipping is doing; cheap to ask.
#[derive(Debug, Clone)]
pub struct Watch(Arc<Progress>);

#[derive(Debug)]
struct Progress {
    clock: Arc<dyn Clock>,
    changed: Notify,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    local: u64,
    shipped: u64,
    behind_since: Option<Millis>,
    alarm: Option<String>,
    error: Option<String>,
}

impl Watch {
    /// How far the copy is behind.
    #[must_use]
    pub fn status(&self) -> ShippingStatus {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        ShippingStatus {
            size: known.shipped,
            lag_entries: known.local.saturating_sub(known.shipped),
            lag_ms: known.behind_since.map_or(0, |it| self.0.clock.monotonic().since(it)),
            alarm: known.alarm.clone(),
            error: known.error.clone(),
        }
    }

    /// Tells of a checkpoint, so that the lag is right before the next run.
    pub fn checkpoint(&self, size: u64) {
        self.0.update(|known| {
            known.local = known.local.max(size);
        });
    }

    /// Returns when the status has changed since the last call.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

impl Progress {
    fn update(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        if known.local <= known.shipped {
            known.behind_since = None;
        } else if known.behind_since.is_none() {
            known.behind_since = Some(self.clock.monotonic());
        }
        drop(known);
        self.changed.notify_one();
    }
}

impl Shipper {
    /// Prepares to ship; nothing is sent yet.
    ///
    /// # Errors
    /// When what was shipped before cannot be read.
    pub fn new(options: Options, stop: CancellationToken) -> Result<Self, StateError> {
        let state = State::load(&options.folder, &options.store.name)?;
        let progress = Arc::new(Progress {
            clock: options.clock,
            changed: Notify::new(),
            known: Mutex::new(Known {
                shipped: state.size,
                ..Known::default()
            }),
        });
        Ok(Self {
            source: Source { folder: options.folder },
            log: options.log,
            remote: Remote::new(options.store),
            dirty: options.dirty,
            state,
            shipped: None,
            witnessed: None,
            pause: options.pause,
            concurrency: options.concurrency.max(1),
            stop,
            progress,
        })
    }

    /// Where to ask how it is doing.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.progress))
    }

    /// Ships until it is told to stop or there is an alarm.
    pub async fn run(mut self) {
        let mut backoff = BACKOFF_FIRST;
        let dirty = self.dirty.clone();
        let stop = self.stop.clone();
        loop {
            let (wait, urgent) = match self.pass().await {
                Ok(Passed::Stopped) => return,
                Ok(_) => {
                    backoff = BACKOFF_FIRST;
                    (self.pause, true)
                }
                Err(ShipError::Alarm(_)) => {
                    stop.cancelled().await;
                    return;
                }
                Err(_) => {
                    let wait = backoff;
                    backoff = backoff.saturating_mul(2).min(BACKOFF_LONGEST);
                    (wait, false)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = dirty.changed(), if urgent => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Ships once: what was rewritten, what is new, the checkpoint. For commands that want a copy now.
    ///
    /// # Errors
    /// When a side fails, and when the two sides contradict each other; the status says the same.
    pub async fn pass(&mut self) -> Result<Passed, ShipError> {
        let outcome = self.attempt().await;
        match &outcome {
            Ok(_) => self.progress.update(|known| known.error = None),
            Err(ShipError::Alarm(alarm)) => {
                tracing::error!(store = self.remote.name(), %alarm, "shipping the ledger has stopped");
                self.progress.update(|known| known.alarm = Some(alarm.to_string()));
            }
            Err(error) => {
                let message = chain(error);
                tracing::warn!(store = self.remote.name(), error = message, "the ledger's copy is late");
                self.progress.update(|known| known.error = Some(message));
            }
        }
        outcome
    }

    async fn attempt(&mut self) -> Result<Passed, ShipError> {
        let started = self.progress.clock.monotonic();
        let Some(local) = self.read(|source| source.note(CHECKPOINT)).await? else {
            return Ok(Passed::Idle);
        };
        self.progress
            .update(|known| known.local = known.local.max(local.size()));
        if self.shipped.as_ref() == Some(&local.bytes) {
            self.clean(local.size()).await?;
            return Ok(Passed::Idle);
        }
        self.examine(&local).await?;
        if !self.windows(local.size()).await? {
            return Ok(Passed::Stopped);
        }
        let there = partials(self.state.size);
        let new = partials(local.size()).into_iter().filter(|it| !there.contains(it));
        self.each(new, |this, tile| this.tile(tile)).await?;
        let open = local.size() / 256;
        self.payload(open, local.size()).await?;
        // As late as can be: the tombstone is in this checkpoint or in the next.
        self.clean(local.size()).await?;
        self.remote.put(CHECKPOINT, local.bytes.clone()).await?;
        self.witnessed(local.size()).await?;
        self.remember(local, started).await
    }

    /// Ships the newest checkpoint that others have signed, when it is not above the one in the store.
    async fn witnessed(&mut self, size: u64) -> Result<(), ShipError> {
        let Some(noted) = self.read(|source| source.note(WITNESSED)).await? else {
            return Ok(());
        };
        if noted.size() <= size && self.witnessed.as_ref() != Some(&noted.bytes) {
            self.remote.put(WITNESSED, noted.bytes.clone()).await?;
            self.witnessed = Some(noted.bytes);
        }
        Ok(())
    }

    async fn remember(&mut self, local: Noted, started: Millis) -> Result<Passed, ShipError> {
        let size = local.size();
        self.shipped = Some(local.bytes);
        if size != self.state.size {
            let before = self.state.clone();
            self.state.previous = before.size;
            self.state.size = size;
            self.state.save(&self.source.folder)?;
            let kept = [partials(size), partials(before.size)].concat();
            let stale = partials(before.previous).into_iter().filter(|it| !kept.contains(it));
            self.each(stale, |this, tile| async move {
                this.remote.delete(&tile.path()).await.map_err(ShipError::from)
            })
            .await?;
        }
        self.progress.update(|known| {
            known.shipped = size;
            // What is still missing came after this run had begun.
            known.behind_since = known.behind_since.map(|since| since.max(started));
        });
        Ok(Passed::Shipped { size })
    }

    /// Compares the checkpoint in the store with this ledger.
    async fn examine(&mut self, local: &Noted) -> Result<(), ShipError> {
        let found = self.remote.get(CHECKPOINT, CHECKPOINT_BYTES_MAX).await?;
        let remote_size = match &found {
            None => 0,
            Some(bytes) if self.shipped.as_ref().is_some_and(|it| it == bytes) => return Ok(()),
            Some(bytes) => {
                let signed = testudo_ledger::SignedCheckpoint::parse(bytes).map_err(|_| Alarm::Foreign)?;
                signed.verify_log([&self.log]).map_err(|_| Alarm::Foreign)?;
                let (size, root) = (signed.checkpoint().size(), *signed.checkpoint().root());
                if size > local.size() {
                    return Err(Alarm::Ahead {
                        remote: size,
                        local: local.size(),
                    }
                    .into());
                }
                let of = local.size();
                if self.read(move |source| source.root(size, of)).await? != root {
                    return Err(Alarm::Fork { size }.into());
                }
                size
            }
        };
        if remote_size < self.state.size {
            return Err(Alarm::Behind {
                remote: remote_size,
                shipped: self.state.size,
            }
            .into());
        }
        self.state.size = remote_size;
        // Full tiles under a checkpoint in the store are in the store.
        self.state.tiles = self.state.tiles.max(below(remote_size)).min(below(local.size()));
        self.progress.update(|known| known.shipped = remote_size);
        Ok(())
    }

    /// Uploads the full tiles below `size` and the payloads beside them; false when told to stop.
    async fn windows(&mut self, size: u64) -> Result<bool, ShipError> {
        let end = size / 256;
        loop {
            let next = self.state.tiles / 256;
            if next >= end {
                return Ok(true);
            }
            if self.stop.is_cancelled() {
                return Ok(false);
            }
            self.clean(size).await?;
            let batch = next..end.min(next.saturating_add(BATCH_WINDOWS));
            let reached = batch.end.saturating_mul(256);
            self.each(batch, |this, window| this.window(window, size)).await?;
            self.state.tiles = reached;
            self.state.save(&self.source.folder)?;
        }
    }

    /// Everything that is full with the window's last entry.
    async fn window(&self, window: u64, size: u64) -> Result<(), ShipError> {
        let full = |level, index| Tile::new(level, index, 256);
        let mut tiles = vec![full(TileLevel::Entries, window), full(TileLevel::Hashes(0), window)];
        let mut complete = window.saturating_add(1);
        for level in 1..LEVELS {
            if !complete.is_multiple_of(256) {
                break;
            }
            complete /= 256;
            tiles.push(full(TileLevel::Hashes(level), complete.saturating_sub(1)));
        }
        for tile in tiles.into_iter().flatten() {
            self.tile(tile).await?;
        }
        self.payload(window, size).await
    }

    async fn tile(&self, tile: Tile) -> Result<(), ShipError> {
        let bytes = self.read(move |source| source.tile(&tile)).await?;
        Ok(self.remote.put(&tile.path(), bytes).await?)
    }

    /// Uploads a payload file, when there is one.
    async fn payload(&self, window: u64, size: u64) -> Result<(), ShipError> {
        match self.read(move |source| source.payload(window, size)).await? {
            Some(covered) if covered.bytes > 0 => Ok(self.remote.put_payload(&payload::path(window), covered).await?),
            _ => Ok(()),
        }
    }

    /// Makes the store forget what this ledger has forgotten.
    async fn clean(&self, size: u64) -> Result<(), ShipError> {
        let ready = self.dirty.ready().map_err(ShipError::Dirty)?;
        let windows: Vec<_> = ready.into_iter().collect();
        self.each(windows, |this, (window, marks)| async move {
            match this.read(move |source| source.payload(window, size)).await? {
                Some(covered) if covered.bytes > 0 => {
                    this.remote.put_payload(&payload::path(window), covered).await?;
                }
                _ => this.remote.delete(&payload::path(window)).await?,
            }
            this.dirty.done(&marks).map_err(ShipError::Dirty)
        })
        .await
    }

    /// Does the same to many, several at a time; stops at the first failure.
    async fn each<'a, T, F>(
        &'a self,
        items: impl IntoIterator<Item = T>,
        work: impl Fn(&'a Self, T) -> F,
    ) -> Result<(), ShipError>
    where
        F: Future<Output = Result<(), ShipError>>,
    {
        let work = stream::iter(items).map(|item| work(self, item));
        work.buffer_unordered(self.concurrency).try_collect().await
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Source) -> Result<T, LocalError> + Send + 'static,
    ) -> Result<T, LocalError> {
        let source = self.source.clone();
        let reading = tokio::task::spawn_blocking(move || read(&source));
        reading.await.unwrap_or(Err(LocalError::Stopped))
    }
}

/// The entries in full bundles of a tree.
fn below(size: u64) -> u64 {
    size.saturating_sub(size % 256)
}

/// The tiles at the right edge of a tree that are not full.
fn partials(size: u64) -> Vec<Tile> {
    let levels = (0..LEVELS).map(|level| (TileLevel::Hashes(level), u32::from(level).saturating_mul(8)));
    std::iter::once((TileLevel::Entries, 0))
        .chain(levels)
        .filter_map(|(level, bits)| Tile::of_tree(level, (size >> bits) / 256, size))
        .filter(|it| !it.is_full())
        .collect()
}
