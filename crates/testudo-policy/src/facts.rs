//! What policies decide on.

use std::collections::BTreeMap;

use testudo_types::{
    Action, Direction, ModelName, Origin, Principal, ProfileName, RouteName, RuleId, Score, Severity, ThreatKind,
};

use crate::{ModelScope, RouteScope};

/// A configured route, as policies see it.
#[derive(Debug, Clone)]
pub struct RouteFacts {
    pub name: RouteName,
    pub profile: ProfileName,
    /// What the profile configures per kind for text on its way to the model.
    pub request: BTreeMap<ThreatKind, Guard>,
    /// What the profile configures per kind for text on its way to the client.
    pub response: BTreeMap<ThreatKind, Guard>,
    /// Whether clients may use tools that the provider runs.
    pub hosted_tools: bool,
    /// Whether clients may build on conversations that the provider keeps.
    pub server_history: bool,
}

/// A guard's action and threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    pub action: Action,
    /// Findings with a lower score (0 to 100) are observed only.
    pub score_min: u8,
}

/// A request that asks to be let in.
#[derive(Debug, Clone, Copy)]
pub struct AdmitFacts<'a> {
    pub principal: &'a Principal,
    pub route: &'a RouteName,
    /// The model that the request names, if it names one.
    pub model: Option<&'a ModelName>,
    /// The operation's name, for example `chat_completions`.
    pub operation: &'a str,
    /// The routes that the caller's key is limited to.
    pub key_routes: &'a RouteScope,
    /// The models that the caller's key is limited to.
    pub key_models: &'a ModelScope,
    /// Whether the request asks for tools that the provider runs.
    pub hosted_tools: bool,
    /// Whether the request builds on a conversation that the provider keeps.
    pub server_history: bool,
}

/// Something found in the text of an exchange.
#[derive(Debug, Clone, Copy)]
pub struct FindingFacts<'a> {
    pub principal: &'a Principal,
    pub route: &'a RouteName,
    pub direction: Direction,
    pub origin: &'a Origin,
    pub rule: &'a RuleId,
    pub kind: ThreatKind,
    pub severity: Severity,
    pub score: Score,
    /// Whether the found text can be replaced in place.
    pub maskable: bool,
}
