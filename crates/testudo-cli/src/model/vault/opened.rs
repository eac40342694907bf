//! The vault that a command means, what this machine has seen of it, and the ledger that is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use testudo_ledger::entry::{Artifact as ArtifactEntry, Digest};
use testudo_recorder::FileKeyring;
use testudo_recorder::control::{AddedBody, Addition};
use testudo_recorder::ship::{S3, Store};
use testudo_vault::signing::VerifyingKey;
use testudo_vault::vault::{Approvers, Artifact, Seen, Standing, Vault, VaultError, VaultName, VersionId};
use url::Url;

use crate::arguments::vault::VaultPlace;
use crate::environment::Variables;
use crate::ledger::Keeper;

/// In the data folder: the vault itself, unless it lies elsewhere.
const FOLDER: &str = "vault";
/// In the data folder: the key-encryption keys of vaults, apart from the ledger's, which ends its own.
const KEYS: &str = "vault-kek";
/// In the data folder: the high-water marks.
const SEEN: &str = "vault-seen.json";
const SEEN_BYTES_MAX: usize = 16 << 20;

/// A vault in use.
pub(super) struct Opened {
    pub(super) vault: Vault,
    seen_path: PathBuf,
    seen: Seen,
    ledger: Option<Keeper>,
}

impl Opened {
    /// Opens the vault, and the ledger before anything is done in it.
    async fn open(place: &VaultPlace, variables: &dyn Variables, missing: Missing) -> anyhow::Result<Self> {
        let data_dir = crate::key::data_dir(&place.store)?;
        let ledger = if place.without_ledger {
            None
        } else {
            let found = Keeper::find(&place.store, variables).await;
            Some(found.context("the vault tells a ledger what is done; --without-ledger does without")?)
        };
        fs::create_dir_all(&data_dir).with_context(|| format!("cannot make `{}`", data_dir.display()))?;
        let url = match &place.vault {
            Some(url) => url.clone(),
            None => folder_url(&data_dir.join(FOLDER))?,
        };
        let store = Store::open(&url, &S3::default())?;
        let keys = Arc::new(FileKeyring::open(data_dir.join(KEYS))?);
        let vault = match missing {
            Missing::Make => Vault::open_or_make(&store, keys).await?,
            Missing::Refuse => Vault::open(&store, keys).await?,
        };
        let seen_path = data_dir.join(SEEN);
        let seen = if seen_path.exists() {
            Seen::parse(&testudo_bounded::read_file(&seen_path, SEEN_BYTES_MAX)?)
                .with_context(|| format!("`{}` cannot be used", seen_path.display()))?
        } else {
            Seen::default()
        };
        Ok(Self {
            vault,
            seen_path,
            seen,
            ledger,
        })
    }

    /// What is stated about an artifact; remembered before it is used.
    pub(super) async fn standing(
        &mut self,
        name: &VaultName,
        approvers: &Approvers,
    ) -> Result<Standing, anyhow::Error> {
        let found = self.vault.standing(name, approvers, &mut self.seen).await;
        match found {
            Ok(standing) => {
                self.remember()?;
                Ok(standing)
            }
            Err(error) => Err(self.refused(name, None, error).await),
        }
    }

    fn remember(&self) -> anyhow::Result<()> {
        let fresh = self.seen_path.with_extension("json.new");
        let written = fs::write(&fresh, self.seen.to_bytes()?).and_then(|()| fs::rename(&fresh, &self.seen_path));
        written.with_context(|| format!("cannot write `{}`", self.seen_path.display()))
    }

    /// Tells the ledger of a denial, and gives the error on.
    pub(super) async fn refused(
        &self,
        name: &VaultName,
        version: Option<VersionId>,
        error: VaultError,
    ) -> anyhow::Error {
        if error.is_denial()
            && let Err(untold) = self.entry("refuse", name, version, None).await
        {
            return untold.context(format!("the refusal is not in the ledger: {error}"));
        }
        error.into()
    }

    /// Makes an entry in the ledger.
    pub(super) async fn tell(
        &self,
        action: &str,
        name: &VaultName,
        version: VersionId,
        alias: Option<&str>,
    ) -> anyhow::Result<()> {
        self.entry(action, name, Some(version), alias).await
    }

    /// An entry may be about an artifact when no version of it is known.
    async fn entry(
        &self,
        action: &str,
        name: &VaultName,
        version: Option<VersionId>,
        alias: Option<&str>,
    ) -> anyhow::Result<()> {
        let Some(keeper) = &self.ledger else {
            return Ok(());
        };
        let action = alias.map_or_else(|| action.to_owned(), |alias| format!("{action}:{alias}"));
        let addition = Addition {
            body: AddedBody::Artifact(ArtifactEntry {
                action,
                digest: Digest::from_bytes(version.map_or([0; 32], |version| *version.as_bytes())),
                name: Some(name.to_string()),
                version: version.map(|version| version.short()),
            }),
            tenant: None,
            subject: None,
            content: None,
        };
        keeper.custodian()?.append(addition).await?;
        Ok(())
    }
}

/// Whether a vault that is not there is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Refuse,
}

/// Acts on a vault, and lets the ledger go whatever comes of it: so what was refused is under a checkpoint, too.
pub(super) async fn within<T>(
    place: &VaultPlace,
    variables: &dyn Variables,
    missing: Missing,
    act: impl AsyncFnOnce(&mut Opened) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut opened = Opened::open(place, variables, missing).await?;
    let outcome = act(&mut opened).await;
    if let Some(keeper) = opened.ledger {
        keeper.close().await;
    }
    outcome
}

/// A version by an alias, by its id, or by how that begins.
pub(super) async fn version(artifact: &Artifact, standing: &Standing, text: &str) -> anyhow::Result<VersionId> {
    let alias = VaultName::parse(text).ok();
    match alias.and_then(|alias| standing.meaning(&alias)) {
        Some(version) => Ok(version),
        None => Ok(artifact.version(text).await?),
    }
}

pub(super) fn approvers(keys: &[PathBuf]) -> anyhow::Result<Approvers> {
    let keys = keys.iter().map(|path| {
        let key = VerifyingKey::from_pem(&super::super::key_file(path)?);
        key.with_context(|| format!("the public key in `{}` cannot be used", path.display()))
    });
    Ok(Approvers::new(keys.collect::<anyhow::Result<Vec<_>>>()?))
}

fn folder_url(folder: &Path) -> anyhow::Result<Url> {
    let whole = std::path::absolute(folder)?;
    match Url::from_file_path(&whole) {
        Ok(url) => Ok(url),
        Err(()) => bail!("`{}` cannot be a vault", whole.display()),
    }
}
