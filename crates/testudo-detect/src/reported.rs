//! Whether a stretch of text stands in a quotation that prose about attacks reports.
//!
//! `Attackers write things like "ignore all previous instructions and …" into a page.` is no attack. Three things make
//! it one of these sentences: a word that reports right before the quotation, a word about attacks in the same
//! sentence, and nobody told to do anything, there or in the sentences behind it. What stands in the quotation decides
//! nothing, for the attacker writes it.

use std::ops::Range;

/// A quotation is so long at most, on each side of the stretch.
const QUOTED_BYTES_MAX: usize = 320;
/// So far the sentence of the quotation goes on each side of it, and what is said behind it.
const AROUND_BYTES: usize = 240;
/// Longer lines are no paragraphs.
const LINE_BYTES_MAX: usize = 4096;
/// Fewer words around a quotation are no prose.
const WORDS_MIN: usize = 6;
/// A word that reports is one of the last so many before the quotation.
const CUE_WORDS: usize = 4;

/// Whether the stretch `start..end` is in a quotation that is reported.
pub(crate) fn is_reported(text: &str, start: usize, end: usize) -> bool {
    let Some(quotation) = quotation(text, start, end) else {
        return false;
    };
    let (earlier, before) = sentence_before(text, quotation.start);
    let behind = behind(text, quotation.end);
    let sentence_end = sentence_end(behind);
    let (same, next) = behind.split_at_checked(sentence_end).unwrap_or((behind, ""));
    let words = || words(before).chain(words(same));
    words().count() >= WORDS_MIN
        && reports(before)
        && words().any(|word| ABOUT.iter().any(|stem| has_stem(word, stem)))
        && !is_order(before)
        && !sentences(earlier).any(|sentence| begins_with(sentence, VERBS))
        && !tells_somebody(before)
        && !tells_somebody(same)
        && !clauses(same).any(|clause| begins_with(clause, VERBS))
        && sentences(next).all(|sentence| !is_order(sentence) && !tells_somebody(sentence))
}

/// The quotation around a stretch, with its marks, in one paragraph.
fn quotation(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    let from = text.ceil_char_boundary(start.saturating_sub(QUOTED_BYTES_MAX));
    let to = text.floor_char_boundary(end.saturating_add(QUOTED_BYTES_MAX).min(text.len()));
    let ahead = text.get(from..start)?;
    if !may_hold_marks(ahead) {
        return None;
    }
    let rest = text.get(end..to)?;
    let (at, open) = ahead.char_indices().rev().find(|(_, c)| "\"“„«»`\n".contains(*c))?;
    let closes: &[char] = match open {
        '"' => &['"'],
        '`' => &['`'],
        '“' => &['”'],
        '„' => &['“', '”'],
        '«' => &['»'],
        _ => return None,
    };
    // Between two quotations nothing is quoted.
    let alike = closes.contains(&open);
    if alike
        && !ahead_of(text, from.saturating_add(at))?
            .matches(open)
            .count()
            .is_multiple_of(2)
    {
        return None;
    }
    let close = rest.find(|c| closes.contains(&c) || c == '\n')?;
    let close_len = rest.get(close..)?.chars().next().filter(|c| *c != '\n')?.len_utf8();
    Some(from.saturating_add(at)..end.saturating_add(close).saturating_add(close_len))
}

/// Whether a text may hold quotation marks. Without a way out of the loop, so that many bytes are looked at at once.
fn may_hold_marks(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| {
        found | (byte == b'"') | (byte == b'`') | !byte.is_ascii()
    })
}

/// The line before a place; `None` of one that is too long.
fn ahead_of(text: &str, at: usize) -> Option<&str> {
    let from = text.ceil_char_boundary(at.saturating_sub(LINE_BYTES_MAX));
    let before = text.get(from..at)?;
    match before.rfind('\n') {
        Some(end) => before.get(end..),
        None => (from == 0).then_some(before),
    }
}

/// What stands close before the sentence of a quotation, and before the quotation in its sentence.
fn sentence_before(text: &str, at: usize) -> (&str, &str) {
    let from = text.ceil_char_boundary(at.saturating_sub(AROUND_BYTES));
    let before = text.get(from..at).unwrap_or_default();
    let start = ends(before).filter(|end| !before.get(*end..).unwrap_or_default().trim().is_empty());
    before
        .split_at_checked(start.last().unwrap_or(0))
        .unwrap_or(("", before))
}

/// What stands behind a quotation in its paragraph.
fn behind(text: &str, at: usize) -> &str {
    let to = text.floor_char_boundary(at.saturating_add(AROUND_BYTES).min(text.len()));
    text.get(at..to).unwrap_or_default()
}

fn sentence_end(text: &str) -> usize {
    ends(text).next().unwrap_or(text.len())
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['.', '!', '?', ':', ';', '\n'])
}

fn clauses(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', ':', '(', '—', '–'])
}

/// Where sentences and paragraphs of a text end.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).filter_map(move |at| {
        let next = bytes.get(at.saturating_add(1));
        let ends = match bytes.get(at)? {
            b'.' | b'!' | b'?' => next.is_none_or(u8::is_ascii_whitespace),
            b'\n' => next.is_none_or(|next| matches!(next, b'\n' | b'-' | b'*' | b'#' | b'>')),
            _ => false,
        };
        ends.then_some(at.saturating_add(1))
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
}

/// Whether a word right before a quotation says that somebody else says it; nothing but a space, a comma or a colon stands between.
fn reports(before: &str) -> bool {
    let trimmed = before.trim_end_matches(' ');
    let trimmed = trimmed
        .strip_suffix([',', ':', '('])
        .unwrap_or(trimmed)
        .trim_end_matches(' ');
    if trimmed.len() == before.len() || !trimmed.ends_with(char::is_alphanumeric) {
        return false;
    }
    let all: Vec<&str> = words(trimmed).collect();
    all.iter()
        .rev()
        .take(CUE_WORDS)
        .any(|word| CUES.iter().any(|cue| word.eq_ignore_ascii_case(cue)))
}

/// Whether a sentence begins as an order does.
fn is_order(sentence: &str) -> bool {
    begins_with(sentence, VERBS) || begins_with(sentence, TURNS)
}

fn begins_with(sentence: &str, first: &[&str]) -> bool {
    words(sentence)
        .next()
        .is_some_and(|word| first.iter().any(|first| word.eq_ignore_ascii_case(first)))
}

/// Whether a sentence says what its reader has to do, or speaks of what was quoted as something to be done.
fn tells_somebody(sentence: &str) -> bool {
    words(sentence).any(|word| TELLING.iter().any(|telling| word.eq_ignore_ascii_case(telling)))
}

fn has_stem(word: &str, stem: &str) -> bool {
    word.get(..stem.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(stem))
}

/// Words that report what others write.
#[rustfmt::skip]
const CUES: &[&str] = &[
    "like", "as", "example", "examples", "instance", "says", "said", "say", "saying", "reads", "read", "reading", "write",
    "writes", "wrote", "writing", "written", "contains", "contain", "containing", "contained", "includes", "including",
    "phrase", "phrases", "phrasing", "string", "words", "wording", "sentence", "line", "text", "prompt", "payload", "attempt", "injected",
    "inserted", "embedded", "typed", "entered", "hid", "hides", "hidden", "tells", "telling", "told", "message", "comment",
    "variant", "variants", "called", "states", "stating",
];

/// What words about attacks begin with.
#[rustfmt::skip]
const ABOUT: &[&str] = &[
    "attack", "adversar", "inject", "malicious", "jailbreak", "hacker", "hostile", "payload", "exploit", "vulnerab",
    "researcher", "intruder", "red-team", "threat", "phish", "spammer", "prankster", "criminal", "classifier", "detector", "filter", "guardrail",
];

/// First words of orders.
#[rustfmt::skip]
const VERBS: &[&str] = &[
    "follow", "execute", "do", "obey", "apply", "carry", "perform", "run", "treat", "repeat", "remember", "act", "answer",
    "respond", "reply", "process", "complete", "translate", "proceed", "comply", "continue", "begin", "start", "send", "take",
    "make", "let", "use", "implement", "go", "adopt", "consider", "assume", "pretend", "try", "note", "output", "print",
    "write", "say", "be", "ensure", "accept", "honor", "honour", "enact", "put", "please",
];

/// First words of sentences that turn to their reader.
#[rustfmt::skip]
const TURNS: &[&str] = &[
    "now", "always", "never", "important", "attention", "system", "assistant", "ai", "just", "simply", "then", "first", "so",
    "hey", "hello", "dear", "okay", "ok", "yes", "immediately",
];

/// Words of sentences that turn to their reader, or to the machine that reads.
#[rustfmt::skip]
const TELLING: &[&str] = &[
    "you", "your", "yours", "yourself", "please", "must", "shall", "obey", "comply", "assistant", "accordingly", "immediately", "now", "hereby",
    "mandatory", "authoritative", "binding", "effective", "applies", "legitimate", "genuine", "authorized", "authorised", "valid", "required",
    "instructed", "ordered", "directed", "task", "goal",
];
