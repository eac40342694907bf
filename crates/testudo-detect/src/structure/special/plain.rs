//! A text in compatibility form and lower case, without unseen characters, and where each of its characters stands.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

/// The plain form of a text.
#[derive(Debug)]
pub(super) struct Plain<'a> {
    original_len: usize,
    text: Cow<'a, str>,
    /// For each character of the plain text where it starts there, and the range it stands for. Empty for ASCII,
    /// where both texts have the same offsets.
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    at: usize,
    start: usize,
    end: usize,
}

impl<'a> Plain<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let original_len = text.len();
        if text.is_ascii() {
            let text = if text.bytes().any(|b| b.is_ascii_uppercase()) {
                Cow::Owned(text.to_ascii_lowercase())
            } else {
                Cow::Borrowed(text)
            };
            return Self {
                original_len,
                text,
                places: Vec::new(),
            };
        }
        let mut plain = String::with_capacity(text.len());
        let mut places = Vec::with_capacity(text.len());
        for (start, c) in text.char_indices() {
            let end = start.saturating_add(c.len_utf8());
            // By way of capitals, so that letters with the same capital are the same.
            let folded = std::iter::once(c)
                .nfkd()
                .flat_map(char::to_uppercase)
                .flat_map(char::to_lowercase);
            for c in folded {
                if !is_unseen(c) {
                    places.push(Place {
                        at: plain.len(),
                        start,
                        end,
                    });
                    plain.push(c);
                }
            }
        }
        Self {
            original_len,
            text: Cow::Owned(plain),
            places,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What a range that is not empty stands for.
    pub(super) fn original(&self, plain: Range<usize>) -> Range<usize> {
        self.start_of(plain.start)..self.end_of(plain.end.saturating_sub(1))
    }

    /// Where the character that holds this byte of the plain text starts as written.
    pub(super) fn start_of(&self, at: usize) -> usize {
        if self.is_same() {
            return at;
        }
        self.place(at).map_or(self.original_len, |place| place.start)
    }

    /// Where the character that holds this byte of the plain text ends as written.
    pub(super) fn end_of(&self, at: usize) -> usize {
        if self.is_same() {
            return at.saturating_add(1);
        }
        self.place(at).map_or(self.original_len, |place| place.end)
    }

    fn is_same(&self) -> bool {
        self.places.is_empty() && self.text.len() == self.original_len
    }

    fn place(&self, at: usize) -> Option<Place> {
        let next = self.places.partition_point(|place| place.at <= at);
        self.places.get(next.checked_sub(1)?).copied()
    }
}

/// Characters that show nothing and that a later step may drop.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'
    )
}
