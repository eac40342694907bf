//! Scans a whole text: literals first, then each candidate's pattern around its literals.

#[cfg(test)]
mod tests;

use std::ops::Range;

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;

use crate::digits::{Digits, DigitsNeeded};
use crate::exempt::Exempt;
use crate::kinds::{Kinds, alphanumeric, wide};
use crate::load::{Compiled, WORD_MIN};
use crate::matching::{Gate, Matcher, Stretch};
use crate::prefix::Prefix;
use crate::required::Run;
use crate::{Budget, Hit, RuleIndex, Scan, Selection};

/// A character may be needed behind a match to decide that it ends.
const LOOKAHEAD: usize = 4;

/// Places that are looked at for the cost of one unit.
const STARTS_A_UNIT: usize = 8;
/// Of more places the search finds those that count sooner.
const STARTS_MAX: usize = 256;
/// So many places are tried alone, before all that are left are searched.
const STARTS_ALONE: usize = 4;

/// All hits of `text` as it stands; of a guessed text those that a guess is good enough for.
pub(crate) fn scan(selection: &Selection, text: &str, guessed: bool, budget: &mut Budget) -> Scan {
    scan_kinds(selection, (text, &Kinds::of(text.as_bytes())), guessed, budget)
}

/// The same where it is known what the bytes of the text are.
pub(crate) fn scan_kinds(
    selection: &Selection,
    (text, kinds): (&str, &Kinds),
    guessed: bool,
    budget: &mut Budget,
) -> Scan {
    let mut hits = Vec::new();
    let compiled = selection.compiled();
    if !budget.spend(text.len()) {
        return Scan { hits, exhausted: true };
    }
    let digits = Digits::of(kinds);
    let windows = candidates(selection.gates(guessed), compiled, (text, kinds, &digits));
    let mut resume = (u32::MAX, 0);
    for window in &windows {
        let Some(matcher) = compiled.matchers.get(window.matcher as usize) else {
            continue;
        };
        let from = if resume.0 == window.matcher {
            window.from.max(resume.1)
        } else {
            window.from
        };
        resume = (
            window.matcher,
            from.max(run(
                (matcher, selection.exempt()),
                (text, &digits),
                Window { from, ..*window },
                budget,
                &mut hits,
            )),
        );
        if budget.is_exhausted() {
            return Scan { hits, exhausted: true };
        }
    }
    hits.sort_unstable();
    Scan { hits, exhausted: false }
}

/// Where matches of one rule may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Window {
    matcher: u32,
    from: usize,
    to: usize,
}

/// Returns where the next match of the rule may start.
fn run(
    (matcher, exempt): (&Matcher, &Exempt),
    (text, digits): (&str, &Digits),
    window: Window,
    budget: &mut Budget,
    hits: &mut Vec<Hit>,
) -> usize {
    let read_to = window.to.saturating_add(matcher.bytes_max).saturating_add(LOOKAHEAD);
    // Most windows end here; the edges of characters beyond ASCII have no digits.
    if !digits.suffice(matcher.digits, &(window.from..read_to), budget) {
        return 0;
    }
    let at = text.ceil_char_boundary(window.from.min(text.len()));
    let Some(stretch) = text.get(..text.ceil_char_boundary(read_to.min(text.len()))) else {
        return 0;
    };
    let bound = window.to.saturating_add(1).min(text.len());
    let stretch = Stretch {
        text: stretch,
        at,
        bound,
        base: 0,
        exempt,
    };
    match &matcher.prefix {
        Some(prefix) if bound.saturating_sub(at) <= STARTS_MAX => run_where(matcher, prefix, stretch, budget, hits),
        _ => matcher.run(stretch, budget, hits).resume,
    }
}

/// Tries the pattern where a match can begin: at each place alone, or from the first to the last of many.
fn run_where(
    matcher: &Matcher,
    prefix: &Prefix,
    stretch: Stretch<'_>,
    budget: &mut Budget,
    hits: &mut Vec<Hit>,
) -> usize {
    budget.spend(stretch.bound.saturating_sub(stretch.at) / STARTS_A_UNIT);
    let mut starts = prefix.starts(stretch.text.as_bytes(), stretch.at, stretch.bound);
    let mut resume = 0;
    for _ in 0..STARTS_ALONE {
        let Some(at) = starts.next() else {
            return resume;
        };
        if at >= resume {
            let bound = at.saturating_add(1);
            resume = matcher
                .run(Stretch { at, bound, ..stretch }, budget, hits)
                .resume
                .max(resume);
        }
    }
    match starts.next() {
        Some(at) => {
            let at = at.max(resume);
            matcher.run(Stretch { at, ..stretch }, budget, hits).resume.max(resume)
        }
        None => resume,
    }
}

/// How the rules of a selection become candidates.
#[derive(Debug)]
pub(crate) struct Gates {
    /// By matcher, where its matches may lie, if its rule is among them.
    reaches: Vec<Option<Reach>>,
    /// Rules that any text makes candidates.
    open: Vec<u32>,
    /// Rules that wait for so many bytes of a kind, those that wait for few first.
    digits: Vec<(u32, usize)>,
    wide: Vec<(u32, usize)>,
    words: Vec<(u32, usize)>,
}

/// Where the matches of a rule may lie around what makes it a candidate.
#[derive(Debug, Clone, Copy)]
struct Reach {
    literal_end_max: usize,
    /// For rules that wait for a word before the match.
    within: Option<usize>,
    bytes_max: usize,
    digits: DigitsNeeded,
}

impl Reach {
    fn of(matcher: &Matcher) -> Self {
        let within = || matcher.context.as_ref().map_or(0, |context| context.within);
        Self {
            literal_end_max: matcher.literal_end_max,
            within: matches!(matcher.gate, Gate::Context | Gate::Open).then(within),
            bytes_max: matcher.bytes_max,
            digits: matcher.digits,
        }
    }
}

impl Gates {
    pub(crate) fn new(compiled: &Compiled, reads: impl Fn(RuleIndex) -> bool) -> Self {
        let chosen = |matcher: &Matcher| reads(matcher.rule).then(|| Reach::of(matcher));
        let reaches: Vec<Option<Reach>> = compiled.matchers.iter().map(chosen).collect();
        let mut gates = Self {
            reaches: Vec::new(),
            open: Vec::new(),
            digits: Vec::new(),
            wide: Vec::new(),
            words: Vec::new(),
        };
        let chosen = (0_u32..)
            .zip(&compiled.matchers)
            .zip(&reaches)
            .filter(|(_, reach)| reach.is_some());
        for ((index, matcher), _) in chosen {
            match matcher.gate {
                Gate::Open => gates.open.push(index),
                Gate::Run(Run::Digits, count) => gates.digits.push((index, count)),
                Gate::Run(Run::NonAscii, count) => gates.wide.push((index, count)),
                Gate::Run(Run::Word, count) => gates.words.push((index, count)),
                Gate::Literal | Gate::Context => {}
            }
        }
        for waiting in [&mut gates.digits, &mut gates.wide, &mut gates.words] {
            waiting.sort_by_key(|(_, count)| *count);
        }
        gates.reaches = reaches;
        gates
    }
}

/// The windows of all candidates, by rule, then place; those of a rule do not touch.
fn candidates(gates: &Gates, compiled: &Compiled, (text, kinds, digits): (&str, &Kinds, &Digits)) -> Vec<Window> {
    let anywhere = |index: &u32| Window {
        matcher: *index,
        from: 0,
        to: text.len(),
    };
    let mut open = Open {
        reaches: &gates.reaches,
        digits,
        compiled,
        windows: gates.open.iter().map(anywhere).collect(),
        latest: vec![None; compiled.matchers.len()],
        touched: Vec::new(),
    };
    open.words(text);
    open.runs(&gates.digits, digits.rows().iter().cloned());
    open.runs(&gates.wide, kinds.runs(1, wide));
    open.runs(&gates.words, kinds.runs(WORD_MIN, alphanumeric));
    let Open {
        mut windows,
        latest,
        touched,
        ..
    } = open;
    let last = |index: &u32| latest.get(*index as usize).copied().flatten();
    windows.extend(touched.iter().filter_map(last));
    by_matcher(windows, compiled.matchers.len())
}

/// Sorts windows by matcher; those of one were found in order.
fn by_matcher(mut windows: Vec<Window>, matchers: usize) -> Vec<Window> {
    if windows.len() < matchers / 8 {
        windows.sort_by_key(|window| window.matcher);
        return windows;
    }
    let mut next = vec![0_usize; matchers.saturating_add(1)];
    for window in &windows {
        if let Some(count) = next.get_mut((window.matcher as usize).saturating_add(1)) {
            *count = count.saturating_add(1);
        }
    }
    let mut sum = 0_usize;
    for count in &mut next {
        sum = sum.saturating_add(*count);
        *count = sum;
    }
    let nowhere = Window {
        matcher: u32::MAX,
        from: 0,
        to: 0,
    };
    let mut sorted = vec![nowhere; windows.len()];
    for window in &windows {
        if let Some(at) = next.get_mut(window.matcher as usize)
            && let Some(slot) = sorted.get_mut(*at)
        {
            *slot = *window;
            *at = at.saturating_add(1);
        }
    }
    sorted
}

/// Shorter texts are read from the first byte to the last.
const LANE_BYTES_MIN: usize = 256;

/// Where words end in a text, in order, and the state of the automaton there.
///
/// Four parts of a text are read side by side: each step waits for memory, and they wait together. A part begins so
/// far before its first byte that no word which ends in it is missed.
fn word_ends(words: &DFA, text: &[u8]) -> Vec<(usize, StateID)> {
    let Ok(start) = words.start_state(Anchored::No) else {
        return Vec::new();
    };
    let part = text.len() / 4;
    let before = words.max_pattern_len();
    if part < LANE_BYTES_MIN || part < before {
        let mut all = Lane::new(start, 0);
        all.read_on(words, text, 0, text.len());
        return all.found;
    }
    let firsts = [0, 1, 2, 3_usize].map(|index| index.saturating_mul(part));
    let froms = firsts.map(|first| first.saturating_sub(before));
    let [a, b, c, d] = froms.map(|from| text.get(from..from.saturating_add(part)).unwrap_or_default());
    let [mut one, mut two, mut three, mut four] = firsts.map(|first| Lane::new(start, first));
    let [from_one, from_two, from_three, from_four] = froms;
    for (at, (((a, b), c), d)) in (1_usize..).zip(a.iter().zip(b).zip(c).zip(d)) {
        one.step(words, *a, from_one.wrapping_add(at));
        two.step(words, *b, from_two.wrapping_add(at));
        three.step(words, *c, from_three.wrapping_add(at));
        four.step(words, *d, from_four.wrapping_add(at));
    }
    let [_, second, third, fourth] = firsts;
    two.read_on(words, text, from_two.saturating_add(part), third);
    three.read_on(words, text, from_three.saturating_add(part), fourth);
    four.read_on(words, text, from_four.saturating_add(part), text.len());
    let mut found = one.found;
    debug_assert!(found.iter().all(|(end, _)| *end <= second));
    found.extend(two.found.into_iter().chain(three.found).chain(four.found));
    found
}

/// A part of a text that is read.
struct Lane {
    state: StateID,
    /// Words that end here or before belong to the part before.
    first: usize,
    found: Vec<(usize, StateID)>,
}

impl Lane {
    fn new(state: StateID, first: usize) -> Self {
        Self {
            state,
            first,
            found: Vec::new(),
        }
    }

    #[inline]
    fn step(&mut self, words: &DFA, byte: u8, end: usize) {
        self.state = words.next_state(Anchored::No, self.state, byte);
        if words.is_special(self.state) && words.is_match(self.state) && end > self.first {
            self.found.push((end, self.state));
        }
    }

    fn read_on(&mut self, words: &DFA, text: &[u8], from: usize, to: usize) {
        let rest = text.get(from..to).unwrap_or_default();
        for (end, byte) in (from.saturating_add(1)..).zip(rest) {
            self.step(words, *byte, end);
        }
    }
}

/// Windows while they are found.
struct Open<'a> {
    reaches: &'a [Option<Reach>],
    digits: &'a Digits,
    compiled: &'a Compiled,
    windows: Vec<Window>,
    /// By matcher, the window that may still grow.
    latest: Vec<Option<Window>>,
    /// The matchers that have one.
    touched: Vec<u32>,
}

impl Open<'_> {
    fn words(&mut self, text: &str) {
        let Some(words) = &self.compiled.prefilter else {
            return;
        };
        for (end, state) in word_ends(words, text.as_bytes()) {
            for index in 0..words.match_len(state) {
                let word = words.match_pattern(state, index);
                let start = end.saturating_sub(words.pattern_len(word));
                for candidate in self
                    .compiled
                    .prefilter_matchers
                    .get(word.as_usize())
                    .into_iter()
                    .flatten()
                {
                    self.add(*candidate, |reach| around(reach, *candidate, start, end));
                }
            }
        }
    }

    /// Each run of bytes of a kind, for the rules that wait for one so long.
    fn runs(&mut self, waiting: &[(u32, usize)], runs: impl Iterator<Item = Range<usize>>) {
        let may_match = |(candidate, _): &&(u32, usize)| {
            let reach = self.reaches.get(*candidate as usize).copied().flatten();
            reach.is_some_and(|reach| self.digits.may_suffice(reach.digits))
        };
        let waiting: Vec<(u32, usize)> = waiting.iter().filter(may_match).copied().collect();
        if waiting.is_empty() {
            return;
        }
        for run in runs {
            for (candidate, count) in waiting.iter().take_while(|(_, count)| *count <= run.len()) {
                self.add(*candidate, |reach| Window {
                    matcher: *candidate,
                    from: run.start.saturating_add(*count).saturating_sub(reach.literal_end_max),
                    to: run.end.saturating_sub(*count),
                });
            }
        }
    }

    fn add(&mut self, candidate: u32, window: impl FnOnce(&Reach) -> Window) {
        let place = candidate as usize;
        let Some(Some(reach)) = self.reaches.get(place) else {
            return;
        };
        if self.digits.may_suffice(reach.digits)
            && let Some(slot) = self.latest.get_mut(place)
        {
            if slot.is_none() {
                self.touched.push(candidate);
            }
            self.windows.extend(join(slot, window(reach), reach.bytes_max));
        }
    }
}

/// Where a match may start that a word at `start..end` makes possible.
fn around(reach: &Reach, candidate: u32, start: usize, end: usize) -> Window {
    let (from, to) = match reach.within {
        None => (end.saturating_sub(reach.literal_end_max), start),
        Some(within) => (end, start.saturating_add(within)),
    };
    Window {
        matcher: candidate,
        from,
        to: to.max(from),
    }
}

/// Grows the open window by the new one, or opens the new one and returns the old.
fn join(open: &mut Option<Window>, new: Window, bytes_max: usize) -> Option<Window> {
    let Some(old) = open else {
        *open = Some(new);
        return None;
    };
    let read_to = old.to.saturating_add(bytes_max).saturating_add(LOOKAHEAD);
    if new.from <= read_to {
        old.from = old.from.min(new.from);
        old.to = old.to.max(new.to);
        return None;
    }
    open.replace(new)
}
