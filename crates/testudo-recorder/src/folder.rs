//! The folder of a log: who may write it, its name, its key, its policy.

#[cfg(test)]
mod tests;

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use testudo_ledger::checkpoint::CheckpointError;
use testudo_ledger::key::KeyError;
use testudo_ledger::note::VerifyError;
use testudo_ledger::{Checkpoint, Hash, KeyKind, KeyName, SignedCheckpoint, SigningKey, VerifierKey};
use zeroize::Zeroizing;

use crate::files::{self, Disk, Files};
use crate::keys::private_file::{self, Found};

/// Far above any key, name or checkpoint.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// A ledger's folder, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    key: SigningKey,
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
    #[error(
        "`{}` is open to others (mode {mode:o}), who could read or change what is in it; if nobody did, run \
         `chmod {wanted:o} {}`", path.display(), path.display()
    )]
    Open { path: PathBuf, mode: u32, wanted: u32 },
    #[error("`{}` is not what should be there, but a link or something else; put a folder or a file there", path.display())]
    Shape { path: PathBuf },
    #[error("`{}` is not a signing key; restore it from a backup", path.display())]
    Key {
        path: PathBuf,
        #[source]
        source: KeyError,
    },
    #[error("the ledger in `{}` has a checkpoint and no `log.key`; restore the key from a backup", path.display())]
    KeyMissing { path: PathBuf },
    #[error("`{}` names another log than `log.key`, which is of `{expected}`", path.display())]
    Origin { path: PathBuf, expected: String },
    #[error("the system gives no random numbers")]
    Random,
}

/// Why a checkpoint is not one of this log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnCheckpointError {
    #[error("it is no signed checkpoint")]
    Form(#[source] CheckpointError),
    #[error("it is not signed with `log.key`")]
    Signature(#[source] VerifyError),
}

impl Folder {
    /// Takes the folder for writing; makes it, the log's name, its key and its policy when they are not there.
    ///
    /// # Errors
    /// When another process has it, others may read or change it, it cannot be read or written, or what is in it is
    /// damaged.
    pub fn prepare(path: &Path) -> Result<Self, FolderError> {
        let files: Arc<dyn Files> = Arc::new(Disk);
        private_file::make_folder(path).map_err(|source| FolderError::Create {
            path: path.to_owned(),
            source,
        })?;
        look_at_folder(&*files, path)?;
        let lock = lock(path)?;
        look_at_key(&path.join("log.key"))?;
        Self::prepare_with(path, files, Some(lock))
    }

    /// As [`Folder::prepare`], in a folder that is there.
    pub(crate) fn prepare_with(path: &Path, files: Arc<dyn Files>, lock: Option<File>) -> Result<Self, FolderError> {
        // What a dead process left may not be durable yet: a name must not outlive its key.
        let synced = files.sync_folder(path);
        synced.map_err(|source| FolderError::File {
            path: path.to_owned(),
            source,
        })?;
        let key = match read(&*files, path, "log.key")? {
            Some(text) => SigningKey::parse(text.trim_end()).map_err(|source| FolderError::Key {
                path: path.join("log.key"),
                source,
            })?,
            None => new_key(&*files, path)?,
        };
        let folder = Self {
            root: path.to_owned(),
            key,
            files,
            _lock: lock,
        };
        match read(&*folder.files, path, "origin")? {
            Some(text) if text.trim_end() == folder.origin() => {}
            Some(_) => {
                return Err(FolderError::Origin {
                    path: path.join("origin"),
                    expected: folder.origin().to_owned(),
                });
            }
            None => folder.write("origin", &format!("{}\n", folder.origin()))?,
        }
        if read(&*folder.files, path, "policy")?.is_none() {
            folder.write("policy", &format!("log {}\nquorum none\n", folder.verifier()))?;
        }
        Ok(folder)
    }

    /// Where everything lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.key.verifier().name().as_str()
    }

    /// The key that checks this log's checkpoints.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    /// Replaces one of the small text files at the top of the folder, for example `policy`, so that a crash leaves
    /// the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), FolderError> {
        files::replace(&*self.files, &self.root, name, text.as_bytes()).map_err(|source| FolderError::File {
            path: self.root.join(name),
            source,
        })
    }

    pub(crate) fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    pub(crate) fn wal(&self) -> PathBuf {
        self.root.join("wal")
    }

    /// The checkpoint of a tree, signed by the log.
    pub(crate) fn sign(&self, size: u64, root: Hash) -> Result<SignedCheckpoint, OwnCheckpointError> {
        let checkpoint = Checkpoint::new(self.origin(), size, root);
        // The time is for cosigners; a log's own signature has none.
        let signed = checkpoint.and_then(|it| SignedCheckpoint::sign(it, &self.key, 0));
        signed.map_err(OwnCheckpointError::Form)
    }

    /// Reads a checkpoint that this log signed; others may have signed it too.
    pub(crate) fn verify(&self, note: &[u8]) -> Result<SignedCheckpoint, OwnCheckpointError> {
        let signed = SignedCheckpoint::parse(note).map_err(OwnCheckpointError::Form)?;
        let by = signed.verify_log([self.verifier()]);
        by.map_err(OwnCheckpointError::Signature)?;
        Ok(signed)
    }
}

/// Whether the folder is its owner's alone; made so as long as nothing is in it.
fn look_at_folder(files: &dyn Files, path: &Path) -> Result<(), FolderError> {
    let failed = |source| FolderError::File {
        path: path.to_owned(),
        source,
    };
    let mode = match private_file::look_at_folder(path).map_err(failed)? {
        Found::Private => return Ok(()),
        Found::Open(mode) => mode,
        Found::Other => return Err(FolderError::Shape { path: path.to_owned() }),
    };
    let wanted = 0o700;
    let empty = files.list(path).map_err(failed)?.is_empty();
    // Only the owner may change it; whoever is not gets told.
    if empty && std::fs::set_permissions(path, Permissions::from_mode(wanted)).is_ok() {
        return Ok(());
    }
    Err(FolderError::Open {
        path: path.to_owned(),
        mode,
        wanted,
    })
}

fn look_at_key(path: &Path) -> Result<(), FolderError> {
    match private_file::look_at_file(path) {
        Ok(Found::Private) => Ok(()),
        Ok(Found::Open(mode)) => Err(FolderError::Open {
            path: path.to_owned(),
            mode,
            wanted: 0o600,
        }),
        Ok(Found::Other) => Err(FolderError::Shape { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(FolderError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Makes the key of a new log, and with it the log's name.
fn new_key(files: &dyn Files, folder: &Path) -> Result<SigningKey, FolderError> {
    if read(files, folder, "checkpoint")?.is_some() {
        return Err(FolderError::KeyMissing {
            path: folder.to_owned(),
        });
    }
    let path = folder.join("log.key");
    let mut name = [0; 8];
    let mut seed = Zeroizing::new([0; 32]);
    let random = aws_lc_rs::rand::fill(&mut name).and_then(|()| aws_lc_rs::rand::fill(seed.as_mut_slice()));
    random.map_err(|_| FolderError::Random)?;
    let name = format!("testudo/{:016x}", u64::from_be_bytes(name));
    let key = KeyName::parse(&name).and_then(|name| SigningKey::from_seed(name, KeyKind::Ed25519, seed));
    let key = key.map_err(|source| FolderError::Key {
        path: path.clone(),
        source,
    })?;
    let text = Zeroizing::new(format!("{}\n", key.to_text().as_str()));
    let written = files::replace(files, folder, "log.key", text.as_bytes());
    written.map_err(|source| FolderError::File { path, source })?;
    Ok(key)
}

/// A small text file; what is not text is left for its parser to refuse.
fn read(files: &dyn Files, folder: &Path, name: &str) -> Result<Option<Zeroizing<String>>, FolderError> {
    let path = folder.join(name);
    let bytes = files.read(&path, TEXT_BYTES_MAX);
    let bytes = bytes.map_err(|source| FolderError::File { path, source })?;
    Ok(bytes.map(|it| {
        let bytes = Zeroizing::new(it);
        Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
    }))
}

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
