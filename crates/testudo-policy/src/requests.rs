//! Facts to the policy engine's requests, without going through text.

mod acts;

use std::collections::{HashMap, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression};
use testudo_types::{Origin, Principal};

use crate::index::RoutePolicies;
use crate::vocabulary::{Vocabulary, entity};
use crate::{AdmitFacts, CallFacts, FindingFacts};

pub(crate) use acts::on_act;

/// A question ready to be put to policies.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) entities: Entities,
}

/// May this caller send this request through this route?
pub(crate) fn on_use(facts: &AdmitFacts<'_>, route: &RoutePolicies, words: &Vocabulary) -> Result<Asked, String> {
    let mut pairs = vec![
        pair("operation", text(facts.operation)),
        pair("key_covers_route", truth(facts.key_routes.covers(facts.route))),
        pair("key_covers_model", truth(facts.key_models.covers(facts.model))),
        pair("hosted_tools", truth(facts.hosted_tools)),
        pair("server_history", truth(facts.server_history)),
    ];
    if let Some(model) = facts.model {
        pairs.push(pair("model", text(model.as_str())));
    }
    asked(facts.principal, &words.action_use, route, pairs, words)
}

/// May this caller see or call this tool?
pub(crate) fn on_call(facts: &CallFacts<'_>, route: &RoutePolicies, words: &Vocabulary) -> Result<Asked, String> {
    let pairs = vec![
        pair("server", text(facts.server)),
        pair("tool", text(facts.tool)),
        pair("listing", truth(facts.listing)),
        pair("allowed", truth(facts.allowed)),
        pair("key_covers_route", truth(facts.key_routes.covers(facts.route))),
        pair("read_only_hint", truth(facts.hints.read_only)),
        pair("destructive_hint", truth(facts.hints.destructive)),
        pair("idempotent_hint", truth(facts.hints.idempotent)),
        pair("open_world_hint", truth(facts.hints.open_world)),
    ];
    asked(facts.principal, &words.action_call, route, pairs, words)
}

/// What is to be done about a finding?
pub(crate) fn on_release(facts: &FindingFacts<'_>, route: &RoutePolicies, words: &Vocabulary) -> Result<Asked, String> {
    let (guard, guarded) = route.guard(facts.direction, facts.kind);
    let (setting, score_min) = guard.map_or(("unset", 0), |guard| (guard.action.as_str(), guard.score_min));
    let mut pairs = vec![
        pair("direction", word(entity(&words.direction, facts.direction.as_str()))),
        pair("origin", word(entity(&words.origin, facts.origin.as_str()))),
        pair("untrusted", truth(facts.origin.is_untrusted())),
        pair("rule", text(facts.rule.as_str())),
        pair("kind", word(entity(&words.kind, facts.kind.as_str()))),
        pair("severity", number(facts.severity.rank())),
        pair("score", number(facts.score.percent())),
        pair("maskable", truth(facts.maskable)),
        pair("action_configured", word(entity(&words.setting, setting))),
        pair("score_min", number(score_min)),
        pair("guarded", truth(guarded)),
    ];
    if let Origin::ToolResult { tool: Some(tool) } = facts.origin {
        pairs.push(pair("tool", text(tool)));
    }
    asked(facts.principal, &words.action_release, route, pairs, words)
}

fn asked(
    principal: &Principal,
    action: &EntityUid,
    route: &RoutePolicies,
    pairs: Vec<(String, RestrictedExpression)>,
    words: &Vocabulary,
) -> Result<Asked, String> {
    let caller = entity(words.caller(principal.kind), principal.key.as_str());
    let context = Context::from_pairs(pairs).map_err(|error| error.to_string())?;
    // Without the schema: the types of the facts already say what it says, and a test holds them to it.
    let request = Request::new(caller.clone(), action.clone(), route.uid.clone(), context, None)
        .map_err(|error| error.to_string())?;
    let entities = route
        .entities
        .clone()
        .add_entities([caller_entity(principal, caller, words)?], None)
        .map_err(|error| error.to_string())?;
    Ok(Asked { request, entities })
}

fn caller_entity(principal: &Principal, uid: EntityUid, words: &Vocabulary) -> Result<Entity, String> {
    let mut parents = HashSet::from([entity(&words.tenant, principal.tenant.as_str())]);
    parents.extend(principal.roles.iter().map(|role| entity(&words.role, &role.0)));
    let attributes = HashMap::from([("name".to_owned(), text(&principal.name))]);
    Entity::new(uid, attributes, parents).map_err(|error| error.to_string())
}

fn pair(name: &str, value: RestrictedExpression) -> (String, RestrictedExpression) {
    (name.to_owned(), value)
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn truth(value: bool) -> RestrictedExpression {
    RestrictedExpression::new_bool(value)
}

fn number(value: u8) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::from(value))
}

fn word(value: EntityUid) -> RestrictedExpression {
    RestrictedExpression::new_entity_uid(value)
}

#[cfg(test)]
mod tests;
