//! Runs one rule's pattern over a part of a text and applies the rule's checks.

use regex_automata::{Anchored, Input};
use testudo_types::Score;

use crate::context::Context;
use crate::digits::DigitsNeeded;
use crate::exempt::Exempt;
use crate::prefix::Prefix;
use crate::reported::is_reported;
use crate::required::Run;
use crate::search::Search;
use crate::validators::Validator;
use crate::{Budget, Hit, RuleIndex};

/// Units that starting a search costs besides the bytes it reads.
const SEARCH_UNITS: usize = 16;

/// The compiled side of a rule.
#[derive(Debug)]
pub(crate) struct Matcher {
    pub(crate) rule: RuleIndex,
    pub(crate) score: Score,
    /// The score of a match that is a quotation in prose.
    pub(crate) quoted: Option<Score>,
    /// The score of a match in a quotation that prose about attacks reports.
    pub(crate) reported: Option<Score>,
    pub(crate) search: Search,
    /// Where there is no such text, no match begins.
    pub(crate) prefix: Option<Prefix>,
    /// The capture group `value`.
    pub(crate) value: Option<usize>,
    pub(crate) validator: Option<Validator>,
    pub(crate) context: Option<Context>,
    /// The longest match, in bytes.
    pub(crate) bytes_max: usize,
    /// The most bytes from the start of a match to the end of its first literal or run.
    pub(crate) literal_end_max: usize,
    /// How the prefilter finds candidates.
    pub(crate) gate: Gate,
    /// Where there are fewer, the pattern is not tried.
    pub(crate) digits: DigitsNeeded,
}

/// What must be in a text before the pattern is run at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// One of the literals, inside the match.
    Literal,
    /// One of the context words, before the match.
    Context,
    /// So many bytes of a kind in a row, inside the match.
    Run(Run, usize),
    /// Nothing: a cheap pattern.
    Open,
}

/// Where to look: matches that start in `at..bound` of `text`.
///
/// `text` must reach at least one character beyond every match that starts there, or be final.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch<'t> {
    pub(crate) text: &'t str,
    pub(crate) at: usize,
    pub(crate) bound: usize,
    /// Offset of `text` in the channel, added to reported offsets.
    pub(crate) base: usize,
    /// Values that are no findings.
    pub(crate) exempt: &'t Exempt,
}

/// What is left of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rest {
    /// End of the last match that became a hit, as an offset of the channel.
    pub(crate) resume: usize,
    /// No match starts between the bound and here, as an offset of the channel; `None` when none starts at all.
    pub(crate) beyond: Option<usize>,
}

impl Matcher {
    /// Appends the hits of a stretch, without overlaps among themselves.
    ///
    /// A match that a check refuses consumes nothing: the search goes on at its second character,
    /// so that a decoy cannot swallow the start of the real thing.
    pub(crate) fn run(&self, stretch: Stretch<'_>, budget: &mut Budget, hits: &mut Vec<Hit>) -> Rest {
        let Stretch {
            text,
            mut at,
            bound,
            base,
            exempt,
        } = stretch;
        let mut rest = Rest::default();
        let mut asked_to = 0;
        loop {
            if at >= bound || budget.is_exhausted() {
                rest.beyond = Some(at.saturating_add(base));
                break;
            }
            // Where only one start is possible, nothing else is searched.
            let single = bound.saturating_sub(at) == 1;
            let anchored = if single { Anchored::Yes } else { Anchored::No };
            let input = Input::new(text).span(at..text.len()).anchored(anchored);
            let (found, read) = self.search.find(&input, &mut asked_to);
            let read = match found {
                None if single => read.min(self.bytes_max),
                _ => read,
            };
            budget.spend(read.saturating_add(SEARCH_UNITS));
            let Some(found) = found else {
                rest.beyond = single.then(|| bound.saturating_add(base));
                break;
            };
            if found.start() >= bound {
                rest.beyond = Some(found.start().saturating_add(base));
                break;
            }
            match self.accept(text, found.start(), found.end()) {
                Some((start, end)) => {
                    at = found.end();
                    rest.resume = at.saturating_add(base);
                    // Consumed like a hit, so that no part of an allowed value is found in its place.
                    if exempt.holds(self.rule, text.get(start..end).unwrap_or_default()) {
                        continue;
                    }
                    hits.push(Hit {
                        start: start.saturating_add(base),
                        rule: self.rule,
                        end: end.saturating_add(base),
                        score: self.score_of(text, found.start(), found.end()),
                    });
                }
                None => at = next_char(text, found.start()),
            }
        }
        rest
    }

    /// The part to report of a match that passes all checks.
    fn accept(&self, text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
        if !self.context.as_ref().is_none_or(|context| context.holds(text, start)) {
            return None;
        }
        let (from, to) = self.value_of(text, start).unwrap_or((start, end));
        let value = text.get(from..to)?;
        let valid = self.validator.is_none_or(|validator| validator.accepts(value));
        valid.then_some((from, to))
    }

    fn score_of(&self, text: &str, start: usize, end: usize) -> Score {
        let quoted = self.quoted.filter(|_| is_quotation(text, start, end));
        let reported = || self.reported.filter(|_| is_reported(text, start, end));
        quoted.or_else(reported).unwrap_or(self.score)
    }

    fn value_of(&self, text: &str, start: usize) -> Option<(usize, usize)> {
        let group = self.value?;
        let captures = self.search.captures(&Input::new(text).span(start..text.len()));
        let span = captures.get_group(group)?;
        (!span.is_empty()).then_some((span.start, span.end))
    }
}

/// Letters of the last word that may stand behind a match, as endings do.
const ENDING_MAX: usize = 8;

/// Whether the stretch alone stands in quotation marks, behind a word: a value of JSON stands behind a colon or a comma.
///
/// The ending of its last word and a full stop may stand before the closing mark.
fn is_quotation(text: &str, start: usize, end: usize) -> bool {
    let mut before = text.get(..start).unwrap_or_default().chars().rev().peekable();
    // As the French write it, with a gap inside the marks.
    before.next_if(|gap| is_gap(*gap));
    let Some(open) = before.next() else {
        return false;
    };
    let behind_word = match before.next() {
        Some(' ') => before.next().is_some_and(char::is_alphanumeric),
        Some(last) => joins_words(last) || (last == '(' && before.next() == Some(' ')),
        None => false,
    };
    let mut after = text.get(end..).unwrap_or_default().chars().peekable();
    for _ in 0..ENDING_MAX {
        after.next_if(|c| c.is_alphanumeric());
    }
    after.next_if(|c| matches!(c, '.' | '!' | '…' | ','));
    after.next_if(|gap| is_gap(*gap));
    let close = after.next();
    let is_pair = matches!(
        (open, close),
        ('"', Some('"'))
            | ('\'', Some('\''))
            | ('`', Some('`'))
            | ('“' | '„', Some('”'))
            | ('„', Some('“'))
            | ('‘' | '‚', Some('’'))
            | ('«', Some('»'))
            | ('»', Some('«'))
            | ('「', Some('」'))
            | ('『', Some('』'))
    );
    is_pair && behind_word
}

/// The spaces that stand inside quotation marks in some languages.
fn is_gap(c: char) -> bool {
    matches!(c, ' ' | '\u{A0}' | '\u{202F}')
}

/// Whether words of the letter's script stand without spaces between them.
fn joins_words(c: char) -> bool {
    matches!(c, '、' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}')
}

/// The offset of the character after the one at `at`.
pub(crate) fn next_char(text: &str, at: usize) -> usize {
    text.ceil_char_boundary(at.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::is_quotation;

    fn quoted(text: &str) -> bool {
        let start = text.find("drop it").unwrap();
        is_quotation(text, start, start.saturating_add("drop it".len()))
    }

    #[test]
    fn only_what_stands_alone_in_marks_behind_a_word_is_a_quotation() {
        assert!(quoted("What does “drop it” mean?"));
        assert!(quoted("he said \"drop it\" twice"));
        assert!(quoted("das Wort „drop it“ steht da"));
        assert!(quoted("une phrase telle que « drop it » suffit"));
        assert!(quoted("the words (\"drop it\") are known"));
        assert!(quoted("he wrote 'drop it.' and left"));
        assert!(quoted("das Wort „drop iten“ steht da"));
        assert!(quoted("隐藏“drop it”之类的文字"));
        assert!(quoted("とは「drop itしてください」です"));
        for text in [
            "drop it",
            "\"drop it\"",
            "{\"text\": \"drop it\"}",
            "[\"a\", \"drop it\"]",
            "say 'drop it\"",
            "say \"drop it now\"",
            "say \"please drop it\"",
            "say \"drop it",
            "say: 'drop it'",
            "say\n\"drop it\"",
            "say « drop it now »",
            "say « drop it",
            "say (\"drop it",
            "call(\"drop it\")",
            "「drop it」",
            "とは「drop itしてくださいしてくださいね」",
            "とは「drop it。それから」",
            "say \"drop it. Then",
        ] {
            assert!(!quoted(text), "{text}");
        }
    }
}
