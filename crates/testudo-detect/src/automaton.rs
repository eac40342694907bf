//! An automaton over characters that knows which texts can still become a match.
//!
//! It accepts a superset of what the pattern matches: long counted repetitions
//! are loops, and the length that they stand for is kept as the `reach` of
//! each position, so that a partial match dies when it grows too long. The
//! pattern itself decides what is a match; this only decides what to hold.

use std::collections::{BTreeMap, BTreeSet};

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use crate::look::LookBits;

/// Positions that unrolled repetitions may add to one rule.
const UNROLLED_MAX: usize = 128;
/// Positions and edges that one rule may have.
const POSITIONS_MAX: usize = 16 * 1024;
const EDGES_MAX: usize = 256 * 1024;
/// Positions with a longer reach keep more than one start apart.
const SHORT_REACH: usize = 256;

/// All rules' automata in one arena.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) classes: Vec<CharClass>,
    pub(crate) positions: Vec<Position>,
    pub(crate) edges: Vec<Edge>,
    known: BTreeMap<Vec<(u32, u32)>, u32>,
}

/// Where a partial match stands: after a character of the pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    edges_from: u32,
    edges_to: u32,
    /// Bytes between the start of a match and this position, at most.
    pub(crate) reach: u32,
    /// The rule, as [`crate::RuleIndex`] counts.
    pub(crate) rule: u32,
    /// A match ends here, whatever follows.
    pub(crate) accepts: bool,
    /// How many starts are kept apart.
    pub(crate) starts_max: u8,
}

impl Position {
    /// Whether no match can grow beyond this position.
    pub(crate) fn is_last(&self) -> bool {
        self.edges_from == self.edges_to
    }
}

/// A step to `to` on a character of `class`, when all of `looks` hold before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) looks: LookBits,
    /// [`ACCEPT`] for the end of a match.
    pub(crate) class: u32,
    pub(crate) to: u32,
}

/// The class of an edge that ends a match instead of reading a character.
pub(crate) const ACCEPT: u32 = u32::MAX;

/// A set of characters.
#[derive(Debug)]
pub(crate) struct CharClass {
    ascii: u128,
    wide: Box<[(char, char)]>,
}

impl CharClass {
    pub(crate) fn contains(&self, c: char) -> bool {
        let code = u32::from(c);
        if code < 128 {
            return self.ascii >> code & 1 == 1;
        }
        let after = self.wide.partition_point(|(first, _)| *first <= c);
        after
            .checked_sub(1)
            .and_then(|index| self.wide.get(index))
            .is_some_and(|(_, last)| c <= *last)
    }

    /// The characters of ASCII in it, a bit for each.
    pub(crate) fn ascii(&self) -> u128 {
        self.ascii
    }

    pub(crate) fn has_wide(&self) -> bool {
        !self.wide.is_empty()
    }
}

/// The pattern needs more positions than a rule may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Program {
    /// Adds a pattern; returns the edges that begin a match.
    pub(crate) fn add(&mut self, pattern: &Hir, rule: u32) -> Result<Vec<Edge>, TooLarge> {
        let mut draft = Draft {
            program: self,
            nodes: vec![Node::Accept],
        };
        let entry = draft.node(pattern, 0, 0)?;
        let nodes = draft.nodes;
        self.flatten(&nodes, entry, rule)
    }

    pub(crate) fn edges_of(&self, position: &Position) -> &[Edge] {
        self.edges
            .get(position.edges_from as usize..position.edges_to as usize)
            .unwrap_or_default()
    }

    fn class(&mut self, ranges: Vec<(char, char)>) -> u32 {
        let key: Vec<(u32, u32)> = ranges.iter().map(|(a, b)| (u32::from(*a), u32::from(*b))).collect();
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let mut ascii = 0_u128;
        for (first, last) in &key {
            for code in *first..=(*last).min(127) {
                ascii |= 1_u128 << code;
            }
        }
        let wide = ranges.into_iter().filter(|(_, last)| !last.is_ascii());
        let wide = wide.map(|(first, last)| (first.max('\u{80}'), last)).collect();
        let index = u32::try_from(self.classes.len()).unwrap_or(ACCEPT);
        self.classes.push(CharClass { ascii, wide });
        self.known.insert(key, index);
        index
    }

    /// Turns the class nodes of one rule into positions with direct edges.
    fn flatten(&mut self, nodes: &[Node], entry: usize, rule: u32) -> Result<Vec<Edge>, TooLarge> {
        let offset = self.positions.len();
        let mut numbers = vec![u32::MAX; nodes.len()];
        let mut count = offset;
        for (node, number) in nodes.iter().zip(&mut numbers) {
            if matches!(node, Node::Class { .. }) {
                *number = u32::try_from(count).map_err(|_| TooLarge)?;
                count = count.saturating_add(1);
            }
        }
        let mut edges_left = EDGES_MAX;
        let mut direct = |from: usize| -> Result<Vec<Edge>, TooLarge> {
            let edges = follow(nodes, &numbers, from);
            edges_left = edges_left.checked_sub(edges.len()).ok_or(TooLarge)?;
            Ok(edges)
        };
        for node in nodes {
            let Node::Class { reach, next, .. } = *node else {
                continue;
            };
            let edges = direct(next)?;
            let accepts = edges.iter().any(|edge| edge.class == ACCEPT && edge.looks == 0);
            let kept = edges.iter().filter(|edge| !(accepts && edge.class == ACCEPT));
            let edges_from = u32::try_from(self.edges.len()).map_err(|_| TooLarge)?;
            self.edges.extend(kept);
            let edges_to = u32::try_from(self.edges.len()).map_err(|_| TooLarge)?;
            self.positions.push(Position {
                edges_from,
                edges_to,
                reach: u32::try_from(reach).map_err(|_| TooLarge)?,
                rule,
                accepts,
                starts_max: if reach <= SHORT_REACH { 1 } else { 4 },
            });
        }
        direct(entry)
    }
}

/// The edges reachable from a node without reading a character.
fn follow(nodes: &[Node], numbers: &[u32], from: usize) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![(from, 0)];
    while let Some((at, looks)) = open.pop() {
        if !seen.insert((at, looks)) {
            continue;
        }
        match nodes.get(at) {
            None => {}
            Some(Node::Accept) => edges.push(Edge {
                looks,
                class: ACCEPT,
                to: ACCEPT,
            }),
            Some(Node::Class { class, .. }) => {
                let to = numbers.get(at).copied().unwrap_or(ACCEPT);
                edges.push(Edge {
                    looks,
                    class: *class,
                    to,
                });
            }
            Some(Node::Look { look, next }) => open.push((*next, looks | look)),
            Some(Node::Split(targets)) => open.extend(targets.iter().map(|target| (*target, looks))),
        }
    }
    edges
}

#[derive(Debug)]
enum Node {
    Accept,
    Class { class: u32, reach: usize, next: usize },
    Look { look: LookBits, next: usize },
    Split(Vec<usize>),
}

struct Draft<'a> {
    program: &'a mut Program,
    nodes: Vec<Node>,
}

impl Draft<'_> {
    fn push(&mut self, node: Node) -> Result<usize, TooLarge> {
        if self.nodes.len() >= POSITIONS_MAX {
            return Err(TooLarge);
        }
        self.nodes.push(node);
        Ok(self.nodes.len().saturating_sub(1))
    }

    /// The entry of a part of the pattern that continues at `next` and has at most `before` bytes in front.
    fn node(&mut self, part: &Hir, next: usize, before: usize) -> Result<usize, TooLarge> {
        match part.kind() {
            HirKind::Empty => Ok(next),
            HirKind::Look(look) => self.push(Node::Look {
                look: look.as_repr(),
                next,
            }),
            HirKind::Capture(capture) => self.node(&capture.sub, next, before),
            HirKind::Literal(literal) => self.literal(&literal.0, next, before),
            HirKind::Class(class) => {
                let reach = before.saturating_add(longest(part));
                let class = self.program.class(ranges(class));
                self.push(Node::Class { class, reach, next })
            }
            HirKind::Repetition(repetition) => self.repetition(repetition, next, before),
            HirKind::Alternation(parts) => {
                let mut targets = Vec::with_capacity(parts.len());
                for part in parts {
                    targets.push(self.node(part, next, before)?);
                }
                self.push(Node::Split(targets))
            }
            HirKind::Concat(parts) => {
                let mut ends: Vec<usize> = Vec::with_capacity(parts.len());
                let mut end = before;
                for part in parts {
                    ends.push(end);
                    end = end.saturating_add(longest(part));
                }
                let mut entry = next;
                for (part, before) in parts.iter().zip(ends).rev() {
                    entry = self.node(part, entry, before)?;
                }
                Ok(entry)
            }
        }
    }

    fn literal(&mut self, bytes: &[u8], next: usize, before: usize) -> Result<usize, TooLarge> {
        let text = std::str::from_utf8(bytes).map_err(|_| TooLarge)?;
        let mut entry = next;
        for (at, c) in text.char_indices().rev() {
            let reach = before.saturating_add(at).saturating_add(c.len_utf8());
            let class = self.program.class(vec![(c, c)]);
            entry = self.push(Node::Class {
                class,
                reach,
                next: entry,
            })?;
        }
        Ok(entry)
    }

    fn repetition(&mut self, repetition: &Repetition, next: usize, before: usize) -> Result<usize, TooLarge> {
        let sub = &repetition.sub;
        let unit = longest(sub);
        let min = repetition.min as usize;
        // The loader refuses unbounded patterns, so that `max` is always there.
        let max = repetition.max.ok_or(TooLarge)? as usize;
        let weight = weight(sub).max(1);
        let exact = max.saturating_mul(weight) <= UNROLLED_MAX;
        let required = if exact || min.saturating_mul(weight) <= UNROLLED_MAX {
            min
        } else {
            min.min(1)
        };
        let at = |copy: usize| before.saturating_add(copy.saturating_mul(unit));
        let mut entry = next;
        if exact {
            for copy in (required..max).rev() {
                let inner = self.node(sub, entry, at(copy))?;
                entry = self.push(Node::Split(vec![inner, next]))?;
            }
        } else if max > required {
            let head = self.push(Node::Split(vec![next]))?;
            let inner = self.node(sub, head, at(max.saturating_sub(1)))?;
            if let Some(Node::Split(targets)) = self.nodes.get_mut(head) {
                targets.push(inner);
            }
            entry = head;
        }
        for copy in (0..required).rev() {
            entry = self.node(sub, entry, at(copy))?;
        }
        Ok(entry)
    }
}

/// About how many nodes one copy of a part takes.
fn weight(part: &Hir) -> usize {
    let sum = |parts: &[Hir]| parts.iter().fold(0_usize, |sum, part| sum.saturating_add(weight(part)));
    match part.kind() {
        HirKind::Empty => 0,
        HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Capture(capture) => weight(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts),
        HirKind::Repetition(repetition) => {
            let max = repetition.max.map_or(usize::MAX, |max| max as usize);
            weight(&repetition.sub).max(1).saturating_mul(max)
        }
    }
}

/// The most bytes that a part of a bounded pattern can match.
pub(crate) fn longest(part: &Hir) -> usize {
    part.properties().maximum_len().unwrap_or(usize::MAX)
}

fn ranges(class: &Class) -> Vec<(char, char)> {
    match class {
        Class::Unicode(class) => class.iter().map(|range| (range.start(), range.end())).collect(),
        // Only ASCII can stand here: the loader asks for patterns that match UTF-8.
        Class::Bytes(class) => class
            .iter()
            .map(|range| (char::from(range.start()), char::from(range.end())))
            .collect(),
    }
}
