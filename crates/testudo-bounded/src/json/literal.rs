//! String literals: where one lies, what it says, and which bytes say which part of it.

use std::borrow::Cow;
use std::ops::Range;

/// A string as it stands in a document: its raw byte range, quotes included.
///
/// The bytes are not held: methods that need them take the document's bytes.
/// Given other bytes they answer with text or ranges that mean nothing, and
/// never panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StringLiteral {
    start: u32,
    end: u32,
    escaped: bool,
}

impl StringLiteral {
    pub(super) fn new(start: u32, end: u32, escaped: bool) -> Self {
        Self { start, end, escaped }
    }

    /// Absolute raw range in bytes, both quotes included.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        widen(self.start)..widen(self.end)
    }

    /// Absolute raw range of the text between the quotes.
    #[must_use]
    pub fn body(&self) -> Range<usize> {
        let Range { start, end } = self.range();
        start.saturating_add(1)..end.saturating_sub(1).max(start.saturating_add(1))
    }

    /// Whether the raw text holds a backslash; if not, the decoded text is the raw text.
    #[must_use]
    pub fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// The text that the literal stands for; borrowed unless it holds an escape.
    #[must_use]
    pub fn decode<'b>(&self, bytes: &'b [u8]) -> Cow<'b, str> {
        let raw = self.raw_text(bytes);
        if self.escaped {
            Cow::Owned(decode_escaped(raw))
        } else {
            Cow::Borrowed(raw)
        }
    }

    /// As [`Self::decode`], without checking the encoding again.
    pub(super) fn decode_str<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let raw = text.get(self.body()).unwrap_or_default();
        if self.escaped {
            Cow::Owned(decode_escaped(raw))
        } else {
            Cow::Borrowed(raw)
        }
    }

    pub(super) fn offsets(&self) -> (u32, u32) {
        (self.start, self.end)
    }

    /// The absolute raw range, inside the quotes, that stands for the byte range `decoded` of the
    /// decoded text. An escape is one character, and so is a pair of surrogate escapes.
    ///
    /// `None` when an end lies inside a character, past the text, or before the start. The cost is
    /// linear in the literal if it holds escapes; for many ranges use
    /// [`Edits::replace_many_in_string`](super::Edits::replace_many_in_string).
    #[must_use]
    pub fn raw_range(&self, bytes: &[u8], decoded: Range<usize>) -> Option<Range<usize>> {
        if decoded.start > decoded.end {
            return None;
        }
        let mut positions = self.positions(bytes);
        Some(positions.seek(decoded.start)?..positions.seek(decoded.end)?)
    }

    /// Raw positions of decoded positions, asked for in ascending order.
    pub(super) fn positions<'b>(&self, bytes: &'b [u8]) -> Positions<'b> {
        Positions {
            rest: self.raw_text(bytes),
            escaped: self.escaped,
            run: 0,
            raw: self.body().start,
            decoded: 0,
        }
    }

    fn raw_text<'b>(&self, bytes: &'b [u8]) -> &'b str {
        bytes
            .get(self.body())
            .and_then(|raw| std::str::from_utf8(raw).ok())
            .unwrap_or_default()
    }
}

/// Appends `text` as the body of a JSON string, without quotes, escaping only what must be.
pub fn escape_into(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    loop {
        let run = plain_len(rest);
        let (plain, tail) = rest.split_at_checked(run).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = tail.split_first() else {
            return;
        };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex_digit(byte >> 4), hex_digit(byte & 0xf)]),
        }
        rest = after;
    }
}

/// Decodes a raw body that holds escapes; malformed ones become U+FFFD.
fn decode_escaped(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((piece, after)) = Piece::split(rest, true) {
        match piece {
            Piece::Run(run) => text.push_str(run),
            Piece::Escape { char, .. } => text.push(char),
        }
        rest = after;
    }
    text
}

/// How many bytes from the start need no attention inside a string: none is `"`, `\` or below 0x20.
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut len: usize = 0;
    for word in words {
        let special = special_bits(u64::from_le_bytes(*word));
        if special != 0 {
            // The count of zero bits is below 64, so the quotient is below 8.
            return len.saturating_add(usize::try_from(special.trailing_zeros() >> 3).unwrap_or(0));
        }
        len = len.saturating_add(8);
    }
    let in_tail = tail
        .iter()
        .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
    len.saturating_add(in_tail.unwrap_or(tail.len()))
}

/// What four hex digits at the start of `bytes` stand for.
pub(super) fn hex4(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.first_chunk::<4>()?;
    digits
        .iter()
        .try_fold(0_u16, |value, &digit| Some((value << 4) | u16::from(hex_value(digit)?)))
}

pub(super) fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(digit.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

pub(super) fn is_high_surrogate(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

pub(super) fn is_low_surrogate(unit: u16) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

pub(super) fn widen(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Walks decoded and raw positions of one literal side by side, forwards only: all seeks together
/// cost one pass over the literal.
pub(super) struct Positions<'b> {
    rest: &'b str,
    escaped: bool,
    /// So many bytes at the start of `rest` are known to be plain.
    run: usize,
    raw: usize,
    decoded: usize,
}

impl Positions<'_> {
    /// The raw position of `decoded`, which must not lie before the last one asked for.
    pub(super) fn seek(&mut self, decoded: usize) -> Option<usize> {
        loop {
            let ahead = decoded.checked_sub(self.decoded)?;
            if ahead == 0 {
                return Some(self.raw);
            }
            if self.run > 0 {
                let step = ahead.min(self.run);
                self.advance(step, step)?;
                self.run = self.run.saturating_sub(step);
                continue;
            }
            match Piece::split(self.rest, self.escaped)?.0 {
                Piece::Run(run) => self.run = run.len(),
                Piece::Escape { char, .. } if ahead < char.len_utf8() => return None,
                Piece::Escape { raw_len, char } => self.advance(raw_len, char.len_utf8())?,
            }
        }
    }

    /// `None` when the step would end inside a character.
    fn advance(&mut self, raw_len: usize, decoded_len: usize) -> Option<()> {
        self.rest = self.rest.split_at_checked(raw_len)?.1;
        self.raw = self.raw.saturating_add(raw_len);
        self.decoded = self.decoded.saturating_add(decoded_len);
        Some(())
    }
}

/// Plain text up to the next escape, or one escape.
enum Piece<'b> {
    Run(&'b str),
    Escape { raw_len: usize, char: char },
}

impl<'b> Piece<'b> {
    /// The first piece of `raw` and what follows it. Without `escaped` all of `raw` is one run.
    fn split(raw: &'b str, escaped: bool) -> Option<(Self, &'b str)> {
        if raw.is_empty() {
            return None;
        }
        match if escaped { raw.find('\\') } else { None } {
            None => Some((Self::Run(raw), "")),
            Some(0) => {
                let (raw_len, char) = decode_escape(raw.as_bytes());
                // A malformed escape may end inside a character: then the rest is one run.
                match raw.split_at_checked(raw_len) {
                    Some((_, after)) => Some((Self::Escape { raw_len, char }, after)),
                    None => Some((Self::Run(raw), "")),
                }
            }
            Some(run_len) => raw
                .split_at_checked(run_len)
                .map(|(run, after)| (Self::Run(run), after)),
        }
    }
}

/// Raw length and meaning of the escape that starts at the backslash `raw` begins with.
fn decode_escape(raw: &[u8]) -> (usize, char) {
    let char = match raw.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return decode_unicode_escape(raw),
        Some(_) | None => return (raw.len().min(2), char::REPLACEMENT_CHARACTER),
    };
    (2, char)
}

fn decode_unicode_escape(raw: &[u8]) -> (usize, char) {
    let unit = |at: usize| raw.get(at..).and_then(hex4);
    let Some(first) = unit(2) else {
        return (raw.len().min(2), char::REPLACEMENT_CHARACTER);
    };
    if !is_high_surrogate(first) {
        return (
            6,
            char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER),
        );
    }
    let second = if raw.get(6..8) == Some(b"\\u") { unit(8) } else { None };
    match second {
        Some(second) if is_low_surrogate(second) => {
            let code = ((u32::from(first) & 0x3ff) << 10 | (u32::from(second) & 0x3ff)).saturating_add(0x1_0000);
            (12, char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
        }
        Some(_) | None => (6, char::REPLACEMENT_CHARACTER),
    }
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0'.wrapping_add(nibble)
    } else {
        b'a'.wrapping_add(nibble).wrapping_sub(10)
    }
}

/// A bit in each byte of `word` that is `"`, `\` or below 0x20; bytes above the lowest such bit
/// may carry false bits, the lowest is true.
fn special_bits(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    const SPACES: u64 = 0x2020_2020_2020_2020;
    const QUOTES: u64 = 0x2222_2222_2222_2222;
    const BACKSLASHES: u64 = 0x5c5c_5c5c_5c5c_5c5c;
    let zero_bits = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    let control = word.wrapping_sub(SPACES) & !word;
    (control | zero_bits(word ^ QUOTES) | zero_bits(word ^ BACKSLASHES)) & TOPS
}
