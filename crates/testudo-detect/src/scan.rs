//! Scans a whole text: literals first, then each candidate's pattern around its literals.

#[cfg(test)]
mod tests;

use std::ops::Range;

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use testudo_types::ThreatKind;

use crate::digits::{Digits, DigitsNeeded};
use crate::exempt::Exempt;
use crate::kinds::{Kinds, alphanumeric, encoding, wide};
use crate::load::{Compiled, Prefilter};
use crate::matching::{Gate, Matcher, Stretch};
use crate::prefix::Prefix;
use crate::required::Run;
use crate::{Budget, Hit, Rule, RuleIndex, Scan, Selection};

/// A character may be needed behind a match to decide that it ends.
const LOOKAHEAD: usize = 4;

/// Places that are looked at for the cost of one unit.
const STARTS_A_UNIT: usize = 8;
/// So many places are tried alone, before all that are left are searched.
const STARTS_ALONE: usize = 4;
/// One more is for so many bytes, or for half of the longest match, if that is more: no byte is read often.
const BYTES_A_START: usize = 32;

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
    let windows = candidates(selection.gates(guessed), compiled, (text, kinds, &digits), budget);
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
        Some(prefix) => run_where(matcher, prefix, stretch, budget, hits),
        None => matcher.run(stretch, budget, hits).resume,
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
    let mut resume = 0;
    let apart = BYTES_A_START.max(matcher.bytes_max / 2);
    let mut tried = 0_usize;
    for at in prefix.starts(stretch.text.as_bytes(), stretch.at, stretch.bound) {
        if at < resume {
            continue;
        }
        if tried >= STARTS_ALONE.saturating_add(at.saturating_sub(stretch.at).checked_div(apart).unwrap_or(0)) {
            return matcher.run(Stretch { at, ..stretch }, budget, hits).resume.max(resume);
        }
        tried = tried.saturating_add(1);
        let bound = at.saturating_add(1);
        let rest = matcher.run(Stretch { at, bound, ..stretch }, budget, hits);
        resume = rest.resume.max(resume);
    }
    resume
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
    tokens: Vec<(u32, usize)>,
    /// Which words make rules candidates.
    prefilters: Prefilters,
}

/// The prefilters that a selection reads texts with.
#[derive(Debug, Clone, Copy)]
struct Prefilters {
    ordinary: bool,
    phrases: bool,
    declared: bool,
}

/// Where the matches of a rule may lie around what makes it a candidate.
#[derive(Debug, Clone, Copy)]
struct Reach {
    literal_end_max: usize,
    /// For rules that wait for a word before the match.
    within: Option<usize>,
    digits: DigitsNeeded,
}

impl Reach {
    fn of(matcher: &Matcher) -> Self {
        let within = || matcher.context.as_ref().map_or(0, |context| context.within);
        Self {
            literal_end_max: matcher.literal_end_max,
            within: matches!(matcher.gate, Gate::Context | Gate::Open).then(within),
            digits: matcher.digits,
        }
    }
}

impl Prefilters {
    fn of(compiled: &Compiled, reads: impl Fn(RuleIndex) -> bool) -> Self {
        let has = |wanted: fn(&Rule) -> bool| {
            let rules = compiled.matchers.iter().filter(|matcher| reads(matcher.rule));
            rules
                .filter_map(|matcher| compiled.rules.get(matcher.rule.position()))
                .any(wanted)
        };
        let ordinary = has(|rule| !rule.is_declared() && rule.kind != ThreatKind::Injection);
        Self {
            ordinary,
            phrases: !ordinary && has(|rule| !rule.is_declared()),
            declared: has(Rule::is_declared),
        }
    }

    fn chosen(self, compiled: &Compiled) -> impl Iterator<Item = &Prefilter> {
        [
            (self.ordinary, &compiled.ordinary),
            (self.phrases, &compiled.phrases),
            (self.declared, &compiled.declared),
        ]
        .into_iter()
        .filter_map(|(chosen, prefilter)| chosen.then_some(prefilter))
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
            tokens: Vec::new(),
            prefilters: Prefilters::of(compiled, &reads),
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
                Gate::Run(Run::Token, count) => gates.tokens.push((index, count)),
                Gate::Literal | Gate::Context => {}
            }
        }
        for waiting in [&mut gates.digits, &mut gates.wide, &mut gates.words, &mut gates.tokens] {
            waiting.sort_by_key(|(_, count)| *count);
        }
        gates.reaches = reaches;
        gates
    }
}

/// The windows of all candidates, by rule, then place; those of a rule do not touch.
fn candidates(
    gates: &Gates,
    compiled: &Compiled,
    (text, kinds, digits): (&str, &Kinds, &Digits),
    budget: &mut Budget,
) -> Vec<Window> {
    let anywhere = |index: &u32| Window {
        matcher: *index,
        from: 0,
        to: text.len(),
    };
    let mut open = Open {
        text,
        matchers: &compiled.matchers,
        reaches: &gates.reaches,
        digits,
        windows: gates.open.iter().map(anywhere).collect(),
        latest: vec![Latest::default(); compiled.matchers.len()],
        touched: Vec::new(),
        looked_at: 0,
    };
    for prefilter in gates.prefilters.chosen(compiled) {
        open.words(text, prefilter);
    }
    open.runs(&gates.digits, |_| digits.rows().iter().cloned());
    open.runs(&gates.wide, |min| kinds.runs(min, wide));
    open.runs(&gates.words, |min| kinds.runs(min, alphanumeric));
    open.runs(&gates.tokens, |min| kinds.runs(min, encoding));
    let Open {
        mut windows,
        latest,
        touched,
        looked_at,
        ..
    } = open;
    budget.spend(looked_at / STARTS_A_UNIT);
    let last = |index: &u32| latest.get(*index as usize).and_then(|latest| latest.open);
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

/// Words end about so far apart.
const ENDS_APART: usize = 32;
/// Shorter texts are read from the first byte to the last.
const LANE_BYTES_MIN: usize = 256;

/// Where words end in a text, in order, and the state of the automaton there.
///
/// Four parts of a text are read side by side: each step waits for memory, and they wait together. A part begins so
/// far before its first byte that no word which ends in it is missed.
#[inline(never)]
fn word_ends(words: &DFA, text: &[u8]) -> Vec<(usize, StateID)> {
    let Ok(start) = words.start_state(Anchored::No) else {
        return Vec::new();
    };
    let part = text.len() / 4;
    let before = words.max_pattern_len();
    let mut found = Vec::new();
    if part < LANE_BYTES_MIN || part < before {
        read_on(words, text, (0, start), &mut found);
        return found;
    }
    let firsts = [0, 1, 2, 3_usize].map(|index| index.saturating_mul(part));
    let froms = firsts.map(|first| first.saturating_sub(before));
    let [a, b, c, d] = froms.map(|from| text.get(from..from.saturating_add(part)).unwrap_or_default());
    let (mut one, mut two, mut three, mut four) = (start, start, start, start);
    // By part, where words end in it, from its beginning on.
    let mut ends: [Vec<(usize, StateID)>; 4] = std::array::from_fn(|_| Vec::with_capacity(part / ENDS_APART));
    let [in_one, in_two, in_three, in_four] = &mut ends;
    let mut at = 0_usize;
    for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
        at = at.wrapping_add(1);
        one = words.next_state(Anchored::No, one, *a);
        two = words.next_state(Anchored::No, two, *b);
        three = words.next_state(Anchored::No, three, *c);
        four = words.next_state(Anchored::No, four, *d);
        if words.is_special(one) {
            in_one.push((at, one));
        }
        if words.is_special(two) {
            in_two.push((at, two));
        }
        if words.is_special(three) {
            in_three.push((at, three));
        }
        if words.is_special(four) {
            in_four.push((at, four));
        }
    }
    let lasts = [one, two, three, four];
    let tos = [part, part.saturating_mul(2), part.saturating_mul(3), text.len()];
    for ((ends, state), ((first, from), to)) in ends.iter().zip(lasts).zip(firsts.into_iter().zip(froms).zip(tos)) {
        let placed = ends.iter().map(|(end, state)| (from.saturating_add(*end), *state));
        // Words that end here or before belong to the part before.
        found.extend(placed.filter(|(end, state)| *end > first && words.is_match(*state)));
        let read_to = from.saturating_add(part);
        read_on(words, text.get(..to).unwrap_or_default(), (read_to, state), &mut found);
    }
    found
}

/// The words that end behind a place at which the automaton is in a state.
fn read_on(words: &DFA, text: &[u8], (from, mut state): (usize, StateID), found: &mut Vec<(usize, StateID)>) {
    let rest = text.get(from..).unwrap_or_default();
    for (end, byte) in (from.saturating_add(1)..).zip(rest) {
        state = words.next_state(Anchored::No, state, *byte);
        if words.is_special(state) && words.is_match(state) {
            found.push((end, state));
        }
    }
}

/// Windows while they are found.
struct Open<'a> {
    text: &'a str,
    matchers: &'a [Matcher],
    reaches: &'a [Option<Reach>],
    digits: &'a Digits,
    windows: Vec<Window>,
    /// By matcher.
    latest: Vec<Latest>,
    /// The matchers that have a window which may still grow.
    touched: Vec<u32>,
    /// In how many places a match might have begun.
    looked_at: usize,
}

/// How far the windows of a matcher are known.
#[derive(Debug, Clone, Copy, Default)]
struct Latest {
    /// The window that may still grow.
    open: Option<Window>,
    /// Places before this that are in no window are no place where a match begins.
    looked_to: usize,
}

impl Latest {
    /// Takes the next window; gives the one before, if that cannot grow any more.
    #[inline]
    fn take(&mut self, matcher: &Matcher, text: &[u8], mut new: Window, looked_at: &mut usize) -> Option<Window> {
        if let Some(prefix) = &matcher.prefix {
            let from = new.from.max(self.looked_to);
            let bound = new.to.saturating_add(1);
            *looked_at = looked_at.saturating_add(bound.saturating_sub(from));
            self.looked_to = bound.max(self.looked_to);
            new.from = prefix.starts(text, from, bound).next()?;
        }
        join(&mut self.open, new, matcher.bytes_max)
    }
}

impl Open<'_> {
    fn words(&mut self, text: &str, prefilter: &Prefilter) {
        let Some(words) = &prefilter.words else {
            return;
        };
        for (end, state) in word_ends(words, text.as_bytes()) {
            for index in 0..words.match_len(state) {
                let word = words.match_pattern(state, index);
                let start = end.saturating_sub(words.pattern_len(word));
                for candidate in prefilter.matchers.get(word.as_usize()).into_iter().flatten() {
                    self.add(*candidate, start, end);
                }
            }
        }
    }

    /// Each run of bytes of a kind, for the rules that wait for one so long; `runs` gives those of so many bytes.
    fn runs<R: Iterator<Item = Range<usize>>>(&mut self, waiting: &[(u32, usize)], runs: impl FnOnce(usize) -> R) {
        let (reaches, digits) = (self.reaches, self.digits);
        let may_match = |(candidate, count): &(u32, usize)| {
            let reach = reaches.get(*candidate as usize).copied().flatten()?;
            digits.may_suffice(reach.digits).then_some((*candidate, *count, reach))
        };
        let mut waiting = waiting.iter().filter_map(may_match).peekable();
        let Some((_, shortest, _)) = waiting.peek() else {
            return;
        };
        let runs: Vec<Range<usize>> = runs(*shortest).collect();
        for (candidate, count, reach) in waiting {
            let Some(matcher) = self.matchers.get(candidate as usize) else {
                continue;
            };
            let mut latest = Latest::default();
            for run in runs.iter().filter(|run| run.len() >= count) {
                let window = Window {
                    matcher: candidate,
                    from: run.start.saturating_add(count).saturating_sub(reach.literal_end_max),
                    to: run.end.saturating_sub(count),
                };
                let before = latest.take(matcher, self.text.as_bytes(), window, &mut self.looked_at);
                self.windows.extend(before);
            }
            self.windows.extend(latest.open);
        }
    }

    /// A word at `start..end` that makes a rule a candidate.
    fn add(&mut self, candidate: u32, start: usize, end: usize) {
        let place = candidate as usize;
        if let Some(Some(reach)) = self.reaches.get(place)
            && self.digits.may_suffice(reach.digits)
            && let Some(matcher) = self.matchers.get(place)
            && let Some(latest) = self.latest.get_mut(place)
        {
            let new = latest.open.is_none();
            let window = around(reach, candidate, start, end);
            let before = latest.take(matcher, self.text.as_bytes(), window, &mut self.looked_at);
            self.windows.extend(before);
            if new && latest.open.is_some() {
                self.touched.push(candidate);
            }
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
