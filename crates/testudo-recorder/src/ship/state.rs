//! How far shipping has come, across restarts.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::files::{self, Disk};

/// The folder with everything that shipping remembers, in the ledger's folder.
pub(super) const FOLDER: &str = "shipping";

const FILE: &str = "state.json";
const STATE_BYTES_MAX: usize = 64 << 10;
const VERSION: u64 = 1;

/// Why the state cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    #[error("`{}` cannot be read; check who may read it", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: testudo_bounded::ReadError,
    },
    #[error("`{}` cannot be written; check the disk and who may write there", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is damaged; remove it, and shipping starts from what the store has", path.display())]
    Damaged { path: PathBuf },
}

/// What the store holds, as far as this ledger knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct State {
    /// Which store; another one starts from nothing.
    pub(super) store: String,
    /// The size of the checkpoint in the store.
    pub(super) size: u64,
    /// The one before; its partial tiles are still there for readers who are slow.
    pub(super) previous: u64,
    /// All full tiles below this many entries are in the store.
    pub(super) tiles: u64,
}

impl State {
    /// Reads the state for a store; a new one when there is none for it.
    pub(super) fn load(ledger: &Path, store: &str) -> Result<Self, StateError> {
        let folder = ledger.join(FOLDER);
        let path = folder.join(FILE);
        let new = Self {
            store: store.to_owned(),
            ..Self::default()
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|source| StateError::Write { path: folder, source })?;
        let bytes = match testudo_bounded::read_file(&path, STATE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(testudo_bounded::ReadError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(new);
            }
            Err(source) => return Err(StateError::Read { path, source }),
        };
        let state = Self::parse(&bytes).ok_or(StateError::Damaged { path })?;
        Ok(if state.store == store { state } else { new })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let count = |name: &str| value.get(name)?.as_u64();
        if count("v")? != VERSION {
            return None;
        }
        Some(Self {
            store: value.get("store")?.as_str()?.to_owned(),
            size: count("size")?,
            previous: count("previous")?,
            tiles: count("tiles")?,
        })
    }

    /// Writes the state; durable when this returns.
    pub(super) fn save(&self, ledger: &Path) -> Result<(), StateError> {
        let folder = ledger.join(FOLDER);
        let value = json!({"v": VERSION, "store": self.store, "size": self.size, "previous": self.previous,
            "tiles": self.tiles});
        let written = files::replace(&Disk, &folder, FILE, value.to_string().as_bytes());
        written.map_err(|source| StateError::Write {
            path: folder.join(FILE),
            source,
        })
    }
}
