//! Hands out a file of a version as an open file in which nothing can change any more.
//!
//! Between verifying a file by its name and loading it somebody may exchange it. What is handed out here has no name:
//! it lies in memory that the kernel has sealed, or, when it is too large for that, in a file that no folder lists.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::{Errno, FdFlags};

use super::VaultError;
use super::artifact::Artifact;
use super::record::StoredFile;
use crate::sealing::SealError;
use crate::signing::{HashKind, Hasher};

/// What is written and read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Where content may lie while a program reads it.
#[derive(Debug, Clone, Copy)]
pub struct Room<'r> {
    /// Larger files than this do not lie in memory.
    pub memory_bytes_max: u64,
    /// Where they lie instead, without a name.
    pub folder: &'r Path,
}

/// A file of a version, open for reading only; programs that this one becomes or starts have it open, too.
#[derive(Debug)]
pub struct HeldFile {
    file: File,
    sealed: bool,
}

impl HeldFile {
    /// Where a program that has it open finds it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.file.as_raw_fd())
    }

    /// Whether the kernel lets nobody change it, not even this user's other programs.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Artifact {
    /// Opens a file of a version. Every piece is verified before it is written, and the whole again once nobody can
    /// write to it any more.
    ///
    /// # Errors
    /// When something was changed in the store or on the way, or there is no room.
    pub async fn hold(&self, file: &StoredFile, room: Room<'_>) -> Result<HeldFile, VaultError> {
        let failed = |source: io::Error| VaultError::File {
            path: file.name().into(),
            source,
        };
        let sealed = file.bytes() <= room.memory_bytes_max;
        let writable = if sealed { memory() } else { nameless(room.folder) };
        let writable = writable.map_err(failed)?;
        let mut out = io::BufWriter::with_capacity(PIECE_BYTES, &writable);
        self.read(file, |plain| out.write_all(plain).map_err(failed)).await?;
        out.flush().map_err(failed)?;
        drop(out);
        let shut = if sealed { seal(&writable) } else { Ok(()) };
        let held = shut.and_then(|()| reading(&writable)).map_err(failed)?;
        drop(writable);
        if digest(&held).map_err(failed)? == file.digest() {
            Ok(HeldFile { file: held, sealed })
        } else {
            Err(VaultError::sealed(file.name(), SealError::Changed))
        }
    }
}

fn memory() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC.union(MemfdFlags::ALLOW_SEALING);
    let made: OwnedFd = rustix::fs::memfd_create("testudo-model", flags)?;
    Ok(made.into())
}

/// A file in `folder` that no name leads to.
fn nameless(folder: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE.union(OFlags::RDWR).union(OFlags::CLOEXEC);
    match rustix::fs::open(folder, flags, Mode::RUSR) {
        Ok(made) => Ok(made.into()),
        // File systems that cannot do this at once get it in two steps.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => named_and_removed(folder),
        Err(error) => Err(error.into()),
    }
}

fn named_and_removed(folder: &Path) -> io::Result<File> {
    let mut random = [0u8; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("the system gave no random bytes"))?;
    let path = folder.join(format!(".testudo-{}", crate::hex::encode(&random)));
    let mut options = OpenOptions::new();
    let made = options
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(made)
}

/// From here on nothing can be written to it; fails while somebody has it mapped for writing.
fn seal(file: &File) -> io::Result<()> {
    let all = SealFlags::WRITE
        .union(SealFlags::GROW)
        .union(SealFlags::SHRINK)
        .union(SealFlags::SEAL);
    Ok(rustix::fs::fcntl_add_seals(file, all)?)
}

/// The same content, for reading only, and to be inherited.
fn reading(file: &File) -> io::Result<File> {
    let held = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    rustix::io::fcntl_setfd(&held, FdFlags::empty())?;
    Ok(held)
}

fn digest(file: &File) -> io::Result<String> {
    let mut hasher = Hasher::new(HashKind::Sha256);
    let mut buffer = vec![0u8; PIECE_BYTES];
    let mut at = 0u64;
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok(hasher.finish().to_hex()),
            Ok(read) => {
                hasher.update(buffer.get(..read).unwrap_or_default());
                at = at.saturating_add(u64::try_from(read).unwrap_or(0));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
