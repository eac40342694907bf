//! Folds text character by character: unseen characters go, look-alikes and styled letters become plain.
//!
//! Works on pieces of a growing text, and what it makes of a text does not
//! depend on how the text is cut. Only words with characters that may change
//! wait for their end, and those at most [`WORD_BYTES_MAX`].

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

use super::characters::{ALIKE, FOREIGN, LATIN, LETTER, MAY_CHANGE, ODD, UNSEEN, traits};
use super::derived::Derived;
use super::look_alike::look_alike;
use super::unseen::{Unseen, belongs, decoration, flag_len, ideograph, unseen};

/// A word is judged by its parts of at most so many bytes.
pub(super) const WORD_BYTES_MAX: usize = 256;

/// The state between two pieces of a text.
#[derive(Debug, Clone, Default)]
pub(super) struct Folder {
    /// The rest of a word from its first character that may change.
    word: String,
    /// Where `word` begins in the text.
    word_at: usize,
    /// Bytes read.
    at: usize,
    /// The character before `word`.
    before: Option<char>,
    /// Marks since the last letter.
    marks: u8,
    /// The word has Latin letters.
    latin: bool,
    /// The last word before that had letters was Latin.
    latin_before: bool,
    /// Words of look-alikes alone are folded whatever stands around them.
    latin_text: bool,
}

impl Folder {
    /// For a text that is at hand as a whole: most of its letters decide whether words of look-alikes alone are folded.
    pub(super) fn of(text: &str) -> Self {
        let latin = text.bytes().filter(u8::is_ascii_alphabetic).count();
        let (mut other, mut alike) = (0_usize, 0_usize);
        for c in text.chars().filter(|c| !c.is_ascii()) {
            let traits = traits(c);
            let posing = LETTER | FOREIGN | ALIKE;
            other = other.saturating_add(usize::from(traits & LETTER != 0));
            alike = alike.saturating_add(usize::from(traits & posing == posing));
        }
        // No language is written with look-alikes only: Greek and Russian need others for every third letter.
        let posing = other >= 5 && alike.saturating_mul(10) >= other.saturating_mul(9);
        Self {
            latin_text: latin > other || posing,
            ..Self::default()
        }
    }

    /// Reads on and appends what is certain.
    pub(super) fn push(&mut self, piece: &str, out: &mut Derived) {
        let mut rest = piece;
        while !rest.is_empty() {
            let plain = if self.word.is_empty() { self.push_plain(rest) } else { 0 };
            let (head, tail) = rest.split_at_checked(plain).unwrap_or((rest, ""));
            if !head.is_empty() {
                out.copy(head, self.at.saturating_sub(head.len()));
            }
            let word = self.push_word(tail, out);
            rest = tail.get(word..).unwrap_or_default();
        }
    }

    /// Reads on, between words, up to one that may change; returns the bytes read, which fold to themselves.
    pub(super) fn push_plain(&mut self, piece: &str) -> usize {
        let mut rest = piece;
        loop {
            rest = self.plain(rest);
            let Some(c) = rest.chars().next().filter(|c| !self.begins(*c)) else {
                return piece.len().saturating_sub(rest.len());
            };
            self.pass(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }

    /// Reads on until the word has been folded; returns the bytes read.
    pub(super) fn push_word(&mut self, piece: &str, out: &mut Derived) -> usize {
        let mut read = 0_usize;
        while let Some(c) = piece.get(read..).and_then(|rest| rest.chars().next()) {
            if ends_word(c) || self.word.len() >= WORD_BYTES_MAX {
                self.settle(Some(c), out);
            }
            if self.word.is_empty() && !self.begins(c) {
                out.copy_char(c, self.at);
                self.pass(c);
                return read.saturating_add(c.len_utf8());
            }
            if self.word.is_empty() {
                self.word_at = self.at;
            }
            let room = WORD_BYTES_MAX.saturating_sub(self.word.len());
            let rest = piece.get(read..).unwrap_or_default();
            let mut len = 0_usize;
            for c in rest.chars() {
                if len >= room || ends_word(c) {
                    break;
                }
                len = len.saturating_add(c.len_utf8());
            }
            self.word.push_str(rest.get(..len).unwrap_or_default());
            self.at = self.at.saturating_add(len);
            read = read.saturating_add(len);
        }
        read
    }

    /// No more text comes.
    pub(super) fn finish(&mut self, out: &mut Derived) {
        self.settle(None, out);
    }

    /// Bytes read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether no word waits for its end.
    pub(super) fn is_idle(&self) -> bool {
        self.word.is_empty()
    }

    /// Text before this offset has been folded.
    pub(super) fn settled(&self) -> usize {
        if self.word.is_empty() { self.at } else { self.word_at }
    }

    /// Whether a character begins a word that may change.
    fn begins(&self, c: char) -> bool {
        traits(c) & MAY_CHANGE != 0 && !ends_word(c)
    }

    /// Takes a character that folds to itself.
    #[inline]
    fn pass(&mut self, c: char) {
        if ends_word(c) {
            self.end_word();
        } else {
            self.latin |= traits(c) & (LETTER | LATIN) == LETTER | LATIN;
        }
        self.before = Some(c);
        self.marks = 0;
        self.at = self.at.saturating_add(c.len_utf8());
    }

    /// Takes ASCII at the start of a text; returns what follows it.
    fn plain<'t>(&mut self, text: &'t str) -> &'t str {
        let len = plain_len(text.as_bytes());
        let Some((plain, rest)) = text.split_at_checked(len) else {
            return text;
        };
        let Some(last) = plain.chars().next_back() else {
            return text;
        };
        self.at = self.at.saturating_add(len);
        self.before = Some(last);
        self.marks = 0;
        match plain.bytes().rposition(|b| b.is_ascii_whitespace()) {
            None => self.latin |= plain.bytes().any(|b| b.is_ascii_alphabetic()),
            Some(space) => {
                let (words, last_word) = plain.as_bytes().split_at(space);
                self.latin_before = self.latin_before || self.latin || words.iter().any(u8::is_ascii_alphabetic);
                self.latin = last_word.iter().any(u8::is_ascii_alphabetic);
            }
        }
        rest
    }

    fn end_word(&mut self) {
        self.latin_before |= self.latin;
        self.latin = false;
    }

    /// Folds what has been collected of a word; `next` is the character behind it.
    fn settle(&mut self, next: Option<char>, out: &mut Derived) {
        if self.word.is_empty() {
            return;
        }
        let mut word = std::mem::take(&mut self.word);
        let shape = Shape::of(&word);
        self.latin |= shape.latin;
        let mixed = self.latin && shape.foreign;
        let posing = shape.foreign && shape.all_alike && (self.latin_before || self.latin_text);
        if shape.odd || mixed || posing {
            self.fold_word(&word, next, mixed || posing, out);
        } else {
            out.copy(&word, self.word_at);
            self.before = word.chars().next_back();
            self.marks = 0;
        }
        // What it has allocated serves the next word.
        word.clear();
        self.word = word;
    }

    fn fold_word(&mut self, word: &str, next: Option<char>, alike: bool, out: &mut Derived) {
        let mut rest = word;
        let mut at = self.word_at;
        while let Some(c) = rest.chars().next() {
            if let Some(flag) = (c == '\u{1F3F4}').then(|| flag_len(rest)).flatten()
                && let Some((flag, after)) = rest.split_at_checked(flag)
            {
                out.copy(flag, at);
                at = at.saturating_add(flag.len());
                self.before = flag.chars().next_back();
                rest = after;
                continue;
            }
            let after = rest.get(c.len_utf8()..).unwrap_or_default();
            self.fold(c, at, after.chars().next().or(next), alike, out);
            at = at.saturating_add(c.len_utf8());
            self.before = Some(c);
            rest = after;
        }
    }

    fn fold(&mut self, c: char, at: usize, after: Option<char>, alike: bool, out: &mut Derived) {
        let range = at..at.saturating_add(c.len_utf8());
        if let Some(kind) = unseen(c) {
            // Controls of direction say nothing in a view, not even where writing needs them.
            if kind != Unseen::Direction && belongs(kind, c, self.before, after) {
                out.copy_char(c, at);
            } else {
                out.drop_one();
            }
            return;
        }
        if decoration(c) {
            return out.drop_one();
        }
        if !c.is_ascii() && is_combining_mark(c) {
            self.marks = self.marks.saturating_add(1);
            // One mark belongs to a letter, in Vietnamese two; piles of them hide it.
            return if self.marks <= 2 {
                out.copy_char(c, at)
            } else {
                out.drop_one()
            };
        }
        self.marks = 0;
        if blank(c) {
            // No-break and ideographic spaces are everywhere; between Latin letters they are worth a view.
            let common = matches!(c, '\u{A0}' | '\u{202F}' | '\u{3000}');
            let near = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic() || blank(c));
            return if !common || (near(self.before) && near(after)) {
                out.replace_char(' ', range);
            } else {
                out.copy_char(c, at);
            };
        }
        if let Some(latin) = alike.then(|| look_alike(c)).flatten().or_else(|| boxed(c)) {
            return out.replace_char(latin, range);
        }
        if !styled(c, self.before) {
            return out.copy_char(c, at);
        }
        let mut plain = String::new();
        decompose_compatible(c, |part| plain.push(part));
        if plain.chars().eq([c]) {
            out.copy_char(c, at);
        } else {
            out.replace(&plain, range);
        }
    }
}

/// What a word is made of.
#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    latin: bool,
    /// Letters of alphabets that have look-alikes.
    foreign: bool,
    /// Each of its letters looks like a Latin one.
    all_alike: bool,
    /// Something in it may change whatever letters stand around it.
    odd: bool,
}

impl Shape {
    fn of(word: &str) -> Self {
        let mut shape = Self {
            all_alike: true,
            ..Self::default()
        };
        for c in word.chars() {
            let traits = traits(c);
            shape.odd |= traits & ODD != 0;
            if traits & LATIN != 0 {
                shape.latin = true;
            } else if traits & FOREIGN != 0 {
                shape.foreign = true;
                shape.all_alike &= traits & ALIKE != 0;
            } else if traits & LETTER != 0 && traits & UNSEEN == 0 {
                shape.all_alike = false;
            }
        }
        shape
    }
}

/// Bytes of ASCII at the start that folding never changes.
pub(super) fn plain_len(text: &[u8]) -> usize {
    let odd = |byte: &u8| !(byte.is_ascii_graphic() || matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
    let mut len = 0;
    // Whole blocks first, without a decision at each byte.
    for block in text.chunks(64) {
        if block.iter().fold(false, |any, byte| any | odd(byte)) {
            break;
        }
        len = block.len().saturating_add(len);
    }
    let rest = text.get(len..).unwrap_or_default();
    len.saturating_add(rest.iter().position(odd).unwrap_or(rest.len()))
}

/// Whether a character parts words.
fn ends_word(c: char) -> bool {
    c.is_ascii_whitespace() || ideograph(c)
}

pub(super) fn latin(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c, '\u{C0}'..='\u{17F}' | '\u{1A0}'..='\u{1A1}' | '\u{1AF}'..='\u{1B0}' | '\u{1CD}'..='\u{1DC}' | '\u{1F8}'..='\u{21B}' | '\u{1E00}'..='\u{1EFF}' | '\u{FF21}'..='\u{FF3A}' | '\u{FF41}'..='\u{FF5A}')
}

/// Spaces beside the one of ASCII.
pub(super) fn blank(c: char) -> bool {
    matches!(
        c,
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}'
    )
}

/// Alphabets whose letters pass for Latin ones.
pub(super) fn foreign(c: char) -> bool {
    matches!(c, '\u{0180}'..='\u{02AF}' | '\u{0370}'..='\u{058F}' | '\u{10A0}'..='\u{10FF}' | '\u{13A0}'..='\u{167F}' | '\u{1D00}'..='\u{1D2B}' | '\u{1F00}'..='\u{1FFF}' | '\u{2C60}'..='\u{2C7F}' | '\u{A4D0}'..='\u{A4FF}' | '\u{A720}'..='\u{A7FF}' | '\u{AB30}'..='\u{ABBF}')
        || matches!(c, '\u{2132}' | '\u{2183}' | '\u{2200}' | '\u{2534}' | '\u{D7}')
}

/// Whether a character may fold to something else, or to nothing.
pub(super) fn may_change(c: char) -> bool {
    unseen(c).is_some()
        || (!c.is_ascii()
            && (blank(c)
                || foreign(c)
                || styled(c, Some('\u{FF21}'))
                || boxed(c).is_some()
                || c == '\u{1F3F4}'
                || is_combining_mark(c) && !indic_mark(c)))
}

/// Vowel signs and the like, which ordinary words of many scripts are full of.
fn indic_mark(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{1AAF}' | '\u{1B00}'..='\u{1DBF}' | '\u{302A}'..='\u{309A}' | '\u{A800}'..='\u{ABFF}' | '\u{FB1E}' | '\u{11000}'..='\u{11FFF}')
}

/// Compatibility forms that stand for plain letters and digits.
///
/// Left alone are those that ordinary writing is full of: full-width
/// punctuation (unless it follows full-width letters), half-width kana,
/// squared words, fractions, no-break spaces, dots and trade marks.
pub(super) fn styled(c: char, before: Option<char>) -> bool {
    let wide = |c: char| matches!(c, '\u{FF10}'..='\u{FF19}' | '\u{FF21}'..='\u{FF3A}' | '\u{FF41}'..='\u{FF5A}');
    match c {
        '\u{FF01}'..='\u{FF5E}' => wide(c) || before.is_some_and(wide),
        '\u{2B0}'..='\u{2E4}'
        | '\u{1D2C}'..='\u{1D6A}'
        | '\u{1D78}'
        | '\u{1D9B}'..='\u{1DBF}'
        | '\u{2070}'..='\u{209C}'
        | '\u{2100}'..='\u{2115}'
        | '\u{2117}'..='\u{2121}'
        | '\u{2124}'..='\u{214F}'
        | '\u{2160}'..='\u{217F}'
        | '\u{2460}'..='\u{24FF}'
        | '\u{2C7C}'..='\u{2C7D}'
        | '\u{A7F2}'..='\u{A7F9}'
        | '\u{FB00}'..='\u{FB06}'
        | '\u{FE50}'..='\u{FE6B}'
        | '\u{1D400}'..='\u{1D7FF}'
        | '\u{1EE00}'..='\u{1EEFF}'
        | '\u{1F100}'..='\u{1F12E}'
        | '\u{1F130}'..='\u{1F149}'
        | '\u{1FBF0}'..='\u{1FBF9}' => true,
        _ => false,
    }
}

/// Letters in black circles and squares, which have no compatibility form.
pub(super) fn boxed(c: char) -> Option<char> {
    let code = u32::from(c);
    let base = match code {
        0x1F150..=0x1F169 => 0x1F150,
        0x1F170..=0x1F189 => 0x1F170,
        _ => return None,
    };
    char::from_u32(code.saturating_sub(base).saturating_add(u32::from('A')))
}
