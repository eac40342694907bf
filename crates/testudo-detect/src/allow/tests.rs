//! Entries act on exactly what they name, broad ones are refused, and streams agree with whole texts.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{Budget, Selection};

fn detector() -> Arc<Detector> {
    static DETECTOR: std::sync::OnceLock<Arc<Detector>> = std::sync::OnceLock::new();
    Arc::clone(DETECTOR.get_or_init(|| Arc::new(Detector::builtin().unwrap())))
}

fn entry(rule: &str, what: Allowed) -> AllowEntry {
    AllowEntry {
        rules: vec![rule.to_owned()],
        what,
        line: None,
    }
}

fn value(rule: &str, value: &str) -> AllowEntry {
    entry(rule, Allowed::Value(value.to_owned()))
}

fn all_rules(entries: &[AllowEntry]) -> (Selection, Arc<AllowList>) {
    let detector = detector();
    let list = Arc::new(AllowList::new(entries, &detector).unwrap());
    let all = detector.select_where(vec![true; detector.rules().len()]);
    (all.allowing(&list), list)
}

fn found(selection: &Selection, text: &str) -> Vec<String> {
    let scan = selection.scan(text, &mut Budget::unlimited());
    let name = |hit: &crate::Hit| selection.rule(hit.rule).unwrap().id.to_string();
    scan.hits.iter().map(name).collect()
}

fn fault(entry: AllowEntry) -> AllowFault {
    let problems = AllowList::new(&[entry], &detector()).unwrap_err();
    problems.into_iter().next().unwrap().fault
}

#[test]
fn only_the_named_value_of_the_named_rule_is_allowed() {
    let (selection, list) = all_rules(&[value("pii.email", "help@acme.example")]);
    assert!(found(&selection, "write to help@acme.example").is_empty());
    assert_eq!(found(&selection, "write to xhelp@acme.example"), ["pii.email"]);
    assert_eq!(found(&selection, "write to a.help@acme.example"), ["pii.email"]);
    assert_eq!(found(&selection, "help@acme.example.evil.example"), ["pii.email"]);
    assert_eq!(
        found(&selection, "help@acme.example and ada@acme.example"),
        ["pii.email"]
    );
    assert_eq!(list.times().collect::<Vec<_>>(), [("pii.email", 2)]);
    let (other, _) = all_rules(&[value("pii.iban", "help@acme.example")]);
    assert_eq!(found(&other, "help@acme.example"), ["pii.email"]);
}

#[test]
fn what_is_allowed_hides_no_part_of_itself_and_nothing_beside_it() {
    let (selection, _) = all_rules(&[value("pii.email", "a.b@acme.example")]);
    // Without the whole match being consumed, `b@acme.example` would be found inside it.
    assert!(found(&selection, "a.b@acme.example").is_empty());
    assert_eq!(found(&selection, "b@acme.example"), ["pii.email"]);
}

#[test]
fn digests_need_not_show_the_value() {
    let digest = Sha256::digest(b"help@acme.example").into();
    let (selection, _) = all_rules(&[entry("pii.*", Allowed::Sha256(digest))]);
    assert!(found(&selection, "help@acme.example").is_empty());
    assert_eq!(found(&selection, "ada@acme.example"), ["pii.email"]);
    let key: Arc<[u8]> = Arc::from(*b"a key of the operator");
    let digest = hmac_sha256(&key, b"help@acme.example");
    let (selection, _) = all_rules(&[entry("pii.email", Allowed::Keyed { digest, key })]);
    assert!(found(&selection, "help@acme.example").is_empty());
    assert_eq!(found(&selection, "ada@acme.example"), ["pii.email"]);
    let printed = format!("{:?}", value("pii.email", "help@acme.example"));
    assert!(!printed.contains("help"), "{printed}");
}

#[test]
fn the_keyed_digest_is_that_of_the_standard() {
    // RFC 4231, test cases 1 and 6.
    let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        hex(hmac_sha256(&[0x0b; 20], b"Hi There")),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    );
    assert_eq!(
        hex(hmac_sha256(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First"
        )),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
}

#[test]
fn patterns_match_from_end_to_end() {
    let (selection, _) = all_rules(&[entry(
        "pii.email",
        Allowed::Pattern(r"[a-z]{1,12}@acme\.example".into()),
    )]);
    assert!(found(&selection, "ada@acme.example bob@acme.example").is_empty());
    for text in [
        "ada@acme.example.evil.example",
        "a.b@acme.example",
        "ada@acmexexample.org",
    ] {
        assert_eq!(found(&selection, text), ["pii.email"], "{text}");
    }
}

#[test]
fn hosts_are_read_as_a_browser_reads_them() {
    for value in [
        "ada@acme.example",
        "ada@mail.acme.example",
        "https://acme.example/a",
        "https://x@img.acme.example:8443/a?b=c",
        "//acme.example/a",
        "![a](https://ACME.example/a",
    ] {
        assert!(
            host(value).is_some_and(|host| is_below(&host, "acme.example")),
            "{value}"
        );
    }
    for value in [
        "https://evil.example/acme.example",
        "https://acme.example@evil.example/a",
        "https://evil.example\\@acme.example/a",
        "https://evil.example#acme.example",
        "https://notacme.example/",
        "https://acme.example.evil.example/",
        "ada@notacme.example",
        "https://1.2.3.4/acme.example",
        "acme.example",
        "",
    ] {
        assert!(
            !host(value).is_some_and(|host| is_below(&host, "acme.example")),
            "{value}"
        );
    }
}

#[test]
fn broad_entries_are_refused() {
    let pattern = |pattern: &str| fault(entry("pii.email", Allowed::Pattern(pattern.to_owned())));
    for broad in [
        "[a-z]{6,20}",
        "abc@?[a-z]{3,9}",
        "(?:abcd|x)[a-z]{6}",
        "(?:abcdef)?[a-z]{6}",
        "abcd",
        "a{6}",
    ] {
        assert!(matches!(pattern(broad), AllowFault::BroadPattern { .. }), "{broad}");
    }
    for unbounded in [".*@acme.example", "acme.example.+", "acme[a-z]{1,600}"] {
        assert!(
            matches!(pattern(unbounded), AllowFault::UnboundedPattern { .. }),
            "{unbounded}"
        );
    }
    assert!(matches!(pattern("acme("), AllowFault::Pattern(_)));
    let host = |host: &str| fault(entry("pii.email", Allowed::Host(host.to_owned())));
    for broad in [
        "example",
        "co.uk",
        "com.au",
        "github.io",
        "",
        ".",
        "*.acme.example",
        "10.0.0.1",
        "acme .example",
    ] {
        assert!(matches!(host(broad), AllowFault::BroadHost { .. }), "{broad}");
    }
}

#[test]
fn entries_name_rules_that_can_have_them() {
    assert!(matches!(
        fault(value("pii.email", "a@b")),
        AllowFault::ShortValue { .. }
    ));
    assert!(matches!(
        fault(value("pii.mail", "a@acme.example")),
        AllowFault::UnknownRule { .. }
    ));
    assert!(matches!(
        fault(value("pii*", "a@acme.example")),
        AllowFault::UnknownRule { .. }
    ));
    assert!(matches!(
        fault(value("*", "a@acme.example")),
        AllowFault::UnknownRule { .. }
    ));
    assert!(matches!(
        fault(value("leak.canary", "canary")),
        AllowFault::NeverAllowed { .. }
    ));
    let none = AllowEntry {
        rules: Vec::new(),
        what: Allowed::Value("help@acme.example".into()),
        line: None,
    };
    assert_eq!(fault(none), AllowFault::NoRule);
    let group = entry("pii.*", Allowed::Pattern("help@acme".into()));
    assert!(matches!(fault(group), AllowFault::GroupForPattern { .. }));
    let hostless = entry("pii.iban", Allowed::Host("acme.example".into()));
    assert!(matches!(fault(hostless), AllowFault::NoHost { .. }));
}

#[test]
fn all_problems_are_told_at_once() {
    let entries = [
        value("pii.mail", "a"),
        value("pii.email", "help@acme.example"),
        value("no.rule", "help@acme.example"),
    ];
    let problems = AllowList::new(&entries, &detector()).unwrap_err();
    let places: Vec<usize> = problems.iter().map(|problem| problem.entry).collect();
    assert_eq!(places, [0, 0, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_allows_what_the_whole_text_allows(
        parts in prop::collection::vec(prop::sample::select(vec![
            "help@acme.example", "a.b@acme.example", "ada@acme.example", " ", ".", "x", "DE89 3704 0044 0532 0130 00", ", ",
        ]), 0..10),
        cuts in prop::collection::vec(1_usize..7, 1..5),
    ) {
        let text = parts.concat();
        let (selection, _) = all_rules(&[value("pii.email", "help@acme.example"), value("pii.email", "a.b@acme.example")]);
        let mut budget = Budget::unlimited();
        let whole = selection.scan(&text, &mut budget).hits;
        let mut stream = selection.stream();
        let mut streamed = Vec::new();
        let (mut rest, mut turn) = (text.as_str(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary((*turn.next().unwrap()).min(rest.len())));
            streamed.extend(stream.push(piece, &mut budget).hits);
            rest = after;
        }
        streamed.extend(stream.finish(&mut budget).hits);
        prop_assert_eq!(whole, streamed);
    }
}
