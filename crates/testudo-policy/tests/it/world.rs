//! The routes, callers and facts that the tests share.

use std::collections::BTreeMap;
use std::sync::Arc;

use testudo_policy::{Guard, PolicyEngine, PolicyProblem, PolicySource, RouteFacts};
use testudo_types::{Action, KeyId, Principal, PrincipalKind, ProfileName, Role, RouteName, TenantId, ThreatKind};

/// Guards as a case writes them: kind to action and threshold.
pub(crate) type Guards = BTreeMap<String, (String, u8)>;

pub(crate) fn guards(typed: &Guards) -> BTreeMap<ThreatKind, Guard> {
    typed
        .iter()
        .map(|(kind, (action, score_min))| {
            let action = Action::from_name(action).expect("an action");
            let kind = ThreatKind::from_name(kind).expect("a kind");
            (
                kind,
                Guard {
                    action,
                    score_min: *score_min,
                },
            )
        })
        .collect()
}

pub(crate) fn route(name: &str, profile: &str) -> RouteFacts {
    RouteFacts {
        name: route_name(name),
        profile: ProfileName::parse(profile).unwrap(),
        request: BTreeMap::new(),
        response: BTreeMap::new(),
        hosted_tools: true,
        server_history: true,
    }
}

pub(crate) fn route_name(name: &str) -> RouteName {
    RouteName::parse(name).unwrap()
}

pub(crate) fn caller(kind: PrincipalKind, tenant: &str, key: &str, roles: &[String]) -> Principal {
    Principal {
        tenant: TenantId::parse(tenant).unwrap(),
        kind,
        key: KeyId::parse(key).unwrap(),
        name: "billing".into(),
        roles: roles.iter().map(|role| Role(Arc::from(role.as_str()))).collect(),
    }
}

pub(crate) fn source(text: &str) -> PolicySource {
    PolicySource {
        name: "own.cedar".to_owned(),
        text: text.to_owned(),
    }
}

/// The shipped policies and a text of one's own.
pub(crate) fn engine(own: &str, shipped: bool, routes: &[RouteFacts]) -> Result<PolicyEngine, Vec<PolicyProblem>> {
    let mut sources = if shipped {
        PolicyEngine::default_sources()
    } else {
        Vec::new()
    };
    sources.push(source(own));
    PolicyEngine::new(&sources, routes)
}
