//! Policies that must not load, from `tests/cases/refused.toml`.

use serde::Deserialize;
use testudo_policy::{AdmitFacts, ModelScope, PolicyEngine, PolicyFault, RouteScope};
use testudo_types::PrincipalKind;

use crate::world;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    own: String,
    /// For each problem in its order, parts of what is printed.
    expect: Vec<Vec<String>>,
}

#[test]
fn r17_policies_that_could_not_work_are_refused() {
    let file: File = toml::from_str(include_str!("../cases/refused.toml")).expect("cases");
    let routes = [world::route("openai", "balanced"), world::route("claude", "strict")];
    for case in &file.case {
        let name = &case.name;
        let Err(problems) = world::engine(&case.own, true, &routes) else {
            panic!("{name}: loaded");
        };
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), case.expect.len(), "{name}: {said:#?}");
        for (said, parts) in said.iter().zip(&case.expect) {
            for part in parts {
                assert!(said.contains(part), "{name}: `{part}` is not in: {said}");
            }
        }
    }
}

#[test]
fn the_shipped_policies_load_without_routes_and_with() {
    let sources = PolicyEngine::default_sources();
    assert!(PolicyEngine::new(&sources, &[]).is_ok());
    assert!(PolicyEngine::new(&sources, &[world::route("openai", "balanced")]).is_ok());
}

#[test]
fn an_id_may_not_be_used_in_two_files() {
    let own = r#"@id("use.key") permit (principal, action == Action::"use", resource);"#;
    let problems = world::engine(own, true, &[]).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let said = problems[0].to_string();
    assert!(said.contains("built-in use.cedar:"), "{said}");
    assert!(said.starts_with("own.cedar:1"), "{said}");
}

#[test]
fn a_route_may_not_be_configured_twice() {
    let routes = [world::route("openai", "balanced"), world::route("openai", "strict")];
    let problems = world::engine("", true, &routes).unwrap_err();
    assert!(
        matches!(problems[0].fault, PolicyFault::RouteDuplicate(_)),
        "{problems:?}"
    );
}

#[test]
fn a_file_of_any_size_is_not_read() {
    let problems = world::engine(&"// filler\n".repeat(200_000), true, &[]).unwrap_err();
    assert!(
        matches!(problems[0].fault, PolicyFault::TooLong { bytes: 2_000_000, .. }),
        "{problems:?}"
    );
}

/// The parser underneath recurses; without bounds each of these ends the process.
#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let policy =
        |condition: &str| format!("@id(\"own\")\npermit (principal, action, resource) when {{ {condition} }};");
    for deep in [
        format!("{}true{}", "(".repeat(100_000), ")".repeat(100_000)),
        "[".repeat(33),
        "{a:".repeat(100_000),
        "principal has a && ".repeat(20_000),
        format!("{}true", "if true then true else ".repeat(65)),
        format!("{}true", "if(true)then true else ".repeat(65)),
        format!("/* */ {}true", "// (((\n\"\\\"(((\" == ".repeat(2_000)),
    ] {
        let problems = world::engine(&policy(&deep), true, &[]).unwrap_err();
        let bounded = matches!(
            problems[0].fault,
            PolicyFault::TooDeep { .. } | PolicyFault::PolicyTooLong { .. }
        );
        assert!(bounded && problems[0].line >= Some(2), "{problems:?}");
    }
}

/// Just inside of the bounds: answered, whatever the answer is.
#[test]
fn the_largest_policies_that_are_read_fit_the_stack() {
    let mut loaded = 0;
    for condition in [
        format!("{}true{}", "(".repeat(30), ")".repeat(30)),
        format!("{}true{}", "[".repeat(30), "]".repeat(30)),
        "principal is User && ".repeat(760) + "true",
        "1+".repeat(8_000) + "1 > 0",
        "true||".repeat(2_600) + "true",
        "1*".repeat(8_000) + "1 > 0",
        format!("context{}", ".a".repeat(8_000)),
        format!("{}true", "if true then true else ".repeat(60)),
        format!("{}true", "!".repeat(16_000)),
        format!("{}1 == 1", "-".repeat(16_000)),
        format!("[{}1].contains(1)", "1,".repeat(8_000)),
    ] {
        let text =
            format!("@id(\"own\") permit (principal, action == Action::\"use\", resource) when {{ {condition} }};");
        match world::engine(&text, false, &[world::route("openai", "balanced")]) {
            Ok(engine) => {
                let admission = engine.admit(&AdmitFacts {
                    principal: &world::caller(PrincipalKind::User, "acme", "k1", &[]),
                    route: &world::route_name("openai"),
                    model: None,
                    operation: "models",
                    key_routes: &RouteScope::All,
                    key_models: &ModelScope::All,
                    hosted_tools: false,
                    server_history: false,
                });
                let failed = !admission.decision.errors.is_empty();
                assert_ne!(admission.permit.is_some(), failed, "{:?}", admission.decision);
                loaded += 1;
            }
            Err(problems) => {
                let bounded = matches!(
                    problems[0].fault,
                    PolicyFault::TooDeep { .. } | PolicyFault::PolicyTooLong { .. }
                );
                assert!(!bounded, "{problems:?}");
            }
        }
    }
    assert!(loaded >= 4, "{loaded} loaded");
}
