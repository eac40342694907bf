//! What a text loses nothing by losing: unseen characters outside of ordinary writing.

use std::ops::Range;

use super::unseen::{Unseen, belongs, flag_len, unseen};

/// A text without the unseen characters that no writing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    pub text: String,
    /// What was left out of the original, in order, without overlaps.
    pub removed: Vec<Range<usize>>,
}

/// The text without tags, smuggled bytes, unseen characters within words and overrides of direction.
///
/// `None` when there is nothing to leave out. A person sees no difference; soft
/// hyphens and single zero-width characters between words stay.
#[must_use]
pub fn clean(text: &str) -> Option<Cleaned> {
    if text.is_ascii() {
        return None;
    }
    let mut removed: Vec<Range<usize>> = Vec::new();
    let mut before: Option<char> = None;
    let mut skip_to = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if at < skip_to {
            before = Some(c);
            continue;
        }
        if c == '\u{1F3F4}'
            && let Some(len) = text.get(at..).and_then(flag_len)
        {
            skip_to = at.saturating_add(len);
        }
        let after = chars.peek().map(|(_, c)| *c);
        if removable(c, before, after) {
            let end = at.saturating_add(c.len_utf8());
            match removed.last_mut().filter(|last| last.end == at) {
                Some(last) => last.end = end,
                None => removed.push(at..end),
            }
        } else {
            before = Some(c);
        }
    }
    if removed.is_empty() {
        return None;
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut from = 0;
    for range in &removed {
        cleaned.push_str(text.get(from..range.start).unwrap_or_default());
        from = range.end;
    }
    cleaned.push_str(text.get(from..).unwrap_or_default());
    Some(Cleaned { text: cleaned, removed })
}

fn removable(c: char, before: Option<char>, after: Option<char>) -> bool {
    let Some(kind) = unseen(c) else {
        return false;
    };
    if belongs(kind, c, before, after) {
        return false;
    }
    match kind {
        Unseen::Tag | Unseen::Selector => true,
        Unseen::Direction => matches!(c, '\u{202D}' | '\u{202E}') || within_word(before, after),
        Unseen::ZeroWidth if c == '\u{AD}' => false,
        Unseen::ZeroWidth | Unseen::Joiner => within_word(before, after) || after.is_some_and(|c| unseen(c).is_some()),
        // Controls and blank letters can part words; taking them out can join what they part.
        Unseen::Control | Unseen::Blank => false,
    }
}

fn within_word(before: Option<char>, after: Option<char>) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    letter(before) && (letter(after) || after.is_some_and(|c| unseen(c).is_some()))
}
