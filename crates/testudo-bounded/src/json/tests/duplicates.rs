//! Duplicate keys: all found, the first one named, at a bounded number of comparisons.

use std::borrow::Cow;
use std::fmt::Write;

use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};

use super::super::JsonErrorKind;
use super::super::keys::{Key, first_duplicate, first_duplicate_sorted};
use super::{parse, refuses};

#[test]
fn keys_are_compared_as_decoded() {
    let duplicate = |key: &str| JsonErrorKind::DuplicateKey { key: key.to_owned() };
    refuses(r#"{"a":1,"\u0061":2}"#, &duplicate("a"), 7);
    refuses(r#"{"\/":1,"/":2}"#, &duplicate("/"), 8);
    refuses(r#"{"😀":1,"\ud83d\ude00":2}"#, &duplicate("😀"), 10);
    refuses(r#"{"":1,"":2}"#, &duplicate(""), 6);
    refuses(r#"[{"x":{"a":1,"b":2,"a":3}}]"#, &duplicate("a"), 19);
    refuses(r#"{"a":{"a":{"a":1}},"a":1}"#, &duplicate("a"), 19);
}

#[test]
fn keys_that_differ_are_no_duplicates() {
    // Case, normalization and neighbours in other objects are not this reader's business.
    parse(r#"{"a":1,"A":2,"\u00e9":3,"e\u0301":4,"a ":5}"#);
    parse(r#"[{"a":1},{"a":2},{"b":{"a":{"a":1}}}]"#);
}

#[test]
fn an_object_of_200_000_keys_costs_k_log_k_comparisons() {
    let count = 200_000_u32;
    for key_of in [
        |at| format!("key{at}"),
        |at| format!("{:0>40}", 200_000 - at),
        |at| format!("{}", at % 7 * 1_000_000 + at),
    ] {
        let mut keys: Vec<_> = (0..count).map(|at| Key::new(Cow::Owned(key_of(at)), at)).collect();
        let mut comparisons = 0_u64;
        let found = first_duplicate_sorted(&mut keys, |left, right| {
            comparisons += 1;
            left.compare(right)
        });
        assert_eq!(found, None);
        // log2(200,000) is 17.6.
        assert!(comparisons < 2 * 18 * u64::from(count), "{comparisons}");
    }
}

#[test]
fn a_duplicate_among_200_000_keys_is_found() {
    let mut text = String::from("{");
    for at in 0..200_000 {
        write!(text, "\"k{at}\":0,").unwrap();
    }
    let whole = format!("{}}}", text.trim_end_matches(','));
    assert_eq!(parse(&whole).root().entries().count(), 200_000);
    let offset = text.len();
    text.push_str("\"\\u006b77\":0}");
    refuses(&text, &JsonErrorKind::DuplicateKey { key: "k77".to_owned() }, offset);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_first_repetition_is_the_one_named(keys in prop::collection::vec("[a-d]{0,2}", 0..30)) {
        let expected = (0..keys.len()).find(|&at| keys[..at].contains(&keys[at]));
        let mut list: Vec<_> =
            (0_u32..).zip(&keys).map(|(start, key)| Key::new(Cow::Borrowed(key.as_str()), start)).collect();
        let found = first_duplicate(&mut list).map(|key| usize::try_from(key.start).unwrap());
        prop_assert_eq!(found, expected);
    }
}
