//! Facts to expected decisions, from `tests/cases/*.toml`.

use serde::Deserialize;
use testudo_policy::{AdmitFacts, FindingFacts, ModelPattern, ModelScope, RouteScope};
use testudo_types::{
    Action, Decision, Direction, ModelName, Origin, PrincipalKind, RuleId, Score, Severity, ThreatKind,
};

use crate::world::{self, Guards};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

/// One case; what is not written has the value of an ordinary request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Policies beside the shipped ones.
    #[serde(default)]
    own: String,
    /// Leaves the shipped policies out.
    #[serde(default)]
    alone: bool,
    #[serde(default)]
    route: RouteTyped,
    #[serde(default)]
    caller: CallerTyped,
    admit: Option<AdmitTyped>,
    judge: Option<JudgeTyped>,
    expect: Expected,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteTyped {
    hosted_tools: Option<bool>,
    server_history: Option<bool>,
    #[serde(default)]
    request: Guards,
    #[serde(default)]
    response: Guards,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallerTyped {
    kind: Option<String>,
    tenant: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdmitTyped {
    route: Option<String>,
    model: Option<String>,
    operation: Option<String>,
    key_routes: Option<Vec<String>>,
    key_models: Option<Vec<String>>,
    #[serde(default)]
    hosted_tools: bool,
    #[serde(default)]
    server_history: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JudgeTyped {
    route: Option<String>,
    direction: Option<String>,
    origin: Option<String>,
    tool: Option<String>,
    rule: Option<String>,
    kind: Option<String>,
    severity: Option<String>,
    score: Option<u8>,
    maskable: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    action: String,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    reasons: Vec<String>,
    /// How many errors the decision carries.
    #[serde(default)]
    errors: usize,
}

#[test]
fn admission_cases() {
    run(include_str!("../cases/admit.toml"));
}

#[test]
fn judgement_cases() {
    run(include_str!("../cases/judge.toml"));
}

#[test]
fn r18_failing_policy_blocks() {
    run(include_str!("../cases/failing.toml"));
}

fn run(text: &str) {
    let file: File = toml::from_str(text).expect("a file of cases");
    for case in &file.case {
        let decision = decide(case);
        let policies: Vec<&str> = decision.policies.iter().map(|policy| policy.as_str()).collect();
        let reasons: Vec<&str> = decision.reasons.iter().map(|reason| &*reason.0).collect();
        let name = &case.name;
        assert_eq!(decision.action.as_str(), case.expect.action, "{name}: {decision:?}");
        assert_eq!(policies, case.expect.policies, "{name}");
        assert_eq!(reasons, case.expect.reasons, "{name}");
        assert_eq!(
            decision.errors.len(),
            case.expect.errors,
            "{name}: {:?}",
            decision.errors
        );
    }
}

fn decide(case: &Case) -> Decision {
    let mut route = world::route("openai", "balanced");
    route.hosted_tools = case.route.hosted_tools.unwrap_or(true);
    route.server_history = case.route.server_history.unwrap_or(true);
    route.request = world::guards(&case.route.request);
    route.response = world::guards(&case.route.response);
    let routes = [route, world::route("claude", "strict")];
    let engine =
        world::engine(&case.own, !case.alone, &routes).unwrap_or_else(|problems| panic!("{}: {problems:?}", case.name));
    let kind = case.caller.kind.as_deref().unwrap_or("service");
    let principal = world::caller(
        PrincipalKind::from_name(kind).expect("a kind of caller"),
        case.caller.tenant.as_deref().unwrap_or("acme"),
        "k1",
        &case.caller.roles,
    );
    match (&case.admit, &case.judge) {
        (Some(admit), None) => admitted(&engine, &principal, admit),
        (None, Some(judge)) => judged(&engine, &principal, judge),
        _ => panic!("{}: write either `admit` or `judge`", case.name),
    }
}

fn admitted(
    engine: &testudo_policy::PolicyEngine,
    principal: &testudo_types::Principal,
    typed: &AdmitTyped,
) -> Decision {
    let key_routes = match &typed.key_routes {
        None => RouteScope::All,
        Some(names) => RouteScope::Only(names.iter().map(|name| world::route_name(name)).collect()),
    };
    let key_models = match &typed.key_models {
        None => ModelScope::All,
        Some(patterns) => ModelScope::Only(
            patterns
                .iter()
                .map(|pattern| ModelPattern::parse(pattern).unwrap())
                .collect(),
        ),
    };
    let model = typed.model.as_deref().map(|name| ModelName::parse(name).unwrap());
    let route = world::route_name(typed.route.as_deref().unwrap_or("openai"));
    let admission = engine.admit(&AdmitFacts {
        principal,
        route: &route,
        model: model.as_ref(),
        operation: typed.operation.as_deref().unwrap_or("chat_completions"),
        key_routes: &key_routes,
        key_models: &key_models,
        hosted_tools: typed.hosted_tools,
        server_history: typed.server_history,
    });
    let lets_through = matches!(admission.decision.action, Action::Pass | Action::Observe);
    assert_eq!(
        admission.permit.is_some(),
        lets_through,
        "a permit exactly when let through"
    );
    if let Some(permit) = &admission.permit {
        assert_eq!((permit.route(), permit.model()), (&route, model.as_ref()));
    }
    admission.decision
}

fn judged(engine: &testudo_policy::PolicyEngine, principal: &testudo_types::Principal, typed: &JudgeTyped) -> Decision {
    let origin = match &typed.tool {
        Some(tool) => Origin::ToolResult {
            tool: Some(tool.as_str().into()),
        },
        None => Origin::from_name(typed.origin.as_deref().unwrap_or("user")).expect("an origin"),
    };
    let direction = match typed.direction.as_deref() {
        None | Some("request") => Direction::Request,
        Some("response") => Direction::Response,
        Some(other) => panic!("`{other}` is no direction"),
    };
    engine.judge(&FindingFacts {
        principal,
        route: &world::route_name(typed.route.as_deref().unwrap_or("openai")),
        direction,
        origin: &origin,
        rule: &RuleId::new(typed.rule.as_deref().unwrap_or("secret.github-pat")),
        kind: ThreatKind::from_name(typed.kind.as_deref().unwrap_or("secret")).expect("a kind"),
        severity: Severity::from_name(typed.severity.as_deref().unwrap_or("high")).expect("a severity"),
        score: Score::new(typed.score.unwrap_or(90)).expect("a score"),
        maskable: typed.maskable.unwrap_or(true),
    })
}
