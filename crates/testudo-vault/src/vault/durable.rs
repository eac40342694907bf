//! Objects as files that are on the disk, with the folders that name them, before anybody sees them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use aws_lc_rs::rand;

use super::objects::Made;

/// Folders in one another that are looked through.
const DEPTH_MAX: usize = 8;

/// A folder of objects.
#[derive(Debug, Clone)]
pub(super) struct Durable {
    root: PathBuf,
}

impl Durable {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Makes an object whole, unless it is there.
    pub(super) fn create(&self, name: &str, bytes: &[u8]) -> io::Result<Made> {
        let mut file = self.begin(name)?;
        file.write(bytes)?;
        file.finish(|from, to| match fs::hard_link(from, to) {
            Ok(()) => Ok(Made::Now),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Made::Before),
            Err(error) => Err(error),
        })
    }

    /// Makes or replaces an object whole.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.begin(name)?;
        file.write(bytes)?;
        file.complete()
    }

    /// Begins a file that has its name when it is complete.
    pub(super) fn begin(&self, name: &str) -> io::Result<Unfinished> {
        let to = self.root.join(name);
        let folder = to.parent().unwrap_or(&self.root).to_owned();
        self.make_folders(&folder)?;
        let mut number = [0u8; 8];
        rand::fill(&mut number).map_err(|_| io::Error::other("the system gave no random bytes"))?;
        // Stores of this kind do not list files whose names end like this.
        let own = to.file_name().unwrap_or_default().to_string_lossy();
        let from = folder.join(format!("{own}#{}", u64::from_be_bytes(number)));
        let file = OpenOptions::new().write(true).create_new(true).open(&from)?;
        Ok(Unfinished { file, from, to, folder })
    }

    /// Every folder down to this one, each known to the one above it.
    fn make_folders(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent().filter(|_| folder != self.root) {
            self.make_folders(above)?;
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => return File::open(above)?.sync_all(),
            }
        }
        fs::create_dir_all(folder)
    }

    /// Removes files below a folder that were begun before a time and never completed.
    pub(super) fn remove_unfinished(&self, below: &str, before_ms: i64) -> io::Result<()> {
        remove_unfinished(&self.root.join(below), before_ms, DEPTH_MAX)
    }
}

fn remove_unfinished(folder: &Path, before_ms: i64, depth: usize) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let look = entry.metadata()?;
        if look.is_dir() {
            if let Some(depth) = depth.checked_sub(1) {
                remove_unfinished(&entry.path(), before_ms, depth)?;
            }
            continue;
        }
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let number = name.rsplit_once('#').map(|(_, number)| number);
        let unfinished = number.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()));
        let modified = look.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        if unfinished && i64::try_from(modified.as_millis()).unwrap_or(i64::MAX) < before_ms {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A file that is not there yet; forgotten when it is dropped before it is complete.
#[derive(Debug)]
pub(super) struct Unfinished {
    file: File,
    from: PathBuf,
    to: PathBuf,
    folder: PathBuf,
}

impl Unfinished {
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Gives it its name, once its content is on the disk.
    pub(super) fn complete(self) -> io::Result<()> {
        self.finish(|from, to| fs::rename(from, to))
    }

    fn finish<T>(self, name: impl FnOnce(&Path, &Path) -> io::Result<T>) -> io::Result<T> {
        self.file.sync_all()?;
        let named = name(&self.from, &self.to)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(named)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _removed = fs::remove_file(&self.from);
    }
}
