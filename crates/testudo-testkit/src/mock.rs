//! A model service for tests: deterministic answers, delays, byte splits and faults on demand.

mod answer;
mod body;
mod gzip;
mod log;
mod serve;
mod settings;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use self::log::Log;
pub use self::log::{Ended, ReceivedRequest};
pub use self::settings::{Fault, MockSettings, Reply, SettingError, Split, UsageChunk};

/// A running mock; stops, and drops its connections, when this is dropped.
#[derive(Debug)]
pub struct MockUpstream {
    /// Where it listens (loopback).
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    settings: Mutex<Arc<MockSettings>>,
    replies: Mutex<VecDeque<Reply>>,
    log: Log,
    answers: answer::Cache,
}

impl MockUpstream {
    /// Listens on a free loopback port of the current tokio runtime.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(settings: MockSettings) -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), settings).await
    }

    /// Listens on `address`.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start_at(address: SocketAddr, settings: MockSettings) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            log: Log::new(settings.record_max),
            settings: Mutex::new(Arc::new(settings)),
            replies: Mutex::new(VecDeque::new()),
            answers: answer::Cache::default(),
        });
        let accepting = tokio::spawn(serve::accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// An address at which nothing listens, so that connecting is refused.
    ///
    /// # Errors
    /// When no port can be found.
    pub async fn refusing() -> io::Result<SocketAddr> {
        TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await?
            .local_addr()
    }

    /// `http://127.0.0.1:PORT`, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces the settings for requests that arrive from now on.
    pub fn set(&self, settings: MockSettings) {
        *lock(&self.shared.settings) = Arc::new(settings);
    }

    /// Queues an exact answer; queued answers go out first, one per request.
    pub fn reply_next(&self, reply: Reply) {
        lock(&self.shared.replies).push_back(reply);
    }

    /// What was received so far, oldest first; at most `record_max`, the oldest dropped.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.shared.log.requests()
    }

    /// Forgets what was received.
    pub fn forget_requests(&self) {
        self.shared.log.clear();
    }

    /// Requests received since the start, forgotten ones included.
    #[must_use]
    pub fn request_count(&self) -> u64 {
        self.shared.log.count()
    }

    /// TCP connections accepted since the start.
    #[must_use]
    pub fn connection_count(&self) -> u64 {
        self.shared.log.connections()
    }

    /// Waits, without a deadline, until `count` requests have been read whole, and returns the latest of them.
    pub async fn wait_for_request(&self, count: u64) -> ReceivedRequest {
        self.shared.log.wait(|log| log.nth_read(count)).await
    }

    /// Waits, without a deadline, until the peer went away before its answer was finished, and returns
    /// that request; `ended_at` says when.
    pub async fn wait_for_close(&self) -> ReceivedRequest {
        self.wait_for_closes(1).await
    }

    /// Waits until that has happened `count` times among the remembered requests; returns the last of them.
    pub async fn wait_for_closes(&self, count: usize) -> ReceivedRequest {
        self.shared.log.wait(|log| log.nth_closed(count)).await
    }

    /// Waits until no request is being answered.
    pub async fn wait_until_idle(&self) {
        self.shared.log.wait(|log| log.is_idle().then_some(())).await;
    }
}

impl Drop for MockUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A poisoned lock only says that some test panicked; the data is still whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
