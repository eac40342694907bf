//! The index as the recorder feeds it: a thread's observer, which mends itself and stops nobody.

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use testudo_ledger::Hash;
use testudo_ledger::entry::Entry;

use super::folder::FolderSource;
use super::line::Line;
use super::{Index, IndexError, LeafSource as _};
use crate::observer::{Closing, Observer, ObserverError};
use crate::reading::LogFolder;

/// The index's file in the folder of its log.
pub const FILE_NAME: &str = "index.sqlite";
/// Entries that are kept back to be written in one transaction.
const BATCH: usize = 1_024;

/// Feeds the index in a log's folder. It blocks the thread that it is used on, for some milliseconds at a time.
#[derive(Debug)]
pub struct Feed {
    log: LogFolder,
    index: Index,
    /// Entries that are not written yet.
    waiting: Vec<Option<Line>>,
    last: Hash,
    /// After a failure: what is missing is read from the folder.
    behind: bool,
    /// Of the log that it follows.
    closing: Closing,
}

impl Feed {
    /// Opens or makes the index in the folder of the log named `origin`.
    ///
    /// # Errors
    /// When no index can be made there; the log works without.
    pub fn open(root: &Path, origin: &str) -> Result<Self, IndexError> {
        let index = wait(Index::open(&root.join(FILE_NAME), origin))?;
        Ok(Self {
            log: LogFolder::new(root),
            index,
            waiting: Vec::new(),
            last: Hash::EMPTY,
            behind: false,
            closing: Closing::default(),
        })
    }

    /// Reads what is missing from the folder, or a first part of it when the log is being closed.
    fn catch_up(&mut self) -> Result<(), ObserverError> {
        let mut source = FolderSource::open(self.log.clone()).map_err(failed)?;
        let caught = self.index.catch_up(&mut source, |done, of| {
            tracing::debug!(done, of, "the query index catches up");
            match self.closing.is_under_way() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        wait(caught).map_err(failed)?;
        self.behind = self.index.size() < source.size();
        Ok(())
    }

    fn write(&mut self) -> Result<(), ObserverError> {
        if self.behind {
            self.waiting.clear();
            return self.catch_up();
        }
        let lines = std::mem::take(&mut self.waiting);
        let fed = self.index.append_lines(self.index.size(), lines, &self.last);
        wait(fed).map_err(|problem| {
            self.behind = true;
            failed(problem)
        })
    }

    /// The first entry that is neither in the index nor waiting.
    fn next(&self) -> u64 {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        self.index.size().saturating_add(waiting)
    }
}

impl Observer for Feed {
    /// Catches up with the folder first, which mends an index that is not of this log.
    fn next_index(&mut self, closing: &Closing) -> Result<u64, ObserverError> {
        self.closing = closing.clone();
        self.catch_up()?;
        Ok(self.index.size())
    }

    fn observe(&mut self, index: u64, bytes: &[u8], entry: Option<&Entry>) -> Result<(), ObserverError> {
        if index < self.next() {
            return Ok(());
        }
        self.behind |= index > self.next();
        self.waiting.push(entry.map(Line::of));
        self.last = Hash::leaf(bytes);
        if self.waiting.len() >= BATCH {
            self.write()
        } else {
            Ok(())
        }
    }

    fn pause(&mut self) -> Result<(), ObserverError> {
        if self.waiting.is_empty() && !self.behind {
            return Ok(());
        }
        self.write()
    }
}

fn failed(problem: impl std::error::Error + Send + Sync + 'static) -> ObserverError {
    ObserverError(Box::new(problem))
}

/// Waits for SQLite, which works on a thread of its own and needs no reactor; the thread that waits may
/// belong to an asynchronous runtime, on which another could not be started.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
