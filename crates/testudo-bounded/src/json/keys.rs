//! Finds a key that an object holds twice, in bounded time whatever the keys.

use std::borrow::Cow;
use std::cmp::Ordering;

/// Up to so many keys are compared pair by pair; more are sorted.
const PAIRWISE_MAX: usize = 12;

/// One key of an object: its decoded text and where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) start: u32,
    /// The first bytes of the text, zeros after its end: orders most keys without following `text`.
    prefix: u64,
}

impl<'t> Key<'t> {
    pub(super) fn new(text: Cow<'t, str>, start: u32) -> Self {
        let bytes = text.as_bytes().iter().copied().chain(std::iter::repeat(0));
        let prefix = bytes.take(8).fold(0, |prefix, byte| prefix << 8 | u64::from(byte));
        Self { text, start, prefix }
    }

    /// Orders by text.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.prefix.cmp(&other.prefix).then_with(|| self.text.cmp(&other.text))
    }

    fn repeats(&self, earlier: &Self) -> bool {
        self.prefix == earlier.prefix && self.text == earlier.text
    }
}

/// The first key, in document order, whose text an earlier key already has.
///
/// `keys` comes in document order and leaves in any. At most `k log k` comparisons for `k` keys;
/// each is linear in the shorter key, so the sum stays near the object's own bytes times `log k`.
pub(super) fn first_duplicate<'k, 't>(keys: &'k mut [Key<'t>]) -> Option<&'k Key<'t>> {
    if keys.len() <= PAIRWISE_MAX {
        return first_duplicate_pairwise(keys);
    }
    first_duplicate_sorted(keys, Key::compare)
}

fn first_duplicate_pairwise<'k, 't>(keys: &'k [Key<'t>]) -> Option<&'k Key<'t>> {
    keys.iter()
        .enumerate()
        .find(|(at, key)| keys.iter().take(*at).any(|earlier| key.repeats(earlier)))
        .map(|(_, key)| key)
}

/// As [`first_duplicate`], by sorting with `compare`, which orders by text.
pub(super) fn first_duplicate_sorted<'k, 't>(
    keys: &'k mut [Key<'t>],
    mut compare: impl FnMut(&Key<'t>, &Key<'t>) -> Ordering,
) -> Option<&'k Key<'t>> {
    keys.sort_unstable_by(|left, right| compare(left, right).then_with(|| left.start.cmp(&right.start)));
    let repeated = keys.array_windows().filter(|[earlier, later]| later.repeats(earlier));
    repeated.map(|[_, later]| later).min_by_key(|later| later.start)
}
