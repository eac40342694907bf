//! Enters changes of virtual keys, also those that were made while no gateway ran.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use testudo_ledger::entry::{Key, KeyAction};
use testudo_policy::RouteScope;
use testudo_recorder::{AppendError, Draft, Level, Recorder, VaultError};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::parts::Served;
use crate::keys::KeyNews;

/// Holds the number of the last change that was entered.
const SEEN: &str = "keys.seen";
const SEEN_BYTES_MAX: usize = 64;
/// After a failure.
const RETRY: Duration = Duration::from_secs(1);

/// The number of the last change that was entered; 0 when none was.
pub(super) fn seen(folder: &Path) -> i64 {
    let text = testudo_bounded::read_text(folder.join(SEEN), SEEN_BYTES_MAX);
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Enters what it is told, in order, each at least once.
pub(super) struct Entering {
    pub(super) served: Arc<Served>,
    pub(super) recorder: Recorder,
    pub(super) folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
enum EnterError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("the number of the last change cannot be kept")]
    Seen(#[from] io::Error),
}

impl Entering {
    pub(super) async fn run(self, mut news: UnboundedReceiver<KeyNews>, stop: CancellationToken) {
        loop {
            let told = tokio::select! {
                () = stop.cancelled() => return,
                told = news.recv() => told,
            };
            let Some(told) = told else { return };
            while let Err(error) = self.enter(&told).await {
                tracing::error!(target: "testudo::ledger", %error, "a change of a key is not entered yet");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
        }
    }

    async fn enter(&self, told: &KeyNews) -> Result<(), EnterError> {
        let key = &told.key;
        let vault = self.served.custody.vault();
        let body = Key {
            action: if key.revoked.is_some() {
                KeyAction::Revoke
            } else {
                KeyAction::Create
            },
            expires_at: key.expires.map(|it| it.0),
            key: vault.principal(Some(&key.tenant), key.id.as_str()).await?,
            // None stands for all: a scope names at least one.
            routes: match &key.routes {
                RouteScope::All => 0,
                RouteScope::Only(routes) => u64::try_from(routes.len()).unwrap_or(u64::MAX),
            },
        };
        let mut draft = Draft::new(body);
        draft.tenant = Some(key.tenant.clone());
        draft.principal = Some(key.id.clone());
        self.recorder.append(draft, Level::Durable).await?;
        self.remember(told.sequence)?;
        Ok(())
    }

    fn remember(&self, sequence: i64) -> io::Result<()> {
        let (path, new) = (self.folder.join(SEEN), self.folder.join(format!("{SEEN}.tmp")));
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        writeln!(file, "{sequence}")?;
        file.sync_all()?;
        fs::rename(new, path)
    }
}
