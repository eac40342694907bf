//! Proves that every match of a pattern contains one of the rule's literals.
//!
//! The automaton of the literals is walked along the pattern with sets of
//! states; a set that survives the whole pattern without having seen a literal
//! is a way to match without one, and the prefilter would miss it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

use crate::automaton::longest;

/// States of the literals' automaton in which no literal has been seen yet.
type States = BTreeSet<u32>;

/// Where a literal stands in every match; `None` when some match contains none.
///
/// The result is the most bytes between the start of a match and the end of
/// its first literal.
pub(crate) fn literal_end_max(pattern: &Hir, literals: &[String]) -> Option<usize> {
    let tree = Tree::new(literals);
    let start = States::from([0]);
    if !tree.survivors(pattern, &start).is_empty() {
        return None;
    }
    let mut part = pattern;
    while let HirKind::Capture(capture) = part.kind() {
        part = &capture.sub;
    }
    let HirKind::Concat(parts) = part.kind() else {
        return Some(longest(part));
    };
    let mut states = start;
    let mut end = 0_usize;
    for part in parts {
        states = tree.survivors(part, &states);
        end = end.saturating_add(longest(part));
        if states.is_empty() {
            break;
        }
    }
    Some(end)
}

/// Aho-Corasick over a handful of literals, ASCII letters folded.
struct Tree {
    /// Transitions that do not lead to the root, by state and byte.
    steps: BTreeMap<(u32, u8), u32>,
    /// States in which a literal has just been seen.
    seen: BTreeSet<u32>,
}

impl Tree {
    fn new(literals: &[String]) -> Self {
        let mut children: BTreeMap<(u32, u8), u32> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut count = 1_u32;
        for literal in literals {
            let mut state = 0;
            for byte in literal.bytes() {
                state = *children.entry((state, byte.to_ascii_lowercase())).or_insert_with(|| {
                    count = count.saturating_add(1);
                    count.saturating_sub(1)
                });
            }
            seen.insert(state);
        }
        let bytes: BTreeSet<u8> = children.keys().map(|(_, byte)| *byte).collect();
        Self::complete(&children, seen, &bytes)
    }

    fn complete(children: &BTreeMap<(u32, u8), u32>, mut seen: BTreeSet<u32>, bytes: &BTreeSet<u8>) -> Self {
        let mut steps = BTreeMap::new();
        let mut fail: BTreeMap<u32, u32> = BTreeMap::new();
        let mut open = VecDeque::from([0_u32]);
        while let Some(state) = open.pop_front() {
            let back = fail.get(&state).copied().unwrap_or(0);
            if seen.contains(&back) {
                seen.insert(state);
            }
            for byte in bytes {
                let through_fail = if state == 0 { 0 } else { steps.get(&(back, *byte)).copied().unwrap_or(0) };
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
        Self { steps, seen }
    }

    fn step(&self, states: &States, first: u8, last: u8) -> States {
        let mut reached = States::new();
        for state in states {
            let mut to_root = false;
            for byte in first..=last {
                match self.steps.get(&(*state, byte.to_ascii_lowercase())) {
                    Some(to) if self.seen.contains(to) => {}
                    Some(to) => {
                        reached.insert(*to);
                    }
                    None => to_root = true,
                }
            }
            if to_root {
                reached.insert(0);
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
            HirKind::Literal(literal) => {
                literal.0.iter().fold(states.clone(), |states, byte| self.step(&states, *byte, *byte))
            }
            HirKind::Class(class) => self.after_class(class, states),
            HirKind::Capture(capture) => self.survivors(&capture.sub, states),
            HirKind::Concat(parts) => {
                parts.iter().fold(states.clone(), |states, part| self.survivors(part, &states))
            }
            HirKind::Alternation(parts) => parts.iter().flat_map(|part| self.survivors(part, states)).collect(),
            HirKind::Repetition(repetition) => {
                self.after_repetition(&repetition.sub, repetition.min, repetition.max, states)
            }
        }
    }

    fn after_repetition(&self, sub: &Hir, min: u32, max: Option<u32>, states: &States) -> States {
        let mut now = states.clone();
        for _ in 0..min {
            let next = self.survivors(sub, &now);
            if next == now {
                break;
            }
            now = next;
        }
        let mut all = now.clone();
        for _ in 0..max.unwrap_or(u32::MAX).saturating_sub(min) {
            now = self.survivors(sub, &now);
            let before = all.len();
            all.extend(now.iter().copied());
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
                    reached.extend(self.step(states, range.start(), range.end()));
                }
            }
            Class::Unicode(class) => {
                for range in class.iter() {
                    for sequence in Utf8Sequences::new(range.start(), range.end()) {
                        let after = sequence
                            .as_slice()
                            .iter()
                            .fold(states.clone(), |states, bytes| self.step(&states, bytes.start, bytes.end));
                        reached.extend(after);
                    }
                }
            }
        }
        reached
    }
}
