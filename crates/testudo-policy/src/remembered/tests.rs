//! A remembered admission is the one that would be decided, and is given to nobody else.

use std::sync::Arc;

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;
use proptest::test_runner::Config;
use testudo_types::{Action, KeyId, ModelName, PrincipalKind, ProfileName, Role, RouteName, TenantId};

use super::*;
use crate::{ModelPattern, ModelScope, PolicyEngine, PolicySource, RouteFacts, RouteScope};

/// Everything an admission asks about, owned.
#[derive(Debug, Clone, PartialEq)]
struct Owned {
    principal: Principal,
    route: RouteName,
    model: Option<ModelName>,
    operation: &'static str,
    hosted_tools: bool,
    server_history: bool,
}

impl Owned {
    fn facts<'a>(&'a self, key_routes: &'a RouteScope, key_models: &'a ModelScope) -> AdmitFacts<'a> {
        AdmitFacts {
            principal: &self.principal,
            route: &self.route,
            model: self.model.as_ref(),
            operation: self.operation,
            key_routes,
            key_models,
            hosted_tools: self.hosted_tools,
            server_history: self.server_history,
        }
    }
}

/// Few values of each fact, so that many questions differ in one.
fn owned() -> impl Strategy<Value = Owned> {
    let principal = (
        select(vec!["acme", "a"]),
        select(vec![PrincipalKind::User, PrincipalKind::Agent]),
        select(vec!["k1", "k2"]),
        select(vec!["", "ops", "opsops"]),
        proptest::collection::vec(select(vec!["ops", "admin", ""]), 0..3),
    )
        .prop_map(|(tenant, kind, key, name, roles)| Principal {
            tenant: TenantId::parse(tenant).unwrap(),
            kind,
            key: KeyId::parse(key).unwrap(),
            name: name.into(),
            roles: roles.into_iter().map(|role| Role(role.into())).collect(),
        });
    let rest = (
        select(vec!["one", "two"]),
        select(vec![None, Some("m-1"), Some("m-2"), Some("ops")]),
        select(vec!["chat_completions", "models"]),
        any::<bool>(),
        any::<bool>(),
    );
    (principal, rest).prop_map(
        |(principal, (route, model, operation, hosted_tools, server_history))| Owned {
            principal,
            route: RouteName::parse(route).unwrap(),
            model: model.map(|model| ModelName::parse(model).unwrap()),
            operation,
            hosted_tools,
            server_history,
        },
    )
}

/// Own policies that look at every kind of fact.
fn engine() -> PolicyEngine {
    let own = "
        @id(\"own.admins\") @reason(\"no admins\")
        forbid (principal in Role::\"admin\", action == Action::\"use\", resource);
        @id(\"own.two\") forbid (principal is Agent, action == Action::\"use\", resource == Route::\"two\");
        @id(\"own.model\") @action(\"observe\") permit (principal, action == Action::\"use\", resource)
        when { context has model && context.model == \"m-2\" };";
    let mut sources = PolicyEngine::default_sources();
    sources.push(PolicySource {
        name: "own.cedar".to_owned(),
        text: own.to_owned(),
    });
    let route = |name: &str, allowed| RouteFacts {
        name: RouteName::parse(name).unwrap(),
        profile: ProfileName::parse("p").unwrap(),
        request: Default::default(),
        response: Default::default(),
        hosted_tools: allowed,
        server_history: allowed,
    };
    PolicyEngine::new(&sources, &[route("one", true), route("two", false)]).unwrap()
}

fn somebody() -> Owned {
    Owned {
        principal: Principal {
            tenant: TenantId::parse("acme").unwrap(),
            kind: PrincipalKind::User,
            key: KeyId::parse("k1").unwrap(),
            name: Arc::from("ops"),
            roles: Vec::new(),
        },
        route: RouteName::parse("one").unwrap(),
        model: Some(ModelName::parse("m-1").unwrap()),
        operation: "chat_completions",
        hosted_tools: false,
        server_history: false,
    }
}

proptest! {
    #![proptest_config(Config::with_cases(400))]

    #[test]
    fn facts_are_the_same_bytes_exactly_when_they_are_the_same(one in owned(), two in owned()) {
        let (routes, models) = (RouteScope::All, ModelScope::All);
        let same = Facts::of(&one.facts(&routes, &models)) == Facts::of(&two.facts(&routes, &models));
        prop_assert_eq!(same, one == two);
    }
}

proptest! {
    // Each case asks hundreds of questions.
    #![proptest_config(Config::with_cases(4))]

    #[test]
    fn what_was_asked_before_changes_no_answer(asked in proptest::collection::vec(owned(), 300)) {
        let engine = engine();
        let (routes, models) = (RouteScope::All, ModelScope::All);
        for owned in asked.iter().chain(&asked) {
            let facts = owned.facts(&routes, &models);
            let (admission, decided) = (engine.admit(&facts), engine.decide_use(&facts));
            prop_assert_eq!(&admission.decision, &decided);
            prop_assert_eq!(admission.permit.is_some(), matches!(decided.action, Action::Pass | Action::Observe));
            if let Some(permit) = admission.permit {
                prop_assert_eq!((permit.key(), permit.model()), (&owned.principal.key, owned.model.as_ref()));
            }
        }
        prop_assert!(engine.admissions.len() > 0);
    }
}

#[test]
fn a_key_that_is_narrowed_is_asked_anew() {
    let engine = engine();
    let caller = somebody();
    let all = (RouteScope::All, ModelScope::All);
    let routes = RouteScope::Only([RouteName::parse("two").unwrap()].into());
    let models = ModelScope::Only(vec![ModelPattern::parse("m-2").unwrap()]);
    assert!(engine.admit(&caller.facts(&all.0, &all.1)).permit.is_some());
    assert!(engine.admit(&caller.facts(&routes, &all.1)).permit.is_none());
    assert!(engine.admit(&caller.facts(&all.0, &models)).permit.is_none());
    assert!(engine.admit(&caller.facts(&all.0, &all.1)).permit.is_some());
}

#[test]
fn refusals_fill_nothing_and_admissions_stay_few() {
    let engine = engine();
    let (routes, models) = (RouteScope::All, ModelScope::All);
    let mut caller = somebody();
    caller.principal.roles = vec![Role("admin".into())];
    for number in 0..50 {
        caller.model = Some(ModelName::parse(&format!("m{number}")).unwrap());
        assert!(engine.admit(&caller.facts(&routes, &models)).permit.is_none());
    }
    assert_eq!(engine.admissions.len(), 0);
    caller.principal.roles.clear();
    caller.principal.name = "n".repeat(FACTS_BYTES_MAX).into();
    assert!(engine.admit(&caller.facts(&routes, &models)).permit.is_some());
    assert_eq!(engine.admissions.len(), 0);
    caller.principal.name = "n".into();
    for number in 0..ADMISSIONS_MAX + 10 {
        caller.model = Some(ModelName::parse(&format!("m{number}")).unwrap());
        assert!(engine.admit(&caller.facts(&routes, &models)).permit.is_some());
        assert!(engine.admissions.len() <= ADMISSIONS_MAX);
    }
    assert_eq!(engine.admissions.len(), 10);
}
