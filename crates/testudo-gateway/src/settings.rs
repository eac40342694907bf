//! Configuration as used: every name resolved, every number in its unit, nothing left to parse.
//!
//! `testudo-cli` reads `testudo.toml` and builds these; the gateway never sees a file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use testudo_detect::pseudonym::PlaceholderStyle;
use testudo_detect::structure::special::TokenLevel;
use testudo_detect::structure::spotlight::Style;
use testudo_detect::{AllowEntry, Canaries};
use testudo_dialects::Family;
use testudo_policy::PolicySource;
use testudo_types::{Action, ModelName, ProfileName, RouteName, Secret, ThreatKind, UpstreamName};
use url::Url;

use crate::upstream::Authorities;

mod agents;
mod approvals;
mod ledger;
mod mcp;
mod mlflow;
mod moves;
mod output;
mod serving;

pub use agents::{AgentSettings, OnHold};
pub use approvals::{ApprovalSettings, Approver, WebhookSettings};
pub use ledger::{Content, LedgerSettings, Level, OnFailure, Recording, Rules, ShipSettings, WitnessSettings};
pub use mcp::{Asks, HUB, McpServer, McpSettings, McpTransport, StdioSettings, Trust, mcp_route};
pub use mlflow::{MLFLOW_PATH, MlflowSettings};
pub use moves::{Denied, MoveRules, act_of};
pub use output::{OutputCheck, OutputSettings};
pub use serving::{
    Afterwards, Ask, AskWhat, FollowSettings, FollowedModel, NoVersion, Place, Serves, VersionBeginning,
};

/// Everything the gateway needs to run; replaced whole on reload.
#[derive(Debug)]
pub struct Settings {
    pub routes: Vec<Arc<Route>>,
    pub upstreams: BTreeMap<UpstreamName, Arc<UpstreamSettings>>,
    /// Policy files beside the shipped ones.
    pub policies: Vec<PolicySource>,
    /// Prices of models, for cost limits.
    pub prices: BTreeMap<ModelName, Price>,
    pub bounds: Bounds,
    pub models: ModelSettings,
    /// MCP servers, when there are any.
    pub mcp: Option<McpSettings>,
    /// How held calls are decided.
    pub approvals: ApprovalSettings,
    /// The vault whose aliases routes follow.
    pub follow: Option<FollowSettings>,
    /// The door for MLflow clients.
    pub mlflow: Option<Arc<MlflowSettings>>,
}

/// Which trained models look for injected instructions, and how much they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelSettings {
    pub injection: InjectionModels,
    /// Windows that the encoder may read for one exchange; each takes about 16 ms of one core.
    pub encoder_windows_max: usize,
    /// Texts whose verdicts are remembered, and as many windows.
    pub cache_entries: usize,
}

impl ModelSettings {
    /// What applies when the configuration says nothing.
    pub const DEFAULT: Self = Self {
        injection: if cfg!(feature = "encoder") {
            InjectionModels::Both
        } else {
            InjectionModels::Ngram
        },
        encoder_windows_max: 32,
        cache_entries: 16_384,
    };
    /// No trained model: rules alone.
    pub const OFF: Self = Self {
        injection: InjectionModels::Off,
        ..Self::DEFAULT
    };
}

/// The trained models that look for injected instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectionModels {
    /// N-grams read every window, the encoder those about which they are unsure.
    Both,
    /// N-grams alone.
    Ngram,
    /// Rules alone.
    Off,
}

impl InjectionModels {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Both, Self::Ngram, Self::Off];

    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Ngram => "ngram",
            Self::Off => "off",
        }
    }

    /// The choice that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// What a model costs, in millionths of a US dollar per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    pub input_micros_per_mtok: u64,
    pub output_micros_per_mtok: u64,
}

/// Where the gateway listens; fixed until restart.
#[derive(Debug)]
pub struct ListenSettings {
    pub address: SocketAddr,
    /// Host names (without port) that requests may carry; checked on every listener.
    pub hosts: Vec<String>,
    /// Browser origins that may call; empty means that any `Origin` header is refused.
    pub origins: Vec<String>,
    pub tls: Option<TlsSettings>,
    /// `/healthz`, `/readyz` and `/metrics`; off when absent.
    pub admin: Option<SocketAddr>,
}

/// Certificate and key in PEM files, and whether clients must show a certificate.
#[derive(Debug)]
pub struct TlsSettings {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authorities for client certificates; present means mutual TLS is required.
    pub client_authorities: Option<PathBuf>,
}

/// A named way in.
#[derive(Debug)]
pub struct Route {
    pub name: RouteName,
    /// Path prefix before the dialect's own paths, without a trailing slash; empty for the root.
    pub prefix: String,
    pub family: Family,
    /// Where exchanges go; with `model` the first of those that may serve it.
    pub upstream: UpstreamName,
    /// The model whose alias decides which upstream it is.
    pub model: Option<FollowedModel>,
    pub profile: Arc<Profile>,
    pub limits: Limits,
    /// Output tokens reserved for a request that does not say how many it may use.
    pub output_tokens_default: u64,
    /// Whether clients may use tools that the provider runs (web search, code, remote MCP).
    pub hosted_tools: bool,
    /// Whether clients may build on conversations that the provider keeps, which no guard here has seen.
    pub server_history: bool,
    /// Literal strings that must never leave in an answer, nor in a call of a tool.
    pub canaries: Canaries,
    /// A canary of its own is planted in the system message of each conversation.
    pub plant: bool,
    pub output: OutputSettings,
    pub recording: Recording,
    /// Values that are no findings on this route, beside those of its profile.
    pub allow: Vec<AllowEntry>,
    /// How results of tools and documents are marked for the model; `None` leaves them as they are.
    pub spotlight: Option<Style>,
    /// The tools of the agents that use this route; `None` lets every call go.
    pub agents: Option<Arc<AgentSettings>>,
}

impl Route {
    /// The guards that have something to look for in answers: code for sinks and the quality of answers
    /// only where the route declares them.
    #[must_use]
    pub fn response_guards(&self) -> BTreeMap<ThreatKind, GuardSetting> {
        let declared = |kind: &ThreatKind| match kind {
            ThreatKind::UnsafeOutput => !self.output.sinks.is_empty(),
            ThreatKind::Quality => !self.output.checks.is_empty(),
            _ => true,
        };
        let guards = self.profile.response.iter().filter(|(kind, _)| declared(kind));
        guards.map(|(kind, guard)| (*kind, *guard)).collect()
    }
}

/// A named set of guards with their thresholds and actions.
#[derive(Debug)]
pub struct Profile {
    pub name: ProfileName,
    /// Guards that run, and what a finding at or above the threshold leads to.
    pub request: BTreeMap<ThreatKind, GuardSetting>,
    pub response: BTreeMap<ThreatKind, GuardSetting>,
    /// Bytes of a stream that may be held back at once before the stream is blocked.
    pub hold_bytes_max: usize,
    /// Values that are no findings.
    pub allow: Vec<AllowEntry>,
    /// What stands in the place of values that come back.
    pub placeholder: PlaceholderStyle,
    /// Which tokens of chat templates are broken in what users, tools and documents say.
    pub neutralise: Option<TokenLevel>,
}

/// One guard's switch and threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardSetting {
    pub action: Action,
    /// Findings with a lower score (0 to 100) are observed only.
    pub score_min: u8,
}

/// A model service.
#[derive(Debug)]
pub struct UpstreamSettings {
    pub name: UpstreamName,
    pub base: UpstreamBase,
    pub family: Family,
    /// The credential; attached to requests to `base` and nowhere else.
    pub secret: Option<Secret>,
    /// Trusted beside the public certificate authorities, by this upstream alone.
    pub authorities: Option<Authorities>,
    /// Private and loopback addresses are refused at dial time unless this is set.
    pub allow_private: bool,
    pub timeouts: Timeouts,
    /// Further attempts after a failure before the first released byte.
    pub retries_max: u32,
    /// How it is known which version of a model it serves.
    pub serves: Option<Serves>,
}

/// Where an upstream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamBase {
    /// `http` or `https`, without query or fragment.
    Url(Url),
    /// The built-in stand-in of practice mode.
    Practice,
}

/// Deadlines in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub connect_ms: u64,
    /// From sending the request to the response head.
    pub first_byte_ms: u64,
    /// Between two pieces of a response body.
    pub idle_ms: u64,
    pub total_ms: u64,
}

/// Limits per virtual key on a route; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    pub requests_per_minute: Option<u64>,
    pub tokens_per_minute: Option<u64>,
    /// Millionths of a US dollar per day.
    pub cost_micros_per_day: Option<u64>,
    pub concurrent: Option<u64>,
}

/// Sizes that nothing from outside may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub request_bytes_max: usize,
    pub response_bytes_max: usize,
    pub sse_event_bytes_max: usize,
    pub json_depth_max: usize,
    pub json_nodes_max: usize,
    pub connections_max: usize,
    /// How long a client may take to send its request head or stall while reading a response.
    pub client_idle_ms: u64,
    /// How long running exchanges may finish after a stop was asked for.
    pub drain_ms: u64,
}

impl Bounds {
    /// What applies when the configuration says nothing.
    pub const DEFAULT: Self = Self {
        request_bytes_max: 8 << 20,
        response_bytes_max: 32 << 20,
        sse_event_bytes_max: 1 << 20,
        json_depth_max: 128,
        json_nodes_max: 1_000_000,
        connections_max: 4096,
        client_idle_ms: 30_000,
        drain_ms: 30_000,
    };
}
