//! Decides whether decoded bytes are text that is worth scanning.

use super::inflate::unpack;
use super::lexicon::LEXICON;

/// Fewer decoded characters say nothing.
pub(super) const CHARS_MIN: usize = 8;
/// So many characters that are all printable are no accident.
const SURE_CHARS: usize = 12;
/// Packed data may grow to this many bytes.
const UNPACKED_BYTES_MAX: usize = 1 << 20;
/// Bytes that show whether the rest is worth decoding.
pub(super) const PROBE_BYTES: usize = 96;

/// Text that was hidden in an encoding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Legible {
    pub(super) text: String,
    /// Packed data held more than may be unpacked.
    pub(super) cut: bool,
}

/// The text that bytes spell: UTF-8 or UTF-16, plain or packed; `None` when it is none.
pub(super) fn legible(bytes: &[u8]) -> Option<Legible> {
    if let Some(inflated) = unpack(bytes, UNPACKED_BYTES_MAX) {
        let text = text_of(&inflated.bytes)?;
        return Some(Legible {
            text,
            cut: inflated.cut,
        });
    }
    text_of(bytes).map(|text| Legible { text, cut: false })
}

/// Whether the first bytes of something can be text or packed data.
pub(super) fn promising(probe: &[u8]) -> bool {
    matches!(probe, [0x1F, 0x8B, 8, ..] | [0x78, 0x01 | 0x5E | 0x9C | 0xDA, ..]) || {
        let probe = probe.get(..PROBE_BYTES).unwrap_or(probe);
        let odd = probe
            .iter()
            .filter(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
            .count();
        odd.saturating_mul(7) <= probe.len() || wide(probe).is_some()
    }
}

fn text_of(bytes: &[u8]) -> Option<String> {
    let text = match wide(bytes) {
        Some(text) => text,
        None => String::from_utf8_lossy(bytes).into_owned(),
    };
    readable(&text).then_some(text)
}

/// UTF-16, mostly ASCII: as Windows writes it, or with the high byte first, as UTF-7 holds it.
fn wide(bytes: &[u8]) -> Option<String> {
    let high_first = matches!(bytes, [0xFE, 0xFF, ..] | [0, 1..=0xFF, ..]);
    let bytes = bytes.strip_prefix(&[0xFF, 0xFE]).unwrap_or(bytes);
    let bytes = bytes.strip_prefix(&[0xFE, 0xFF]).unwrap_or(bytes);
    let (pairs, _) = bytes.as_chunks::<2>();
    let of = if high_first {
        u16::from_be_bytes
    } else {
        u16::from_le_bytes
    };
    let ascii = pairs.iter().filter(|pair| matches!(of(**pair), 1..=0xFF)).count();
    (pairs.len() >= CHARS_MIN && ascii.saturating_mul(4) >= pairs.len().saturating_mul(3)).then(|| {
        let units = pairs.iter().map(|pair| of(*pair));
        char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    })
}

/// At least 85 % printable, and either all of it or with words that are known.
pub(super) fn readable(text: &str) -> bool {
    let mut chars = 0_usize;
    let mut odd = 0_usize;
    let mut letters = 0_usize;
    for c in text.chars() {
        chars = chars.saturating_add(1);
        let printable = if c.is_ascii() {
            c.is_ascii_graphic() || c.is_ascii_whitespace()
        } else {
            printable(c)
        };
        if !printable {
            odd = odd.saturating_add(1);
        }
        if c.is_alphanumeric() {
            letters = letters.saturating_add(1);
        }
    }
    if chars < CHARS_MIN || odd.saturating_mul(100) > chars.saturating_mul(15) || letters.saturating_mul(3) < chars {
        return false;
    }
    (odd == 0 && chars >= SURE_CHARS) || words(text) > 0
}

fn printable(c: char) -> bool {
    c != char::REPLACEMENT_CHARACTER
        && !c.is_control()
        && !matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}')
}

/// How many known words of three letters or more a text has.
pub(super) fn words(text: &str) -> usize {
    let words = text.split(|c: char| !c.is_ascii_alphabetic());
    words
        .filter(|word| word.len() >= 3 && LEXICON.knows(word.to_ascii_lowercase().as_bytes()))
        .count()
}
