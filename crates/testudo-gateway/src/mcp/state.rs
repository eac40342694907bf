//! What outlives requests and configurations: pins, sessions, and which tools exist.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use testudo_dialects::mcp::ServerName;
use testudo_types::{Clock, KeyId, Principal, PrincipalKind, TenantId};
use tokio_util::sync::CancellationToken;

use super::catalog;
use super::link::{Link, LinkError};
use super::pins::Pins;
use super::released::ReleasedCalls;
use super::server::{Server, Servers};
use super::session::Sessions;
use super::shadow::KnownTools;
use crate::guard::Judge;
use crate::runtime::Runtime;
use crate::settings::Asks;

const SWEEP: Duration = Duration::from_secs(10);
/// How long a server may take to be looked at when nobody waits.
const LOOK: Duration = Duration::from_secs(30);

/// The MCP side of a gateway.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pins: Pins,
    pub(crate) sessions: Sessions,
    pub(crate) released: Arc<ReleasedCalls>,
    known: Mutex<KnownTools>,
}

impl State {
    pub(crate) fn new(folder: &Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            pins: Pins::new(folder),
            sessions: Sessions::default(),
            released: Arc::new(ReleasedCalls::new(Arc::clone(&clock))),
            known: Mutex::default(),
            clock,
        }
    }

    /// Remembers which tools a server has.
    pub(crate) fn know(&self, server: &ServerName, names: &[String]) {
        self.lock().insert(server.clone(), names.to_vec());
    }

    /// Which tools each server has.
    pub(crate) fn known(&self) -> KnownTools {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, KnownTools> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Recalls what was seen of servers that have not been asked yet.
    fn recall(&self, servers: &Servers) {
        for server in &servers.all {
            let seen = self.pins.seen(server.name()).unwrap_or_default();
            let names: Vec<String> = seen.into_iter().map(|it| it.name).collect();
            self.lock().entry(server.name().clone()).or_insert(names);
        }
    }

    /// Looks at every server once, so that what has to be approved is there to be approved; twice, since only then
    /// each is compared with all others.
    async fn look(&self, runtime: &Runtime, servers: &Servers) {
        self.recall(servers);
        let Some(judge) = own_judge(runtime) else { return };
        for server in servers.all.iter().chain(&servers.all) {
            let looked = tokio::time::timeout(LOOK, self.look_at(server, &judge)).await;
            if let Err(error) = looked.unwrap_or(Err(LinkError::Timeout)) {
                let server = server.name().as_str();
                let class = error.class();
                tracing::warn!(target: "testudo::mcp", server, class, "the server cannot be looked at");
            }
        }
    }

    async fn look_at(&self, server: &Arc<Server>, judge: &Judge) -> Result<(), LinkError> {
        let (unasked, _nobody) = tokio::sync::broadcast::channel(1);
        let link = Link::open(server, false, Asks::default(), &unasked).await?;
        let judge = Judge {
            route: server.route().name.clone(),
            ..judge.clone()
        };
        if link.abilities.tools {
            let _tools = catalog::tools(self, &link, &judge, false).await?;
        }
        link.end().await;
        Ok(())
    }

    /// Looks at the servers of `runtime`, in the background.
    pub(crate) fn begin(self: &Arc<Self>, runtime: &Arc<Runtime>) {
        let (state, runtime) = (Arc::clone(self), Arc::clone(runtime));
        if runtime.mcp.is_some() {
            drop(tokio::spawn(async move {
                if let Some(servers) = &runtime.mcp {
                    state.look(&runtime, servers).await;
                }
            }));
        }
    }

    /// Ends sessions that are silent for too long; and all of them when it is told to stop.
    pub(crate) async fn upkeep(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => self.sessions.sweep(Some(self.clock.monotonic())).await,
            }
        }
        self.sessions.sweep(None).await;
    }
}

/// Definitions are read on nobody's behalf.
pub(crate) fn own_judge(runtime: &Runtime) -> Option<Judge> {
    let principal = Principal {
        tenant: TenantId::parse("testudo").ok()?,
        kind: PrincipalKind::Service,
        key: KeyId::parse("gateway").ok()?,
        name: "gateway".into(),
        roles: Vec::new(),
    };
    let route = runtime.mcp.as_ref()?.hub.name.clone();
    Some(Judge {
        policy: Arc::clone(&runtime.policy),
        principal: Arc::new(principal),
        route,
    })
}
