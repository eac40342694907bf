//! Compiles one rule's pattern for searching and for following it in a stream.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use super::RuleFault;
use super::text::Checked;
use crate::automaton::{Edge, Program, TooLarge};
use crate::digits::DigitsNeeded;
use crate::look::LookBits;
use crate::matching::{Gate, Matcher};
use crate::prefix::Prefix;
use crate::required::{Run, digits_min, literal_end_max, run_end_max};
use crate::search::Search;
use crate::{PATTERN_BYTES_MAX, RuleIndex};

const NEST_MAX: u32 = 40;
/// Literals of this length are everywhere, or are there by the hundred for all pairs of digits; a run of digits is a
/// better prefilter.
const WEAK_LITERAL: usize = 2;
/// The longest run of digits that a prefilter looks for.
const DIGITS_MAX: usize = 4;
/// A single digit tells where a match may begin only if it stands so near the beginning.
const DIGIT_END_MAX: usize = 8;
/// Weak literals are looked for in the place of digits that may stand so many times farther from the beginning.
const CLOSER: usize = 3;
/// Longer rows of digits are not asked for.
const ROW_MAX: usize = 9;
/// Ordinary text has few words so long, and a pattern that needs one is not tried elsewhere.
const WORD_MIN: usize = 8;
const WORD_MAX: usize = 16;
/// Ordinary text has few tokens so long.
const TOKEN_MIN: usize = 16;

type Built = (Matcher, Vec<Edge>, LookBits);

pub(super) fn compile(
    checked: &Checked,
    rule: RuleIndex,
    program: &mut Program,
) -> Result<Built, (&'static str, RuleFault)> {
    let hir = parse(&checked.pattern).map_err(|fault| ("pattern", fault))?;
    let bytes_max = bounded(&hir).map_err(|fault| ("pattern", fault))?;
    let (gate, literal_end_max) = gate(checked, &hir)?;
    let search = Search::new(&hir).map_err(|_| ("pattern", RuleFault::TooLarge))?;
    let starts = program
        .add(&hir, rule.0)
        .map_err(|TooLarge| ("pattern", RuleFault::TooLarge))?;
    let looks = hir
        .properties()
        .look_set()
        .iter()
        .fold(0, |bits, look| bits | look.as_repr());
    let value = search.group("value");
    let matcher = Matcher {
        rule,
        score: checked.rule.score,
        quoted: checked.quoted,
        reported: checked.reported,
        search,
        prefix: Prefix::of(&hir),
        value,
        validator: checked.validator,
        context: checked.context.clone(),
        bytes_max,
        literal_end_max,
        gate,
        digits: digits_needed(&hir),
    };
    Ok((matcher, starts, looks))
}

/// The best prefilter that is proved for the pattern, and where in a match it lies.
fn gate(checked: &Checked, hir: &Hir) -> Result<(Gate, usize), (&'static str, RuleFault)> {
    let literal_end = match checked.literals.is_empty() {
        true => None,
        false => {
            let end = literal_end_max(hir, &checked.literals);
            Some(end.map_err(|example| ("literals", RuleFault::LiteralMissing { example }))?)
        }
    };
    let weak = checked.literals.iter().any(|literal| literal.len() <= WEAK_LITERAL);
    if let (Some(end), false) = (literal_end, weak) {
        return Ok((Gate::Literal, end));
    }
    if checked.context.is_some() && literal_end.is_none() {
        return Ok((Gate::Context, 0));
    }
    let digits = |count| run_end_max(hir, Run::Digits, count).map(|end| (Gate::Run(Run::Digits, count), end));
    if let Some((run, run_end)) = (2..=DIGITS_MAX).rev().find_map(digits) {
        // What stands much closer to the beginning leaves fewer places to look at.
        let literal = literal_end.filter(|end| end.saturating_mul(CLOSER) <= run_end);
        return Ok(literal.map_or((run, run_end), |end| (Gate::Literal, end)));
    }
    if let Some(end) = literal_end {
        // Words so short stand everywhere; digits do not.
        let token = run_end_max(hir, Run::Token, TOKEN_MIN).map(|end| (Gate::Run(Run::Token, TOKEN_MIN), end));
        let digit = || digits(1).filter(|(_, end)| *end <= DIGIT_END_MAX);
        let instead = if weak { token.or_else(digit) } else { None };
        return Ok(instead.unwrap_or((Gate::Literal, end)));
    }
    let wide = run_end_max(hir, Run::NonAscii, 1).map(|end| (Gate::Run(Run::NonAscii, 1), end));
    let words = |count| run_end_max(hir, Run::Word, count).map(|end| (Gate::Run(Run::Word, count), end));
    Ok(wide
        .or_else(|| digits(1))
        .or_else(|| (WORD_MIN..=WORD_MAX).rev().find_map(words))
        .unwrap_or((Gate::Open, 0)))
}

fn digits_needed(hir: &Hir) -> DigitsNeeded {
    let all = digits_min(hir);
    let rows = (1..=all.min(ROW_MAX)).take_while(|count| run_end_max(hir, Run::Digits, *count).is_some());
    DigitsNeeded {
        all,
        in_a_row: rows.last().unwrap_or(0),
    }
}

fn parse(pattern: &str) -> Result<Hir, RuleFault> {
    let parsed = ParserBuilder::new().nest_limit(NEST_MAX).build().parse(pattern);
    parsed.map_err(|error| RuleFault::Pattern(error.to_string()))
}

/// The longest match in bytes; refuses patterns without a bound and empty matches.
fn bounded(hir: &Hir) -> Result<usize, RuleFault> {
    let properties = hir.properties();
    match (properties.minimum_len(), properties.maximum_len()) {
        (None | Some(0), _) => Err(RuleFault::EmptyMatch),
        (_, Some(max)) if max <= PATTERN_BYTES_MAX => Ok(max),
        (_, _) => Err(RuleFault::Unbounded),
    }
}
