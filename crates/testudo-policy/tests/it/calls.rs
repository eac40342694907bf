//! Who may see and call which tools of MCP servers.

use testudo_policy::{CallFacts, CallHints, RouteScope};
use testudo_types::PrincipalKind;

use crate::world;

const HINTS: CallHints = CallHints {
    read_only: true,
    destructive: false,
    idempotent: true,
    open_world: false,
};

struct Case {
    own: &'static str,
    route: &'static str,
    covered: bool,
    listing: bool,
    allowed: bool,
    tool: &'static str,
    hints: CallHints,
}

const PLAIN: Case = Case {
    own: "",
    route: "mcp.mail",
    covered: true,
    listing: false,
    allowed: true,
    tool: "read",
    hints: HINTS,
};

/// Whether it goes on, whether there is a permit, and why not.
fn decide(case: &Case) -> (bool, bool, String) {
    let engine = world::engine(
        case.own,
        true,
        &[world::route("mcp.mail", "tools"), world::route("openai", "balanced")],
    );
    let engine = engine.unwrap();
    let principal = world::caller(PrincipalKind::Agent, "acme", "k1", &[]);
    let scope = if case.covered {
        RouteScope::All
    } else {
        RouteScope::Only(vec![world::route_name("openai")])
    };
    let admission = engine.call(&CallFacts {
        principal: &principal,
        route: &world::route_name(case.route),
        key_routes: &scope,
        server: "mail",
        tool: case.tool,
        listing: case.listing,
        allowed: case.allowed,
        hints: case.hints,
    });
    let reason = admission.decision.reasons.first().map_or("", |it| &it.0).to_owned();
    (
        admission.decision.action <= testudo_types::Action::Observe,
        admission.permit.is_some(),
        reason,
    )
}

#[test]
fn a_call_that_nothing_forbids_gets_a_permit_and_a_listing_none() {
    assert_eq!(decide(&PLAIN), (true, true, String::new()));
    assert_eq!(decide(&Case { listing: true, ..PLAIN }), (true, false, String::new()));
}

fn assert_refused(cases: &[(Case, &str)]) {
    for (case, reason) in cases {
        let (goes_on, permit, why) = decide(case);
        assert!(!goes_on && !permit, "{}", case.own);
        assert_eq!(why, *reason, "{}", case.own);
    }
}

#[test]
fn calls_that_nothing_covers_are_refused() {
    assert_refused(&[
        (
            Case {
                covered: false,
                ..PLAIN
            },
            "this key may not use this server",
        ),
        (
            Case {
                allowed: false,
                ..PLAIN
            },
            "this server's list of tools does not have this one",
        ),
        (
            Case {
                covered: false,
                listing: true,
                ..PLAIN
            },
            "this key may not use this server",
        ),
        (
            Case {
                route: "mcp.other",
                ..PLAIN
            },
            "a policy could not be evaluated",
        ),
        // A route that leads to a model has no policy that permits calls.
        (
            Case {
                route: "openai",
                ..PLAIN
            },
            "no policy permits this",
        ),
    ]);
}

#[test]
fn calls_that_an_operators_policy_forbids_are_refused() {
    assert_refused(&[
        (
            Case {
                own: r#"@id("no") @reason("not by agents") forbid (principal is Agent, action == Action::"call", resource) when { context.tool == "read" };"#,
                ..PLAIN
            },
            "not by agents",
        ),
        (
            Case {
                own: r#"@id("no") @reason("reading only") forbid (principal, action == Action::"call", resource) unless { context.read_only_hint };"#,
                hints: CallHints {
                    read_only: false,
                    ..HINTS
                },
                ..PLAIN
            },
            "reading only",
        ),
        (
            Case {
                own: r#"@id("hold") @action("hold") @reason("a person decides") forbid (principal, action == Action::"call", resource == Route::"mcp.mail") when { !context.listing };"#,
                ..PLAIN
            },
            "a person decides",
        ),
        (
            // An error is a deny.
            Case {
                own: r#"@id("bad") permit (principal, action == Action::"call", resource) when { 9223372036854775807 + 1 > 0 };"#,
                ..PLAIN
            },
            "a policy could not be evaluated",
        ),
    ]);
}

#[test]
fn what_is_forbidden_only_when_called_is_listed() {
    let own = r#"@id("no") @reason("seen, not used") forbid (principal, action == Action::"call", resource) when { !context.listing };"#;
    assert!(
        decide(&Case {
            own,
            listing: true,
            ..PLAIN
        })
        .0
    );
    assert!(!decide(&Case { own, ..PLAIN }).0);
}

#[test]
fn policies_about_calls_decide_nothing_else_and_load_with_known_facts_alone() {
    let routes = [world::route("mcp.mail", "tools"), world::route("openai", "balanced")];
    let engine = world::engine("", true, &routes).unwrap();
    let about = |route: &str| {
        let effective = engine.effective(&world::route_name(route));
        effective.iter().any(|it| it.name.as_str().starts_with("call."))
    };
    assert!(about("mcp.mail") && !about("openai"));
    for own in [
        r#"@id("a") forbid (principal, action == Action::"call", resource) when { context.arguments == "x" };"#,
        r#"@id("a") forbid (principal, action == Action::"call", resource) when { context.read_only };"#,
        r#"@id("a") @action("mask") permit (principal, action == Action::"call", resource);"#,
        r#"@id("a") forbid (principal, action == Action::"call", resource == Route::"mcp.nobody");"#,
    ] {
        assert!(world::engine(own, true, &routes).is_err(), "{own}");
    }
}
