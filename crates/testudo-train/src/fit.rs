//! Fits one head: logistic loss on the highest window of each row, Adagrad, a fixed seed.

use std::ops::Range;

use testudo_detect::model::{Features, Head, NgramModel, NgramParts, bucket, norm, windows};

use crate::random::SplitMix64;
use crate::row::Row;
use crate::source;

/// Logarithm of the number of buckets: one mebibyte of weights for each head.
pub(crate) const BITS: u32 = 20;
const BUCKETS: usize = 1 << BITS;
const EPOCHS: usize = 5;
const RATE: f32 = 0.8;
const DECAY: f32 = 3e-4;
const SQUARE_MIN: f32 = 0.05;
/// Buckets of fewer rows stay empty: they would only remember.
const ROWS_MIN: u8 = 6;
/// Shorter parts of an attack are not learnt as attacks by themselves.
const WINDOW_BYTES_MIN: usize = 40;
/// Windows looked at for one row in one epoch.
const WINDOWS_MAX: usize = 12;
const SEED: u64 = 0x0BAD_5EED;

/// A row with its windows, and which of them show the attack.
pub(crate) struct Prepared<'a> {
    pub(crate) row: &'a Row,
    pub(crate) windows: Vec<Range<usize>>,
    grams: Grams,
    /// Positions in `windows` that are attacks; empty for harmless rows.
    attack: Vec<usize>,
    /// Positions that are harmless.
    harmless: Vec<usize>,
    pub(crate) source: String,
    pub(crate) fold: usize,
}

pub(crate) fn prepare(row: &Row) -> Prepared<'_> {
    let list: Vec<Range<usize>> = windows(&row.text).collect();
    let (mut attack, mut harmless) = (Vec::new(), Vec::new());
    let planted = row.meta("attack").and_then(|it| {
        let from = row.text.find(it)?;
        Some(from..from.saturating_add(it.len()))
    });
    for (at, window) in list.iter().enumerate() {
        match (&planted, row.is_attack()) {
            (_, false) => harmless.push(at),
            (None, true) if window.len() >= WINDOW_BYTES_MIN || list.len() == 1 => attack.push(at),
            (None, true) => {}
            (Some(place), true) => {
                let shared = window.end.min(place.end).saturating_sub(window.start.max(place.start));
                let enough = place.len().min(400).saturating_mul(6) / 10;
                if shared >= enough.max(1) {
                    attack.push(at);
                } else if shared == 0 {
                    harmless.push(at);
                }
            }
        }
    }
    Prepared {
        row,
        grams: Grams::of(row, &list),
        windows: list,
        attack,
        harmless,
        source: source::source(row),
        fold: source::fold(row),
    }
}

impl Prepared<'_> {
    /// The buckets of the n-grams of a window.
    pub(crate) fn grams(&self, at: usize) -> &[u32] {
        let from = at
            .checked_sub(1)
            .and_then(|it| self.grams.ends.get(it))
            .copied()
            .unwrap_or(0);
        let to = self.grams.ends.get(at).copied().unwrap_or(from);
        self.grams.buckets.get(from..to).unwrap_or_default()
    }
}

/// The n-grams of all windows of a row: every fit looks at them many times, and finding them is most of the work.
struct Grams {
    buckets: Vec<u32>,
    /// Where each window ends in `buckets`.
    ends: Vec<usize>,
}

impl Grams {
    fn of(row: &Row, windows: &[Range<usize>]) -> Self {
        let (mut features, mut buckets) = (Features::default(), Vec::new());
        let mut ends = Vec::with_capacity(windows.len());
        for range in windows {
            let text = row.text.get(range.clone()).unwrap_or("");
            features.visit(text, |hash, _| buckets.push(bucket(hash, BITS)));
            ends.push(buckets.len());
        }
        buckets.shrink_to_fit();
        Self { buckets, ends }
    }
}

/// The float weights of one head while they are fitted.
pub(crate) struct Fit {
    weights: Vec<f32>,
    squares: Vec<f32>,
    bias: f32,
    bias_square: f32,
    /// Sum of the losses and of the weights of the rows.
    loss: (f32, f32),
}

impl Fit {
    /// Fits on the rows of every fold but one.
    pub(crate) fn run(rows: &[Prepared<'_>], head: Head, left_out: Option<usize>, bits_seed: u64) -> Self {
        let chosen: Vec<&Prepared<'_>> = rows
            .iter()
            .filter(|it| Some(it.fold) != left_out && belongs(it.row, head))
            .collect();
        let mut fit = Self {
            weights: vec![0.0; BUCKETS],
            squares: squares(&chosen),
            bias: 0.0,
            bias_square: 1.0,
            loss: (0.0, 0.0),
        };
        let weights = row_weights(&chosen);
        let mut order: Vec<usize> = (0..chosen.len()).collect();
        let mut rng = SplitMix64::new(SEED ^ bits_seed);
        for epoch in 0..EPOCHS {
            rng.shuffle(&mut order);
            #[expect(clippy::cast_precision_loss, reason = "a few epochs")]
            let rate = RATE * (1.0 - epoch as f32 / EPOCHS as f32).max(0.15);
            fit.loss = (0.0, 0.0);
            for at in &order {
                let (Some(it), Some(weight)) = (chosen.get(*at), weights.get(*at)) else {
                    continue;
                };
                fit.row(it, *weight, rate, epoch, &mut rng);
            }
            if epoch.saturating_add(1) == EPOCHS {
                crate::say(&format!(
                    "  {head:?}: mean loss {:.3} in the last round\n",
                    fit.loss.0 / fit.loss.1.max(1.0)
                ));
            }
        }
        fit
    }

    fn row(&mut self, it: &Prepared<'_>, weight: f32, rate: f32, epoch: usize, rng: &mut SplitMix64) {
        if it.row.is_attack() {
            let first = if epoch == 0 {
                rng.pick(&it.attack).copied()
            } else {
                self.highest(it, &it.attack, rng)
            };
            // The longest window too, so that the model sees whole attacks and not only their loudest part.
            let longest = it
                .attack
                .iter()
                .copied()
                .max_by_key(|at| it.windows.get(*at).map_or(0, Range::len));
            self.learn(it, first, true, weight, rate);
            if longest != first {
                self.learn(it, longest, true, weight * 0.5, rate);
            }
            let other = rng.pick(&it.harmless).copied();
            self.learn(it, other, false, weight * 0.3, rate);
        } else {
            let first = if epoch == 0 {
                rng.pick(&it.harmless).copied()
            } else {
                self.highest(it, &it.harmless, rng)
            };
            self.learn(it, first, false, weight, rate);
            let other = rng.pick(&it.harmless).copied();
            if other != first {
                self.learn(it, other, false, weight * 0.5, rate);
            }
        }
    }

    fn highest(&self, it: &Prepared<'_>, among: &[usize], rng: &mut SplitMix64) -> Option<usize> {
        let from = if among.len() > WINDOWS_MAX {
            rng.below(among.len().saturating_sub(WINDOWS_MAX))
        } else {
            0
        };
        let mut best: Option<(f32, usize)> = None;
        for at in among.iter().skip(from).take(WINDOWS_MAX) {
            let logit = self.logit(it.grams(*at));
            if best.is_none_or(|(high, _)| logit > high) {
                best = Some((logit, *at));
            }
        }
        best.map(|(_, at)| at)
    }

    pub(crate) fn logit(&self, grams: &[u32]) -> f32 {
        let sum: f32 = grams.iter().map(|it| weight(&self.weights, *it)).sum();
        self.bias + sum * value(grams.len())
    }

    fn learn(&mut self, it: &Prepared<'_>, window: Option<usize>, is_attack: bool, weight: f32, rate: f32) {
        let Some(at) = window else { return };
        let grams = it.grams(at);
        let logit = self.logit(grams);
        let target = if is_attack { 1.0 } else { 0.0 };
        let signed = if is_attack { -logit } else { logit };
        self.loss.0 += weight * (1.0 + signed.clamp(-20.0, 20.0).exp()).ln();
        self.loss.1 += weight;
        let slope = weight * (1.0 / (1.0 + (-logit).exp()) - target);
        if slope.abs() < 2e-3 {
            return;
        }
        let step = slope * value(grams.len());
        for at in grams {
            let at = usize::try_from(*at).unwrap_or(0);
            if let (Some(weight), Some(square)) = (self.weights.get_mut(at), self.squares.get_mut(at)) {
                *square += step * step;
                *weight -= (rate * step + DECAY * *weight) / square.sqrt();
            }
        }
        self.bias_square += slope * slope;
        self.bias -= rate * slope / self.bias_square.sqrt();
    }

    /// As shipped: one signed byte for each weight.
    pub(crate) fn parts(&self) -> NgramParts {
        let mut sizes: Vec<f32> = self.weights.iter().map(|it| it.abs()).filter(|it| *it > 0.0).collect();
        sizes.sort_by(f32::total_cmp);
        // The largest few are cut, so that the many small ones keep their differences.
        let cut = sizes.len().saturating_sub(1).saturating_sub(sizes.len() / 20_000);
        let top = sizes.get(cut).copied().unwrap_or(1.0).max(1e-6);
        let scale = top / 127.0;
        #[expect(clippy::cast_possible_truncation, reason = "clamped to a byte")]
        let weights = self
            .weights
            .iter()
            .map(|it| (it / scale).round().clamp(-127.0, 127.0) as i8)
            .collect();
        NgramParts {
            bias: self.bias,
            scale,
            weights,
        }
    }
}

/// The model of two fitted heads.
pub(crate) fn model(asked: &Fit, read: &Fit) -> anyhow::Result<NgramModel> {
    Ok(NgramModel::from_parts(BITS, [asked.parts(), read.parts()])?)
}

fn belongs(row: &Row, head: Head) -> bool {
    match head {
        Head::Asked => source::is_asked(row),
        Head::Read => source::is_read(row),
    }
}

fn weight(weights: &[f32], at: u32) -> f32 {
    usize::try_from(at)
        .ok()
        .and_then(|at| weights.get(at))
        .copied()
        .unwrap_or(0.0)
}

/// What one n-gram of a window counts.
fn value(count: usize) -> f32 {
    norm(i32::try_from(count).unwrap_or(i32::MAX)).recip()
}

/// Large sources count less for each row, small ones more; both classes count the same.
fn row_weights(rows: &[&Prepared<'_>]) -> Vec<f32> {
    let mut sizes: std::collections::BTreeMap<&str, f32> = std::collections::BTreeMap::new();
    for it in rows {
        *sizes.entry(it.source.as_str()).or_default() += 1.0;
    }
    let single: Vec<f32> = rows
        .iter()
        .map(|it| {
            (600.0 / sizes.get(it.source.as_str()).copied().unwrap_or(1.0))
                .sqrt()
                .clamp(0.3, 2.0)
        })
        .collect();
    let sum = |attack: bool| -> f32 {
        let class = rows.iter().zip(&single).filter(|(it, _)| it.row.is_attack() == attack);
        class.map(|(_, weight)| weight).sum::<f32>().max(1.0)
    };
    let (attacks, harmless) = (sum(true), sum(false));
    let balance = (harmless / attacks).clamp(0.2, 5.0);
    rows.iter()
        .zip(&single)
        .map(|(it, weight)| if it.row.is_attack() { weight * balance } else { *weight })
        .collect()
}

/// Where Adagrad begins; buckets of too few rows begin where no step moves them.
fn squares(rows: &[&Prepared<'_>]) -> Vec<f32> {
    let mut counts = vec![0_u8; BUCKETS];
    let mut last = vec![u32::MAX; BUCKETS];
    let mut features = Features::default();
    for (number, it) in rows.iter().enumerate() {
        let number = u32::try_from(number).unwrap_or(0);
        features.visit(&it.row.text, |hash, _| {
            let at = usize::try_from(bucket(hash, BITS)).unwrap_or(0);
            if let (Some(count), Some(last)) = (counts.get_mut(at), last.get_mut(at))
                && *last != number
            {
                *last = number;
                *count = count.saturating_add(1);
            }
        });
    }
    counts
        .iter()
        .map(|it| if *it >= ROWS_MIN { SQUARE_MIN } else { f32::INFINITY })
        .collect()
}
