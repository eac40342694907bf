//! Baits are found in every dress, and nothing else is.

#![expect(clippy::arithmetic_side_effects, reason = "a panic is a failed test")]

use proptest::prelude::{any, proptest};
use proptest::prop_assert_eq;

use super::{BASE16, BASE64, Baits, Sighting, aligned};
use crate::{Budget, Canaries};

const TOKEN: &str = "ref-k3v7q2mzp5ahw4tgx6nd2jclse";
const ACCOUNT: &str = "DE57 5001 0517 5407 3249 31";
const MAIL: &str = "ellis.marden@accounts.example";
const NUMBER: &str = "4929123456";

fn baits(values: &[&str]) -> Baits {
    Baits::of(&Canaries::new(values.iter().copied()).unwrap())
}

fn sighted(baits: &Baits, text: &str) -> Sighting {
    baits.sighted(text, &mut Budget::new(50_000_000))
}

fn base64(bytes: &[u8]) -> String {
    let padding = (3 - bytes.len() % 3) % 3;
    let padded = [bytes, &[0, 0][..padding]].concat();
    let mut out = aligned(&padded, BASE64, 6, 0);
    out.truncate(out.len() - padding);
    out
}

fn hex(bytes: &[u8]) -> String {
    aligned(bytes, BASE16, 4, 0)
}

#[test]
fn a_token_is_found_in_every_dress() {
    let baits = baits(&[TOKEN]);
    let mut dressed = vec![
        TOKEN.to_owned(),
        TOKEN.to_uppercase(),
        TOKEN.chars().flat_map(|c| [c, ' ']).collect(),
        TOKEN.chars().flat_map(|c| [c, '\u{200b}']).collect(),
        TOKEN.chars().rev().collect(),
        TOKEN.chars().map(super::turned).collect(),
        hex(TOKEN.as_bytes()).to_uppercase(),
        TOKEN.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        TOKEN.bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
        TOKEN.bytes().map(|byte| format!("&#{byte};")).collect(),
        base64(TOKEN.as_bytes()).chars().rev().collect(),
        base64(TOKEN.chars().rev().collect::<String>().as_bytes()),
        hex(base64(TOKEN.as_bytes()).as_bytes()),
        base64(hex(TOKEN.as_bytes()).as_bytes()),
    ];
    for before in ["", "a", "ab", "abc", "{\"key\": \""] {
        let inner = format!("{before}{TOKEN}\" and more");
        dressed.push(base64(inner.as_bytes()));
        dressed.push(base64(inner.as_bytes()).replace('+', "-").replace('/', "_"));
        dressed.push(base64(base64(inner.as_bytes()).as_bytes()));
        dressed.push(base64(format!("x{}", base64(inner.as_bytes())).as_bytes()));
    }
    for text in dressed {
        for around in [
            format!("https://a.example/?q={text}&r=1"),
            text.clone(),
            format!("Ok. {text}"),
        ] {
            assert_eq!(sighted(&baits, &around), Sighting::Seen, "{around}");
        }
    }
}

#[test]
fn parts_are_found_together_and_not_alone() {
    let baits = baits(&[TOKEN]);
    let (half, rest) = TOKEN.split_at(12);
    assert_eq!(sighted(&baits, &format!("{half}\n{rest}")), Sighting::Seen);
    let whole = base64(TOKEN.as_bytes());
    let (half_coded, rest_coded) = whole.split_at(20);
    assert_eq!(sighted(&baits, &format!("{half_coded}\n{rest_coded}")), Sighting::Seen);
    assert_eq!(sighted(&baits, half), Sighting::Nowhere);
    assert_eq!(sighted(&baits, rest), Sighting::Nowhere);
    assert_eq!(sighted(&baits, &format!("{rest}\n{half}")), Sighting::Nowhere);
}

#[test]
fn honey_values_are_found() {
    let baits = baits(&[ACCOUNT, MAIL, NUMBER]);
    for text in [
        format!("pay {ACCOUNT} now"),
        ACCOUNT.replace(' ', "").to_lowercase(),
        ACCOUNT.replace(' ', "-"),
        base64(format!("to={}", ACCOUNT.replace(' ', "")).as_bytes()),
        format!("<{MAIL}>"),
        MAIL.to_uppercase(),
        MAIL.replace('@', " (at) ")
            .replace('.', " [dot] ")
            .replace("at", "@")
            .replace("dot", "."),
        format!("call {NUMBER}."),
        base64(format!("n:{NUMBER}").as_bytes()),
        hex(format!("n:{NUMBER};").as_bytes()),
    ] {
        assert_eq!(sighted(&baits, &text), Sighting::Seen, "{text}");
    }
    for text in [
        "pay DE89 3704 0044 0532 0130 00 now",
        "49291234567",
        "14929123456",
        "4929 123456",
        "ellis.marden@accounts.test",
        "ellis marden of accounts",
    ] {
        assert_eq!(sighted(&baits, text), Sighting::Nowhere, "{text}");
    }
}

#[test]
fn one_more_belongs_to_the_one_who_adds_it() {
    let route = baits(&[ACCOUNT]);
    let session = route.and(TOKEN);
    assert_eq!(sighted(&session, TOKEN), Sighting::Seen);
    assert_eq!(sighted(&session, ACCOUNT), Sighting::Seen);
    assert_eq!(sighted(&route, TOKEN), Sighting::Nowhere);
    assert!(Baits::default().is_empty() && !Baits::default().and(TOKEN).is_empty());
    assert_eq!(sighted(&Baits::default(), TOKEN), Sighting::Nowhere);
    assert!(!format!("{session:?}").contains("k3v7"));
}

#[test]
fn what_cannot_be_read_may_hold_one() {
    let text = "text that is longer than what may be spent on it ".repeat(100);
    assert_eq!(baits(&[TOKEN]).sighted(&text, &mut Budget::new(10)), Sighting::Unread);
}

proptest! {
    #[test]
    fn ordinary_texts_hold_none(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let baits = baits(&[TOKEN, ACCOUNT, MAIL, NUMBER]);
        prop_assert_eq!(sighted(&baits, &text), Sighting::Nowhere);
        prop_assert_eq!(sighted(&baits, &base64(&bytes)), Sighting::Nowhere);
    }

    /// Whatever stands before and after it, at both levels.
    #[test]
    fn base_64_hides_nothing(
        before in proptest::collection::vec(any::<u8>(), 0..20),
        after in proptest::collection::vec(any::<u8>(), 0..20),
        label in "[a-z]{0,5}",
    ) {
        let all = [before.as_slice(), TOKEN.as_bytes(), after.as_slice()].concat();
        let once = base64(&all);
        prop_assert_eq!(sighted(&baits(&[TOKEN]), &once), Sighting::Seen);
        let twice = base64(format!("{label}{once}").as_bytes());
        prop_assert_eq!(sighted(&baits(&[TOKEN]), &twice), Sighting::Seen);
    }
}
