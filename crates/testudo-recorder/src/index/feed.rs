//! The index as the recorder feeds it: a thread's observer, which mends itself and stops nobody.

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use testudo_ledger::Hash;
use testudo_ledger::entry::Entry;
use tokio::runtime::{Builder, Runtime};

use super::folder::FolderSource;
use super::line::Line;
use super::{Index, IndexError};
use crate::observer::{Observer, ObserverError};

/// The index's file in the folder of its log.
pub const FILE_NAME: &str = "index.sqlite";
/// Entries that are kept back to be written in one transaction.
const BATCH: usize = 1_024;

/// Why the index of a folder was not opened.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("the system gives no thread timer for the query index")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Feeds the index in a log's folder; runs on a thread without an asynchronous runtime.
#[derive(Debug)]
pub struct Feed {
    root: PathBuf,
    runtime: Runtime,
    index: Index,
    /// Entries that are not written yet.
    waiting: Vec<Option<Line>>,
    last: Hash,
    /// After a failure: what is missing is read from the folder.
    behind: bool,
}

impl Feed {
    /// Opens or makes the index in the folder of the log named `origin`.
    ///
    /// # Errors
    /// When no index can be made there; the log works without.
    pub fn open(root: &Path, origin: &str) -> Result<Self, FeedError> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(FeedError::Runtime)?;
        let index = runtime.block_on(Index::open(&root.join(FILE_NAME), origin))?;
        Ok(Self {
            root: root.to_owned(),
            runtime,
            index,
            waiting: Vec::new(),
            last: Hash::EMPTY,
            behind: false,
        })
    }

    fn catch_up(&mut self) -> Result<(), ObserverError> {
        let mut source = FolderSource::open(&self.root).map_err(failed)?;
        let caught = self.index.catch_up(&mut source, |done, of| {
            tracing::debug!(done, of, "the query index catches up");
        });
        self.runtime.block_on(caught).map_err(failed)?;
        self.behind = false;
        Ok(())
    }

    fn write(&mut self) -> Result<(), ObserverError> {
        if self.behind {
            self.waiting.clear();
            return self.catch_up();
        }
        let lines = std::mem::take(&mut self.waiting);
        let fed = self.index.append_lines(self.index.size(), lines, &self.last);
        self.runtime.block_on(fed).map_err(|problem| {
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
    fn next_index(&mut self) -> Result<u64, ObserverError> {
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
