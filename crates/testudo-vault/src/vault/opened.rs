//! A vault as settings name it: where it lies, under which keys, whose statements are believed, what was seen of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use testudo_recorder::ship::{S3, Store, StoreError};
use testudo_recorder::{FileKeyring, KekError, KeyEncryption};
use testudo_types::Secret;
use url::Url;

use super::approvers::Approvers;
use super::names::VaultName;
use super::seen::{Overtaken, SeenFile};
use super::statement::{ChainHead, Standing};
use super::told::ToldFile;
use super::{Vault, VaultError};

/// In a data folder: the vault itself, unless it lies elsewhere.
const FOLDER: &str = "vault";
/// In a data folder: the key-encryption keys of vaults, apart from the ledger's, which ends its own.
const KEYS: &str = "vault-kek";
/// In a data folder: the high-water marks.
const SEEN: &str = "vault-seen.json";
/// In a data folder: the ledger.
const LEDGER: &str = "ledger";

/// Of a request to an S3-compatible store that failed: a large push must not end with the first.
const RETRIES: usize = 8;

/// Which vault, and who is believed there.
#[derive(Debug, Clone)]
pub struct VaultSettings {
    /// `file:///folder` or `s3://bucket/prefix`.
    pub url: Url,
    /// How an S3-compatible store is reached.
    pub s3: S3,
    pub keys: KeySettings,
    /// Whose statements are believed.
    pub approvers: Approvers,
    /// Where this machine remembers how far it has come.
    pub seen: PathBuf,
    /// The folder of this machine's ledger, which remembers it, too; it may not be there.
    pub ledger: Option<PathBuf>,
}

/// Who keeps the key-encryption keys.
#[derive(Debug, Clone)]
pub enum KeySettings {
    /// Files in a folder.
    Folder(PathBuf),
    /// A PKCS#11 token; for programs that were built with the feature `pkcs11`.
    Token(TokenSettings),
}

/// A PKCS#11 token.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// The module's shared library.
    pub module: PathBuf,
    /// The label of an initialised token.
    pub token: String,
    /// Of the user, not of the security officer.
    pub pin: Secret,
    /// The label that all key-encryption keys of this vault bear.
    pub label: String,
}

/// Why a vault was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenVaultError {
    #[error("`{}` cannot be a vault", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: Option<std::io::Error>,
    },
    #[error("the vault's store cannot be used")]
    Store(#[from] StoreError),
    #[error("the vault's key-encryption keys cannot be used")]
    Keys(#[from] KekError),
    #[error("key-encryption keys in a token need a program that was built with the feature `pkcs11`")]
    NotBuilt,
    #[error("the vault cannot be used")]
    Vault(#[from] VaultError),
}

impl VaultSettings {
    /// A vault in a data folder, in which nobody is believed.
    ///
    /// # Errors
    /// When the folder has no address.
    pub fn in_folder(data_dir: &Path) -> Result<Self, OpenVaultError> {
        Ok(Self {
            url: folder_url(&data_dir.join(FOLDER))?,
            s3: S3::default(),
            keys: KeySettings::Folder(data_dir.join(KEYS)),
            approvers: Approvers::default(),
            seen: data_dir.join(SEEN),
            ledger: Some(data_dir.join(LEDGER)),
        })
    }

    /// Opens the vault to read from it and to make statements; there has to be one.
    ///
    /// # Errors
    /// When there is none, or its store or its keys cannot be used.
    pub async fn open(&self) -> Result<OpenVault, OpenVaultError> {
        let vault = Vault::open(&self.store()?, self.keys()?).await?;
        Ok(self.opened(vault))
    }

    /// Opens the vault, and makes one where there is none.
    ///
    /// # Errors
    /// When its store or its keys cannot be used.
    pub async fn open_or_make(&self) -> Result<OpenVault, OpenVaultError> {
        let vault = Vault::open_or_make(&self.store()?, self.keys()?).await?;
        Ok(self.opened(vault))
    }

    fn opened(&self, vault: Vault) -> OpenVault {
        OpenVault {
            told: ToldFile::new(self.ledger.as_deref(), &vault.address),
            vault,
            approvers: self.approvers.clone(),
            seen: SeenFile::new(&self.seen),
        }
    }

    fn store(&self) -> Result<Store, OpenVaultError> {
        let s3 = S3 {
            retries: Some(RETRIES),
            ..self.s3.clone()
        };
        Ok(Store::open(&self.url, &s3)?)
    }

    fn keys(&self) -> Result<Arc<dyn KeyEncryption>, OpenVaultError> {
        match &self.keys {
            KeySettings::Folder(folder) => Ok(Arc::new(FileKeyring::open(folder)?)),
            KeySettings::Token(token) => self::token(token),
        }
    }
}

#[cfg(feature = "pkcs11")]
fn token(settings: &TokenSettings) -> Result<Arc<dyn KeyEncryption>, OpenVaultError> {
    use testudo_recorder::{Pkcs11Keyring, Pkcs11Settings};

    let keyring = Pkcs11Keyring::open(&Pkcs11Settings {
        module: settings.module.clone(),
        token: settings.token.clone(),
        pin: settings.pin.clone(),
        label: settings.label.clone(),
    })?;
    Ok(Arc::new(keyring))
}

#[cfg(not(feature = "pkcs11"))]
fn token(_settings: &TokenSettings) -> Result<Arc<dyn KeyEncryption>, OpenVaultError> {
    Err(OpenVaultError::NotBuilt)
}

/// The address of a folder.
///
/// # Errors
/// When it has none.
fn folder_url(folder: &Path) -> Result<Url, OpenVaultError> {
    let failed = |source| OpenVaultError::Folder {
        path: folder.to_owned(),
        source,
    };
    let whole = std::path::absolute(folder).map_err(|error| failed(Some(error)))?;
    Url::from_file_path(whole).map_err(|()| failed(None))
}

/// A vault in use, with those who are believed in it and what this machine has seen of it.
#[derive(Debug)]
pub struct OpenVault {
    vault: Vault,
    approvers: Approvers,
    seen: SeenFile,
    told: ToldFile,
}

/// What all statements about an artifact come to, and how far the ledger has told of them.
#[derive(Debug)]
pub struct Followed {
    pub standing: Standing,
    pub told: Option<ChainHead>,
}

impl OpenVault {
    /// The vault itself.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Who is believed.
    #[must_use]
    pub fn approvers(&self) -> &Approvers {
        &self.approvers
    }

    /// What all statements about an artifact come to. How far that is, is on the disk before it is returned, so that
    /// no program on this machine takes an older state from then on.
    ///
    /// # Errors
    /// When a statement is not by an approver, does not follow the one before, or is missing; and when the whole is
    /// older than what was seen or what the ledger tells, or another history.
    pub async fn standing(&self, name: &VaultName) -> Result<Followed, VaultError> {
        let mut overtaken = Overtaken::default();
        loop {
            let standing = self.vault.stated(name, &self.approvers).await?;
            let told = self.told.head(name).await?;
            match self.seen.follow(&self.vault.address, name, &standing, told) {
                Ok(()) => return Ok(Followed { standing, told }),
                Err(error) => overtaken.excuse(error)?,
            }
        }
    }

    /// What the ledger calls this vault: the digest of its address.
    #[must_use]
    pub fn place(&self) -> [u8; 32] {
        self.told.place()
    }
}
