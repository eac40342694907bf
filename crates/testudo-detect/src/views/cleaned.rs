//! What a text loses nothing by losing: unseen characters outside of ordinary writing.

use std::ops::Range;

use super::characters::{UNSEEN, traits};
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
    if text.is_ascii() || !text.chars().any(|c| traits(c) & UNSEEN != 0) {
        return None;
    }
    let mut removed: Vec<Range<usize>> = Vec::new();
    // The last character that stays for certain, and unseen ones behind it that go if what follows them goes.
    let mut anchor: Option<char> = None;
    let mut kept: Vec<(usize, char)> = Vec::new();
    let mut skip_to = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\u{1F3F4}'
            && let Some(len) = text.get(at..).and_then(flag_len)
        {
            skip_to = at.saturating_add(len);
        }
        if at < skip_to || unseen(c).is_none() {
            kept.clear();
            anchor = Some(c);
            continue;
        }
        let after = chars.peek().map(|(_, c)| *c);
        kept.push((at, c));
        while let Some((at, c)) = kept.pop() {
            let before = kept.last().map(|(_, c)| *c).or(anchor);
            if !removable(c, before, after) {
                kept.push((at, c));
                break;
            }
            take_out(at..at.saturating_add(c.len_utf8()), &mut removed);
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

/// Adds what lies behind or right before all that is removed so far.
fn take_out(range: Range<usize>, removed: &mut Vec<Range<usize>>) {
    let Some(last) = removed.pop() else {
        return removed.push(range);
    };
    if last.end == range.start {
        return removed.push(last.start..range.end);
    }
    if range.end != last.start {
        removed.extend([last, range]);
        return;
    }
    match removed.last_mut().filter(|before| before.end == range.start) {
        Some(before) => before.end = last.end,
        None => removed.push(range.start..last.end),
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cleaned(text: &str) -> String {
        clean(text).map_or_else(|| text.to_owned(), |cleaned| cleaned.text)
    }

    #[test]
    fn what_stays_because_of_a_removed_neighbour_goes_with_it() {
        for (text, expected) in [
            ("0\u{202A}\u{202E}\u{202E}1", "01"),
            ("a\u{2066}\u{202D}b", "ab"),
            ("a\u{200D}\u{2066}\u{202E}b c", "ab c"),
            ("1\u{202A}\u{E0041}2", "12"),
            ("\u{5D0}\u{202B}\u{202E}\u{5D1}", "\u{5D0}\u{202B}\u{5D1}"),
        ] {
            assert_eq!(cleaned(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_is_final_and_takes_what_is_unseen_only(
            text in "[a0 \u{5D0}\u{928}\u{94D}\u{4E00}\u{2764}\u{FE0F}\u{FE01}\u{200B}-\u{200F}\u{202A}-\u{202E}\u{2060}\u{2066}-\u{2069}\u{FEFF}\u{AD}\u{3164}\u{7F}\u{E0041}\u{E0101}\u{1F3F4}]{0,14}",
        ) {
            let once = cleaned(&text);
            prop_assert!(clean(&once).is_none(), "{once:?}");
            let seen = |text: &str| text.chars().filter(|c| unseen(*c).is_none()).collect::<String>();
            prop_assert_eq!(seen(&once), seen(&text));
            let removed = clean(&text).map(|cleaned| cleaned.removed).unwrap_or_default();
            prop_assert!(removed.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert!(removed.iter().all(|range| text.get(range.clone()).is_some_and(|part| !part.is_empty())));
        }
    }
}
