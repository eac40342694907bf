//! Maps places of a derived text back to the text that it was derived from.

use std::ops::Range;

/// Which bytes of an original text each byte of a derived text stands for.
///
/// Run-length: text that was copied and runs of characters that were all
/// replaced alike cost one entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpanMap {
    segments: Vec<Segment>,
    /// Length of the derived text.
    len: u32,
}

/// Units of equal size, of which each stands for as many bytes of the original as the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// Where it begins in the derived text; it ends where the next begins.
    at: u32,
    /// Where its first unit begins in the original.
    original: u32,
    /// Bytes of one unit in the derived text.
    unit: u32,
    /// Bytes of one unit in the original.
    unit_original: u32,
}

impl SpanMap {
    /// The map of a text onto itself.
    #[must_use]
    pub fn identity(len: usize) -> Self {
        let mut map = Self::default();
        map.push_copy(len, 0);
        map
    }

    /// Length of the derived text in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether the derived text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The smallest range of the original that holds all that `derived` stands for.
    ///
    /// A range beyond the derived text counts up to its end.
    #[must_use]
    pub fn original(&self, derived: Range<usize>) -> Range<usize> {
        let from = narrow(derived.start).min(self.len);
        let to = narrow(derived.end).min(self.len);
        if from >= to {
            let place = self.place(from);
            return place..place;
        }
        let first = self.index_of(from);
        let mut hull: Option<Range<u32>> = None;
        for index in first..self.segments.len() {
            let Some(segment) = self.segments.get(index).filter(|segment| segment.at < to) else {
                break;
            };
            let end = self.end_of(index).min(to);
            let units = segment.units(from.max(segment.at), end);
            if units.is_empty() {
                continue;
            }
            hull = Some(match hull {
                None => units,
                Some(known) => known.start.min(units.start)..known.end.max(units.end),
            });
        }
        match hull {
            Some(hull) => hull.start as usize..hull.end as usize,
            None => {
                let place = self.place(from);
                place..place
            }
        }
    }

    /// Appends `len` bytes that were copied from `original` on.
    pub(crate) fn push_copy(&mut self, len: usize, original: usize) {
        if len == 0 {
            return;
        }
        self.push_unit(1, original, 1);
        self.len = self.len.saturating_sub(1).saturating_add(narrow(len));
    }

    /// Appends `len` bytes that stand for the `original` range together.
    pub(crate) fn push_block(&mut self, len: usize, original: Range<usize>) {
        if len > 0 {
            let bytes = original.end.saturating_sub(original.start);
            self.push_unit(narrow(len), original.start, narrow(bytes));
        }
    }

    fn push_unit(&mut self, unit: u32, original: usize, unit_original: u32) {
        let original = narrow(original);
        let continues = self.segments.last().is_some_and(|last| {
            last.unit == unit && last.unit_original == unit_original && last.original_at(self.len) == original
        });
        if !continues {
            self.segments.push(Segment {
                at: self.len,
                original,
                unit,
                unit_original,
            });
        }
        self.len = self.len.saturating_add(unit);
    }

    /// The map of this derived text onto what `inner` maps its original to.
    #[must_use]
    pub fn through(&self, inner: &Self) -> Self {
        let mut map = Self::default();
        for (index, segment) in self.segments.iter().enumerate() {
            let end = self.end_of(index);
            if segment.unit == 1 && segment.unit_original == 1 {
                let from = segment.original;
                inner.copy_into(&mut map, from..from.saturating_add(end.saturating_sub(segment.at)));
                continue;
            }
            let mut at = segment.at;
            while at < end {
                let next = at.saturating_add(segment.unit).min(end);
                let units = segment.units(at, next);
                let original = inner.original(units.start as usize..units.end as usize);
                map.push_block(next.saturating_sub(at) as usize, original);
                at = next;
            }
        }
        map
    }

    /// Appends to `map` what this map says about a part of its derived text.
    fn copy_into(&self, map: &mut Self, part: Range<u32>) {
        let first = self.index_of(part.start);
        for index in first..self.segments.len() {
            let Some(segment) = self.segments.get(index).filter(|segment| segment.at < part.end) else {
                break;
            };
            let mut at = part.start.max(segment.at);
            let end = self.end_of(index).min(part.end);
            if segment.unit == 1 && segment.unit_original == 1 {
                map.push_copy(end.saturating_sub(at) as usize, segment.original_at(at) as usize);
                continue;
            }
            while at < end {
                let inside = at.saturating_sub(segment.at).checked_rem(segment.unit).unwrap_or(0);
                let next = at.saturating_add(segment.unit).saturating_sub(inside).min(end);
                let units = segment.units(at, next);
                map.push_block(
                    next.saturating_sub(at) as usize,
                    units.start as usize..units.end as usize,
                );
                at = next.max(at.saturating_add(1));
            }
        }
    }

    /// How far the original has been read when the derived text before `derived` is known; for maps that keep the order.
    pub(crate) fn place_of(&self, derived: usize) -> usize {
        self.place(narrow(derived).min(self.len))
    }

    /// Drops the entries of the derived text before `derived`; its offsets stay as they are.
    pub(crate) fn forget_before(&mut self, derived: usize) {
        let keep = self.index_of(narrow(derived));
        self.segments.drain(..keep);
    }

    fn place(&self, at: u32) -> usize {
        let index = self.index_of(at);
        let place = self.segments.get(index).map_or(0, |segment| {
            if at >= self.len && self.len > segment.at {
                segment.units(segment.at, self.len).end
            } else {
                segment.original_at(at)
            }
        });
        place as usize
    }

    /// The segment that holds an offset, or the last.
    fn index_of(&self, at: u32) -> usize {
        self.segments
            .partition_point(|segment| segment.at <= at)
            .saturating_sub(1)
    }

    fn end_of(&self, index: usize) -> u32 {
        let next = self.segments.get(index.saturating_add(1));
        next.map_or(self.len, |next| next.at)
    }
}

impl Segment {
    /// Where the unit that holds an offset begins in the original.
    fn original_at(&self, at: u32) -> u32 {
        let unit = at.saturating_sub(self.at).checked_div(self.unit).unwrap_or(0);
        self.original.saturating_add(unit.saturating_mul(self.unit_original))
    }

    /// What a part that is not empty stands for.
    fn units(&self, from: u32, to: u32) -> Range<u32> {
        let last = self.original_at(to.saturating_sub(1));
        self.original_at(from)..last.saturating_add(self.unit_original)
    }
}

/// Offsets are 32 bits: no text that is scanned has 4 GiB.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
