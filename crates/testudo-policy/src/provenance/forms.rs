//! Folded forms of a text: one to find values in, one to trust them by, with places in the original.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;

/// How a text is folded before a value is looked for in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    /// Letters' case and white space; no other character is changed. A value that is found so was really written.
    Exact,
    /// Letters' case, white space and compatibility characters, as the older policies are measured with.
    Compatible,
    /// Compatibility characters, accents and unseen characters go, too. A value that is found only so may be a
    /// look-alike.
    Loose,
}

/// A folded text with an index of its words.
///
/// Takes about one byte for each byte of text and eight for each word.
#[derive(Debug, Clone, Default)]
pub(super) struct Form {
    text: String,
    /// Hash and place of each word, sorted.
    words: Vec<(u32, u32)>,
    /// Where the distance between folded and original places changes: (folded, original).
    steps: Vec<(u32, u32)>,
}

/// A folded value with its words, ready to be looked for.
#[derive(Debug, Clone)]
pub(super) struct Needle {
    pub(super) text: String,
    words: Vec<(u32, u32)>,
}

impl Form {
    pub(super) fn new(text: &str, fold: Fold) -> Self {
        let mut form = Self::default();
        form.push(text, fold);
        form.index();
        form
    }

    /// Adds a text; returns where it stands in the folded one. [`Form::index`] has to follow.
    pub(super) fn push(&mut self, text: &str, fold: Fold) -> Range<u32> {
        if fold == Fold::Compatible {
            let text: String = text.nfkc().collect();
            self.push_each(&text, fold)
        } else {
            self.push_each(text, fold)
        }
    }

    fn push_each(&mut self, text: &str, fold: Fold) -> Range<u32> {
        let start = place(self.text.len());
        let mut blank = true;
        for (at, c) in text.char_indices() {
            if c.is_whitespace() {
                if !blank {
                    self.step(at);
                    self.text.push(' ');
                    blank = true;
                }
                continue;
            }
            let before = self.text.len();
            self.step(at);
            fold_into(c, fold, &mut self.text);
            blank = blank && self.text.len() == before;
        }
        while self.text.len() > start as usize && self.text.ends_with(' ') {
            self.text.pop();
        }
        start..place(self.text.len())
    }

    /// Ends a part of the text, so that no value is found across it.
    pub(super) fn part(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn index(&mut self) {
        self.words = words_of(&self.text);
        self.words.shrink_to_fit();
        self.steps.shrink_to_fit();
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn slice(&self, range: &Range<u32>) -> &str {
        self.text
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    /// The first place where the value stands as whole words.
    pub(super) fn find(&self, needle: &Needle) -> Option<Range<u32>> {
        self.find_all(needle).next()
    }

    /// All places where the value stands as whole words.
    pub(super) fn find_all<'f>(&'f self, needle: &'f Needle) -> impl Iterator<Item = Range<u32>> + 'f {
        let rarest = needle.words.iter().map(|word| (self.places(word.0), word.1));
        let (places, offset) = rarest.min_by_key(|(places, _)| places.len()).unwrap_or_default();
        let length = place(needle.text.len());
        places.iter().filter_map(move |(_, at)| {
            let start = at.checked_sub(offset)?;
            let end = start.checked_add(length)?;
            let stands = self.text.get(start as usize..end as usize)? == needle.text;
            (stands && self.bounded(start as usize, end as usize)).then_some(start..end)
        })
    }

    /// Whether a word stands in the text.
    pub(super) fn has_word(&self, word: &str) -> bool {
        self.places(hash(word)).iter().any(|(_, at)| {
            let at = *at as usize;
            self.text.get(at..at.saturating_add(word.len())) == Some(word)
        })
    }

    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        words_in(&self.text)
    }

    /// The place in the original text that a folded place comes from.
    pub(super) fn original(&self, folded: &Range<u32>) -> Range<usize> {
        let back = |at: u32| {
            let index = self.steps.partition_point(|(folded, _)| *folded <= at);
            let step = index.checked_sub(1).and_then(|index| self.steps.get(index));
            let (folded, original) = step.copied().unwrap_or_default();
            original.saturating_add(at.saturating_sub(folded)) as usize
        };
        let last = back(folded.end.saturating_sub(1));
        back(folded.start)..last.saturating_add(1)
    }

    pub(super) fn bytes(&self) -> usize {
        let words = self.words.capacity().saturating_mul(8);
        let steps = self.steps.capacity().saturating_mul(8);
        self.text.capacity().saturating_add(words).saturating_add(steps)
    }

    fn places(&self, hash: u32) -> &[(u32, u32)] {
        let start = self.words.partition_point(|word| word.0 < hash);
        let end = self.words.partition_point(|word| word.0 <= hash);
        self.words.get(start..end).unwrap_or_default()
    }

    /// Neither side of the place continues it: `b@c.org` does not hold `c.org`, nor `b-2` the word `b`.
    fn bounded(&self, start: usize, end: usize) -> bool {
        let before = self.text.get(..start).and_then(|text| text.chars().next_back());
        let mut after = self.text.get(end..).unwrap_or_default().chars();
        let (next, second) = (after.next(), after.next());
        let open = before.is_none_or(|c| !is_word(c) && !matches!(c, '@' | '.' | '-'));
        let closed = match next {
            None => true,
            Some('.') => second.is_none_or(|c| !is_word(c)),
            Some(c) => !is_word(c) && !matches!(c, '@' | '-'),
        };
        open && closed
    }

    fn step(&mut self, original: usize) {
        let (folded, original) = (place(self.text.len()), place(original));
        let expected = self
            .steps
            .last()
            .map(|(f, o)| folded.saturating_sub(*f).saturating_add(*o));
        if expected != Some(original) {
            self.steps.push((folded, original));
        }
    }
}

impl Needle {
    pub(super) fn new(value: &str, fold: Fold) -> Self {
        let mut text = Form::default();
        text.push(value, fold);
        let text = text.text;
        Self {
            words: words_of(&text),
            text,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Letters and digits of the value.
    pub(super) fn letters(&self) -> usize {
        self.text.chars().filter(|c| is_word(*c)).count()
    }
}

/// A folded text without an index.
pub(super) fn folded(text: &str, fold: Fold) -> String {
    let mut form = Form::default();
    form.push(text, fold);
    form.text
}

/// What the text looks like to a reader: texts that cannot be told apart have the same outline.
pub(super) fn outline(text: &str) -> String {
    let loose = folded(text, Fold::Loose);
    unicode_security::skeleton(&loose).collect::<String>().to_lowercase()
}

fn fold_into(c: char, fold: Fold, out: &mut String) {
    match fold {
        Fold::Exact => out.push(exact(c)),
        Fold::Compatible | Fold::Loose if c.is_ascii() => out.push(c.to_ascii_lowercase()),
        Fold::Compatible if c == 'ß' => out.push_str("ss"),
        Fold::Compatible => out.extend(c.to_lowercase()),
        Fold::Loose => {
            let seen = std::iter::once(c).nfkd().filter(|c| !is_unseen(*c) && !is_mark(*c));
            for c in seen.flat_map(char::to_lowercase) {
                match c {
                    '\u{2018}' | '\u{2019}' => out.push('\''),
                    '\u{201c}' | '\u{201d}' => out.push('"'),
                    '\u{2010}'..='\u{2015}' | '\u{2212}' => out.push('-'),
                    ' ' => {}
                    c => out.push(c),
                }
            }
        }
    }
}

/// Only case is folded, and never across the border of ASCII: `K` (the sign for kelvin) is not `k`.
fn exact(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) if !one.is_ascii() => one,
        _ => c,
    }
}

/// Characters that take no place on a screen.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

pub(super) fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The words of a text: runs of letters, digits and underscores.
pub(super) fn words_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

fn words_of(text: &str) -> Vec<(u32, u32)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, is_word(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.push((hash(text.get(from..at).unwrap_or_default()), place(from)));
                start = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    words.sort_unstable();
    words
}

/// FNV-1a. Words that collide are told apart by their text; many of them cost time only.
fn hash(word: &str) -> u32 {
    word.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

pub(super) fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
