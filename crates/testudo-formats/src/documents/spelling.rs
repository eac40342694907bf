//! JSON that readers spell and understand in different ways.

use std::borrow::Cow;

use testudo_bounded::json::{JsonError, JsonErrorKind};

use super::search;
use crate::source::Source;
use crate::verdict::Verdict;

/// Texts of UTF-16 and UTF-32, as Python tells them by their first bytes; `None` for others.
pub(super) fn wide(bytes: &[u8]) -> Option<String> {
    let (unit, is_big, skip) = match bytes {
        [0xff, 0xfe, 0, 0, ..] => (4, false, 4),
        [0, 0, 0xfe, 0xff, ..] => (4, true, 4),
        [0xff, 0xfe, ..] => (2, false, 2),
        [0xfe, 0xff, ..] => (2, true, 2),
        [0, 0, 0, next, ..] if *next != 0 => (4, true, 0),
        [first, 0, 0, 0, ..] if *first != 0 => (4, false, 0),
        [0, second, ..] if *second != 0 => (2, true, 0),
        [first, 0, ..] if *first != 0 => (2, false, 0),
        _ => return None,
    };
    let number = |unit: &[u8]| {
        let shift = |number: u32, byte: &u8| (number << 8) | u32::from(*byte);
        if is_big {
            unit.iter().fold(0, shift)
        } else {
            unit.iter().rev().fold(0, shift)
        }
    };
    let units = bytes.get(skip..)?.chunks_exact(unit).map(number);
    Some(if unit == 4 {
        units
            .map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    } else {
        let halves = units.map(|unit| u16::try_from(unit).unwrap_or_default());
        let decoded = char::decode_utf16(halves);
        decoded
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    })
}

/// The same with zeros for `NaN` and `Infinity`, which Python writes and reads, and the format does not have.
pub(super) fn without_words(bytes: &[u8]) -> Cow<'_, [u8]> {
    let words: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut out = Cow::Borrowed(bytes);
    let mut in_text = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let word = words.iter().find(|word| !in_text && rest.starts_with(word));
        if let Some(word) = word {
            let end = at.saturating_add(word.len());
            for (index, to) in out.to_mut().get_mut(at..end).unwrap_or_default().iter_mut().enumerate() {
                *to = if index == 0 { b'0' } else { b' ' };
            }
            at = end;
            continue;
        }
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if in_text => at = at.saturating_add(1),
            _ => {}
        }
        at = at.saturating_add(1);
    }
    out
}

/// What is to be said of JSON that was not read, though other readers take it.
pub(super) fn odd(source: &dyn Source, bytes: &[u8], error: &JsonError) -> Option<(Verdict, String)> {
    let (is_twice, what) = match error.kind() {
        JsonErrorKind::DuplicateKey { .. } => (true, "a key stands twice in an object"),
        JsonErrorKind::LoneSurrogate | JsonErrorKind::ControlCharacter { .. } => {
            (false, "it has characters that some refuse")
        }
        JsonErrorKind::TooDeep { .. } => (false, "it is nested too deep"),
        JsonErrorKind::TooManyNodes { .. } | JsonErrorKind::TooLarge { .. } => (false, "it is too long"),
        JsonErrorKind::Empty if bytes.is_empty() && source.size() > 0 => (false, "it is too long"),
        // No reader takes these.
        _ => return None,
    };
    let verdict = if may_ask(source) {
        Verdict::Unknown
    } else if is_twice {
        Verdict::Suspicious
    } else {
        return None;
    };
    Some((
        verdict,
        format!("{what}, so that it was only searched; readers understand it in different ways"),
    ))
}

/// Whether something in it may make a loader import or run something, under a plain or an escaped name.
fn may_ask(source: &dyn Source) -> bool {
    let words: [&[u8]; 6] = [
        b"\"class_name\"",
        b"\"__module__\"",
        b"\"expr_str\"",
        b"\"guards_code\"",
        b"\"auto_mapping\"",
        b"torch.ops.",
    ];
    let mut found = false;
    for word in words {
        search(source, word, |_, _| found = true);
    }
    // Letters and underscores, which no writer escapes; `\u007f` is one that many do.
    search(source, b"\\u00", |_, text| {
        let digits = text.get(4..6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        found |= digits.is_some_and(|code| (0x41..=0x7a).contains(&code));
    });
    found
}
