//! Where the digits of a text stand, so that patterns that need some are not tried where there are too few.

use std::ops::Range;

use crate::Budget;
use crate::kinds::{Kinds, digit};

/// What is told apart without looking at rows.
const STRETCH: usize = 64;

/// Digits that every match of a pattern has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DigitsNeeded {
    pub(crate) all: usize,
    /// In one row.
    pub(crate) in_a_row: usize,
}

/// The rows of digits in a text, in order.
#[derive(Debug, Default)]
pub(crate) struct Digits {
    rows: Vec<Range<usize>>,
    /// For each so many bytes of the text, which row is the first that ends behind their first.
    firsts: Vec<usize>,
    /// Of the whole text.
    all: usize,
    longest: usize,
}

impl Digits {
    pub(crate) fn of(kinds: &Kinds) -> Self {
        let mut rows: Vec<Range<usize>> = Vec::new();
        kinds.each_run(digit, |_| 0, |row, _| rows.push(row));
        let stretches = rows.last().map_or(0, |row| row.end.div_ceil(STRETCH));
        let mut firsts = Vec::with_capacity(stretches);
        for (index, row) in rows.iter().enumerate() {
            firsts.resize(row.end.div_ceil(STRETCH), index);
        }
        Self {
            firsts,
            all: rows.iter().map(Range::len).fold(0, usize::saturating_add),
            longest: rows.iter().map(Range::len).max().unwrap_or(0),
            rows,
        }
    }

    pub(crate) fn rows(&self) -> &[Range<usize>] {
        &self.rows
    }

    /// Whether any part of the text can have the digits that a match needs.
    pub(crate) fn may_suffice(&self, needed: DigitsNeeded) -> bool {
        self.all >= needed.all && self.longest >= needed.in_a_row
    }

    /// Whether a part of the text has the digits that a match needs.
    pub(crate) fn suffice(&self, needed: DigitsNeeded, part: &Range<usize>, budget: &mut Budget) -> bool {
        if needed.all == 0 {
            return true;
        }
        let Some(first) = self.firsts.get(part.start / STRETCH) else {
            return false;
        };
        let near = self.rows.get(*first..).unwrap_or_default();
        let rows = near.iter().skip_while(|row| row.end <= part.start);
        let (mut all, mut longest, mut read) = (0_usize, 0, 0_usize);
        for row in rows.take_while(|row| row.start < part.end) {
            let len = row.end.min(part.end).saturating_sub(row.start.max(part.start));
            all = all.saturating_add(len);
            longest = longest.max(len);
            read = read.saturating_add(1);
            if all >= needed.all && longest >= needed.in_a_row {
                return true;
            }
        }
        budget.spend(read);
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Digits, DigitsNeeded};
    use crate::Budget;
    use crate::kinds::Kinds;

    fn suffice(text: &str, all: usize, in_a_row: usize) -> bool {
        let needed = DigitsNeeded { all, in_a_row };
        let digits = Digits::of(&Kinds::of(text.as_bytes()));
        let suffice = digits.suffice(needed, &(1..text.len()), &mut Budget::unlimited());
        assert!(digits.may_suffice(needed) || !suffice);
        suffice
    }

    #[test]
    fn rows_are_found_and_counted() {
        assert_eq!(Digits::of(&Kinds::of(b"12ab3")).rows(), [0..2, 4..5]);
        assert!(suffice("1 234 5", 4, 3));
        assert!(suffice("", 0, 0));
    }

    #[test]
    fn digits_outside_of_the_part_do_not_count() {
        assert!(!suffice("1234", 4, 1));
        assert!(suffice("1234", 3, 3));
    }

    #[test]
    fn short_rows_are_not_one_long_one() {
        assert!(!suffice(" 12 34", 4, 3));
        assert!(!suffice(" 123", 4, 3));
        assert!(!suffice("", 1, 1));
    }

    proptest! {
        #[test]
        fn digits_are_counted_in_any_part(
            text in "([a-z]{0,70}[0-9]{0,9}){0,9}",
            start in 0_usize..400,
            len in 0_usize..100,
            needed in (1_usize..12, 0_usize..6),
        ) {
            let digits = Digits::of(&Kinds::of(text.as_bytes()));
            let needed = DigitsNeeded { all: needed.0, in_a_row: needed.1 };
            let end = start.saturating_add(len).min(text.len());
            let part = text.get(start.min(end)..end).unwrap();
            let rows = part.split(|c: char| !c.is_ascii_digit()).map(str::len);
            let suffice = rows.clone().sum::<usize>() >= needed.all && rows.max().unwrap_or(0) >= needed.in_a_row;
            let part = start..start.saturating_add(len);
            prop_assert_eq!(digits.suffice(needed, &part, &mut Budget::unlimited()), suffice);
        }
    }
}
