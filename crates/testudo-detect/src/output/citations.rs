//! Statements of an answer that the exchange has to support: citations, addresses, quotations, numbers, names.

use std::ops::Range;

use super::code::Code;
use super::context::{Context, folded, links};
use super::language::identify;
use super::numbers::numbers;
use crate::{Budget, RuleIndex};

/// Shorter quotations are turns of phrase.
const QUOTED_CHARS_MIN: usize = 20;
const QUOTED_CHARS_MAX: usize = 600;
/// Markers in brackets are short.
const MARKER_BYTES_MAX: usize = 60;

/// One thing that the context has or has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) place: Range<usize>,
    pub(super) rule: RuleIndex,
    pub(super) supported: bool,
}

/// All statements of a whole answer that can be looked up, in order; code does not count.
pub(super) fn statements(text: &str, context: &Context, budget: &mut Budget) -> Vec<Statement> {
    let mut code = Code::default();
    code.push(text);
    code.finish();
    let mut found = Vec::new();
    let mut taken: Vec<Range<usize>> = Vec::new();
    for link in links(text) {
        let place = place_of(text, link);
        let supported = context.seen(link);
        taken.push(place.clone());
        found.push(statement(place, RuleIndex::CITATION, supported));
    }
    for (place, marker) in markers(text) {
        let supported = context.has_marker(&marker) || within(&marker, context.documents()) || defined(text, &place);
        taken.push(place.clone());
        found.push(statement(place, RuleIndex::CITATION, supported));
    }
    for place in quotations(text) {
        let quoted: String = folded(text.get(place.clone()).unwrap_or_default()).collect();
        budget.spend(context.bytes());
        found.push(statement(place, RuleIndex::QUOTATION, context.has_folded(&quoted)));
    }
    let free = |place: &Range<usize>, taken: &[Range<usize>]| {
        !taken
            .iter()
            .any(|other| other.start < place.end && place.start < other.end)
    };
    for (place, number) in numbers(text) {
        if telling(text, &place, &number) && free(&place, &taken) {
            let supported = context.has_number(&number);
            found.push(statement(place, RuleIndex::NUMBER, supported));
        }
    }
    for place in names_told(text, context) {
        if free(&place, &taken) {
            let name = text.get(place.clone()).unwrap_or_default();
            budget.spend(context.bytes());
            let supported = name
                .split_whitespace()
                .all(|word| context.has_folded(&folded(word).collect::<String>()));
            found.push(statement(place, RuleIndex::NAME, supported));
        }
    }
    found.retain(|statement| code.holds(statement.place.start) != Some(true));
    found.sort_by_key(|statement| (statement.place.start, statement.rule));
    found
}

fn statement(place: Range<usize>, rule: RuleIndex, supported: bool) -> Statement {
    Statement { place, rule, supported }
}

/// Where a part of `text` stands in it.
fn place_of(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start.saturating_add(part.len())
}

/// Citation markers: `[3]`, `[^3]`, `[doc:a7]`, `【3†source】`; what stands in them without its frame.
pub(super) fn markers(text: &str) -> impl Iterator<Item = (Range<usize>, String)> + '_ {
    text.match_indices(['[', '【']).filter_map(|(at, opener)| {
        let inside = at.saturating_add(opener.len());
        let rest = text.get(inside..)?;
        let len = rest.find([']', '】', '\n', '['])?;
        let closer = rest.get(len..)?.chars().next().filter(|c| matches!(c, ']' | '】'))?;
        let inner = rest.get(..len).filter(|inner| inner.len() <= MARKER_BYTES_MAX)?;
        // `a[1]` is an index, `[1](…)` and `[1]: …` are links.
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let index = opener == "[" && before.is_some_and(|c| c == '_' || c == ']' || c == ')');
        let end = inside.saturating_add(len).saturating_add(closer.len_utf8());
        let link = text.get(end..).is_some_and(|after| after.starts_with('('));
        let marker = marker(inner)?;
        (!index && !link).then_some((at..end, marker))
    })
}

/// What a marker refers to, or `None` when brackets hold something else.
fn marker(inner: &str) -> Option<String> {
    let inner = inner.trim().trim_start_matches('^');
    let inner = inner.split('†').next().unwrap_or_default().trim();
    let figures = !inner.is_empty() && inner.len() <= 3 && inner.bytes().all(|b| b.is_ascii_digit());
    if figures {
        return Some(inner.trim_start_matches('0').to_owned());
    }
    let lower = inner.to_lowercase();
    let named = ["doc", "source", "ref", "cite", "document", "quelle", "fuente"]
        .iter()
        .filter_map(|word| lower.strip_prefix(word))
        .any(|rest| rest.starts_with([':', '-', '_', ' ', '#']) && rest.len() > 1);
    named.then_some(lower)
}

/// Whether a marker counts one of so many documents.
fn within(marker: &str, documents: usize) -> bool {
    marker
        .parse::<usize>()
        .is_ok_and(|number| (1..=documents).contains(&number))
}

/// Whether this marker is the head of an entry in the answer's own list of sources.
fn defined(text: &str, place: &Range<usize>) -> bool {
    let line_start = text
        .get(..place.start)
        .is_some_and(|before| before.is_empty() || before.ends_with('\n'));
    line_start && text.get(place.end..).is_some_and(|after| after.starts_with([':', ' ']))
}

/// What stands between quotation marks and is long enough to be somebody's words.
fn quotations(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    const PAIRS: &[(char, &[char])] = &[
        ('"', &['"']),
        ('“', &['”', '“']),
        ('„', &['“', '”']),
        ('«', &['»']),
        ('»', &['«']),
        ('「', &['」']),
        ('『', &['』']),
    ];
    let mut after = 0;
    text.char_indices().filter_map(move |(at, c)| {
        let closers = PAIRS
            .iter()
            .find(|(opener, _)| *opener == c)
            .map(|(_, closers)| *closers)?;
        if at < after {
            return None;
        }
        let from = at.saturating_add(c.len_utf8());
        let rest = text.get(from..)?;
        let reach = rest.floor_char_boundary(QUOTED_CHARS_MAX.saturating_mul(4).min(rest.len()));
        let len = rest.get(..reach)?.find(closers)?;
        let quoted = rest.get(..len)?;
        if quoted.contains("\n\n") {
            return None;
        }
        after = from.saturating_add(len).saturating_add(1);
        (folded(quoted).count() >= QUOTED_CHARS_MIN).then_some(from..from.saturating_add(len))
    })
}

/// Whether a number says something: counters of lists and small counts do not.
fn telling(text: &str, place: &Range<usize>, number: &str) -> bool {
    let figures = number.bytes().filter(u8::is_ascii_digit).count();
    let before = text.get(..place.start).and_then(|before| before.chars().next_back());
    let after = text.get(place.end..).and_then(|after| after.chars().next());
    let inside_word =
        before.is_some_and(|c| c.is_alphanumeric() || c == '_') || after.is_some_and(char::is_alphanumeric);
    let unit = matches!(after, Some('%' | '€' | '$' | '£')) || matches!(before, Some('€' | '$' | '£'));
    !inside_word && (figures >= 3 || number.contains('.') || unit)
}

/// Names, where capitals tell them: not in German, and not in a text whose language nobody can tell.
fn names_told(text: &str, context: &Context) -> Vec<Range<usize>> {
    let told = identify(text).or_else(|| identify(context.last_user()));
    match told {
        Some(guess) if guess.language.code() != "de" => names(text),
        _ => Vec::new(),
    }
}

/// Two to four capitalised words in a row, not at the start of a sentence.
fn names(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut run: Option<(Range<usize>, usize)> = None;
    let mut starts = true;
    for word in text.split_whitespace() {
        let place = place_of(text, word);
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let ends = word.ends_with(['.', '!', '?', ':', ';', ')', '"', '”']);
        let parted = word.ends_with(',');
        let capital = bare.chars().next().is_some_and(char::is_uppercase) && bare.chars().any(char::is_lowercase);
        let opens = !word.starts_with(char::is_alphanumeric);
        if capital && !starts && !opens {
            let inner = place_of(text, bare);
            run = Some(match run {
                Some((range, words)) => (range.start..inner.end, words.saturating_add(1)),
                None => (inner, 1),
            });
        } else {
            close(&mut run, &mut found);
        }
        if ends || parted {
            close(&mut run, &mut found);
        }
        // A line that begins begins a sentence.
        let line_end = text
            .get(place.end..)
            .is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with('\n'));
        if line_end {
            close(&mut run, &mut found);
        }
        starts = ends || line_end || bare.is_empty();
    }
    close(&mut run, &mut found);
    found
}

fn close(run: &mut Option<(Range<usize>, usize)>, found: &mut Vec<Range<usize>>) {
    if let Some((range, words)) = run.take()
        && (2..=4).contains(&words)
    {
        found.push(range);
    }
}
