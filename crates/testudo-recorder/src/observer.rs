//! Telling the index of every entry once it is under a checkpoint.

use testudo_ledger::entry::Entry;

/// Follows a log, entry by entry, on a thread of its own.
pub trait Observer: Send {
    /// The first entry that it has not seen; asked once, at the start.
    ///
    /// # Errors
    /// When it cannot tell; it is then not told anything in this run, and that is logged.
    fn next_index(&mut self) -> Result<u64, ObserverError>;

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

/// The observer's own failure.
#[derive(Debug, thiserror::Error)]
#[error("the index failed: {0}")]
pub struct ObserverError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
