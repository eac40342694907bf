//! Notices that files of the configuration were changed, replaced, added or removed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Editors write in several steps; the files are looked at when they have been quiet this long.
const QUIET_MS: u64 = 200;

/// Watches the folders that hold some files.
#[derive(Debug)]
pub(super) struct Watch {
    files: Vec<PathBuf>,
    seen: Vec<Mark>,
    events: mpsc::Receiver<()>,
    /// Stops watching when dropped; `None` when the system offers no way to watch.
    _watcher: Option<RecommendedWatcher>,
}

/// Changes whenever a file does.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl Watch {
    /// Starts watching; without the system's help only SIGHUP reloads, and a warning says so.
    pub(super) fn start(files: &[PathBuf]) -> Self {
        let (sender, events) = mpsc::channel(1);
        let watcher = if files.is_empty() {
            None
        } else {
            watcher(files, sender)
        };
        Self {
            files: files.to_vec(),
            seen: marks(files),
            events,
            _watcher: watcher,
        }
    }

    /// Whether these are other files than the watched ones.
    pub(super) fn is_for_other_files(&self, files: &[PathBuf]) -> bool {
        self.files != files
    }

    /// Returns when a watched file is another than before; never when nothing can be watched.
    pub(super) async fn changed(&mut self) {
        loop {
            if self.events.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
            let quiet = Duration::from_millis(QUIET_MS);
            while let Ok(Some(())) = tokio::time::timeout(quiet, self.events.recv()).await {}
            let now = marks(&self.files);
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

fn watcher(files: &[PathBuf], sender: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let notice = move |_event: notify::Result<notify::Event>| {
        // Full means that a change is waiting to be looked at already.
        let _sent = sender.try_send(());
    };
    let started = notify::recommended_watcher(notice).and_then(|mut watcher| {
        for folder in folders(files) {
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    });
    started
        .map_err(|error| tracing::warn!(%error, "changes of the configuration are not noticed; reload with SIGHUP"))
        .ok()
}

/// The folders whose events concern the files: editors and orchestrators replace files rather than write them.
fn folders(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    files
        .iter()
        .map(|file| {
            if file.is_dir() {
                file.as_path()
            } else {
                file.parent().unwrap_or(Path::new(""))
            }
        })
        .map(|folder| {
            if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            }
        })
        .map(Path::to_owned)
        .collect()
}

fn marks(files: &[PathBuf]) -> Vec<Mark> {
    use std::os::unix::fs::MetadataExt as _;
    let mark = |file: &PathBuf| match fs::metadata(if file.as_os_str().is_empty() {
        Path::new(".")
    } else {
        file
    }) {
        Ok(metadata) => Mark {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            inode: metadata.ino(),
        },
        Err(_) => Mark {
            modified: None,
            bytes: 0,
            inode: 0,
        },
    };
    files.iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn replaced_files_and_new_files_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("testudo.toml");
        fs::write(&file, "a").unwrap();
        let mut watch = Watch::start(std::slice::from_ref(&file));
        fs::write(dir.path().join("new"), "bc").unwrap();
        fs::rename(dir.path().join("new"), &file).unwrap();
        watch.changed().await;

        let mut watch = Watch::start(&[dir.path().to_owned()]);
        fs::write(dir.path().join("more.cedar"), "").unwrap();
        watch.changed().await;
    }
}
