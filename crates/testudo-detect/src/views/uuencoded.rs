//! Decodes lines of uuencode: each begins with the number of bytes that it holds.

use std::ops::Range;

use super::ViewKind;
use super::derived::Edit;
use super::encoded::Decoded;
use super::legible::{CHARS_MIN, legible};

/// Fewer bytes on the first line are a word.
const BYTES_MIN: u8 = 12;
/// A line holds at most so many.
const BYTES_MAX: u8 = 45;

/// The lines from `run` on that are such lines, decoded, when they spell text.
///
/// Of the first line at least a run without spaces is at hand.
pub(super) fn decode_lines(text: &str, run: &Range<usize>) -> Option<Decoded> {
    let before = run.start.checked_sub(1).and_then(|at| text.as_bytes().get(at));
    if !matches!(before, None | Some(b'\n')) {
        return None;
    }
    let rest = text.as_bytes().get(run.start..)?;
    let first = count_of(*rest.first()?);
    if !(BYTES_MIN..=BYTES_MAX).contains(&first) {
        return None;
    }
    let (mut held, mut len) = (Vec::new(), 0_usize);
    for line in rest.split_inclusive(|byte| *byte == b'\n') {
        let body = line.trim_ascii_end();
        if !take_line(body, &mut held) {
            break;
        }
        len = len.saturating_add(line.len());
    }
    let spelled = (held.len() >= CHARS_MIN).then(|| legible(&held)).flatten()?;
    Some(Decoded {
        kind: ViewKind::Uuencode,
        edit: Edit {
            range: run.start..run.start.saturating_add(len),
            text: spelled.text.into(),
        },
        cut: spelled.cut,
    })
}

/// Appends what a line holds; false when it is no such line.
fn take_line(line: &[u8], held: &mut Vec<u8>) -> bool {
    let Some((count, body)) = line.split_first() else {
        return false;
    };
    let count = count_of(*count);
    let bytes = usize::from(count);
    let letters = bytes.div_ceil(3).saturating_mul(4);
    // Spaces at the end of a line, which stand for zeros, get lost.
    let fits = body.len() <= letters.saturating_add(1) && body.len().saturating_add(4) > letters;
    if count == 0 || count > BYTES_MAX || !fits || !body.iter().all(|byte| matches!(byte, b' '..=b'`')) {
        return false;
    }
    let digit = |at: usize| u32::from(body.get(at).map_or(0, |byte| count_of(*byte)));
    for group in 0..bytes.div_ceil(3) {
        let at = group.saturating_mul(4);
        let sum = (0..4).fold(0_u32, |sum, place| sum << 6 | digit(at.saturating_add(place)));
        let left = bytes.saturating_sub(group.saturating_mul(3));
        held.extend(sum.to_be_bytes().iter().skip(1).take(left));
    }
    true
}

fn count_of(byte: u8) -> u8 {
    byte.wrapping_sub(b' ') & 63
}
