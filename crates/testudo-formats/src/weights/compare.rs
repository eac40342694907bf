//! Two tensors side by side, in one pass over both.

use sha2::{Digest as _, Sha256};

use super::element::wide;
use super::stream::Stream;
use super::{Kind, Tensor, Unreadable};
use crate::source::Source;

/// What two tensors of one name have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// SHA-256 of the bytes of each.
    pub sha256: [[u8; 32]; 2],
    /// Nothing where values cannot be set side by side: their numbers or orders differ, or they are not read.
    pub difference: Option<Difference>,
}

/// How far values are from what they were. A complex value is two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    pub count: u64,
    /// Values that are not the same number; two that are no numbers are the same.
    pub changed: u64,
    /// Pairs of which one is no finite number; they are in no sum.
    pub not_finite: u64,
    /// The norm of the difference, √Σ(new − old)².
    pub l2: f64,
    /// The norm of what was, √Σ old².
    pub old_l2: f64,
    /// `l2 / old_l2`; nothing if all was 0.
    pub relative_l2: Option<f64>,
    /// Σ old·new / (‖old‖ ‖new‖); nothing if one of them is all 0.
    pub cosine: Option<f64>,
    pub max_abs: f64,
    /// Which value that is, in the order of the file.
    pub max_abs_at: Option<u64>,
}

#[derive(Default)]
struct Sums {
    count: u64,
    changed: u64,
    not_finite: u64,
    distance: f64,
    old: f64,
    new: f64,
    product: f64,
    max_abs: f64,
    max_abs_at: Option<u64>,
}

/// Reads two tensors once each. `read` hears how many bytes of both came in.
///
/// # Errors
/// The bytes of one cannot be had to its end.
pub fn compare(
    old: (&dyn Source, &Tensor),
    new: (&dyn Source, &Tensor),
    read: &mut dyn FnMut(u64),
) -> Result<Comparison, Unreadable> {
    let mut sides = [Side::open(old)?, Side::open(new)?];
    let kinds = old.1.kind.zip(new.1.kind).filter(|(a, b)| {
        let in_order = old.1.is_column_major == new.1.is_column_major;
        a.numbers_each() == b.numbers_each() && old.1.shape == new.1.shape && in_order
    });
    let mut sums = Sums::default();
    loop {
        let mut taken = 0_u64;
        for side in &mut sides {
            taken = taken.saturating_add(side.refill()?);
        }
        if taken == 0 {
            break;
        }
        read(taken);
        let [a, b] = &mut sides;
        if kinds.is_none() {
            a.waiting.clear();
            b.waiting.clear();
            continue;
        }
        let both = a.waiting.len().min(b.waiting.len());
        for (old, new) in a.waiting.drain(..both).zip(b.waiting.drain(..both)) {
            sums.add(old, new);
        }
    }
    let [a, b] = sides;
    Ok(Comparison {
        sha256: [a.hash.finalize().into(), b.hash.finalize().into()],
        difference: kinds.map(|_| sums.finish()),
    })
}

/// One of the two while it is read.
struct Side<'s> {
    stream: Stream<'s>,
    kind: Option<Kind>,
    hash: Sha256,
    patterns: Vec<u64>,
    numbers: Vec<f64>,
    /// Numbers that the other side has not reached; at most those of one piece.
    waiting: Vec<f64>,
}

impl<'s> Side<'s> {
    fn open((source, tensor): (&'s dyn Source, &Tensor)) -> Result<Self, Unreadable> {
        Ok(Self {
            stream: Stream::open(source, tensor)?,
            kind: tensor.kind,
            hash: Sha256::new(),
            patterns: Vec::new(),
            numbers: Vec::new(),
            waiting: Vec::new(),
        })
    }

    /// Reads a piece if nothing waits; says how many bytes came.
    fn refill(&mut self) -> Result<u64, Unreadable> {
        if !self.waiting.is_empty() {
            return Ok(0);
        }
        let piece = self.stream.next()?;
        self.hash.update(piece);
        if let Some(kind) = self.kind {
            kind.patterns(piece, &mut self.patterns);
            kind.numbers(&self.patterns, &mut self.numbers);
            self.waiting.extend_from_slice(&self.numbers);
        }
        Ok(u64::try_from(piece.len()).unwrap_or(u64::MAX))
    }
}

impl Sums {
    fn add(&mut self, old: f64, new: f64) {
        let at = self.count;
        self.count = self.count.saturating_add(1);
        let both_none = old.is_nan() && new.is_nan();
        let differs = old != new && !both_none;
        self.changed = self.changed.saturating_add(u64::from(differs));
        if !old.is_finite() || !new.is_finite() {
            self.not_finite = self.not_finite.saturating_add(1);
            return;
        }
        let distance = new - old;
        self.distance += distance * distance;
        self.old += old * old;
        self.new += new * new;
        self.product += old * new;
        if distance.abs() > self.max_abs {
            self.max_abs = distance.abs();
            self.max_abs_at = Some(at);
        }
    }

    fn finish(self) -> Difference {
        let (l2, old_l2) = (self.distance.sqrt(), self.old.sqrt());
        let norms = old_l2 * self.new.sqrt();
        Difference {
            count: self.count,
            changed: self.changed,
            not_finite: self.not_finite,
            l2,
            old_l2,
            relative_l2: (old_l2 > 0.0).then(|| l2 / old_l2),
            cosine: (norms > 0.0).then(|| (self.product / norms).clamp(-1.0, 1.0)),
            max_abs: self.max_abs,
            max_abs_at: self.max_abs_at,
        }
    }
}

impl Difference {
    /// The share of values that changed; 0 of none.
    #[must_use]
    pub fn changed_share(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            wide(self.changed) / wide(self.count)
        }
    }
}
