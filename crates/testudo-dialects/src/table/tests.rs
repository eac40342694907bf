//! Which line of a table wins.

use super::*;
use crate::Operation;

const INNER: &[Line] = &[word("/type"), text("/text", ChannelKind::Text)];

const LINES: &[Line] = &[
    token("/a/b"),
    text("/a/*", ChannelKind::Refusal),
    whole("/a/**", ChannelKind::Error),
    mount("/list/*", INNER),
    enter("/list/*", Enter::Part),
];

fn rule(path: &[&str]) -> Option<Rule> {
    let table = Box::leak(Box::new(Table::compile(LINES)));
    let mut place = table.root();
    let mut below = None;
    for key in path {
        place = place.and_then(|place| table.child(place, key));
        below = place.and_then(|place| place.below).or(below);
    }
    place.and_then(|place| place.rule).or(below)
}

fn kind(path: &[&str]) -> Option<ChannelKind> {
    match rule(path) {
        Some(Rule::Scan(Scan {
            kind: Kind::Is(kind), ..
        })) => Some(kind),
        _ => None,
    }
}

#[test]
fn a_name_wins_over_any_and_any_over_below() {
    assert!(matches!(rule(&["a", "b"]), Some(Rule::Exempt(Shape::Token))));
    assert_eq!(kind(&["a", "c"]), Some(ChannelKind::Refusal));
    assert_eq!(kind(&["list", "0", "text"]), Some(ChannelKind::Text));
    assert!(matches!(rule(&["list", "x", "type"]), Some(Rule::Exempt(Shape::Word))));
    for unknown in [
        &["list"][..],
        &["list", "0"],
        &["list", "0", "novel"],
        &["novel"],
        &["type"],
    ] {
        assert!(rule(unknown).is_none(), "{unknown:?}");
    }
}

#[test]
fn what_is_below_holds_at_every_depth() {
    let table = Box::leak(Box::new(Table::compile(LINES)));
    let a = table.root().and_then(|root| table.child(root, "a")).expect("known");
    assert!(a.below.is_some() && a.names("b") && !a.names("c"));
    assert!(table.element(a).is_some_and(|any| any.rule.is_some()));
}

#[test]
fn every_operation_has_its_tables() {
    for operation in Operation::all() {
        let request = crate::tables::request(*operation).root().expect("a root");
        assert_eq!(request.names("model"), operation.has_body(), "{operation:?}");
        assert!(
            crate::tables::response(*operation)
                .root()
                .expect("a root")
                .names("error"),
            "{operation:?}"
        );
        assert!(
            crate::tables::stream(*operation).root().expect("a root").names("error"),
            "{operation:?}"
        );
    }
}
