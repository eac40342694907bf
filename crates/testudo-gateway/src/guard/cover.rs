//! From overlapping hits to edits that do not overlap, the same for every way the text arrived.

use std::ops::Range;

/// What an edit does with its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EditKind {
    /// Text is put between two bytes: a broken token, a mark. Gives way to whatever replaces the place.
    Insert,
    /// A placeholder of this exchange becomes the client's own value again.
    Restore,
    /// Text of a finding is replaced.
    Mask,
}

/// One replacement in the text of a span or channel; `range` is in bytes of the decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub range: Range<usize>,
    pub kind: EditKind,
    pub replacement: String,
    /// Decides between overlapping edits of one kind: the greater wins.
    pub weight: u8,
}

impl Edit {
    fn beats(&self, other: &Self) -> bool {
        let key = |edit: &Self| {
            (
                edit.kind,
                edit.range.len(),
                edit.weight,
                std::cmp::Reverse(edit.range.start),
            )
        };
        key(self) > key(other)
    }
}

/// Joins overlapping edits: the union of their ranges is replaced once, by the strongest of them.
///
/// A mask beats a restored placeholder, which beats an insertion, then the longer beats the shorter, then the
/// heavier the lighter, then the earlier the later. Equal input in any order gives equal output.
pub(crate) fn cover(mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by(|a, b| {
        (a.range.start, a.range.end, a.kind, a.weight, &a.replacement).cmp(&(
            b.range.start,
            b.range.end,
            b.kind,
            b.weight,
            &b.replacement,
        ))
    });
    let mut joined: Vec<(Range<usize>, Edit)> = Vec::with_capacity(edits.len());
    for edit in edits {
        match joined.last_mut() {
            Some((union, strongest)) if edit.range.start < union.end => {
                union.end = union.end.max(edit.range.end);
                if edit.beats(strongest) {
                    *strongest = edit;
                }
            }
            _ => joined.push((edit.range.clone(), edit)),
        }
    }
    joined
        .into_iter()
        .map(|(union, strongest)| Edit {
            range: union,
            ..strongest
        })
        .collect()
}

/// Moves `safe` down to the start of the first group of edits that more text could still join.
pub(crate) fn settle_point(edits: &[Edit], safe: usize) -> usize {
    let mut settled = safe;
    loop {
        let lower = edits
            .iter()
            .filter(|edit| edit.range.start < settled && settled < edit.range.end)
            .map(|edit| edit.range.start)
            .min();
        match lower {
            Some(start) => settled = start,
            None => return settled,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(text: &str, edits: &[Edit]) -> String {
        let mut out = text.to_owned();
        for edit in edits.iter().rev() {
            out.replace_range(edit.range.clone(), &edit.replacement);
        }
        out
    }

    fn edit(range: Range<usize>, kind: EditKind, replacement: &str) -> Edit {
        Edit {
            range,
            kind,
            replacement: replacement.into(),
            weight: 1,
        }
    }

    #[test]
    fn a_mask_beats_a_placeholder_inside_it() {
        let edits = cover(vec![
            edit(4..8, EditKind::Restore, "me@example.org"),
            edit(0..10, EditKind::Mask, "[REDACTED:URL]"),
        ]);
        assert_eq!(edits, vec![edit(0..10, EditKind::Mask, "[REDACTED:URL]")]);
    }

    #[test]
    fn touching_edits_stay_apart() {
        let edits = cover(vec![edit(3..6, EditKind::Mask, "b"), edit(0..3, EditKind::Mask, "a")]);
        assert_eq!(apply("xxxyyyzzz", &edits), "abzzz");
    }

    #[test]
    fn an_unsettled_group_is_held_from_its_first_byte() {
        let edits = vec![edit(2..6, EditKind::Mask, ""), edit(5..9, EditKind::Mask, "")];
        assert_eq!(settle_point(&edits, 7), 2);
        assert_eq!(settle_point(&edits, 9), 9);
    }

    proptest! {
        #[test]
        fn covers_never_overlap_and_ignore_order(
            mut raw in proptest::collection::vec((0usize..40, 1usize..12, 0u8..3, any::<bool>()), 0..12),
            seed in any::<usize>(),
        ) {
            let make = |raw: &[(usize, usize, u8, bool)]| cover(raw.iter().map(|(start, len, weight, mask)| Edit {
                range: *start..start.saturating_add(*len),
                kind: if *mask { EditKind::Mask } else { EditKind::Restore },
                replacement: format!("{start}-{len}-{weight}"),
                weight: *weight,
            }).collect());
            let first = make(&raw);
            let turn = raw.len().max(1);
            raw.rotate_left(seed.checked_rem(turn).unwrap());
            prop_assert_eq!(&first, &make(&raw));
            for pair in first.windows(2) {
                prop_assert!(pair[0].range.end <= pair[1].range.start);
            }
        }
    }
}
