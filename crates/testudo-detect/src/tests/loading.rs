//! Unsound rules are refused when they are loaded, each with its field and reason.

use super::{pack, rule_text};
use crate::{Detector, RuleFault, RuleProblem};

fn problems(text: &str) -> Vec<RuleProblem> {
    Detector::new(&pack(text.to_owned()))
        .map(|_| Vec::new())
        .unwrap_or_else(|problems| problems)
}

fn check(pattern: &str, extra: &str, field: &str, message: &str) {
    let problems = problems(&rule_text("rule", pattern, extra));
    let found = problems
        .iter()
        .any(|p| p.field == field && p.to_string().contains(message));
    assert!(found, "{pattern} {extra}: {problems:?}");
}

#[test]
fn patterns_are_bounded_and_not_empty() {
    check("(", "always = true", "pattern", "does not parse");
    check("a(?=b)", "always = true", "pattern", "does not parse");
    check("a+", "always = true", "pattern", "longer than 16384");
    check("a*", "always = true", "pattern", "empty text");
    check("a{0,5}", "always = true", "pattern", "empty text");
    check(r"\b", "always = true", "pattern", "empty text");
    check("[a&&b]", "always = true", "pattern", "nothing at all");
    check("a{1,16385}", "always = true", "pattern", "longer than 16384");
    check("(?:abc){1,6000}", "always = true", "pattern", "longer than 16384");
    check(r"(?-u:\xFF)", "always = true", "pattern", "does not parse");
    check(
        &format!("{}a{}", "(".repeat(60), ")".repeat(60)),
        "always = true",
        "pattern",
        "does not parse",
    );
}

#[test]
fn literals_must_be_in_every_match() {
    for (pattern, literals) in [
        ("[a-z]{5}", "literals = [\"key\"]"),
        ("key|token", "literals = [\"key\"]"),
        ("(?:key_)?[a-z]{5}", "literals = [\"key_\"]"),
        ("k[a-z]y", "literals = [\"key\"]"),
        ("gh[ps]_x", "literals = [\"ghp_\"]"),
        ("ſk-x", "literals = [\"sk-\"]"),
        ("(?i)sk-x", "literals = [\"sk-\"]"),
    ] {
        check(pattern, literals, "literals", "contains none of the literals");
    }
    for (pattern, literals) in [
        ("ghp_[a-z]{5}", "literals = [\"GHP_\"]"),
        ("(?i-u:sk-)x", "literals = [\"sk-\"]"),
        ("gh[ps]_x", "literals = [\"ghp_\", \"ghs_\"]"),
        ("(?:key|token)=", "literals = [\"key\", \"token\"]"),
        ("[a-z]{1,64}@x", "literals = [\"@\"]"),
        ("(?:ab){2}c", "literals = [\"baba\", \"abab\"]"),
        ("[0-9]{3}-[0-9]{3}", "literals = [\"-\"]"),
        ("é-", "literals = [\"é\"]"),
        (
            "[\u{200B}-\u{200F}]x",
            "literals = [\"\u{200B}\", \"\u{200C}\", \"\u{200D}\", \"\u{200E}\", \"\u{200F}\"]",
        ),
    ] {
        assert_eq!(
            problems(&rule_text("rule", pattern, literals)),
            [],
            "{pattern} {literals}"
        );
    }
}

#[test]
fn fields_are_checked() {
    check("a", "", "literals", "name literals");
    check("a", "literals = [\"\"]", "literals", "empty");
    check("a", "always = true\ncontext = [\"\"]", "context", "empty");
    check(
        "a",
        "always = true\nvalidator = \"lunh\"",
        "validator",
        "`lunh` is unknown",
    );
    check("a", "always = true\norigins = [\"usr\"]", "origins", "`usr` is unknown");
    check(
        "a",
        "always = true\norigins = [\"tool\"]",
        "origins",
        "`tool` is unknown",
    );
    check(
        "a",
        "always = true\ndirections = [\"up\"]",
        "directions",
        "`up` is unknown",
    );
    check("a", "always = true\nrefs = [\"LLM01\"]", "refs", "scheme:version:id");
    check("a", "context = [\"b\"]\nwithin = 99999", "within", "more than the 1024");
    check("a", "always = true\nwihtin = 5", "", "unknown field");
    check("a", "always = \"yes\"", "", "invalid type");
}

#[test]
fn all_problems_are_told_at_once() {
    let text = rule_text("a", "(", "always = true")
        + &rule_text("b", "a*", "validator = \"none\"")
        + &rule_text("a", "c", "always = true")
            .replace("score = 90", "score = 900")
            .replace("\"high\"", "\"huge\"");
    let problems = problems(&text);
    let fields: Vec<_> = problems.iter().map(|p| (p.rule.as_str(), p.field)).collect();
    for expected in [
        ("test.a", "pattern"),
        ("test.b", "pattern"),
        ("test.b", "literals"),
        ("test.b", "validator"),
        ("test.a", "id"),
        ("test.a", "score"),
        ("test.a", "severity"),
    ] {
        assert!(fields.contains(&expected), "{expected:?} in {fields:?}");
    }
    assert!(matches!(&problems[0], RuleProblem { pack, fault: RuleFault::Pattern(_), .. } if pack == "test"));
}

#[test]
fn names_of_built_in_rules_are_taken() {
    let text = rule_text("a", "a", "always = true").replace("test.a", "leak.canary");
    assert!(problems(&text).iter().any(|p| matches!(p.fault, RuleFault::Taken(_))));
}
