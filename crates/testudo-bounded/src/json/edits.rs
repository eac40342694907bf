//! Byte ranges to replace, applied in one pass that leaves every other byte as it was.

use std::cmp::Reverse;
use std::ops::Range;

use super::literal::{StringLiteral, escape_into};

/// Replacements over one document's bytes.
///
/// An edit that lies inside the range of another is dropped: the outer one already replaces those
/// bytes. Insertions (empty ranges) at one place appear in the order in which they were added;
/// at the edge of a replaced range they are kept, before or after it.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    replacements: Vec<Replacement>,
}

/// Why edits cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Two edits share bytes and neither contains the other, or both replace the same bytes differently.
    #[error(
        "edits of bytes {}..{} and {}..{} contradict each other; merge them first",
        first.start, first.end, second.start, second.end
    )]
    Overlap { first: Range<usize>, second: Range<usize> },
    /// The edit lies outside the document, or ends before it starts.
    #[error("edit of bytes {}..{} is outside the {len} bytes of the document", range.start, range.end)]
    OutOfBounds { range: Range<usize>, len: usize },
    /// The range is no whole number of characters of the string's decoded text.
    #[error(
        "bytes {}..{} of the decoded string are not whole characters of it; end edits between characters",
        decoded.start, decoded.end
    )]
    NotInString { decoded: Range<usize> },
}

#[derive(Debug, Clone)]
struct Replacement {
    range: Range<usize>,
    bytes: Vec<u8>,
}

impl Edits {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `bytes` in the place of the absolute raw `range`; an empty range inserts.
    pub fn replace(&mut self, range: Range<usize>, bytes: impl Into<Vec<u8>>) {
        self.replacements.push(Replacement {
            range,
            bytes: bytes.into(),
        });
    }

    /// Puts `replacement`, escaped, in the place of the byte range `decoded` of the literal's
    /// decoded text. `bytes` is the document.
    ///
    /// # Errors
    /// The range is not a whole number of characters of the string; nothing was added.
    pub fn replace_in_string(
        &mut self,
        bytes: &[u8],
        literal: &StringLiteral,
        decoded: Range<usize>,
        replacement: &str,
    ) -> Result<(), EditError> {
        let Some(range) = literal.raw_range(bytes, decoded.clone()) else {
            return Err(EditError::NotInString { decoded });
        };
        self.replace(range, escaped(replacement));
        Ok(())
    }

    /// As [`Self::replace_in_string`] for many ranges in one pass over the literal. The ranges
    /// must be in ascending order and must not overlap.
    ///
    /// # Errors
    /// A range is out of order or not a whole number of characters; nothing was added.
    pub fn replace_many_in_string<'r>(
        &mut self,
        bytes: &[u8],
        literal: &StringLiteral,
        replacements: impl IntoIterator<Item = (Range<usize>, &'r str)>,
    ) -> Result<(), EditError> {
        let kept = self.replacements.len();
        let mut positions = literal.positions(bytes);
        for (decoded, replacement) in replacements {
            let start = positions.seek(decoded.start);
            let Some((start, end)) = start.and_then(|start| Some((start, positions.seek(decoded.end)?))) else {
                self.replacements.truncate(kept);
                return Err(EditError::NotInString { decoded });
            };
            self.replace(start..end, escaped(replacement));
        }
        Ok(())
    }

    /// Puts a new string, quotes and escapes added, in the place of the whole literal.
    pub fn replace_string(&mut self, literal: &StringLiteral, text: &str) {
        let mut quoted = Vec::with_capacity(text.len().saturating_add(2));
        quoted.push(b'"');
        escape_into(text, &mut quoted);
        quoted.push(b'"');
        self.replace(literal.range(), quoted);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replacements.is_empty()
    }

    /// How many edits were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.replacements.len()
    }

    /// The document with all edits made; bytes outside their ranges are those of `bytes`.
    ///
    /// # Errors
    /// Two edits contradict each other, or one lies outside `bytes`.
    pub fn apply(&self, bytes: &[u8]) -> Result<Vec<u8>, EditError> {
        let mut sorted: Vec<&Replacement> = self.replacements.iter().collect();
        // At one start: insertions first, then the longest range, so that outer comes before inner.
        sorted.sort_by_key(|edit| (edit.range.start, !edit.range.is_empty(), Reverse(edit.range.end)));
        let added: usize = sorted
            .iter()
            .fold(0, |sum: usize, edit| sum.saturating_add(edit.bytes.len()));
        let mut out = Vec::with_capacity(bytes.len().saturating_add(added));
        let mut done: usize = 0;
        let mut outer: Option<&Replacement> = None;
        for edit in sorted {
            let Range { start, end } = edit.range;
            let out_of_bounds = || EditError::OutOfBounds {
                range: edit.range.clone(),
                len: bytes.len(),
            };
            if start > end || end > bytes.len() {
                return Err(out_of_bounds());
            }
            if let Some(outer) = outer.filter(|outer| start < outer.range.end) {
                let same_place = edit.range == outer.range;
                if end > outer.range.end || (same_place && edit.bytes != outer.bytes) {
                    return Err(EditError::Overlap {
                        first: outer.range.clone(),
                        second: edit.range.clone(),
                    });
                }
                continue;
            }
            out.extend_from_slice(bytes.get(done..start).ok_or_else(out_of_bounds)?);
            out.extend_from_slice(&edit.bytes);
            done = end;
            if !edit.range.is_empty() {
                outer = Some(edit);
            }
        }
        out.extend_from_slice(bytes.get(done..).unwrap_or_default());
        Ok(out)
    }
}

fn escaped(text: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(text.len());
    escape_into(text, &mut body);
    body
}
