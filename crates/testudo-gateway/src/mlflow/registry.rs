//! The vault behind the door: opened when it is first asked, and every chain of statements verified anew.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use testudo_dialects::mlflow::Fault;
use testudo_ledger::entry::{Chain, Digest};
use testudo_vault::vault::{Artifact, Follower, OpenVault, OpenVaultError, Standing, VaultError, VaultName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::{MlflowSettings, Settings};

/// A vault that does not answer for so long is not waited for.
const ANSWER_MS_MAX: u64 = 10_000;
/// Questions that are answered at once.
const QUESTIONS_MAX: usize = 32;
/// Files that are given out at once; each holds a few blocks of 1 MiB at most.
const DOWNLOADS_MAX: usize = 64;

/// What the door for MLflow clients needs.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(super) settings: Arc<MlflowSettings>,
    opened: Mutex<Option<Arc<OpenVault>>>,
    follower: tokio::sync::Mutex<Option<Follower>>,
    questions: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
}

impl Registry {
    /// `None` when nothing says that MLflow clients read the vault.
    pub(crate) fn of(settings: &Settings) -> Option<Arc<Self>> {
        let settings = settings.mlflow.clone()?;
        Some(Arc::new(Self {
            settings,
            opened: Mutex::default(),
            follower: tokio::sync::Mutex::default(),
            questions: Arc::new(Semaphore::new(QUESTIONS_MAX)),
            downloads: Arc::new(Semaphore::new(DOWNLOADS_MAX)),
        }))
    }

    /// What follows the door's own path, when a request is for this door.
    pub(crate) fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.settings.path.as_str())?;
        rest.starts_with('/').then_some(rest)
    }

    /// A place among the questions, or among the files that are given out.
    pub(super) fn place(&self, downloads: bool) -> Result<OwnedSemaphorePermit, Fault> {
        let places = if downloads { &self.downloads } else { &self.questions };
        Arc::clone(places).try_acquire_owned().map_err(|_| Fault::busy())
    }

    /// An artifact whose key opens.
    pub(super) async fn artifact(&self, name: &VaultName) -> Result<Artifact, Unanswered> {
        let vault = self.vault().await?;
        let found = in_time(vault.vault().artifact(name)).await?;
        if matches!(&found, Err(VaultError::Key(_))) {
            // Its key may lie under one that was made since.
            self.forget();
        }
        Ok(found?)
    }

    /// Every artifact, by name.
    pub(super) async fn artifacts(&self) -> Result<Vec<VaultName>, Unanswered> {
        let vault = self.vault().await?;
        Ok(in_time(vault.vault().artifacts()).await??)
    }

    /// What is stated about an artifact that is there; how far that is, is on the disk before it is used. With it comes
    /// what the ledger was not told of yet.
    pub(super) async fn standing(&self, artifact: &Artifact) -> Result<(Arc<Standing>, Option<Chain>), Unanswered> {
        let look = async {
            let mut follower = self.follower.lock().await;
            let reading = match follower.take() {
                Some(reading) => reading,
                None => Follower::new(&self.settings.vault).map_err(Unanswered::Open)?,
            };
            let reading = follower.insert(reading);
            let standing = reading.look(artifact.name()).await?;
            let place = Digest::from_bytes(reading.place());
            let news = reading.news(artifact.name()).map(|head| Chain {
                hash: Digest::from_bytes(head.hash),
                place,
                statements: head.sequence,
            });
            Ok((standing, news))
        };
        in_time(look).await?
    }

    async fn vault(&self) -> Result<Arc<OpenVault>, Unanswered> {
        if let Some(vault) = self.opened().as_ref() {
            return Ok(Arc::clone(vault));
        }
        let vault = in_time(self.settings.vault.open()).await?.map_err(Unanswered::Open)?;
        let vault = Arc::new(vault);
        *self.opened() = Some(Arc::clone(&vault));
        Ok(vault)
    }

    fn forget(&self) {
        *self.opened() = None;
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, Option<Arc<OpenVault>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the vault gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the vault does not answer")]
    Silent,
    #[error("the vault cannot be opened")]
    Open(#[source] OpenVaultError),
    #[error("the vault refused or failed")]
    Vault(#[from] VaultError),
}

impl Unanswered {
    /// Whether it is a refusal, of which the ledger is told.
    pub(super) fn is_denial(&self) -> bool {
        matches!(self, Self::Vault(error) if error.is_denial())
    }
}

/// What comes within the time that is waited.
pub(super) async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, Unanswered> {
    let waited = tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), work).await;
    waited.map_err(|_elapsed| Unanswered::Silent)
}
