//! Reads ROT47, which moves letters, digits and signs half way round what shows in ASCII.

use std::ops::Range;

use super::derived::Derived;
use super::legible::words;
use super::words::{GUESS_MARGIN, each_byte};

/// Fewer words of letters and digits may be numbers of parts.
const WORDS_MIN: usize = 3;
/// Words of the text that is meant.
const MEANT_MIN: usize = 3;
/// Between two such words of one text there is less.
const GAP_MAX: usize = 80;

/// The stretches where words of letters and digits are small letters, moved.
pub(super) fn read(text: &str, leet: &[Range<usize>]) -> Derived {
    let mut out = Derived::default();
    let moved: Vec<&Range<usize>> = leet.iter().filter(|range| may_be_moved(text, range)).collect();
    for group in moved.chunk_by(|a, b| b.start.saturating_sub(a.end) <= GAP_MAX) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        if group.len() < WORDS_MIN {
            continue;
        }
        let from = text.floor_char_boundary(first.start.saturating_sub(GUESS_MARGIN));
        let to = text.ceil_char_boundary(last.end.saturating_add(GUESS_MARGIN).min(text.len()));
        let meant: String = text
            .get(first.start..last.end)
            .unwrap_or_default()
            .bytes()
            .map(back)
            .map(char::from)
            .collect();
        if words(&meant) >= MEANT_MIN {
            each_byte(text, from..to, back, &mut out);
        }
    }
    out
}

/// Small letters become digits from `2` on, capitals up to `K`, and signs between them.
fn may_be_moved(text: &str, range: &Range<usize>) -> bool {
    let word = text.get(range.clone()).unwrap_or_default().as_bytes();
    word.len() >= 2
        && word.iter().any(u8::is_ascii_uppercase)
        && word.iter().all(|byte| matches!(byte, b'2'..=b'9' | b'@'..=b'K'))
}

fn back(byte: u8) -> u8 {
    match byte {
        b'!'..=b'O' => byte.wrapping_add(47),
        b'P'..=b'~' => byte.wrapping_sub(47),
        _ => byte,
    }
}
