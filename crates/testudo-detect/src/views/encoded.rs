//! Decodes runs of base64, base32, base85 and hexadecimal digits that spell text.

use std::ops::Range;
use std::sync::LazyLock;

use super::ViewKind;
use super::derived::Edit;
use super::legible::{Legible, PROBE_BYTES, legible, promising};
use super::uuencoded::decode_lines;
use crate::kinds::{Kinds, encoding, graphic};

/// Shorter runs are words and numbers.
pub(super) const RUN_MIN: usize = 16;
/// Lines of at least this length may go on in the next line.
const WRAPPED_MIN: usize = 32;
/// Base85 has no telling alphabet; shorter pieces are not tried.
const BASE85_MIN: usize = 20;

/// A decoded run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) kind: ViewKind,
    pub(super) edit: Edit,
    /// It was packed and held more than may be unpacked.
    pub(super) cut: bool,
}

/// Decodes each run of `text` that spells text, in order.
pub(super) fn decode_runs(text: &str, kinds: &Kinds) -> Vec<Decoded> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0_usize;
    while let Some(run) = kinds.next_run(at, RUN_MIN, encoding) {
        let run = run.start..wrapped_end(bytes, run);
        at = run.end;
        if let Some(part) = bytes.get(run.clone()) {
            decode_run(part, run.start, &mut found);
        }
    }
    found
}

fn wrapped_end(bytes: &[u8], run: Range<usize>) -> usize {
    let mut line = run.start;
    let mut end = run.end;
    while end.saturating_sub(line) >= WRAPPED_MIN {
        let rest = bytes.get(end..).unwrap_or_default();
        let breaks = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => break,
        };
        let indent = rest
            .iter()
            .skip(breaks)
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
        let next = end.saturating_add(breaks).saturating_add(indent);
        let len = bytes
            .get(next..)
            .unwrap_or_default()
            .iter()
            .take_while(|b| in_run(**b))
            .count();
        if len == 0 {
            break;
        }
        line = next;
        end = next.saturating_add(len);
    }
    end
}

pub(super) fn in_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

/// Decodes one run as a whole, or the parts of it that marks separate.
pub(super) fn decode_run(run: &[u8], base: usize, found: &mut Vec<Decoded>) {
    if decode_part(run, base, found) {
        return;
    }
    let mut at = 0_usize;
    for part in run.split(|byte| matches!(byte, b'/' | b'-' | b'_' | b'+' | b'=' | b'\n')) {
        if part.len() >= RUN_MIN && part.len() < run.len() {
            decode_part(part, base.saturating_add(at), found);
        }
        at = at.saturating_add(part.len()).saturating_add(1);
    }
}

fn decode_part(part: &[u8], base: usize, found: &mut Vec<Decoded>) -> bool {
    let tries: [(ViewKind, Decode); 3] = [
        (ViewKind::Hex, hex),
        (ViewKind::Base64, base64),
        (ViewKind::Base32, base32),
    ];
    for (kind, decode) in tries {
        let Some(Legible { text, cut }) = attempt(part, decode) else {
            continue;
        };
        found.push(Decoded {
            kind,
            edit: Edit {
                range: base..base.saturating_add(part.len()),
                text: text.into(),
            },
            cut,
        });
        return true;
    }
    false
}

/// Bytes from characters of an alphabet; `None` when others are among them.
type Decode = fn(&[u8]) -> Option<Vec<u8>>;

fn attempt(part: &[u8], decode: Decode) -> Option<Legible> {
    let probe = part.get(..PROBE_BYTES.saturating_mul(2)).unwrap_or(part);
    promising(&decode(probe)?).then_some(())?;
    legible(&decode(part)?)
}

fn hex(part: &[u8]) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = part
        .strip_prefix(b"0x")
        .unwrap_or(part)
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| {
            char::from(*byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn base64(part: &[u8]) -> Option<Vec<u8>> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte.saturating_sub(b'A')),
        b'a'..=b'z' => Some(byte.saturating_sub(b'a').saturating_add(26)),
        b'0'..=b'9' => Some(byte.saturating_sub(b'0').saturating_add(52)),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    by_bits(part, 6, value)
}

fn base32(part: &[u8]) -> Option<Vec<u8>> {
    let upper = part.iter().any(u8::is_ascii_uppercase);
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte.saturating_sub(b'A')),
        b'a'..=b'z' if !upper => Some(byte.saturating_sub(b'a')),
        b'2'..=b'7' => Some(byte.saturating_sub(b'2').saturating_add(26)),
        _ => None,
    };
    by_bits(part, 5, value)
}

/// Bytes from digits of so many bits; padding may stand at the end only.
fn by_bits(part: &[u8], bits: u32, value: impl Fn(u8) -> Option<u8>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(part.len());
    let (mut held, mut count) = (0_u32, 0_u32);
    let mut padded = false;
    for byte in part.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        if *byte == b'=' {
            padded = true;
            continue;
        }
        let digit = value(*byte).filter(|_| !padded)?;
        held = held << bits | u32::from(digit);
        count = count.saturating_add(bits);
        if let Some(rest) = count.checked_sub(8) {
            out.push(u8::try_from(held >> rest & 0xFF).unwrap_or(0));
            held &= (1_u32 << rest).saturating_sub(1);
            count = rest;
        }
    }
    Some(out)
}

/// Decodes pieces between spaces that are text in one of the base85 alphabets.
pub(super) fn decode_base85(text: &str, kinds: &Kinds) -> Vec<Decoded> {
    let mut found = Vec::new();
    let mut end = 0;
    for run in kinds.runs(BASE85_MIN, graphic) {
        if run.start < end {
            continue;
        }
        if let Some(lines) = decode_lines(text, &run) {
            end = lines.edit.range.end;
            found.push(lines);
            continue;
        }
        let piece = text.get(run.clone()).unwrap_or_default();
        let mut body = piece;
        let quote = |c| matches!(c, '"' | '\'' | ',' | '`');
        if body.starts_with(quote) || body.ends_with(quote) {
            body = body.trim_matches(quote);
        }
        let body = body
            .strip_prefix("<~")
            .and_then(|body| body.strip_suffix("~>"))
            .unwrap_or(body);
        if body.len() < BASE85_MIN {
            continue;
        }
        let decoded = ALPHABETS
            .iter()
            .zip([true, false, false])
            .find_map(|(alphabet, zeros)| {
                // Most words are no text from the first group on.
                let first = five(body.as_bytes().first_chunk()?, alphabet)?;
                sure(&first).then_some(())?;
                let probe = body.as_bytes().get(..BASE85_MIN).unwrap_or_default();
                sure(&base85(probe, alphabet, zeros)?).then_some(())?;
                legible(&base85(body.as_bytes(), alphabet, zeros)?)
            });
        if let Some(Legible { text, cut }) = decoded {
            found.push(Decoded {
                kind: ViewKind::Base85,
                edit: Edit {
                    range: run,
                    text: text.into(),
                },
                cut,
            });
        }
    }
    found
}

/// Base85 reads any word as some bytes; those of text are printable from the first.
fn sure(probe: &[u8]) -> bool {
    let printable = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace() || !byte.is_ascii();
    matches!(probe, [0x1F, 0x8B, ..] | [0x78, 0x01 | 0x5E | 0x9C | 0xDA, ..])
        || (std::str::from_utf8(probe).map_or_else(|error| error.error_len().is_none(), |_| true)
            && probe.iter().all(printable))
}

const ASCII85: &[u8; 85] = b"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstu";
const Z85: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const RFC1924: &[u8; 85] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/// The digits of an alphabet, by byte; [`NO_DIGIT`] for all others.
struct Digits([u8; 256]);

const NO_DIGIT: u8 = u8::MAX;

static ALPHABETS: LazyLock<[Digits; 3]> = LazyLock::new(|| [ASCII85, Z85, RFC1924].map(Digits::new));

impl Digits {
    fn new(alphabet: &[u8; 85]) -> Self {
        let mut digits = [NO_DIGIT; 256];
        for (digit, byte) in (0..).zip(alphabet) {
            if let Some(slot) = digits.get_mut(usize::from(*byte)) {
                *slot = digit;
            }
        }
        Self(digits)
    }

    fn of(&self, byte: u8) -> Option<u32> {
        let digit = self.0.get(usize::from(byte)).copied().unwrap_or(NO_DIGIT);
        (digit != NO_DIGIT).then(|| u32::from(digit))
    }
}

/// The bytes that five digits stand for.
fn five(group: &[u8; 5], digits: &Digits) -> Option<[u8; 4]> {
    let sum = group.iter().try_fold(0_u64, |sum, byte| {
        Some(sum.wrapping_mul(85).wrapping_add(u64::from(digits.of(*byte)?)))
    })?;
    Some(u32::try_from(sum).ok()?.to_be_bytes())
}

/// The bytes that a text in base85 stands for; four zeros are written `z` in the first of the alphabets.
fn base85(body: &[u8], digits: &Digits, zeros: bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    let (mut sum, mut held) = (0_u64, 0_usize);
    for byte in body {
        if *byte == b'z' && held == 0 && zeros {
            out.extend([0; 4]);
            continue;
        }
        sum = sum.wrapping_mul(85).wrapping_add(u64::from(digits.of(*byte)?));
        held = held.saturating_add(1);
        if held == 5 {
            out.extend(u32::try_from(sum).ok()?.to_be_bytes());
            (sum, held) = (0, 0);
        }
    }
    if held > 0 {
        let kept = held.saturating_sub(1);
        for _ in held..5 {
            sum = sum.wrapping_mul(85).wrapping_add(84);
        }
        out.extend(u32::try_from(sum).ok()?.to_be_bytes().iter().take(kept));
    }
    Some(out)
}
