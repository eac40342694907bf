//! Follows what is stated about artifacts, again and again, without any key that opens content.

use std::collections::BTreeMap;
use std::sync::Arc;

use testudo_recorder::ship::Store;

use super::approvers::Approvers;
use super::names::VaultName;
use super::objects::Objects;
use super::opened::{OpenVaultError, VaultSettings};
use super::seen::{Overtaken, SeenError, SeenFile};
use super::statement::{ChainHead, STATEMENT_BYTES_MAX, STATEMENTS_MAX, Standing};
use super::told::ToldFile;
use super::{HEAD, HEAD_BYTES_MAX, Head, VaultError, statement_path, statements};

/// Reads statements as they are made. What was verified before is not read again, but for the last statement, by
/// which another history shows.
#[derive(Debug)]
pub struct Follower {
    objects: Objects,
    address: String,
    approvers: Approvers,
    seen: SeenFile,
    told: ToldFile,
    known: BTreeMap<VaultName, Known>,
    /// How far the ledger tells, as far as this reader knows.
    heads: BTreeMap<VaultName, Option<ChainHead>>,
}

/// A chain that was verified, and what it comes to.
#[derive(Debug)]
struct Known {
    /// Of this vault.
    vault: String,
    chain: Vec<Vec<u8>>,
    standing: Arc<Standing>,
}

impl Follower {
    /// Nothing is read yet, and no key-encryption key is touched.
    ///
    /// # Errors
    /// When the store's settings make no sense.
    pub fn new(settings: &VaultSettings) -> Result<Self, OpenVaultError> {
        let store = Store::open(&settings.url, &settings.s3)?;
        let approvers = settings.approvers.clone();
        let follower = Self::reading(&store, approvers, SeenFile::new(&settings.seen));
        Ok(Self {
            told: ToldFile::new(settings.ledger.as_deref(), &follower.address),
            ..follower
        })
    }

    /// Follows the vault in a store, on a machine without a ledger.
    #[must_use]
    pub fn reading(store: &Store, approvers: Approvers, seen: SeenFile) -> Self {
        Self {
            objects: Objects::new(store),
            address: store.name().to_owned(),
            approvers,
            seen,
            told: ToldFile::new(None, store.name()),
            known: BTreeMap::new(),
            heads: BTreeMap::new(),
        }
    }

    /// What the ledger calls this vault: the digest of its address.
    #[must_use]
    pub fn place(&self) -> [u8; 32] {
        self.told.place()
    }

    /// How far the statements about an artifact have come, when the ledger has not been told so yet; once.
    pub fn news(&mut self, name: &VaultName) -> Option<ChainHead> {
        let head = self.known.get(name)?.standing.head()?;
        let told = self.heads.get_mut(name)?;
        if told.is_some_and(|told| told.sequence >= head.sequence) {
            return None;
        }
        *told = Some(head);
        Some(head)
    }

    /// What all statements about an artifact come to now; how far that is, is on the disk before it is returned.
    ///
    /// # Errors
    /// As [`super::OpenVault::standing`]; [`VaultError::is_unreadable`] tells a store that cannot be read from one that
    /// cannot be believed.
    pub async fn look(&mut self, name: &VaultName) -> Result<Arc<Standing>, VaultError> {
        let mut overtaken = Overtaken::default();
        loop {
            match self.look_once(name).await {
                Err(VaultError::Seen(error)) => overtaken.excuse(error)?,
                looked => return looked,
            }
        }
    }

    async fn look_once(&mut self, name: &VaultName) -> Result<Arc<Standing>, VaultError> {
        let vault = self.vault().await?;
        let known = self.known.get(name).filter(|known| known.vault == vault);
        let chain = self
            .chain(name, known.map_or(&[][..], |known| known.chain.as_slice()))
            .await?;
        let standing = match known {
            Some(known) if known.chain == chain => Arc::clone(&known.standing),
            _ => {
                let read = Standing::read(&chain, &vault, name, &self.approvers);
                Arc::new(read.map_err(|source| VaultError::Statements {
                    artifact: name.to_string(),
                    source,
                })?)
            }
        };
        // The ledger grows by what this reader tells it, so that it is read once.
        let told = match self.heads.get(name) {
            Some(told) => *told,
            None => self.told.head(name).await?,
        };
        self.seen.follow(&self.address, name, &standing, told)?;
        self.heads.insert(name.clone(), told);
        let known = Known {
            vault,
            chain,
            standing: Arc::clone(&standing),
        };
        self.known.insert(name.clone(), known);
        Ok(standing)
    }

    /// Which vault this is. Without its first file there is none: an empty folder is not a vault without statements.
    async fn vault(&self) -> Result<String, VaultError> {
        let found = self.objects.read(HEAD, HEAD_BYTES_MAX).await?;
        let bytes = found.ok_or_else(|| VaultError::NoVault(self.address.clone()))?;
        let head: Head = serde_json::from_slice(&bytes).map_err(|_| VaultError::Format(self.address.clone()))?;
        Ok(head.id)
    }

    /// The whole chain, of which `known` is not read again but for its last statement.
    async fn chain(&self, name: &VaultName, known: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, VaultError> {
        let folder = statements(name);
        let mut chain: Vec<Vec<u8>> = Vec::new();
        for listed in self.objects.list(&folder).await? {
            let sequence = u64::try_from(chain.len()).unwrap_or(u64::MAX).saturating_add(1);
            let gap = || VaultError::Gap {
                artifact: name.to_string(),
                sequence,
            };
            let path = statement_path(name, sequence);
            if path != format!("{folder}/{}", listed.name) || chain.len() >= STATEMENTS_MAX {
                return Err(gap());
            }
            let before = known.get(chain.len());
            let is_last_known = chain.len().saturating_add(1) == known.len();
            match before.filter(|_| !is_last_known) {
                Some(bytes) => chain.push(bytes.clone()),
                None => {
                    let bytes = self.objects.read(&path, STATEMENT_BYTES_MAX).await?;
                    chain.push(bytes.ok_or_else(gap)?.to_vec());
                }
            }
        }
        Ok(chain)
    }
}

impl VaultError {
    /// Whether the store, or this machine's own memory of it, could not be read, as opposed to saying something that
    /// cannot be believed.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(
            self,
            Self::Store { .. }
                | Self::NoVault(_)
                | Self::Seen(SeenError::File { .. } | SeenError::Shape | SeenError::Ledger(_))
        )
    }
}
