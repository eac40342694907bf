//! Files and folders that nobody but their owner may read: made so, and refused when found otherwise.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// What is found at a path that should be private.
#[derive(Debug)]
pub(super) enum Found {
    Private,
    /// Group or others may do something with it; the mode's nine bits.
    Open(u32),
    /// Not a regular file, or not a folder.
    Other,
}

/// Makes a folder, 0700, with those above it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a new file, 0600, with all its bytes on the disk, and its name too; fails when it exists.
pub(super) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_parent(path)
}

/// Overwrites a file's bytes with zeros, removes it, and has both on the disk.
pub(super) fn destroy(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    file.write_all(&vec![0; len.min(4096)])?;
    file.sync_all()?;
    fs::remove_file(path)?;
    sync_parent(path)
}

/// Looks at a file without following a link or waiting on a pipe.
pub(super) fn look_at_file(path: &Path) -> io::Result<Found> {
    let metadata = fs::symlink_metadata(path)?;
    Ok(judge(metadata.is_file(), &metadata))
}

/// Looks at a folder.
pub(super) fn look_at_folder(path: &Path) -> io::Result<Found> {
    let metadata = fs::metadata(path)?;
    Ok(judge(metadata.is_dir(), &metadata))
}

fn judge(kind_fits: bool, metadata: &fs::Metadata) -> Found {
    let mode = metadata.permissions().mode() & 0o777;
    match (kind_fits, mode & 0o077) {
        (false, _) => Found::Other,
        (true, 0) => Found::Private,
        (true, _) => Found::Open(mode),
    }
}

/// Makes a change of names in a folder survive a loss of power.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
