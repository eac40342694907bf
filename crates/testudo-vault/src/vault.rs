//! Keeps models and data sets sealed, in versions that never change, under names that move by signed statements.
//!
//! Content is sealed by chunked encryption under the key of its artifact, which lies under a key-encryption key, as
//! the ledger's keys do. Each file of an artifact is kept once, wherever it recurs. A version is a record of names
//! and digests, and its id is the hash of that record; it becomes visible when everything that it names is in the
//! store. Aliases and revocations are what a chain of signed statements says ([`Standing`]); readers remember how
//! far they had come ([`Seen`]), so that an older chain is refused.

mod approvers;
mod artifact;
mod beside;
mod durable;
mod follow;
mod gates;
mod held;
mod names;
mod numbered;
mod objects;
mod opened;
mod parts;
mod pull;
mod push;
mod reading;
mod record;
mod seen;
mod signers;
mod statement;
mod sweep;
#[cfg(test)]
mod tests;
mod told;

use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};
use testudo_recorder::ship::Store;
use testudo_recorder::{KekError, KeyEncryption};

pub use approvers::{Approvers, Former, Until};
pub use artifact::Artifact;
pub use follow::Follower;
pub use gates::{Evidence, Gates, Scanned, VERDICTS};
pub use held::{HeldFile, Room};
pub use names::{VaultName, VaultNameError, VersionId};
pub use numbered::Numbered;
pub use opened::{Followed, KeySettings, OpenVault, OpenVaultError, TokenSettings, VaultSettings};
pub use pull::Pulled;
pub use push::{Push, Pushed, PushedSignature};
pub use reading::Reading;
pub use record::{Record, StoredFile};
pub use seen::{Seen, SeenError, SeenFile};
pub use signers::Signer;
pub use statement::{Act, ChainHead, Proposed, Standing, Statement, StatementFault};
pub use sweep::{Sweep, Swept};

use self::artifact::Missing;
use self::objects::{Made, Objects};
use self::statement::{Person, STATEMENT_BYTES_MAX, STATEMENTS_MAX};
use crate::hex;
use crate::sealing::SealError;
use crate::signing::{NameError, TreeError};

const FORMAT: u32 = 1;
const HEAD: &str = "vault.json";
const HEAD_BYTES_MAX: u64 = 4096;

/// Why the vault did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    #[error("the store failed at `{name}`")]
    Store {
        name: String,
        #[source]
        source: object_store::Error,
    },
    #[error("there is no vault in {0}; `testudo model push` makes one")]
    NoVault(String),
    #[error("the vault in {0} is of another format, or its first file was changed")]
    Format(String),
    #[error("the system gave no random bytes; try again")]
    Random,
    #[error(
        "the store of {0} writes over objects that it was asked to leave alone, so that statements would be lost; use a store that knows `If-None-Match: *`"
    )]
    Careless(String),
    #[error("there is no artifact `{name}` in the vault")]
    NoArtifact { name: String },
    #[error("there is no version `{version}`, or several begin like that")]
    NoVersion { version: String },
    #[error("`{name}` is not a key file; somebody changed it")]
    KeyFile { name: String },
    #[error("the key of the artifact cannot be opened or wrapped")]
    Key(#[from] KekError),
    #[error("`{name}` does not open")]
    Sealed {
        name: String,
        #[source]
        source: SealError,
    },
    #[error("the content of `{name}` is missing in the store")]
    NoObject { name: String },
    #[error("the record of version {version} is not the one that was pushed")]
    Record {
        version: String,
        #[source]
        source: Option<serde_json::Error>,
    },
    #[error("`{name}` is larger than it can be")]
    TooLarge { name: String },
    #[error("the model cannot be read")]
    Tree(#[from] TreeError),
    #[error("a name in the version is no path inside a model")]
    Name(#[from] NameError),
    #[error("`{}` cannot be read or written", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` changed while it was pushed; run again when nothing writes to it", path.display())]
    Changed { path: PathBuf },
    #[error("`{}` is there already; choose another place, or take it away", path.display())]
    Exists { path: PathBuf },
    #[error("a sweep took the content of `{name}` meanwhile; push again")]
    Swept { name: String },
    #[error("only models measured by whole files and SHA-256 are kept")]
    Measured,
    #[error("`{name}` is not what was signed")]
    NotSigned { name: String },
    #[error("the signature is over other files than those in the folder")]
    SignedOther,
    #[error("the range lies beyond the file")]
    Range,
    #[error("the statements about `{artifact}` cannot be believed")]
    Statements {
        artifact: String,
        #[source]
        source: StatementFault,
    },
    #[error("the statements about `{artifact}` have gaps: statement {sequence} is missing")]
    Gap { artifact: String, sequence: u64 },
    #[error("refused: the vault is not in a state that this machine can follow")]
    Seen(#[from] SeenError),
    #[error("somebody else made a statement about `{artifact}` meanwhile; look at it and decide again")]
    Raced { artifact: String },
    #[error("version {} of `{artifact}` is revoked", version.short())]
    Revoked { artifact: String, version: VersionId },
    #[error("`{alias}` of `{artifact}` means nothing yet; `testudo model promote` says what it means")]
    NoAlias { artifact: String, alias: String },
    #[error("`{alias}` of `{artifact}` never meant version {}; promote it instead", version.short())]
    NeverMeant {
        artifact: String,
        alias: String,
        version: VersionId,
    },
    #[error("no promotion of version {} to `{alias}` of `{artifact}` waits for somebody to agree", version.short())]
    NothingWaits {
        artifact: String,
        alias: String,
        version: VersionId,
    },
    #[error("the promotion to `{alias}` of `{artifact}` is by the same key or person; somebody else has to agree")]
    OwnPromotion { artifact: String, alias: String },
    #[error("version {} of `{artifact}` is not held", version.short())]
    NotHeld { artifact: String, version: VersionId },
    #[error("`{alias}` of `{artifact}` meant nothing else before that is not revoked")]
    NothingBefore { artifact: String, alias: String },
}

impl VaultError {
    fn sealed(name: &str, source: SealError) -> Self {
        Self::Sealed {
            name: name.to_owned(),
            source,
        }
    }

    /// Whether somebody was refused something, as opposed to something that failed.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        matches!(
            self,
            Self::Seen(_)
                | Self::OwnPromotion { .. }
                | Self::Revoked { .. }
                | Self::Statements { .. }
                | Self::Gap { .. }
                | Self::Sealed { .. }
        )
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    id: String,
}

/// A store of sealed artifacts.
#[derive(Debug, Clone)]
pub struct Vault {
    objects: Objects,
    keys: Arc<dyn KeyEncryption>,
    id: Arc<str>,
    address: String,
}

impl Vault {
    /// Opens the vault in a store.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn open(store: &Store, keys: Arc<dyn KeyEncryption>) -> Result<Self, VaultError> {
        let objects = Objects::new(store);
        let found = objects.read(HEAD, HEAD_BYTES_MAX).await?;
        let address = store.name().to_owned();
        let bytes = found.ok_or_else(|| VaultError::NoVault(address.clone()))?;
        let head: Head = serde_json::from_slice(&bytes).map_err(|_| VaultError::Format(address.clone()))?;
        if head.format != FORMAT || hex::decode(&head.id).is_none_or(|id| id.len() != 16) {
            return Err(VaultError::Format(address));
        }
        Ok(Self {
            objects,
            keys,
            id: head.id.into(),
            address,
        })
    }

    /// Opens the vault in a store, and makes one where there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open_or_make(store: &Store, keys: Arc<dyn KeyEncryption>) -> Result<Self, VaultError> {
        match Self::open(store, Arc::clone(&keys)).await {
            Err(VaultError::NoVault(_)) => {}
            other => return other,
        }
        let mut id = [0u8; 16];
        rand::fill(&mut id).map_err(|_| VaultError::Random)?;
        let head = Head {
            format: FORMAT,
            id: hex::encode(&id),
        };
        let bytes = serde_json::to_vec(&head).map_err(|_| VaultError::Format(store.name().to_owned()))?;
        let objects = Objects::new(store);
        // Two who state something at once are told apart by the store alone.
        if objects.create(HEAD, bytes.clone()).await? == Made::Now && objects.create(HEAD, bytes).await? == Made::Now {
            objects.remove(HEAD).await?;
            return Err(VaultError::Careless(store.name().to_owned()));
        }
        Self::open(store, keys).await
    }

    /// Every artifact, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn artifacts(&self) -> Result<Vec<VaultName>, VaultError> {
        let mut names = Vec::new();
        for folder in self.objects.folders("artifacts").await? {
            let Ok(name) = VaultName::parse(&folder) else { continue };
            // Without its key it is none, or not yet.
            if self
                .objects
                .bytes(&format!("artifacts/{name}/key.json"))
                .await?
                .is_some()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// One artifact.
    ///
    /// # Errors
    /// When there is none, or its key does not open.
    pub async fn artifact(&self, name: &VaultName) -> Result<Artifact, VaultError> {
        Artifact::open(&self.objects, &self.id, self.keys.as_ref(), name, Missing::Refuse).await
    }

    /// One artifact, made when there is none.
    ///
    /// # Errors
    /// When its key cannot be made or does not open.
    pub async fn artifact_or_make(&self, name: &VaultName) -> Result<Artifact, VaultError> {
        Artifact::open(&self.objects, &self.id, self.keys.as_ref(), name, Missing::Make).await
    }

    /// What all statements about an artifact come to, followed from what was `seen`.
    ///
    /// # Errors
    /// When a statement is not by an approver, does not follow the one before, or is missing; and when the whole is
    /// older than what was seen, or another history.
    pub async fn standing(
        &self,
        name: &VaultName,
        approvers: &Approvers,
        seen: &mut Seen,
    ) -> Result<Standing, VaultError> {
        let standing = self.stated(name, approvers).await?;
        seen.follow(&self.address, name, &standing)?;
        Ok(standing)
    }

    /// What all statements come to, be they older than others that were seen.
    async fn stated(&self, name: &VaultName, approvers: &Approvers) -> Result<Standing, VaultError> {
        let chain = self.chain(name).await?;
        Standing::read(&chain, &self.id, name, approvers).map_err(|source| VaultError::Statements {
            artifact: name.to_string(),
            source,
        })
    }

    async fn chain(&self, name: &VaultName) -> Result<Vec<Vec<u8>>, VaultError> {
        let folder = statements(name);
        let mut chain = Vec::new();
        for listed in self.objects.list(&folder).await? {
            let sequence = u64::try_from(chain.len()).unwrap_or(u64::MAX).saturating_add(1);
            let path = statement_path(name, sequence);
            if path != format!("{folder}/{}", listed.name) || chain.len() >= STATEMENTS_MAX {
                return Err(VaultError::Gap {
                    artifact: name.to_string(),
                    sequence,
                });
            }
            let bytes = self.objects.read(&path, STATEMENT_BYTES_MAX).await?;
            let bytes = bytes.ok_or_else(|| VaultError::Gap {
                artifact: name.to_string(),
                sequence,
            })?;
            chain.push(bytes.to_vec());
        }
        Ok(chain)
    }

    /// Makes the statement that follows `standing`, and returns its number.
    ///
    /// # Errors
    /// When the version is not there or revoked, an alias is rolled back to what it never meant, or somebody else made a
    /// statement meanwhile.
    pub async fn state(
        &self,
        artifact: &Artifact,
        standing: &Standing,
        proposed: &Proposed<'_>,
    ) -> Result<u64, VaultError> {
        let name = artifact.name();
        let version = proposed.version;
        // Revoking also names versions that were deleted.
        if proposed.act != Act::Revoke {
            artifact.record(version).await?;
            if standing.is_revoked(version) && proposed.act.alias().is_some() {
                return Err(VaultError::Revoked {
                    artifact: name.to_string(),
                    version,
                });
            }
        }
        may_follow(name, standing, proposed)?;
        let bytes = standing
            .next(&self.id, name, proposed)
            .map_err(|source| VaultError::Statements {
                artifact: name.to_string(),
                source,
            })?;
        let sequence = standing.next_sequence();
        let path = statement_path(name, sequence);
        if self.objects.create(&path, bytes.clone()).await? == Made::Now {
            return Ok(sequence);
        }
        // A request that was repeated because its answer was lost finds what it has made itself.
        match self.objects.read(&path, STATEMENT_BYTES_MAX).await? {
            Some(there) if there == bytes => Ok(sequence),
            _ => Err(VaultError::Raced {
                artifact: name.to_string(),
            }),
        }
    }

    /// The version that an alias means, unless it is revoked.
    ///
    /// # Errors
    /// When it means nothing, or a revoked version.
    pub fn resolve(name: &VaultName, alias: &VaultName, standing: &Standing) -> Result<VersionId, VaultError> {
        let version = standing.meaning(alias).ok_or_else(|| VaultError::NoAlias {
            artifact: name.to_string(),
            alias: alias.to_string(),
        })?;
        Self::permit(name, version, standing)?;
        Ok(version)
    }

    /// Whether a version may be had.
    ///
    /// # Errors
    /// When it is revoked.
    pub fn permit(name: &VaultName, version: VersionId, standing: &Standing) -> Result<(), VaultError> {
        if standing.is_revoked(version) {
            return Err(VaultError::Revoked {
                artifact: name.to_string(),
                version,
            });
        }
        Ok(())
    }

    /// The version that an alias meant before the one that it means now.
    ///
    /// # Errors
    /// When there is none that is not revoked.
    pub fn before(name: &VaultName, alias: &VaultName, standing: &Standing) -> Result<VersionId, VaultError> {
        standing.meaning_before(alias).ok_or_else(|| VaultError::NothingBefore {
            artifact: name.to_string(),
            alias: alias.to_string(),
        })
    }
}

/// What a reader would give no effect is not stated in the first place.
fn may_follow(name: &VaultName, standing: &Standing, proposed: &Proposed<'_>) -> Result<(), VaultError> {
    let (artifact, version) = (name.to_string(), proposed.version);
    match &proposed.act {
        Act::RollBack { alias } if !standing.has_meant(alias, version) => Err(VaultError::NeverMeant {
            artifact,
            alias: alias.to_string(),
            version,
        }),
        Act::Approve { alias, of } => {
            let alias_name = alias.to_string();
            let key = proposed.key.public().hint();
            let by = Person {
                key: &key,
                name: Some(proposed.approver),
            };
            match standing.waiting(alias) {
                Some(waiting) if waiting.person().is(by) => Err(VaultError::OwnPromotion {
                    artifact,
                    alias: alias_name,
                }),
                Some(_) if standing.is_approval(alias, *of, version, by) => Ok(()),
                _ => Err(VaultError::NothingWaits {
                    artifact,
                    alias: alias_name,
                    version,
                }),
            }
        }
        Act::Release if !standing.is_held(version) => Err(VaultError::NotHeld { artifact, version }),
        _ => Ok(()),
    }
}

fn statements(name: &VaultName) -> String {
    format!("artifacts/{name}/statements")
}

fn statement_path(name: &VaultName, sequence: u64) -> String {
    format!("{}/{sequence:010}.json", statements(name))
}
