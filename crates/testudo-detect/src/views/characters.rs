//! What each character is to the normaliser, in one look at a table.

use std::sync::LazyLock;

use unicode_normalization::char::is_combining_mark;

use super::fold::{blank, boxed, foreign, latin, may_change, styled};
use super::look_alike::{look_alike, turned};
use super::payload::has_signs;
use super::unseen::{decoration, unseen};
use crate::kinds::{Kinds, wide};

/// A letter of any alphabet.
pub(super) const LETTER: u8 = 1;
/// A Latin letter.
pub(super) const LATIN: u8 = 1 << 1;
/// A letter of an alphabet whose letters pass for Latin ones.
pub(super) const FOREIGN: u8 = 1 << 2;
/// Looks like a Latin letter.
pub(super) const ALIKE: u8 = 1 << 3;
/// May fold to something else, or to nothing.
pub(super) const MAY_CHANGE: u8 = 1 << 4;
/// Shows nothing.
pub(super) const UNSEEN: u8 = 1 << 5;
/// May fold to something else whatever letters stand around it, or counts as a mark.
pub(super) const ODD: u8 = 1 << 6;
/// Is a turned letter, or a sign that stands for one.
pub(super) const SHAPED: u8 = 1 << 7;

/// Those of the first plane; the others are rare.
static TABLE: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    (0..=0xFFFF)
        .map(|code| char::from_u32(code).map_or(0, work_out))
        .collect()
});

/// What a character is.
pub(super) fn traits(c: char) -> u8 {
    match TABLE.get(c as usize) {
        Some(known) => *known,
        None => work_out(c),
    }
}

/// What the characters of a text are, all together, but for those of ASCII that fold to themselves.
pub(super) fn traits_of(text: &str, kinds: &Kinds) -> u8 {
    let of = |part: &str| part.chars().fold(0, |all, c| all | traits(c));
    let control = |byte: u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    if text
        .bytes()
        .fold(false, |any, byte| any | control(byte) | (byte == b'\x0C'))
    {
        return of(text);
    }
    let runs = kinds.runs(1, wide);
    runs.fold(0, |all, run| all | of(text.get(run).unwrap_or_default()))
}

fn work_out(c: char) -> u8 {
    let odd = unseen(c).is_some()
        || decoration(c)
        || blank(c)
        || boxed(c).is_some()
        || c == '\u{1F3F4}'
        || styled(c, Some('\u{FF21}'))
        || (!c.is_ascii() && is_combining_mark(c));
    [
        (LETTER, c.is_alphabetic()),
        (LATIN, latin(c)),
        (FOREIGN, foreign(c)),
        (ALIKE, look_alike(c).is_some()),
        (MAY_CHANGE, may_change(c)),
        (UNSEEN, unseen(c).is_some()),
        (ODD, odd),
        (SHAPED, (!c.is_ascii() && turned(c).is_some()) || has_signs(c)),
    ]
    .into_iter()
    .fold(0, |all, (flag, is)| if is { all | flag } else { all })
}

#[cfg(test)]
mod tests {
    use super::{ALIKE, FOREIGN, LATIN, LETTER, MAY_CHANGE, ODD, SHAPED, UNSEEN, traits, work_out};

    #[test]
    fn the_table_says_what_would_be_worked_out() {
        for c in (0..0x2_0000).filter_map(char::from_u32) {
            assert_eq!(traits(c), work_out(c), "{c:?}");
        }
    }

    #[test]
    fn characters_are_what_they_are() {
        assert_eq!(traits('a'), LETTER | LATIN);
        assert_eq!(traits(' '), 0);
        assert_eq!(traits('\u{E9}'), LETTER | LATIN);
        assert_eq!(traits('\u{436}'), LETTER | FOREIGN | MAY_CHANGE);
        assert_eq!(traits('\u{430}'), LETTER | FOREIGN | ALIKE | MAY_CHANGE);
        assert_eq!(traits('\u{200B}'), UNSEEN | MAY_CHANGE | ODD);
        assert_eq!(traits('\u{8}'), UNSEEN | MAY_CHANGE | ODD);
        assert_eq!(traits('\u{A0}'), MAY_CHANGE | ODD);
        assert_eq!(traits('\u{1F1E6}') & SHAPED, SHAPED);
    }
}
