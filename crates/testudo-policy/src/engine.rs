//! The questions and their answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{AuthorizationError, Authorizer, PolicySet};
use testudo_types::{Action, ApproverGroup, Decision, HoldWay, PolicyName, Reason, RouteName, Verdict};

use crate::index::{Deciding, RoutePolicies, index};
use crate::loading::{Loaded, load};
use crate::remembered::{Admissions, Facts};
use crate::requests::{self, Asked};
use crate::vocabulary::Vocabulary;
use crate::{
    ActFacts, Admission, AdmitFacts, CallFacts, EffectivePolicy, FindingFacts, Permit, PolicyProblem, PolicySource,
    Question, RouteFacts,
};

/// A checked set of policies for a set of routes; immutable, shared behind an `Arc`, replaced whole.
#[derive(Debug)]
pub struct PolicyEngine {
    vocabulary: Vocabulary,
    routes: BTreeMap<RouteName, RoutePolicies>,
    asks_for: BTreeMap<String, AsksFor>,
    authorizer: Authorizer,
    pub(crate) admissions: Admissions,
}

/// What a policy asks for when it applies.
#[derive(Debug)]
struct AsksFor {
    name: PolicyName,
    action: Action,
    reason: Option<Reason>,
    approvers: Option<ApproverGroup>,
    way: HoldWay,
}

impl PolicyEngine {
    /// Reads, checks and sorts policies. The shipped ones are in [`Self::default_sources`]; pass
    /// them before the user's own.
    ///
    /// # Errors
    /// Every mistake of every source at once: syntax, what the schema does not know, missing or
    /// repeated ids, and policies that could never apply to any of the routes.
    pub fn new(sources: &[PolicySource], routes: &[RouteFacts]) -> Result<Self, Vec<PolicyProblem>> {
        let vocabulary = Vocabulary::new().map_err(|fault| {
            vec![PolicyProblem {
                file: "testudo.cedarschema".to_owned(),
                line: None,
                policy: None,
                fault,
            }]
        })?;
        let (loaded, mut problems) = load(sources, &vocabulary);
        let (routes, dead) = index(&loaded, routes, &vocabulary);
        problems.extend(dead);
        if !problems.is_empty() {
            let place = |problem: &PolicyProblem| {
                sources
                    .iter()
                    .position(|source| source.name == problem.file)
                    .unwrap_or(usize::MAX)
            };
            problems.sort_by_key(|problem| (place(problem), problem.line));
            return Err(problems);
        }
        let asks_for = loaded.into_iter().map(asks_for).collect();
        Ok(Self {
            vocabulary,
            routes,
            asks_for,
            authorizer: Authorizer::new(),
            admissions: Admissions::default(),
        })
    }

    /// The policies that ship: `use.cedar`, `release.cedar`, `call.cedar` and `act.cedar`.
    #[must_use]
    pub fn default_sources() -> Vec<PolicySource> {
        [
            ("built-in use.cedar", include_str!("../policies/use.cedar")),
            ("built-in release.cedar", include_str!("../policies/release.cedar")),
            ("built-in call.cedar", include_str!("../policies/call.cedar")),
            ("built-in act.cedar", include_str!("../policies/act.cedar")),
        ]
        .map(|(name, text)| PolicySource {
            name: name.to_owned(),
            text: text.to_owned(),
        })
        .into()
    }

    /// Whether a caller may send a request through a route. The permit is there exactly when the
    /// action is [`Action::Pass`] or [`Action::Observe`].
    pub fn admit(&self, facts: &AdmitFacts<'_>) -> Admission {
        let known = Facts::of(facts);
        let decision = match self.admissions.get(&known) {
            Some(decision) => decision,
            None => {
                let decision = self.decide_use(facts);
                if lets_through(&decision) {
                    self.admissions.keep(known, &decision);
                }
                decision
            }
        };
        let permit = lets_through(&decision).then(|| {
            Permit::new(
                facts.route.clone(),
                facts.principal.key.clone(),
                facts.model.cloned(),
                decision.policies.clone(),
            )
        });
        Admission { decision, permit }
    }

    /// What policies say, whatever is remembered.
    pub(crate) fn decide_use(&self, facts: &AdmitFacts<'_>) -> Decision {
        let Some(route) = self.routes.get(facts.route) else {
            return no_such_route(facts.route);
        };
        match requests::on_use(facts, route, &self.vocabulary) {
            Ok(asked) => without_mask(self.decide(&asked, &route.on_use)),
            Err(error) => failed(vec![error], Vec::new()),
        }
    }

    /// Whether a caller may see or call a tool. The permit is there exactly when the action is
    /// [`Action::Pass`] or [`Action::Observe`] and the tool is called, not listed.
    pub fn call(&self, facts: &CallFacts<'_>) -> Admission {
        let decision = match self.routes.get(facts.route) {
            None => no_such_route(facts.route),
            Some(route) => match requests::on_call(facts, route, &self.vocabulary) {
                Ok(asked) => without_mask(self.decide(&asked, &route.on_call)),
                Err(error) => failed(vec![error], Vec::new()),
            },
        };
        let permit = (!facts.listing && lets_through(&decision)).then(|| {
            Permit::new(
                facts.route.clone(),
                facts.principal.key.clone(),
                None,
                decision.policies.clone(),
            )
        });
        Admission { decision, permit }
    }

    /// Whether a call goes that a model asks for. It goes exactly when the action is [`Action::Pass`] or
    /// [`Action::Observe`]; [`Action::Hold`] waits for a person, of each group in [`Decision::approvers`].
    #[must_use]
    pub fn act(&self, facts: &ActFacts<'_>) -> Decision {
        let Some(route) = self.routes.get(facts.route) else {
            return no_such_route(facts.route);
        };
        match requests::on_act(facts, route, &self.vocabulary) {
            Ok(asked) => without_mask(self.decide(&asked, &route.on_act)),
            Err(error) => failed(vec![error], Vec::new()),
        }
    }

    /// What policies see of a call, as JSON: for people who ask why. `None` for a route that is not loaded.
    #[must_use]
    pub fn act_context(&self, facts: &ActFacts<'_>) -> Option<serde_json::Value> {
        let route = self.routes.get(facts.route)?;
        seen(&requests::on_act(facts, route, &self.vocabulary).ok()?)
    }

    /// What policies see of a request, as JSON: for people who ask why.
    #[must_use]
    pub fn use_context(&self, facts: &AdmitFacts<'_>) -> Option<serde_json::Value> {
        let route = self.routes.get(facts.route)?;
        seen(&requests::on_use(facts, route, &self.vocabulary).ok()?)
    }

    /// What policies see of a tool that is listed or called, as JSON.
    #[must_use]
    pub fn call_context(&self, facts: &CallFacts<'_>) -> Option<serde_json::Value> {
        let route = self.routes.get(facts.route)?;
        seen(&requests::on_call(facts, route, &self.vocabulary).ok()?)
    }

    /// What policies see of a finding, as JSON.
    #[must_use]
    pub fn release_context(&self, facts: &FindingFacts<'_>) -> Option<serde_json::Value> {
        let route = self.routes.get(facts.route)?;
        seen(&requests::on_release(facts, route, &self.vocabulary).ok()?)
    }

    /// What is to be done about a finding. A mask where nothing can be masked is a block.
    #[must_use]
    pub fn judge(&self, facts: &FindingFacts<'_>) -> Decision {
        let Some(route) = self.routes.get(facts.route) else {
            return no_such_route(facts.route);
        };
        match requests::on_release(facts, route, &self.vocabulary) {
            Ok(asked) if facts.maskable => self.decide(&asked, &route.on_release),
            Ok(asked) => without_mask(self.decide(&asked, &route.on_release)),
            Err(error) => failed(vec![error], Vec::new()),
        }
    }

    /// The policies that take part in a route's decisions, in the order of their files; none for an unknown route.
    #[must_use]
    pub fn effective(&self, route: &RouteName) -> Vec<EffectivePolicy> {
        self.routes
            .get(route)
            .map(|route| route.effective.clone())
            .unwrap_or_default()
    }

    /// Whether a policy about calls on a route names people who approve, whatever the route does with other holds.
    #[must_use]
    pub fn asks_people(&self, route: &RouteName) -> bool {
        let effective = self.routes.get(route).map_or(&[][..], |route| &route.effective);
        effective
            .iter()
            .any(|policy| policy.way == HoldWay::Approval && policy.questions.contains(&Question::Act))
    }

    /// Permits and forbids are asked apart, so that a `forbid` that only asks for a mask never
    /// stands in for a missing `permit`. The engine underneath skips a policy that fails; here
    /// any failure is a block.
    fn decide(&self, asked: &Asked, deciding: &Deciding) -> Decision {
        let mut answer = Answer::default();
        let permits = self.ask(asked, &deciding.permits, &mut answer);
        let forbids = self.ask(asked, &deciding.forbids, &mut answer);
        if !answer.errors.is_empty() {
            return failed(answer.errors, answer.failing);
        }
        let applying: Vec<&AsksFor> = permits.iter().chain(&forbids).copied().collect();
        let Some(strictest) = applying.iter().map(|policy| policy.action).max() else {
            return blocked("no policy permits this");
        };
        if permits.is_empty() && strictest != Action::Block {
            return blocked("no policy permits this");
        }
        conclude(strictest, &applying)
    }

    fn ask<'a>(&'a self, asked: &Asked, policies: &PolicySet, answer: &mut Answer) -> Vec<&'a AsksFor> {
        if policies.is_empty() {
            return Vec::new();
        }
        let response = self.authorizer.is_authorized(&asked.request, policies, &asked.entities);
        for error in response.diagnostics().errors() {
            let AuthorizationError::PolicyEvaluationError(failure) = error;
            answer.errors.push(error.to_string());
            answer.failing.push(PolicyName::new(failure.policy_id().as_ref()));
        }
        let mut applying = Vec::new();
        for id in response.diagnostics().reason() {
            let id: &str = id.as_ref();
            match self.asks_for.get(id) {
                Some(policy) => applying.push(policy),
                None => answer
                    .errors
                    .push(format!("the policy `{id}` applied but is not loaded")),
            }
        }
        applying.sort_by(|one, other| one.name.cmp(&other.name));
        applying
    }
}

fn seen(asked: &Asked) -> Option<serde_json::Value> {
    asked.request.context()?.to_json_value().ok()
}

fn lets_through(decision: &Decision) -> bool {
    matches!(decision.action, Action::Pass | Action::Observe)
}

/// What went wrong while asking.
#[derive(Debug, Default)]
struct Answer {
    errors: Vec<String>,
    failing: Vec<PolicyName>,
}

fn asks_for(loaded: Loaded) -> (String, AsksFor) {
    let name = PolicyName::new(&loaded.name);
    (
        loaded.name,
        AsksFor {
            name,
            action: loaded.action,
            reason: loaded.reason,
            approvers: loaded.approvers,
            way: loaded.way,
        },
    )
}

/// The decision that the strictest policies ask for; those that asked for less are not its cause.
fn conclude(action: Action, applying: &[&AsksFor]) -> Decision {
    let determining = applying.iter().filter(|policy| policy.action == action);
    let policies = determining.clone().map(|policy| policy.name.clone()).collect();
    let mut reasons: Vec<Reason> = Vec::new();
    for reason in determining.clone().filter_map(|policy| policy.reason.as_ref()) {
        if !reasons.contains(reason) {
            reasons.push(reason.clone());
        }
    }
    let ways: BTreeSet<HoldWay> = determining.clone().map(|policy| policy.way).collect();
    let groups = determining.filter_map(|policy| policy.approvers.clone());
    let approvers: BTreeSet<ApproverGroup> = groups.filter(|_| action == Action::Hold).collect();
    if reasons.is_empty() && action >= Action::Hold {
        reasons.push(reason("a policy does not allow this"));
    }
    Decision {
        verdict: verdict(action),
        action,
        policies,
        reasons,
        approvers: approvers.into_iter().collect(),
        ways: ways.into_iter().filter(|_| action == Action::Hold).collect(),
        errors: Vec::new(),
    }
}

fn without_mask(decision: Decision) -> Decision {
    if decision.action != Action::Mask {
        return decision;
    }
    Decision {
        verdict: Verdict::Deny,
        action: Action::Block,
        reasons: vec![reason("what was found cannot be masked in its place")],
        approvers: Vec::new(),
        ways: Vec::new(),
        ..decision
    }
}

fn no_such_route(route: &RouteName) -> Decision {
    failed(vec![format!("the route `{route}` is not loaded")], Vec::new())
}

fn failed(mut errors: Vec<String>, mut policies: Vec<PolicyName>) -> Decision {
    errors.sort();
    policies.sort();
    Decision {
        policies,
        errors,
        ..blocked("a policy could not be evaluated")
    }
}

fn blocked(why: &str) -> Decision {
    Decision {
        verdict: Verdict::Deny,
        action: Action::Block,
        policies: Vec::new(),
        reasons: vec![reason(why)],
        approvers: Vec::new(),
        ways: Vec::new(),
        errors: Vec::new(),
    }
}

fn reason(text: &str) -> Reason {
    Reason(Arc::from(text))
}

fn verdict(action: Action) -> Verdict {
    match action {
        Action::Pass => Verdict::Allow,
        Action::Observe => Verdict::Warn,
        Action::Mask => Verdict::Modify,
        Action::Hold => Verdict::Escalate,
        Action::Block => Verdict::Deny,
    }
}
