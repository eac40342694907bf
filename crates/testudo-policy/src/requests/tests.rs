//! Tests of `requests`.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::{Strategy, any, proptest};
use proptest::sample::select;
use proptest::test_runner::Config;
use testudo_types::{
    Action, Direction, KeyId, ModelName, PrincipalKind, ProfileName, Role, RouteName, RuleId, Score, Severity,
    TenantId, ThreatKind,
};

use super::*;
use crate::index::index;
use crate::provenance::{Conversation, Effect, Knobs, Limits, PolicyName, Reading, ToolSpecs};
use crate::{ActFacts, CallHints, Guard, ModelScope, Plan, ProposedCall, RouteFacts, RouteScope, SessionFacts};

fn principal() -> impl Strategy<Value = Principal> {
    let kinds = vec![PrincipalKind::User, PrincipalKind::Service, PrincipalKind::Agent];
    (
        select(kinds),
        any::<String>(),
        proptest::collection::vec(any::<String>(), 0..3),
    )
        .prop_map(|(kind, name, roles)| Principal {
            tenant: TenantId::parse("acme").unwrap(),
            kind,
            key: KeyId::parse("k1").unwrap(),
            name: name.into(),
            roles: roles.into_iter().map(|role| Role(role.into())).collect(),
        })
}

fn origin() -> impl Strategy<Value = Origin> {
    let named = [
        "system",
        "user",
        "assistant",
        "tool_result",
        "document",
        "tool_definition",
        "model",
        "unknown",
    ];
    (select(named.to_vec()), any::<Option<String>>()).prop_map(|(name, tool)| {
        match (Origin::from_name(name).unwrap(), tool) {
            (Origin::ToolResult { .. }, Some(tool)) => Origin::ToolResult {
                tool: Some(tool.into()),
            },
            (other, _) => other,
        }
    })
}

fn guards() -> impl Strategy<Value = BTreeMap<ThreatKind, Guard>> {
    let actions = vec![Action::Pass, Action::Observe, Action::Mask, Action::Hold, Action::Block];
    let guard = (select(actions), 0u8..=100).prop_map(|(action, score_min)| Guard { action, score_min });
    proptest::collection::btree_map(select(ThreatKind::ALL.to_vec()), guard, 0..4)
}

fn route(guards: BTreeMap<ThreatKind, Guard>, words: &Vocabulary) -> (RouteName, RoutePolicies) {
    let facts = RouteFacts {
        name: RouteName::parse("openai").unwrap(),
        profile: ProfileName::parse("balanced").unwrap(),
        response: guards.clone(),
        request: guards,
        hosted_tools: true,
        server_history: false,
    };
    let (mut routes, problems) = index(&[], &[facts], words);
    assert!(problems.is_empty(), "{problems:?}");
    routes.pop_first().unwrap()
}

fn conforms(asked: Asked, action: &EntityUid, words: &Vocabulary) {
    let request = asked.request;
    Request::new(
        request.principal().unwrap().clone(),
        action.clone(),
        request.resource().unwrap().clone(),
        request.context().unwrap().clone(),
        Some(&words.schema),
    )
    .unwrap();
    Entities::from_entities(asked.entities, Some(&words.schema)).unwrap();
}

proptest! {
    #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]

    #[test]
    fn findings_conform_to_the_schema(
        principal in principal(),
        origin in origin(),
        guards in guards(),
        rule in any::<String>(),
        kind in select(ThreatKind::ALL.to_vec()),
        severity in select(vec![Severity::Low, Severity::Medium, Severity::High, Severity::Critical]),
        score in 0u8..=100,
        maskable in any::<bool>(),
        direction in select(vec![Direction::Request, Direction::Response]),
    ) {
        let words = Vocabulary::new().unwrap();
        let (name, route) = route(guards, &words);
        let facts = FindingFacts {
            principal: &principal,
            route: &name,
            direction,
            origin: &origin,
            rule: &RuleId::new(&rule),
            kind,
            severity,
            score: Score::new(score).unwrap(),
            maskable,
        };
        conforms(on_release(&facts, &route, &words).unwrap(), &words.action_release, &words);
    }

    #[test]
    fn requests_conform_to_the_schema(
        principal in principal(),
        model in proptest::option::of("[a-z0-9:/@+._-]{1,40}"),
        operation in any::<String>(),
        hosted_tools in any::<bool>(),
        server_history in any::<bool>(),
    ) {
        let words = Vocabulary::new().unwrap();
        let (name, route) = route(BTreeMap::new(), &words);
        let model = model.map(|model| ModelName::parse(&model).unwrap());
        let facts = AdmitFacts {
            principal: &principal,
            route: &name,
            model: model.as_ref(),
            operation: &operation,
            key_routes: &RouteScope::All,
            key_models: &ModelScope::Only(Vec::new()),
            hosted_tools,
            server_history,
        };
        conforms(on_use(&facts, &route, &words).unwrap(), &words.action_use, &words);
    }
}

proptest! {
    #[test]
    fn calls_conform_to_the_schema(
        principal in principal(),
        server in any::<String>(),
        tool in any::<String>(),
        flags in any::<[bool; 6]>(),
    ) {
        let words = Vocabulary::new().unwrap();
        let (name, route) = route(BTreeMap::new(), &words);
        let facts = CallFacts {
            principal: &principal,
            route: &name,
            key_routes: &RouteScope::All,
            server: &server,
            tool: &tool,
            listing: flags[0],
            allowed: flags[1],
            hints: CallHints {
                read_only: flags[2],
                destructive: flags[3],
                idempotent: flags[4],
                open_world: flags[5],
            },
        };
        conforms(on_call(&facts, &route, &words).unwrap(), &words.action_call, &words);
    }
}

proptest! {
    #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]

    #[test]
    fn acts_conform_to_the_schema(
        principal in principal(),
        tool in any::<String>(),
        effect in select(Effect::ALL.to_vec()),
        user in any::<String>(),
        read in any::<String>(),
        values in any::<[String; 4]>(),
        counts in any::<[u64; 3]>(),
        approved in any::<bool>(),
    ) {
        let words = Vocabulary::new().unwrap();
        let (name, route) = route(BTreeMap::new(), &words);
        let [to, url, file, run] = values;
        let arguments = serde_json::json!({"to": to, "url": url, "file": file, "run": [run, user], "how": counts[0], "q": read});
        let text = format!(
            "[tools.t]\neffect = \"{}\"\nreviewed = true\n[tools.t.arguments]\nto = \"control\"\nurl = \"url\"\nfile = \"path\"\nrun = \"command\"\nhow = \"quantity\"\nq = \"sql\"",
            effect.as_str(),
        );
        let specs = ToolSpecs::from_toml(&text).unwrap();
        let mut conversation = Conversation::new(Limits::default(), Reading::Close);
        conversation.push_user(&user, &[]);
        conversation.push_result(&specs, &tool, &arguments, &read, false);
        let knobs = Knobs::from(PolicyName::Default);
        for asked in ["t", tool.as_str()] {
            let call = ProposedCall::of(&knobs, &specs, &conversation, asked, &arguments);
            let facts = ActFacts {
                principal: &principal,
                route: &name,
                call: &call,
                session: SessionFacts { calls_1h: counts[1], sum_24h: counts[2], ..SessionFacts::default() },
                plan: Plan::Outside,
                approved,
            };
            conforms(on_act(&facts, &route, &words).unwrap(), &words.action_act, &words);
        }
    }
}

#[test]
fn the_engine_and_its_parts_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Arc<crate::PolicyEngine>>();
}
