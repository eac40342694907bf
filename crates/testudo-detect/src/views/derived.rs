//! A text under construction and where each part of it came from.

use std::borrow::Cow;
use std::ops::Range;

use super::SpanMap;
use crate::Hit;

/// Text that is derived from another, piece by piece in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Derived {
    pub(super) text: String,
    pub(super) spans: SpanMap,
    /// Whether anything differs from the original.
    pub(super) changed: bool,
    /// Where the last change ended, in the derived text.
    pub(super) changed_to: usize,
}

impl Derived {
    /// Goes on at `original` with a text that was the same until there.
    pub(super) fn from(original: usize) -> Self {
        Self {
            spans: SpanMap::identity(original),
            ..Self::default()
        }
    }

    /// Copies text that stands at `original` in the original.
    pub(super) fn copy(&mut self, text: &str, original: usize) {
        self.text.push_str(text);
        self.spans.push_copy(text.len(), original);
    }

    /// Copies one character.
    pub(super) fn copy_char(&mut self, c: char, original: usize) {
        self.text.push(c);
        self.spans.push_copy(c.len_utf8(), original);
    }

    /// Puts `text` in the place of `original`.
    pub(super) fn replace(&mut self, text: &str, original: Range<usize>) {
        self.text.push_str(text);
        self.spans.push_block(text.len(), original);
        self.drop_one();
    }

    /// Puts one character in the place of `original`.
    pub(super) fn replace_char(&mut self, c: char, original: Range<usize>) {
        self.text.push(c);
        self.spans.push_block(c.len_utf8(), original);
        self.drop_one();
    }

    /// Leaves something out.
    pub(super) fn drop_one(&mut self) {
        self.changed = true;
        self.changed_to = self.spans.len();
    }

    /// Parts two places that do not stand together in the original.
    pub(super) fn part(&mut self, original: usize) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
            self.spans.push_block(1, original..original);
        }
    }
}

impl Derived {
    /// Appends `found` in the derived text at its places in the original.
    pub(super) fn place(&self, found: &[Hit], hits: &mut Vec<Hit>) {
        hits.extend(found.iter().filter_map(|hit| {
            let range = self.spans.original(hit.start..hit.end);
            (range.start < range.end).then_some(Hit {
                start: range.start,
                end: range.end,
                ..*hit
            })
        }));
    }
}

/// A part of a text and what stands in its place in a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) text: Cow<'static, str>,
}

/// The neighbourhoods of `edits`, with the edits made: `margin` bytes of the text stay on each side.
///
/// `edits` are in order and do not overlap.
pub(super) fn splice(text: &str, edits: &[Edit], margin: usize) -> Derived {
    let mut out = Derived::default();
    let mut copied = 0;
    for (index, edit) in edits.iter().enumerate() {
        let from = text.ceil_char_boundary(edit.range.start.saturating_sub(margin));
        if from > copied || index == 0 {
            out.part(from);
            copied = from.min(edit.range.start);
        }
        if let Some(between) = text.get(copied..edit.range.start) {
            out.copy(between, copied);
        }
        out.replace(&edit.text, edit.range.clone());
        copied = edit.range.end;
        let next = edits
            .get(index.saturating_add(1))
            .map_or(text.len(), |next| next.range.start);
        let to = text.floor_char_boundary(copied.saturating_add(margin).min(next));
        if let Some(behind) = text.get(copied..to) {
            out.copy(behind, copied);
            copied = to;
        }
    }
    out
}
