//! MCP servers behind the gateway.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use testudo_dialects::Family;
use testudo_dialects::mcp::ServerName;
use testudo_policy::MCP_PREFIX;
use testudo_types::{NameError, RouteName, Secret, UpstreamName};

use super::{Limits, OutputSettings, Profile, Recording, Route, Timeouts, UpstreamSettings};

/// The name of the door behind which all servers stand, as a route.
pub const HUB: &str = "mcp";

/// The doors to MCP servers.
#[derive(Debug)]
pub struct McpSettings {
    /// Path of the door to all servers; each server also has one of its own below it.
    pub path: String,
    pub servers: Vec<Arc<McpServer>>,
    /// The door to all servers, as ledger and metrics see it.
    pub hub: Arc<Route>,
}

/// One MCP server.
#[derive(Debug)]
pub struct McpServer {
    pub name: ServerName,
    /// How policies, limits, ledger and metrics see it: a route called `mcp.NAME`. Its `agents` judge the calls that no
    /// route to a model has let go.
    pub route: Arc<Route>,
    pub transport: McpTransport,
    /// Tools that may be used: names, or their beginnings with `*`.
    pub tools: Vec<String>,
    pub results: Trust,
    /// What it may ask of the caller while it works.
    pub asks: Asks,
    /// Only calls that the side in front of the model released are executed.
    pub released_only: bool,
}

/// Where a server is.
#[derive(Debug)]
pub enum McpTransport {
    /// Streamable HTTP at exactly this address.
    Http(Arc<UpstreamSettings>),
    /// A program of this machine that speaks over its standard input and output.
    Stdio(StdioSettings),
}

impl McpTransport {
    /// Its deadlines.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        match self {
            Self::Http(upstream) => upstream.timeouts,
            Self::Stdio(program) => program.timeouts,
        }
    }
}

/// A program to run, from the configuration alone.
#[derive(Debug)]
pub struct StdioSettings {
    pub command: PathBuf,
    pub args: Vec<String>,
    /// All that it has of an environment, beside `PATH`.
    pub env: BTreeMap<String, Secret>,
    pub timeouts: Timeouts,
}

/// Who wrote what a server returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Anybody: it is read as the result of a tool.
    ThirdParty,
    /// The operator: it is read as what the user said.
    Own,
}

/// What a server may ask of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asks {
    /// Answers of the caller's model.
    pub sampling: bool,
    /// Answers of the user.
    pub elicitation: bool,
    /// The caller's folders.
    pub roots: bool,
}

impl Asks {
    /// Whether it may ask nothing at all.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            sampling: self.sampling && other.sampling,
            elicitation: self.elicitation && other.elicitation,
            roots: self.roots && other.roots,
        }
    }
}

impl McpServer {
    /// Whether the list of tools in the configuration has this one.
    #[must_use]
    pub fn allows(&self, tool: &str) -> bool {
        self.tools.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => tool.starts_with(beginning),
            None => pattern == tool,
        })
    }
}

/// A server, or the hub, as a route; `None` stands for the hub.
///
/// # Errors
/// None for the name of a server, which is a part of a route's name.
pub fn mcp_route(
    server: Option<&ServerName>,
    profile: Arc<Profile>,
    limits: Limits,
    recording: Recording,
) -> Result<Route, NameError> {
    let name = server.map_or_else(|| HUB.to_owned(), |name| format!("{MCP_PREFIX}{name}"));
    Ok(Route {
        name: RouteName::parse(&name)?,
        prefix: String::new(),
        family: Family::OpenAi,
        upstream: UpstreamName::parse(server.map_or(HUB, ServerName::as_str))?,
        model: None,
        profile,
        limits,
        output_tokens_default: 0,
        hosted_tools: false,
        server_history: false,
        canaries: testudo_detect::Canaries::default(),
        plant: false,
        output: OutputSettings::default(),
        recording,
        allow: Vec::new(),
        spotlight: None,
        agents: None,
    })
}
