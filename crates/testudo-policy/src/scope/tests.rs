//! Tests of `scope`.

use super::*;

fn model(name: &str) -> ModelName {
    ModelName::parse(name).unwrap()
}

#[test]
fn patterns_match_whole_names_or_beginnings_and_case_counts() {
    for (pattern, name, fits) in [
        ("gpt-4o", "gpt-4o", true),
        ("gpt-4o", "gpt-4o-mini", false),
        ("gpt-4o", "GPT-4O", false),
        ("gpt-4o", "agpt-4o", false),
        ("gpt-4o*", "gpt-4o", true),
        ("gpt-4o*", "gpt-4o-mini", true),
        ("gpt-4o*", "gpt-4", false),
        ("gpt-4o*", "Gpt-4o-mini", false),
        ("openai/*", "openai/gpt-4o", true),
        ("openai/*", "openai", false),
        ("openai/*", "evil/openai/gpt-4o", false),
        ("*", "anything", true),
    ] {
        assert_eq!(
            ModelPattern::parse(pattern).unwrap().matches(&model(name)),
            fits,
            "{pattern} {name}"
        );
    }
}

#[test]
fn patterns_that_could_be_read_two_ways_are_refused() {
    for bad in ["**", "*-mini", "gpt*4o", "gpt-*-*"] {
        assert!(
            matches!(ModelPattern::parse(bad), Err(ModelPatternError::StarInside(_))),
            "{bad}"
        );
    }
    for bad in ["", "gpt 4", "gpt?", "gpt\n*", "мodel"] {
        assert!(
            matches!(ModelPattern::parse(bad), Err(ModelPatternError::Name(_))),
            "{bad}"
        );
    }
}

#[test]
fn a_request_without_a_model_is_outside_of_a_limited_scope() {
    let limited = ModelScope::Only(vec![ModelPattern::parse("*").unwrap()]);
    assert!(!limited.covers(None));
    assert!(limited.covers(Some(&model("gpt-4o"))));
    assert!(ModelScope::All.covers(None));
    assert!(!ModelScope::Only(Vec::new()).covers(Some(&model("gpt-4o"))));
}

#[test]
fn an_empty_list_of_routes_is_none() {
    let route = RouteName::parse("openai").unwrap();
    assert!(!RouteScope::Only(Vec::new()).covers(&route));
    assert!(RouteScope::Only(vec![route.clone()]).covers(&route));
    assert!(RouteScope::All.covers(&route));
}
