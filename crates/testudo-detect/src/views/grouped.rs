//! Decodes runs that are written in groups: `SWdu b3Jl IGFs bCBw`, `6967 6e6f 7265`.

use std::ops::Range;

use super::encoded::{Decoded, RUN_MIN, decode_run, in_run};

/// Groups are at most so long; longer ones are runs of their own, and two digits are codes.
const GROUP_MAX: usize = 16;
/// What may stand between two groups.
const GAP_MAX: usize = 6;
/// Fewer groups are words.
const GROUPS_MIN: usize = 4;

/// Decodes groups that are equally long, with the same between them, one of which is a word of letters and digits.
///
/// Some group of every encoding is such a word, and ordinary text has few of them.
pub(super) fn decode_groups(text: &str, words: &[Range<usize>]) -> Vec<Decoded> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut end = 0;
    for word in words {
        let starts = bytes.get(word.start).is_some_and(u8::is_ascii_alphanumeric);
        if word.len() > GROUP_MAX || word.len() == 2 || word.start < end || !starts {
            continue;
        }
        let Some(row) = row(bytes, word).filter(|row| row.start >= end) else {
            continue;
        };
        end = row.end;
        let letters = row.letters(bytes);
        if letters.len() < RUN_MIN {
            continue;
        }
        let mut decoded = Vec::new();
        decode_run(&letters, 0, &mut decoded);
        // What only parts of the groups say stands at no place that is known.
        let whole = decoded
            .into_iter()
            .find(|decoded| decoded.edit.range.len() == letters.len());
        found.extend(whole.map(|mut decoded| {
            decoded.edit.range = row.start..row.end;
            decoded
        }));
    }
    found
}

/// Groups one behind another.
#[derive(Debug)]
struct Row {
    start: usize,
    end: usize,
    group: usize,
    step: usize,
}

impl Row {
    fn letters(&self, bytes: &[u8]) -> Vec<u8> {
        let groups = bytes.get(self.start..self.end).unwrap_or_default();
        let letters = groups
            .chunks(self.step.max(1))
            .flat_map(|group| group.iter().take(self.group));
        letters.copied().collect()
    }
}

/// The row that a word stands in as a group.
fn row(bytes: &[u8], word: &Range<usize>) -> Option<Row> {
    let (before, behind) = (bytes.get(..word.start)?, bytes.get(word.end..)?);
    let is_gap = |byte: &&u8| !byte.is_ascii_alphanumeric();
    let widest = GAP_MAX.saturating_add(1);
    let next = behind.iter().take(widest).take_while(is_gap).count();
    let last = before.iter().rev().take(widest).take_while(is_gap).count();
    let gaps = Gaps {
        bytes,
        group: word.len(),
    };
    gaps.row(word, word.end..word.end.saturating_add(next))
        .or_else(|| gaps.row(word, word.start.checked_sub(last)?..word.start))
}

/// Groups of one length in a text.
#[derive(Debug, Clone, Copy)]
struct Gaps<'b> {
    bytes: &'b [u8],
    group: usize,
}

impl Gaps<'_> {
    /// The row around a word with such gaps, when it is long enough.
    fn row(self, word: &Range<usize>, gap: Range<usize>) -> Option<Row> {
        let Self { bytes, group } = self;
        let between = bytes.get(gap).filter(|gap| (1..=GAP_MAX).contains(&gap.len()))?;
        let step = group.saturating_add(between.len());
        let (mut start, mut end) = (word.start, word.end);
        while let Some(before) = start.checked_sub(step)
            && self.is_group(before)
            && bytes.get(before.saturating_add(group)..start) == Some(between)
        {
            start = before;
        }
        let mut ended = false;
        while !ended && bytes.get(end..end.saturating_add(between.len())) == Some(between) {
            let next = end.saturating_add(between.len());
            let rest = bytes.get(next..).unwrap_or_default();
            let len = rest.iter().take(group).take_while(|byte| in_run(**byte)).count();
            // The last one may be shorter, or filled up.
            let whole = len == group;
            ended = !whole || rest.get(group.saturating_sub(1)) == Some(&b'=');
            if len == 0 || (!whole && rest.get(len).is_some_and(u8::is_ascii_alphanumeric)) {
                break;
            }
            end = next.saturating_add(len);
        }
        let long = end.saturating_sub(start) >= step.saturating_mul(GROUPS_MIN.saturating_sub(1));
        long.then_some(Row {
            start,
            end,
            group,
            step,
        })
    }

    fn is_group(self, from: usize) -> bool {
        let letters = self
            .bytes
            .get(from..from.saturating_add(self.group))
            .unwrap_or_default();
        letters.len() == self.group && letters.iter().all(|byte| in_run(*byte))
    }
}
