//! The file operations on a real disk: files for the owner alone, synced with `fdatasync` and `fsync`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::{Append, Files};

/// The machine's own file system.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = open(path)? else { return Ok(None) };
        testudo_bounded::read_to_end(file, limit)
            .map(Some)
            .map_err(|error| match error {
                testudo_bounded::ReaderError::Read(source) => source,
                other => io::Error::new(io::ErrorKind::FileTooLarge, other.to_string()),
            })
    }

    fn read_range(&self, path: &Path, offset: u64, len: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = open(path)? else { return Ok(None) };
        file.seek(SeekFrom::Start(offset))?;
        let piece = file.take(len as u64);
        testudo_bounded::read_to_end(piece, len)
            .map(Some)
            .map_err(io::Error::other)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let listing = match std::fs::read_dir(folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for found in listing {
            // A name that is not text is none of ours.
            if let Ok(name) = found?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            other => other,
        }
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn Append>> {
        if std::fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink()) {
            return Err(io::Error::other("it is a link, which nobody here has made; remove it"));
        }
        let file = owner_only(OpenOptions::new().append(true).create(true)).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        // Never through a link: what a dead process or a stranger left there goes, and the file is a new one.
        let create = || owner_only(OpenOptions::new().write(true).create_new(true)).open(path);
        let mut file = match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                gone_is_fine(std::fs::remove_file(path))?;
                create()?
            }
            opened => opened?,
        };
        file.write_all(content)?;
        file.sync_data()
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        gone_is_fine(std::fs::remove_file(path))
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        gone_is_fine(std::fs::remove_dir(folder))
    }

    #[cfg(unix)]
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    /// Folders cannot be synced here; the file system journals names itself.
    #[cfg(not(unix))]
    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct DiskFile(File);

impl Append for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
