//! What a witness must never forget: the last checkpoint that it cosigned for each log.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use testudo_ledger::SignedCheckpoint;
use testudo_ledger::checkpoint::CheckpointError;
use testudo_ledger::note::NOTE_BYTES_MAX;
use testudo_ledger::witness::{NotAWitness, Refusal, monitoring_path};

use crate::files::{self, Disk, Files};

/// Why a witness cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    #[error("`{}` cannot be read or written; check who may use the folder", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another witness uses `{}`; two with the same memory could cosign two histories", path.display())]
    Locked { path: PathBuf },
    #[error(
        "`{}` is damaged; restore the newest copy of it: without it this witness could cosign a second history",
        path.display()
    )]
    Damaged {
        path: PathBuf,
        #[source]
        source: CheckpointError,
    },
    #[error(
        "`{}` is not signed by the log and by this witness; give back the keys that it was signed with",
        path.display()
    )]
    Foreign {
        path: PathBuf,
        #[source]
        source: Refusal,
    },
    #[error("a key cannot be used")]
    Key(#[from] NotAWitness),
    #[error("no log is configured; name the key of each log to watch")]
    NoLogs,
}

/// One file per log in a folder that only one process uses.
#[derive(Debug)]
pub(super) struct Vault {
    folder: PathBuf,
    files: Box<dyn Files>,
    _lock: File,
}

impl Vault {
    /// Takes the folder; makes it when it is not there.
    pub(super) fn open(folder: &Path) -> Result<Self, VaultError> {
        Self::open_with(folder, Box::new(Disk))
    }

    pub(super) fn open_with(folder: &Path, files: Box<dyn Files>) -> Result<Self, VaultError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| VaultError::File { path, source }
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(failed(folder))?;
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.map_err(failed(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(VaultError::Locked {
                    path: folder.to_owned(),
                });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(&path)(source)),
        }
        Ok(Self {
            folder: folder.to_owned(),
            files,
            _lock: lock,
        })
    }

    /// Where a log's checkpoint lies.
    pub(super) fn path(&self, origin: &str) -> PathBuf {
        self.folder.join(name(origin))
    }

    /// The last checkpoint cosigned for a log; none when there never was one.
    pub(super) fn load(&self, origin: &str) -> Result<Option<SignedCheckpoint>, VaultError> {
        let path = self.path(origin);
        let bytes = match self.files.read(&path, NOTE_BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(source) => return Err(VaultError::File { path, source }),
        };
        let signed = SignedCheckpoint::parse(&bytes);
        signed.map(Some).map_err(|source| VaultError::Damaged { path, source })
    }

    /// Durable when this returns; before that, nothing may be answered.
    pub(super) fn store(&self, signed: &SignedCheckpoint) -> io::Result<()> {
        let note = signed.to_string();
        files::replace(
            &*self.files,
            &self.folder,
            &name(signed.checkpoint().origin()),
            note.as_bytes(),
        )
    }

    /// Keeps the first checkpoint that proves a second history: the same size, signed by the log, another root.
    pub(super) fn keep_evidence(&self, signed: &SignedCheckpoint) -> io::Result<()> {
        let name = format!("{}.fork", name(signed.checkpoint().origin()));
        if self.files.read(&self.folder.join(&name), NOTE_BYTES_MAX)?.is_some() {
            return Ok(());
        }
        files::replace(&*self.files, &self.folder, &name, signed.to_string().as_bytes())
    }
}

/// The hash of the origin: an origin may hold anything, a file's name may not.
fn name(origin: &str) -> String {
    monitoring_path(origin).replace('/', ".")
}
