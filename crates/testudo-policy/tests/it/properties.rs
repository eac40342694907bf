//! What holds for every set of policies and every finding.

use std::sync::Arc;

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use proptest::test_runner::Config;
use testudo_policy::{FindingFacts, Judging, PolicyEngine, RouteFacts};
use testudo_types::{Action, Decision, Direction, Origin, PrincipalKind, RuleId, Score, Severity, ThreatKind, Verdict};

use crate::world;

/// A policy that applies from a score on.
#[derive(Debug, Clone)]
struct Drawn {
    permits: bool,
    action: Action,
    from_score: u8,
    route: Option<&'static str>,
}

impl Drawn {
    fn text(&self, id: usize) -> String {
        let effect = if self.permits { "permit" } else { "forbid" };
        let resource = self
            .route
            .map_or("resource".to_owned(), |route| format!("resource == Route::\"{route}\""));
        format!(
            "@id(\"own.{id}\") @action(\"{}\") {effect} (principal, action == Action::\"release\", {resource}) \
             when {{ context.score >= {} }};\n",
            self.action.as_str(),
            self.from_score
        )
    }

    fn applies(&self, score: u8, route: &str) -> bool {
        score >= self.from_score && self.route.is_none_or(|one| one == route)
    }
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let permits = prop_oneof![
        Just(Action::Pass),
        Just(Action::Observe),
        Just(Action::Mask),
        Just(Action::Hold)
    ];
    let forbids = prop_oneof![
        Just(Action::Observe),
        Just(Action::Mask),
        Just(Action::Hold),
        Just(Action::Block)
    ];
    let of = |permits: bool, actions: proptest::strategy::BoxedStrategy<Action>| {
        let route = prop_oneof![Just(None), Just(Some("openai")), Just(Some("claude"))];
        (actions, 0u8..=100, route).prop_map(move |(action, from_score, route)| Drawn {
            permits,
            action,
            from_score,
            route,
        })
    };
    prop_oneof![of(true, permits.boxed()), of(false, forbids.boxed())]
}

/// What the rules in `docs/policy.md` say, written down independently.
fn expected(policies: &[Drawn], score: u8, route: &str, maskable: bool) -> Action {
    let applying: Vec<&Drawn> = policies.iter().filter(|policy| policy.applies(score, route)).collect();
    if !applying.iter().any(|policy| policy.permits) {
        return Action::Block;
    }
    match applying.iter().map(|policy| policy.action).max() {
        Some(Action::Mask) if !maskable => Action::Block,
        Some(action) => action,
        None => Action::Block,
    }
}

fn routes() -> [RouteFacts; 2] {
    [world::route("openai", "balanced"), world::route("claude", "strict")]
}

fn judge(engine: &PolicyEngine, route: &str, score: u8, maskable: bool) -> Decision {
    engine.judge(&FindingFacts {
        principal: &world::caller(PrincipalKind::Agent, "acme", "k1", &[]),
        route: &world::route_name(route),
        direction: Direction::Request,
        origin: &Origin::User,
        rule: &RuleId::new("secret.github-pat"),
        kind: ThreatKind::Secret,
        severity: Severity::High,
        score: Score::new(score).unwrap(),
        maskable,
    })
}

proptest! {
    #![proptest_config(Config { cases: 32, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_strictest_policy_that_applies_wins_and_none_is_a_block(
        policies in proptest::collection::vec(drawn(), 0..8),
        scores in proptest::collection::vec(0u8..=100, 4),
        maskable in any::<bool>(),
    ) {
        let text: String = policies.iter().enumerate().map(|(id, policy)| policy.text(id)).collect();
        let engine = world::engine(&text, false, &routes()).unwrap();
        for route in ["openai", "claude"] {
            for score in &scores {
                let decision = judge(&engine, route, *score, maskable);
                prop_assert_eq!(decision.action, expected(&policies, *score, route, maskable));
                prop_assert_eq!(decision.verdict == Verdict::Allow, decision.action == Action::Pass);
                prop_assert!(decision.errors.is_empty());
            }
        }
    }

    #[test]
    fn one_more_policy_that_forbids_never_loosens(
        policies in proptest::collection::vec(drawn(), 0..6),
        more in drawn().prop_filter("a forbid", |policy| !policy.permits),
        score in 0u8..=100,
    ) {
        let text: String = policies.iter().enumerate().map(|(id, policy)| policy.text(id)).collect();
        let before = world::engine(&text, false, &routes()).unwrap();
        let after = world::engine(&format!("{text}{}", more.text(99)), false, &routes()).unwrap();
        for route in ["openai", "claude"] {
            prop_assert!(judge(&after, route, score, true).action >= judge(&before, route, score, true).action);
        }
    }

    #[test]
    fn the_order_of_policies_does_not_matter(
        policies in proptest::collection::vec(drawn(), 0..8),
        score in 0u8..=100,
    ) {
        let texts: Vec<String> = policies.iter().enumerate().map(|(id, policy)| policy.text(id)).collect();
        let forwards = world::engine(&texts.concat(), false, &routes()).unwrap();
        let backwards: String = texts.iter().rev().cloned().collect();
        let backwards = world::engine(&backwards, false, &routes()).unwrap();
        prop_assert_eq!(judge(&forwards, "openai", score, true), judge(&backwards, "openai", score, true));
    }

    #[test]
    fn a_route_in_the_scope_and_in_the_condition_decide_alike(
        policy in drawn(),
        score in 0u8..=100,
    ) {
        let Some(route) = policy.route else { return Ok(()) };
        let scoped = world::engine(&policy.text(0), false, &routes()).unwrap();
        let everywhere = Drawn { route: None, ..policy }.text(0);
        let conditioned = everywhere.replace("when {", &format!("when {{ resource == Route::\"{route}\" &&"));
        let conditioned = world::engine(&conditioned, false, &routes()).unwrap();
        for asked in ["openai", "claude"] {
            prop_assert_eq!(judge(&scoped, asked, score, true), judge(&conditioned, asked, score, true));
        }
    }

    #[test]
    fn a_remembered_decision_is_the_decision(
        policies in proptest::collection::vec(drawn(), 0..6),
        asked in proptest::collection::vec((any::<bool>(), select(vec![0u8, 50, 51, 100]), 0usize..3, any::<bool>()), 0..40),
    ) {
        let text: String = policies.iter().enumerate().map(|(id, policy)| policy.text(id)).collect();
        let own = "@id(\"own.agents\") forbid (principal is Agent, action == Action::\"release\", resource);\n\
                   @id(\"own.mail\") @action(\"hold\") forbid (principal, action == Action::\"release\", resource) \
                   when { context has tool && context.tool == \"mail\" };\n";
        let engine = Arc::new(world::engine(&format!("{text}{own}"), true, &routes()).unwrap());
        let mut judging = Judging::new(Arc::clone(&engine));
        let origins = [
            Origin::User,
            Origin::ToolResult { tool: None },
            Origin::ToolResult { tool: Some("mail".into()) },
        ];
        let rule = RuleId::new("secret.github-pat");
        for (agent, score, origin, maskable) in asked {
            let kind = if agent { PrincipalKind::Agent } else { PrincipalKind::User };
            let facts = FindingFacts {
                principal: &world::caller(kind, "acme", "k1", &[]),
                route: &world::route_name(if score % 2 == 0 { "openai" } else { "claude" }),
                direction: Direction::Request,
                origin: &origins[origin],
                rule: &rule,
                kind: ThreatKind::Secret,
                severity: Severity::High,
                score: Score::new(score).unwrap(),
                maskable,
            };
            prop_assert_eq!(judging.judge(&facts), engine.judge(&facts));
        }
    }

    #[test]
    fn no_text_makes_loading_panic(text in "\\PC{0,200}") {
        let _loaded = world::engine(&text, true, &routes());
    }
}
