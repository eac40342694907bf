//! Resolves characters that are written as escapes: percent, entities, `\u`, quoted-printable.

use std::borrow::Cow;

use super::ViewKind;
use super::derived::Edit;
use crate::kinds::{Kinds, equals, escape};

/// Fewer of them are signs of assignment before digits.
const QUOTED_MIN: usize = 4;

/// The resolved escapes of `text`, in order, under the kind that most of them are; quoted-printable apart.
pub(super) fn resolve(text: &str, kinds: &Kinds) -> Vec<(ViewKind, Vec<Edit>)> {
    let mut counts = [
        (ViewKind::Percent, 0_usize),
        (ViewKind::Entities, 0),
        (ViewKind::Escapes, 0),
    ];
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let edits = read(
        text,
        |from| {
            let at = kinds.next(from, escape)?;
            let sign: (usize, Reader) = match bytes.get(at)? {
                b'%' => (0, percent),
                b'&' => (1, entity),
                _ => (2, backslash),
            };
            Some((at, sign))
        },
        |index| {
            if let Some((_, count)) = counts.get_mut(index) {
                *count = count.saturating_add(1);
            }
        },
    );
    let most = counts.iter().max_by_key(|(_, count)| *count);
    if let Some((kind, _)) = most.filter(|_| !edits.is_empty()) {
        found.push((*kind, edits));
    }
    let sign = |from: usize| {
        let at = kinds.next(from, equals)?;
        Some((at, (0, quoted_printable as Reader)))
    };
    let edits = read(text, sign, |_| {});
    if edits.len() >= QUOTED_MIN {
        found.push((ViewKind::QuotedPrintable, edits));
    }
    found
}

/// Reads each escape, whose sign `next` finds at or behind an offset.
fn read(
    text: &str,
    next: impl Fn(usize) -> Option<(usize, (usize, Reader))>,
    mut count: impl FnMut(usize),
) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut at = 0_usize;
    while let Some((start, (index, read))) = next(at) {
        let rest = text.get(start..).unwrap_or_default();
        at = start.saturating_add(1);
        if let Some((text, len)) = read(rest) {
            at = start.saturating_add(len);
            count(index);
            edits.push(Edit { range: start..at, text });
        }
    }
    edits
}

/// What an escape at the start of a text stands for, and its length.
type Reader = fn(&str) -> Option<Resolved>;
type Resolved = (Cow<'static, str>, usize);

fn percent(text: &str) -> Option<Resolved> {
    octets(text, |rest| match rest {
        [b'%', b'u' | b'U', a, b, c, d, ..] => {
            let code = digits(&[*a, *b, *c, *d], 16)?;
            u8::try_from(code).ok().map(|byte| (byte, 6))
        }
        [b'%', high, low, ..] => Some((byte(*high, *low)?, 3)),
        _ => None,
    })
}

fn quoted_printable(text: &str) -> Option<Resolved> {
    match text.as_bytes() {
        [b'=', b'\r', b'\n', ..] => return Some((Cow::Borrowed(""), 3)),
        [b'=', b'\n', ..] => return Some((Cow::Borrowed(""), 2)),
        _ => {}
    }
    octets(text, |rest| match rest {
        [b'=', high, low, ..] if !high.is_ascii_lowercase() && !low.is_ascii_lowercase() => {
            Some((byte(*high, *low)?, 3))
        }
        _ => None,
    })
}

/// One character of UTF-8 whose bytes are escaped one by one.
fn octets(text: &str, one: impl Fn(&[u8]) -> Option<(u8, usize)>) -> Option<Resolved> {
    let mut rest = text.as_bytes();
    let mut held = [0; 4];
    let mut len = 0_usize;
    for count in 1..=held.len() {
        let (byte, step) = one(rest)?;
        *held.get_mut(count.wrapping_sub(1))? = byte;
        len = len.saturating_add(step);
        rest = rest.get(step..)?;
        match std::str::from_utf8(held.get(..count)?) {
            Ok(text) => return Some((text.to_owned().into(), len)),
            Err(error) if error.error_len().is_some() => return None,
            Err(_) => {}
        }
    }
    None
}

fn entity(text: &str) -> Option<Resolved> {
    let end = text.bytes().take(12).position(|byte| byte == b';');
    if let Some(body) = text.strip_prefix("&#") {
        let (radix, skip) = if body.starts_with(['x', 'X']) { (16, 1) } else { (10, 0) };
        let number = body.get(skip..)?;
        let count = number
            .bytes()
            .take(8)
            .take_while(|byte| char::from(*byte).is_digit(radix))
            .count();
        let code = digits(number.as_bytes().get(..count)?, radix)?;
        let closed = usize::from(number.as_bytes().get(count) == Some(&b';'));
        let len = count.saturating_add(skip).saturating_add(closed).saturating_add(2);
        return char::from_u32(code)
            .filter(|_| count > 0)
            .map(|c| (c.to_string().into(), len));
    }
    let name = text.get(1..end?)?;
    let (_, c) = ENTITIES.iter().find(|(known, _)| *known == name)?;
    Some((Cow::Borrowed(*c), name.len().saturating_add(2)))
}

fn backslash(text: &str) -> Option<Resolved> {
    match text.as_bytes() {
        [b'\\', b'u', b'{', ..] => {
            let body = text.get(3..)?;
            let end = body.bytes().take(8).position(|byte| byte == b'}')?;
            let code = digits(body.as_bytes().get(..end)?, 16)?;
            char::from_u32(code).map(|c| (c.to_string().into(), end.saturating_add(4)))
        }
        [b'\\', b'u', a, b, c, d, rest @ ..] => {
            let code = digits(&[*a, *b, *c, *d], 16)?;
            if let Some(c) = char::from_u32(code) {
                return Some((c.to_string().into(), 6));
            }
            let [b'\\', b'u', a, b, c, d, ..] = rest else {
                return None;
            };
            let low = digits(&[*a, *b, *c, *d], 16)?;
            let units = [u16::try_from(code).ok()?, u16::try_from(low).ok()?];
            String::from_utf16(&units).ok().map(|text| (text.into(), 12))
        }
        [b'\\', b'U', rest @ ..] => wide_code(rest, 8),
        [b'\\', b'0', b'0', b'0', b'0', ..] => wide_code(text.as_bytes().get(1..)?, 6),
        [b'\\', b'x', ..] => octets(text, |rest| match rest {
            [b'\\', b'x', high, low, ..] => Some((byte(*high, *low)?, 4)),
            _ => None,
        }),
        [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
            let code = digits(&[*a, *b, *c], 8)?;
            char::from_u32(code).map(|c| (c.to_string().into(), 4))
        }
        [b'\\', b'n' | b't' | b'r', ..] => Some((Cow::Borrowed(" "), 2)),
        _ => None,
    }
}

/// A character by so many hexadecimal digits behind a backslash and, where they are eight, a `U`.
fn wide_code(text: &[u8], count: usize) -> Option<Resolved> {
    let code = digits(text.get(..count)?, 16)?;
    let len = count.saturating_add(if count == 8 { 2 } else { 1 });
    char::from_u32(code).map(|c| (c.to_string().into(), len))
}

fn byte(high: u8, low: u8) -> Option<u8> {
    digits(&[high, low], 16).and_then(|code| u8::try_from(code).ok())
}

fn digits(text: &[u8], radix: u32) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u32, |sum, byte| {
        sum.checked_mul(radix)?.checked_add(char::from(*byte).to_digit(radix)?)
    })
}

#[rustfmt::skip]
const ENTITIES: &[(&str, &str)] = &[
    ("amp", "&"), ("lt", "<"), ("gt", ">"), ("quot", "\""), ("apos", "'"), ("nbsp", " "), ("Tab", "\t"),
    ("NewLine", "\n"), ("colon", ":"), ("semi", ";"), ("comma", ","), ("period", "."), ("excl", "!"), ("quest", "?"),
    ("num", "#"), ("dollar", "$"), ("percnt", "%"), ("lpar", "("), ("rpar", ")"), ("lsqb", "["), ("rsqb", "]"),
    ("lcub", "{"), ("rcub", "}"), ("sol", "/"), ("bsol", "\\"), ("lowbar", "_"), ("equals", "="), ("plus", "+"),
    ("commat", "@"), ("ast", "*"), ("verbar", "|"), ("zwnj", ""), ("zwj", ""), ("shy", ""), ("ZeroWidthSpace", ""),
    ("hyphen", "-"), ("ndash", "-"), ("mdash", "-"), ("lsquo", "'"), ("rsquo", "'"), ("ldquo", "\""), ("rdquo", "\""),
    ("ensp", " "), ("emsp", " "), ("thinsp", " "), ("Alpha", "A"), ("Omicron", "O"),
];
