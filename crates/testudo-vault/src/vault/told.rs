//! What this machine's own ledger tells of the statements that it saw, whatever became of its marks.

use std::path::Path;

use testudo_ledger::entry::Digest;
use testudo_recorder::{LogFolder, told_chain};

use super::names::VaultName;
use super::seen::SeenError;
use super::statement::ChainHead;
use crate::signing::sha256_of;

/// The ledger of this machine; it may not be there.
#[derive(Debug, Clone)]
pub(crate) struct ToldFile {
    log: Option<LogFolder>,
    place: [u8; 32],
}

impl ToldFile {
    /// The ledger in a folder, about the vault at an address.
    pub(crate) fn new(folder: Option<&Path>, address: &str) -> Self {
        Self {
            log: folder.map(LogFolder::new),
            place: sha256_of(address.as_bytes()),
        }
    }

    /// What the ledger calls the vault: the digest of its address.
    pub(crate) fn place(&self) -> [u8; 32] {
        self.place
    }

    /// How far the statements about an artifact had come, by the ledger.
    pub(crate) async fn head(&self, artifact: &VaultName) -> Result<Option<ChainHead>, SeenError> {
        let Some(log) = &self.log else { return Ok(None) };
        let told = told_chain(log, &Digest::from_bytes(self.place), artifact.as_str()).await;
        let told = told.map_err(|error| SeenError::Ledger(error.to_string()))?;
        Ok(told.map(|told| ChainHead {
            sequence: told.statements,
            hash: told.hash,
        }))
    }
}
