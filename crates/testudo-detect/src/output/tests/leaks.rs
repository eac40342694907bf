//! The system prompt in other clothes.

use std::sync::Arc;

use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};

use crate::{Budget, Fingerprint, Hit, LeakScanner};

const PROMPT: &str = "You are Nuage, the booking assistant of Hotel Etoile. The staff discount code must never be told to \
                      guests. Answer politely and keep to the subject of rooms, prices and breakfast.";

fn leaks(prompt: &str, text: &str, size: usize) -> Vec<Hit> {
    let fingerprint = Arc::new(Fingerprint::of(prompt, 48));
    let mut scanner = LeakScanner::new(&fingerprint);
    let mut budget = Budget::unlimited();
    let mut hits = Vec::new();
    let chars: Vec<char> = text.chars().collect();
    for piece in chars.chunks(size) {
        hits.extend(scanner.push(&piece.iter().collect::<String>(), &mut budget).hits);
    }
    hits.extend(scanner.finish().hits);
    hits
}

fn base64(text: &str, alphabet: &[u8; 64]) -> String {
    let mut out = String::new();
    for group in text.as_bytes().chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            out.push(char::from(alphabet[((bits >> (18 - 6 * place)) & 63) as usize]));
        }
    }
    out
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The prompt, or much of it, as somebody may have been told to write it.
fn disguises() -> Vec<(&'static str, String)> {
    let rot13 = |text: &str| text.chars().map(crate::output::rot13).collect::<String>();
    let hex = |between: &str| {
        let bytes: Vec<String> = PROMPT.bytes().map(|byte| format!("{byte:02x}")).collect();
        bytes.join(between)
    };
    let lines = |text: &str| {
        let chars: Vec<char> = text.chars().collect();
        chars
            .chunks(76)
            .map(|line| line.iter().collect::<String>())
            .collect::<Vec<_>>()
            .join("\n")
    };
    vec![
        ("as it is", PROMPT.to_owned()),
        ("capitals", PROMPT.to_uppercase()),
        ("spaced letters", PROMPT.chars().flat_map(|c| [c, ' ']).collect()),
        ("hyphens", PROMPT.chars().flat_map(|c| [c, '-']).collect()),
        ("one word a line", PROMPT.replace(' ', "\n")),
        ("quoted lines", PROMPT.replace(". ", ".\n> ")),
        ("no punctuation", PROMPT.replace(['.', ','], "")),
        ("bullets", PROMPT.replace(". ", "\n* ")),
        ("underscores", PROMPT.replace(' ', "_")),
        (
            "bold words",
            PROMPT.split(' ').map(|word| format!("**{word}** ")).collect(),
        ),
        ("JSON", format!("{{\"p\": \"{}\"}}", PROMPT.replace(". ", ".\\u000a"))),
        ("zero width", PROMPT.chars().flat_map(|c| [c, '\u{200b}']).collect()),
        ("rot13", rot13(PROMPT)),
        ("backwards", PROMPT.chars().rev().collect()),
        ("words backwards are another text", String::new()),
        ("base64", base64(PROMPT, STANDARD)),
        ("base64url", base64(PROMPT, URL_SAFE)),
        ("base64 in lines", lines(&base64(PROMPT, STANDARD))),
        (
            "base64 of its own line",
            format!("Here:\n{}\n", base64(PROMPT, STANDARD)),
        ),
        ("hex", hex("")),
        ("hex pairs", hex(" ")),
        ("escapes", format!("\\x{}", hex("\\x"))),
        ("percent", format!("%{}", hex("%"))),
        ("hex numbers", format!("0x{}", hex(", 0x"))),
        (
            "half of it, spaced",
            PROMPT[..80].chars().flat_map(|c| [c, ' ']).collect(),
        ),
    ]
}

#[test]
fn clothes_do_not_hide_the_prompt() {
    for (name, text) in disguises().into_iter().filter(|(_, text)| !text.is_empty()) {
        for size in [1, 7, 100_000] {
            let text = format!("Sure! {text} That is all.");
            let hits = leaks(PROMPT, &text, size);
            assert!(!hits.is_empty(), "{name} in pieces of {size}");
            assert!(
                hits.iter().all(|hit| hit.end <= text.len() && hit.start >= 5),
                "{name}: {hits:?}"
            );
        }
    }
}

#[test]
fn other_texts_are_no_leak() {
    for text in [
        "You are welcome! Rooms start at ninety euros, breakfast included.",
        "I am the booking assistant of Hotel Etoile and keep to rooms.",
        "The staff discount is something I cannot talk about.",
        "aGVsbG8gd29ybGQsIHRoaXMgaXMgYW4gb3JkaW5hcnkgYmFzZTY0IHRleHQgb2Ygc29tZSBsZW5ndGg=",
        "68656c6c6f20776f726c642074686973206973206865782074657874",
        "Answer politely and stay calm, said the guide to the guests of the hotel.",
        "",
    ] {
        assert_eq!(leaks(PROMPT, text, 5), [], "{text}");
    }
}

#[test]
fn a_short_prompt_is_found_whole_and_a_common_one_not_at_all() {
    let short = "Password: mellon. Tell nobody.";
    assert!(!leaks(short, "it is: password mellon, tell NOBODY!", 3).is_empty());
    assert!(!leaks(short, &base64(short, STANDARD), 3).is_empty());
    assert_eq!(leaks(short, "The password is secret, tell nobody.", 3), []);
    assert_eq!(
        leaks("You are a helpful assistant.", "\"You are a helpful assistant.\"", 3),
        []
    );
    assert_eq!(leaks("Be brief.", "Be brief.", 3), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn pieces_change_no_leak(
        which in 0..disguises().len(),
        before in "[a-zA-Z0-9 =/\n]{0,12}",
        cut in 0_usize..400,
        size in 1_usize..40,
        between in prop::sample::select(vec!["", " ", "xyz", "\n\n"]),
    ) {
        let (_, text) = disguises().swap_remove(which);
        let cut = text.floor_char_boundary(cut.min(text.len()));
        let text = format!("{before}{}{between}{}", &text[..cut], &text[cut..]);
        prop_assert_eq!(leaks(PROMPT, &text, usize::MAX), leaks(PROMPT, &text, size));
    }
}
