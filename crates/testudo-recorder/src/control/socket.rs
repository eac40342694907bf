//! Where the control socket lies, and how to reach it when its path is too long for the system.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The socket's name in the ledger's folder.
pub const SOCKET_NAME: &str = "control.sock";

/// Socket addresses hold 108 bytes on Linux and 104 on macOS, with the closing zero.
const PATH_BYTES_MAX: usize = 103;

/// The process's own open files, by number; Linux has it.
const OWN_FILES: &str = "/proc/self/fd";

/// Why the socket cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    #[error("the path `{}` is longer than a socket's may be (103 bytes); move the ledger to a folder with a shorter path", path.display())]
    TooLong { path: PathBuf },
    #[error("`{}` is not a socket; remove it or choose another folder", path.display())]
    NotASocket { path: PathBuf },
    #[error("cannot serve `{}`; check that this user may write in its folder", path.display())]
    Bind {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot open the folder `{}`; check that it exists and that this user may read it", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The socket of a folder, under a path that is short enough for a socket's address.
#[derive(Debug)]
pub(super) struct Reach {
    /// Under its own name.
    pub(super) path: PathBuf,
    /// For `bind` and `connect`.
    pub(super) address: PathBuf,
    /// Keeps a short address alive.
    _folder: Option<File>,
}

/// Finds an address for the socket in `folder`.
pub(super) fn reach(folder: &Path) -> Result<Reach, SocketError> {
    let path = folder.join(SOCKET_NAME);
    if path.as_os_str().as_bytes().len() <= PATH_BYTES_MAX {
        return Ok(Reach {
            address: path.clone(),
            path,
            _folder: None,
        });
    }
    // An open folder has a short name among the process's own files.
    let own_files = Path::new(OWN_FILES);
    if !own_files.is_dir() {
        return Err(SocketError::TooLong { path });
    }
    let opened = File::open(folder).map_err(|source| SocketError::Folder {
        path: folder.to_owned(),
        source,
    })?;
    Ok(Reach {
        address: own_files.join(opened.as_raw_fd().to_string()).join(SOCKET_NAME),
        path,
        _folder: Some(opened),
    })
}
