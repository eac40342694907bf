//! Puts words together that gaps were put into: `I g n o r e`, `ig-nore`, `instruc tions`.

use std::collections::BTreeMap;
use std::ops::Range;

use super::derived::{Derived, Edit, splice};
use super::lexicon::LEXICON;
use super::words::{GUESS_MARGIN, Gap, Near, Signs};

/// The longest stretch of letters that is parted into words at once.
const LETTERS_MAX: usize = 4096;
/// The widest gap between a row and a sign that belongs to it.
const GAP_MAX: usize = 8;
/// So many spaces every phrase allows.
const SPACES_MAX: usize = 3;
/// No word of the lexicon is longer.
const WORD_MAX: usize = 20;

/// The text with its split words whole; `None` when it has none.
pub(super) fn joined(text: &str, signs: &Signs) -> Option<Derived> {
    let mut edits: Vec<Edit> = Vec::new();
    for row in &signs.spelled {
        edits.push(read_row(text, row.clone()));
    }
    let hard = signs.split.iter().filter(|split| split.hard).count();
    if hard > 1 || (hard == 1 && signs.split.iter().any(|split| split.attack)) {
        for split in &signs.split {
            let parts = text.get(split.range.clone()).unwrap_or_default();
            edits.push(Edit {
                range: split.range.clone(),
                text: parts
                    .chars()
                    .filter(char::is_ascii_alphabetic)
                    .collect::<String>()
                    .into(),
            });
        }
    }
    edits.extend(wide_gaps(text, &signs.gaps));
    edits.sort_by_key(|edit| (edit.range.start, std::cmp::Reverse(edit.range.end)));
    let mut end = 0;
    edits.retain(|edit| {
        let apart = edit.range.start >= end;
        if apart {
            end = edit.range.end;
        }
        apart
    });
    (!edits.is_empty()).then(|| splice(text, &edits, GUESS_MARGIN))
}

/// A space in the place of each gap that phrases do not allow, near words of attacks.
fn wide_gaps(text: &str, gaps: &[Gap]) -> Vec<Edit> {
    let attacks = gaps.iter().filter(|gap| gap.attack);
    let mut near = Near::new(attacks.filter_map(|gap| blank_in(text, &gap.range)));
    let mut edits = Vec::new();
    for gap in gaps {
        if near.is_over() {
            break;
        }
        if let Some(range) = blank_in(text, &gap.range)
            && near.holds(&range)
        {
            edits.push(Edit {
                range,
                text: " ".into(),
            });
        }
    }
    edits
}

/// The white space within a gap between two words, when there is only one stretch of it, and besides it nothing but
/// what stands between the words of a phrase: braces, tags and quotes on both sides part words however narrow the gap is.
fn blank_in(text: &str, gap: &Range<usize>) -> Option<Range<usize>> {
    let between = text.get(gap.clone())?;
    let quote = |c: char| "\"'`".contains(c);
    let sign = |c: char| ",.:!?*_~-[]".contains(c) || quote(c) || !c.is_ascii();
    let start = between.find(char::is_whitespace)?;
    let blank = between.trim_matches(|c: char| !c.is_whitespace());
    let (before, after) = (between.get(..start)?, between.get(start.saturating_add(blank.len())..)?);
    let start = gap.start.saturating_add(start);
    let wide = blank.len() > SPACES_MAX || blank.contains(|c| c != ' ');
    let parted = before.contains(quote) && after.contains(quote);
    let plain = !parted && before.chars().chain(after.chars()).all(sign);
    (wide && plain && blank.chars().all(char::is_whitespace)).then(|| start..start.saturating_add(blank.len()))
}

/// What a row of single letters spells: without the sign between them; wider gaps part words, or else the lexicon does.
fn read_row(text: &str, row: Range<usize>) -> Edit {
    let sign = sign_of(text.get(row.clone()).unwrap_or_default());
    let range = widened(text, row, sign);
    let spelled = text.get(range.clone()).unwrap_or_default();
    let mut out = String::new();
    let mut gap = false;
    for piece in spelled.split(sign) {
        if piece.is_empty() {
            gap = true;
            continue;
        }
        if gap && !out.is_empty() {
            // Two signs in a row: a space between words, or a dot among dots.
            out.push(sign);
        }
        gap = false;
        out.push_str(piece);
    }
    let parted = if out.contains(char::is_whitespace) {
        out
    } else {
        part_words(&out)
    };
    Edit {
        range,
        text: parted.into(),
    }
}

/// The sign that stands between the letters of a row most often.
fn sign_of(row: &str) -> char {
    let mut counts: BTreeMap<char, usize> = BTreeMap::new();
    for c in row.chars().filter(|c| !c.is_ascii_alphanumeric()) {
        let count = counts.entry(c).or_default();
        *count = count.saturating_add(1);
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map_or(' ', |(sign, _)| sign)
}

/// Parts letters that have no gaps at all.
fn part_words(letters: &str) -> String {
    let mut out = String::new();
    let mut rest = letters;
    for piece in letters.split_inclusive(|c: char| !c.is_ascii_alphabetic()) {
        rest = rest.get(piece.len()..).unwrap_or_default();
        let next = rest.chars().next();
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
        segment(word, &mut out);
        let sign = piece.get(word.len()..).unwrap_or_default();
        match sign {
            "," | ";" | ":" | "!" | "?" if next.is_some_and(char::is_alphabetic) => {
                out.push_str(sign);
                out.push(' ');
            }
            "." if next.is_some_and(char::is_uppercase) => out.push_str(". "),
            "\"" | "(" | "[" => {
                out.push(' ');
                out.push_str(sign);
            }
            _ => out.push_str(sign),
        }
    }
    out
}

/// The row and the signs before and after it that stand apart like its letters.
fn widened(text: &str, row: Range<usize>, sign: char) -> Range<usize> {
    let between = |c: &char| *c == sign || *c == ' ';
    let odd = |c: Option<char>| c.is_some_and(|c| c.is_ascii_punctuation() && c != sign);
    let (mut start, mut end) = (row.start, row.end);
    if !sign.is_ascii() {
        return row;
    }
    loop {
        let before = text.get(..start).unwrap_or_default();
        let after = text.get(end..).unwrap_or_default();
        let (gap, next_gap) = (
            before.chars().rev().take(GAP_MAX).take_while(between).count(),
            after.chars().take(GAP_MAX).take_while(between).count(),
        );
        if gap > 0 && odd(before.chars().rev().nth(gap)) {
            start = start.saturating_sub(gap).saturating_sub(1);
        } else if next_gap > 0 && odd(after.chars().nth(next_gap)) {
            end = end.saturating_add(next_gap).saturating_add(1);
        } else {
            return start..end;
        }
    }
}

/// Appends letters parted into known words as far as there are any.
pub(super) fn segment(letters: &str, out: &mut String) {
    let lower = letters.to_ascii_lowercase();
    if letters.len() > LETTERS_MAX || LEXICON.knows(lower.as_bytes()) {
        out.push_str(letters);
        return;
    }
    // By end: the best sum of squared lengths, and where its last word begins.
    let mut best: Vec<(usize, usize)> = vec![(0, 0)];
    for end in 1..=letters.len() {
        let mut here = (best.last().map_or(0, |(score, _)| *score), end.saturating_sub(1));
        for start in end.saturating_sub(WORD_MAX)..end {
            let known = lower.as_bytes().get(start..end).is_some_and(|word| LEXICON.knows(word));
            let len = end.saturating_sub(start);
            // Single letters are words, but bad guesses.
            let worth = if len > 1 { len.saturating_mul(len) } else { 1 };
            let score = best.get(start).map_or(0, |(score, _)| score.saturating_add(worth));
            if known && score > here.0 {
                here = (score, start);
            }
        }
        best.push(here);
    }
    let mut cuts = Vec::new();
    let mut end = letters.len();
    while let Some((_, start)) = best.get(end).filter(|_| end > 0) {
        cuts.push(*start..end);
        end = *start;
    }
    let mut before_known = true;
    for (index, range) in cuts.into_iter().rev().enumerate() {
        let known = lower
            .as_bytes()
            .get(range.clone())
            .is_some_and(|word| LEXICON.knows(word));
        if index > 0 && (known || before_known) {
            out.push(' ');
        }
        before_known = known;
        out.push_str(letters.get(range).unwrap_or_default());
    }
}
