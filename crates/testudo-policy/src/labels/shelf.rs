//! What one owner's conversations have read and said, in two generations.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use super::letters::{Letters, head, untagged};
use super::pieces::{COPY_LETTERS_MIN, LabelKey, MARK_LETTERS, PIECE_LETTERS};

/// Pieces of one copy that so few letters part are one.
const GAP_LETTERS_MAX: usize = 8;
/// What a user copies in fewer words is a value that the user names: an address, a title, an account.
const USER_WORDS_MIN: usize = 8;
/// Bytes that a piece takes in the table, with what a growing table leaves empty.
const PIECE_BYTES: usize = 40;
const TEXT_BYTES: usize = 96;

/// Whose message a text stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    System,
    /// A user who repeats a single value names it; only passages count as copied.
    User,
}

/// A part of a message that was read before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Bytes of the message.
    pub range: Range<usize>,
    /// What was read, as it was called when it was remembered.
    pub source: String,
    pub letters: usize,
}

/// Hashes are hashes already.
#[derive(Debug, Default, Clone)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| (hash << 8) | u64::from(*byte));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

type Hashed = BuildHasherDefault<AsItIs>;

/// One text: who said it, and a mark for each of its letters.
#[derive(Debug)]
struct Text {
    /// `None`: the user or the application.
    source: Option<String>,
    marks: Box<[u8]>,
}

#[derive(Debug, Default)]
struct Generation {
    pieces: HashMap<u64, (u32, u32), Hashed>,
    texts: Vec<Text>,
    whole: HashSet<u64, Hashed>,
    bytes: usize,
}

/// New texts go into the young generation. When that is full, the old one is forgotten and the young one becomes old;
/// what is said again in the meantime is young again.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    young: Generation,
    old: Generation,
}

/// A run of letters that stands in a remembered text.
#[derive(Debug, Clone)]
struct Run<'s> {
    letters: Range<usize>,
    source: Option<&'s str>,
}

impl Shelf {
    pub(super) fn bytes(&self) -> usize {
        self.young.bytes.saturating_add(self.old.bytes)
    }

    /// Marks what was read before.
    pub(super) fn copied(&self, key: &LabelKey, text: &str, speaker: Speaker, text_bytes_max: usize) -> Vec<Copied> {
        let letters = Letters::of(text, text_bytes_max);
        let mut spans: Vec<Copied> = Vec::new();
        for run in self.runs(&key.winnow(&letters.bytes), &key.marks(&letters.bytes)) {
            let Some(source) = run.source else { continue };
            let range = letters.range(text, run.letters.start, run.letters.end);
            let copied = text.get(range.clone()).unwrap_or_default();
            if speaker == Speaker::User && words(copied) < USER_WORDS_MIN {
                continue;
            }
            spans.push(Copied {
                range,
                source: source.to_owned(),
                letters: run.letters.len(),
            });
        }
        // What is not looked at may be anybody's.
        let seen = head(text, text_bytes_max).len();
        if seen < text.len() {
            spans.push(Copied {
                range: seen..text.len(),
                source: "what is too long to be looked at".to_owned(),
                letters: text.len().saturating_sub(seen),
            });
        }
        spans
    }

    /// Remembers a text. What was said before by the user or the application stays theirs.
    pub(super) fn remember(&mut self, key: &LabelKey, source: Option<&str>, text: &str, bytes_max: usize) {
        let text = head(text, bytes_max / 16);
        let number = key.whole(text);
        // The same words of another speaker are another text.
        let number = if source.is_some() { number } else { !number };
        if self.young.whole.contains(&number) {
            return;
        }
        self.add(key, source, text, bytes_max);
        if source.is_some()
            && let Some(seen) = untagged(text)
        {
            self.add(key, source, &seen, bytes_max);
        }
        self.young.whole.insert(number);
        self.young.bytes = self.young.bytes.saturating_add(16);
    }

    fn add(&mut self, key: &LabelKey, source: Option<&str>, text: &str, bytes_max: usize) {
        let letters = Letters::of(text, text.len()).bytes;
        if letters.len() < PIECE_LETTERS {
            return;
        }
        let kept = key.winnow(&letters);
        let marks = key.marks(&letters);
        // Of the other side's words nothing is taken over.
        let others: Vec<Range<usize>> = self
            .runs(&kept, &marks)
            .into_iter()
            .filter(|run| run.source.is_some() != source.is_some())
            .map(|run| run.letters)
            .collect();
        // A speaker's own words end where a copy begins: who sends them again must not make them reach across it.
        let apart = if source.is_none() { others.as_slice() } else { &[] };
        let parts = between(apart, letters.len());
        let bytes = letters
            .len()
            .saturating_add(kept.len().saturating_mul(PIECE_BYTES))
            .saturating_add(parts.len().saturating_mul(TEXT_BYTES));
        if self.young.bytes.saturating_add(bytes) > bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        let mut kept = kept.into_iter().peekable();
        let mut others = others.iter().peekable();
        for part in parts {
            let Ok(text) = u32::try_from(self.young.texts.len()) else {
                return;
            };
            while let Some((hash, at)) = kept.next_if(|(_, at)| (*at as usize) < part.end) {
                let piece = at as usize..(at as usize).saturating_add(PIECE_LETTERS);
                if piece.start < part.start || piece.end > part.end {
                    continue;
                }
                while others.peek().is_some_and(|other| other.end < piece.end) {
                    others.next();
                }
                if others.peek().is_none_or(|other| other.start > piece.start) {
                    let place = u32::try_from(piece.start.saturating_sub(part.start)).unwrap_or(u32::MAX);
                    self.young.pieces.entry(hash).or_insert((text, place));
                }
            }
            let last = part.end.saturating_sub(MARK_LETTERS - 1).max(part.start);
            self.young.texts.push(Text {
                source: source.map(str::to_owned),
                marks: marks.get(part.start..last).unwrap_or_default().into(),
            });
        }
        self.young.bytes = self.young.bytes.saturating_add(bytes);
    }

    /// Runs that stand in remembered texts, in order and apart.
    fn runs(&self, kept: &[(u64, u32)], marks: &[u8]) -> Vec<Run<'_>> {
        let mut runs: Vec<Run<'_>> = Vec::new();
        for (hash, at) in kept {
            let at = *at as usize;
            let known = runs
                .last()
                .is_some_and(|run| run.letters.end >= at.saturating_add(PIECE_LETTERS));
            if known {
                continue;
            }
            let Some((text, there)) = self.young.find(*hash).or_else(|| self.old.find(*hash)) else {
                continue;
            };
            let run = text.followed(marks, at, there);
            let source = text.source.as_deref();
            // A run grows back to where the one before it ends, and no further.
            let floor = runs.iter().rev().nth(1).map_or(0, |run| run.letters.end);
            match runs.last_mut() {
                Some(last)
                    if last.source == source && run.start <= last.letters.end.saturating_add(GAP_LETTERS_MAX) =>
                {
                    last.letters.end = last.letters.end.max(run.end);
                    last.letters.start = last.letters.start.min(run.start).max(floor);
                }
                last => {
                    let start = last.map_or(run.start, |last| run.start.max(last.letters.end));
                    runs.push(Run {
                        letters: start..run.end,
                        source,
                    });
                }
            }
        }
        runs.retain(|run| run.letters.len() >= COPY_LETTERS_MIN);
        runs
    }
}

impl Generation {
    fn find(&self, hash: u64) -> Option<(&Text, usize)> {
        let (text, at) = self.pieces.get(&hash)?;
        Some((self.texts.get(*text as usize)?, *at as usize))
    }
}

impl Text {
    /// From a piece that is the same here and there as far as both go on alike.
    fn followed(&self, marks: &[u8], here: usize, there: usize) -> Range<usize> {
        let before = marks.get(..here).unwrap_or_default().iter().rev();
        let other = self.marks.get(..there).unwrap_or_default().iter().rev();
        let left = before.zip(other).take_while(|(one, other)| one == other).count();
        let first = PIECE_LETTERS - MARK_LETTERS + 1;
        let after = marks.get(here.saturating_add(first)..).unwrap_or_default();
        let other = self.marks.get(there.saturating_add(first)..).unwrap_or_default();
        let right = after.iter().zip(other).take_while(|(one, other)| one == other).count();
        here.saturating_sub(left)..here.saturating_add(PIECE_LETTERS).saturating_add(right)
    }
}

/// What lies between ranges that are in order, where a piece fits.
fn between(ranges: &[Range<usize>], end: usize) -> Vec<Range<usize>> {
    let starts = std::iter::once(0).chain(ranges.iter().map(|range| range.end));
    let ends = ranges.iter().map(|range| range.start).chain([end]);
    let parts = starts.zip(ends).map(|(start, end)| start..end);
    parts.filter(|part| part.len() >= PIECE_LETTERS).collect()
}

/// Words of a text, without groups of digits; where a script sets none apart, two characters are one.
fn words(text: &str) -> usize {
    let parts = text.split(|c: char| c.is_whitespace() || "\"{}[]|,;<>".contains(c));
    let letters = |word: &&str| word.chars().filter(|c| c.is_alphabetic()).nth(1).is_some();
    let set_apart = parts.filter(letters).count();
    let wide = text.chars().filter(|c| *c >= '\u{3000}' && c.is_alphanumeric()).count();
    set_apart.saturating_add(wide / 2)
}
