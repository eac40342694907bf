//! With which bytes a match can begin, so that a pattern is tried only where one could.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};
use regex_syntax::utf8::Utf8Sequences;

/// So many bytes are looked at.
const BYTES_MAX: usize = 8;

/// What the first bytes of every match are.
#[derive(Debug)]
pub(crate) struct Prefix {
    /// By byte, a bit for each place from the start of a match at which it may stand.
    places: [u8; 256],
    /// How many places are known; every match has as many bytes.
    len: usize,
    /// A bit for each of them, moved on by one.
    known: u16,
    /// A match begins where a word of ASCII begins or ends.
    boundary: bool,
}

impl Prefix {
    /// Of a pattern; `None` when any byte can be the first.
    pub(crate) fn of(pattern: &Hir) -> Option<Self> {
        let properties = pattern.properties();
        let len = properties.minimum_len().unwrap_or(0).min(BYTES_MAX);
        let mut prefix = Self {
            places: [0; 256],
            len,
            known: 0x1FE_u16 & 0x1FF_u16.wrapping_shr(u32::try_from(BYTES_MAX.saturating_sub(len)).unwrap_or(0)),
            boundary: properties.look_set_prefix().contains(Look::WordAscii),
        };
        prefix.add(pattern, 1);
        (len > 0 && prefix.places.iter().any(|places| places & 1 == 0)).then_some(prefix)
    }

    /// The places from `at` to before `bound` where a match could begin.
    pub(crate) fn starts(&self, text: &[u8], at: usize, bound: usize) -> impl Iterator<Item = usize> {
        let mut at = at;
        std::iter::from_fn(move || {
            while at < bound {
                let window = text.get(at..at.saturating_add(self.len))?;
                let (here, step) = self.step_in(window);
                let start = at;
                at = at.saturating_add(step);
                if here && self.may_part(text, start) {
                    return Some(start);
                }
            }
            None
        })
    }

    /// Whether the bytes of a window are those that a match can begin with, and how far the next that may be is at
    /// least. Read from the last: most windows show early that nothing begins at several places.
    fn step_in(&self, window: &[u8]) -> (bool, usize) {
        let mut step = window.len();
        // At which places of a match the bytes read so far may stand: a bit for that of the first of them.
        let mut places = self.known;
        for (at, byte) in window.iter().enumerate().rev() {
            places = places >> 1 & u16::from(self.places.get(usize::from(*byte)).copied().unwrap_or(0));
            if places == 0 {
                break;
            }
            if places & 1 != 0 {
                if at == 0 {
                    return (true, step);
                }
                step = at;
            }
        }
        (false, step)
    }

    /// Whether a match that begins with the edge of a word may begin here.
    fn may_part(&self, text: &[u8], start: usize) -> bool {
        if !self.boundary {
            return true;
        }
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let before = start.checked_sub(1).and_then(|before| text.get(before));
        before.is_some_and(is_word) != text.get(start).is_some_and(is_word)
    }

    /// Adds what a part of the pattern can match; a bit for each place at which the part may begin. Gives those
    /// behind it, without the ones that are beyond what is looked at.
    fn add(&mut self, part: &Hir, from: u16) -> u16 {
        if from == 0 {
            return 0;
        }
        match part.kind() {
            HirKind::Empty | HirKind::Look(_) => from,
            HirKind::Literal(literal) => literal.0.iter().fold(from, |from, byte| self.step(from, *byte, *byte)),
            HirKind::Class(class) => self.class(class, from),
            HirKind::Capture(capture) => self.add(&capture.sub, from),
            HirKind::Concat(parts) => parts.iter().fold(from, |from, part| self.add(part, from)),
            HirKind::Alternation(parts) => parts.iter().fold(0, |behind, part| behind | self.add(part, from)),
            HirKind::Repetition(repetition) => self.repetition(repetition, from),
        }
    }

    fn repetition(&mut self, repetition: &Repetition, from: u16) -> u16 {
        let mut behind = if repetition.min == 0 { from } else { 0 };
        let mut now = from;
        let turns = repetition.max.unwrap_or(u32::MAX);
        // Places only move on: after so many turns that match something none is left.
        for turn in 1..=turns.min(repetition.min.saturating_add(BEYOND)) {
            let next = self.add(&repetition.sub, now);
            if turn >= repetition.min {
                behind |= next;
            }
            if next == now && turn >= repetition.min || next == 0 {
                break;
            }
            now = next;
        }
        behind
    }

    fn class(&mut self, class: &Class, from: u16) -> u16 {
        match class {
            Class::Bytes(class) => class
                .iter()
                .fold(0, |behind, range| behind | self.step(from, range.start(), range.end())),
            Class::Unicode(class) => class
                .iter()
                .flat_map(|range| Utf8Sequences::new(range.start(), range.end()))
                .fold(0, |behind, sequence| {
                    let bytes = sequence.as_slice().iter();
                    behind | bytes.fold(from, |from, range| self.step(from, range.start, range.end))
                }),
        }
    }

    /// One byte of a range at these places.
    fn step(&mut self, from: u16, first: u8, last: u8) -> u16 {
        if let (Ok(places), true) = (u8::try_from(from), from != 0) {
            for slot in self
                .places
                .iter_mut()
                .take(usize::from(last).saturating_add(1))
                .skip(usize::from(first))
            {
                *slot |= places;
            }
        }
        from.wrapping_shl(1) & 0xFF
    }
}

/// More turns than there are places.
const BEYOND: u32 = 9;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_automata::meta::Regex;
    use regex_syntax::ParserBuilder;

    use super::*;

    fn hir(pattern: &str) -> Hir {
        ParserBuilder::new().build().parse(pattern).unwrap()
    }

    fn starts(pattern: &str, text: &str) -> Vec<usize> {
        Prefix::of(&hir(pattern))
            .unwrap()
            .starts(text.as_bytes(), 0, text.len())
            .collect()
    }

    #[test]
    fn only_possible_starts_are_left() {
        assert_eq!(starts("[A-Z]{2}[0-9]{2}", "a AB1 CD12 ABC12"), [6, 12]);
        assert_eq!(starts("(?-u:\\b)[0-9]{2}", "123 x45 67"), [0, 8]);
        assert_eq!(starts("(?:ab|c)?d", "abd cd bd d ad"), [0, 2, 4, 5, 8, 10, 12, 13]);
        assert_eq!(starts("é[0-9]", "éx é1"), [4]);
        assert_eq!(starts("x(?:yz){2}", "xyzyx xyzyz"), [6]);
        assert!(Prefix::of(&hir("x?")).is_none());
    }

    proptest! {
        #[test]
        fn no_match_begins_elsewhere(
            which in prop::sample::select(vec![
                "(?:ab|b){1,3}c", "[^a]{2,4}b", "(?-u:\\b)a?[bc]{1,9}", "é{0,2}[a-é]", "(?:a?b?){2,3}c", "(?i-u:ab){1,2}",
                "(?:^|[\\n.])a", "(?:a{0,12}b){2}", "[\\p{L}]{2,9}c(?-u:\\b)",
            ]),
            text in "[abcABé\\n. ]{0,40}",
        ) {
            let prefix = Prefix::of(&hir(which)).unwrap();
            let regex = Regex::new(which).unwrap();
            for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let input = regex_automata::Input::new(&text).span(at..text.len()).anchored(regex_automata::Anchored::Yes);
                if regex.is_match(input) {
                    prop_assert!(prefix.starts(text.as_bytes(), 0, text.len()).any(|start| start == at), "{which} at {at} of {text:?}");
                }
            }
        }
    }
}
