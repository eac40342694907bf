//! Puts a model into the vault: every file sealed first, the version visible last.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::VaultError;
use super::artifact::Artifact;
use super::gates::Evidence;
use super::names::VersionId;
use super::objects::{Made, Upload};
use super::parts::{Part, Parts, Source};
use super::record::{Record, StoredFile};
use crate::sealing::{HEAD_BYTES, Opener, Shape};
use crate::signing::Hasher;
use crate::signing::{
    Digest, HashKind, Links, Manifest, Measured, Method, Model, Resource, ResourceName, SignedPieces, Verified,
};

/// Files under way at once.
const TOGETHER: usize = 4;
/// Objects that are only asked for, at once.
const ASKED_TOGETHER: usize = 16;

/// What is pushed.
#[derive(Debug)]
pub struct Push<'p> {
    pub model: &'p Model,
    /// Measured by whole files and SHA-256.
    pub manifest: &'p Manifest,
    pub signature: Option<PushedSignature<'p>>,
    /// What was shown about it; a version that showed something else is another one.
    pub evidence: Option<&'p Evidence>,
}

/// A signature that was verified, and its file.
#[derive(Debug)]
pub struct PushedSignature<'p> {
    pub bundle: &'p [u8],
    pub verified: &'p Verified,
    /// Who signed, in words.
    pub signer: String,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    pub version: VersionId,
    /// Whether it was there before.
    pub known: bool,
    pub bytes: u64,
    /// Of these, how many lay in the vault already.
    pub bytes_known: u64,
}

impl Artifact {
    /// Seals every file that is not in the vault yet, then makes the version visible. Pushing again goes on where an
    /// earlier push stopped.
    ///
    /// # Errors
    /// When a file changed after it was measured, the signature is over something else, or the store fails.
    pub async fn push(&self, push: &Push<'_>, watch: &(dyn Fn(Measured) + Sync)) -> Result<Pushed, VaultError> {
        if push.manifest.hash != HashKind::Sha256 || push.manifest.method != Method::Files {
            return Err(VaultError::Measured);
        }
        let signed = match &push.signature {
            Some(signature) => {
                let signed = signature.verified.manifest().called_as(push.manifest);
                signed_pieces(&signed, push.manifest)?
            }
            None => None,
        };
        let files: BTreeMap<&ResourceName, &Digest> = push
            .manifest
            .resources
            .iter()
            .map(|Resource { place, digest }| (place.file(), digest))
            .collect();
        let progress = Progress::new(watch);
        let together = files
            .into_iter()
            .map(|(name, digest)| self.file(push.model, signed.as_ref(), name, digest, &progress));
        let stored: Vec<(StoredFile, Made)> = stream::iter(together).buffered(TOGETHER).try_collect().await?;
        let known = stored.iter().filter(|(_, made)| *made == Made::Before);
        let bytes_known = known.fold(0u64, |sum, (file, _)| sum.saturating_add(file.bytes()));
        let signature = match &push.signature {
            Some(signature) => Some(self.small("model.sig", signature.bundle).await?),
            None => None,
        };
        let record = Record::new(
            &self.name,
            push.manifest.root_hex(),
            stored.into_iter().map(|(file, _)| file).collect(),
            signature,
            push.signature.as_ref().map(|it| it.signer.clone()),
        )
        .with_evidence(push.evidence.cloned());
        let (version, made) = self.publish(&record).await?;
        self.check_whole(&record).await?;
        Ok(Pushed {
            version,
            known: made == Made::Before,
            bytes: record.bytes(),
            bytes_known,
        })
    }

    /// A sweep may have taken what this version relies on before it was visible.
    async fn check_whole(&self, record: &Record) -> Result<(), VaultError> {
        let there = record.everything().map(async |file| {
            let path = self.object_path(file.object());
            match self.objects.bytes(&path).await? {
                Some(_) => Ok(()),
                None => Err(VaultError::Swept {
                    name: file.name().to_owned(),
                }),
            }
        });
        stream::iter(there).buffered(ASKED_TOGETHER).try_collect().await
    }

    async fn file(
        &self,
        model: &Model,
        signed: Option<&SignedPieces>,
        name: &ResourceName,
        digest: &Digest,
        progress: &Progress<'_>,
    ) -> Result<(StoredFile, Made), VaultError> {
        let file = model.open_file(name, Links::Refuse)?;
        let failed = |source: io::Error| VaultError::File {
            path: model.at(name),
            source,
        };
        let bytes = file.metadata().map_err(failed)?.len();
        let object = self.object_id(digest.as_bytes(), bytes);
        let stored = StoredFile::new(name.as_str(), bytes, digest, object);
        let path = self.object_path(stored.object());
        let signed = match signed {
            Some(signed) => {
                let checker = signed.checker(name, bytes);
                Some(checker.ok_or_else(|| VaultError::NotSigned { name: name.to_string() })?)
            }
            None => None,
        };
        let is_there = self.is_whole(&path, digest, bytes).await?;
        if is_there && signed.is_none() {
            progress.add(bytes);
            return Ok((stored, Made::Before));
        }
        let source = Source {
            file,
            path: model.at(name),
            bytes,
            digest: digest.clone(),
            signed,
            key: self.key().clone(),
            context: self.object_context(digest, bytes),
            part_bytes: self.objects.part_bytes(bytes),
        };
        if is_there {
            source.check().await?;
            progress.add(bytes);
            return Ok((stored, Made::Before));
        }
        self.store(&path, source, progress).await?;
        Ok((stored, Made::Now))
    }

    async fn store(&self, path: &str, source: Source, progress: &Progress<'_>) -> Result<(), VaultError> {
        let mut upload = None;
        let last = self.send(path, Parts::begin(source), &mut upload, progress).await;
        match (last, upload) {
            (Ok(last), None) => self.objects.replace(path, last.sealed).await,
            (Ok(last), Some(mut upload)) => match upload.part(last.sealed).await {
                Ok(()) => upload.complete().await,
                Err(error) => {
                    upload.abort().await;
                    Err(error)
                }
            },
            (Err(error), Some(upload)) => {
                upload.abort().await;
                Err(error)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Sends all parts but the last, which comes back; without others nothing is begun.
    async fn send(
        &self,
        path: &str,
        mut parts: Parts,
        upload: &mut Option<Upload>,
        progress: &Progress<'_>,
    ) -> Result<Part, VaultError> {
        while let Some(part) = parts.next().await {
            if upload.is_none() {
                *upload = Some(self.objects.upload(path).await?);
            }
            if let Some(upload) = upload.as_mut() {
                upload.part(part.sealed).await?;
            }
            progress.add(part.plain_bytes);
        }
        let last = parts.last().await?;
        progress.add(last.plain_bytes);
        Ok(last)
    }

    async fn small(&self, name: &str, content: &[u8]) -> Result<StoredFile, VaultError> {
        let mut hasher = Hasher::new(HashKind::Sha256);
        hasher.update(content);
        let digest = hasher.finish();
        let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let object = self.object_id(digest.as_bytes(), bytes);
        let path = self.object_path(&object);
        if !self.is_whole(&path, &digest, bytes).await? {
            let sealed = crate::sealing::seal(self.key(), &self.object_context(&digest, bytes), content)
                .map_err(|source| VaultError::sealed(&path, source))?;
            self.objects.replace(&path, sealed).await?;
        }
        Ok(StoredFile::new(name, bytes, &digest, object))
    }

    /// Whether content lies in the vault, from its first piece to its last.
    async fn is_whole(&self, path: &str, digest: &Digest, bytes: u64) -> Result<bool, VaultError> {
        let shape = Shape::of_plain(bytes);
        if self.objects.bytes(path).await? != Some(shape.sealed()) {
            return Ok(false);
        }
        let head = self.objects.range(path, 0..HEAD_BYTES as u64).await?;
        let Ok(opener) = Opener::new(self.key(), &self.object_context(digest, bytes), &head, shape.sealed()) else {
            return Ok(false);
        };
        let last = shape.pieces().saturating_sub(1);
        let mut piece = self.objects.range(path, shape.range(last)).await?.to_vec();
        Ok(opener.open(last, &mut piece).is_ok())
    }
}

/// What was signed must be what was measured. Signatures with another hash or with pieces are held against the content
/// while it is sealed; here it is the names.
fn signed_pieces(signed: &Manifest, measured: &Manifest) -> Result<Option<SignedPieces>, VaultError> {
    if signed.hash == HashKind::Sha256 && signed.method == Method::Files {
        return match signed.difference(measured).is_same() {
            true => Ok(None),
            false => Err(VaultError::SignedOther),
        };
    }
    let pieces = SignedPieces::of(signed);
    let there: BTreeSet<&ResourceName> = measured.resources.iter().map(|it| it.place.file()).collect();
    let all_there = pieces.files().all(|name| there.contains(name));
    if all_there {
        Ok(Some(pieces))
    } else {
        Err(VaultError::SignedOther)
    }
}

/// How much was read, of all files together.
struct Progress<'w> {
    bytes_done: std::sync::atomic::AtomicU64,
    watch: &'w (dyn Fn(Measured) + Sync),
}

impl<'w> Progress<'w> {
    fn new(watch: &'w (dyn Fn(Measured) + Sync)) -> Self {
        Self {
            bytes_done: std::sync::atomic::AtomicU64::new(0),
            watch,
        }
    }

    fn add(&self, bytes: u64) {
        let before = self.bytes_done.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        (self.watch)(Measured {
            bytes_done: before.saturating_add(bytes),
            bytes_all: 0,
        });
    }
}
