//! Opens the ledger of a data folder with all that belongs to it, and closes it again.

mod approvals;
mod keys;
mod parts;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use testudo_ledger::Policy;
use testudo_recorder::control::{Custodian, Retention, Server, SocketError};
use testudo_recorder::index::Feed;
use testudo_recorder::ship::{self, Dirty, Shipper, StateError, Store, StoreError};
use testudo_recorder::witness::{Peer, PeerError, Settings as Asked, Witnesses};
use testudo_recorder::{
    Custody, CustodyError, FileKeyring, Folder, FolderError, Keeping, KekError, LogFolder, OpenError, Options,
    Recorder, Vault, VaultError, Witnessing,
};
use testudo_types::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::parts::{Counting, Served};
use crate::approvals::Approvals;
use crate::keys::Telling;
use crate::metrics::{LedgerMetrics, Metrics};
use crate::settings::LedgerSettings;

/// Where the ledger lies in the data folder.
pub const FOLDER: &str = "ledger";
/// Where the key-encryption keys lie in the ledger.
pub const KEK_FOLDER: &str = "kek";

/// For one witness to answer for one checkpoint.
const WITNESS_DEADLINE: Duration = Duration::from_secs(5);
/// Between two looks at what is to be shipped.
const SHIP_PAUSE: Duration = Duration::from_secs(5);
/// Objects on their way to the store at a time.
const SHIP_CONCURRENCY: usize = 4;
/// Between two runs of the retention rules.
const RETAIN_EVERY: Duration = Duration::from_secs(86_400);
/// Under whose name they run.
const RETAINED_BY: &str = "schedule";

/// Why the ledger did not open.
#[derive(Debug, thiserror::Error)]
pub enum LedgerProblem {
    #[error("the ledger cannot be written")]
    Folder(#[from] FolderError),
    #[error("the key-encryption keys of the ledger cannot be used")]
    Keyring(#[from] KekError),
    #[error("the keys of the ledger cannot be used")]
    Vault(#[from] VaultError),
    #[error("the ledger in `{}` cannot be continued; `testudo ledger fsck` says what is wrong", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: OpenError,
    },
    #[error("what was begun in the ledger cannot be finished")]
    Custody(#[from] CustodyError),
    #[error("the ledger's control socket cannot be made")]
    Socket(#[from] SocketError),
    #[error("the witness `{name}` cannot be asked")]
    Peer {
        name: String,
        #[source]
        source: PeerError,
    },
    #[error("the witnesses make no policy: {0}")]
    Policy(String),
    #[error("witnesses cannot be asked over TLS")]
    Tls(#[source] rustls::Error),
    #[error("the ledger cannot be shipped to the store")]
    Store(#[from] StoreError),
    #[error("what was shipped of the ledger cannot be remembered")]
    Shipped(#[from] StateError),
    #[error("what is to be shipped of the ledger cannot be remembered")]
    Dirty(#[source] std::io::Error),
}

/// A ledger that this process may write.
#[derive(Debug)]
pub struct OpenLedger {
    path: PathBuf,
    recorder: Recorder,
    custodian: Option<Arc<Served>>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl OpenLedger {
    /// A recorder and nothing around it.
    pub(super) fn bare(recorder: Recorder) -> Self {
        Self {
            path: PathBuf::new(),
            recorder,
            custodian: None,
            stop: CancellationToken::new(),
            tasks: Vec::new(),
        }
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Who erases, holds, opens and counts; none around a bare recorder.
    #[must_use]
    pub fn custodian(&self) -> Option<&dyn Custodian> {
        self.custodian.as_deref().map(|it| -> &dyn Custodian { it })
    }

    /// Enters changes of virtual keys from now on, and those since the last one that was entered.
    pub(super) fn telling(&mut self) -> Option<Telling> {
        let served = Arc::clone(self.custodian.as_ref()?);
        let (to, news) = mpsc::unbounded_channel();
        let after = keys::seen(&self.path);
        let entering = keys::Entering {
            served,
            recorder: self.recorder.clone(),
            folder: self.path.clone(),
        };
        self.tasks.push(tokio::spawn(entering.run(news, self.stop.clone())));
        Some(Telling { to, after })
    }

    /// Enters what becomes of held calls from now on, and what became of them while nothing was entered.
    pub(super) fn approvals(&mut self, approvals: &Approvals) {
        let Some(served) = &self.custodian else { return };
        let entering = approvals::Entering {
            served: Arc::clone(served),
            recorder: self.recorder.clone(),
            approvals: approvals.clone(),
        };
        self.tasks.push(tokio::spawn(entering.run(self.stop.clone())));
    }

    /// Ends what runs beside the writer, brings everything under a checkpoint and ends the writer.
    pub async fn close(self) {
        self.stop.cancel();
        for task in self.tasks {
            // A task that panicked has ended as well.
            let _ended = task.await;
        }
        if let Err(error) = self.recorder.close().await {
            tracing::error!(target: "testudo::ledger", %error, "the ledger was not closed cleanly");
        }
    }
}

/// Opens the ledger of a data folder to write what a command asks for; nothing runs beside the writer.
///
/// # Errors
/// When another process has it, it cannot be written, or what is there is damaged.
pub async fn open_ledger(
    data_dir: &Path,
    settings: &LedgerSettings,
    clock: Arc<dyn Clock>,
) -> Result<OpenLedger, LedgerProblem> {
    let opening = Opening {
        path: data_dir.join(FOLDER),
        settings,
        clock: &clock,
        counts: None,
    };
    Ok(opening.open(&CancellationToken::new()).await?.0)
}

/// Opens the ledger of a gateway, making it at the first start, and starts what runs beside the writer.
pub(super) async fn open(
    data_dir: &Path,
    settings: &LedgerSettings,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<OpenLedger, LedgerProblem> {
    let opening = Opening {
        path: data_dir.join(FOLDER),
        settings,
        clock,
        counts: Some(Arc::clone(metrics.ledger())),
    };
    let stop = CancellationToken::new();
    let (mut ledger, shipper) = opening.open(&stop).await?;
    let Some(custodian) = ledger.custodian.clone() else {
        return Ok(ledger);
    };
    let server = Server::bind(&opening.path)?;
    let asked: Arc<dyn Custodian> = custodian.clone();
    ledger.tasks.push(tokio::spawn(server.serve(asked, stop.clone())));
    ledger.tasks.push(tokio::spawn(retain(custodian, stop.clone())));
    ledger.tasks.extend(shipper.map(|shipper| tokio::spawn(shipper.run())));
    ledger.stop = stop;
    Ok(ledger)
}

/// Runs the retention rules once a day.
async fn retain(custodian: Arc<Served>, stop: CancellationToken) {
    let mut days = tokio::time::interval(RETAIN_EVERY);
    days.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = days.tick() => {}
        }
        let retention = Retention {
            approver: RETAINED_BY.to_owned(),
        };
        if let Err(error) = custodian.retain(retention).await {
            tracing::error!(target: "testudo::ledger", %error, "content whose time is over was not deleted");
        }
    }
}

struct Opening<'o> {
    path: PathBuf,
    settings: &'o LedgerSettings,
    clock: &'o Arc<dyn Clock>,
    counts: Option<Arc<LedgerMetrics>>,
}

impl Opening<'_> {
    async fn open(&self, stop: &CancellationToken) -> Result<(OpenLedger, Option<Shipper>), LedgerProblem> {
        let folder = Folder::prepare(&self.path)?;
        let origin = folder.origin().to_owned();
        let witnesses = self.witnesses(&folder)?;
        let (shipper, dirty) = self.shipper(&folder, stop)?;
        let keyring = FileKeyring::open(self.path.join(KEK_FOLDER))?;
        let vault = Vault::open(&self.path, Arc::new(keyring), Arc::clone(self.clock)).await?;
        let mut options = Options::new(
            Arc::clone(self.clock),
            Box::new(vault.clone()),
            env!("CARGO_PKG_VERSION"),
        );
        options.limits.checkpoint_every_ms = self.settings.checkpoint_interval_ms;
        options.observer = self
            .index(&origin)
            .await
            .map(|feed| -> Box<dyn testudo_recorder::Observer> {
                Box::new(Counting {
                    feed,
                    counts: self.counts.clone(),
                })
            });
        options.witnessing = witnesses.clone().map(|it| -> Arc<dyn Witnessing> { it });
        let recorder = Recorder::open(folder, options)
            .await
            .map_err(|source| LedgerProblem::Open {
                path: self.path.clone(),
                source,
            })?;
        let custody = Custody::start(Keeping {
            recorder: recorder.clone(),
            vault,
            log: LogFolder::new(&self.path),
            origin,
            rules: self.settings.retention.clone(),
            clock: Arc::clone(self.clock),
            dirty,
        })
        .await?;
        let served = Served {
            custody,
            witnesses,
            shipping: shipper.as_ref().map(Shipper::watch),
        };
        let ledger = OpenLedger {
            path: self.path.clone(),
            recorder,
            custodian: Some(Arc::new(served)),
            stop: stop.clone(),
            tasks: Vec::new(),
        };
        Ok((ledger, shipper))
    }

    /// The query index; the log is kept without one when none can be made.
    async fn index(&self, origin: &str) -> Option<Feed> {
        let (path, origin) = (self.path.clone(), origin.to_owned());
        let opened = tokio::task::spawn_blocking(move || Feed::open(&path, &origin).map_err(|it| it.to_string())).await;
        match opened.map_err(|error| error.to_string()).flatten() {
            Ok(feed) => Some(feed),
            Err(error) => {
                tracing::error!(target: "testudo::ledger", error, "entries are not indexed, so queries do not find them");
                None
            }
        }
    }

    /// The witnesses to ask, once the policy file names them.
    fn witnesses(&self, folder: &Folder) -> Result<Option<Arc<Witnesses>>, LedgerProblem> {
        let text = parts::policy(&folder.verifier().to_string(), self.settings);
        let policy = Policy::parse(text.as_bytes()).map_err(|error| LedgerProblem::Policy(error.to_string()))?;
        folder.write("policy", &text)?;
        // A command does not keep anybody waiting for witnesses: the gateway asks them next time.
        if self.settings.witnesses.is_empty() || self.counts.is_none() {
            return Ok(None);
        }
        let peers: Result<Vec<Peer>, LedgerProblem> = self.settings.witnesses.iter().map(parts::peer).collect();
        let asked = Asked {
            folder: self.path.clone(),
            peers: peers?,
            policy,
            clock: Arc::clone(self.clock),
            deadline: WITNESS_DEADLINE,
        };
        Ok(Some(Arc::new(Witnesses::new(asked).map_err(LedgerProblem::Tls)?)))
    }

    /// What copies the ledger to a store, and the queue of what was rewritten.
    fn shipper(
        &self,
        folder: &Folder,
        stop: &CancellationToken,
    ) -> Result<(Option<Shipper>, Option<Dirty>), LedgerProblem> {
        let (Some(ship), true) = (&self.settings.ship, self.counts.is_some()) else {
            // Nothing ships in this run; what is rewritten is shipped again in the next.
            return Ok((None, Dirty::open_if_used(&self.path).map_err(LedgerProblem::Dirty)?));
        };
        let dirty = Dirty::open(&self.path).map_err(LedgerProblem::Dirty)?;
        let options = ship::Options {
            folder: self.path.clone(),
            log: folder.verifier().clone(),
            store: Store::open(&ship.url, &ship.s3)?,
            dirty: dirty.clone(),
            clock: Arc::clone(self.clock),
            pause: SHIP_PAUSE,
            concurrency: SHIP_CONCURRENCY,
        };
        Ok((Some(Shipper::new(options, stop.clone())?), Some(dirty)))
    }
}
