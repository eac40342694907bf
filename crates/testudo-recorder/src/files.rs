//! The few file operations that the log needs, as a trait, so that tests can fail and crash every one of them.

mod disk;
#[cfg(test)]
pub(crate) mod faulty;

use std::fmt::Debug;
use std::io;
use std::path::Path;

pub(crate) use disk::Disk;

/// What a log does with files. Nothing is durable before the call that says so has returned.
pub(crate) trait Files: Debug + Send + Sync {
    /// The whole file, at most `limit` bytes; `None` when there is none.
    ///
    /// # Errors
    /// The file cannot be read or is larger than `limit`.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>>;

    /// Up to `len` bytes of a file from `offset` on, fewer at its end; `None` when there is no file.
    ///
    /// # Errors
    /// The file cannot be read.
    fn read_range(&self, path: &Path, offset: u64, len: usize) -> io::Result<Option<Vec<u8>>>;

    /// The names in a folder, sorted; none when there is no folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Makes one folder for the owner alone; it may exist. Durable after its parent is synced.
    ///
    /// # Errors
    /// The folder cannot be made.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Opens a file for appending and makes it, for the owner alone, when there is none.
    ///
    /// # Errors
    /// The file cannot be opened or made.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn Append>>;

    /// Makes or replaces a file and syncs its content. Its name is durable after the folder is synced.
    /// A crash may leave any content: only for files that nothing refers to yet.
    ///
    /// # Errors
    /// The file cannot be written or synced.
    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Cuts a file to `len` bytes and syncs it.
    ///
    /// # Errors
    /// The file cannot be cut or synced.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;

    /// Gives a file another name in the same folder, over a file that may be there.
    /// Durable after the folder is synced; until then either name may survive, never half a file.
    ///
    /// # Errors
    /// The file cannot be renamed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; it may be gone already.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder; it may be gone already.
    ///
    /// # Errors
    /// The folder is not empty or cannot be removed.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes what was created, renamed and removed in a folder durable.
    ///
    /// # Errors
    /// The folder cannot be synced.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// A file open for appending.
pub(crate) trait Append: Debug + Send {
    /// Adds bytes at the end. After an error any part of them may be there.
    ///
    /// # Errors
    /// Not all bytes could be written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything that was appended durable.
    ///
    /// # Errors
    /// It may not be; the file must not be appended to any more.
    fn sync(&mut self) -> io::Result<()>;
}

/// Replaces a file so that a crash leaves the old one or the new one: a temporary file, a rename, both synced.
///
/// # Errors
/// One of the steps failed; the old file may still be there.
pub(crate) fn replace(files: &dyn Files, folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.tmp"));
    files.write(&temporary, content)?;
    files.rename(&temporary, &folder.join(name))?;
    files.sync_folder(folder)
}
