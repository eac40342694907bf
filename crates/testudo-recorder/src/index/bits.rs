//! Sets of entries inside one chunk: short lists of offsets, or one bit for each entry.

/// Entries in one chunk of the index; few in tests, so that some hundred entries fill several.
pub(crate) const CHUNK: u64 = if cfg!(test) { 1 << 8 } else { 1 << 15 };
const BLOCKS: usize = if cfg!(test) { 4 } else { 512 };
/// The length of a set with one bit for each entry; a list that reaches it becomes one.
const DENSE_BYTES: usize = BLOCKS * 8;

/// The chunk that holds an entry, and the entry's offset in it.
pub(crate) fn place(index: u64) -> (u64, u16) {
    let offset = u16::try_from(index % CHUNK).unwrap_or_default();
    (index / CHUNK, offset)
}

/// Which entries of one chunk have a value, as it is kept and grown by the writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Posting {
    /// Offsets, rising.
    Listed(Vec<u16>),
    Marked(Bits),
}

impl Posting {
    pub(crate) fn new() -> Self {
        Self::Listed(Vec::new())
    }

    /// Adds an entry after all that are in it; one that is in it already changes nothing.
    pub(crate) fn push(&mut self, offset: u16) {
        match self {
            Self::Marked(bits) => bits.set(offset),
            Self::Listed(offsets) => {
                if offsets.last() == Some(&offset) {
                    return;
                }
                offsets.push(offset);
                if offsets.len().saturating_mul(2) >= DENSE_BYTES {
                    *self = Self::Marked(Bits::of(offsets));
                }
            }
        }
    }

    /// The stored form: offsets of two bytes each, or 4,096 bytes with one bit for each entry.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Listed(offsets) => offsets.iter().flat_map(|it| it.to_le_bytes()).collect(),
            Self::Marked(bits) => bits.blocks.iter().flat_map(|it| it.to_le_bytes()).collect(),
        }
    }

    /// What the stored form says; nothing when it is no such form.
    pub(crate) fn decode(stored: &[u8]) -> Option<Self> {
        if stored.len() == DENSE_BYTES {
            return Some(Self::Marked(Bits::decode(stored)?));
        }
        let (pairs, rest) = stored.as_chunks::<2>();
        let offsets: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        // A list as long as a marked set would have been one.
        let sound = rest.is_empty()
            && stored.len() < DENSE_BYTES
            && offsets.is_sorted_by(|a, b| a < b)
            && offsets.iter().all(|it| u64::from(*it) < CHUNK);
        sound.then_some(Self::Listed(offsets))
    }
}

/// One bit for each entry of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits {
    blocks: Box<[u64; BLOCKS]>,
}

impl Bits {
    pub(crate) fn none() -> Self {
        Self {
            blocks: Box::new([0; BLOCKS]),
        }
    }

    pub(crate) fn of(offsets: &[u16]) -> Self {
        let mut bits = Self::none();
        for offset in offsets {
            bits.set(*offset);
        }
        bits
    }

    /// The offsets from `low` to before `high`.
    pub(crate) fn between(low: u64, high: u64) -> Self {
        let mut bits = Self::none();
        for (block, at) in bits.blocks.iter_mut().zip((0_u64..).step_by(64)) {
            *block = below(high.saturating_sub(at)) & !below(low.saturating_sub(at));
        }
        bits
    }

    pub(crate) fn decode(stored: &[u8]) -> Option<Self> {
        let (numbers, rest) = stored.as_chunks::<8>();
        let mut bits = Self::none();
        for (block, number) in bits.blocks.iter_mut().zip(numbers) {
            *block = u64::from_le_bytes(*number);
        }
        (rest.is_empty() && numbers.len() == BLOCKS).then_some(bits)
    }

    pub(crate) fn set(&mut self, offset: u16) {
        if let Some(block) = self.blocks.get_mut(usize::from(offset / 64)) {
            *block |= 1_u64 << (offset % 64);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.iter().all(|block| *block == 0)
    }

    pub(crate) fn keep(&mut self, posting: &Posting) {
        match posting {
            Posting::Marked(other) => self.keep_bits(other),
            Posting::Listed(offsets) => self.keep_bits(&Self::of(offsets)),
        }
    }

    fn keep_bits(&mut self, other: &Self) {
        for (block, other) in self.blocks.iter_mut().zip(other.blocks.iter()) {
            *block &= other;
        }
    }

    /// How many of these entries are in the posting too.
    pub(crate) fn count_in(&self, posting: &Posting) -> u64 {
        match posting {
            Posting::Marked(other) => {
                let pairs = self.blocks.iter().zip(other.blocks.iter());
                pairs.map(|(a, b)| u64::from((a & b).count_ones())).sum()
            }
            Posting::Listed(offsets) => {
                u64::try_from(offsets.iter().filter(|it| self.has(**it)).count()).unwrap_or(u64::MAX)
            }
        }
    }

    pub(crate) fn has(&self, offset: u16) -> bool {
        let block = self.blocks.get(usize::from(offset / 64)).copied().unwrap_or_default();
        block & (1_u64 << (offset % 64)) != 0
    }

    /// The offsets in the set, rising.
    pub(crate) fn offsets(&self) -> impl DoubleEndedIterator<Item = u64> {
        let blocks = (0_u64..).step_by(64).take(BLOCKS).zip(self.blocks.iter());
        let filled: Vec<(u64, u64)> = blocks.filter(|(_, it)| **it != 0).map(|(at, it)| (at, *it)).collect();
        filled.into_iter().flat_map(|(at, block)| {
            (0_u64..64)
                .filter(move |bit| block & (1_u64 << bit) != 0)
                .map(move |bit| at.saturating_add(bit))
        })
    }
}

/// A block in which the first `count` bits are set; all of them when there are fewer.
fn below(count: u64) -> u64 {
    if count >= 64 {
        u64::MAX
    } else {
        (1_u64 << count).wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn posting(offsets: &BTreeSet<u16>) -> Posting {
        let mut posting = Posting::new();
        for offset in offsets {
            posting.push(*offset);
            posting.push(*offset);
        }
        posting
    }

    proptest! {
        #[test]
        fn a_posting_says_what_was_put_in(
            a in proptest::collection::btree_set(0..256_u16, 0..256),
            b in proptest::collection::btree_set(0..256_u16, 0..256),
            low in 0..300_u64,
            high in 0..300_u64,
        ) {
            let (first, second) = (posting(&a), posting(&b));
            prop_assert_eq!(&Posting::decode(&first.encode()), &Some(first.clone()));
            let mut bits = Bits::between(low, high);
            bits.keep(&first);
            let wanted: Vec<u64> = a.iter().map(|it| u64::from(*it)).filter(|it| (low..high).contains(it)).collect();
            prop_assert_eq!(bits.offsets().collect::<Vec<_>>(), wanted.clone());
            prop_assert_eq!(bits.is_empty(), wanted.is_empty());
            let both = wanted.iter().filter(|it| b.contains(&u16::try_from(**it).unwrap())).count();
            prop_assert_eq!(bits.count_in(&second), u64::try_from(both).unwrap());
        }
    }

    #[test]
    fn other_bytes_are_no_posting() {
        let long = vec![0; DENSE_BYTES + 2];
        for stored in [&[1_u8][..], &[5, 0, 5, 0], &[5, 0, 4, 0], &[0, 1], &long] {
            assert_eq!(Posting::decode(stored), None, "{} bytes", stored.len());
        }
    }

    #[test]
    fn an_entry_has_a_place_in_a_chunk() {
        assert_eq!(place(0), (0, 0));
        assert_eq!(place(CHUNK - 1), (0, u16::try_from(CHUNK - 1).unwrap()));
        assert_eq!(place(CHUNK), (1, 0));
    }
}
