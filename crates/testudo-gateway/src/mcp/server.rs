//! A configured server, ready to be used: its guards, its client, and what is remembered of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use testudo_bounded::json::Limits;
use testudo_dialects::mcp::{ServerName, split_tool, split_uri};
use testudo_types::{Origin, ThreatKind};

use super::link::LinkError;
use crate::guard::GuardPlan;
use crate::settings::{McpServer, McpSettings, Route, Trust};
use crate::upstream::{ExactClient, UpstreamError};

/// Verdicts on definitions that are remembered.
const VERDICTS_MAX: usize = 4096;

/// The two kinds of revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Sessions,
    Sessionless,
}

impl Era {
    fn number(self) -> u8 {
        match self {
            Self::Sessions => 1,
            Self::Sessionless => 2,
        }
    }
}

/// One server of one configuration.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) settings: Arc<McpServer>,
    /// For what a model reads: results, definitions, prompts.
    pub(crate) towards_model: Arc<GuardPlan>,
    /// For what a model wrote: arguments.
    pub(crate) from_model: Arc<GuardPlan>,
    pub(crate) digest: [u8; 32],
    pub(crate) limits: Limits,
    client: Option<ExactClient>,
    /// What it was found to speak only; 0 where that is open.
    era: AtomicU8,
    /// Why definitions are refused, by their digest.
    verdicts: Mutex<BTreeMap<[u8; 32], Option<String>>>,
}

impl Server {
    pub(crate) fn new(
        settings: &Arc<McpServer>,
        plans: (GuardPlan, GuardPlan),
        digest: [u8; 32],
        limits: Limits,
        client: Option<ExactClient>,
    ) -> Self {
        let (towards_model, from_model) = plans;
        Self {
            settings: Arc::clone(settings),
            towards_model: Arc::new(towards_model),
            from_model: Arc::new(from_model),
            digest,
            limits,
            client,
            era: AtomicU8::new(0),
            verdicts: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> &ServerName {
        &self.settings.name
    }

    pub(crate) fn route(&self) -> &Route {
        &self.settings.route
    }

    pub(crate) fn client(&self) -> Result<&ExactClient, LinkError> {
        let missing = LinkError::Upstream(UpstreamError::Target("this server has no address"));
        self.client.as_ref().ok_or(missing)
    }

    /// How sure a detector has to be of instructions in its results.
    pub(crate) fn injection_score_min(&self) -> Option<u8> {
        let guard = self.route().profile.request.get(&ThreatKind::Injection);
        guard.map(|guard| guard.score_min)
    }

    /// Whose words its results are.
    pub(crate) fn origin(&self, tool: Option<&str>) -> Origin {
        match (self.settings.results, tool) {
            (Trust::Own, _) => Origin::User,
            (Trust::ThirdParty, Some(tool)) => Origin::ToolResult {
                tool: Some(format!("{}__{tool}", self.name()).into()),
            },
            (Trust::ThirdParty, None) => Origin::Document,
        }
    }

    /// It was found to speak only this.
    pub(crate) fn note(&self, era: Era) {
        self.era.store(era.number(), Ordering::Release);
    }

    pub(crate) fn is_known(&self, era: Era) -> bool {
        self.era.load(Ordering::Acquire) == era.number()
    }

    /// Why a definition is refused, which is found out once for each.
    pub(crate) fn verdict(&self, digest: [u8; 32], find: impl FnOnce() -> Option<String>) -> Option<String> {
        let known = self.verdicts().get(&digest).cloned();
        if let Some(known) = known {
            return known;
        }
        let found = find();
        let mut verdicts = self.verdicts();
        if verdicts.len() >= VERDICTS_MAX {
            verdicts.clear();
        }
        verdicts.insert(digest, found.clone());
        found
    }

    fn verdicts(&self) -> std::sync::MutexGuard<'_, BTreeMap<[u8; 32], Option<String>>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All servers of one configuration, and the doors to them.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) path: String,
    pub(crate) hub: Arc<Route>,
    pub(crate) all: Vec<Arc<Server>>,
    /// Of everything here.
    pub(crate) digest: [u8; 32],
}

impl Servers {
    pub(crate) fn new(settings: &McpSettings, all: Vec<Arc<Server>>, digest: [u8; 32]) -> Self {
        Self {
            path: settings.path.clone(),
            hub: Arc::clone(&settings.hub),
            all,
            digest,
        }
    }

    /// The door that a path names, exactly.
    pub(crate) fn door(&self, path: &str) -> Option<Door> {
        let rest = path.strip_prefix(self.path.as_str())?;
        if rest.is_empty() {
            return Some(Door {
                path: path.into(),
                route: Arc::clone(&self.hub),
                servers: self.all.clone(),
                joined: true,
            });
        }
        let name = rest.strip_prefix('/')?;
        let server = self.all.iter().find(|server| server.name().as_str() == name)?;
        Some(Door {
            path: path.into(),
            route: Arc::clone(&server.settings.route),
            servers: vec![Arc::clone(server)],
            joined: false,
        })
    }
}

/// Where a request came in, and the servers behind it.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) path: Box<str>,
    pub(crate) route: Arc<Route>,
    pub(crate) servers: Vec<Arc<Server>>,
    /// Names carry the server's name.
    pub(crate) joined: bool,
}

impl Door {
    /// The server and its own name of a tool or prompt.
    pub(crate) fn tool<'n>(&self, name: &'n str) -> Option<(&Arc<Server>, &'n str)> {
        if !self.joined {
            return Some((self.servers.first()?, name));
        }
        let (server, own) = split_tool(name)?;
        Some((self.server(&server)?, own))
    }

    /// The server and its own URI of a resource.
    pub(crate) fn resource<'n>(&self, uri: &'n str) -> Option<(&Arc<Server>, &'n str)> {
        if !self.joined {
            return Some((self.servers.first()?, uri));
        }
        let (server, own) = split_uri(uri)?;
        Some((self.server(&server)?, own))
    }

    fn server(&self, name: &ServerName) -> Option<&Arc<Server>> {
        self.servers.iter().find(|server| server.name() == name)
    }
}
