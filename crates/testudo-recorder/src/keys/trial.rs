//! What tests of keys share: a clock, names, and a search through the bytes of files.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use testudo_types::{Clock, Millis, TenantId, UnixMillis};

/// Always the same time.
#[derive(Debug)]
pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn monotonic(&self) -> Millis {
        Millis(1)
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(1_700_000_000_000)
    }
}

/// Stands still until it is told.
#[derive(Debug)]
pub(crate) struct SetClock(pub(crate) AtomicU64);

impl Clock for SetClock {
    fn monotonic(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) fn names<const N: usize>(names: [&str; N]) -> [TenantId; N] {
    names.map(|name| TenantId::parse(name).unwrap())
}

/// Every file under a folder.
pub(crate) fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Files under a folder that hold these bytes anywhere.
pub(crate) fn files_with(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let content = testudo_bounded::read_file(path, 1 << 30).unwrap();
        content.windows(bytes.len()).any(|it| it == bytes)
    };
    all_files(folder).into_iter().filter(holds).collect()
}
