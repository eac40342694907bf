//! Files and folders that nobody but their owner may read: made so, and refused when found otherwise.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What is found at a path that should be private.
#[derive(Debug)]
pub(crate) enum Found {
    Private,
    /// Group or others may do something with it; the mode's nine bits.
    Open(u32),
    /// Not a regular file, or not a folder.
    Other,
}

/// Makes a folder, 0700, with those above it.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a new file, 0600, with all its bytes on the disk, and its name too; fails when it exists.
///
/// A crash leaves the whole file or none under this name.
pub(super) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    stage(path, bytes)?.publish()
}

/// A new file that is on the disk under a name that nobody looks for.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    path: &'a Path,
    staged: PathBuf,
}

/// Writes the file that [`Staged::publish`] gives the name `path`, in the place of what a crash left of another.
pub(super) fn stage<'a>(path: &'a Path, bytes: &[u8]) -> io::Result<Staged<'a>> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(".new");
    let staged = PathBuf::from(staged);
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staged)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(Staged { path, staged })
}

impl Staged<'_> {
    /// Gives the file its name; fails when there is one of this name.
    pub(super) fn publish(self) -> io::Result<()> {
        // A link is refused when the name is taken, where a rename would replace what has it.
        let linked = fs::hard_link(&self.staged, self.path);
        fs::remove_file(&self.staged)?;
        linked?;
        sync_parent(self.path)
    }
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
pub(crate) fn look_at_file(path: &Path) -> io::Result<Found> {
    let metadata = fs::symlink_metadata(path)?;
    Ok(judge(metadata.is_file(), &metadata))
}

/// Looks at a folder.
pub(crate) fn look_at_folder(path: &Path) -> io::Result<Found> {
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
