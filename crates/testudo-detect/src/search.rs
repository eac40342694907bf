//! The search for a pattern, with long counted repetitions as loops as long as that decides.
//!
//! An automaton has a state for each turn of `[^ ]{3,2000}`, so that the rules about addresses alone would hold
//! 80 MB. With `[^ ]{3,}` in its place a pattern matches the same and more: whatever it matches within as many bytes
//! as no repetition may exceed is what the pattern itself matches there, in the same order of preference. Only for
//! a longer match the pattern itself is compiled, once, and asked.

use std::sync::OnceLock;

use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input, Match};
use regex_syntax::hir::{Capture, Hir, HirKind, Repetition};

/// The most memory that the automaton of a pattern may take.
const NFA_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Each search thread may keep this much for each rule it has run; long patterns need more to work at all.
const CACHE_BYTES: usize = 256 * 1024;
const LONG_CACHE_BYTES: usize = 4 * 1024 * 1024;
const LONG_PATTERN: usize = 1024;
/// Repetitions that cannot match more bytes stay as they are: longer matches are ordinary.
const LOOP_BYTES_MIN: usize = 160;
/// Repetitions whose turns take fewer states together stay as they are.
const LOOP_STATES_MIN: usize = 512;

/// The pattern needs too many states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// A pattern, ready to search.
#[derive(Debug)]
pub(crate) struct Search {
    regex: Regex,
    exact: Option<Exact>,
}

/// The pattern as it was written, where the other has loops.
#[derive(Debug)]
struct Exact {
    pattern: Hir,
    /// Shorter matches, and those of this length, are the same.
    same_up_to: usize,
    regex: OnceLock<Option<Regex>>,
}

impl Search {
    /// Compiles a pattern whose matches are bounded.
    pub(crate) fn new(pattern: &Hir) -> Result<Self, TooLarge> {
        let Some(same_up_to) = loop_bytes(pattern)? else {
            let regex = compile(pattern).ok_or(TooLarge)?;
            return Ok(Self { regex, exact: None });
        };
        let regex = compile(&loosened(pattern, same_up_to)?).ok_or(TooLarge)?;
        let exact = Exact {
            pattern: pattern.clone(),
            same_up_to,
            regex: OnceLock::new(),
        };
        Ok(Self {
            regex,
            exact: Some(exact),
        })
    }

    /// The index of a named group.
    pub(crate) fn group(&self, name: &str) -> Option<usize> {
        self.regex.group_info().to_index(regex_automata::PatternID::ZERO, name)
    }

    /// The leftmost match, and how many bytes were read to find it.
    ///
    /// `asked_to` is zero for a new text, and kept from one call to the next while `input` moves on: up to there the
    /// pattern itself is asked, so that no run of a loop is read more than once.
    pub(crate) fn find(&self, input: &Input<'_>, asked_to: &mut usize) -> (Option<Match>, usize) {
        let read = |from: usize, found: Option<Match>| {
            let end = found.map_or(input.end(), |found| found.end());
            end.saturating_sub(from)
        };
        let (mut from, mut cost) = (input.start(), 0);
        if from >= *asked_to {
            let found = self.regex.search(input);
            cost = read(from, found);
            let Some(long) = found.filter(|found| self.is_long(found)) else {
                return (found, cost);
            };
            // The pattern itself matches nothing before.
            (from, *asked_to) = (long.start(), long.end());
        }
        let found = self.exact().search(&input.clone().span(from..input.end()));
        (found, cost.saturating_add(read(from, found)))
    }

    /// The groups of the match that begins where `input` does.
    pub(crate) fn captures(&self, input: &Input<'_>) -> Captures {
        let input = input.clone().anchored(Anchored::Yes);
        let mut captures = self.regex.create_captures();
        self.regex.search_captures(&input, &mut captures);
        if captures.get_match().is_some_and(|found| self.is_long(&found)) {
            captures = self.exact().create_captures();
            self.exact().search_captures(&input, &mut captures);
        }
        captures
    }

    /// Whether only the pattern itself tells what matches.
    fn is_long(&self, found: &Match) -> bool {
        self.exact.as_ref().is_some_and(|exact| found.len() > exact.same_up_to)
    }

    fn exact(&self) -> &Regex {
        let exact = self.exact.as_ref();
        let compiled = exact.and_then(|exact| exact.regex.get_or_init(|| compile(&exact.pattern)).as_ref());
        // That it compiles was seen to when the rules were loaded; else a match is rather too long than missed.
        compiled.unwrap_or(&self.regex)
    }
}

fn compile(pattern: &Hir) -> Option<Regex> {
    let long = pattern.properties().maximum_len().is_none_or(|max| max > LONG_PATTERN);
    let config = Regex::config()
        .nfa_size_limit(Some(NFA_BYTES_MAX))
        .hybrid_cache_capacity(if long { LONG_CACHE_BYTES } else { CACHE_BYTES });
    Regex::builder().configure(config).build_from_hir(pattern).ok()
}

/// Which repetitions of a pattern become loops: those whose turns reach so many bytes. `None` when it needs none.
fn loop_bytes(pattern: &Hir) -> Result<Option<usize>, TooLarge> {
    let mut heavy = Vec::new();
    collect(pattern, &mut heavy)?;
    let memory = heavy
        .iter()
        .fold(0_usize, |sum, heavy| sum.saturating_add(heavy.memory));
    if memory > NFA_BYTES_MAX {
        return Err(TooLarge);
    }
    // The shortest of them decides how long a match may be: long ones that are much shorter stay.
    let longest = heavy.iter().map(|heavy| heavy.bytes).max();
    let loops = heavy.iter().map(|heavy| heavy.bytes);
    Ok(longest.and_then(|longest| loops.filter(|bytes| *bytes >= longest / 2).min()))
}

/// A repetition that takes many states.
struct Heavy {
    /// What its turns match at least together.
    bytes: usize,
    /// What its turns take in an automaton.
    memory: usize,
}

impl Heavy {
    fn of(repetition: &Repetition) -> Result<Option<Self>, TooLarge> {
        let turn = repetition.sub.properties().minimum_len().unwrap_or(0);
        let max = repetition.max.map_or(0, |max| max as usize);
        let bytes = max.saturating_mul(turn);
        if bytes < LOOP_BYTES_MIN {
            return Ok(None);
        }
        let config = thompson::Config::new()
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(NFA_BYTES_MAX));
        let turn = thompson::Compiler::new()
            .configure(config)
            .build_from_hir(&repetition.sub);
        let turn = turn.map_err(|_| TooLarge)?;
        let spared = max.saturating_sub(repetition.min as usize);
        let heavy = Self {
            bytes,
            memory: spared.saturating_mul(turn.memory_usage()),
        };
        let states = spared.saturating_mul(turn.states().len());
        Ok((states >= LOOP_STATES_MIN).then_some(heavy))
    }
}

fn collect(part: &Hir, heavy: &mut Vec<Heavy>) -> Result<(), TooLarge> {
    match part.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => Ok(()),
        HirKind::Capture(capture) => collect(&capture.sub, heavy),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().try_for_each(|part| collect(part, heavy)),
        HirKind::Repetition(repetition) => {
            heavy.extend(Heavy::of(repetition)?);
            collect(&repetition.sub, heavy)
        }
    }
}

/// The pattern with loops for the heavy repetitions that reach `bytes`.
fn loosened(part: &Hir, bytes: usize) -> Result<Hir, TooLarge> {
    let all = |parts: &[Hir]| {
        parts
            .iter()
            .map(|part| loosened(part, bytes))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match part.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => part.clone(),
        HirKind::Capture(capture) => Hir::capture(Capture {
            index: capture.index,
            name: capture.name.clone(),
            sub: Box::new(loosened(&capture.sub, bytes)?),
        }),
        HirKind::Concat(parts) => Hir::concat(all(parts)?),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)?),
        HirKind::Repetition(repetition) => {
            let endless = Heavy::of(repetition)?.is_some_and(|heavy| heavy.bytes >= bytes);
            Hir::repetition(Repetition {
                min: repetition.min,
                max: repetition.max.filter(|_| !endless),
                greedy: repetition.greedy,
                sub: Box::new(loosened(&repetition.sub, bytes)?),
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_syntax::ParserBuilder;

    use super::*;

    /// Patterns that get loops, and where a longer match is asked of the pattern itself.
    const LOOSE: &[(&str, usize)] = &[
        (r"x[^ ]{3,200}", 200),
        (r"x[^ ]{3,200}?!", 200),
        (r"x[^ ]{0,300}y(?P<value>[^ ]{2,200})", 200),
        (r"x(?P<value>[^ y]{0,200}?)y[^ ]{0,1000}", 1000),
        (r"x(?:[^ y]{1,20}y){1,160}!", 320),
        (r"(?:x[^ ]{0,200}!|xy(?P<value>[^ ]{0,300}))", 200),
        (r"(?-u:\b)x[^ ]{2,240}(?-u:\b)", 240),
        (r"x[xy]{0,700}!?", 700),
    ];

    fn pattern(text: &str) -> Hir {
        ParserBuilder::new().build().parse(text).unwrap()
    }

    type Place = (usize, usize);

    /// Every match and its value; a match that is refused is gone on from at its second character.
    fn all(search: &Search, text: &str, refused: u8) -> Vec<(Place, Option<Place>)> {
        let (mut at, mut asked_to, mut found) = (0, 0, Vec::new());
        while at < text.len() {
            let (Some(next), cost) = search.find(&Input::new(text).span(at..text.len()), &mut asked_to) else {
                break;
            };
            assert!(cost >= next.len());
            let captures = search.captures(&Input::new(text).span(next.start()..text.len()));
            assert_eq!(captures.get_match(), Some(next));
            let value = search.group("value").and_then(|group| captures.get_group(group));
            let value = value.map(|value| (value.start, value.end));
            found.push(((next.start(), next.end()), value));
            let kept = u8::try_from(found.len() % 3).unwrap() != refused;
            at = if kept {
                next.end()
            } else {
                text.ceil_char_boundary(next.start().saturating_add(1))
            };
        }
        found
    }

    #[test]
    fn long_repetitions_become_loops_and_short_ones_stay() {
        for (text, same_up_to) in LOOSE {
            let search = Search::new(&pattern(text)).unwrap();
            assert_eq!(
                search.exact.as_ref().map(|exact| exact.same_up_to),
                Some(*same_up_to),
                "{text}"
            );
        }
        for text in [
            r"x[^ ]{3,150}",
            r"x[xy]{0,110}",
            r"(?:[^ ]{0,8}){1,300}x",
            "x{500}",
            r"x[^ ]{300}",
        ] {
            assert!(Search::new(&pattern(text)).unwrap().exact.is_none(), "{text}");
        }
        assert!(Search::new(&pattern(r"\p{L}{1,16000}")).is_err());
    }

    #[test]
    fn the_pattern_itself_is_compiled_for_long_matches_only() {
        let search = Search::new(&pattern(r"x[^ ]{3,200}")).unwrap();
        let compiled = || search.exact.as_ref().is_some_and(|exact| exact.regex.get().is_some());
        assert_eq!(all(&search, &format!("x{} ", "y".repeat(199)), 3), [((0, 200), None)]);
        assert!(!compiled());
        assert_eq!(all(&search, &format!("x{} ", "y".repeat(300)), 3), [((0, 201), None)]);
        assert!(compiled());
    }

    #[test]
    fn a_run_is_read_once_however_often_it_is_asked() {
        let search = Search::new(&pattern(r"x[^ ]{3,200}")).unwrap();
        let text = "x".repeat(100_000);
        let (mut at, mut asked_to, mut sum) = (0, 0, 0);
        while let (Some(found), cost) = search.find(&Input::new(&text).span(at..text.len()), &mut asked_to) {
            (at, sum) = (found.end(), sum + cost);
        }
        assert!(sum < 3 * text.len(), "{sum}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn loops_find_what_the_pattern_finds(
            which in 0..LOOSE.len(),
            parts in prop::collection::vec((prop::sample::select(vec!["x", "y", "xy", "!", "é", " "]), 1..260_usize), 1..8),
            refused in 0..4_u8,
        ) {
            let text: String = parts.iter().map(|(part, count)| part.repeat(*count)).collect();
            let pattern = pattern(LOOSE[which].0);
            let exact = Search { regex: compile(&pattern).unwrap(), exact: None };
            let loose = Search::new(&pattern).unwrap();
            prop_assert_eq!(all(&loose, &text, refused), all(&exact, &text, refused), "{}", text);
        }
    }
}
