//! The secret under which keys are hashed: 32 random bytes in a file only its owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use testudo_types::Secret;
use zeroize::Zeroize;

const FILE_NAME: &str = "pepper";
const BYTES: usize = 32;

/// Why there is no pepper.
#[derive(Debug, thiserror::Error)]
pub enum PepperError {
    #[error("cannot create or open `{}`", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is readable by others (mode {mode:03o}); run `chmod 600` on it, and replace all keys if it may have been read", path.display())]
    Permissions { path: PathBuf, mode: u32 },
    #[error("`{}` is not a regular file of {BYTES} bytes; restore it from a backup", path.display())]
    Shape { path: PathBuf },
    #[error("the system gave no random bytes; try again")]
    Random,
}

/// Reads the pepper in the data folder, making folder (0700) and file (0600) when absent.
///
/// Two processes that start at once get the same pepper.
///
/// # Errors
/// When the file cannot be made or read, is open to others, or has another size.
pub fn pepper(dir: &Path) -> Result<Secret, PepperError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| PepperError::Io {
            path: dir.to_owned(),
            source,
        })?;
    let path = dir.join(FILE_NAME);
    match read(&path) {
        Err(PepperError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(dir, &path)?;
            read(&path)
        }
        other => other,
    }
}

fn read(path: &Path) -> Result<Secret, PepperError> {
    let failed = |source| PepperError::Io {
        path: path.to_owned(),
        source,
    };
    // A named pipe would block the open; look before opening, and again at what was opened.
    let kind = fs::symlink_metadata(path).map_err(failed)?.file_type();
    if !kind.is_file() {
        return Err(PepperError::Shape { path: path.to_owned() });
    }
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    check_private(path, &metadata)?;
    if metadata.len() != BYTES as u64 {
        return Err(PepperError::Shape { path: path.to_owned() });
    }
    let mut bytes = [0; BYTES];
    file.read_exact(&mut bytes).map_err(failed)?;
    let secret = Secret::new(bytes);
    bytes.zeroize();
    Ok(secret)
}

/// Refuses a file that group or others may read or write.
fn check_private(path: &Path, metadata: &fs::Metadata) -> Result<(), PepperError> {
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(PepperError::Permissions {
            path: path.to_owned(),
            mode,
        })
    }
}

/// Writes a new pepper under a temporary name and links it into place, so that it appears whole or not at all.
fn create(dir: &Path, path: &Path) -> Result<(), PepperError> {
    let mut bytes = [0; BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| PepperError::Random)?;
    let mut tag = [0; 8];
    aws_lc_rs::rand::fill(&mut tag).map_err(|_| PepperError::Random)?;
    let fresh = dir.join(format!(".{FILE_NAME}-{:016x}", u64::from_le_bytes(tag)));
    let written = write_new(&fresh, &bytes).and_then(|()| match fs::hard_link(&fresh, path) {
        // Another process was first: its pepper is the one.
        Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    bytes.zeroize();
    let removed = fs::remove_file(&fresh);
    written
        .and(removed)
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(|source| PepperError::Io {
            path: path.to_owned(),
            source,
        })
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
