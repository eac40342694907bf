//! Takes a version out of the vault: into a folder beside the wanted one, which gets its name when all is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::VaultError;
use super::artifact::Artifact;
use super::beside::{beside, joined};
use super::objects::Made;
use super::record::{Record, StoredFile};
use crate::sealing::{HEAD_BYTES, Opener, PIECE_BYTES, SealError, Shape};
use crate::signing::{Digest, HashKind, Hasher, Measured, ResourceName};

/// Pieces that are fetched at once: 2 MiB.
const RUN_PIECES: usize = 128;
/// Such runs that are fetched and opened at once, for one file.
const AHEAD: usize = 4;
/// Files under way at once.
const TOGETHER: usize = 4;
/// What is read at once.
const READ_BYTES: usize = 1 << 20;
/// The signature, beside the model's files.
const SIGNATURE: &str = "model.sig";

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled {
    pub bytes: u64,
    /// Of these, how many were there from an earlier attempt.
    pub bytes_known: u64,
}

impl Artifact {
    /// Opens every file of a version into the folder `to`, which must not be there; folders above it are made. Until
    /// all is there and checked, everything lies in `.NAME.part` beside it, where another attempt goes on.
    ///
    /// # Errors
    /// When something was changed, cut or exchanged in the store, or a file cannot be written.
    pub async fn pull(
        &self,
        record: &Record,
        to: &Path,
        watch: &(dyn Fn(Measured) + Sync),
    ) -> Result<Pulled, VaultError> {
        let failed = |source| VaultError::File {
            path: to.to_owned(),
            source,
        };
        match to.symlink_metadata() {
            Ok(_) => return Err(VaultError::Exists { path: to.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let part = part_folder(to)?;
        if let Some(above) = to.parent() {
            fs::create_dir_all(above).map_err(|source| VaultError::File {
                path: above.to_owned(),
                source,
            })?;
        }
        make_folder(&part)?;
        let all = record.bytes();
        let mut pulled = Pulled {
            bytes: 0,
            bytes_known: 0,
        };
        let own = record.files().iter().any(|it| it.name() == SIGNATURE);
        let signature = record.signature().filter(|_| !own);
        let mut places = Vec::new();
        for file in record.files().iter().chain(signature) {
            places.push((file, place(&part, file.name())?));
        }
        let together = places.iter().map(|(file, path)| self.bring(file, path));
        let mut brought = stream::iter(together).buffer_unordered(TOGETHER);
        while let Some((file, made)) = brought.try_next().await? {
            pulled.bytes = pulled.bytes.saturating_add(file.bytes());
            if made == Made::Before {
                pulled.bytes_known = pulled.bytes_known.saturating_add(file.bytes());
            }
            watch(Measured {
                bytes_done: pulled.bytes,
                bytes_all: all,
            });
        }
        remove_strangers(&part, record)?;
        sync_folders(&part, record).map_err(failed)?;
        fs::rename(&part, to).map_err(failed)?;
        let above = to.parent().filter(|it| !it.as_os_str().is_empty());
        let above = File::open(above.unwrap_or(Path::new(".")));
        above.and_then(|it| it.sync_all()).map_err(failed)?;
        Ok(pulled)
    }

    /// Has a file of a version at a path, on the disk.
    async fn bring<'f>(&self, file: &'f StoredFile, path: &Path) -> Result<(&'f StoredFile, Made), VaultError> {
        let (there, wanted) = (path.to_owned(), file.clone());
        if beside(move || is_there(&there, &wanted)).await {
            return Ok((file, Made::Before));
        }
        let failed = |source| VaultError::File {
            path: path.to_owned(),
            source,
        };
        let mut out = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map_err(failed)?;
        self.read(file, |plain| out.write_all(plain).map_err(failed)).await?;
        beside(move || out.sync_all()).await.map_err(failed)?;
        Ok((file, Made::Now))
    }

    /// Opens a file of a version from its beginning to its end; `take` gets nothing that was not verified, and an
    /// error at the end when the whole is not what it should be. The next pieces are fetched and opened meanwhile.
    pub(crate) async fn read(
        &self,
        file: &StoredFile,
        mut take: impl FnMut(&[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let path = self.object_path(file.object());
        let sealed = |source| VaultError::sealed(file.name(), source);
        let (opener, shape) = self.opener(file).await?;
        let opener = Arc::new(opener);
        let runs = runs(0..shape.pieces()).map(|run| self.opened(&path, Arc::clone(&opener), run));
        let mut runs = stream::iter(runs).buffered(AHEAD);
        let mut hasher = Hasher::new(HashKind::Sha256);
        while let Some(run) = runs.next().await {
            let run = Arc::new(run?.map_err(sealed)?);
            let hashed = Arc::clone(&run);
            let hashing = tokio::task::spawn_blocking(move || {
                hasher.update(&hashed);
                hasher
            });
            take(&run)?;
            hasher = joined(hashing).await;
        }
        if hasher.finish().to_hex() == file.digest() {
            Ok(())
        } else {
            Err(sealed(SealError::Changed))
        }
    }

    /// What some pieces hold, one behind the other.
    async fn opened(
        &self,
        path: &str,
        opener: Arc<Opener>,
        pieces: Range<u64>,
    ) -> Result<Result<Vec<u8>, SealError>, VaultError> {
        let shape = opener.shape();
        let last = pieces.end.saturating_sub(1);
        let range = shape.range(pieces.start).start..shape.range(last).end;
        let bytes = self.objects.range(path, range).await?;
        Ok(beside(move || {
            let mut run = Vec::from(bytes);
            opener.open_run(pieces.start, &mut run).map(|()| run)
        })
        .await)
    }

    pub(super) async fn opener(&self, file: &StoredFile) -> Result<(Opener, Shape), VaultError> {
        let path = self.object_path(file.object());
        let sealed = |source| VaultError::sealed(file.name(), source);
        let shape = Shape::of_plain(file.bytes());
        let found = self.objects.bytes(&path).await?;
        let found = found.ok_or_else(|| VaultError::NoObject {
            name: file.name().to_owned(),
        })?;
        if found != shape.sealed() {
            return Err(sealed(SealError::Truncated));
        }
        let digest = Digest::from_hex(HashKind::Sha256, file.digest()).ok_or_else(|| sealed(SealError::Changed))?;
        let head = self.objects.range(&path, 0..HEAD_BYTES as u64).await?;
        let context = self.object_context(&digest, file.bytes());
        let opener = Opener::new(self.key(), &context, &head, found).map_err(sealed)?;
        Ok((opener, shape))
    }

    /// Part of a file of a version, without reading the rest of it.
    ///
    /// # Errors
    /// When the range lies beyond the file, or what is there was changed.
    pub async fn read_range(&self, file: &StoredFile, range: Range<u64>) -> Result<Vec<u8>, VaultError> {
        if range.start > range.end || range.end > file.bytes() {
            return Err(VaultError::Range);
        }
        let piece_bytes = PIECE_BYTES as u64;
        let at = |place: u64| place.checked_div(piece_bytes).unwrap_or(0);
        let (opener, _) = self.opener(file).await?;
        let opener = Arc::new(opener);
        let path = self.object_path(file.object());
        let mut plain = Vec::new();
        if range.is_empty() {
            return Ok(plain);
        }
        for run in runs(at(range.start)..at(range.end.saturating_sub(1)).saturating_add(1)) {
            let from = run.start.saturating_mul(piece_bytes);
            let opened = self.opened(&path, Arc::clone(&opener), run).await?;
            let opened = opened.map_err(|source| VaultError::sealed(file.name(), source))?;
            let start = usize::try_from(range.start.saturating_sub(from)).unwrap_or(usize::MAX);
            let end = usize::try_from(range.end.saturating_sub(from)).unwrap_or(usize::MAX);
            let part = opened.get(start..end.min(opened.len()));
            plain.extend_from_slice(part.ok_or(VaultError::Range)?);
        }
        Ok(plain)
    }
}

/// Pieces in runs that are fetched at once.
fn runs(pieces: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let starts = (pieces.start..pieces.end).step_by(RUN_PIECES);
    starts.map(move |start| start..start.saturating_add(RUN_PIECES as u64).min(pieces.end))
}

fn part_folder(to: &Path) -> Result<PathBuf, VaultError> {
    let name = to.file_name().and_then(|it| it.to_str());
    let name = name.ok_or_else(|| VaultError::Exists { path: to.to_owned() })?;
    Ok(to.with_file_name(format!(".{name}.part")))
}

/// Every folder of a version, so that no name in it is lost with the power.
fn sync_folders(part: &Path, record: &Record) -> io::Result<()> {
    let files = record.files().iter().map(|it| Path::new(it.name()));
    let folders: std::collections::BTreeSet<&Path> = files.flat_map(|it| it.ancestors().skip(1)).collect();
    for folder in folders {
        File::open(part.join(folder))?.sync_all()?;
    }
    File::open(part)?.sync_all()
}

/// A folder that is no link.
fn make_folder(path: &Path) -> Result<(), VaultError> {
    let failed = |source| VaultError::File {
        path: path.to_owned(),
        source,
    };
    match fs::create_dir(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if path.symlink_metadata().map_err(failed)?.is_dir() {
                Ok(())
            } else {
                Err(VaultError::Exists { path: path.to_owned() })
            }
        }
        Err(error) => Err(failed(error)),
    }
}

/// Where a file goes; no folder on the way, and not the file, may be a link.
fn place(part: &Path, name: &str) -> Result<PathBuf, VaultError> {
    let name = ResourceName::parse(name)?;
    let mut path = part.to_owned();
    let mut parts = name.parts().peekable();
    while let Some(next) = parts.next() {
        path.push(next);
        if parts.peek().is_some() {
            make_folder(&path)?;
        }
    }
    match path.symlink_metadata() {
        Ok(look) if !look.is_file() => Err(VaultError::Exists { path }),
        _ => Ok(path),
    }
}

/// Whether an earlier attempt has brought this file.
fn is_there(path: &Path, file: &StoredFile) -> bool {
    let Ok(found) = File::open(path) else { return false };
    if found.metadata().map(|it| it.len()).ok() != Some(file.bytes()) {
        return false;
    }
    let mut hasher = Hasher::new(HashKind::Sha256);
    let mut buffer = vec![0u8; READ_BYTES];
    let mut at = 0u64;
    loop {
        match found.read_at(&mut buffer, at) {
            // Whoever brought it may have died before it was on the disk.
            Ok(0) => return hasher.finish().to_hex() == file.digest() && found.sync_all().is_ok(),
            Ok(read) => {
                hasher.update(buffer.get(..read).unwrap_or_default());
                at = at.saturating_add(u64::try_from(read).unwrap_or(0));
            }
            Err(_) => return false,
        }
    }
}

/// What an attempt at another version left behind must not become part of this one.
fn remove_strangers(part: &Path, record: &Record) -> Result<(), VaultError> {
    let model = crate::signing::Model::open(part, crate::signing::Links::Refuse)?;
    let walked = model.walk(&crate::signing::Scope::whole(), crate::signing::Links::Refuse)?;
    let known: std::collections::BTreeSet<&str> = record.everything().map(StoredFile::name).collect();
    for found in walked.files.iter().filter(|it| !known.contains(it.name.as_str())) {
        let path = model.at(&found.name);
        fs::remove_file(&path).map_err(|source| VaultError::File { path, source })?;
    }
    Ok(())
}
