//! The whole data plane put together: opens the key store, binds, serves, reloads, drains.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use testudo_detect::{Detector, RuleProblem};
use testudo_recorder::Recorder;
use testudo_types::{Clock, Secret};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::{
    AdminAccess, AdminRefused, AdminState, ApprovalPage, HostCheck, LedgerCheck, LedgerState, Readiness, ReadyState,
    router,
};
use crate::approvals::{Approvals, ApprovalsOpenError};
use crate::gateway::{Gateway, Parts};
use crate::guard::model::{ModelProblem, Models};
use crate::host::{HostRules, HostRulesProblem, check as check_host};
use crate::keys::{KeyRefresh, KeyRing, KeyStore, RefreshError, StoreOpenError};
use crate::limits::Limiter;
use crate::listener::{DrainReport, TlsProblem, acceptor, serve};
use crate::metrics::{Counted, Metrics};
use crate::runtime::{BuildProblem, Runtime};
use crate::settings::{Bounds, LedgerSettings, ListenSettings, Settings};
use crate::system_clock::SystemClock;

mod ledger;

pub use ledger::{FOLDER as LEDGER_FOLDER, KEK_FOLDER, LedgerProblem, OpenLedger, open_ledger};

/// Connections that the admin listener keeps open at once.
const ADMIN_CONNECTIONS_MAX: usize = 64;

/// What a gateway is started from.
#[derive(Debug)]
pub struct Startup {
    pub listen: ListenSettings,
    /// Asked for on the admin listener; required when that is not on loopback.
    pub admin_token: Option<Secret>,
    /// Holds the key store and its pepper; created when absent.
    pub data_dir: PathBuf,
    /// How the ledger in the data folder is kept.
    pub ledger: LedgerSettings,
    pub settings: Settings,
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartProblem {
    #[error("the configuration cannot run: {}", join(.0))]
    Build(Vec<BuildProblem>),
    #[error("the shipped detection rules are unsound ({} problems); please report this", .0.len())]
    Rules(Vec<RuleProblem>),
    #[error("the address {address} cannot be listened on; stop what uses it or choose another")]
    Bind {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsProblem),
    #[error(transparent)]
    Hosts(#[from] HostRulesProblem),
    #[error(transparent)]
    Admin(#[from] AdminRefused),
    #[error("the key store cannot be opened")]
    Keys(#[from] StoreOpenError),
    #[error("the keys cannot be read")]
    Refresh(#[from] RefreshError),
    #[error("the approvals cannot be used")]
    Approvals(#[from] ApprovalsOpenError),
    #[error(transparent)]
    Ledger(#[from] LedgerProblem),
    #[error("the counters cannot be set up")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
}

fn join(problems: &[BuildProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Opens the key store of a data folder, creating both when absent.
///
/// # Errors
/// When the folder or store cannot be made, or others may read them.
pub async fn open_keys(data_dir: &Path) -> Result<KeyStore, StartProblem> {
    Ok(KeyStore::open(data_dir).await?)
}

/// Builds everything a configuration names without listening or dialling.
///
/// # Errors
/// All problems at once.
pub fn check(settings: Settings) -> Result<Runtime, StartProblem> {
    let detector = Arc::new(Detector::builtin().map_err(StartProblem::Rules)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let models = Models::load(settings.models, &clock);
    Runtime::build(settings, &detector, models).map_err(StartProblem::Build)
}

/// Starts a gateway with the ledger of its data folder.
///
/// # Errors
/// The first thing that cannot be set up; nothing is left running then.
pub async fn start(startup: Startup) -> Result<Running, StartProblem> {
    let metrics = Metrics::new().map_err(StartProblem::Metrics)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let kept = ledger::open(&startup.data_dir, &startup.ledger, &clock, &metrics).await?;
    let models = Models::load(startup.settings.models, &clock);
    Box::pin(run(startup, kept, models, clock, metrics)).await
}

/// Starts a gateway with trained models that are loaded already, whatever its settings say of them.
///
/// # Errors
/// As [`start`].
pub async fn start_scoring(startup: Startup, models: Arc<Models>) -> Result<Running, StartProblem> {
    let metrics = Metrics::new().map_err(StartProblem::Metrics)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let kept = ledger::open(&startup.data_dir, &startup.ledger, &clock, &metrics).await?;
    Box::pin(run(startup, kept, Ok(Some(models)), clock, metrics)).await
}

/// Starts a gateway that enters what happens into a ledger that is open already; closing it is the gateway's.
///
/// # Errors
/// As [`start`].
pub async fn start_recording(startup: Startup, recorder: Recorder) -> Result<Running, StartProblem> {
    let metrics = Metrics::new().map_err(StartProblem::Metrics)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let models = Models::load(startup.settings.models, &clock);
    Box::pin(run(startup, OpenLedger::bare(recorder), models, clock, metrics)).await
}

async fn run(
    startup: Startup,
    mut kept: OpenLedger,
    models: Result<Option<Arc<Models>>, ModelProblem>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) -> Result<Running, StartProblem> {
    let Startup {
        listen,
        admin_token,
        data_dir,
        ledger: _,
        settings,
    } = startup;
    let bounds = settings.bounds;
    let approval_settings = settings.approvals.clone();
    let detector = Arc::new(Detector::builtin().map_err(StartProblem::Rules)?);
    let runtime = Runtime::build(settings, &detector, models).map_err(StartProblem::Build)?;
    let tls = listen.tls.as_ref().map(acceptor).transpose()?;
    let access = access(&listen, admin_token.as_ref())?;
    let store = KeyStore::open(&data_dir).await?;
    let (keys, refresh) = KeyRing::start_telling(&store, kept.telling()).await?;
    let approvals = Approvals::load(&data_dir, approval_settings, Arc::clone(&clock)).await?;
    kept.approvals(&approvals);
    let socket = bind(listen.address).await?;
    let address = socket.local_addr().unwrap_or(listen.address);
    let parts = Parts {
        detector,
        keys,
        limiter: Arc::new(Limiter::new(Arc::clone(&clock))),
        metrics: Arc::clone(&metrics),
        clock,
        hosts: HostRules::new(&listen.hosts, &listen.origins, address)?,
        recorder: kept.recorder().clone(),
        state_folder: data_dir,
        approvals: approvals.clone(),
    };
    let gateway = Arc::new(Gateway::new(parts, runtime));
    let readiness = Arc::new(Readiness::new());
    let stop = CancellationToken::new();
    let admin = match (listen.admin, access) {
        (Some(admin), Some(access)) => {
            let socket = bind(admin).await?;
            let bound = socket.local_addr().unwrap_or(admin);
            let rules = admin_rules(&listen, &approvals, bound)?;
            let state = admin_state(&gateway, access, rules, &readiness);
            Some((bound, serve_admin(socket, state, stop.clone(), bounds)))
        }
        _ => None,
    };
    let mcp = serve_mcp(&gateway, &stop);
    let upkeep = tokio::spawn(Arc::clone(&metrics).upkeep(stop.clone()));
    let told = tokio::spawn(Arc::clone(gateway.ledger()).upkeep(stop.clone()));
    let approving = tokio::spawn(approvals.clone().upkeep(stop.clone()));
    gateway.serving().first_look().await;
    let following = tokio::spawn(Arc::clone(gateway.serving()).upkeep(stop.clone()));
    let serving = tokio::spawn(serve_data(socket, tls, Arc::clone(&gateway), stop.clone(), bounds));
    readiness.set(ReadyState::Accepting);
    Ok(Running {
        gateway,
        store,
        refresh,
        metrics,
        readiness,
        stop,
        address,
        admin,
        serving,
        upkeep,
        mcp,
        told,
        approving,
        following,
        kept,
    })
}

fn admin_state(
    gateway: &Arc<Gateway>,
    access: AdminAccess,
    rules: HostRules,
    readiness: &Arc<Readiness>,
) -> AdminState {
    AdminState {
        access: Arc::new(access),
        host_check: host_check(rules),
        readiness: Arc::clone(readiness),
        metrics: Arc::clone(gateway.metrics()),
        keys: Arc::clone(&gateway.keys),
        ledger: ledger_check(gateway),
        page: ApprovalPage::new(gateway.approvals().clone(), Arc::clone(&gateway.clock)),
    }
}

fn access(listen: &ListenSettings, token: Option<&Secret>) -> Result<Option<AdminAccess>, AdminRefused> {
    let access = listen.admin.map(|address| AdminAccess::for_listener(address, token));
    access.transpose()
}

/// Looks at the MCP servers, and keeps their sessions until told to stop.
fn serve_mcp(gateway: &Arc<Gateway>, stop: &CancellationToken) -> JoinHandle<()> {
    gateway.begin_mcp();
    tokio::spawn(Arc::clone(gateway.mcp()).upkeep(stop.clone()))
}

/// The admin listener answers the page's own forms, wherever browsers find it.
fn admin_rules(
    listen: &ListenSettings,
    approvals: &Approvals,
    bound: SocketAddr,
) -> Result<HostRules, HostRulesProblem> {
    let mut hosts = listen.hosts.clone();
    if hosts.is_empty() {
        // As without a page.
        hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
    }
    let mut origins: Vec<String> = ["localhost", "127.0.0.1", "[::1]"]
        .map(|host| format!("http://{host}:{}", bound.port()))
        .to_vec();
    if let Some(page) = &approvals.settings().page {
        origins.push(page.origin().ascii_serialization());
        hosts.extend(page.host_str().map(ToOwned::to_owned));
    }
    HostRules::new(&hosts, &origins, bound)
}

fn host_check(rules: HostRules) -> HostCheck {
    Arc::new(move |parts: &http::request::Parts| {
        check_host(parts.version, &parts.uri, &parts.headers, &rules).map_err(crate::host::HostRefusal::status)
    })
}

/// How the ledger is doing, for those who ask.
fn ledger_check(gateway: &Arc<Gateway>) -> LedgerCheck {
    let gateway = Arc::clone(gateway);
    Arc::new(move || {
        if gateway.ledger().health().writable {
            LedgerState::Writable
        } else if gateway.blocks_unrecorded() {
            LedgerState::Blocked
        } else {
            LedgerState::Degraded
        }
    })
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartProblem> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartProblem::Bind { address, source })
}

async fn serve_data(
    socket: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    gateway: Arc<Gateway>,
    stop: CancellationToken,
    bounds: Bounds,
) -> DrainReport {
    let service = DataService {
        gateway,
        _connection: None,
    };
    serve(socket, tls, service, stop, bounds).await
}

/// Hands each request of one connection to the gateway; the listener clones one for each connection.
#[derive(Debug)]
struct DataService {
    gateway: Arc<Gateway>,
    _connection: Option<Counted>,
}

impl Clone for DataService {
    fn clone(&self) -> Self {
        Self {
            gateway: Arc::clone(&self.gateway),
            _connection: Some(self.gateway.metrics().connection()),
        }
    }
}

impl Service<Request<Incoming>> for DataService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let gateway = Arc::clone(&self.gateway);
        Box::pin(async move { Ok(gateway.handle(request.map(Body::new)).await) })
    }
}

fn serve_admin(
    socket: TcpListener,
    state: AdminState,
    stop: CancellationToken,
    bounds: Bounds,
) -> JoinHandle<DrainReport> {
    let service = hyper_util::service::TowerToHyperService::new(router(state));
    let bounds = Bounds {
        connections_max: ADMIN_CONNECTIONS_MAX,
        ..bounds
    };
    tokio::spawn(serve(socket, None, service, stop, bounds))
}

/// A gateway that serves.
#[derive(Debug)]
#[must_use = "dropping it leaves the gateway running without a way to stop it"]
pub struct Running {
    gateway: Arc<Gateway>,
    store: KeyStore,
    refresh: KeyRefresh,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    stop: CancellationToken,
    address: SocketAddr,
    admin: Option<(SocketAddr, JoinHandle<DrainReport>)>,
    serving: JoinHandle<DrainReport>,
    upkeep: JoinHandle<()>,
    mcp: JoinHandle<()>,
    told: JoinHandle<()>,
    approving: JoinHandle<()>,
    following: JoinHandle<()>,
    kept: OpenLedger,
}

impl Running {
    /// Where requests are served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are served.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(address, _)| *address)
    }

    /// Where the side in front of the model says which calls of tools it has let through.
    #[must_use]
    pub fn released(&self) -> &crate::mcp::released::ReleasedCalls {
        self.gateway.released()
    }

    /// Calls that wait for a person.
    #[must_use]
    pub fn approvals(&self) -> &Approvals {
        self.gateway.approvals()
    }

    /// The store of virtual keys.
    #[must_use]
    pub fn keys(&self) -> &KeyStore {
        &self.store
    }

    /// Replaces the configuration for exchanges that begin from now on.
    ///
    /// # Errors
    /// All problems; the running configuration stays, and `/readyz` and a counter say so.
    pub fn reload(&self, settings: Settings) -> Result<(), Vec<BuildProblem>> {
        match self.gateway.reload(settings) {
            Ok(()) => {
                self.readiness.set(ReadyState::Accepting);
                Ok(())
            }
            Err(problems) => {
                self.stays();
                Err(problems)
            }
        }
    }

    /// Notes that a new configuration could not even be read, and for how many reasons.
    pub fn reload_refused(&self, problems: usize) {
        self.gateway.refused(problems);
        self.stays();
    }

    fn stays(&self) {
        self.readiness.set(ReadyState::AcceptingPrevious);
        self.metrics.reload_refused();
    }

    /// Stops accepting, lets running exchanges finish, then returns.
    pub async fn stop(self) -> DrainReport {
        self.readiness.set(ReadyState::Draining);
        self.stop.cancel();
        let report = self.serving.await.unwrap_or_default();
        if let Some((_, admin)) = self.admin {
            let _report = admin.await.unwrap_or_default();
        }
        let _ended = self.upkeep.await;
        let _ended = self.mcp.await;
        let _told = self.told.await;
        let _ended = self.approving.await;
        let _ended = self.following.await;
        self.kept.close().await;
        // Later than the ledger, which is told of them to the last.
        self.gateway.approvals().close().await;
        self.refresh.stop().await;
        self.store.close().await;
        report
    }
}
