//! Where the digits of a text stand, so that patterns that need some are not tried where there are too few.

use std::ops::Range;

use crate::Budget;

/// Digits that every match of a pattern has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DigitsNeeded {
    pub(crate) all: usize,
    /// In one row.
    pub(crate) in_a_row: usize,
}

/// The rows of digits in a text, in order.
#[derive(Debug, Default)]
pub(crate) struct Digits(Vec<Range<usize>>);

impl Digits {
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut rows = Vec::new();
        let mut at = 0_usize;
        while let Some(rest) = text.get(at..)
            && let Some(skip) = rest.iter().position(u8::is_ascii_digit)
        {
            let start = at.saturating_add(skip);
            let row = text.get(start..).unwrap_or_default();
            let len = row.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(row.len());
            at = start.saturating_add(len);
            rows.push(start..at);
        }
        Self(rows)
    }

    pub(crate) fn rows(&self) -> &[Range<usize>] {
        &self.0
    }

    /// Whether a part of the text has the digits that a match needs.
    pub(crate) fn suffice(&self, needed: DigitsNeeded, part: &Range<usize>, budget: &mut Budget) -> bool {
        if needed.all == 0 {
            return true;
        }
        let first = self.0.partition_point(|row| row.end <= part.start);
        let (mut all, mut longest, mut read) = (0_usize, 0, 0_usize);
        for row in self.0.iter().skip(first).take_while(|row| row.start < part.end) {
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
    use super::{Digits, DigitsNeeded};
    use crate::Budget;

    fn suffice(text: &str, all: usize, in_a_row: usize) -> bool {
        let needed = DigitsNeeded { all, in_a_row };
        Digits::of(text.as_bytes()).suffice(needed, &(1..text.len()), &mut Budget::unlimited())
    }

    #[test]
    fn rows_are_found_and_counted() {
        assert_eq!(Digits::of(b"12ab3").rows(), [0..2, 4..5]);
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
}
