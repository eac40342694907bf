//! With which bytes a match can begin, so that a pattern is tried only where one could.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};
use regex_syntax::utf8::Utf8Sequences;

/// So many bytes are looked at.
const BYTES_MAX: usize = 8;

/// Ways to begin are told apart in so many groups.
const GROUPS: u32 = 8;
/// So many ways to begin are told apart at all.
const WAYS_MAX: usize = 64;
/// The first place of each group.
const FIRST: u64 = u64::from_le_bytes([1; 8]);
/// All places of each group but the last.
const NOT_LAST: u64 = u64::from_le_bytes([0x7F; 8]);

/// What the first bytes of every match are.
///
/// A pattern such as `(?:print|repeat) above` begins in several ways, and what one of them allows at one place and
/// another at the next is no beginning: each group of ways has its own places.
#[derive(Debug)]
pub(crate) struct Prefix {
    /// By byte, for each group of ways eight bits: one for each place from the start of a match at which it may stand.
    places: Box<[u64; 256]>,
    /// How many places are known; every match has as many bytes.
    len: usize,
    /// A bit for each of them, in each group.
    known: u64,
    /// The first place of each group of which all begin where a word of ASCII begins or ends.
    edges: u64,
}

impl Prefix {
    /// Of a pattern; `None` when any byte can be the first.
    pub(crate) fn of(pattern: &Hir) -> Option<Self> {
        let properties = pattern.properties();
        let len = properties.minimum_len().unwrap_or(0).min(BYTES_MAX);
        let unknown = u32::try_from(BYTES_MAX.saturating_sub(len)).unwrap_or(0);
        let at_edge = properties.look_set_prefix().contains(Look::WordAscii);
        let mut ways: Vec<Table> = ways(pattern).iter().map(Table::of).collect();
        // Those that begin alike share a group.
        ways.sort_by_key(|way| (way.at_edge, way.first_bytes()));
        let (mut places, mut edges) = (Box::new([0; 256]), 0);
        let in_group = ways.len().div_ceil(GROUPS as usize).max(1);
        for (group, ways) in (0_u32..).zip(ways.chunks(in_group)) {
            if at_edge || ways.iter().all(|way| way.at_edge) {
                edges |= 1_u64.wrapping_shl(group.wrapping_mul(8));
            }
            for way in ways {
                for (all, own) in places.iter_mut().zip(&way.places) {
                    *all |= u64::from(*own).wrapping_shl(group.wrapping_mul(8));
                }
            }
        }
        let prefix = Self {
            places,
            len,
            known: u64::from_le_bytes([0xFF_u8.checked_shr(unknown).unwrap_or(0); 8]),
            edges,
        };
        (len > 0 && prefix.places.iter().any(|places| places & FIRST == 0)).then_some(prefix)
    }

    /// The places from `at` to before `bound` where a match could begin.
    pub(crate) fn starts(&self, text: &[u8], at: usize, bound: usize) -> impl Iterator<Item = usize> {
        let mut at = at;
        std::iter::from_fn(move || {
            while at < bound {
                let window = text.get(at..at.saturating_add(self.len))?;
                let (groups, step) = self.step_in(window);
                let start = at;
                at = at.saturating_add(step);
                if groups & !self.edges != 0 || (groups != 0 && is_edge(text, start)) {
                    return Some(start);
                }
            }
            None
        })
    }

    /// The first places of the groups that can begin with the bytes of a window, and how far the next that may be is at
    /// least. Read from the last: most windows show early that nothing begins at several places.
    fn step_in(&self, window: &[u8]) -> (u64, usize) {
        let mut step = window.len();
        // At which places of a match the bytes read so far may stand: a bit for that of the first of them.
        let mut places = self.known;
        for (at, byte) in window.iter().enumerate().rev() {
            places &= self.places.get(usize::from(*byte)).copied().unwrap_or(0);
            if places == 0 {
                break;
            }
            if places & FIRST != 0 {
                if at == 0 {
                    return (places & FIRST, step);
                }
                step = at;
            }
            places = places >> 1 & NOT_LAST;
        }
        (0, step)
    }
}

/// Whether a word of ASCII begins or ends at a place.
fn is_edge(text: &[u8], at: usize) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    before.is_some_and(is_word) != text.get(at).is_some_and(is_word)
}

/// One way in which a pattern begins, with all that follows.
struct Way<'h> {
    parts: Vec<&'h Hir>,
    /// It begins where a word of ASCII begins or ends.
    at_edge: bool,
}

/// The ways in which a pattern begins: alternatives at its start, one by one.
fn ways(pattern: &Hir) -> Vec<Way<'_>> {
    let mut done = Vec::new();
    let mut open = vec![Way {
        parts: vec![pattern],
        at_edge: false,
    }];
    while let Some(way) = open.pop() {
        // Only patterns that can match nothing begin with nothing, and of them no place is known.
        let Some((head, rest)) = way.parts.split_first() else {
            continue;
        };
        let at_edge = way.at_edge;
        let with = |first| std::iter::once(first).chain(rest.iter().copied()).collect();
        let mut go_on = |parts, at_edge| open.push(Way { parts, at_edge });
        if done.len() >= WAYS_MAX {
            done.push(way);
            continue;
        }
        match head.kind() {
            HirKind::Empty => go_on(rest.to_vec(), at_edge),
            HirKind::Look(look) => go_on(rest.to_vec(), at_edge || *look == Look::WordAscii),
            HirKind::Capture(capture) => go_on(with(&*capture.sub), at_edge),
            HirKind::Concat(parts) => go_on(parts.iter().chain(rest.iter().copied()).collect(), at_edge),
            HirKind::Alternation(parts) => parts.iter().for_each(|part| go_on(with(part), at_edge)),
            HirKind::Repetition(repetition) if repetition.min == 0 && repetition.max == Some(1) => {
                go_on(rest.to_vec(), at_edge);
                go_on(with(&*repetition.sub), at_edge);
            }
            HirKind::Literal(_) | HirKind::Class(_) | HirKind::Repetition(_) => done.push(way),
        }
    }
    done
}

/// What the first bytes of one way to begin are.
struct Table {
    /// By byte, a bit for each place.
    places: [u8; 256],
    at_edge: bool,
}

impl Table {
    fn of(way: &Way<'_>) -> Self {
        let mut table = Self {
            places: [0; 256],
            at_edge: way.at_edge,
        };
        way.parts.iter().fold(1, |from, part| table.add(part, from));
        table
    }

    /// The least bytes at the first places, so that ways that begin alike come together.
    fn first_bytes(&self) -> [usize; 3] {
        [1, 2, 4].map(|place| {
            let least = self.places.iter().position(|places| places & place != 0);
            least.unwrap_or(self.places.len())
        })
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
