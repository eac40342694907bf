//! The keys in memory: one snapshot for all requests, brought up to date twice a second.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use sqlx::sqlite::SqliteConnection;
use testudo_types::{KeyId, UnixMillis};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::record::{Caller, KeyRecord};
use super::store::{KEYS_MAX, KeyChange, KeyStore, ReadKeysError, changes_since, data_version};
use super::token::{KeyHash, KeyHasher, PresentedKey};
use crate::auth::AuthError;

const POLL_MS: u64 = 500;
/// How long one poll may take.
const POLL_MS_MAX: u64 = 5_000;
/// After so long without an answer of the store no key is accepted: a revocation may have been missed.
const UNSEEN_MS_MAX: u64 = 30_000;

/// Why the keys could not be loaded at the start.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    #[error("the keys could not be loaded")]
    Load(#[from] ReadKeysError),
    #[error("the key store cannot be watched")]
    Watch(#[from] sqlx::Error),
}

/// Knows every key without asking the disk.
#[derive(Debug)]
pub struct KeyRing {
    hasher: KeyHasher,
    keys: ArcSwap<Snapshot>,
    /// Set while the store cannot be read.
    blind: AtomicBool,
    telling: Option<Telling>,
}

/// A key as it is after a change.
#[derive(Debug, Clone)]
pub(crate) struct KeyNews {
    /// Grows with every change in the store.
    pub(crate) sequence: i64,
    pub(crate) key: KeyRecord,
}

/// Who hears of changes, and after which one.
#[derive(Debug)]
pub(crate) struct Telling {
    pub(crate) to: UnboundedSender<KeyNews>,
    pub(crate) after: i64,
}

/// Keys by id; only looked up, never walked.
type Snapshot = HashMap<Box<str>, Arc<Entry>>;

#[derive(Debug)]
struct Entry {
    hash: KeyHash,
    caller: Arc<Caller>,
    revoked: bool,
}

impl KeyRing {
    /// Loads every key and starts the task that follows changes, also those of other processes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(store: &KeyStore) -> Result<(Arc<Self>, KeyRefresh), RefreshError> {
        Self::start_telling(store, None).await
    }

    /// As [`Self::start`], and tells somebody of every change, also of those before the start.
    pub(crate) async fn start_telling(
        store: &KeyStore,
        telling: Option<Telling>,
    ) -> Result<(Arc<Self>, KeyRefresh), RefreshError> {
        let mut watch = Watch {
            connection: store.watch().await?,
            version: None,
            sequence: 0,
        };
        let ring = Arc::new(Self {
            hasher: store.hasher().clone(),
            keys: ArcSwap::default(),
            blind: AtomicBool::new(false),
            telling,
        });
        ring.apply(watch.changes().await?);
        let stop = CancellationToken::new();
        let task = tokio::spawn(follow(Arc::clone(&ring), store.clone(), watch, stop.clone()));
        Ok((ring, KeyRefresh { stop, task }))
    }

    /// Who the presented key belongs to; `presented` is the credential alone, as from [`crate::auth::presented_key`].
    ///
    /// An unknown id costs the same keyed hash as a known one.
    ///
    /// # Errors
    /// When it is not of a key's form, not a key, expired or revoked, or when the store
    /// could not be read for half a minute. The error never holds the key.
    pub fn authenticate(&self, presented: &str, now: UnixMillis) -> Result<Arc<Caller>, AuthError> {
        let presented = PresentedKey::parse(presented)?;
        if !self.is_current() {
            return Err(AuthError::Unavailable);
        }
        let keys = self.keys.load();
        let entry = keys.get(presented.id());
        let stored = entry.map_or(&KeyHash::NONE, |entry| &entry.hash);
        let verified = self.hasher.verify(presented, stored);
        let entry = entry.filter(|_| verified).ok_or(AuthError::Unknown)?;
        if entry.revoked {
            return Err(AuthError::Revoked);
        }
        if entry.caller.expires.is_some_and(|expires| expires <= now) {
            return Err(AuthError::Expired);
        }
        Ok(Arc::clone(&entry.caller))
    }

    /// Whether a key that was shown before would still be taken.
    pub(crate) fn is_live(&self, id: &KeyId, now: UnixMillis) -> bool {
        let keys = self.keys.load();
        let entry = keys
            .get(id.as_str())
            .filter(|entry| !entry.revoked && self.is_current());
        entry.is_some_and(|entry| entry.caller.expires.is_none_or(|expires| expires > now))
    }

    /// Eight bytes that follow from these parts under the pepper: the same after a restart, guessed by nobody outside.
    pub(crate) fn code(&self, parts: &[&[u8]]) -> Option<[u8; 8]> {
        self.hasher.code(parts)
    }

    /// Whether changes in the store are still seen; when not, no key is accepted.
    #[must_use]
    pub fn is_current(&self) -> bool {
        !self.blind.load(Ordering::Acquire)
    }

    /// How many keys are known, revoked and expired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.load().len()
    }

    /// Whether no key is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.load().is_empty()
    }

    fn apply(&self, changes: Vec<KeyChange>) {
        if changes.is_empty() {
            return;
        }
        let mut keys = Snapshot::clone(&self.keys.load());
        for change in changes {
            self.tell(&change);
            match change.key {
                Some((record, hash)) if keys.len() < KEYS_MAX || keys.contains_key(change.id.as_str()) => {
                    keys.insert(change.id.into(), Arc::new(Entry::new(&record, hash)));
                }
                Some(_) => tracing::warn!(
                    id = change.id,
                    "there are more than {KEYS_MAX} keys; this one is refused"
                ),
                None => {
                    keys.remove(change.id.as_str());
                }
            }
        }
        self.keys.store(Arc::new(keys));
    }

    fn tell(&self, change: &KeyChange) {
        if let (Some(telling), Some((key, _))) = (&self.telling, &change.key)
            && change.sequence > telling.after
        {
            // Nobody listens any more when the gateway stops.
            let _told = telling.to.send(KeyNews {
                sequence: change.sequence,
                key: key.clone(),
            });
        }
    }
}

impl Entry {
    fn new(record: &KeyRecord, hash: KeyHash) -> Self {
        Self {
            hash,
            caller: Arc::new(Caller::of(record)),
            revoked: record.revoked.is_some(),
        }
    }
}

/// The running task behind a ring; dropping it stops the task, and the ring then accepts no key.
#[derive(Debug)]
pub struct KeyRefresh {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl KeyRefresh {
    /// Stops the task and waits for its end.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // A task that panicked has ended as well, and has left the ring closed.
        let _ended = (&mut self.task).await;
    }
}

impl Drop for KeyRefresh {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A connection that notices the writes of others, and how far it has read.
#[derive(Debug)]
struct Watch {
    connection: SqliteConnection,
    version: Option<i64>,
    sequence: i64,
}

impl Watch {
    /// What was written since the last call; cheap when nothing was.
    async fn changes(&mut self) -> Result<Vec<KeyChange>, ReadKeysError> {
        // The version is read first: a write in between is seen again at the next call, never missed.
        let version = data_version(&mut self.connection).await?;
        if self.version == Some(version) {
            return Ok(Vec::new());
        }
        let changes = changes_since(&mut self.connection, self.sequence).await?;
        if let Some(last) = changes.last() {
            self.sequence = last.sequence;
        }
        self.version = Some(version);
        Ok(changes)
    }
}

/// Closes the ring when the task ends, however it ends.
struct CloseAtEnd(Arc<KeyRing>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        self.0.blind.store(true, Ordering::Release);
    }
}

async fn follow(ring: Arc<KeyRing>, store: KeyStore, mut watch: Watch, stop: CancellationToken) {
    let ring = CloseAtEnd(ring);
    let mut seen_at = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(POLL_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match in_time(watch.changes()).await {
            Some(Ok(changes)) => {
                ring.0.apply(changes);
                ring.0.blind.store(false, Ordering::Release);
                seen_at = Instant::now();
            }
            failed => {
                let problem = failed.and_then(Result::err).map(|problem| problem.to_string());
                tracing::warn!(problem, "the key store could not be read; revocations may come late");
                if seen_at.elapsed() >= Duration::from_millis(UNSEEN_MS_MAX) {
                    ring.0.blind.store(true, Ordering::Release);
                }
                if let Some(Ok(connection)) = in_time(store.watch()).await {
                    watch.connection = connection;
                    watch.version = None;
                }
            }
        }
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_millis(POLL_MS_MAX), work)
        .await
        .ok()
}
