//! Rows of a tensor whose norm lies far from the others'.
//!
//! A row is what one index of the outermost axis names: one word of an embedding, one output of a layer. Its score is
//! the modified z-score of Iglewicz and Hoaglin, *How to Detect and Handle Outliers* (1993): 0.6745 (x − median) / MAD,
//! with MAD the median of |x − median|; 0.6745 makes it a z-score where norms are normal. Where more than half of the
//! norms are equal MAD is 0, and 0.7979 (x − median) / MeanAD takes its place, with the mean of |x − median| (√(2/π) is
//! what that is of a normal deviation). Half of the rows would have to be replaced to move a median; a mean moves with
//! one.

use super::element::wide;
use super::measure::Options;
use super::{Kind, Tensor};

/// With fewer rows no median says much.
const ROWS_MIN: u64 = 8;
const MAD_TO_SIGMA: f64 = 0.6745;
const MEAN_AD_TO_SIGMA: f64 = 0.797_884_560_802_865_4;

/// The norms of the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    pub count: u64,
    pub median: f64,
    /// Median absolute deviation from the median.
    pub mad: f64,
    /// How many rows score at least [`Options::outlier_score_min`], above or below.
    pub outliers: u64,
    /// The farthest of them first.
    pub farthest: Vec<Outlier>,
}

/// A row far from the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier {
    pub row: u64,
    pub norm: f64,
    /// Its modified z-score.
    pub score: f64,
}

/// Norms while they are added up.
pub(super) struct Norms {
    row_numbers: u64,
    /// Numbers of the row at hand that are still to come.
    left: u64,
    squares: f64,
    all: Vec<f64>,
}

impl Norms {
    pub(super) fn new(tensor: &Tensor, options: &Options) -> Option<Self> {
        let numbers = tensor.kind.map(Kind::numbers_each)?;
        let rows = if tensor.is_column_major {
            tensor.shape.last()
        } else {
            tensor.shape.first()
        };
        let rows = *rows.filter(|_| tensor.shape.len() >= 2)?;
        let row_numbers = tensor.values()?.checked_div(rows)?.checked_mul(numbers)?;
        if !(ROWS_MIN..=options.rows_max).contains(&rows) || row_numbers < 2 {
            return None;
        }
        Some(Self {
            row_numbers,
            left: row_numbers,
            squares: 0.0,
            all: Vec::new(),
        })
    }

    pub(super) fn add(&mut self, numbers: &[f64]) {
        let mut rest = numbers;
        while !rest.is_empty() {
            let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
            let (part, after) = rest.split_at_checked(here).unwrap_or((rest, &[]));
            let finite = part.iter().filter(|number| number.is_finite());
            self.squares += finite.map(|number| number * number).sum::<f64>();
            self.left = self.left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
            if self.left == 0 {
                self.all.push(self.squares.sqrt());
                self.squares = 0.0;
                self.left = self.row_numbers;
            }
            rest = after;
        }
    }

    pub(super) fn finish(self, options: &Options) -> Rows {
        let norms = self.all;
        let median = median(&mut norms.clone());
        let mut deviations: Vec<f64> = norms.iter().map(|norm| (norm - median).abs()).collect();
        let mean_ad = deviations.iter().sum::<f64>() / wide(length(&deviations)).max(1.0);
        let mad = self::median(&mut deviations);
        let score = |norm: f64| match (mad > 0.0, mean_ad > 0.0) {
            (true, _) => MAD_TO_SIGMA * (norm - median) / mad,
            (false, true) => MEAN_AD_TO_SIGMA * (norm - median) / mean_ad,
            (false, false) => 0.0,
        };
        let mut farthest: Vec<Outlier> = Vec::new();
        let mut outliers = 0_u64;
        for (row, norm) in norms.iter().enumerate() {
            let score = score(*norm);
            if score.abs() < options.outlier_score_min {
                continue;
            }
            outliers = outliers.saturating_add(1);
            let row = u64::try_from(row).unwrap_or(u64::MAX);
            farthest.push(Outlier {
                row,
                norm: *norm,
                score,
            });
            if farthest.len() > options.outliers_max.saturating_mul(2).saturating_add(64) {
                keep_farthest(&mut farthest, options);
            }
        }
        keep_farthest(&mut farthest, options);
        Rows {
            count: length(&norms),
            median,
            mad,
            outliers,
            farthest,
        }
    }
}

fn keep_farthest(farthest: &mut Vec<Outlier>, options: &Options) {
    farthest.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()).then(a.row.cmp(&b.row)));
    farthest.truncate(options.outliers_max);
}

fn length(values: &[f64]) -> u64 {
    u64::try_from(values.len()).unwrap_or(u64::MAX)
}

/// The middle value, or the mean of the two in the middle; 0 of nothing.
fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    if values.is_empty() {
        return 0.0;
    }
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if !is_even {
        return upper;
    }
    let lower = below.iter().copied().max_by(f64::total_cmp).unwrap_or(upper);
    lower / 2.0 + upper / 2.0
}
