//! How words are respelled: mirrored in the alphabet, in pig Latin, without vowels, each letter several times.

use std::ops::Range;

use super::derived::Edit;
use super::lexicon::{LEXICON, Sense, hash};

/// Fewer letters that are left without vowels may be any word.
const SKELETON_MIN: usize = 3;

/// A letter as far from the end of the alphabet as this one is from its beginning.
pub(super) fn mirror(byte: u8) -> u8 {
    let ends = match byte {
        b'a'..=b'z' => b'a'.wrapping_add(b'z'),
        b'A'..=b'Z' => b'A'.wrapping_add(b'Z'),
        _ => return byte,
    };
    ends.wrapping_sub(byte)
}

/// What a small word is in pig Latin, as different people speak it.
pub(super) fn pig_latin(word: &str) -> Vec<String> {
    match word.find(is_vowel) {
        Some(0) => ["way", "yay", "ay"].map(|end| format!("{word}{end}")).into(),
        first => {
            // A `y` behind consonants is heard as a vowel.
            let at = first.or_else(|| word.find('y')).unwrap_or(0);
            let (head, tail) = word.split_at_checked(at).unwrap_or((word, ""));
            vec![format!("{tail}{head}ay")]
        }
    }
}

/// What is left of a small word without its vowels, or without those behind its first letter.
pub(super) fn without_vowels(word: &str) -> Vec<String> {
    let bare: String = word.chars().filter(|c| !is_vowel(*c)).collect();
    let first = word.chars().next().filter(|c| is_vowel(*c));
    let begun = first.map(|first| format!("{first}{bare}"));
    std::iter::once(bare)
        .chain(begun)
        .filter(|left| left.len() >= SKELETON_MIN && left.len() < word.len())
        .collect()
}

fn is_vowel(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u')
}

/// Words without vowels made whole, and with them the short words between them.
pub(super) fn filled(text: &str, words: Vec<Edit>) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut end = None;
    for word in words {
        if let Some(end) = end.replace(word.range.end) {
            let between = text.get(end..word.range.start).unwrap_or_default();
            edits.extend(short_words(between, end));
        }
        edits.push(word);
    }
    edits
}

fn short_words(between: &str, base: usize) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut at = base;
    for piece in between.split_inclusive(|c: char| !c.is_ascii_alphabetic()) {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
        if let Some((_, whole)) = SHORT.iter().find(|(short, _)| word.eq_ignore_ascii_case(short)) {
            edits.push(Edit {
                range: at..at.saturating_add(word.len()),
                text: (*whole).into(),
            });
        }
        at = at.saturating_add(piece.len());
    }
    edits
}

/// Short words without their vowels.
const SHORT: &[(&str, &str)] = &[
    ("ll", "all"),
    ("th", "the"),
    ("f", "of"),
    ("nd", "and"),
    ("yr", "your"),
    ("ny", "any"),
    ("m", "me"),
    ("t", "to"),
    ("n", "in"),
    ("r", "are"),
    ("y", "you"),
    ("s", "is"),
    ("bv", "above"),
    ("wr", "were"),
    ("d", "do"),
    ("nt", "not"),
    ("sr", "user"),
    ("bt", "about"),
    ("b", "be"),
];

/// How often each letter of a word is written, when that is more than once.
pub(super) fn times(word: &[u8]) -> Option<usize> {
    let mut times = 0_usize;
    for run in word.chunk_by(u8::eq_ignore_ascii_case) {
        times = common_divisor(times, run.len());
        if times == 1 {
            return None;
        }
    }
    (times > 1).then_some(times)
}

fn common_divisor(mut a: usize, mut b: usize) -> usize {
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

/// Words whose letters are all written several times, with each once, when several are known.
pub(super) fn thinned(text: &str, words: &[Range<usize>]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let (mut known, mut attacks) = (0_usize, 0_usize);
    // As the last word of several letters says; one of a single letter may have that twice, like `www`.
    let mut usual = 0_usize;
    for range in words {
        let word = text.get(range.clone()).unwrap_or_default();
        let Some(times) = times(word.as_bytes()) else {
            continue;
        };
        if times < word.len() {
            usual = times;
        }
        let step = if word.len().is_multiple_of(usual) { usual } else { times };
        let once: String = word.chars().step_by(step).collect();
        match LEXICON.sense(hash(once.bytes().map(|byte| byte.to_ascii_lowercase()))) {
            Some(Sense::Attack) => attacks = attacks.saturating_add(1),
            Some(Sense::Known) => known = known.saturating_add(1),
            None => {}
        }
        edits.push(Edit {
            range: range.clone(),
            text: once.into(),
        });
    }
    let telling = (attacks > 0 && known.saturating_add(attacks) >= 2) || known >= 3;
    if telling { edits } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_respelled_as_people_do() {
        assert_eq!("previous".bytes().map(mirror).collect::<Vec<_>>(), b"kiverlfh");
        assert_eq!(pig_latin("ignore"), ["ignoreway", "ignoreyay", "ignoreay"]);
        assert_eq!(pig_latin("previous"), ["eviouspray"]);
        assert_eq!(pig_latin("my"), ["ymay"]);
        assert_eq!(without_vowels("instructions"), ["nstrctns", "instrctns"]);
        assert_eq!(without_vowels("all"), [""; 0]);
        assert_eq!(times(b"IIggnn"), Some(2));
        assert_eq!(times(b"aallll"), Some(2));
        assert_eq!(times(b"iiigggnnn"), Some(3));
        for single in [&b"eel"[..], b"aardvark", b"", b"aabbc"] {
            assert_eq!(times(single), None);
        }
    }

    #[test]
    fn repeated_letters_that_spell_no_attack_stay() {
        let read = |text: &str| thinned(text, std::slice::from_ref(&(0..text.len())));
        assert_eq!(read("iiggnnoorree"), []);
        assert_eq!(read("aaaa"), []);
    }
}
