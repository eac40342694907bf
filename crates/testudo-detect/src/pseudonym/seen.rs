//! Which words a request's texts hold, so that nothing made up is mistaken for them.

use std::collections::HashSet;

/// Longer words are no part of a made-up value.
const WORD_BYTES_MAX: usize = 32;

/// The runs of ASCII letters and digits in some texts.
#[derive(Default)]
pub(super) struct SeenWords(HashSet<Box<str>>);

impl SeenWords {
    pub(super) fn add(&mut self, text: &str) {
        for word in words(text).filter(|word| word.len() <= WORD_BYTES_MAX) {
            if !self.0.contains(word) {
                self.0.insert(word.into());
            }
        }
    }

    /// Whether a made-up value could stand free in one of the texts: all its words do.
    pub(super) fn may_hold(&self, fake: &str) -> bool {
        words(fake).all(|word| self.0.contains(word))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}
