//! One artifact of a vault: its key, and what is sealed under it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use testudo_recorder::{KekId, KeyEncryption, WrappedKey};
use zeroize::Zeroizing;

use super::VaultError;
use super::names::{VaultName, VersionId};
use super::objects::{Made, Objects};
use super::record::{RECORD_BYTES_MAX, Record};
use crate::hex;
use crate::sealing::{self, InputKey, KEY_BYTES};
use crate::signing::Digest;

/// The largest file that says under which key another one lies.
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: u32,
    /// The key-encryption key that it lies under.
    kek: String,
    wrapped: String,
}

/// An artifact, open.
#[derive(Clone)]
pub struct Artifact {
    pub(crate) name: VaultName,
    /// Of its vault.
    pub(crate) vault: Arc<str>,
    pub(crate) objects: Objects,
    content: InputKey,
    ids: Arc<hmac::Key>,
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a missing artifact leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Make,
    Refuse,
}

impl Artifact {
    pub(crate) async fn open(
        objects: &Objects,
        vault: &Arc<str>,
        keys: &dyn KeyEncryption,
        name: &VaultName,
        missing: Missing,
    ) -> Result<Self, VaultError> {
        let path = format!("artifacts/{name}/key.json");
        let aad = format!("testudo/vault-artifact/v1\0{vault}\0{name}");
        let found = objects.read(&path, KEY_FILE_BYTES_MAX).await?;
        let found = match (found, missing) {
            (Some(found), _) => found,
            (None, Missing::Refuse) => return Err(VaultError::NoArtifact { name: name.to_string() }),
            (None, Missing::Make) => {
                let key = InputKey::random().map_err(|source| VaultError::sealed(&path, source))?;
                let wrapped = keys.wrap(key.expose(), aad.as_bytes()).await?;
                let file = KeyFile {
                    format: 1,
                    kek: wrapped.kek.to_string(),
                    wrapped: STANDARD.encode(&wrapped.bytes),
                };
                let bytes = serde_json::to_vec(&file).map_err(|_| VaultError::KeyFile { name: path.clone() })?;
                // Whoever was first has made the key.
                let _made: Made = objects.create(&path, bytes).await?;
                let found = objects.read(&path, KEY_FILE_BYTES_MAX).await?;
                found.ok_or_else(|| VaultError::NoArtifact { name: name.to_string() })?
            }
        };
        let broken = || VaultError::KeyFile { name: path.clone() };
        let file: KeyFile = serde_json::from_slice(&found).map_err(|_| broken())?;
        let wrapped = WrappedKey {
            kek: KekId::parse(&file.kek).map_err(|_| broken())?,
            bytes: STANDARD.decode(&file.wrapped).map_err(|_| broken())?,
        };
        let key = keys.unwrap(&wrapped, aad.as_bytes()).await?;
        let content = derive(&key, "testudo/vault-content/v1").ok_or_else(broken)?;
        let ids = derive(&key, "testudo/vault-object-id/v1").ok_or_else(broken)?;
        Ok(Self {
            name: name.clone(),
            vault: Arc::clone(vault),
            objects: objects.clone(),
            content: InputKey::from_slice(content.as_slice()).map_err(|source| VaultError::sealed(&path, source))?,
            ids: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, ids.as_slice())),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &VaultName {
        &self.name
    }

    pub(crate) fn key(&self) -> &InputKey {
        &self.content
    }

    /// A path below the artifact's folder.
    pub(crate) fn path(&self, below: &str) -> String {
        format!("artifacts/{}/{below}", self.name)
    }

    /// Where content lies; the same content of one artifact lies in one place, and nobody without the key can tell
    /// which content lies where.
    pub(crate) fn object_id(&self, digest: &[u8], bytes: u64) -> String {
        let mut context = hmac::Context::with_key(&self.ids);
        context.update(digest);
        context.update(&bytes.to_be_bytes());
        hex::encode(context.sign().as_ref())
    }

    pub(crate) fn object_path(&self, id: &str) -> String {
        let (folder, _) = id.split_at_checked(2).unwrap_or((id, ""));
        self.path(&format!("objects/{folder}/{id}"))
    }

    /// What content is bound to: this vault, this artifact, and itself.
    pub(crate) fn object_context(&self, digest: &Digest, bytes: u64) -> Vec<u8> {
        let mut context = self.context("testudo/vault-object/v1");
        context.extend_from_slice(digest.as_bytes());
        context.extend_from_slice(&bytes.to_be_bytes());
        context
    }

    fn record_context(&self, id: VersionId) -> Vec<u8> {
        let mut context = self.context("testudo/vault-version/v1");
        context.extend_from_slice(id.as_bytes());
        context
    }

    fn context(&self, purpose: &str) -> Vec<u8> {
        format!("{purpose}\0{}\0{}\0", self.vault, self.name).into_bytes()
    }

    fn record_path(&self, id: VersionId) -> String {
        self.path(&format!("versions/{id}"))
    }

    /// Makes a version visible; everything that it is made of is in the store.
    pub(crate) async fn publish(&self, record: &Record) -> Result<(VersionId, Made), VaultError> {
        let bytes = record.to_bytes()?;
        let id = VersionId::of(&bytes);
        let path = self.record_path(id);
        let sealed = sealing::seal(self.key(), &self.record_context(id), &bytes)
            .map_err(|source| VaultError::sealed(&path, source))?;
        Ok((id, self.objects.create(&path, sealed).await?))
    }

    /// What a version is made of.
    ///
    /// # Errors
    /// When there is no such version, or its record is not the one that was pushed.
    pub async fn record(&self, id: VersionId) -> Result<Record, VaultError> {
        let path = self.record_path(id);
        let sealed = self.objects.read(&path, RECORD_BYTES_MAX).await?;
        let sealed = sealed.ok_or_else(|| VaultError::NoVersion {
            version: id.to_string(),
        })?;
        let bytes = sealing::open(self.key(), &self.record_context(id), &sealed)
            .map_err(|source| VaultError::sealed(&path, source))?;
        Record::read(&bytes, id, &self.name)
    }

    /// Every version, by id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn versions(&self) -> Result<Vec<VersionId>, VaultError> {
        let dated = self.dated_versions().await?;
        Ok(dated.into_iter().map(|(version, _)| version).collect())
    }

    /// Every version, and when the store says that it was pushed.
    pub(crate) async fn dated_versions(&self) -> Result<Vec<(VersionId, i64)>, VaultError> {
        let listed = self.objects.list(&self.path("versions")).await?;
        let dated = listed.iter();
        Ok(dated
            .filter_map(|it| Some((VersionId::from_hex(&it.name)?, it.modified_ms)))
            .collect())
    }

    /// The one version whose id begins like this; at least 8 digits.
    ///
    /// # Errors
    /// When there is none or several.
    pub async fn version(&self, beginning: &str) -> Result<VersionId, VaultError> {
        if let Some(id) = VersionId::from_hex(beginning) {
            return Ok(id);
        }
        let none = || VaultError::NoVersion {
            version: beginning.chars().take(64).collect(),
        };
        if beginning.len() < 8 {
            return Err(none());
        }
        let versions = self.versions().await?;
        let mut like = versions.iter().filter(|id| id.to_string().starts_with(beginning));
        match (like.next(), like.next()) {
            (Some(id), None) => Ok(*id),
            _ => Err(none()),
        }
    }

    pub(crate) async fn remove_record(&self, id: VersionId) -> Result<(), VaultError> {
        self.objects.remove(&self.record_path(id)).await
    }
}

/// A key for one purpose only (HKDF-SHA-512, expand).
fn derive(key: &[u8], purpose: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut derived = Zeroizing::new([0; KEY_BYTES]);
    if key.len() != KEY_BYTES {
        return None;
    }
    hkdf::Prk::new_less_safe(hkdf::HKDF_SHA512, key)
        .expand(&[purpose.as_bytes()], Expanded)
        .and_then(|okm| okm.fill(derived.as_mut_slice()))
        .ok()?;
    Some(derived)
}

struct Expanded;

impl hkdf::KeyType for Expanded {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}
