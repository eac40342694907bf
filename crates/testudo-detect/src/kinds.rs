//! Which bytes of a text are of which kind, worked out in one pass: a bit for each byte.
//!
//! What looks for runs, words and signs reads 64 bytes at a time in them.

use std::ops::Range;

/// Sixty-four bytes of a text: for each kind the bytes that are of it, the first in the lowest bit.
pub(crate) type Block = [u64; KINDS];

const KINDS: usize = 8;
const BLOCK_BYTES: usize = 64;

// Bits 0 and 1 together tell letters, digits, some signs and all others apart; so do bit 6 and bits 2 and 3.

/// Letters of ASCII.
pub(crate) fn letter(block: &Block) -> u64 {
    block[0] & !block[1]
}

/// Digits of ASCII.
pub(crate) fn digit(block: &Block) -> u64 {
    block[0] & block[1]
}

/// Letters and digits of ASCII.
pub(crate) fn alphanumeric(block: &Block) -> u64 {
    block[0]
}

/// Letters of ASCII, and what is beyond ASCII.
pub(crate) fn letter_or_wide(block: &Block) -> u64 {
    letter(block) | block[7]
}

/// What base64, base32 and hexadecimal digits are written with.
pub(crate) fn encoding(block: &Block) -> u64 {
    block[0] | block[3]
}

/// Letters and digits of ASCII, and signs that pass for letters.
pub(crate) fn word(block: &Block) -> u64 {
    block[0] | block[2] & !block[6]
}

/// What shows in ASCII, without the space.
pub(crate) fn graphic(block: &Block) -> u64 {
    block[4]
}

/// What Morse is written with.
pub(crate) fn morse(block: &Block) -> u64 {
    block[5]
}

/// What escapes begin with: `%`, `&`, `\`.
pub(crate) fn escape(block: &Block) -> u64 {
    block[6] & !block[3] & !block[2]
}

/// Quotation marks of ASCII.
pub(crate) fn quote(block: &Block) -> u64 {
    block[6] & block[2]
}

/// The sign `=`.
pub(crate) fn equals(block: &Block) -> u64 {
    block[6] & block[3]
}

/// Beyond ASCII.
pub(crate) fn wide(block: &Block) -> u64 {
    block[7]
}

/// What glues words together: `*`, `~`, `\`, `+`, `/`, `-`, `_`, `=`, `.`, `|`, and what is beyond ASCII.
pub(crate) fn glue(block: &Block) -> u64 {
    let stroke = block[1] & !block[0];
    stroke | block[3] | block[5] & block[4] | block[7]
}

/// By byte, the lowest bit of the byte for each of its kinds.
const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut rest: &mut [u64] = &mut table;
    let mut byte = 0_u8;
    while let Some((slot, tail)) = rest.split_first_mut() {
        let kinds = [
            byte.is_ascii_alphanumeric(),
            byte.is_ascii_digit() || matches!(byte, b'*' | b'~' | b'\\'),
            matches!(byte, b'@' | b'$' | b'!' | b'|' | b'+' | b'"' | b'\''),
            matches!(byte, b'+' | b'/' | b'-' | b'_' | b'='),
            byte.is_ascii_graphic(),
            matches!(byte, b'.' | b'-' | b'/' | b'|' | b' ' | b'\n' | b'_'),
            matches!(byte, b'%' | b'&' | b'\\' | b'=' | b'"' | b'\''),
            !byte.is_ascii(),
        ];
        let mut all: &[bool] = &kinds;
        let mut bit = 1_u64;
        while let Some((is, more)) = all.split_first() {
            if *is {
                *slot |= bit;
            }
            bit = bit.wrapping_shl(8);
            all = more;
        }
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    table
};

/// The kinds of all bytes of a text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kinds {
    blocks: Vec<Block>,
    len: usize,
}

impl Kinds {
    pub(crate) fn of(text: &[u8]) -> Self {
        let (whole, rest) = text.as_chunks::<BLOCK_BYTES>();
        let mut blocks = Vec::with_capacity(whole.len().saturating_add(1));
        blocks.extend(whole.iter().map(block_of));
        if !rest.is_empty() {
            // Zero is of no kind.
            let mut last = [0; BLOCK_BYTES];
            for (slot, byte) in last.iter_mut().zip(rest) {
                *slot = *byte;
            }
            blocks.push(block_of(&last));
        }
        Self {
            blocks,
            len: text.len(),
        }
    }

    /// Whether any byte is of a kind.
    pub(crate) fn any(&self, kind: impl Fn(&Block) -> u64) -> bool {
        self.blocks.iter().any(|block| kind(block) != 0)
    }

    /// Where each run of bytes of a kind ends and a stretch of others begins, block by block, and which of these ends
    /// are of another kind.
    pub(crate) fn ends(
        &self,
        kind: impl Fn(&Block) -> u64,
        told: impl Fn(&Block) -> u64,
    ) -> impl Iterator<Item = (u64, u64)> {
        let mut before = 0;
        self.blocks.iter().map(move |block| {
            let bits = kind(block);
            let ends = (bits << 1 | before) & !bits;
            before = bits >> 63;
            (ends, ends & told(block))
        })
    }

    /// How many bytes of a range are of a kind.
    pub(crate) fn count(&self, range: &Range<usize>, kind: impl Fn(&Block) -> u64) -> usize {
        let mut count = 0_usize;
        let mut base = range.start.wrapping_sub(range.start % BLOCK_BYTES);
        for block in self.blocks.get(range.start / BLOCK_BYTES..).unwrap_or_default() {
            if base >= range.end {
                break;
            }
            let ends = range.end.saturating_sub(base);
            let bits = kind(block) & from_bit(range.start.saturating_sub(base)) & !from_bit(ends);
            count = count.wrapping_add(bits.count_ones() as usize);
            base = base.wrapping_add(BLOCK_BYTES);
        }
        count
    }

    /// The next byte of a kind at or behind `from`.
    pub(crate) fn next(&self, from: usize, kind: impl Fn(&Block) -> u64) -> Option<usize> {
        let mut base = from.wrapping_sub(from % BLOCK_BYTES);
        let mut keep = from_bit(from % BLOCK_BYTES);
        for block in self.blocks.get(from / BLOCK_BYTES..)? {
            let bits = kind(block) & keep;
            if bits != 0 {
                return Some(base.wrapping_add(bits.trailing_zeros() as usize));
            }
            base = base.wrapping_add(BLOCK_BYTES);
            keep = u64::MAX;
        }
        None
    }

    /// Where the bytes of a kind that stand at `from` end.
    pub(crate) fn end(&self, from: usize, kind: impl Fn(&Block) -> u64) -> usize {
        self.next(from, |block| !kind(block)).unwrap_or(self.len).min(self.len)
    }

    /// The next run of at least `min` bytes of a kind, at or behind `from`; `min` is at most 64.
    pub(crate) fn next_run(
        &self,
        from: usize,
        min: usize,
        kind: impl Fn(&Block) -> u64 + Copy,
    ) -> Option<Range<usize>> {
        let mut base = from.wrapping_sub(from % BLOCK_BYTES);
        let mut keep = from_bit(from % BLOCK_BYTES);
        let mut blocks = self.blocks.get(from / BLOCK_BYTES..)?.iter().peekable();
        while let Some(block) = blocks.next() {
            let bits = kind(block) & keep;
            if bits != 0 {
                let behind = blocks.peek().map_or(0, |next| kind(next));
                let starts = starts(bits, behind, min);
                if starts != 0 {
                    let start = base.wrapping_add(starts.trailing_zeros() as usize);
                    return Some(start..self.end(start, kind));
                }
            }
            base = base.wrapping_add(BLOCK_BYTES);
            keep = u64::MAX;
        }
        None
    }

    /// Each byte of a kind.
    #[inline]
    pub(crate) fn each(&self, kind: impl Fn(&Block) -> u64, mut take: impl FnMut(usize)) {
        let mut base = 0_usize;
        for block in &self.blocks {
            let mut bits = kind(block);
            while bits != 0 {
                take(base.wrapping_add(bits.trailing_zeros() as usize));
                bits &= bits.wrapping_sub(1);
            }
            base = base.wrapping_add(BLOCK_BYTES);
        }
    }

    /// All runs of bytes of a kind, each with the number of those in it that are of another kind.
    #[inline]
    pub(crate) fn each_run(
        &self,
        kind: impl Fn(&Block) -> u64,
        counted: impl Fn(&Block) -> u64,
        mut take: impl FnMut(Range<usize>, usize),
    ) {
        let mut base = 0_usize;
        // Where the run that is read begins, and what was counted in it in the blocks before.
        let (mut start, mut before) = (0_usize, 0_usize);
        let mut goes_on = 0;
        // A block of nothing ends a run at the end of the text.
        for block in self.blocks.iter().chain([&[0; KINDS]]) {
            let bits = kind(block);
            let counted = counted(block) & bits;
            let behind = bits << 1 | goes_on;
            let (mut starts, mut ends) = (bits & !behind, behind & !bits);
            if goes_on == 0 {
                start = base.wrapping_add(starts.trailing_zeros() as usize);
                starts &= starts.wrapping_sub(1);
            }
            goes_on = bits >> 63;
            while ends != 0 {
                let end = base.wrapping_add(ends.trailing_zeros() as usize);
                let count = if counted == 0 && before == 0 {
                    0
                } else {
                    let from = from_bit(start.saturating_sub(base));
                    let within = counted & from & !from_bit(end.wrapping_sub(base));
                    before.wrapping_add(within.count_ones() as usize)
                };
                before = 0;
                take(start..end, count);
                start = base.wrapping_add(starts.trailing_zeros() as usize);
                ends &= ends.wrapping_sub(1);
                starts &= starts.wrapping_sub(1);
            }
            if goes_on != 0 && counted != 0 {
                let within = counted & from_bit(start.saturating_sub(base));
                before = before.wrapping_add(within.count_ones() as usize);
            }
            base = base.wrapping_add(BLOCK_BYTES);
        }
    }

    /// All runs of at least `min` bytes of a kind.
    pub(crate) fn runs(&self, min: usize, kind: impl Fn(&Block) -> u64 + Copy) -> impl Iterator<Item = Range<usize>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let run = self.next_run(at, min, kind)?;
            at = run.end;
            Some(run)
        })
    }
}

/// The bits from one on; none from the 64th.
fn from_bit(bit: usize) -> u64 {
    u32::try_from(bit)
        .ok()
        .and_then(|bit| u64::MAX.checked_shl(bit))
        .unwrap_or(0)
}

/// The bits of the first word from which `min` bits are set in a row.
fn starts(bits: u64, behind: u64, min: usize) -> u64 {
    if min <= 1 {
        return bits;
    }
    if min >= WITH_EIGHT && !holds_eight(bits, behind) {
        return 0;
    }
    let mut all = u128::from(behind) << 64 | u128::from(bits);
    let mut known = 1_usize;
    while known < min {
        let step = known.min(min.wrapping_sub(known));
        all &= all.wrapping_shr(u32::try_from(step).unwrap_or(0));
        known = known.wrapping_add(step);
    }
    u64::try_from(all & u128::from(u64::MAX)).unwrap_or(0)
}

/// Runs that are so long hold eight bits that begin at a multiple of eight.
const WITH_EIGHT: usize = 15;

/// Whether some eight bits from a multiple of eight are set in the first word, or behind its last bit, if that is set.
fn holds_eight(bits: u64, behind: u64) -> bool {
    const LOWEST: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = u64::from_le_bytes([0x80; 8]);
    let inside = (!bits).wrapping_sub(LOWEST) & bits & HIGHEST;
    inside != 0 || bits >> 63 & u64::from(behind & 0xFF == 0xFF) != 0
}

fn block_of(bytes: &[u8; BLOCK_BYTES]) -> Block {
    let mut rows = [[0_u8; 8]; KINDS];
    let (eights, _) = bytes.as_chunks::<8>();
    for (place, eight) in eights.iter().enumerate() {
        let masks = eight.iter().zip(0..).fold(0_u64, |masks, (byte, bit)| {
            let kinds = TABLE.get(usize::from(*byte)).copied().unwrap_or(0);
            masks | kinds.wrapping_shl(bit)
        });
        for (row, mask) in rows.iter_mut().zip(masks.to_le_bytes()) {
            if let Some(slot) = row.get_mut(place) {
                *slot = mask;
            }
        }
    }
    rows.map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_are_found_across_blocks() {
        let text = format!("{} {} {}", "a".repeat(60), "b".repeat(7), "c".repeat(130));
        let kinds = Kinds::of(text.as_bytes());
        assert_eq!(kinds.runs(8, letter).collect::<Vec<_>>(), [0..60, 69..199]);
        assert_eq!(kinds.runs(1, letter).collect::<Vec<_>>(), [0..60, 61..68, 69..199]);
        assert_eq!(kinds.next_run(75, 64, letter), Some(75..199));
        assert_eq!(kinds.next_run(140, 60, letter), None);
        assert_eq!(kinds.next(60, letter), Some(61));
        assert_eq!(kinds.end(3, letter), 60);
        assert_eq!(kinds.end(60, letter), 60);
        assert_eq!(kinds.count(&(55..65), letter), 9);
        assert_eq!(Kinds::of(b"").next_run(0, 1, letter), None);
    }

    proptest! {
        #[test]
        fn what_the_bits_say_is_what_the_bytes_are(
            text in "[aZ09@+/=%&\"'.é*~\\\\|\\-_ \n\u{0}]{0,20}[a0]{0,70}[aZ09 ]{0,20}[a+]{0,140}[.é ]{0,9}",
            from in 0_usize..300,
            min in prop::sample::select(vec![1_usize, 2, 8, 14, 15, 16, 20, 64]),
        ) {
            let bytes = text.as_bytes();
            let kinds = Kinds::of(bytes);
            type Of = (fn(&Block) -> u64, fn(u8) -> bool);
            let all: [Of; 10] = [
                (letter, |byte| byte.is_ascii_alphabetic()),
                (alphanumeric, |byte| byte.is_ascii_alphanumeric()),
                (letter_or_wide, |byte| byte.is_ascii_alphabetic() || !byte.is_ascii()),
                (encoding, |byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte)),
                (wide, |byte| !byte.is_ascii()),
                (word, |byte| byte.is_ascii_alphanumeric() || b"@$!|+".contains(&byte)),
                (escape, |byte| b"%&\\".contains(&byte)),
                (equals, |byte| byte == b'='),
                (quote, |byte| b"\"'".contains(&byte)),
                (glue, |byte| b"*~\\+/-_=.|".contains(&byte) || !byte.is_ascii()),
            ];
            for (kind, is) in all {
                let next = (from..bytes.len()).find(|at| is(bytes[*at]));
                prop_assert_eq!(kinds.next(from, kind), next);
                prop_assert_eq!(kinds.any(kind), bytes.iter().any(|byte| is(*byte)));
                let end = |at: usize| (at..bytes.len()).find(|at| !is(bytes[*at])).unwrap_or(bytes.len());
                let starts = |at: &usize| is(bytes[*at]) && (*at == from || !is(bytes[at.wrapping_sub(1)]));
                let run = (from..bytes.len()).filter(starts).map(|at| at..end(at)).find(|run| run.len() >= min);
                prop_assert_eq!(kinds.next_run(from, min, kind), run);
                let to = from.saturating_add(min).min(bytes.len());
                let counted = bytes.get(from..to).unwrap_or_default().iter().filter(|byte| is(**byte)).count();
                prop_assert_eq!(kinds.count(&(from..to), kind), counted);
                let mut each = Vec::new();
                kinds.each_run(kind, digit, |run, count| each.push((run, count)));
                let digits = |run: &Range<usize>| bytes[run.clone()].iter().filter(|byte| byte.is_ascii_digit()).count();
                let runs = kinds.runs(1, kind).map(|run| (run.clone(), digits(&run)));
                prop_assert_eq!(each, runs.collect::<Vec<_>>());
            }
        }
    }
}
