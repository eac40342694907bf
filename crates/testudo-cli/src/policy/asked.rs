//! Cases about anything else than a call of a tool: may a request be sent, a tool of a server be seen or called, and
//! what is done about a finding.

use serde::Deserialize;
use serde_json::Value;
use testudo_policy::{
    AdmitFacts, CallFacts, CallHints, FindingFacts, MCP_PREFIX, ModelPattern, ModelScope, PolicyEngine, RouteScope,
};
use testudo_types::{
    Decision, Direction, ModelName, Origin, Principal, RouteName, RuleId, Score, Severity, ThreatKind,
};

/// A request as a case says it: `request = { model = "gpt-4o" }`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedRequest {
    model: Option<String>,
    #[serde(default = "chat_completions")]
    operation: String,
    #[serde(default)]
    hosted_tools: bool,
    #[serde(default)]
    server_history: bool,
    #[serde(default)]
    key: TypedKey,
}

/// What the caller's key is limited to; nothing by default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedKey {
    routes: Option<Vec<String>>,
    models: Option<Vec<String>>,
}

/// A tool of an MCP server: `call = { server = "shop", tool = "delete_order" }`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedCall {
    server: String,
    tool: String,
    #[serde(default)]
    listing: bool,
    #[serde(default = "yes")]
    allowed: bool,
    #[serde(default)]
    read_only: bool,
    #[serde(default = "yes")]
    destructive: bool,
    #[serde(default)]
    idempotent: bool,
    #[serde(default = "yes")]
    open_world: bool,
    #[serde(default)]
    key: TypedKey,
}

/// A finding: `finding = { rule = "secret.github-pat", kind = "secret" }`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedFinding {
    rule: String,
    kind: String,
    #[serde(default = "request")]
    direction: String,
    #[serde(default = "user")]
    origin: String,
    /// Of the origin `tool_result`.
    tool: Option<String>,
    #[serde(default = "high")]
    severity: String,
    #[serde(default = "sure")]
    score: u8,
    #[serde(default = "yes")]
    maskable: bool,
}

fn chat_completions() -> String {
    "chat_completions".to_owned()
}

fn request() -> String {
    "request".to_owned()
}

fn user() -> String {
    "user".to_owned()
}

fn high() -> String {
    "high".to_owned()
}

fn sure() -> u8 {
    100
}

fn yes() -> bool {
    true
}

/// What a case asks.
#[derive(Debug)]
pub(super) enum Asked {
    /// May this call go, which a model asks for?
    Act,
    Use(Request),
    Call(Tool),
    Release(Found),
}

#[derive(Debug)]
pub(super) struct Request {
    model: Option<ModelName>,
    operation: String,
    hosted_tools: bool,
    server_history: bool,
    key: Key,
}

#[derive(Debug)]
struct Key {
    routes: RouteScope,
    models: ModelScope,
}

#[derive(Debug)]
pub(super) struct Tool {
    server: String,
    tool: String,
    listing: bool,
    allowed: bool,
    hints: CallHints,
    key: Key,
}

#[derive(Debug)]
pub(super) struct Found {
    rule: RuleId,
    kind: ThreatKind,
    direction: Direction,
    origin: Origin,
    severity: Severity,
    score: Score,
    maskable: bool,
}

impl Asked {
    /// The name of the question in policies.
    pub(super) fn question(&self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Use(_) => "use",
            Self::Call(_) => "call",
            Self::Release(_) => "release",
        }
    }

    /// What it is about, in a word, where it is no call that a model asks for.
    pub(super) fn about(&self) -> Option<String> {
        match self {
            Self::Act => None,
            Self::Use(request) => Some(request.model.as_ref().map_or_else(
                || request.operation.clone(),
                |model| format!("{} of {model}", request.operation),
            )),
            Self::Call(tool) => Some(format!("{} of {}", tool.tool, tool.server)),
            Self::Release(found) => Some(found.rule.as_str().to_owned()),
        }
    }

    /// What policies say; `None` for calls that a model asks for.
    pub(super) fn decide(&self, policies: &PolicyEngine, principal: &Principal, route: &RouteName) -> Option<Decision> {
        match self {
            Self::Act => None,
            Self::Use(request) => Some(policies.admit(&request.facts(principal, route)).decision),
            Self::Call(tool) => Some(policies.call(&tool.facts(principal, route)).decision),
            Self::Release(found) => Some(policies.judge(&found.facts(principal, route))),
        }
    }

    /// What policies see of it.
    pub(super) fn context(&self, policies: &PolicyEngine, principal: &Principal, route: &RouteName) -> Option<Value> {
        match self {
            Self::Act => None,
            Self::Use(request) => policies.use_context(&request.facts(principal, route)),
            Self::Call(tool) => policies.call_context(&tool.facts(principal, route)),
            Self::Release(found) => policies.release_context(&found.facts(principal, route)),
        }
    }
}

impl Request {
    fn facts<'a>(&'a self, principal: &'a Principal, route: &'a RouteName) -> AdmitFacts<'a> {
        AdmitFacts {
            principal,
            route,
            model: self.model.as_ref(),
            operation: &self.operation,
            key_routes: &self.key.routes,
            key_models: &self.key.models,
            hosted_tools: self.hosted_tools,
            server_history: self.server_history,
        }
    }
}

impl Tool {
    fn facts<'a>(&'a self, principal: &'a Principal, route: &'a RouteName) -> CallFacts<'a> {
        CallFacts {
            principal,
            route,
            key_routes: &self.key.routes,
            server: &self.server,
            tool: &self.tool,
            listing: self.listing,
            allowed: self.allowed,
            hints: self.hints,
        }
    }
}

impl Found {
    fn facts<'a>(&'a self, principal: &'a Principal, route: &'a RouteName) -> FindingFacts<'a> {
        FindingFacts {
            principal,
            route,
            direction: self.direction,
            origin: &self.origin,
            rule: &self.rule,
            kind: self.kind,
            severity: self.severity,
            score: self.score,
            maskable: self.maskable,
        }
    }
}

impl TypedRequest {
    pub(super) fn resolve(self) -> Result<Asked, String> {
        let model = self.model.as_deref().map(ModelName::parse).transpose();
        Ok(Asked::Use(Request {
            model: model.map_err(|error| error.to_string())?,
            operation: self.operation,
            hosted_tools: self.hosted_tools,
            server_history: self.server_history,
            key: self.key.resolve()?,
        }))
    }
}

impl TypedCall {
    /// The route of the server, where the case names none.
    pub(super) fn route(&self) -> String {
        format!("{MCP_PREFIX}{}", self.server)
    }

    pub(super) fn resolve(self) -> Result<Asked, String> {
        Ok(Asked::Call(Tool {
            server: self.server,
            tool: self.tool,
            listing: self.listing,
            allowed: self.allowed,
            hints: CallHints {
                read_only: self.read_only,
                destructive: self.destructive,
                idempotent: self.idempotent,
                open_world: self.open_world,
            },
            key: self.key.resolve()?,
        }))
    }
}

impl TypedFinding {
    pub(super) fn resolve(self) -> Result<Asked, String> {
        let wrong = |what: &str, found: &str| format!("`finding.{what}` cannot be `{found}`; see docs/policy.md");
        let directions = [Direction::Request, Direction::Response];
        let direction = directions.into_iter().find(|it| it.as_str() == self.direction);
        let mut origin = Origin::from_name(&self.origin).ok_or_else(|| wrong("origin", &self.origin))?;
        match (&mut origin, self.tool) {
            (Origin::ToolResult { tool }, Some(name)) => *tool = Some(name.as_str().into()),
            (_, Some(_)) => return Err("`finding.tool` belongs to the origin `tool_result`".to_owned()),
            (_, None) => {}
        }
        Ok(Asked::Release(Found {
            rule: RuleId::new(&self.rule),
            kind: ThreatKind::from_name(&self.kind).ok_or_else(|| wrong("kind", &self.kind))?,
            direction: direction.ok_or_else(|| wrong("direction", &self.direction))?,
            origin,
            severity: Severity::from_name(&self.severity).ok_or_else(|| wrong("severity", &self.severity))?,
            score: Score::new(self.score).ok_or_else(|| wrong("score", &self.score.to_string()))?,
            maskable: self.maskable,
        }))
    }
}

impl TypedKey {
    fn resolve(self) -> Result<Key, String> {
        let routes = match self.routes {
            None => RouteScope::All,
            Some(names) => {
                let names: Result<_, _> = names.iter().map(|name| RouteName::parse(name)).collect();
                RouteScope::Only(names.map_err(|error| error.to_string())?)
            }
        };
        let models = match self.models {
            None => ModelScope::All,
            Some(patterns) => {
                let patterns: Result<_, _> = patterns.iter().map(|it| ModelPattern::parse(it)).collect();
                ModelScope::Only(patterns.map_err(|error| error.to_string())?)
            }
        };
        Ok(Key { routes, models })
    }
}
