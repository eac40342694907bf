//! Masking and restoring is the identity for any cut, and nothing but exact placeholders expands.

mod typed;

use proptest::prelude::*;

use super::*;

const NONCE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// Pushes a text in the given piece lengths (in characters) through a stream.
fn streamed(restorer: &Restorer, text: &str, cuts: &[usize]) -> String {
    let mut stream = RestoreStream::new(restorer.clone());
    let mut characters = text.chars();
    let mut out = String::new();
    for cut in cuts.iter().cycle() {
        let piece: String = characters.by_ref().take(*cut).collect();
        if piece.is_empty() {
            break;
        }
        out.push_str(&stream.push(&piece));
    }
    out.push_str(&stream.finish());
    out
}

fn one(label: &str, value: &str) -> (String, Restorer) {
    let mut set = Pseudonyms::new(NONCE, 8);
    let placeholder = set.placeholder(label, value).unwrap().to_owned();
    (placeholder, set.restorer())
}

#[test]
fn a_value_keeps_its_placeholder() {
    let mut set = Pseudonyms::new(NONCE, 3);
    let first = set.placeholder("EMAIL", "ada@example.org").unwrap().to_owned();
    assert_eq!(first, "[[EMAIL_1_aebagbafaydqq]]");
    assert_eq!(set.placeholder("EMAIL", "ada@example.org").unwrap(), first);
    assert_eq!(
        set.placeholder("EMAIL", "bob@example.org").unwrap(),
        "[[EMAIL_2_aebagbafaydqq]]"
    );
    assert_eq!(
        set.placeholder("PERSON", "ada@example.org").unwrap(),
        "[[PERSON_1_aebagbafaydqq]]"
    );
    assert_eq!(
        set.placeholder("EMAIL", "carol@example.org"),
        Err(Full { entries_max: 3 })
    );
    assert_eq!(set.placeholder("EMAIL", "ada@example.org").unwrap(), first);
    assert_eq!(set.len(), 3);
}

#[test]
fn values_are_not_printed() {
    let mut set = Pseudonyms::new(NONCE, 3);
    set.placeholder("EMAIL", "ada@example.org").unwrap();
    let mut stream = RestoreStream::new(set.restorer());
    stream.push("[[");
    let printed = format!("{set:?} {:?} {stream:?}", set.restorer());
    assert!(!printed.contains("ada") && !printed.contains("[["), "{printed}");
}

#[test]
fn altered_placeholders_stay_as_they_are() {
    let (placeholder, restorer) = one("EMAIL", "ada@example.org");
    let (foreign, _) = {
        let mut set = Pseudonyms::new([9; 8], 8);
        (
            set.placeholder("EMAIL", "eve@example.org").unwrap().to_owned(),
            set.restorer(),
        )
    };
    let altered = [
        foreign,
        placeholder.to_uppercase(),
        placeholder.to_lowercase(),
        placeholder.replace("_1_", "_2_"),
        placeholder.replace("_1_", "_01_"),
        placeholder.replace("EMAIL", "EMAILS"),
        placeholder.replace("[[", "["),
        placeholder.replace("]]", "]"),
        placeholder.replace("]]", "] ]"),
        placeholder.replace('_', "\\_"),
        placeholder.replace('_', "_\u{200B}"),
        placeholder.chars().rev().collect(),
        "[[EMAIL_1]]".to_owned(),
        "[[EMAIL_1_]]".to_owned(),
        "[[]]".to_owned(),
    ];
    for text in altered {
        assert_eq!(restorer.restore(&text), text);
        assert_eq!(streamed(&restorer, &text, &[1]), text);
    }
}

#[test]
fn what_is_put_back_is_not_looked_at_again() {
    let mut set = Pseudonyms::new(NONCE, 8);
    let inner = set.placeholder("EMAIL", "ada@example.org").unwrap().to_owned();
    let outer = set.placeholder("NOTE", &inner).unwrap().to_owned();
    assert_eq!(set.restorer().restore(&outer), inner);
    assert_eq!(streamed(&set.restorer(), &outer, &[1]), inner);
}

#[test]
fn only_a_possible_placeholder_is_held() {
    let (placeholder, restorer) = one("EMAIL", "ada@example.org");
    assert_eq!(restorer.pending("hello world"), 11);
    assert_eq!(restorer.pending("see [1]"), 7);
    assert_eq!(restorer.pending("see [1] and ["), 12);
    assert_eq!(restorer.pending("see [[EMA"), 4);
    assert_eq!(restorer.pending("see [[EMX"), 9);
    assert_eq!(restorer.pending("see [[[["), 6);
    assert_eq!(restorer.pending(&placeholder), placeholder.len());
    assert_eq!(Pseudonyms::new(NONCE, 8).restorer().pending("see [["), 6);
}

#[test]
fn redactions_name_the_label() {
    assert_eq!(redaction("GITHUB_TOKEN"), "[REDACTED:GITHUB_TOKEN]");
    assert_eq!(redaction("a]b"), "[REDACTED:a_b]");
}

#[test]
fn no_rule_matches_a_placeholder_or_a_redaction() {
    let detector = Arc::new(crate::Detector::builtin().unwrap());
    let selection = detector.select_where(vec![true; detector.rules().len()]);
    for rule in detector.rules() {
        let label = &rule.label;
        for seed in 0..8_u8 {
            let mut set = Pseudonyms::new([seed.wrapping_mul(37), 77, seed, 9, 200, seed, 31, 250], 1);
            let placeholder = set.placeholder(label, "value").unwrap().to_owned();
            let redaction = redaction(label);
            for mark in [placeholder, redaction] {
                for text in [
                    mark.clone(),
                    format!("api_key = \"{mark}\", password: {mark}"),
                    format!("Authorization: Bearer {mark}"),
                    format!("https://user:{mark}@host.test/ and ![x](https://host.test/a?b={mark})"),
                    format!("SSN {mark}, card {mark}, born {mark}, phone: {mark}, wallet {mark}"),
                ] {
                    let scan = selection.scan(&text, &mut crate::Budget::unlimited());
                    let found: Vec<_> = scan
                        .hits
                        .iter()
                        .map(|hit| &detector.rule(hit.rule).unwrap().id)
                        .collect();
                    assert!(found.is_empty(), "{found:?} in {text}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn masking_and_restoring_is_the_identity(
        nonce in any::<[u8; 8]>(),
        parts in prop::collection::vec((".{0,12}", prop::option::of("[a-c@.\\[\\]]{1,6}")), 0..12),
        cuts in prop::collection::vec(1_usize..9, 1..6),
    ) {
        let mut set = Pseudonyms::new(nonce, 64);
        let (mut plain, mut masked) = (String::new(), String::new());
        for (text, value) in &parts {
            plain.push_str(text);
            masked.push_str(text);
            if let Some(value) = value {
                plain.push_str(value);
                masked.push_str(set.placeholder("EMAIL", value).unwrap());
            }
        }
        let restorer = set.restorer();
        prop_assert_eq!(&restorer.restore(&masked), &plain);
        prop_assert_eq!(streamed(&restorer, &masked, &cuts), plain);
    }

    #[test]
    fn a_stream_restores_what_the_whole_text_does(
        pieces in prop::collection::vec(0_usize..8, 0..24),
        cuts in prop::collection::vec(1_usize..5, 1..6),
    ) {
        let (placeholder, restorer) = one("EMAIL", "ada@example.org");
        let (half, rest) = placeholder.split_at(placeholder.len() / 2);
        let choices = ["[", "]", &placeholder, half, "EMAIL_1_", "é", " ", rest];
        let text: String = pieces.iter().map(|piece| choices[*piece]).collect();
        prop_assert_eq!(streamed(&restorer, &text, &cuts), restorer.restore(&text));
    }

    #[test]
    fn guessed_placeholders_expand_to_nothing(guess in "\\[\\[EMAIL_[0-9]{1,2}_[a-z2-7]{13}\\]\\]", nonce in any::<[u8; 8]>()) {
        let mut set = Pseudonyms::new(nonce, 8);
        let real = set.placeholder("EMAIL", "ada@example.org").unwrap().to_owned();
        prop_assume!(guess != real);
        prop_assert_eq!(set.restorer().restore(&guess), guess.as_str());
    }
}
