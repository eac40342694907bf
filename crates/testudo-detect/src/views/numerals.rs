//! Decodes text that is spelled as numbers or signals: decimal, octal and hexadecimal codes, bits, Morse.

use std::ops::Range;

use super::ViewKind;
use super::derived::Edit;
use super::encoded::Decoded;
use super::legible::{legible, words};
use super::spelled;
use crate::kinds::{self, Kinds, alphanumeric, digit};

/// Fewer numbers in a row are numbers.
const CODES_MIN: usize = 8;
/// Characters of Morse below which dots and dashes are rules and ellipses.
const MORSE_MIN: usize = 16;
/// Fewer are no row in any base.
const ROW_MIN: usize = 4;
/// Fewer bits without gaps are a number.
const BITS_MIN: usize = 32;
/// What may stand between two codes of a row: `, 0x`, `) + chr(`.
const ROW_GAP_MAX: usize = 8;

/// Decodes each row of numbers, and each unbroken row of bits, that spells text.
pub(super) fn decode_numbers(text: &str, kinds: &Kinds) -> Vec<Decoded> {
    let mut found = Vec::new();
    let mut row = Row::default();
    // Those that stand so close that they may be a row.
    let mut group: Vec<Range<usize>> = Vec::new();
    for token in tokens(text.as_bytes(), kinds) {
        let before = group.last().map_or(token.start, |last| last.end);
        if token.start.saturating_sub(before) > ROW_GAP_MAX {
            read_group(text, &group, &mut row, &mut found);
            group.clear();
        }
        group.push(token);
    }
    read_group(text, &group, &mut row, &mut found);
    row.close(&mut found);
    found
}

/// What may be a code, or a row of bits: codes of letters begin with digits in all bases.
fn tokens(bytes: &[u8], kinds: &Kinds) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0_usize;
    std::iter::from_fn(move || {
        loop {
            let start = kinds.next(at, digit)?;
            at = kinds.end(start, alphanumeric);
            let before = start.checked_sub(1).and_then(|before| bytes.get(before));
            if !before.is_some_and(u8::is_ascii_alphabetic) || starts_hex(bytes, start) {
                return Some(start..at);
            }
        }
    })
}

/// Reads tokens that stand close; too few for a row are read as bits alone.
fn read_group(text: &str, group: &[Range<usize>], row: &mut Row, found: &mut Vec<Decoded>) {
    spelled::numbers(text, group, found);
    for range in group {
        let token = text.get(range.clone()).unwrap_or_default();
        if range.len() >= BITS_MIN {
            bits(token, range.start, found);
        }
        let gap = row.end.map_or(0, |end| range.start.saturating_sub(end));
        if group.len() < ROW_MIN {
            row.close(found);
        } else if gap > ROW_GAP_MAX || !row.take(token, range.start) {
            row.close(found);
            row.take(token, range.start);
        }
    }
}

/// Whether the digits at `start` stand behind an `x`.
fn starts_hex(bytes: &[u8], start: usize) -> bool {
    start.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'x')
}

/// Decodes an unbroken row of bits.
fn bits(token: &str, at: usize, found: &mut Vec<Decoded>) {
    if token.len().is_multiple_of(8) && token.bytes().all(|b| matches!(b, b'0' | b'1')) {
        let (groups, _) = token.as_bytes().as_chunks::<8>();
        let byte = |bits: &[u8; 8]| bits.iter().fold(0_u8, |byte, bit| byte << 1 | (bit & 1));
        let bytes: Vec<u8> = groups.iter().map(byte).collect();
        push(ViewKind::Binary, at..at.saturating_add(token.len()), &bytes, found);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Bits,
    Decimal,
    Hex,
}

#[derive(Debug, Default)]
struct Row {
    codes: Vec<(Base, u32)>,
    start: usize,
    end: Option<usize>,
    /// Each token so far may be read in these bases.
    hex: Vec<u8>,
    octal: Vec<u8>,
    hex_only: bool,
}

impl Row {
    /// Takes a token that goes on with the row; false when it does not.
    fn take(&mut self, token: &str, at: usize) -> bool {
        let Some((base, code)) = code_of(token) else {
            return false;
        };
        let hex = hex_of(token);
        let first = self.codes.first().map(|(base, _)| *base);
        let fits = match (first, base) {
            (None, _) => true,
            (Some(first), base) if first == base => true,
            // `41 6e 64`: the digits of some codes look decimal.
            (Some(Base::Decimal | Base::Hex), Base::Decimal | Base::Hex) => {
                hex.is_some() && self.hex.len() == self.codes.len()
            }
            (Some(_), _) => false,
        };
        if !fits {
            return false;
        }
        if self.codes.is_empty() {
            self.start = at;
        }
        self.hex_only |= base == Base::Hex;
        self.codes.push((base, code));
        self.hex.extend(hex);
        self.octal.extend(octal_of(token));
        self.end = Some(at.saturating_add(token.len()));
        true
    }

    fn close(&mut self, found: &mut Vec<Decoded>) {
        self.spell(found);
        // What has been allocated serves the next row.
        self.codes.clear();
        self.hex.clear();
        self.octal.clear();
        self.end = None;
        self.hex_only = false;
    }

    fn spell(&self, found: &mut Vec<Decoded>) {
        let row = self;
        let (Some(end), Some((base, _))) = (row.end, row.codes.first()) else {
            return;
        };
        let enough = match base {
            Base::Bits => ROW_MIN,
            Base::Decimal | Base::Hex => CODES_MIN,
        };
        if row.codes.len() < enough {
            return;
        }
        let range = row.start..end;
        if row.hex.len() == row.codes.len() && *base != Base::Bits {
            push(ViewKind::Hex, range.clone(), &row.hex, found);
        }
        if row.octal.len() == row.codes.len() && *base == Base::Decimal {
            push_words(ViewKind::Decimal, range.clone(), &row.octal, found);
        }
        if !row.hex_only {
            let kind = if *base == Base::Bits {
                ViewKind::Binary
            } else {
                ViewKind::Decimal
            };
            let text: String = row.codes.iter().filter_map(|(_, code)| char::from_u32(*code)).collect();
            push_words(kind, range, text.as_bytes(), found);
        }
    }
}

/// The same where any numbers are some characters: those of a text make words.
fn push_words(kind: ViewKind, range: Range<usize>, bytes: &[u8], found: &mut Vec<Decoded>) {
    if str::from_utf8(bytes).is_ok_and(|text| words(text) > 0) {
        push(kind, range, bytes, found);
    }
}

fn push(kind: ViewKind, range: Range<usize>, bytes: &[u8], found: &mut Vec<Decoded>) {
    if let Some(legible) = legible(bytes) {
        found.push(Decoded {
            kind,
            edit: Edit {
                range,
                text: legible.text.into(),
            },
            cut: legible.cut,
        });
    }
}

/// What two or three octal digits stand for.
fn octal_of(token: &str) -> Option<u8> {
    let octal = matches!(token.len(), 2 | 3) && token.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    octal.then(|| u8::from_str_radix(token, 8).ok()).flatten()
}

fn code_of(token: &str) -> Option<(Base, u32)> {
    if let Some(octal) = token.strip_prefix("0o") {
        return u32::from_str_radix(octal, 8).ok().map(|code| (Base::Decimal, code));
    }
    let token = token.strip_prefix("0b").filter(|bits| bits.len() >= 7).unwrap_or(token);
    let digits = token.bytes().all(|b| b.is_ascii_digit());
    if matches!(token.len(), 7 | 8) && token.bytes().all(|b| matches!(b, b'0' | b'1')) {
        return u32::from_str_radix(token, 2).ok().map(|code| (Base::Bits, code));
    }
    if digits && token.len() <= 7 {
        let code = token.parse().ok()?;
        if matches!(code, 9 | 10 | 13 | 32..=0x10_FFFF) {
            return Some((Base::Decimal, code));
        }
    }
    hex_of(token).map(|code| (Base::Hex, u32::from(code)))
}

/// Two hexadecimal digits, perhaps after `0x` or, as in `U+0041`, after zeros.
fn hex_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("0x").unwrap_or(token);
    let digits = digits
        .strip_prefix("00")
        .filter(|rest| rest.len() == 2)
        .unwrap_or(digits);
    (digits.len() == 2)
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// Decodes stretches of Morse that hold words.
pub(super) fn decode_morse(text: &str, kinds: &Kinds) -> Vec<Decoded> {
    let mut found = Vec::new();
    for run in kinds.runs(MORSE_MIN, kinds::morse) {
        let stretch = text.get(run.clone()).unwrap_or_default();
        let body = stretch.trim();
        let Some(spelled) = (body.len() >= MORSE_MIN).then(|| morse(body)).flatten() else {
            continue;
        };
        if words(&spelled) > 0 {
            let start = run.start.saturating_add(stretch.find(body).unwrap_or(0));
            found.push(Decoded {
                kind: ViewKind::Morse,
                edit: Edit {
                    range: start..start.saturating_add(body.len()),
                    text: spelled.into(),
                },
                cut: false,
            });
        }
    }
    found
}

fn morse(body: &str) -> Option<String> {
    let mut out = String::new();
    let (mut good, mut bad) = (0_usize, 0_usize);
    for word in body.replace("   ", "/").split(['/', '|', '\n']) {
        for letter in word.split_whitespace() {
            let signals = letter.chars().map(|c| if c == '.' { '.' } else { '-' });
            let signals: String = signals.collect();
            match MORSE.iter().find(|(known, _)| *known == signals) {
                Some((_, c)) => {
                    good = good.saturating_add(1);
                    out.push(*c);
                }
                None => bad = bad.saturating_add(1),
            }
        }
        if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    }
    (good >= 4 && bad.saturating_mul(5) <= good).then_some(out)
}

#[rustfmt::skip]
const MORSE: &[(&str, char)] = &[
    (".-", 'a'), ("-...", 'b'), ("-.-.", 'c'), ("-..", 'd'), (".", 'e'), ("..-.", 'f'), ("--.", 'g'), ("....", 'h'),
    ("..", 'i'), (".---", 'j'), ("-.-", 'k'), (".-..", 'l'), ("--", 'm'), ("-.", 'n'), ("---", 'o'), (".--.", 'p'),
    ("--.-", 'q'), (".-.", 'r'), ("...", 's'), ("-", 't'), ("..-", 'u'), ("...-", 'v'), (".--", 'w'), ("-..-", 'x'),
    ("-.--", 'y'), ("--..", 'z'), ("-----", '0'), (".----", '1'), ("..---", '2'), ("...--", '3'), ("....-", '4'),
    (".....", '5'), ("-....", '6'), ("--...", '7'), ("---..", '8'), ("----.", '9'), (".-.-.-", '.'), ("--..--", ','),
    ("..--..", '?'), ("-.-.--", '!'), ("-....-", '-'), ("---...", ':'), (".----.", '\''), ("-..-.", '/'),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every token as one that may stand in a row.
    fn sequential(text: &str, kinds: &Kinds) -> Vec<Decoded> {
        let tokens: Vec<Range<usize>> = tokens(text.as_bytes(), kinds).collect();
        let (mut row, mut found) = (Row::default(), Vec::new());
        read_group(text, &tokens, &mut row, &mut found);
        row.close(&mut found);
        found
    }

    proptest! {
        #[test]
        fn few_tokens_together_spell_nothing(
            parts in prop::collection::vec(prop_oneof![
                "((6[1-9]|7[0-9]|32)[ ,]{1,2}){1,12}", "(0x6[1-9a-f] ?){1,12}", "[0-9a-fx]{1,4}[ ,.x]{1,9}",
                "(0110[01]{4} ?){1,9}", "[a-z :]{0,12}", "104 101 108 108 111 32 116 104 101 114 101", " ",
            ], 0..12),
        ) {
            let text = parts.concat();
            let kinds = Kinds::of(text.as_bytes());
            prop_assert_eq!(decode_numbers(&text, &kinds), sequential(&text, &kinds));
        }
    }
}
