//! What is held back is what can still become a match, and no more.

use super::{always, rule_text, selection};
use crate::{Budget, Selection};

/// How many bytes are held after `text` has arrived character by character.
fn held(selection: &Selection, text: &str) -> usize {
    let mut scanner = selection.stream();
    let mut budget = Budget::unlimited();
    let mut safe = 0;
    for (at, c) in text.char_indices() {
        safe = scanner.push(text.get(at..at + c.len_utf8()).unwrap(), &mut budget).safe;
    }
    text.len() - safe
}

const EMAIL: &str = r"\b[a-z0-9.+-]{1,64}@[a-z0-9.-]{1,255}\.[a-z]{2,24}\b";

#[test]
fn ordinary_text_is_not_held() {
    let github = selection(rule_text("pat", r"\bghp_[A-Za-z0-9]{36}\b", "literals = [\"ghp_\"]"));
    for (text, expected) in [
        ("", 0),
        ("hello world", 0),
        ("hello g", 1),
        ("hello gh", 2),
        ("hello gi", 0),
        ("xghp_", 0),
        ("say ghp_abc", 7),
        ("say ghp_abc-", 0),
        ("say ghp_abc ", 0),
        ("ghp_ghp", 7),
        ("ghp_ ghp", 3),
    ] {
        assert_eq!(held(&github, text), expected, "{text}");
    }
}

#[test]
fn a_complete_match_is_held_until_it_cannot_grow() {
    let fixed = always(&["ghp_[a-z]{3}"]);
    assert_eq!(held(&fixed, "ghp_ab"), 6);
    assert_eq!(held(&fixed, "ghp_abc"), 0, "nothing can be added");
    let bounded = always(&[r"ghp_[a-z]{3}\b"]);
    assert_eq!(held(&bounded, "ghp_abc"), 7, "the boundary is undecided");
    assert_eq!(held(&bounded, "ghp_abc."), 0);
    assert_eq!(held(&bounded, "ghp_abcd"), 0);
    let growing = always(&["ghp_[a-z]{3,5}"]);
    assert_eq!(held(&growing, "ghp_abcd"), 8);
    assert_eq!(held(&growing, "ghp_abcde"), 0);
}

#[test]
fn the_current_word_is_held_for_addresses() {
    let email = always(&[EMAIL]);
    for (text, expected) in [
        ("write to ann", 3),
        ("write to ann ", 0),
        ("write to ann@", 4),
        ("write to ann@example.com", 15),
        ("write to ann@example.com ", 0),
        ("write to ann@@", 0),
        ("write to ann@b@", 2),
    ] {
        assert_eq!(held(&email, text), expected, "{text}");
    }
}

#[test]
fn a_partial_match_dies_at_its_longest() {
    let email = always(&[EMAIL]);
    assert_eq!(held(&email, &"a".repeat(64)), 64);
    assert_eq!(
        held(&email, &"a".repeat(65)),
        0,
        "65 characters cannot be a local part and no boundary lies inside"
    );
    let loose = always(&["[a-z]{1,64}@"]);
    assert_eq!(held(&loose, &"a".repeat(500)), 64, "without a boundary the last 64 can");
    let key = always(&["BEGIN[A-Z]{1,1000}END"]);
    assert_eq!(held(&key, &format!("BEGIN{}", "A".repeat(1000))), 1005);
    assert_eq!(
        held(&key, &format!("BEGIN{}", "A".repeat(1003))),
        0,
        "too long for the end to fit"
    );
    assert_eq!(
        held(&key, &format!("BEGINBEGIN{}", "A".repeat(1000))),
        1005,
        "the inner start outlives the outer"
    );
}

#[test]
fn digits_are_held_only_near_their_context() {
    let ssn = selection(rule_text(
        "id",
        r"\b[0-9]{9}\b",
        "context = [\"ssn\", \"social security\"]\nwithin = 12",
    ));
    assert_eq!(held(&ssn, "order 1234"), 0);
    assert_eq!(held(&ssn, "my SSN is 1234"), 4);
    assert_eq!(held(&ssn, "my ssn ................ 1234"), 0, "too far away");
}

#[test]
fn gaps_end_where_their_class_ends() {
    let phrase = always(&[r"(?i)\bignore[^.\n]{0,40}instructions\b"]);
    assert_eq!(held(&phrase, "please ignore all of the"), 17);
    assert_eq!(held(&phrase, "please ignore all of the noise. Then"), 0);
    assert_eq!(held(&phrase, &format!("ignore {}", "x".repeat(60))), 0);
}

#[test]
fn characters_are_never_split() {
    let tags = always(&["[\u{E0000}-\u{E007F}]{2,64}", "é{2}x"]);
    assert_eq!(held(&tags, "flag \u{1F3F4}"), 0);
    assert_eq!(held(&tags, "hidden \u{E0041}"), 4);
    assert_eq!(held(&tags, "éé"), 4);
    assert_eq!(held(&tags, "ééé"), 4);
}

#[test]
fn a_match_behind_a_refused_start_is_not_forgotten() {
    let letters = always(&["a", "[aé]{1,130}"]);
    let text = "aaaAé1éa";
    assert_eq!(super::scan(&letters, text), super::stream(&letters, text, &[text]));
}
