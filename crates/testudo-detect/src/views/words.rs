//! Guesses from words: shifted, reversed, shuffled, spelled with digits, split, accented.
//!
//! One pass over the words of a text looks for disguised words of the lexicon;
//! only what it finds is undone, so that ordinary text costs the pass.

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::accents::unaccented;
use super::derived::{Derived, Edit, splice};
use super::lexicon::{Disguise, How, LEXICON, Letters, Lexicon, SHUFFLED_LEN_MIN, Sense, Shuffle, shift};
use super::respelled::{filled, mirror, thinned, times};
use super::spelled::names;
use super::{ViewKind, concatenated, glued, grouped, leet, moved, split, written_together};
use crate::kinds::{self, Kinds, wide};

/// Text that stays on each side of a guess.
pub(super) const GUESS_MARGIN: usize = 160;
/// Shuffled words must stand within so many words of another.
const NEAR: usize = 12;

/// No phrase is longer than what lies on both sides of one of its words.
const NEAR_BYTES: usize = 200;

/// Of so many words one must be recognised.
const DENSE: usize = 4;
/// Phrases allow so much space between words.
const GAP_MAX: usize = 4;
/// Space and signs between the single letters of a row.
const ROW_GAP_MAX: usize = 24;
/// Ranges of one kind that are kept; a text with more is not made of words.
const KEPT_MAX: usize = 16 * 1024;

/// What the words of a text look like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Signs {
    disguised: Vec<Disguised>,
    /// Words whose letters are all written several times.
    repeated: Vec<Range<usize>>,
    /// Runs of letters that are longer than words.
    long: Vec<Range<usize>>,
    /// Words of letters and digits, or of digits.
    leet: Vec<Range<usize>>,
    /// Rows of single letters.
    pub(super) spelled: Vec<Range<usize>>,
    /// Words of the lexicon that gaps split.
    pub(super) split: Vec<Split>,
    /// Gaps wider than phrases allow.
    pub(super) gaps: Vec<Gap>,
}

/// What stands between two words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) range: Range<usize>,
    /// One of the words is one of attacks.
    pub(super) attack: bool,
}

/// A word that is split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) range: Range<usize>,
    /// Some part of it is no word.
    pub(super) hard: bool,
    pub(super) attack: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Disguised {
    range: Range<usize>,
    /// How many words stand before it.
    number: usize,
    is: Disguise,
}

/// The views that the words of a text suggest.
pub(super) fn guess(text: &str, kinds: &Kinds) -> Vec<(ViewKind, Derived)> {
    let mut views = Vec::new();
    let mut signs = Signs::default();
    Scan::new(&LEXICON).run(text.as_bytes(), kinds, &mut signs);
    undisguised(text, &mut signs, &mut views);
    let thinned = thinned(text, &signs.repeated);
    if !thinned.is_empty() {
        views.push((ViewKind::Repeated, splice(text, &thinned, GUESS_MARGIN)));
    }
    let moved = moved::read(text, &signs.leet);
    if moved.changed {
        views.push((ViewKind::Shifted, moved));
    }
    for decoded in grouped::decode_groups(text, &signs.leet) {
        views.push((decoded.kind, splice(text, &[decoded.edit], GUESS_MARGIN)));
    }
    let leet = leet::read(text, &signs.leet);
    if !leet.is_empty() {
        views.push((ViewKind::Leet, splice(text, &leet, GUESS_MARGIN)));
    }
    views.extend(split::joined(text, &signs).map(|derived| (ViewKind::Joined, derived)));
    let glued::Parted { gaps, joints } = glued::parted(text, kinds);
    views.extend(concatenated::whole(text, joints).map(|derived| (ViewKind::Joined, derived)));
    for parted in [gaps, written_together::apart(text, &signs.long)] {
        if !parted.is_empty() {
            views.push((ViewKind::Joined, splice(text, &parted, GUESS_MARGIN)));
        }
    }
    if kinds.any(wide) {
        let edits = unaccented(text, kinds);
        if !edits.is_empty() {
            views.push((ViewKind::Unaccented, splice(text, &edits, GUESS_MARGIN)));
        }
    }
    views
}

/// Words that [`leet`] may read.
#[cfg(test)]
pub(super) fn leet_words(text: &str) -> Vec<Range<usize>> {
    let mut signs = Signs::default();
    Scan::new(&LEXICON).run(text.as_bytes(), &Kinds::of(text.as_bytes()), &mut signs);
    signs.leet
}

/// Undoes disguises where several of a kind stand near each other.
fn undisguised(text: &str, signs: &mut Signs, views: &mut Vec<(ViewKind, Derived)>) {
    signs.disguised.sort_by_key(|found| found.is.how);
    let mut undone = Undone::default();
    for group in signs
        .disguised
        .chunk_by(|a, b| a.is.how == b.is.how && b.number.saturating_sub(a.number) <= NEAR)
    {
        undone.take(text, group);
    }
    undone.show(text, views);
}

/// What disguised words stand for.
#[derive(Debug, Default)]
struct Undone {
    from_places: Derived,
    mirrored: Derived,
    backwards: Derived,
    words_backwards: Derived,
    shuffled: Vec<Edit>,
    pig_latin: Vec<Edit>,
    vowelless: Vec<Edit>,
    spelled: Vec<Edit>,
}

impl Undone {
    /// Takes words that are disguised in the same way, in the order in which they stand.
    fn take(&mut self, text: &str, group: &[Disguised]) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            return;
        };
        let attacks = group.iter().filter(|found| found.is.attack).count();
        // Words that are disguised stand close; in other languages some short ones only look so.
        let span = last.number.saturating_sub(first.number).saturating_add(1);
        let dense = group.len().saturating_mul(DENSE) >= span;
        let telling = dense && (group.len() >= 3 || (attacks > 0 && group.len() >= 2));
        let long = group.iter().any(|found| found.is.attack && found.range.len() > 4);
        let window = window(text, first.range.start, last.range.end);
        match first.is.how {
            How::Shuffled if group.len() >= 2 || long => self.shuffled.extend(plain_words(group)),
            How::Shifted(places) if telling => {
                let back = 26_u8.saturating_sub(places);
                each_byte(text, window, |byte| shift(byte, back), &mut self.from_places);
            }
            How::Mirrored if telling => each_byte(text, window, mirror, &mut self.mirrored),
            How::Reversed if dense && group.len() >= 2 => {
                self.backwards.part(window.start);
                turn(text, window.clone(), &mut self.backwards);
                self.words_backwards.part(window.start);
                turn_words(text, window, &mut self.words_backwards);
            }
            How::PigLatin if telling && attacks > 0 => self.pig_latin.extend(plain_words(group)),
            How::Vowelless if telling && attacks >= 2 => {
                self.vowelless.extend(filled(text, plain_words(group).collect()));
            }
            How::Named if dense => self.spelled.extend(names(text, first.range.start..last.range.end)),
            _ => {}
        }
    }

    fn show(self, text: &str, views: &mut Vec<(ViewKind, Derived)>) {
        for (kind, derived) in [
            (ViewKind::Shifted, self.from_places),
            (ViewKind::Mirrored, self.mirrored),
            (ViewKind::Reversed, self.backwards),
            (ViewKind::Reversed, self.words_backwards),
        ] {
            if derived.changed {
                views.push((kind, derived));
            }
        }
        for (kind, edits) in [
            (ViewKind::Unshuffled, self.shuffled),
            (ViewKind::PigLatin, self.pig_latin),
            (ViewKind::Vowelless, self.vowelless),
            (ViewKind::Spelled, self.spelled),
        ] {
            if !edits.is_empty() {
                views.push((kind, splice(text, &edits, GUESS_MARGIN)));
            }
        }
    }
}

/// The words that disguised ones stand for.
fn plain_words(group: &[Disguised]) -> impl Iterator<Item = Edit> {
    group.iter().map(|found| Edit {
        range: found.range.clone(),
        text: LEXICON.word(found.is.word).into(),
    })
}

/// A stretch and some text on both sides of it.
fn window(text: &str, start: usize, end: usize) -> Range<usize> {
    let from = text.floor_char_boundary(start.saturating_sub(GUESS_MARGIN));
    let to = text.ceil_char_boundary(end.saturating_add(GUESS_MARGIN).min(text.len()));
    from..to
}

/// A word of letters: what stands between two gaps.
#[derive(Debug, Clone, Copy, Default)]
struct Word {
    start: usize,
    /// Zero where no word is.
    end: usize,
    letters: Letters,
    is_known: bool,
    /// Attacks use it.
    is_attack: bool,
}

impl Word {
    fn len(&self) -> usize {
        self.end.wrapping_sub(self.start)
    }

    fn is_none(&self) -> bool {
        self.end == 0
    }

    /// Its last letter, small.
    fn last(&self, text: &[u8]) -> u8 {
        small(text, self.end.wrapping_sub(1))
    }
}

/// The letter at a place, small.
fn small(text: &[u8], at: usize) -> u8 {
    text.get(at).map_or(0, |byte| byte | 0x20)
}

/// The pass over the words.
#[derive(Debug)]
struct Scan<'l> {
    lexicon: &'l Lexicon,
    words: usize,
    /// The last words, of letters only, without one of another kind between them, the last of them first.
    recent: [Word; 2],
    spelled: Option<(Range<usize>, usize)>,
}

impl<'l> Scan<'l> {
    fn new(lexicon: &'l Lexicon) -> Self {
        Self {
            lexicon,
            words: 0,
            recent: [Word::default(); 2],
            spelled: None,
        }
    }

    fn run(&mut self, text: &[u8], kinds: &Kinds, signs: &mut Signs) {
        let others = |block: &_| kinds::word(block) & !kinds::letter(block);
        kinds.each_run(kinds::word, others, |word, others| self.end(word, others, text, signs));
        self.close_spelled(signs);
    }

    /// Takes the next word, so many of whose letters are digits and signs.
    #[inline]
    fn end(&mut self, Range { start, end }: Range<usize>, others: usize, text: &[u8], signs: &mut Signs) {
        self.words = self.words.wrapping_add(1);
        let len = end.wrapping_sub(start);
        if len == 1 || self.spelled.is_some() {
            self.spell(start, end, signs);
        }
        if others > 0 {
            if (others < len || others <= 4) && signs.leet.len() < KEPT_MAX {
                signs.leet.push(start..end);
            }
            for word in &mut self.recent {
                word.end = 0;
            }
            return;
        }
        let letters = Letters::small(text, start, len);
        let hash = letters.hash();
        let sense = if len > 1 { self.lexicon.sense(hash) } else { None };
        let word = Word {
            start,
            end,
            letters,
            is_known: sense.is_some(),
            is_attack: sense == Some(Sense::Attack),
        };
        if len > 1 && !word.is_known {
            self.unmask(&word, hash, text, signs);
        }
        let [before, oldest] = &self.recent;
        if !before.is_none() {
            self.gap(&word, before, signs);
            let together = len.wrapping_add(before.len()) <= self.lexicon.longest();
            if together && self.lexicon.may_end(hash) {
                self.split(&word, [before, oldest], text, signs);
            }
        }
        self.recent = [word, *before];
    }

    /// Notes a word that is none of the lexicon and may be one in disguise.
    #[inline]
    fn unmask(&self, word: &Word, hash: u64, text: &[u8], signs: &mut Signs) {
        let len = word.len();
        if word.letters.begin_double() {
            repeated(word, text, signs);
        }
        if !(3..=Letters::MAX).contains(&len) {
            if len >= written_together::LETTERS_MIN && signs.long.len() < KEPT_MAX {
                signs.long.push(word.start..word.end);
            }
            return;
        }
        if self.lexicon.may_be_disguised(hash) {
            let found = self.lexicon.unmask(hash).filter(|found| found.how != How::Shuffled);
            self.keep(word, found, signs);
        }
        if len >= SHUFFLED_LEN_MIN && self.lexicon.may_know(small(text, word.start), word.last(text), len) {
            let key = Shuffle::of(word.letters.each()).key();
            let found = self.lexicon.unmask(key).filter(|found| found.how == How::Shuffled);
            self.keep(word, found, signs);
        }
    }

    fn keep(&self, word: &Word, found: Option<Disguise>, signs: &mut Signs) {
        if let Some(is) = found
            && signs.disguised.len() < KEPT_MAX
        {
            signs.disguised.push(Disguised {
                range: word.start..word.end,
                number: self.words,
                is,
            });
        }
    }

    /// Notes a gap wider than phrases allow.
    #[inline]
    fn gap(&self, word: &Word, before: &Word, signs: &mut Signs) {
        let wide = word.start.wrapping_sub(before.end) > GAP_MAX;
        if wide && signs.gaps.len() < KEPT_MAX {
            signs.gaps.push(Gap {
                range: before.end..word.start,
                attack: word.is_attack || before.is_attack,
            });
        }
    }

    /// Looks for a word of the lexicon in this word and those before it, the last of them first.
    #[cold]
    #[inline(never)]
    fn split(&self, word: &Word, recent: [&Word; 2], text: &[u8], signs: &mut Signs) {
        let mut hard = !word.is_known;
        let mut letters = word.len();
        let mut whole = word.letters;
        for before in recent {
            if before.is_none() {
                break;
            }
            hard |= !before.is_known;
            let longer = letters.wrapping_add(before.len());
            let near = word.end.wrapping_sub(before.start) <= longer.wrapping_add(6);
            // Those that come before these are farther away, and longer together.
            if !near || longer > self.lexicon.longest() {
                break;
            }
            letters = longer;
            whole = before.letters.then(before.len(), whole);
            if letters < SHUFFLED_LEN_MIN
                || signs.split.len() >= KEPT_MAX
                || !self
                    .lexicon
                    .may_know(small(text, before.start), word.last(text), letters)
            {
                continue;
            }
            if let Some(joined) = self.lexicon.sense(whole.hash()) {
                let start = before.start;
                while signs.split.last().is_some_and(|last| last.range.end > start) {
                    signs.split.pop();
                }
                signs.split.push(Split {
                    range: start..word.end,
                    hard,
                    attack: joined == Sense::Attack,
                });
            }
        }
    }

    fn spell(&mut self, start: usize, end: usize, signs: &mut Signs) {
        let single = end.saturating_sub(start) == 1;
        match &mut self.spelled {
            Some((row, count)) if single && start.saturating_sub(row.end) <= ROW_GAP_MAX => {
                row.end = end;
                *count = count.saturating_add(1);
            }
            _ => {
                self.close_spelled(signs);
                if single {
                    self.spelled = Some((start..end, 1));
                }
            }
        }
    }

    fn close_spelled(&mut self, signs: &mut Signs) {
        if let Some((row, count)) = self.spelled.take()
            && count >= 4
        {
            signs.spelled.push(row);
        }
    }
}

/// Notes a word whose letters are all written several times.
#[cold]
#[inline(never)]
fn repeated(word: &Word, text: &[u8], signs: &mut Signs) {
    let range = word.start..word.end;
    if times(text.get(range.clone()).unwrap_or_default()).is_some() && signs.repeated.len() < KEPT_MAX {
        signs.repeated.push(range);
    }
}

fn turn(text: &str, window: Range<usize>, out: &mut Derived) {
    out.changed = true;
    let base = window.start;
    for (at, c) in text.get(window).unwrap_or_default().char_indices().rev() {
        out.copy_char(c, base.saturating_add(at));
    }
}

fn turn_words(text: &str, window: Range<usize>, out: &mut Derived) {
    out.changed = true;
    let mut at = window.start;
    for piece in text
        .get(window)
        .unwrap_or_default()
        .split_inclusive(|c: char| !c.is_alphanumeric())
    {
        let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        for (inside, c) in word.char_indices().rev() {
            out.copy_char(c, at.saturating_add(inside));
        }
        let gap = piece.get(word.len()..).unwrap_or_default();
        out.copy(gap, at.saturating_add(word.len()));
        at = at.saturating_add(piece.len());
    }
}

/// Appends a stretch with another byte for each of ASCII.
pub(super) fn each_byte(text: &str, window: Range<usize>, of: impl Fn(u8) -> u8, out: &mut Derived) {
    out.part(window.start);
    out.changed = true;
    let base = window.start;
    let others = text
        .get(window)
        .unwrap_or_default()
        .chars()
        .map(|c| match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => char::from(of(byte)),
            _ => c,
        });
    out.copy(&others.collect::<String>(), base);
}

/// Places that make a guess worth while, asked in order what is near them.
pub(super) struct Near<I> {
    places: I,
    current: Option<Range<usize>>,
}

impl<I: Iterator<Item = Range<usize>>> Near<I> {
    pub(super) fn new(mut places: I) -> Self {
        let current = places.next();
        Self { places, current }
    }

    /// Whether nothing that is asked about from now on is near a place.
    pub(super) fn is_over(&self) -> bool {
        self.current.is_none()
    }

    /// Whether a place is near; those asked about later do not begin before it.
    pub(super) fn holds(&mut self, range: &Range<usize>) -> bool {
        while let Some(place) = &self.current {
            if range.start <= place.end.saturating_add(NEAR_BYTES) {
                return place.start <= range.end.saturating_add(NEAR_BYTES);
            }
            self.current = self.places.next();
        }
        false
    }
}
