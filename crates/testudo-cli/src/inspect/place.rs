//! Lines, columns and bytes of findings, in the text and in the file it came from.

use std::ops::Range;

use super::input::{Input, Part};

/// Line and column, in characters, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Turns offsets into points; cheap when they are asked for in ascending order.
#[derive(Debug)]
pub(super) struct Points<'t> {
    text: &'t str,
    offset: usize,
    point: Point,
}

impl<'t> Points<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let point = Point { line: 1, column: 1 };
        Self { text, offset: 0, point }
    }

    /// Where a byte stands; one inside a character stands where the character does.
    pub(super) fn at(&mut self, offset: usize) -> Point {
        let offset = self.text.floor_char_boundary(offset);
        if offset < self.offset {
            *self = Self::new(self.text);
        }
        let passed = self.text.get(self.offset..offset).unwrap_or_default();
        let breaks = passed.bytes().filter(|byte| *byte == b'\n').count();
        let after = passed.rsplit('\n').next().unwrap_or_default().chars().count();
        self.point = Point {
            line: self.point.line.saturating_add(breaks),
            column: if breaks == 0 { self.point.column } else { 1 }.saturating_add(after),
        };
        self.offset = offset;
        self.point
    }
}

/// Where something stands in its file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) from: Point,
    /// One past the last character.
    pub(super) to: Point,
    pub(super) offset: u64,
    pub(super) bytes: usize,
}

/// The file's view of an input.
#[derive(Debug)]
pub(super) struct Regions<'i> {
    input: &'i Input,
    raw: &'i str,
    points: Points<'i>,
}

impl<'i> Regions<'i> {
    pub(super) fn new(input: &'i Input) -> Self {
        let raw = match (&input.raw, input.parts.first()) {
            (Some(raw), _) => raw.as_str(),
            (None, Some(part)) => part.text.as_str(),
            (None, None) => "",
        };
        Self {
            input,
            raw,
            points: Points::new(raw),
        }
    }

    /// The region of a range of a part; of the whole input when there is no part.
    pub(super) fn of(&mut self, part: Option<&Part>, range: &Range<usize>) -> Region {
        let raw = match part {
            None if self.input.raw.is_none() => range.start.min(self.raw.len())..range.end.min(self.raw.len()),
            None => 0..self.raw.trim_end_matches(['\r', '\n']).len(),
            Some(part) => self.raw_range(part, range),
        };
        let from = self.points.at(raw.start);
        let to = self.points.at(raw.end);
        let first_line = self.input.place.line.saturating_sub(1);
        let in_file = |point: Point| Point {
            line: point.line.saturating_add(first_line),
            ..point
        };
        let start = u64::try_from(raw.start).unwrap_or(u64::MAX);
        Region {
            from: in_file(from),
            to: in_file(to),
            offset: self.input.place.offset.saturating_add(start),
            bytes: raw.len(),
        }
    }

    fn raw_range(&self, part: &Part, range: &Range<usize>) -> Range<usize> {
        let all = 0..self.raw.trim_end_matches(['\r', '\n']).len();
        match (&self.input.raw, part.literal) {
            (None, _) => range.clone(),
            (Some(_), None) => all,
            (Some(_), Some(literal)) if part.nested => literal.body(),
            (Some(raw), Some(literal)) => literal.raw_range(raw.as_bytes(), range.clone()).unwrap_or(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn at(text: &str, offset: usize) -> (usize, usize) {
        let Point { line, column } = Points::new(text).at(offset);
        (line, column)
    }

    #[test]
    fn places_count_characters() {
        let text = "a\nöb\n";
        assert_eq!(at(text, 0), (1, 1));
        assert_eq!(at(text, text.find('b').unwrap()), (2, 2));
        assert_eq!(at(text, text.len()), (3, 1));
        assert_eq!(at(text, 99), (3, 1));
        assert_eq!(at(text, 3), (2, 1), "inside ö");
    }

    proptest! {
        #[test]
        fn the_order_of_questions_does_not_matter(text in "[aö\n]{0,12}", offsets in proptest::collection::vec(0usize..20, 0..8)) {
            let mut points = Points::new(&text);
            for offset in &offsets {
                prop_assert_eq!(points.at(*offset), Points::new(&text).at(*offset));
            }
        }
    }
}
