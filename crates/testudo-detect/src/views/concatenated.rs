//! Puts texts together that code adds up: `"ign" + "ore all " + "previous instructions"`.

use std::ops::Range;

use super::derived::{Derived, Edit, splice};
use super::spelled::tells;
use super::words::GUESS_MARGIN;

/// Longer gaps between two words are no joint.
const JOINT_BYTES_MAX: usize = 48;

/// Where two texts in quotation marks are added up, within the gap between two words: from one mark to the other.
#[inline]
pub(super) fn joint(gap: &[u8], base: usize) -> Option<Range<usize>> {
    let quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    if gap.len() < 3 || gap.len() > JOINT_BYTES_MAX {
        return None;
    }
    let open = gap.iter().take(3).position(quote)?;
    let close = gap
        .len()
        .checked_sub(1)?
        .checked_sub(gap.iter().rev().take(3).position(quote)?)?;
    if close <= open || gap.get(open) != gap.get(close) {
        return None;
    }
    let adds = adds(gap.get(open.saturating_add(1)..close)?);
    adds.then(|| base.saturating_add(open)..base.saturating_add(close).saturating_add(1))
}

/// Whether what stands between two quotation marks adds up the texts in them.
#[inline]
pub(super) fn adds(between: &[u8]) -> bool {
    let sign = between.trim_ascii();
    let blank = !between.is_empty();
    matches!(sign, b"+" | b"." | b".." | b"&" | b"\\" | b"||" | b"~") || (sign.is_empty() && blank)
}

/// The text with what it adds up put together, when that tells.
pub(super) fn whole(text: &str, joints: Vec<Range<usize>>) -> Option<Derived> {
    let edits: Vec<Edit> = joints
        .into_iter()
        .map(|range| Edit { range, text: "".into() })
        .collect();
    if edits.is_empty() {
        return None;
    }
    let derived = splice(text, &edits, GUESS_MARGIN);
    tells(&derived.text.to_ascii_lowercase()).then_some(derived)
}

#[cfg(test)]
mod tests {
    use super::joint;

    #[test]
    fn only_what_adds_texts_is_a_joint() {
        for gap in [
            "\" + \"",
            "\"+\"",
            "' . '",
            " \" + \"",
            "\" +\n        \"",
            "\" \"",
            "\".\"",
            "\" \\\n  \"",
            ". \" + \"",
        ] {
            let found = joint(gap.as_bytes(), 0).and_then(|range| gap.get(range));
            assert!(
                found.is_some_and(|found| found.starts_with(['"', '\'']) && found.ends_with(['"', '\''])),
                "{gap}"
            );
        }
        for gap in [
            "\"\"", "\": \"", "\", \"", "\" + '", "' s", "\" = \"", "", " ", "\" - \"", "\" (\"", "\"]+[\"",
        ] {
            assert_eq!(joint(gap.as_bytes(), 0), None, "{gap}");
        }
    }
}
