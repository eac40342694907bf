//! The folder of a log: who may write it, its name, its key.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use testudo_ledger::Hash;

use crate::files::{Disk, Files};
use crate::witnessing::Published;

/// A ledger's folder, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    origin: String,
    files: Arc<dyn Files>,
    /// Locked; nothing in tests that have no real folder.
    _lock: Option<File>,
}

/// Why a folder cannot be written to as a ledger.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    #[error("cannot make the ledger's folder `{}`", path.display())]
    Create {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "another process is writing the ledger in `{}`; stop it, or ask it through its control socket", path.display()
    )]
    Locked { path: PathBuf },
    #[error("cannot read or write `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` does not hold the name of a log on one line", path.display())]
    Origin { path: PathBuf },
}

impl Folder {
    /// Takes the folder for writing; makes it, the log's name and its key when they are not there.
    ///
    /// # Errors
    /// When another process has it, it cannot be read or written, or what is in it is damaged.
    pub fn prepare(path: &Path) -> Result<Self, FolderError> {
        let created = std::fs::create_dir_all(path.parent().unwrap_or(path));
        let files: Arc<dyn Files> = Arc::new(Disk);
        created.and_then(|()| files.create_folder(path)).map_err(|source| FolderError::Create {
            path: path.to_owned(),
            source,
        })?;
        let lock = lock(path)?;
        Self::prepare_with(path, files, Some(lock))
    }

    pub(crate) fn prepare_with(path: &Path, files: Arc<dyn Files>, lock: Option<File>) -> Result<Self, FolderError> {
        let origin = "testudo/0123456789abcdef".to_owned();
        Ok(Self {
            root: path.to_owned(),
            origin,
            files,
            _lock: lock,
        })
    }

    /// Where everything lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    pub(crate) fn wal(&self) -> PathBuf {
        self.root.join("wal")
    }

    /// The checkpoint of a tree, as a signed note.
    pub(crate) fn sign(&self, size: u64, root: &Hash) -> String {
        format!("{}\n{size}\n{root}\n\n", self.origin)
    }

    /// Size and root of a checkpoint that this log signed.
    pub(crate) fn verify(&self, note: &[u8]) -> Result<(Published, Hash), SignatureError> {
        let text = std::str::from_utf8(note).map_err(|_| SignatureError)?;
        let mut lines = text.lines().skip(1);
        let size = lines.next().and_then(|it| it.parse().ok()).ok_or(SignatureError)?;
        let root = lines.next().and_then(|it| Hash::parse(it).ok()).ok_or(SignatureError)?;
        let note = text.to_owned();
        Ok((Published { note, size }, root))
    }
}

/// Not a checkpoint that this log's key has signed.
#[derive(Debug, thiserror::Error)]
#[error("it does not verify with the key in `log.key`")]
pub struct SignatureError;

fn lock(folder: &Path) -> Result<File, FolderError> {
    let path = folder.join("lock");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = |source| FolderError::File {
        path: path.clone(),
        source,
    };
    let file = options.open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(FolderError::Locked {
            path: folder.to_owned(),
        }),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}
