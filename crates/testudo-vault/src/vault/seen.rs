//! How far a reader has come: the high-water marks by which yesterday's statements are told from today's.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::names::VaultName;
use super::statement::{ChainHead, Standing};
use crate::hex;

/// Why statements that are signed and linked are refused all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeenError {
    #[error(
        "the vault shows {found} statements about `{artifact}`, and {seen} were there before: somebody put an older state back"
    )]
    RolledBack { artifact: String, seen: u64, found: u64 },
    #[error("statement {sequence} about `{artifact}` is another one than before: there are two histories")]
    Forked { artifact: String, sequence: u64 },
    #[error("the file of what was seen is not one")]
    Shape,
    #[error("how far this machine had come cannot be learnt from its ledger: {0}")]
    Ledger(String),
    #[error("what was seen cannot be read or written in `{}`: {what}", path.display())]
    File { path: PathBuf, what: String },
}

/// Readers that another program of their machine overtook: between their reading of the statements and of the marks it
/// saw newer ones. That is an older state for once, and another reading shows the newer one.
#[derive(Debug, Default)]
pub(crate) struct Overtaken {
    /// The mark that a reading was held against last.
    seen: u64,
}

impl Overtaken {
    /// Whether to read again: only if the mark has come further since the last reading, so that a vault in which
    /// somebody put an older state back is refused at the second.
    pub(crate) fn excuse(&mut self, error: SeenError) -> Result<(), SeenError> {
        match error {
            SeenError::RolledBack { seen, .. } if seen > self.seen => {
                self.seen = seen;
                Ok(())
            }
            error => Err(error),
        }
    }
}

/// The largest file of marks that is read.
const SEEN_BYTES_MAX: usize = 16 << 20;

/// What one reader has seen; kept on the reader's own machine, outside of every vault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    marks: BTreeMap<String, Mark>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    sequence: u64,
    hash: String,
}

impl Mark {
    fn of(head: &ChainHead) -> Self {
        Self {
            sequence: head.sequence,
            hash: hex::encode(&head.hash),
        }
    }
}

impl Seen {
    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, SeenError> {
        serde_json::from_slice(bytes).map_err(|_| SeenError::Shape)
    }

    /// To be kept.
    ///
    /// # Errors
    /// Never in practice: texts and numbers always become JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SeenError> {
        serde_json::to_vec(self).map_err(|_| SeenError::Shape)
    }

    /// Whether `standing` goes on from what was seen; if so it is seen from now on. The vault must be named as its
    /// reader knows it, by its address, and not as it calls itself.
    ///
    /// # Errors
    /// When it is older, or another history.
    pub(crate) fn follow(&mut self, vault: &str, artifact: &VaultName, standing: &Standing) -> Result<(), SeenError> {
        self.follow_from(vault, artifact, standing, None)
    }

    /// As [`Self::follow`], when what was seen may have been forgotten, and the machine's ledger tells how far it was.
    fn follow_from(
        &mut self,
        vault: &str,
        artifact: &VaultName,
        standing: &Standing,
        told: Option<ChainHead>,
    ) -> Result<(), SeenError> {
        let place = format!("{vault} {artifact}");
        let head = standing.head();
        let told = told.map(|told| Mark::of(&told));
        for mark in self.marks.get(&place).into_iter().chain(&told) {
            let found = head.map_or(0, |head| head.sequence);
            if found < mark.sequence {
                return Err(SeenError::RolledBack {
                    artifact: artifact.to_string(),
                    seen: mark.sequence,
                    found,
                });
            }
            if standing.hash_at(mark.sequence).map(|it| hex::encode(&it)).as_ref() != Some(&mark.hash) {
                return Err(SeenError::Forked {
                    artifact: artifact.to_string(),
                    sequence: mark.sequence,
                });
            }
        }
        if let Some(head) = head {
            self.marks.insert(place, Mark::of(&head));
        }
        Ok(())
    }
}

/// The marks of this machine, in a file that all its programs share.
#[derive(Debug, Clone)]
pub struct SeenFile {
    path: PathBuf,
}

impl SeenFile {
    /// The file need not be there yet; its folder is made.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// What was seen so far.
    ///
    /// # Errors
    /// When the file cannot be read, or is another one.
    pub fn read(&self) -> Result<Seen, SeenError> {
        match testudo_bounded::read_file(&self.path, SEEN_BYTES_MAX) {
            Ok(bytes) => Seen::parse(&bytes),
            Err(_) if !self.path.exists() => Ok(Seen::default()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// As [`Seen::follow`], from what any program of this machine has seen, and on the disk before it returns.
    pub(crate) fn follow(
        &self,
        vault: &str,
        artifact: &VaultName,
        standing: &Standing,
        told: Option<ChainHead>,
    ) -> Result<(), SeenError> {
        let _locked = self.lock().map_err(|error| self.failed(&error))?;
        let before = self.read()?;
        let mut seen = before.clone();
        seen.follow_from(vault, artifact, standing, told)?;
        if seen == before {
            return Ok(());
        }
        self.write(&seen.to_bytes()?).map_err(|error| self.failed(&error))
    }

    /// Held until it is dropped.
    fn lock(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let path = self.path.with_extension("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        Ok(file)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let fresh = self.path.with_extension("json.new");
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn failed(&self, error: &dyn std::error::Error) -> SeenError {
        SeenError::File {
            path: self.path.clone(),
            what: error.to_string(),
        }
    }
}
