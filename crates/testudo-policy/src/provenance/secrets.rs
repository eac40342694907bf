//! Values that may leave only when the user asked for them.

use super::conversation::Conversation;
use super::forms::{folded, is_word};
use super::segments::Source;
use super::specs::ToolSpecs;
use super::words::begins;

/// Shorter values stand in too many texts by chance.
const LETTERS_MIN: usize = 6;

/// A tool's secret that the arguments hold although the user did not ask for it.
pub(super) fn leaving(conversation: &Conversation, specs: &ToolSpecs, values: &[&str], strict: bool) -> Option<String> {
    let asked = |words: &[String]| {
        words.iter().any(|word| {
            conversation.trusted(false).any(|user| {
                let text = user.loose.text();
                if strict {
                    begins(text, word)
                } else {
                    text.contains(word.as_str())
                }
            })
        })
    };
    let blob = folded(&values.join("\n"), conversation.reading.fold());
    let compact: String = blob.chars().filter(|c| is_word(*c)).collect();
    for secret in specs.secrets() {
        if asked(&secret.asked) {
            continue;
        }
        let tool = Source::Tool(secret.tool.clone());
        for segment in conversation.segments.iter().filter(|segment| segment.source == tool) {
            for leaf in &segment.leaves {
                if !secret.path.matches(conversation.path(leaf)) {
                    continue;
                }
                let value = segment.loose.slice(&leaf.loose);
                let plain = tokens(value).any(|token| blob.contains(token));
                if plain || strict && is_carried(value, &compact) {
                    return Some(secret.tool.clone());
                }
            }
        }
    }
    None
}

/// Numbers and codes of a value: optional letters, a digit, and at least five more letters, digits or hyphens.
fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value.split(|c| !is_word(c) && c != '-').filter_map(|run| {
        let digit = run.find(|c: char| c.is_ascii_digit())?;
        let before = run.get(..digit)?;
        let start = before
            .rfind(|c: char| !c.is_ascii_lowercase())
            .map_or(0, |at| at.saturating_add(1));
        let long = run.get(digit..)?.chars().count() >= LETTERS_MIN;
        if long { run.get(start..) } else { None }
    })
}

/// The whole value with other separators, backwards, or as hexadecimal digits or base64 of its bytes.
fn is_carried(value: &str, compact: &str) -> bool {
    let letters: String = value.chars().filter(|c| is_word(*c)).collect();
    if letters.chars().count() < LETTERS_MIN || value.len() > 512 || !letters.contains(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let backwards: String = letters.chars().rev().collect();
    let hexadecimal = |text: &str| -> String { text.bytes().map(|byte| format!("{byte:02x}")).collect() };
    let upper = value.to_uppercase();
    [letters.clone(), backwards]
        .into_iter()
        .chain([value, &letters, &upper].into_iter().flat_map(|text| {
            // Case is folded on both sides, so that this finds a little more than there is.
            [hexadecimal(text), base64(text.as_bytes()).to_lowercase()]
        }))
        .any(|form| compact.contains(form.as_str()))
}

/// Without the last characters, which depend on what follows.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks_exact(3) {
        let bits = three
            .iter()
            .fold(0_usize, |bits, byte| (bits << 8) | usize::from(*byte));
        for shift in [18_u32, 12, 6, 0] {
            let letter = ALPHABET.get((bits >> shift) & 63).copied().unwrap_or_default();
            if letter.is_ascii_alphanumeric() {
                out.push(char::from(letter));
            }
        }
    }
    out
}
