//! Splits many pieces into windows that the model can read, with overlap, so that nothing is cut off.

use crate::vocabulary::{BEGIN, END, PieceId};

/// The most pieces that the model reads at once, those that begin and end a window included.
pub const WINDOW_PIECES_MAX: usize = 128;
/// Pieces of text in a window.
const TEXT_PIECES_MAX: usize = WINDOW_PIECES_MAX - 2;
/// From one window to the next; a quarter of each is in its neighbour.
const STRIDE: usize = TEXT_PIECES_MAX - TEXT_PIECES_MAX.div_ceil(4);

/// The windows of a text; at least one. The last is moved back to be full.
pub(crate) fn windows(pieces: &[PieceId]) -> impl Iterator<Item = Vec<PieceId>> + '_ {
    let last = pieces.len().saturating_sub(TEXT_PIECES_MAX);
    let count = last.div_ceil(STRIDE).saturating_add(1);
    (0..count).map(move |number| {
        let from = number.saturating_mul(STRIDE).min(last);
        let text = pieces.get(from..).unwrap_or_default();
        let mut window = Vec::with_capacity(WINDOW_PIECES_MAX);
        window.push(BEGIN);
        window.extend(text.iter().take(TEXT_PIECES_MAX));
        window.push(END);
        window
    })
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a panic is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_text_is_one_window() {
        let all: Vec<_> = windows(&[]).collect();
        assert_eq!(all, [vec![BEGIN, END]]);
    }

    proptest! {
        #[test]
        fn every_piece_is_read_and_neighbours_overlap(length in 0..2000_usize) {
            let pieces: Vec<PieceId> = (0..length).map(|at| 10 + PieceId::try_from(at).unwrap()).collect();
            let all: Vec<_> = windows(&pieces).collect();
            let mut next = 10;
            let mut before: Option<PieceId> = None;
            for window in &all {
                prop_assert!(window.len() <= WINDOW_PIECES_MAX);
                prop_assert_eq!(window.first(), Some(&BEGIN));
                prop_assert_eq!(window.last(), Some(&END));
                let text = &window[1..window.len() - 1];
                let Some(first) = text.first() else { continue };
                prop_assert!(*first <= next);
                if let Some(before) = before {
                    // At least a quarter of the window was in the one before.
                    prop_assert!(usize::try_from(before + 1 - first).unwrap() * 4 >= text.len());
                    prop_assert_eq!(text.len(), TEXT_PIECES_MAX);
                }
                next = text.last().unwrap() + 1;
                before = text.last().copied();
            }
            prop_assert_eq!(next, 10 + PieceId::try_from(length).unwrap());
        }
    }
}
