//! What the length of a text takes off its logits: the more windows it has, the higher the highest is by chance.

use serde::{Deserialize, Serialize};

/// How much longer than where its length begins to count a text can be before more makes no difference, so that nothing hides behind
/// ever more text.
const TIMES_MAX: f32 = 20.0;
/// No calibration takes off more: with [`TIMES_MAX`] three logits at most, less than what parts 50 from 85.
const PER_FOLD_MAX: f32 = 1.0;

/// From which length on a text of a channel loses some of its logits, and how much. Such slopes belong to the weights that gave
/// the logits, and are part of their calibration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Length {
    /// A text of no more windows keeps its logits.
    pub from_windows: u16,
    /// Logits that each e-fold of windows beyond takes off.
    pub per_fold: f32,
}

impl Length {
    /// Whether it takes off something, and no more than it may.
    pub(super) fn is_sound(&self) -> bool {
        // A comparison with a number that is none is false.
        self.from_windows > 0 && (0.0..=PER_FOLD_MAX).contains(&self.per_fold)
    }

    /// What to take off the logits of a text with so many windows.
    #[must_use]
    pub fn by_chance(&self, windows: usize) -> f32 {
        let windows = u16::try_from(windows).unwrap_or(u16::MAX);
        let times = f32::from(windows) / f32::from(self.from_windows);
        self.per_fold * times.clamp(1.0, TIMES_MAX).ln()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{Length, PER_FOLD_MAX};

    #[test]
    fn short_texts_keep_their_logits_and_long_ones_lose_no_more_than_so_much() {
        for (from_windows, per_fold) in [(20, 0.4), (150, 0.8), (1, PER_FOLD_MAX), (u16::MAX, 0.1)] {
            let length = Length { from_windows, per_fold };
            assert!(length.is_sound());
            let from = usize::from(from_windows);
            for windows in [0, 1, from] {
                assert!(length.by_chance(windows).abs() < 1e-6, "{length:?} {windows}");
            }
            let most = per_fold * 20_f32.ln();
            for windows in [from.saturating_mul(20), 70_000, usize::MAX] {
                assert!(length.by_chance(windows) < most + 1e-5, "{length:?} {windows}");
            }
            if from < 1000 {
                assert!((length.by_chance(usize::MAX) - most).abs() < 1e-5, "{length:?}");
            }
        }
    }

    #[test]
    fn slopes_out_of_range_are_not_sound() {
        for (from_windows, per_fold) in [(0, 0.4), (20, -0.1), (20, 1.01), (20, f32::NAN), (20, f32::INFINITY)] {
            let length = Length { from_windows, per_fold };
            assert!(!length.is_sound(), "{length:?}");
        }
    }

    proptest! {
        #[test]
        fn longer_texts_lose_more(windows in any::<u16>(), more in any::<u16>(), from_windows in 1..u16::MAX) {
            let length = Length { from_windows, per_fold: 0.4 };
            let (windows, more) = (usize::from(windows), usize::from(more));
            let (short, long) = (length.by_chance(windows), length.by_chance(windows.saturating_add(more)));
            prop_assert!(0.0 <= short && short <= long, "{short} {long}");
        }
    }
}
