//! Downloads a copy, to be verified or restored.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, pin_mut, stream};
use testudo_ledger::checkpoint::CheckpointError;
use testudo_ledger::tile::{bundle, growth};
use testudo_ledger::{SignedCheckpoint, Tile, TileLevel, payload};
use tokio::io::AsyncWriteExt as _;

use super::remote::{Remote, RemoteError};
use super::source::{CHECKPOINT, CHECKPOINT_BYTES_MAX, WITNESSED};
use super::store::Store;

/// While the copy grows under the download.
const TRIES: usize = 5;
/// A full hash tile.
const TILE_BYTES_MAX: usize = 256 * 32;
/// Longer payload files are not taken from a store: 256 of the longest records.
const PAYLOAD_BYTES_MAX: u64 = 256 * (65 << 20);

/// Why a copy was not downloaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    #[error("the folder `{}` is not empty; choose a new one", path.display())]
    NotEmpty { path: PathBuf },
    #[error("`{}` cannot be written", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the store has no checkpoint; nothing was shipped there")]
    Nothing,
    #[error("the store's checkpoint is damaged")]
    Checkpoint(#[source] CheckpointError),
    #[error("the store does not have `{path}`, which its checkpoint needs")]
    Missing { path: String },
    #[error("`{path}` in the store is longer than any payload file")]
    TooLong { path: String },
    #[error("the store does not give the copy")]
    Remote(#[from] RemoteError),
}

/// What was downloaded. Nothing of it has been verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// Entries under the checkpoint.
    pub size: u64,
    /// Payload files.
    pub payloads: u64,
}

/// Downloads the copy in `store` to `folder`, which must be empty or missing, `concurrency` objects at a time.
///
/// The result has a ledger's layout, without keys. It proves nothing before it is verified.
///
/// # Errors
/// When the folder is not empty or cannot be written, or the store fails or lacks something.
pub async fn fetch(store: Store, folder: &Path, concurrency: usize) -> Result<Fetched, FetchError> {
    create(folder)?;
    let mut entries = std::fs::read_dir(folder).map_err(|source| written(folder, source))?;
    if entries.next().is_some() {
        return Err(FetchError::NotEmpty {
            path: folder.to_owned(),
        });
    }
    let download = Download {
        remote: Remote::new(store),
        folder: folder.to_owned(),
        concurrency: concurrency.max(1),
    };
    let mut outcome = Err(FetchError::Nothing);
    for _ in 0..TRIES {
        outcome = download.all().await;
        // Partial tiles are deleted from the store when the next checkpoints are there.
        if !matches!(outcome, Err(FetchError::Missing { .. })) {
            break;
        }
    }
    outcome
}

struct Download {
    remote: Remote,
    folder: PathBuf,
    concurrency: usize,
}

impl Download {
    async fn all(&self) -> Result<Fetched, FetchError> {
        let bytes = self.remote.get(CHECKPOINT, CHECKPOINT_BYTES_MAX).await?;
        let bytes = bytes.ok_or(FetchError::Nothing)?;
        let signed = SignedCheckpoint::parse(&bytes).map_err(FetchError::Checkpoint)?;
        let size = signed.checkpoint().size();
        let levels = (0..8).map(TileLevel::Hashes).chain([TileLevel::Entries]);
        let tiles = levels.flat_map(|level| growth(level, 0, size));
        let tiles = stream::iter(tiles).map(|tile| self.tile(tile));
        tiles.buffer_unordered(self.concurrency).try_collect::<()>().await?;
        let windows = stream::iter(0..size.div_ceil(256)).map(|window| self.payload(window));
        let payloads = windows
            .buffer_unordered(self.concurrency)
            .try_fold(0_u64, |sum, found| async move { Ok(sum.saturating_add(found)) })
            .await?;
        self.write(CHECKPOINT, stream::iter([Ok(bytes)]), u64::MAX).await?;
        // It may be newer than the checkpoint by now; then it is of no use here.
        if let Some(bytes) = self.remote.get(WITNESSED, CHECKPOINT_BYTES_MAX).await?
            && SignedCheckpoint::parse(&bytes).is_ok_and(|it| it.checkpoint().size() <= size)
        {
            self.write(WITNESSED, stream::iter([Ok(bytes)]), u64::MAX).await?;
        }
        Ok(Fetched { size, payloads })
    }

    async fn tile(&self, tile: Tile) -> Result<(), FetchError> {
        let path = tile.path();
        let limit = match tile.level() {
            TileLevel::Entries => bundle::BUNDLE_BYTES_MAX,
            TileLevel::Hashes(_) => TILE_BYTES_MAX,
        };
        let bytes = self.remote.get(&path, limit).await?;
        let bytes = bytes.ok_or_else(|| FetchError::Missing { path: path.clone() })?;
        self.write(&path, stream::iter([Ok(bytes)]), u64::MAX).await
    }

    /// How many files that is: windows without payloads have none.
    async fn payload(&self, window: u64) -> Result<u64, FetchError> {
        let path = payload::path(window);
        match self.remote.stream(&path).await? {
            Some(pieces) => self.write(&path, pieces, PAYLOAD_BYTES_MAX).await.map(|()| 1),
            None => Ok(0),
        }
    }

    async fn write(
        &self,
        path: &str,
        pieces: impl Stream<Item = Result<Bytes, RemoteError>>,
        bytes_max: u64,
    ) -> Result<(), FetchError> {
        let target = self.folder.join(path);
        create(target.parent().unwrap_or(&self.folder))?;
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&target).await;
        let mut file = file.map_err(|source| written(&target, source))?;
        pin_mut!(pieces);
        let mut left = bytes_max;
        while let Some(piece) = pieces.next().await.transpose()? {
            let len = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            left = left
                .checked_sub(len)
                .ok_or_else(|| FetchError::TooLong { path: path.to_owned() })?;
            let done = file.write_all(&piece).await;
            done.map_err(|source| written(&target, source))?;
        }
        file.sync_data().await.map_err(|source| written(&target, source))
    }
}

fn create(folder: &Path) -> Result<(), FetchError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| written(folder, source))
}

fn written(path: &Path, source: io::Error) -> FetchError {
    FetchError::Write {
        path: path.to_owned(),
        source,
    }
}
