//! Words that must stand shortly before a match.

/// Words of a rule and how far before a match they may stand.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) words: Box<[Box<str>]>,
    /// Bytes before the match.
    pub(crate) within: usize,
}

/// Words up to this long must end where a word ends, so that `pin` is not found in `ping`.
const SHORT_WORD: usize = 4;

/// Bytes of text before a match that [`Context::holds`] may look at, beyond `within`.
pub(crate) const CONTEXT_MARGIN: usize = 8;

impl Context {
    /// Whether one of the words begins within reach before `start` and ends before it.
    ///
    /// ASCII letters compare without case. A word must begin where a word of
    /// the text begins: not after a letter or digit, except at a hump (`userSsn`).
    pub(crate) fn holds(&self, text: &str, start: usize) -> bool {
        let bytes = text.as_bytes();
        let from = start.saturating_sub(self.within);
        self.words.iter().any(|word| {
            let Some(last) = start.checked_sub(word.len()) else {
                return false;
            };
            (from..=last).rev().any(|at| stands_at(bytes, at, word.as_bytes()))
        })
    }
}

fn stands_at(text: &[u8], at: usize, word: &[u8]) -> bool {
    let end = at.saturating_add(word.len());
    let Some(found) = text.get(at..end) else {
        return false;
    };
    if !found.eq_ignore_ascii_case(word) {
        return false;
    }
    let before = at.checked_sub(1).and_then(|index| text.get(index)).copied();
    let after = text.get(end).copied();
    let hump = found.first().is_some_and(u8::is_ascii_uppercase) && before.is_some_and(|b| b.is_ascii_lowercase());
    let wordy = word.first().is_some_and(u8::is_ascii_alphanumeric);
    let begins = !wordy || hump || !before.is_some_and(|b| b.is_ascii_alphanumeric());
    let ends = word.len() > SHORT_WORD || !after.is_some_and(|b| b.is_ascii_alphabetic());
    begins && ends
}
