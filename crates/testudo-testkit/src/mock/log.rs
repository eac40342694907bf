//! What the mock received, and how each answer ended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::sync::watch;
use tokio::time::Instant;

use super::lock;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// Counts from 1.
    pub number: u64,
    /// Counts from 1; requests with the same number shared a connection.
    pub connection: u64,
    pub method: Method,
    /// Path and query as sent.
    pub target: String,
    pub headers: HeaderMap,
    /// Empty until read whole.
    pub body: Bytes,
    pub read_whole: bool,
    pub ended: Ended,
    /// When `ended` left `Answering`.
    pub ended_at: Option<Instant>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Answering,
    /// Every byte was handed to the connection.
    Delivered,
    /// The mock cut it, as the settings asked.
    Cut,
    /// The peer closed first.
    PeerClosed,
}

/// The log; waiting is for a state, never for a change alone.
#[derive(Debug)]
pub(super) struct Log {
    entries: Mutex<VecDeque<ReceivedRequest>>,
    remembered_max: usize,
    count: AtomicU64,
    answering: AtomicU64,
    connections: AtomicU64,
    changed: watch::Sender<u64>,
}

impl Log {
    pub(super) fn new(remembered_max: usize) -> Self {
        Self {
            entries: Mutex::new(VecDeque::new()),
            remembered_max,
            count: AtomicU64::new(0),
            answering: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            changed: watch::Sender::new(0),
        }
    }

    pub(super) fn connect(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> Vec<ReceivedRequest> {
        lock(&self.entries).iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        lock(&self.entries).clear();
    }

    pub(super) fn is_idle(&self) -> bool {
        self.answering.load(Ordering::SeqCst) == 0
    }

    pub(super) fn nth_read(&self, count: u64) -> Option<ReceivedRequest> {
        let entries = lock(&self.entries);
        let read = || entries.iter().filter(|it| it.read_whole);
        let enough = u64::try_from(read().count()).unwrap_or(u64::MAX) >= count;
        if enough { read().next_back().cloned() } else { None }
    }

    pub(super) fn nth_closed(&self, count: usize) -> Option<ReceivedRequest> {
        let entries = lock(&self.entries);
        entries
            .iter()
            .filter(|it| it.ended == Ended::PeerClosed)
            .nth(count.saturating_sub(1))
            .cloned()
    }

    pub(super) async fn wait<T>(&self, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            // The sender lives in `self`, so this only returns on a change.
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn update(&self, number: u64, change: impl FnOnce(&mut ReceivedRequest)) {
        if self.remembered_max > 0 {
            let mut entries = lock(&self.entries);
            if let Some(entry) = entries.iter_mut().rev().find(|it| it.number == number) {
                change(entry);
            }
        }
        self.changed.send_modify(|it| *it = it.wrapping_add(1));
    }
}

/// One answer in progress; dropped before `finish`, the peer has closed.
#[derive(Debug)]
pub(super) struct Exchange {
    shared: Arc<super::Shared>,
    number: u64,
    ended: Ended,
}

impl Exchange {
    pub(super) fn begin(shared: &Arc<super::Shared>, connection: u64, head: &http::request::Parts) -> Self {
        let log = &shared.log;
        let number = log.count.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        log.answering.fetch_add(1, Ordering::SeqCst);
        if log.remembered_max > 0 {
            let mut entries = lock(&log.entries);
            if entries.len() >= log.remembered_max {
                entries.pop_front();
            }
            entries.push_back(ReceivedRequest {
                number,
                connection,
                method: head.method.clone(),
                target: head.uri.to_string(),
                headers: head.headers.clone(),
                body: Bytes::new(),
                read_whole: false,
                ended: Ended::Answering,
                ended_at: None,
            });
        }
        Self {
            shared: Arc::clone(shared),
            number,
            ended: Ended::Answering,
        }
    }

    pub(super) fn body_read(&self, body: &Bytes) {
        self.shared.log.update(self.number, |entry| {
            entry.body = body.clone();
            entry.read_whole = true;
        });
    }

    /// Says how it ended; the first word counts.
    pub(super) fn finish(&mut self, ended: Ended) {
        if self.ended != Ended::Answering {
            return;
        }
        self.ended = ended;
        self.shared.log.answering.fetch_sub(1, Ordering::SeqCst);
        self.shared.log.update(self.number, |entry| {
            entry.ended = ended;
            entry.ended_at = Some(Instant::now());
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.finish(Ended::PeerClosed);
    }
}
