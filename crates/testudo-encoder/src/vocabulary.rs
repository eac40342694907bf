//! The pieces that a text is cut into: what stands in the file, and which pieces begin at a place.

use crate::LoadProblem;

/// The number of each piece in the model's table.
pub(crate) type PieceId = i32;

/// Begins every window.
pub(crate) const BEGIN: PieceId = 0;
/// Ends every window.
pub(crate) const END: PieceId = 2;
/// Stands for characters that no piece has.
pub(crate) const UNKNOWN: PieceId = 3;
/// The pieces that stand for no text, in the order of their numbers.
const SPECIAL: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];
/// How much worse than the rarest piece an unknown character is.
const UNKNOWN_PENALTY: f64 = 10.0;

/// All pieces, by text.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    sorted: Vec<Piece>,
    /// For each first byte, where its pieces begin in `sorted`; one more at the end.
    first: Vec<usize>,
    unknown_score: f64,
}

/// One piece.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    text: &'static str,
    pub(crate) id: PieceId,
    /// Logarithm of how common it is.
    pub(crate) score: f32,
}

impl Vocabulary {
    /// Reads `piece⇥score` lines; the number of a line, from 0, is the number of its piece.
    pub(crate) fn read(lines: &'static str) -> Result<Self, LoadProblem> {
        let mut sorted = Vec::new();
        for (id, line) in (0..).zip(lines.lines()) {
            let fault = LoadProblem::Piece { line: id };
            let Some((text, score)) = line.split_once('\t') else {
                return Err(fault);
            };
            match score.parse::<f32>() {
                Ok(score) if score.is_finite() && !text.is_empty() => sorted.push(Piece { text, id, score }),
                _ => return Err(fault),
            }
        }
        if !sorted.iter().map(|piece| piece.text).take(SPECIAL.len()).eq(SPECIAL) {
            return Err(LoadProblem::Special);
        }
        let lowest = sorted.iter().map(|piece| piece.score).fold(0.0, f32::min);
        sorted.sort_unstable_by_key(|piece| piece.text);
        if let Some(twice) = sorted.windows(2).find_map(|pair| match pair {
            [one, other] if one.text == other.text => Some(one.id.max(other.id)),
            _ => None,
        }) {
            return Err(LoadProblem::Piece { line: twice });
        }
        let first = (0..=256_usize)
            .map(|byte| sorted.partition_point(|piece| piece.text.bytes().next().map_or(0, usize::from) < byte))
            .collect();
        Ok(Self {
            sorted,
            first,
            unknown_score: f64::from(lowest) - UNKNOWN_PENALTY,
        })
    }

    /// How many pieces there are.
    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// What a character costs that is no piece.
    pub(crate) fn unknown_score(&self) -> f64 {
        self.unknown_score
    }

    /// Every piece that `bytes` begin with, with its length, shortest first.
    pub(crate) fn beginning(&self, bytes: &[u8], mut found: impl FnMut(usize, Piece)) {
        let Some(byte) = bytes.first() else { return };
        let of = |at: usize| self.first.get(at).copied().unwrap_or(0);
        let byte = usize::from(*byte);
        let mut left = self.sorted.get(of(byte)..of(byte.saturating_add(1))).unwrap_or(&[]);
        for depth in 1.. {
            // What ends here sorts before what goes on.
            if let [piece, longer @ ..] = left
                && piece.text.len() == depth
            {
                found(depth, *piece);
                left = longer;
            }
            let next = bytes.get(depth);
            if next.is_none() || left.is_empty() {
                return;
            }
            let from = left.partition_point(|piece| piece.text.as_bytes().get(depth) < next);
            let to = left.partition_point(|piece| piece.text.as_bytes().get(depth) <= next);
            left = left.get(from..to).unwrap_or(&[]);
        }
    }
}
