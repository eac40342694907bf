//! Results, paths and specifications are read within bounds.

use proptest::prelude::{prop_assert, proptest};
use serde_json::json;

use crate::provenance::forms::{Fold, Form, Needle};
use crate::provenance::{Conversation, Leaves, Limits, PathPattern, Reading, SpecProblem, ToolSpecs, pasted_spans};

fn read(text: &str) -> Vec<(String, String)> {
    let leaves = Leaves::of_result(text);
    leaves.leaves.into_iter().map(|leaf| (leaf.path, leaf.value)).collect()
}

#[test]
fn json_yaml_and_literals_of_python_have_the_same_leaves() {
    let wanted = [
        ("$[*]~", "id"),
        ("$[*].id", "7"),
        ("$[*]~", "to"),
        ("$[*].to[*]", "a@b.example"),
    ];
    for text in [
        r#"[{"id": 7, "to": ["a@b.example"]}]"#,
        "- id: 7\n  to:\n  - a@b.example",
        "[{'id': 7, 'to': ['a@b.example']}]",
        "- id: '7'\n  gone: null\n  to: [a@b.example]",
    ] {
        let found = read(text);
        for (path, value) in wanted {
            assert!(
                found.contains(&(path.to_owned(), value.to_owned())),
                "{text}: {path} {value} not in {found:?}"
            );
        }
    }
}

#[test]
fn what_is_no_structure_is_one_text() {
    let long = "[".repeat(200);
    let wide = format!("[{}1]", "1,".repeat(70_000));
    for text in [
        "",
        "hello",
        "Hotels: A\nB",
        "{",
        "- a\n---\n- b",
        "\"quoted\"",
        "42",
        &long,
        &wide,
        "a: [b",
        "? [x]: y",
    ] {
        assert_eq!(
            read(text),
            [("$".to_owned(), text.to_owned())],
            "{}",
            text.get(..20).unwrap_or(text)
        );
    }
}

#[test]
fn an_alias_gives_nothing_again() {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, before) in [('b', 'a'), ('c', 'b'), ('d', 'c'), ('e', 'd'), ('f', 'e'), ('g', 'f')] {
        let nine = vec![format!("*{before}"); 9].join(", ");
        bomb.push_str(&format!("{name}: &{name} [{nine}]\n"));
    }
    assert!(read(&bomb).len() < 100);
}

#[test]
fn a_path_of_long_keys_stays_short() {
    let key = "k".repeat(10_000);
    let found = read(&json!({ key: { "x": [1, 2, 3] } }).to_string());
    assert!(found.iter().all(|(path, _)| path.len() < 300));
}

#[test]
fn patterns_match_whole_paths() {
    let matches = |pattern: &str, path: &str| PathPattern::parse(pattern).unwrap().matches(path);
    for (pattern, path) in [
        ("$", "$"),
        ("$[*].email", "$[*].email"),
        ("$.*", "$.a"),
        ("$..*", "$[*].a.b"),
        ("$..*", "$"),
    ] {
        assert!(matches(pattern, path), "{pattern} {path}");
    }
    for (pattern, path) in [
        ("$", "$.a"),
        ("$[*].email", "$[*].email2"),
        ("$[*].email", "$[*].email[*]"),
        ("$[*].email", "$.email"),
        ("$.*", "$.a.b"),
        ("$.*", "$[*]"),
        ("$.*", "$~"),
        ("$.a..*", "$.b.c"),
    ] {
        assert!(!matches(pattern, path), "{pattern} {path}");
    }
    for wrong in ["", "email", ".a", "$a", "$[0]", "$.", "$.a[", "$..", "$.a[*", "[*]"] {
        assert!(PathPattern::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn mistakes_in_specifications_are_named() {
    let problem = |text: &str| ToolSpecs::from_toml(text).unwrap_err();
    for (text, said) in [
        ("[tools.a]", "missing field `effect`"),
        ("[tools.a]\neffect = \"reads\"", "unknown effect `reads`"),
        (
            "[tools.a]\neffect = \"read\"\narguments = { x = \"target\" }",
            "unknown role `target`",
        ),
        (
            "[tools.a]\neffect = \"read\"\narguments = { \"$.x\" = \"data\" }",
            "has no name",
        ),
        ("[tools.a]\neffect = \"read\"\nids = [\"id\"]", "is not understood"),
        (
            "[tools.a]\neffect = \"read\"\ntrusted = true",
            "unknown field `trusted`",
        ),
        (
            "[tools.a]\neffect = \"read\"\nsecrets = [{ path = \"$\", asked = [] }]",
            "nobody could ever ask",
        ),
        ("tools", "key"),
    ] {
        let problem = problem(text).to_string();
        assert!(problem.contains(said), "{text}: {problem}");
    }
    assert!(matches!(
        problem("[tools.a]\neffect = 1"),
        SpecProblem::Syntax { line: Some(2), .. }
    ));
    let roles = |roles| ToolSpecs::from_roles(&roles).unwrap_err().to_string();
    assert!(roles(json!([])).contains("object of suites"));
    assert!(roles(json!({ "s": {} })).contains("suite `s`"));
    let unknown = json!({ "s": { "tools": {}, "authoritative": [{ "tool": "x", "path": "$" }] } });
    assert!(roles(unknown).contains("`x`, which is not specified"));
    assert!(roles(json!({ "s": { "tools": {}, "system_id_keys": "(" } })).contains("regular expression"));
}

#[test]
fn a_conversation_keeps_within_its_limits() {
    let limits = Limits {
        text_bytes_max: 10_000,
        leaves_max: 100,
        paths_max: 10,
        segments_max: 20,
    };
    let specs = ToolSpecs::default();
    let mut conversation = Conversation::new(limits, Reading::Close);
    for round in 0..100 {
        conversation.push_user(&"word ".repeat(100), &[]);
        conversation.push_result(&specs, "t", &json!({}), &format!("[{}1]", "1,".repeat(round)), false);
        conversation.push_result(&specs, "t", &json!({}), &"text ".repeat(5_000), false);
    }
    assert!(conversation.bytes() < 400_000, "{}", conversation.bytes());
}

proptest! {
    #[test]
    fn no_result_makes_the_reader_panic(text in "[-\\[\\]{}:,&*?|>'\"# \\na-c0-9~]{0,80}") {
        let leaves = Leaves::of_result(&text);
        prop_assert!(leaves.leaves.iter().all(|leaf| (leaf.record as usize) < leaves.records.len()));
    }

    #[test]
    fn pasted_spans_are_of_the_text(text in "[-<>/a@: \\nFromTSubject]{0,80}") {
        for span in pasted_spans(&text) {
            prop_assert!(text.get(span.clone()).is_some(), "{span:?}");
        }
    }

    #[test]
    fn a_place_found_is_the_place_of_the_value(before in "\\PC{0,20}", value in "[a-z0-9]{4,10}", after in "\\PC{0,20}") {
        let text = format!("{before} {value} {after}");
        let form = Form::new(&text, Fold::Loose);
        for range in form.find_all(&Needle::new(&value, Fold::Loose)) {
            let original = text.get(form.original(&range));
            prop_assert!(original.is_some_and(|it| Form::new(it, Fold::Loose).text() == value), "{original:?}");
        }
    }
}
