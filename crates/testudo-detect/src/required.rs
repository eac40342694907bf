//! Proves that every match of a pattern contains one of the rule's literals.
//!
//! The automaton of the literals is walked along the pattern with sets of
//! states; a set that survives the whole pattern without having seen a literal
//! is a way to match without one, and the prefilter would miss it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

use crate::automaton::longest;

/// States of the literals' automaton in which no literal has been seen yet, each with a text that leads there.
type States = BTreeMap<u32, Vec<u8>>;

/// Examples are cut off at this many bytes.
const EXAMPLE_BYTES_MAX: usize = 200;

/// Where a literal stands in every match: the most bytes between the start of
/// a match and the end of its first literal.
///
/// # Errors
/// A text that matches, word boundaries aside, and contains no literal.
pub(crate) fn literal_end_max(pattern: &Hir, literals: &[String]) -> Result<usize, String> {
    let literals: Vec<Vec<u8>> = literals
        .iter()
        .map(|literal| literal.to_ascii_lowercase().into_bytes())
        .collect();
    Tree::new(&literals, |byte| byte.to_ascii_lowercase()).end_max(pattern)
}

/// The same for a run of `count` bytes of one kind; `None` when some match has no such run.
pub(crate) fn run_end_max(pattern: &Hir, run: Run, count: usize) -> Option<usize> {
    let tree = Tree::new(&[vec![1; count]], |byte| u8::from(run.contains(byte)));
    tree.end_max(pattern).ok()
}

/// The fewest digits that a match can have.
pub(crate) fn digits_min(part: &Hir) -> usize {
    let digit = |first: char, last: char| first.is_ascii_digit() && last.is_ascii_digit();
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.iter().filter(|byte| byte.is_ascii_digit()).count(),
        HirKind::Class(Class::Unicode(class)) => {
            usize::from(class.iter().all(|range| digit(range.start(), range.end())))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let all = class
                .iter()
                .all(|range| digit(range.start().into(), range.end().into()));
            usize::from(all)
        }
        HirKind::Capture(capture) => digits_min(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(digits_min).fold(0, usize::saturating_add),
        HirKind::Alternation(parts) => parts.iter().map(digits_min).min().unwrap_or(0),
        HirKind::Repetition(repetition) => digits_min(&repetition.sub).saturating_mul(repetition.min as usize),
    }
}

/// A kind of bytes that ordinary English text has few of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    Digits,
    NonAscii,
    /// Letters of ASCII and digits.
    Word,
    /// What tokens and paths are written with: the same and `+`, `/`, `-`, `_`, `=`.
    Token,
}

impl Run {
    pub(crate) fn contains(self, byte: u8) -> bool {
        match self {
            Self::Digits => byte.is_ascii_digit(),
            Self::NonAscii => !byte.is_ascii(),
            Self::Word => byte.is_ascii_alphanumeric(),
            Self::Token => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'='),
        }
    }
}

/// Aho-Corasick over a handful of literals.
struct Tree<F> {
    /// Which bytes count as the same.
    fold: F,
    /// Transitions that do not lead to the root, by state and byte.
    steps: BTreeMap<(u32, u8), u32>,
    /// States in which a literal has just been seen.
    seen: BTreeSet<u32>,
}

impl<F: Fn(u8) -> u8> Tree<F> {
    /// Takes literals that are folded already.
    fn new(literals: &[Vec<u8>], fold: F) -> Self {
        let mut children: BTreeMap<(u32, u8), u32> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut count = 1_u32;
        for literal in literals {
            let mut state = 0;
            for byte in literal {
                state = *children.entry((state, *byte)).or_insert_with(|| {
                    count = count.saturating_add(1);
                    count.saturating_sub(1)
                });
            }
            seen.insert(state);
        }
        let bytes: BTreeSet<u8> = children.keys().map(|(_, byte)| *byte).collect();
        Self::complete(&children, seen, &bytes, fold)
    }

    fn end_max(&self, pattern: &Hir) -> Result<usize, String> {
        let start = States::from([(0, Vec::new())]);
        match self.survivors(pattern, &start).into_values().next() {
            Some(example) => Err(String::from_utf8_lossy(&example).into_owned()),
            None => Ok(self.end_in(pattern, start)),
        }
    }

    /// The most bytes of a part that no state survives until its first literal has ended.
    fn end_in(&self, part: &Hir, states: States) -> usize {
        match part.kind() {
            HirKind::Capture(capture) => self.end_in(&capture.sub, states),
            HirKind::Alternation(parts) => parts
                .iter()
                .map(|part| self.end_in(part, states.clone()))
                .max()
                .unwrap_or(0),
            HirKind::Concat(parts) => {
                let mut states = states;
                let mut end = 0_usize;
                for part in parts {
                    let next = self.survivors(part, &states);
                    if next.is_empty() {
                        return end.saturating_add(self.end_in(part, states));
                    }
                    states = next;
                    end = end.saturating_add(longest(part));
                }
                end
            }
            HirKind::Repetition(repetition) => {
                let once = self.survivors(&repetition.sub, &states);
                let all = longest(part);
                if repetition.min > 0 && once.is_empty() {
                    self.end_in(&repetition.sub, states).min(all)
                } else {
                    all
                }
            }
            HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) | HirKind::Class(_) => longest(part),
        }
    }

    fn complete(children: &BTreeMap<(u32, u8), u32>, mut seen: BTreeSet<u32>, bytes: &BTreeSet<u8>, fold: F) -> Self {
        let mut steps = BTreeMap::new();
        let mut fail: BTreeMap<u32, u32> = BTreeMap::new();
        let mut open = VecDeque::from([0_u32]);
        while let Some(state) = open.pop_front() {
            let back = fail.get(&state).copied().unwrap_or(0);
            if seen.contains(&back) {
                seen.insert(state);
            }
            for byte in bytes {
                let through_fail = if state == 0 {
                    0
                } else {
                    steps.get(&(back, *byte)).copied().unwrap_or(0)
                };
                let to = match children.get(&(state, *byte)) {
                    Some(child) => {
                        fail.insert(*child, through_fail);
                        open.push_back(*child);
                        *child
                    }
                    None => through_fail,
                };
                if to != 0 {
                    steps.insert((state, *byte), to);
                }
            }
        }
        Self { fold, steps, seen }
    }

    fn step(&self, states: &States, first: u8, last: u8) -> States {
        let mut reached = States::new();
        for (state, example) in states {
            for byte in first..=last {
                let to = self.steps.get(&(*state, (self.fold)(byte))).copied().unwrap_or(0);
                if !self.seen.contains(&to) {
                    reached.entry(to).or_insert_with(|| longer(example, byte));
                }
            }
        }
        reached
    }

    /// The states after a part of the pattern, over all its matches that contain no literal.
    fn survivors(&self, part: &Hir, states: &States) -> States {
        if states.is_empty() {
            return States::new();
        }
        match part.kind() {
            HirKind::Empty | HirKind::Look(_) => states.clone(),
            HirKind::Literal(literal) => literal
                .0
                .iter()
                .fold(states.clone(), |states, byte| self.step(&states, *byte, *byte)),
            HirKind::Class(class) => self.after_class(class, states),
            HirKind::Capture(capture) => self.survivors(&capture.sub, states),
            HirKind::Concat(parts) => parts
                .iter()
                .fold(states.clone(), |states, part| self.survivors(part, &states)),
            HirKind::Alternation(parts) => parts
                .iter()
                .fold(States::new(), |all, part| union(all, self.survivors(part, states))),
            HirKind::Repetition(repetition) => {
                self.after_repetition(&repetition.sub, repetition.min, repetition.max, states)
            }
        }
    }

    fn after_repetition(&self, sub: &Hir, min: u32, max: Option<u32>, states: &States) -> States {
        let mut now = states.clone();
        for _ in 0..min {
            let next = self.survivors(sub, &now);
            if next.keys().eq(now.keys()) {
                now = next;
                break;
            }
            now = next;
        }
        let mut all = now.clone();
        for _ in 0..max.unwrap_or(u32::MAX).saturating_sub(min) {
            now = self.survivors(sub, &now);
            let before = all.len();
            all = union(all, now.clone());
            if all.len() == before {
                break;
            }
        }
        all
    }

    fn after_class(&self, class: &Class, states: &States) -> States {
        let mut reached = States::new();
        match class {
            Class::Bytes(class) => {
                for range in class.iter() {
                    reached = union(reached, self.step(states, range.start(), range.end()));
                }
            }
            Class::Unicode(class) => {
                for range in class.iter() {
                    for sequence in Utf8Sequences::new(range.start(), range.end()) {
                        let after = sequence.as_slice().iter().fold(states.clone(), |states, bytes| {
                            self.step(&states, bytes.start, bytes.end)
                        });
                        reached = union(reached, after);
                    }
                }
            }
        }
        reached
    }
}

fn longer(example: &[u8], byte: u8) -> Vec<u8> {
    let mut longer = example.to_vec();
    if longer.len() < EXAMPLE_BYTES_MAX {
        longer.push(byte);
    }
    longer
}

fn union(mut all: States, more: States) -> States {
    for (state, example) in more {
        all.entry(state).or_insert(example);
    }
    all
}
