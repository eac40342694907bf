//! Telling the index of every entry once it is under a checkpoint.

use testudo_ledger::entry::Entry;
use tokio::sync::watch;

use crate::reading::LogFolder;

/// Follows a log, entry by entry, on a thread of its own.
pub trait Observer: Send {
    /// The first entry that it has not seen; asked once, at the start. It may look at what it missed by itself
    /// before it answers, as long as the log is not `closing`.
    ///
    /// # Errors
    /// When it cannot tell; it is then not told anything in this run, and that is logged.
    fn next_index(&mut self, closing: &Closing) -> Result<u64, ObserverError>;

    /// The next entry: its place, its bytes, and what they say; nothing when they follow no schema known here.
    ///
    /// # Errors
    /// When it could not take it; the same entry comes again later.
    fn observe(&mut self, index: u64, bytes: &[u8], entry: Option<&Entry>) -> Result<(), ObserverError>;

    /// No more entries for the moment: make durable what was observed.
    ///
    /// # Errors
    /// When that failed; nothing is told again, so what is lost must be caught up at the next start.
    fn pause(&mut self) -> Result<(), ObserverError>;
}

/// Tells whether the log's writer has ended, so that what takes long is left for the next start.
#[derive(Debug, Clone, Default)]
pub struct Closing(Option<watch::Receiver<u64>>);

impl Closing {
    /// Of the writer that tells the log's size here; without one it never ends.
    pub(crate) fn of(size: watch::Receiver<u64>) -> Self {
        Self(Some(size))
    }

    /// Whether somebody waits for the observer to end.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.0.as_ref().is_some_and(|size| size.has_changed().is_err())
    }
}

/// The observer's own failure.
#[derive(Debug, thiserror::Error)]
#[error("the index failed: {0}")]
pub struct ObserverError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// More entries than these are left for the next start when the recorder closes.
const LEFT_AT_CLOSE: u64 = 4096;

/// Follows the log with an observer until the log's writer has ended.
pub(crate) async fn follow(mut observer: Box<dyn Observer>, log: LogFolder, mut size: watch::Receiver<u64>) {
    let closing = Closing::of(size.clone());
    let mut next = match observer.next_index(&closing) {
        Ok(next) => next,
        Err(error) => {
            tracing::error!(%error, "entries are not indexed in this run");
            return;
        }
    };
    loop {
        let until = *size.borrow_and_update();
        if let Err(error) = catch_up(&mut *observer, &log, &mut next, until, &closing) {
            tracing::error!(%error, next, "an entry could not be indexed; it is tried again with the next");
        }
        if size.changed().await.is_err() {
            return;
        }
    }
}

fn catch_up(
    observer: &mut dyn Observer,
    log: &LogFolder,
    next: &mut u64,
    until: u64,
    closing: &Closing,
) -> Result<(), Box<dyn std::error::Error>> {
    if *next >= until {
        return Ok(());
    }
    while *next < until {
        if closing.is_under_way() && until.saturating_sub(*next) > LEFT_AT_CLOSE {
            break;
        }
        let bundle = log.bundle(*next / 256)?;
        let skip = usize::try_from(*next % 256).unwrap_or(usize::MAX);
        for bytes in bundle.into_iter().skip(skip) {
            observer.observe(*next, &bytes, Entry::decode(&bytes).ok().as_ref())?;
            *next = next.saturating_add(1);
        }
    }
    observer.pause()?;
    Ok(())
}
