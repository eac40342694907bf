//! What a version is made of, in the one spelling that its id is the hash of.

use serde::{Deserialize, Serialize};

use super::VaultError;
use super::gates::Evidence;
use super::names::{VaultName, VersionId};
use crate::signing::{Digest, HashKind, ResourceName};

/// The largest record that is read.
pub(crate) const RECORD_BYTES_MAX: u64 = 1 << 30;
/// The format of records.
const FORMAT: u32 = 1;

/// A version: which files, with which content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    format: u32,
    artifact: String,
    /// The root digest of OpenSSF Model Signing over the files, each hashed whole by SHA-256.
    root: String,
    files: Vec<StoredFile>,
    /// The signature that it was pushed with.
    signature: Option<StoredFile>,
    /// Who signed, in words.
    signer: Option<String>,
    /// What was shown about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
}

/// One file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredFile {
    name: String,
    bytes: u64,
    /// SHA-256 of the content.
    digest: String,
    /// Where it lies, sealed.
    object: String,
}

impl StoredFile {
    pub(crate) fn new(name: &str, bytes: u64, digest: &Digest, object: String) -> Self {
        Self {
            name: name.to_owned(),
            bytes,
            digest: digest.to_hex(),
            object,
        }
    }

    /// Its path in the model.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of its content.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of its content, in hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub(crate) fn object(&self) -> &str {
        &self.object
    }

    fn is_sound(&self) -> bool {
        ResourceName::parse(&self.name).is_ok()
            && Digest::from_hex(HashKind::Sha256, &self.digest).is_some()
            && crate::hex::decode(&self.object).is_some_and(|it| it.len() == 32)
    }
}

impl Record {
    pub(crate) fn new(
        artifact: &VaultName,
        root: String,
        files: Vec<StoredFile>,
        signature: Option<StoredFile>,
        signer: Option<String>,
    ) -> Self {
        Self {
            format: FORMAT,
            artifact: artifact.to_string(),
            root,
            files,
            signature,
            signer,
            evidence: None,
        }
    }

    pub(crate) fn with_evidence(mut self, evidence: Option<Evidence>) -> Self {
        self.evidence = evidence;
        self
    }

    /// What was shown about it when it was pushed.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }

    /// The files, by name.
    #[must_use]
    pub fn files(&self) -> &[StoredFile] {
        &self.files
    }

    /// The signature file, if it was pushed with one.
    #[must_use]
    pub fn signature(&self) -> Option<&StoredFile> {
        self.signature.as_ref()
    }

    /// Who signed, in words.
    #[must_use]
    pub fn signer(&self) -> Option<&str> {
        self.signer.as_deref()
    }

    /// The root digest of the model's files, in hexadecimal digits.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    pub(crate) fn everything(&self) -> impl Iterator<Item = &StoredFile> {
        self.files.iter().chain(&self.signature)
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, VaultError> {
        serde_json::to_vec(self).map_err(|source| VaultError::Record {
            version: "new".to_owned(),
            source: Some(source),
        })
    }

    /// Reads the record that `id` names, of `artifact`.
    ///
    /// # Errors
    /// When it is another one, or not sound.
    pub fn read(bytes: &[u8], id: VersionId, artifact: &VaultName) -> Result<Self, VaultError> {
        let broken = |source| VaultError::Record {
            version: id.to_string(),
            source,
        };
        if VersionId::of(bytes) != id {
            return Err(broken(None));
        }
        let record: Self = serde_json::from_slice(bytes).map_err(|error| broken(Some(error)))?;
        let sorted = record
            .files
            .iter()
            .zip(record.files.iter().skip(1))
            .all(|(a, b)| a.name < b.name);
        let sound = record.format == FORMAT
            && record.artifact == artifact.as_str()
            && sorted
            && record.everything().all(StoredFile::is_sound);
        if sound { Ok(record) } else { Err(broken(None)) }
    }
}
