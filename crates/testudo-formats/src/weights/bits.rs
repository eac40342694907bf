//! The lowest bits of mantissas: whether they are used, and whether they look as training leaves them.
//!
//! What training leaves in the last bits of a float is noise: each of the 2^b patterns of the lowest b bits is as likely
//! as any other. The entropy of N observed patterns is then a little below b bits: 2 N ln 2 (b − H) is the statistic of
//! the G-test for that (Sokal and Rohlf, *Biometry*; its expectation is the Miller–Madow bias) and follows the χ²
//! distribution with 2^b − 1 degrees of freedom, whose quantile is taken from Wilson and Hilferty's cube (1931). A plain
//! program or text that was put in the place of low bytes (EvilModel, Wang et al. 2021) has far less entropy, and
//! weights that were widened from a shorter type have no low bits at all, but where somebody put something. What is
//! encrypted or packed before it is hidden looks like noise and is not seen here; nor are other reasons for uneven bits
//! an attack: rounding, pruning, quantisation, rows that were never trained.

use super::Kind;
use super::element::{Mantissa, wide};

/// Values of a window.
const WINDOW: u64 = 4096;
/// Fewer values for each pattern say nothing.
const EACH_MIN: u64 = 8;
/// Standard deviations that are still usual: one window of a billion is beyond.
const SIGMAS: f64 = 6.0;
/// Bits by which a whole tensor may fall short: densities have a slope, which counts where there are many values.
const SLOPE_BITS: f64 = 0.001;

/// The lowest bits of all finite values that are not zero.
#[derive(Debug, Clone, PartialEq)]
pub struct LowBits {
    /// How many bits of each mantissa are looked at.
    pub width: u32,
    /// Values that were.
    pub count: u64,
    /// Entropy of their patterns, in bits.
    pub entropy: f64,
    /// From here to `width` it is as training leaves it; nothing for too few values.
    pub expected_min: Option<f64>,
    /// Lowest bits of the mantissa that are 0 in all of them: 16 of 23 say that `f32` was widened from `bf16`, 13 from
    /// `f16`; 29 of 52 say that `f64` was widened from `f32`.
    pub unused: u32,
    pub windows: Windows,
}

/// Runs of 4,096 values, by what their lowest bits look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Windows {
    /// As noise.
    pub even: u64,
    /// As no noise.
    pub uneven: u64,
    /// All 0.
    pub silent: u64,
    /// Where the first window begins that looks otherwise than the one before it, in values.
    pub first_change: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Even,
    Uneven,
    Silent,
}

/// Counts while they grow.
pub(super) struct Bits {
    kind: Kind,
    mantissa: Mantissa,
    all: Vec<u64>,
    window: Vec<u64>,
    in_window: u64,
    /// Values passed, those of no interest too.
    passed: u64,
    window_at: u64,
    used: u64,
    windows: Windows,
    last: Option<Look>,
}

impl Bits {
    pub(super) fn new(kind: Kind) -> Option<Self> {
        let mantissa = kind.mantissa()?;
        let patterns = 1_usize.checked_shl(mantissa.low)?;
        Some(Self {
            kind,
            mantissa,
            all: vec![0; patterns],
            window: vec![0; patterns],
            in_window: 0,
            passed: 0,
            window_at: 0,
            used: 0,
            windows: Windows::default(),
            last: None,
        })
    }

    pub(super) fn add(&mut self, patterns: &[u64]) {
        let exponent = self.kind.exponent_mask();
        let ones = !(u64::MAX << self.mantissa.bits);
        let low = !(u64::MAX << self.mantissa.low);
        for bits in patterns {
            self.passed = self.passed.saturating_add(1);
            if bits & exponent == exponent || bits & (exponent | ones) == 0 {
                continue;
            }
            self.used |= bits & ones;
            if let Some(count) = usize::try_from(bits & low).ok().and_then(|at| self.window.get_mut(at)) {
                *count = count.saturating_add(1);
            }
            self.in_window = self.in_window.saturating_add(1);
            if self.in_window == WINDOW {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        let patterns = self.patterns();
        if self.in_window >= patterns.saturating_mul(EACH_MIN) {
            let look = if self.window.first() == Some(&self.in_window) {
                Look::Silent
            } else if entropy(&self.window, self.in_window) >= usual(self.mantissa.low, self.in_window) {
                Look::Even
            } else {
                Look::Uneven
            };
            let count = match look {
                Look::Even => &mut self.windows.even,
                Look::Uneven => &mut self.windows.uneven,
                Look::Silent => &mut self.windows.silent,
            };
            *count = count.saturating_add(1);
            if self.last.is_some_and(|last| last != look) {
                self.windows.first_change.get_or_insert(self.window_at);
            }
            self.last = Some(look);
        }
        for (all, count) in self.all.iter_mut().zip(&mut self.window) {
            *all = all.saturating_add(*count);
            *count = 0;
        }
        self.in_window = 0;
        self.window_at = self.passed;
    }

    fn patterns(&self) -> u64 {
        u64::try_from(self.window.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn finish(mut self) -> LowBits {
        self.close();
        let count = self.all.iter().copied().fold(0, u64::saturating_add);
        let enough = count >= self.patterns().saturating_mul(EACH_MIN);
        let expected_min = enough.then(|| usual(self.mantissa.low, count) - SLOPE_BITS);
        LowBits {
            width: self.mantissa.low,
            count,
            entropy: entropy(&self.all, count),
            expected_min,
            unused: if count == 0 {
                0
            } else {
                self.used.trailing_zeros().min(self.mantissa.bits)
            },
            windows: self.windows,
        }
    }
}

/// Shannon's entropy of counts, in bits; 0 of nothing.
fn entropy(counts: &[u64], total: u64) -> f64 {
    let total = wide(total);
    let terms = counts.iter().filter(|count| **count > 0).map(|count| {
        let share = wide(*count) / total;
        share * share.log2()
    });
    // A sum of nothing is -0.
    (0.0 - terms.sum::<f64>()).max(0.0)
}

/// The least entropy of so many patterns of `width` bits that is still usual for noise.
fn usual(width: u32, count: u64) -> f64 {
    let freedom = wide((1_u64 << width.min(16)).saturating_sub(1));
    let spread = 2.0 / (9.0 * freedom);
    let cube = 1.0 - spread + SIGMAS * spread.sqrt();
    let quantile = freedom * cube * cube * cube;
    f64::from(width) - quantile / (2.0 * wide(count) * std::f64::consts::LN_2)
}
