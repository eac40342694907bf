//! Which policies a route's decisions evaluate.

use testudo_policy::Question;

use crate::world;

const OWN: &str = r#"
@id("own.everywhere") forbid (principal, action, resource) when { context.hosted_tools };
"#;

#[test]
fn a_route_evaluates_only_what_concerns_it() {
    let own = r#"
@id("own.openai") forbid (principal is Agent, action == Action::"use", resource == Route::"openai");
@id("own.claude") forbid (principal is Agent, action == Action::"use", resource == Route::"claude");
@id("own.in-claude") forbid (principal is Agent, action == Action::"use", resource in Route::"claude");
@id("own.is-in") forbid (principal is Agent, action == Action::"use", resource is Route in Profile::"strict");
@id("own.strict") forbid (principal is Agent, action == Action::"release", resource in Profile::"strict");
@id("own.all") forbid (principal is Agent, action in [Action::"use", Action::"release"], resource is Route);
"#;
    let routes = [world::route("openai", "balanced"), world::route("claude", "strict")];
    let engine = world::engine(own, true, &routes).unwrap();
    let named = |route: &str| -> Vec<String> {
        let effective = engine.effective(&world::route_name(route));
        let own = effective.iter().filter(|policy| policy.file == "own.cedar");
        own.map(|policy| policy.name.to_string()).collect()
    };
    assert_eq!(named("openai"), ["own.openai", "own.all"]);
    assert_eq!(
        named("claude"),
        ["own.claude", "own.in-claude", "own.is-in", "own.strict", "own.all"]
    );
    assert_eq!(named("elsewhere"), Vec::<String>::new());
}

#[test]
fn effective_policies_tell_their_place_and_questions() {
    let own = "\n\n@id(\"own\")\n@action(\"hold\")\nforbid (principal, action, resource) when { principal is Agent };";
    let engine = world::engine(own, true, &[world::route("openai", "balanced")]).unwrap();
    let effective = engine.effective(&world::route_name("openai"));
    let shipped = effective.first().unwrap();
    assert_eq!(
        (shipped.name.as_str(), shipped.file.as_str()),
        ("use.key", "built-in use.cedar")
    );
    assert_eq!(shipped.questions, [Question::Use]);
    let last = effective.last().unwrap();
    assert_eq!(
        (last.name.as_str(), last.line, last.action.as_str()),
        ("own", 3, "hold")
    );
    assert_eq!(last.questions, [Question::Use, Question::Release, Question::Act]);
}

#[test]
fn a_policy_on_both_questions_may_use_only_what_both_know() {
    let problems = world::engine(OWN, true, &[world::route("openai", "balanced")]).unwrap_err();
    assert!(problems[0].to_string().contains("hosted_tools"), "{problems:?}");
}
