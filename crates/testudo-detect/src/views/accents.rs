//! Words with marks on their letters, which are read without them where a guess is worth while.

use std::ops::Range;
use std::sync::LazyLock;

use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use super::characters::{LETTER, traits};
use super::derived::Edit;
use super::lexicon::{LEXICON, Letters, Sense};
use super::words::Near;
use crate::kinds::{Kinds, letter, letter_or_wide, wide};

/// Words whose letters carry marks, without them: those near one of attacks or near several known ones, and all where
/// more are marked than in any language.
pub(super) fn unaccented(text: &str, kinds: &Kinds) -> Vec<Edit> {
    let mut marked = (0_usize, 0_usize);
    let mut attacks = 0_usize;
    let mut telling: Vec<Range<usize>> = Vec::new();
    for range in accented_words(text, kinds) {
        let (mut letters, mut len) = (Letters::default(), 0_u32);
        let word = text.get(range.clone()).unwrap_or_default();
        let plain = bare(word, |byte| {
            letters = letters.and(byte.to_ascii_lowercase(), len);
            len = len.saturating_add(1);
        });
        if plain && len > 0 {
            let sense = LEXICON.sense(letters.hash());
            attacks = attacks.saturating_add(usize::from(sense == Some(Sense::Attack)));
            // A single letter with a mark is a word of many languages.
            if len > 1 && sense.is_some() {
                telling.push(range);
            }
            let marks = word.chars().filter(|c| !c.is_ascii()).count();
            marked = (marked.0.saturating_add(1), marked.1.saturating_add(marks));
        }
    }
    // Vietnamese marks up to 40 of 100.
    let (words, marks) = marked;
    let beyond = |letters: usize| marks.saturating_mul(20) > letters.saturating_mul(9);
    let plain = || kinds.count(&(0..text.len()), letter);
    let beyond_writing = words > 2 && beyond(plain()) && beyond(letters(text));
    if attacks == 0 && telling.len() < 2 && !beyond_writing {
        return Vec::new();
    }
    let mut near = Near::new(telling.into_iter());
    let mut edits = Vec::new();
    for range in accented_words(text, kinds) {
        if !beyond_writing && !near.holds(&range) {
            continue;
        }
        let mut plain = String::new();
        let word = text.get(range.clone()).unwrap_or_default();
        if bare(word, |byte| plain.push(char::from(byte))) && !plain.is_empty() {
            edits.push(Edit {
                range,
                text: plain.into(),
            });
        }
    }
    edits
}

fn letters(text: &str) -> usize {
    text.chars().filter(|c| traits(*c) & LETTER != 0).count()
}

/// Words of at most 64 bytes that have other letters than those of ASCII.
fn accented_words(text: &str, kinds: &Kinds) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0_usize;
    std::iter::from_fn(move || {
        loop {
            let first = kinds.next(at, wide)?;
            // All before is of ASCII, back to the last word.
            let before = bytes.get(at..first)?;
            let letters = before.iter().rev().take_while(|byte| byte.is_ascii_alphabetic());
            let start = first.saturating_sub(letters.count());
            at = kinds.end(first, letter_or_wide);
            if at.saturating_sub(start) <= 64 {
                return Some(start..at);
            }
        }
    })
}

/// Gives out a word's letters without their marks, as long as they are of ASCII; whether all are.
fn bare(word: &str, mut out: impl FnMut(u8)) -> bool {
    for c in word.chars() {
        let letter = match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => byte,
            _ => {
                let place = usize::try_from(u32::from(c)).unwrap_or(usize::MAX);
                match BARE.get(place) {
                    Some(letter) => *letter,
                    None => {
                        if bare_wide(c, &mut out) {
                            continue;
                        }
                        NOT_BARE
                    }
                }
            }
        };
        if letter == NOT_BARE {
            return false;
        }
        out(letter);
    }
    true
}

/// Stands for letters that are not one of ASCII with marks.
const NOT_BARE: u8 = 0;

/// Of the Latin letters with two bytes, the letter without its marks.
static BARE: LazyLock<[u8; 0x250]> = LazyLock::new(|| {
    let mut letters = [NOT_BARE; 0x250];
    for (code, slot) in (0_u32..).zip(&mut letters).skip(0x80) {
        let mut parts = Vec::new();
        let plain = char::from_u32(code).is_some_and(|c| bare_wide(c, &mut |byte| parts.push(byte)));
        if let (true, [letter]) = (plain, parts.as_slice()) {
            *slot = *letter;
        }
    }
    letters
});

/// The same for one letter beyond ASCII.
fn bare_wide(c: char, out: &mut impl FnMut(u8)) -> bool {
    let mut plain = true;
    match c {
        '\u{131}' => out(b'i'),
        '\u{F8}' | '\u{D8}' => out(b'o'),
        '\u{111}' | '\u{110}' => out(b'd'),
        '\u{142}' | '\u{141}' => out(b'l'),
        '\u{127}' => out(b'h'),
        '\u{167}' => out(b't'),
        _ => decompose_canonical(c, |part| match u8::try_from(part) {
            Ok(byte) if byte.is_ascii() => out(byte),
            _ => plain &= is_combining_mark(part),
        }),
    }
    plain
}
