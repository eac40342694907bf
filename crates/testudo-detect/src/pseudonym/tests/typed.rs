//! Made-up values: of the right kind, never a real one, and found again exactly where they were put.
#![expect(
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "places in short texts of these tests"
)]

use proptest::prelude::*;

use super::*;
use crate::validators::validator;

/// What occurs in texts, by the label under which it is masked.
const REAL: &[(&str, &str)] = &[
    ("EMAIL", "ada.lovelace@site.example"),
    ("EMAIL", "b@x.example"),
    ("PHONE", "+44 20 7183 8750"),
    ("PHONE", "+1 (415) 555-2671"),
    ("PHONE", "+49 30 901820"),
    ("PHONE", "06 12 34 56 78"),
    ("PHONE", "415-555-2671"),
    ("PAYMENT_CARD", "4111 1111 1111 1111"),
    ("PAYMENT_CARD", "378282246310005"),
    ("IBAN", "DE89 3704 0044 0532 0130 00"),
    ("IBAN", "GB82WEST12345698765432"),
    ("IBAN", "BE68539007547034"),
    ("IP_ADDRESS", "84.23.149.200"),
    ("IP_ADDRESS", "2a00:1450:4001:81b::200e"),
    ("MAC_ADDRESS", "3c:22:fb:9a:01:7e"),
    ("DATE_OF_BIRTH", "1987-03-24"),
    ("DATE_OF_BIRTH", "24.3.1987"),
    ("DATE_OF_BIRTH", "24 March 1987"),
    ("US_SSN", "123-45-6789"),
    ("GITHUB_TOKEN", "not a live token"),
];

fn typed(nonce: [u8; 8]) -> Pseudonyms {
    Pseudonyms::new(nonce, 4096).styled(PlaceholderStyle::Typed)
}

/// Masks the values of a text that is made of plain parts and values.
fn hide(set: &mut Pseudonyms, parts: &[(String, Option<(&'static str, &'static str)>)]) -> (String, String) {
    let mut plain = String::new();
    let mut places = Vec::new();
    for (text, value) in parts {
        plain.push_str(text);
        if let Some((label, value)) = value {
            places.push((*label, plain.len()..plain.len() + value.len()));
            plain.push_str(value);
        }
    }
    set.show(&plain);
    let (mut masked, mut done) = (String::new(), 0);
    for (label, place) in places {
        masked.push_str(&plain[done..place.start]);
        masked.push_str(set.placeholder_at(label, &plain, place.clone()).unwrap());
        done = place.end;
    }
    masked.push_str(&plain[done..]);
    (plain, masked)
}

fn alone(label: &str, value: &str, seed: u8) -> String {
    let mut set = typed([seed; 8]);
    set.show(value);
    set.placeholder_at(label, value, 0..value.len()).unwrap().to_owned()
}

#[test]
fn a_made_up_value_is_of_the_same_kind() {
    let checks = [
        ("PAYMENT_CARD", "payment-card"),
        ("IBAN", "iban"),
        ("EMAIL", "email"),
        ("DATE_OF_BIRTH", "date"),
    ];
    for (label, value) in REAL {
        for seed in 0..40 {
            let fake = alone(label, value, seed);
            assert_ne!(fake, *value);
            if fake.starts_with("[[") {
                assert!(
                    matches!(*value, "24 March 1987" | "not a live token" | "BE68539007547034"),
                    "{label} {value} has no made-up value"
                );
                continue;
            }
            if let Some((_, check)) = checks.iter().find(|(of, _)| of == label) {
                assert!(validator(check).unwrap().accepts(&fake), "{fake} is no {label}");
            }
            assert!(!fake.contains(char::is_whitespace), "{fake}");
        }
    }
}

#[test]
fn made_up_values_belong_to_nobody() {
    for seed in 0..=255 {
        for value in ["84.23.149.200", "2a00:1450:4001:81b::200e"] {
            let address = alone("IP_ADDRESS", value, seed);
            assert!(address.parse::<std::net::IpAddr>().is_ok(), "{address}");
            assert!(!validator("ip-public").unwrap().accepts(&address), "{address}");
        }
        let number = alone("US_SSN", "123-45-6789", seed);
        assert!(!validator("us-ssn").unwrap().accepts(&number), "{number}");
        assert!(!validator("us-itin").unwrap().accepts(&number), "{number}");
        let mail = alone("EMAIL", "ada@site.example", seed);
        let (_, domain) = mail.rsplit_once('@').unwrap();
        assert!(
            ["example.com", "example.net", "example.org"].contains(&domain),
            "{mail}"
        );
        let phone = alone("PHONE", "+1 (415) 555-2671", seed);
        assert!(phone.len() == 12 && &phone[5..10] == "55501", "{phone}");
        let account = alone("IBAN", "DE89370400440532013000", seed);
        assert!(account.starts_with("DE") && &account[4..8] == "0000", "{account}");
    }
}

#[test]
fn a_value_keeps_its_made_up_value_and_no_two_share_one() {
    let mut set = typed([3; 8]);
    let text: String = (0..400)
        .map(|n| format!("84.23.{}.{} ", n / 200, n % 200 + 1))
        .collect();
    set.show(&text);
    let mut made = BTreeSet::new();
    let mut at = 0;
    for address in text.split_inclusive(' ') {
        let place = at..at + address.len() - 1;
        let fake = set
            .placeholder_at("IP_ADDRESS", &text, place.clone())
            .unwrap()
            .to_owned();
        assert_eq!(set.placeholder_at("IP_ADDRESS", &text, place).unwrap(), fake);
        assert!(made.insert(fake.clone()), "{fake} twice");
        at += address.len();
    }
    // When the range is used up, the rest get brackets.
    assert_eq!(set.len(), 400);
    assert_eq!(
        set.restorer()
            .restore(&made.iter().next().unwrap().clone())
            .split('.')
            .next(),
        Some("84")
    );
}

#[test]
fn a_placeholder_that_a_text_already_holds_is_passed_over() {
    let text = format!("{} and the token itself", alone("GITHUB_TOKEN", "not a live token", 3));
    let mut set = typed([3; 8]);
    set.show(&text);
    let made = set.placeholder("GITHUB_TOKEN", "not a live token").unwrap().to_owned();
    assert!(made.starts_with("[[GITHUB_TOKEN_2_") && !text.contains(&made), "{made}");
    assert_eq!(set.restorer().restore(&text), text);
}

#[test]
fn a_value_that_does_not_stand_free_gets_brackets() {
    for text in [
        "x84.23.149.200",
        "84.23.149.200x",
        "84.23.149.200.5",
        "+84.23.149.200",
        "84.23.149.200(",
    ] {
        let start = text.find("84").unwrap();
        let mut set = typed([3; 8]);
        set.show(text);
        let made = set.placeholder_at("IP_ADDRESS", text, start..start + 13).unwrap();
        assert!(made.starts_with("[[IP_ADDRESS_1_"), "{text}: {made}");
    }
}

#[test]
fn a_text_that_masking_leaves_free_is_no_made_up_value() {
    let (date, address) = ("1987-03-24", "84.23.149.200");
    let fake = alone("DATE_OF_BIRTH", date, 3);
    // The address joins the last word of what stands before it, and takes a bracket.
    let parts = [
        (String::new(), Some(("DATE_OF_BIRTH", date))),
        (format!(" {fake}"), Some(("IP_ADDRESS", address))),
    ];
    let mut set = typed([3; 8]);
    let (plain, masked) = hide(&mut set, &parts);
    assert!(masked.contains(&format!(" {fake}[[IP_ADDRESS_1_")), "{masked}");
    assert_eq!(set.restorer().restore(&masked), plain);
}

#[test]
fn what_could_end_another_made_up_value_gets_brackets() {
    for (text, free) in [
        ("03/04/84.23.149.200", false),
        ("3c:22:84.23.149.200", false),
        ("https://84.23.149.200", true),
        ("host:84.23.149.200", true),
        ("DOB:84.23.149.200", true),
    ] {
        let start = text.find("84").unwrap();
        let mut set = typed([3; 8]);
        set.show(text);
        let made = set.placeholder_at("IP_ADDRESS", text, start..start + 13).unwrap();
        assert_eq!(made.starts_with("[["), !free, "{text}: {made}");
    }
}

#[test]
fn only_what_stands_free_turns_back() {
    let mut set = typed([5; 8]);
    set.show("84.23.149.200");
    let fake = set
        .placeholder_at("IP_ADDRESS", "84.23.149.200", 0..13)
        .unwrap()
        .to_owned();
    let restorer = set.restorer();
    for (before, after) in [
        ("", ""),
        ("(", ")"),
        ("host: ", "."),
        ("is ", ". Next"),
        ("联系", "吧"),
        ("[", "]"),
        ("", ":"),
    ] {
        let (masked, plain) = (
            format!("{before}{fake}{after}"),
            format!("{before}84.23.149.200{after}"),
        );
        assert_eq!(restorer.restore(&masked), plain);
        assert_eq!(streamed(&restorer, &masked, &[1]), plain);
    }
    for (before, after) in [
        ("1", ""),
        ("", "1"),
        ("", ".1"),
        ("1.", ""),
        ("", "-x"),
        ("a@", ""),
        ("", "_"),
        ("", ":8080"),
    ] {
        let masked = format!("{before}{fake}{after}");
        assert_eq!(restorer.restore(&masked), masked);
        assert_eq!(streamed(&restorer, &masked, &[1]), masked);
    }
}

#[test]
fn the_rules_pass_over_what_the_exchange_made_up() {
    let detector = Arc::new(crate::Detector::builtin().unwrap());
    let all = detector.select_where(vec![true; detector.rules().len()]);
    let mut set = typed([5; 8]);
    let fake = set
        .placeholder_at("EMAIL", "ada@site.example", 0..16)
        .unwrap()
        .to_owned();
    let text = format!("write to {fake} or to eve@evil.example");
    let hits = |selection: &crate::Selection| selection.scan(&text, &mut crate::Budget::unlimited()).hits.len();
    assert_eq!(
        (
            hits(&all),
            hits(&all.within(Some(&set.restorer()), &crate::Tally::default()))
        ),
        (2, 1)
    );
}

/// Plain text between values, sometimes with what another exchange or a person made up.
fn between() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![" ", ", ", ". ", "\n", "; ", "(", ") ", ".", "-", "+", "", ":", "é", "联", "[", "[["]).prop_map(str::to_owned),
        1 => ".{0,8}",
        1 => (0..REAL.len(), any::<u8>()).prop_map(|(real, seed)| alone(REAL[real].0, REAL[real].1, seed)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn hiding_and_restoring_is_the_identity(
        // Few nonces, so that texts hold what this exchange would have made up.
        nonce in 0..4_u8,
        parts in prop::collection::vec((between(), prop::option::of(prop::sample::select(REAL))), 0..12),
        cuts in prop::collection::vec(1_usize..9, 1..6),
    ) {
        let parts: Vec<(String, Option<(&'static str, &'static str)>)> = parts;
        let mut set = typed([nonce; 8]);
        let (plain, masked) = hide(&mut set, &parts);
        let restorer = set.restorer();
        prop_assert_eq!(&restorer.restore(&masked), &plain, "{}", masked);
        prop_assert_eq!(streamed(&restorer, &masked, &cuts), plain, "{}", masked);
    }

    #[test]
    fn what_was_in_the_text_before_is_not_turned_back(
        nonce in 0..2_u8,
        seen in prop::collection::vec((0..REAL.len(), 0..2_u8), 1..6),
    ) {
        let others: Vec<String> = seen.iter().map(|(real, seed)| alone(REAL[*real].0, REAL[*real].1, *seed)).collect();
        let text = others.join(" , ");
        let mut set = typed([nonce; 8]);
        set.show(&text);
        for (label, value) in REAL {
            set.show(value);
            let made = set.placeholder_at(label, value, 0..value.len()).unwrap().to_owned();
            prop_assert!(!others.contains(&made) || made.starts_with("[["));
        }
        let restorer = set.restorer();
        for other in others.iter().filter(|other| !other.starts_with("[[")) {
            prop_assert_eq!(restorer.restore(other), other.as_str());
        }
    }

    #[test]
    fn any_cut_of_any_answer_restores_the_same(
        parts in prop::collection::vec((between(), 0..REAL.len(), any::<bool>(), 0_usize..40), 0..10),
        cuts in prop::collection::vec(1_usize..5, 1..6),
    ) {
        let mut set = typed([0; 8]);
        let mut answer = String::new();
        for (text, real, whole, cut) in &parts {
            let (label, value) = REAL[*real];
            let made = set.placeholder_at(label, value, 0..value.len()).unwrap();
            answer.push_str(text);
            answer.push_str(if *whole { made } else { &made[..(*cut).min(made.len())] });
        }
        let restorer = set.restorer();
        prop_assert_eq!(streamed(&restorer, &answer, &cuts), restorer.restore(&answer));
        let pending = restorer.pending(&answer);
        prop_assert_eq!(pending, restorer.settled(&answer, 0).1);
    }
}
