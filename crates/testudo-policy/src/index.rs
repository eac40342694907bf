//! Policies sorted by route and question, so that a decision evaluates few.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use cedar_policy::{
    ActionConstraint, Effect, Entities, Entity, EntityUid, Policy, PolicySet, ResourceConstraint, RestrictedExpression,
};
use testudo_types::{Action, ApproverGroup, Direction, HoldWay, PolicyName, RouteName, ThreatKind};

use crate::loading::Loaded;
use crate::vocabulary::{Vocabulary, entity};
use crate::{Guard, MCP_PREFIX, PolicyFault, PolicyProblem, RouteFacts};

/// What a policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// May this caller send this request through this route?
    Use,
    /// What is to be done about a finding?
    Release,
    /// May this caller see or call this tool?
    Call,
    /// May this call go, which a model asks for?
    Act,
}

impl Question {
    /// The name of the action in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Use => "use",
            Self::Release => "release",
            Self::Call => "call",
            Self::Act => "act",
        }
    }
}

/// A policy that takes part in the decisions of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectivePolicy {
    pub name: PolicyName,
    /// The file it stands in, as it was named at loading.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What it takes part in; at least one.
    pub questions: Vec<Question>,
    /// What it asks for when it applies.
    pub action: Action,
    /// What becomes of a call that it holds, and who has to approve it.
    pub way: HoldWay,
    pub approvers: Option<ApproverGroup>,
}

/// The policies of a question on a route.
#[derive(Debug, Default)]
pub(crate) struct Deciding {
    pub(crate) permits: PolicySet,
    pub(crate) forbids: PolicySet,
}

/// All that the decisions of one route need, prepared.
pub(crate) struct RoutePolicies {
    pub(crate) uid: EntityUid,
    /// The route as an entity; callers are added per decision.
    pub(crate) entities: Entities,
    pub(crate) on_use: Deciding,
    pub(crate) on_release: Deciding,
    /// Empty for routes that lead to no tools.
    pub(crate) on_call: Deciding,
    pub(crate) on_act: Deciding,
    pub(crate) effective: Vec<EffectivePolicy>,
    request: BTreeMap<ThreatKind, Guard>,
    response: BTreeMap<ThreatKind, Guard>,
    request_guarded: bool,
    response_guarded: bool,
}

impl fmt::Debug for RoutePolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoutePolicies")
            .field("effective", &self.effective)
            .finish_non_exhaustive()
    }
}

impl RoutePolicies {
    /// What the profile says about a kind, and whether it guards the direction at all.
    pub(crate) fn guard(&self, direction: Direction, kind: ThreatKind) -> (Option<Guard>, bool) {
        match direction {
            Direction::Request => (self.request.get(&kind).copied(), self.request_guarded),
            Direction::Response => (self.response.get(&kind).copied(), self.response_guarded),
        }
    }
}

/// Sorts policies by route; a policy that could never apply is a problem.
pub(crate) fn index(
    loaded: &[Loaded],
    routes: &[RouteFacts],
    vocabulary: &Vocabulary,
) -> (BTreeMap<RouteName, RoutePolicies>, Vec<PolicyProblem>) {
    let mut problems = dead_policies(loaded, routes, vocabulary);
    let mut sorted = BTreeMap::new();
    for route in routes {
        let line = |fault| PolicyProblem {
            file: "routes".to_owned(),
            line: None,
            policy: None,
            fault,
        };
        if sorted.contains_key(&route.name) {
            problems.push(line(PolicyFault::RouteDuplicate(route.name.to_string())));
            continue;
        }
        match route_policies(loaded, route, vocabulary) {
            Ok(policies) => {
                sorted.insert(route.name.clone(), policies);
            }
            Err(error) => problems.push(line(PolicyFault::Internal(error))),
        }
    }
    (sorted, problems)
}

/// Whether a policy takes part in the decisions of an action.
pub(crate) fn decides(policy: &Policy, action: &EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == *action,
        ActionConstraint::In(several) => several.contains(action),
    }
}

fn dead_policies(loaded: &[Loaded], routes: &[RouteFacts], vocabulary: &Vocabulary) -> Vec<PolicyProblem> {
    let names: BTreeSet<&str> = routes.iter().map(|route| route.name.as_str()).collect();
    let profiles: BTreeSet<&str> = routes.iter().map(|route| route.profile.as_str()).collect();
    let mut problems = Vec::new();
    for one in loaded {
        let mut literals = one.policy.entity_literals();
        literals.sort_by_key(ToString::to_string);
        literals.dedup();
        for literal in literals {
            let id: &str = literal.id().unescaped();
            let fault = if *literal.type_name() == vocabulary.route && !names.contains(id) {
                PolicyFault::RouteUnknown(id.to_owned())
            } else if *literal.type_name() == vocabulary.profile && !profiles.contains(id) {
                PolicyFault::ProfileUnknown(id.to_owned())
            } else {
                continue;
            };
            problems.push(PolicyProblem {
                file: one.file.clone(),
                line: Some(one.line),
                policy: Some(one.name.clone()),
                fault,
            });
        }
    }
    problems
}

fn route_policies(loaded: &[Loaded], route: &RouteFacts, vocabulary: &Vocabulary) -> Result<RoutePolicies, String> {
    let uid = entity(&vocabulary.route, route.name.as_str());
    let profile = entity(&vocabulary.profile, route.profile.as_str());
    let mut on_use = Deciding::default();
    let mut on_release = Deciding::default();
    let mut on_call = Deciding::default();
    let mut on_act = Deciding::default();
    let has_tools = route.name.as_str().starts_with(MCP_PREFIX);
    let mut effective = Vec::new();
    for one in loaded.iter().filter(|one| concerns(&one.policy, &uid, &profile)) {
        let mut questions = Vec::new();
        let askings = [
            (Question::Use, &vocabulary.action_use, &mut on_use),
            (Question::Release, &vocabulary.action_release, &mut on_release),
            (Question::Call, &vocabulary.action_call, &mut on_call),
            (Question::Act, &vocabulary.action_act, &mut on_act),
        ];
        for (question, action, deciding) in askings {
            if question == Question::Call && !has_tools {
                continue;
            }
            if decides(&one.policy, action) {
                questions.push(question);
                deciding.add(&one.policy)?;
            }
        }
        if questions.is_empty() {
            continue;
        }
        effective.push(EffectivePolicy {
            name: PolicyName::new(&one.name),
            file: one.file.clone(),
            line: one.line,
            questions,
            action: one.action,
            way: one.way,
            approvers: one.approvers.clone(),
        });
    }
    Ok(RoutePolicies {
        entities: route_entities(route, &uid, profile, vocabulary)?,
        uid,
        on_use,
        on_release,
        on_call,
        on_act,
        effective,
        request: route.request.clone(),
        response: route.response.clone(),
        request_guarded: is_guarded(&route.request),
        response_guarded: is_guarded(&route.response),
    })
}

impl Deciding {
    fn add(&mut self, policy: &Policy) -> Result<(), String> {
        let set = match policy.effect() {
            Effect::Permit => &mut self.permits,
            Effect::Forbid => &mut self.forbids,
        };
        set.add(policy.clone()).map_err(|error| error.to_string())
    }
}

fn route_entities(
    route: &RouteFacts,
    uid: &EntityUid,
    profile: EntityUid,
    vocabulary: &Vocabulary,
) -> Result<Entities, String> {
    let attributes = HashMap::from([
        (
            "hosted_tools".to_owned(),
            RestrictedExpression::new_bool(route.hosted_tools),
        ),
        (
            "server_history".to_owned(),
            RestrictedExpression::new_bool(route.server_history),
        ),
    ]);
    let parent = Entity::with_uid(profile.clone());
    let entity = Entity::new(uid.clone(), attributes, HashSet::from([profile])).map_err(|error| error.to_string())?;
    // Checked once against the schema; the result without the schema's action entities is what decisions use.
    Entities::from_entities([entity.clone(), parent.clone()], Some(&vocabulary.schema))
        .map_err(|error| error.to_string())?;
    Entities::from_entities([entity, parent], None).map_err(|error| error.to_string())
}

/// Whether a policy's scope lets it apply to a route. What stands in its conditions is left to evaluation.
fn concerns(policy: &Policy, route: &EntityUid, profile: &EntityUid) -> bool {
    match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => true,
        ResourceConstraint::Eq(one) => one == *route,
        ResourceConstraint::In(one) | ResourceConstraint::IsIn(_, one) => one == *route || one == *profile,
    }
}

fn is_guarded(guards: &BTreeMap<ThreatKind, Guard>) -> bool {
    guards.values().any(|guard| guard.action > Action::Observe)
}
