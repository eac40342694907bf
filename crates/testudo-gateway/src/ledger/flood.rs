//! Which exchanges without a valid key get an entry of their own, so that a flood of them cannot fill the disk.

use testudo_types::{Millis, UnixMillis};

/// Entries that may come at once.
const BURST: u64 = 64;
/// Time after which there may be one more.
const EACH_MS: u64 = 1_000;

/// A bucket that fills with time, and what it turned away.
#[derive(Debug)]
pub(super) struct Flood {
    /// How much time is in the bucket, in milliseconds.
    saved_ms: u64,
    seen: Millis,
    left: Option<Left>,
}

/// Exchanges without an entry of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) count: u64,
    pub(super) from: UnixMillis,
    pub(super) to: UnixMillis,
}

impl Flood {
    pub(super) fn new(now: Millis) -> Self {
        Self {
            saved_ms: BURST.saturating_mul(EACH_MS),
            seen: now,
            left: None,
        }
    }

    /// Whether one more exchange gets an entry; if not, it is counted.
    pub(super) fn admits(&mut self, now: Millis, wall: UnixMillis) -> bool {
        let full = BURST.saturating_mul(EACH_MS);
        self.saved_ms = self.saved_ms.saturating_add(now.since(self.seen)).min(full);
        self.seen = self.seen.max(now);
        if let Some(rest) = self.saved_ms.checked_sub(EACH_MS) {
            self.saved_ms = rest;
            return true;
        }
        let left = self.left.get_or_insert(Left {
            count: 0,
            from: wall,
            to: wall,
        });
        left.count = left.count.saturating_add(1);
        left.to = left.to.max(wall);
        false
    }

    /// What was turned away since the last call.
    pub(super) fn take(&mut self) -> Option<Left> {
        self.left.take()
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test may overflow: it then panics, which fails it"
)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_is_counted() {
        let mut flood = Flood::new(Millis(5));
        let admitted = (0..1000)
            .filter(|at| flood.admits(Millis(5), UnixMillis(100 + at)))
            .count();
        assert_eq!(admitted, 64);
        let left = Left {
            count: 936,
            from: UnixMillis(164),
            to: UnixMillis(1099),
        };
        assert_eq!(flood.take(), Some(left));
        assert_eq!(flood.take(), None);
        assert!(!flood.admits(Millis(1004), UnixMillis(9)));
        assert!(flood.admits(Millis(1005), UnixMillis(9)));
        assert!(!flood.admits(Millis(1005), UnixMillis(9)));
    }

    proptest! {
        #[test]
        fn never_more_than_the_rate_and_none_is_lost(steps in proptest::collection::vec(0u64..3000, 1..400)) {
            let mut flood = Flood::new(Millis(0));
            let (mut now, mut admitted, mut left) = (0, 0, 0);
            for step in &steps {
                now += step;
                admitted += u64::from(flood.admits(Millis(now), UnixMillis(now)));
                left += if step % 7 == 0 { flood.take().map_or(0, |it| it.count) } else { 0 };
            }
            left += flood.take().map_or(0, |it| it.count);
            prop_assert_eq!(admitted + left, u64::try_from(steps.len()).unwrap());
            prop_assert!(admitted <= BURST + now / EACH_MS);
        }
    }
}
