//! Payload files that were rewritten or deleted and are still different in the store.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::state::FOLDER;
use crate::files::{Disk, Files as _};

const QUEUE: &str = "dirty";
const PENDING: &str = ".pending";

/// A queue on disk: one empty file for each rewrite of a payload file, named by window and number.
///
/// A mark is made before the local file changes and becomes ready after, so that neither a crash in
/// between nor an upload in between leaves the old content in the store.
#[derive(Debug, Clone)]
pub struct Dirty(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    folder: PathBuf,
    next: AtomicU64,
    ready: Notify,
}

/// Marks of one rewrite; they become ready with [`Marks::ready`], or when this is dropped.
#[derive(Debug)]
pub struct Marks {
    queue: Arc<Queue>,
    names: Vec<String>,
}

impl Dirty {
    /// Opens the queue of a ledger that ships. What a crash left unfinished becomes ready.
    ///
    /// The caller holds the ledger's lock and has not begun to erase.
    ///
    /// # Errors
    /// When its folder cannot be made, read or written.
    pub fn open(ledger: &Path) -> io::Result<Self> {
        let folder = ledger.join(FOLDER).join(QUEUE);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut last: u64 = 0;
        for name in Disk.list(&folder)? {
            if let Some(name) = name.strip_suffix(PENDING) {
                fs::rename(folder.join(format!("{name}{PENDING}")), folder.join(name))?;
            }
            let number = name.trim_end_matches(PENDING).split_once('.');
            last = last.max(number.and_then(|it| it.1.parse().ok()).unwrap_or(0));
        }
        Disk.sync_folder(&folder)?;
        Ok(Self(Arc::new(Queue {
            folder,
            next: AtomicU64::new(last.saturating_add(1)),
            ready: Notify::new(),
        })))
    }

    /// The queue of a ledger that has shipped before, whether or not it ships now; none when it never has.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_if_used(ledger: &Path) -> io::Result<Option<Self>> {
        match ledger.join(FOLDER).is_dir() {
            true => Self::open(ledger).map(Some),
            false => Ok(None),
        }
    }

    /// Marks the payload files of these windows, before they change; durable when this returns.
    ///
    /// # Errors
    /// When the marks cannot be written; the files must not be changed then.
    pub fn begin(&self, windows: impl IntoIterator<Item = u64>) -> io::Result<Marks> {
        let mut marks = Marks {
            queue: Arc::clone(&self.0),
            names: Vec::new(),
        };
        for window in windows {
            let number = self.0.next.fetch_add(1, Ordering::Relaxed);
            let name = format!("{window:020}.{number:020}");
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(self.0.folder.join(format!("{name}{PENDING}")))?;
            marks.names.push(name);
        }
        Disk.sync_folder(&self.0.folder)?;
        Ok(marks)
    }

    /// The windows with ready marks, and the marks of each.
    pub(super) fn ready(&self) -> io::Result<BTreeMap<u64, Vec<String>>> {
        let mut ready: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for name in Disk.list(&self.0.folder)? {
            let window = name.split_once('.').and_then(|it| it.0.parse().ok());
            if let (Some(window), false) = (window, name.ends_with(PENDING)) {
                ready.entry(window).or_default().push(name);
            }
        }
        Ok(ready)
    }

    /// Forgets marks whose windows are the same in the store now.
    pub(super) fn done(&self, marks: &[String]) -> io::Result<()> {
        for name in marks {
            fs::remove_file(self.0.folder.join(name))?;
        }
        Disk.sync_folder(&self.0.folder)
    }

    /// Returns when marks have become ready since the last call.
    pub(super) async fn changed(&self) {
        self.0.ready.notified().await;
    }
}

impl Marks {
    /// The files have changed; durable when this returns.
    ///
    /// # Errors
    /// When the marks cannot be renamed; they become ready at the next start then.
    pub fn ready(mut self) -> io::Result<()> {
        self.release()
    }

    fn release(&mut self) -> io::Result<()> {
        if self.names.is_empty() {
            return Ok(());
        }
        for name in std::mem::take(&mut self.names) {
            let pending = self.queue.folder.join(format!("{name}{PENDING}"));
            fs::rename(pending, self.queue.folder.join(name))?;
        }
        Disk.sync_folder(&self.queue.folder)?;
        self.queue.ready.notify_one();
        Ok(())
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        // Uploading a file that did not change after all does no harm.
        if let Err(error) = self.release() {
            tracing::warn!(%error, "rewritten payloads are marked for the store at the next start only");
        }
    }
}
