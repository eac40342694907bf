//! Follows all partial matches at the end of a growing text.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};

use crate::Budget;
use crate::automaton::{ACCEPT, CharClass, Edge, Program};
use crate::load::Compiled;
use crate::look::{self, LookBits};

/// Spare working memory kept for the next piece of any stream.
const SCRATCH_KEPT: usize = 64;
const NO_SLOT: u16 = u16::MAX;
const NEVER: usize = usize::MAX;

/// The ways in which the chosen rules can begin, by first character.
pub(crate) struct Starts {
    ascii: Box<[Range]>,
    first: Vec<First>,
    wide: Vec<(u32, First)>,
    /// Assertions that occur anywhere in the chosen rules.
    looks: LookBits,
    /// Text before the held part that checks may look at, in bytes.
    pub(crate) keep_back: usize,
    contexts: bool,
    scratch: Mutex<Vec<Scratch>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Range {
    from: u32,
    to: u32,
}

/// One way to begin; those with the same assertions stand together.
#[derive(Debug, Clone, Copy)]
struct First {
    looks: LookBits,
    to: u32,
    slot: u16,
    /// The characters of ASCII behind the first, a bit for each, with which a match may go on; all, if it may end.
    next: [u64; 2],
}

impl First {
    /// Whether anything can come of it when `next` follows.
    fn goes_on(&self, next: Option<char>) -> bool {
        let Some(code) = next.filter(char::is_ascii).map(u32::from) else {
            return true;
        };
        let [low, high] = self.next;
        let half = if code < 64 { low } else { high };
        half.wrapping_shr(code % 64) & 1 == 1
    }
}

/// The characters of ASCII, a bit for each, that a partial match at a position may read next; all, if it may end there.
fn next_of(program: &Program, position: u32) -> [u64; 2] {
    let all = u128::MAX;
    let next = program.positions.get(position as usize).map_or(all, |position| {
        let edges = program.edges_of(position).iter();
        let reads = |edge: &Edge| program.classes.get(edge.class as usize).map_or(all, CharClass::ascii);
        edges.fold(if position.accepts { all } else { 0 }, |next, edge| next | reads(edge))
    });
    [next, next.wrapping_shr(64)].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(u64::MAX))
}

impl Starts {
    pub(crate) fn new(compiled: &Compiled, mask: &[bool]) -> Self {
        let mut ways: Vec<(Edge, u16)> = Vec::new();
        let mut looks = 0;
        let mut keep_back = 0;
        let mut contexts = false;
        for matcher in &compiled.matchers {
            if !mask.get(matcher.rule.position()).copied().unwrap_or(false) {
                continue;
            }
            let tracked = compiled.tracked(matcher.rule);
            looks |= tracked.map_or(0, |tracked| tracked.looks);
            let slot = tracked.and_then(|tracked| tracked.slot).unwrap_or(NO_SLOT);
            contexts |= slot != NO_SLOT;
            keep_back = keep_back.max(matcher.context.as_ref().map_or(0, |context| context.within));
            ways.extend(
                tracked
                    .into_iter()
                    .flat_map(|tracked| &tracked.starts)
                    .map(|edge| (*edge, slot)),
            );
        }
        ways.sort_by_key(|(edge, slot)| (edge.looks, *slot));
        let keep_back = keep_back.saturating_add(crate::context::CONTEXT_MARGIN);
        let mut starts = Self {
            ascii: Box::default(),
            first: Vec::new(),
            wide: Vec::new(),
            looks,
            keep_back,
            contexts,
            scratch: Mutex::default(),
        };
        starts.index(&compiled.program, &ways);
        starts
    }

    fn index(&mut self, program: &Program, ways: &[(Edge, u16)]) {
        let classed = |edge: &Edge| program.classes.get(edge.class as usize);
        let first = |edge: &Edge, slot: u16| First {
            looks: edge.looks,
            to: edge.to,
            slot,
            next: next_of(program, edge.to),
        };
        let mut ranges = Vec::with_capacity(128);
        for code in 0..128_u8 {
            let from = u32::try_from(self.first.len()).unwrap_or(u32::MAX);
            let begins = |edge: &Edge| classed(edge).is_some_and(|class| class.contains(char::from(code)));
            let begun = ways.iter().filter(|(edge, _)| begins(edge));
            self.first.extend(begun.map(|(edge, slot)| first(edge, *slot)));
            ranges.push(Range {
                from,
                to: u32::try_from(self.first.len()).unwrap_or(u32::MAX),
            });
        }
        self.ascii = ranges.into_boxed_slice();
        let wide = ways
            .iter()
            .filter(|(edge, _)| classed(edge).is_some_and(CharClass::has_wide));
        self.wide = wide.map(|(edge, slot)| (edge.class, first(edge, *slot))).collect();
    }

    fn ascii(&self, c: char) -> &[First] {
        let range = self.ascii.get(u32::from(c) as usize).copied().unwrap_or_default();
        self.first
            .get(range.from as usize..range.to as usize)
            .unwrap_or_default()
    }

    fn take_scratch(&self, positions: usize) -> Scratch {
        let spare = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Scratch {
            next: Vec::new(),
            seen: vec![Seen::default(); positions],
            round: 0,
        })
    }

    fn give_back(&self, scratch: Scratch) {
        let mut spare = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SCRATCH_KEPT {
            spare.push(scratch);
        }
    }
}

impl fmt::Debug for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starts")
            .field("first", &self.first.len())
            .finish_non_exhaustive()
    }
}

/// One partial match, or several of the same position when `merged`.
#[derive(Debug, Clone, Copy)]
struct Partial {
    /// Where it starts; when merged, where the earliest of them may start.
    start: usize,
    position: u32,
    /// The next partial in the list with the same position.
    sibling: u32,
    merged: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    round: u32,
    /// Index of the latest partial with this position.
    latest: u32,
    count: u8,
}

/// Working memory of one step.
struct Scratch {
    next: Vec<Partial>,
    seen: Vec<Seen>,
    round: u32,
}

/// The partial matches at the end of one text.
#[derive(Debug, Clone)]
pub(crate) struct Tracker {
    partials: Vec<Partial>,
    prev: Option<char>,
    /// Bytes read.
    at: usize,
    context: Option<StateID>,
    /// Where the latest context word of each slot starts.
    context_at: Vec<usize>,
    /// Rules that may have matched and the earliest start of such a match.
    accepted: Vec<(u32, usize)>,
}

impl Tracker {
    pub(crate) fn new(compiled: &Compiled, starts: &Starts) -> Self {
        let context = compiled.context_words.as_ref().filter(|_| starts.contexts);
        Self {
            partials: Vec::new(),
            prev: None,
            at: 0,
            context: context.and_then(|words| words.start_state(Anchored::No).ok()),
            context_at: if starts.contexts {
                vec![NEVER; compiled.slots.len()]
            } else {
                Vec::new()
            },
            accepted: Vec::new(),
        }
    }

    /// Reads on; false when the budget ran out.
    pub(crate) fn read(&mut self, compiled: &Compiled, starts: &Starts, piece: &str, budget: &mut Budget) -> bool {
        let mut scratch = starts.take_scratch(compiled.program.positions.len());
        let mut sound = true;
        let mut rest = piece.chars();
        while let Some(c) = rest.next() {
            let units = self.partials.len().saturating_add(1);
            if !budget.spend(units) {
                sound = false;
                break;
            }
            let held = match starts.looks {
                0 => 0,
                wanted => look::holding(wanted, self.prev, Some(c)),
            };
            let mut step = Step {
                compiled,
                starts,
                scratch: &mut scratch,
                c,
                next: rest.clone().next(),
                held,
            };
            step.run(self);
            self.prev = Some(c);
        }
        starts.give_back(scratch);
        sound
    }

    /// The text ends here: decides what waited for the next character.
    pub(crate) fn end(&mut self, compiled: &Compiled, starts: &Starts) {
        let held = look::holding(starts.looks, self.prev, None);
        let partials = std::mem::take(&mut self.partials);
        for partial in &partials {
            let Some(position) = compiled.program.positions.get(partial.position as usize) else {
                continue;
            };
            let ends = |edge: &Edge| edge.class == ACCEPT && edge.looks & !held == 0;
            if compiled.program.edges_of(position).iter().any(ends) {
                self.mark(position.rule, partial.start);
            }
        }
    }

    /// The first offset where a match may still start or grow.
    pub(crate) fn live(&self, compiled: &Compiled) -> usize {
        let start = |partial: &Partial| {
            let reach = compiled
                .program
                .positions
                .get(partial.position as usize)
                .map_or(0, |p| p.reach as usize);
            if partial.merged {
                partial.start.max(self.at.saturating_sub(reach))
            } else {
                partial.start
            }
        };
        self.partials.iter().map(start).min().unwrap_or(self.at)
    }

    /// Rules that may have matched, each with the earliest start.
    pub(crate) fn accepted_mut(&mut self) -> &mut Vec<(u32, usize)> {
        &mut self.accepted
    }

    fn mark(&mut self, rule: u32, start: usize) {
        match self.accepted.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, earliest)) => *earliest = start.min(*earliest),
            None => self.accepted.push((rule, start)),
        }
    }

    fn read_context(&mut self, compiled: &Compiled, c: char) {
        let (Some(words), Some(mut state)) = (&compiled.context_words, self.context) else {
            return;
        };
        let mut buffer = [0; 4];
        for byte in c.encode_utf8(&mut buffer).bytes() {
            state = words.next_state(Anchored::No, state, byte);
            if !words.is_special(state) || !words.is_match(state) {
                continue;
            }
            for index in 0..words.match_len(state) {
                let word = words.match_pattern(state, index);
                let start = self
                    .at
                    .saturating_add(c.len_utf8())
                    .saturating_sub(words.pattern_len(word));
                for slot in compiled.word_slots.get(word.as_usize()).into_iter().flatten() {
                    if let Some(at) = self.context_at.get_mut(usize::from(*slot)) {
                        *at = if *at == NEVER { start } else { start.max(*at) };
                    }
                }
            }
        }
        self.context = Some(state);
    }
}

struct Step<'a> {
    compiled: &'a Compiled,
    starts: &'a Starts,
    scratch: &'a mut Scratch,
    c: char,
    /// The character behind it, if it is known already.
    next: Option<char>,
    held: LookBits,
}

impl Step<'_> {
    fn run(&mut self, tracker: &mut Tracker) {
        let after = tracker.at.saturating_add(self.c.len_utf8());
        self.scratch.round = self.scratch.round.wrapping_add(1);
        if self.scratch.round == 0 {
            self.scratch.seen.fill(Seen::default());
            self.scratch.round = 1;
        }
        self.scratch.next.clear();
        let partials = std::mem::take(&mut tracker.partials);
        for partial in &partials {
            self.advance(tracker, partial, after);
        }
        self.begin(tracker, after);
        tracker.partials = partials;
        std::mem::swap(&mut tracker.partials, &mut self.scratch.next);
        if tracker.context.is_some() {
            tracker.read_context(self.compiled, self.c);
        }
        tracker.at = after;
    }

    fn advance(&mut self, tracker: &mut Tracker, partial: &Partial, after: usize) {
        let program = &self.compiled.program;
        let Some(position) = program.positions.get(partial.position as usize) else {
            return;
        };
        for edge in program.edges_of(position) {
            if edge.looks & !self.held != 0 {
                continue;
            }
            if edge.class == ACCEPT {
                tracker.mark(position.rule, partial.start);
            } else if program
                .classes
                .get(edge.class as usize)
                .is_some_and(|class| class.contains(self.c))
            {
                self.add(tracker, edge.to, partial.start, partial.merged, after);
            }
        }
    }

    fn begin(&mut self, tracker: &mut Tracker, after: usize) {
        let start = tracker.at;
        let starts = self.starts;
        if self.c.is_ascii() {
            let mut refused = None;
            for first in starts.ascii(self.c) {
                if refused == Some(first.looks) || first.looks & !self.held != 0 {
                    refused = Some(first.looks);
                } else if first.goes_on(self.next) && self.in_context(tracker, first.slot) {
                    self.add(tracker, first.to, start, false, after);
                }
            }
        } else {
            for (class, first) in &starts.wide {
                let class = self.compiled.program.classes.get(*class as usize);
                if first.looks & !self.held == 0
                    && class.is_some_and(|class| class.contains(self.c))
                    && self.in_context(tracker, first.slot)
                {
                    self.add(tracker, first.to, start, false, after);
                }
            }
        }
    }

    /// Whether a rule that needs a word before its match has seen one near enough.
    fn in_context(&self, tracker: &Tracker, slot: u16) -> bool {
        if slot == NO_SLOT {
            return true;
        }
        let slot = usize::from(slot);
        let within = self.compiled.slots.get(slot).copied().unwrap_or(0);
        let word = tracker.context_at.get(slot).copied().unwrap_or(NEVER);
        word != NEVER && word.saturating_add(within) >= tracker.at
    }

    fn add(&mut self, tracker: &mut Tracker, to: u32, start: usize, merged: bool, after: usize) {
        let Some(position) = self.compiled.program.positions.get(to as usize) else {
            return;
        };
        let earliest = after.saturating_sub(position.reach as usize);
        if start < earliest && !merged {
            return;
        }
        let start = start.max(earliest);
        if position.accepts {
            tracker.mark(position.rule, start);
        }
        if position.is_last() {
            return;
        }
        let Scratch { next, seen, round } = &mut *self.scratch;
        let Some(seen) = seen.get_mut(to as usize) else {
            return;
        };
        if seen.round != *round {
            *seen = Seen {
                round: *round,
                latest: u32::MAX,
                count: 0,
            };
        }
        let mut at = seen.latest;
        let mut newest: Option<u32> = None;
        while let Some(known) = next.get_mut(at as usize) {
            if known.start == start {
                known.merged |= merged;
                return;
            }
            newest = newest.or(Some(at));
            at = known.sibling;
        }
        if let (true, Some(known)) = (
            seen.count >= position.starts_max,
            newest.and_then(|at| next.get_mut(at as usize)),
        ) {
            known.start = known.start.min(start);
            known.merged = true;
            return;
        }
        let index = u32::try_from(next.len()).unwrap_or(u32::MAX);
        next.push(Partial {
            start,
            position: to,
            sibling: seen.latest,
            merged,
        });
        seen.latest = index;
        seen.count = seen.count.saturating_add(1);
    }
}
