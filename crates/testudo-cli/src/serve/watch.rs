//! Notices that files of the configuration were changed, replaced, added or removed.
//!
//! The files are looked at, not waited for: a look at a handful of files costs microseconds, works on every file
//! system and container mount, and cannot be kept busy by a log that is written beside them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::{MissedTickBehavior, interval};

const LOOK_EVERY_MS: u64 = 300;

/// Files, and folders in which new files count, as they were when last seen.
#[derive(Debug)]
pub(super) struct Watch {
    files: Vec<PathBuf>,
    seen: Vec<Mark>,
}

/// Another one whenever the file is.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
    mode: u32,
}

impl Watch {
    /// Remembers how the files are now.
    pub(super) fn start(files: &[PathBuf]) -> Self {
        Self {
            files: files.to_vec(),
            seen: marks(files),
        }
    }

    /// Whether these are other files than the watched ones.
    pub(super) fn is_for_other_files(&self, files: &[PathBuf]) -> bool {
        self.files != files
    }

    /// Returns when a file is another than before and was left alone for one look; never when there is none.
    pub(super) async fn changed(&mut self) {
        if self.files.is_empty() {
            return std::future::pending().await;
        }
        let mut looks = interval(Duration::from_millis(LOOK_EVERY_MS));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = None;
        loop {
            looks.tick().await;
            let now = marks(&self.files);
            if now != self.seen && before.as_ref() == Some(&now) {
                self.seen = now;
                return;
            }
            before = Some(now);
        }
    }
}

fn marks(files: &[PathBuf]) -> Vec<Mark> {
    files.iter().map(|file| mark(file)).collect()
}

fn mark(file: &Path) -> Mark {
    // The empty path is the working folder.
    let file = if file.as_os_str().is_empty() {
        Path::new(".")
    } else {
        file
    };
    match fs::metadata(file) {
        Ok(metadata) => Mark {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            inode: metadata.ino(),
            mode: metadata.mode(),
        },
        Err(_) => Mark {
            modified: None,
            bytes: 0,
            inode: 0,
            mode: 0,
        },
    }
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

        let mut watch = Watch::start(std::slice::from_ref(&file));
        fs::remove_file(&file).unwrap();
        watch.changed().await;

        let mut watch = Watch::start(&[dir.path().to_owned()]);
        fs::write(dir.path().join("more.cedar"), "").unwrap();
        watch.changed().await;
    }
}
