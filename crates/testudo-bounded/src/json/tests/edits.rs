//! Splices: what is edited changes, every other byte stays.

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};
use serde_json::Value;

use super::super::{Document, EditError, Edits, Limits, escape_into};
use super::differential::read;
use super::parse;
use super::spelling::{Choices, spell, text, value};

#[track_caller]
fn check(text: &str, edits: &[(std::ops::Range<usize>, &str)], expected: &str) {
    let mut reversed = Edits::new();
    edits
        .iter()
        .rev()
        .for_each(|(range, with)| reversed.replace(range.clone(), *with));
    let mut all = Edits::new();
    edits.iter().for_each(|(range, with)| all.replace(range.clone(), *with));
    assert_eq!(
        String::from_utf8(all.apply(text.as_bytes()).unwrap()).unwrap(),
        expected
    );
    assert_eq!(
        String::from_utf8(reversed.apply(text.as_bytes()).unwrap()).unwrap(),
        expected,
        "reversed"
    );
}

#[test]
fn edits_apply_in_place_whatever_their_order() {
    check("0123456789", &[], "0123456789");
    check("0123456789", &[(2..4, "ab"), (4..5, ""), (9..10, "end")], "01ab5678end");
    check("0123456789", &[(0..0, "<"), (10..10, ">")], "<0123456789>");
    check("", &[(0..0, "x")], "x");
}

#[test]
fn the_outer_edit_wins_and_insertions_at_its_edges_stay() {
    check(
        "0123456789",
        &[(2..8, "OUTER"), (3..4, "x"), (5..5, "y"), (6..8, "z"), (2..3, "w")],
        "01OUTER89",
    );
    check("0123456789", &[(2..2, "<"), (2..8, "O"), (8..8, ">")], "01<O>89");
    check("0123456789", &[(2..8, "same"), (2..8, "same")], "01same89");
}

#[test]
fn insertions_at_one_place_keep_their_order() {
    let mut edits = Edits::new();
    edits.replace(1..1, "a");
    edits.replace(1..1, "b");
    assert_eq!(edits.apply(b"[]").unwrap(), b"[ab]");
}

#[track_caller]
fn contradicts(edits: &[(std::ops::Range<usize>, &str)]) {
    let mut all = Edits::new();
    edits.iter().for_each(|(range, with)| all.replace(range.clone(), *with));
    assert!(matches!(
        all.apply(b"0123456789").unwrap_err(),
        EditError::Overlap { .. }
    ));
}

#[test]
fn contradicting_edits_are_refused() {
    contradicts(&[(2..5, "a"), (4..7, "b")]);
    contradicts(&[(4..7, "b"), (2..5, "a")]);
    contradicts(&[(2..5, "a"), (2..5, "b")]);
    contradicts(&[(0..9, "a"), (1..2, "inner"), (8..10, "b")]);
}

#[test]
fn edits_outside_the_document_are_refused() {
    for range in [5..6, 4..5, 100..100, usize::MAX - 1..usize::MAX] {
        let mut edits = Edits::new();
        edits.replace(range.clone(), "x");
        assert_eq!(
            edits.apply(b"0123").unwrap_err(),
            EditError::OutOfBounds { range, len: 4 }
        );
    }
    let mut backwards = Edits::new();
    let (start, end) = (3, 1);
    backwards.replace(start..end, "x");
    assert!(matches!(
        backwards.apply(b"0123").unwrap_err(),
        EditError::OutOfBounds { .. }
    ));
}

#[test]
fn a_pair_of_surrogate_escapes_is_one_character() {
    let text = r#"{"k":"a\ud83d\ude00b"}"#;
    let document = parse(text);
    let literal = document.root().strings().next().unwrap().literal().unwrap();
    let mut edits = Edits::new();
    for decoded in [1..2, 2..5, 4..6, 0..7] {
        let error = edits
            .replace_in_string(text.as_bytes(), &literal, decoded.clone(), "x")
            .unwrap_err();
        assert_eq!(error, EditError::NotInString { decoded });
    }
    assert!(edits.is_empty());
    edits
        .replace_in_string(text.as_bytes(), &literal, 1..5, "\"\n")
        .unwrap();
    assert_eq!(edits.apply(text.as_bytes()).unwrap(), br#"{"k":"a\"\nb"}"#);
}

#[test]
fn many_ranges_cost_one_pass_and_are_all_or_none() {
    let text = format!("[\"{}\"]", r"\u0061b".repeat(50_000));
    let document = parse(&text);
    let literal = document.root().strings().next().unwrap().literal().unwrap();
    let mut edits = Edits::new();
    let ranges = (0..50_000_usize).map(|at| (2 * at..2 * at + 1, "x"));
    edits.replace_many_in_string(text.as_bytes(), &literal, ranges).unwrap();
    assert_eq!(
        edits.apply(text.as_bytes()).unwrap(),
        format!("[\"{}\"]", "xb".repeat(50_000)).as_bytes()
    );
    let count = edits.len();
    let unordered = [(4..5, "x"), (1..2, "x")];
    assert!(
        edits
            .replace_many_in_string(text.as_bytes(), &literal, unordered)
            .is_err()
    );
    let beyond = [(4..5, "x"), (99_999..100_001, "x")];
    assert!(edits.replace_many_in_string(text.as_bytes(), &literal, beyond).is_err());
    assert_eq!(edits.len(), count);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn escaping_is_read_back_and_minimal(text in text()) {
        let mut raw = b"\"".to_vec();
        escape_into(&text, &mut raw);
        raw.push(b'"');
        prop_assert_eq!(&serde_json::from_slice::<String>(&raw).unwrap(), &text);
        prop_assert_eq!(String::from_utf8(raw).unwrap(), serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn editing_the_bytes_is_editing_the_value(
        mut value in value(), seed in any::<u64>(),
        plan in prop::collection::vec((any::<prop::sample::Index>(), any::<(prop::sample::Index, prop::sample::Index)>(), text()), 1..4),
    ) {
        let raw = spell(&value, &mut Choices::new(seed));
        let bytes = raw.as_bytes();
        let document = Document::parse(bytes, &Limits::DEFAULT).unwrap();
        let strings: Vec<_> = document.root().strings().collect();
        let (mut edits, mut edited) = (Edits::new(), std::collections::BTreeMap::new());
        for (which, cut, new) in plan {
            let Some(node) = (!strings.is_empty()).then(|| strings[which.index(strings.len())]) else { continue };
            if edited.contains_key(&node.range().start) {
                continue;
            }
            let mut text = node.as_str().unwrap().into_owned();
            let bounds: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let (one, two) = (bounds[cut.0.index(bounds.len())], bounds[cut.1.index(bounds.len())]);
            let range = one.min(two)..one.max(two);
            let literal = node.literal().unwrap();
            if range.len() == text.len() {
                edits.replace_string(&literal, &new);
            } else {
                edits.replace_in_string(bytes, &literal, range.clone(), &new).unwrap();
            }
            text.replace_range(range, &new);
            *value.pointer_mut(&node.pointer()).unwrap() = Value::from(text);
            edited.insert(node.range().start, node.range());
        }
        let out = edits.apply(bytes).unwrap();
        let again = Document::parse(&out, &Limits::DEFAULT).unwrap();
        prop_assert_eq!(read(again.root()), value);
        let (mut before, mut after) = (0, 0);
        for range in edited.values() {
            let kept = &bytes[before..range.start];
            prop_assert!(out[after..].starts_with(kept));
            after += kept.len();
            let literal = again.root().strings().find(|node| node.range().start == after).unwrap();
            (before, after) = (range.end, literal.range().end);
        }
        prop_assert_eq!(&bytes[before..], &out[after..]);
    }
}
