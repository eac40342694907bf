//! Gives the client its own values back where placeholders of them stand in an answer.

use std::ops::Range;

use super::cover::{Edit, EditKind};

/// Edits that give the client its own values back, except inside links: a link that carries a
/// value would take it out of the house.
pub(crate) fn restore_edits<'a>(
    found: impl IntoIterator<Item = (Range<usize>, &'a str)>,
    text: &str,
    base: usize,
) -> Vec<Edit> {
    found
        .into_iter()
        .filter(|(range, _)| !inside_link(text, range.start))
        .map(|(range, value)| Edit {
            range: base.saturating_add(range.start)..base.saturating_add(range.end),
            kind: EditKind::Restore,
            replacement: value.to_owned(),
            weight: 0,
        })
        .collect()
}

/// How far back a link may have begun; the streamed side keeps as much text.
pub(crate) const LINK_LOOKBACK_BYTES: usize = 2048;

fn inside_link(text: &str, at: usize) -> bool {
    let mut from = at.saturating_sub(LINK_LOOKBACK_BYTES);
    while !text.is_char_boundary(from) {
        from = from.saturating_add(1);
    }
    let before = text.get(from..at).unwrap_or_default();
    let word = before
        .rfind(char::is_whitespace)
        .map_or(before, |space| before.get(space..).unwrap_or_default());
    word.contains("://")
}
