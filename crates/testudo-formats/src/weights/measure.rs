//! One pass over one tensor.

use sha2::{Digest as _, Sha256};

use super::bits::{Bits, LowBits};
use super::element::wide;
use super::rows::{Norms, Rows};
use super::stream::Stream;
use super::{Tensor, Unreadable};
use crate::source::Source;

/// Bounds and thresholds of [`measure`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Rows are outliers from this modified z-score on. Iglewicz and Hoaglin (1993) propose 3.5 for values that are
    /// normally distributed; norms of rows have longer tails.
    pub outlier_score_min: f64,
    /// Outliers that are listed, the farthest first; all are counted.
    pub outliers_max: usize,
    /// A tensor of more rows has its norms left out: each takes 8 bytes.
    pub rows_max: u64,
}

impl Options {
    pub const DEFAULT: Self = Self {
        outlier_score_min: 10.0,
        outliers_max: 8,
        rows_max: 4 << 20,
    };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a tensor's values look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// SHA-256 of its bytes as they lie in the file.
    pub sha256: [u8; 32],
    /// Nothing where values are not numbers that are read, such as quantised weights.
    pub values: Option<Values>,
    /// Nothing for tensors of fewer than two axes, few rows, or more than [`Options::rows_max`].
    pub rows: Option<Rows>,
    /// Nothing for what has no mantissa of a useful length.
    pub low_bits: Option<LowBits>,
}

/// Numbers about all values; a complex value is two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values {
    pub count: u64,
    pub nan: u64,
    pub infinite: u64,
    pub zero: u64,
    /// The smallest finite value; infinity if there is none.
    pub min: f64,
    pub max: f64,
    /// Of the finite values; 0 if there is none.
    pub mean: f64,
    /// The square root of the sum of squares of the finite values.
    pub l2: f64,
}

impl Values {
    const NONE: Self = Self {
        count: 0,
        nan: 0,
        infinite: 0,
        zero: 0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        mean: 0.0,
        l2: 0.0,
    };
}

/// Adds up in pieces, so that the error stays that of a piece and not that of billions of additions.
#[derive(Default)]
struct Sums {
    sum: f64,
    squares: f64,
}

/// Reads a tensor once. `read` hears how many bytes came in, piece by piece.
///
/// # Errors
/// The bytes cannot be had to the tensor's end.
pub fn measure(
    source: &dyn Source,
    tensor: &Tensor,
    options: &Options,
    read: &mut dyn FnMut(u64),
) -> Result<Measured, Unreadable> {
    let mut stream = Stream::open(source, tensor)?;
    let mut hash = Sha256::new();
    let mut values = Values::NONE;
    let mut sums = Sums::default();
    let mut norms = Norms::new(tensor, options);
    let mut bits = tensor.kind.and_then(Bits::new);
    let (mut patterns, mut numbers) = (Vec::new(), Vec::new());
    loop {
        let piece = stream.next()?;
        if piece.is_empty() {
            break;
        }
        hash.update(piece);
        if let Some(kind) = tensor.kind {
            kind.patterns(piece, &mut patterns);
            kind.numbers(&patterns, &mut numbers);
            add(&mut values, &mut sums, &numbers);
            if let Some(norms) = &mut norms {
                norms.add(&numbers);
            }
            if let Some(bits) = &mut bits {
                bits.add(&patterns);
            }
        }
        read(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    }
    let finite = values.count.saturating_sub(values.nan).saturating_sub(values.infinite);
    if finite > 0 {
        values.mean = sums.sum / wide(finite);
    }
    values.l2 = sums.squares.sqrt();
    Ok(Measured {
        sha256: hash.finalize().into(),
        values: tensor.kind.map(|_| values),
        rows: norms.map(|norms| norms.finish(options)),
        low_bits: bits.map(Bits::finish),
    })
}

/// SHA-256 of a tensor's bytes.
///
/// # Errors
/// The bytes cannot be had to the tensor's end.
pub fn digest(source: &dyn Source, tensor: &Tensor, read: &mut dyn FnMut(u64)) -> Result<[u8; 32], Unreadable> {
    let mut stream = Stream::open(source, tensor)?;
    let mut hash = Sha256::new();
    loop {
        let piece = stream.next()?;
        if piece.is_empty() {
            return Ok(hash.finalize().into());
        }
        hash.update(piece);
        read(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    }
}

fn add(values: &mut Values, sums: &mut Sums, numbers: &[f64]) {
    let (mut sum, mut squares) = (0.0_f64, 0.0_f64);
    let (mut min, mut max) = (values.min, values.max);
    let (mut zero, mut odd) = (0_u64, 0_u64);
    for number in numbers {
        if !number.is_finite() {
            odd = odd.saturating_add(1);
            continue;
        }
        sum += number;
        squares += number * number;
        min = min.min(*number);
        max = max.max(*number);
        zero = zero.saturating_add(u64::from(*number == 0.0));
    }
    if odd > 0 {
        let nan = numbers.iter().filter(|number| number.is_nan()).count();
        let nan = u64::try_from(nan).unwrap_or(u64::MAX);
        values.nan = values.nan.saturating_add(nan);
        values.infinite = values.infinite.saturating_add(odd.saturating_sub(nan));
    }
    values.count = values
        .count
        .saturating_add(u64::try_from(numbers.len()).unwrap_or(u64::MAX));
    values.zero = values.zero.saturating_add(zero);
    values.min = min;
    values.max = max;
    sums.sum += sum;
    sums.squares += squares;
}
