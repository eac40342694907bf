//! Cuts a text into the pieces of the vocabulary: folds it, splits words, then takes the likeliest pieces.

use unicode_normalization::UnicodeNormalization;

use crate::vocabulary::{PieceId, UNKNOWN, Vocabulary};

/// Marks the beginning of a word in pieces.
const WORD: char = '\u{2581}';

/// Space that cutting one text after the other needs.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    word: String,
    /// By byte of the word, the best way to get there.
    best: Vec<Step>,
}

/// The last piece of the best way to a place.
#[derive(Debug, Clone, Copy)]
struct Step {
    score: f64,
    from: usize,
    id: PieceId,
}

/// Nothing leads here yet.
const NOWHERE: Step = Step {
    score: f64::NEG_INFINITY,
    from: 0,
    id: UNKNOWN,
};

/// The pieces of `text`, without those that begin and end a window.
pub(crate) fn pieces(text: &str, vocabulary: &Vocabulary, scratch: &mut Scratch) -> Vec<PieceId> {
    // Three bytes a piece are usual.
    let mut ids = Vec::with_capacity(text.len() / 3);
    scratch.word.clear();
    let mut blank = false;
    for letter in text.nfkc().flat_map(char::to_lowercase) {
        let space = letter.is_whitespace();
        if space && blank {
            continue;
        }
        blank = space;
        if space || letter == WORD {
            cut(vocabulary, scratch, &mut ids);
            scratch.word.push(WORD);
        } else {
            if scratch.word.is_empty() {
                scratch.word.push(WORD);
            }
            scratch.word.push(letter);
        }
    }
    cut(vocabulary, scratch, &mut ids);
    ids
}

/// Cuts the word that was collected and appends its pieces; unknown characters in a row are one piece.
fn cut(vocabulary: &Vocabulary, scratch: &mut Scratch, ids: &mut Vec<PieceId>) {
    let Scratch { word, best } = scratch;
    best.clear();
    best.resize(word.len().saturating_add(1), NOWHERE);
    if let Some(start) = best.first_mut() {
        start.score = 0.0;
    }
    for (at, letter) in word.char_indices() {
        let here = best.get(at).map_or(f64::NEG_INFINITY, |step| step.score);
        let mut better = |length: usize, id, score: f64| {
            if let Some(step) = best.get_mut(at.saturating_add(length))
                && here + score > step.score
            {
                *step = Step {
                    score: here + score,
                    from: at,
                    id,
                };
            }
        };
        let mut whole = false;
        vocabulary.beginning(word.as_bytes().get(at..).unwrap_or_default(), |length, piece| {
            whole |= length == letter.len_utf8();
            better(length, piece.id, f64::from(piece.score));
        });
        if !whole {
            better(letter.len_utf8(), UNKNOWN, vocabulary.unknown_score());
        }
    }
    let first = ids.len();
    let mut at = word.len();
    while at > 0 {
        let Some(step) = best.get(at) else { break };
        let unknown_again = step.id == UNKNOWN && ids.len() > first && ids.last() == Some(&UNKNOWN);
        if !unknown_again {
            ids.push(step.id);
        }
        at = step.from;
    }
    if let Some(new) = ids.get_mut(first..) {
        new.reverse();
    }
    word.clear();
}
