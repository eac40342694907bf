//! Takes a version out of the vault: into a folder beside the wanted one, which gets its name when all is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::VaultError;
use super::artifact::Artifact;
use super::record::{Record, StoredFile};
use crate::sealing::{HEAD_BYTES, Opener, Shape};
use crate::signing::{Digest, HashKind, Hasher, Measured, ResourceName};

/// Pieces that are fetched at once: 4 MiB.
const PIECES: u64 = 256;
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
    /// Opens every file of a version into the folder `to`, which must not be there. Until all is there and checked,
    /// everything lies in `.NAME.part` beside it, where another attempt goes on.
    ///
    /// # Errors
    /// When something was changed, cut or exchanged in the store, or a file cannot be written.
    pub async fn pull(
        &self,
        record: &Record,
        to: &Path,
        watch: &(dyn Fn(Measured) + Sync),
    ) -> Result<Pulled, VaultError> {
        let there = to.symlink_metadata();
        if !matches!(&there, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            return Err(VaultError::Exists { path: to.to_owned() });
        }
        let part = part_folder(to)?;
        make_folder(&part)?;
        let all = record.bytes();
        let mut pulled = Pulled {
            bytes: 0,
            bytes_known: 0,
        };
        let own = record.files().iter().any(|it| it.name() == SIGNATURE);
        let signature = record.signature().filter(|_| !own);
        for file in record.files().iter().chain(signature) {
            let path = place(&part, file.name())?;
            if is_there(&path, file) {
                pulled.bytes_known = pulled.bytes_known.saturating_add(file.bytes());
            } else {
                self.fetch(file, &path).await?;
            }
            pulled.bytes = pulled.bytes.saturating_add(file.bytes());
            watch(Measured {
                bytes_done: pulled.bytes,
                bytes_all: all,
            });
        }
        remove_strangers(&part, record)?;
        let failed = |source| VaultError::File {
            path: to.to_owned(),
            source,
        };
        sync_folders(&part, record).map_err(failed)?;
        fs::rename(&part, to).map_err(failed)?;
        let above = to.parent().filter(|it| !it.as_os_str().is_empty());
        let above = File::open(above.unwrap_or(Path::new(".")));
        above.and_then(|it| it.sync_all()).map_err(failed)?;
        Ok(pulled)
    }

    async fn fetch(&self, file: &StoredFile, path: &Path) -> Result<(), VaultError> {
        let failed = |source| VaultError::File {
            path: path.to_owned(),
            source,
        };
        let out = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map_err(failed)?;
        let mut out = io::BufWriter::with_capacity(READ_BYTES, out);
        self.read(file, |plain| out.write_all(plain).map_err(failed)).await?;
        let out = out.into_inner().map_err(|error| failed(error.into_error()))?;
        out.sync_all().map_err(failed)
    }

    /// Opens a file of a version from its beginning to its end; `take` gets nothing that was not verified, and an
    /// error at the end when the whole is not what it should be.
    pub(crate) async fn read(
        &self,
        file: &StoredFile,
        mut take: impl FnMut(&[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let path = self.object_path(file.object());
        let sealed = |source| VaultError::sealed(file.name(), source);
        let (opener, shape) = self.opener(file).await?;
        let mut hasher = Hasher::new(HashKind::Sha256);
        let mut piece = 0u64;
        while piece < shape.pieces() {
            let last = piece.saturating_add(PIECES).min(shape.pieces());
            let range = shape.range(piece).start..shape.range(last.saturating_sub(1)).end;
            let mut bytes = self.objects.range(&path, range).await?.to_vec();
            let mut rest = bytes.as_mut_slice();
            while piece < last {
                let range = shape.range(piece);
                let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
                let Some((now, later)) = rest.split_at_mut_checked(length) else {
                    return Err(sealed(crate::sealing::SealError::Truncated));
                };
                rest = later;
                let plain = opener.open(piece, now).map_err(sealed)?;
                hasher.update(plain);
                take(plain)?;
                piece = piece.saturating_add(1);
            }
        }
        if hasher.finish().to_hex() == file.digest() {
            Ok(())
        } else {
            Err(sealed(crate::sealing::SealError::Changed))
        }
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
            return Err(sealed(crate::sealing::SealError::Truncated));
        }
        let digest = Digest::from_hex(HashKind::Sha256, file.digest())
            .ok_or_else(|| sealed(crate::sealing::SealError::Changed))?;
        let head = self.objects.range(&path, 0..HEAD_BYTES as u64).await?;
        let context = self.object_context(&digest, file.bytes());
        let opener = Opener::new(self.key(), &context, &head, found).map_err(sealed)?;
        Ok((opener, shape))
    }

    /// Part of a file of a version, without reading the rest of it.
    ///
    /// # Errors
    /// When the range lies beyond the file, or what is there was changed.
    pub async fn read_range(&self, file: &StoredFile, range: std::ops::Range<u64>) -> Result<Vec<u8>, VaultError> {
        if range.start > range.end || range.end > file.bytes() {
            return Err(VaultError::Range);
        }
        let (opener, shape) = self.opener(file).await?;
        let path = self.object_path(file.object());
        let piece_bytes = crate::sealing::PIECE_BYTES as u64;
        let mut plain = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let piece = at.checked_div(piece_bytes).unwrap_or(0);
            let mut bytes = self.objects.range(&path, shape.range(piece)).await?.to_vec();
            let opened = opener
                .open(piece, &mut bytes)
                .map_err(|source| VaultError::sealed(file.name(), source))?;
            let start = at.checked_rem(piece_bytes).unwrap_or(0);
            let end = range.end.saturating_sub(at).saturating_add(start).min(piece_bytes);
            let bounds = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
            plain.extend_from_slice(opened.get(bounds).ok_or(VaultError::Range)?);
            at = at.saturating_add(end.saturating_sub(start));
        }
        Ok(plain)
    }
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
            Ok(0) => return hasher.finish().to_hex() == file.digest(),
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
