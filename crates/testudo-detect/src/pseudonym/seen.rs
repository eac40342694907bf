//! Which words a request's texts hold, so that nothing made up is mistaken for them.

use std::collections::HashSet;

/// Longer words are no part of a placeholder.
const WORD_BYTES_MAX: usize = 32;

/// Lengths of the pieces of words that are remembered.
const PIECES: [usize; 5] = [1, 2, 3, 4, 8];

/// As a power of two, how many pieces are told apart: the memory is half a MiB where all occur.
const MARKS_LOG2: u32 = 22;

/// The runs of ASCII letters and digits in some texts.
#[derive(Default)]
pub(super) struct SeenWords {
    words: HashSet<Box<str>>,
    /// One bit for the hash of each piece.
    marks: Vec<u64>,
}

impl SeenWords {
    pub(super) fn add(&mut self, text: &str) {
        if self.marks.is_empty() {
            self.marks = vec![0; 1 << (MARKS_LOG2 - 6)];
        }
        for word in words(text) {
            if word.len() > WORD_BYTES_MAX || self.words.insert(word.into()) {
                for piece in PIECES.iter().flat_map(|len| word.as_bytes().windows(*len)) {
                    let (block, bit) = place(piece);
                    if let Some(block) = self.marks.get_mut(block) {
                        *block |= bit;
                    }
                }
            }
        }
    }

    /// Whether a placeholder could stand in one of the texts: all its words do.
    pub(super) fn may_hold(&self, placeholder: &str) -> bool {
        words(placeholder).all(|word| self.words.contains(word))
    }

    /// Whether a made-up value could stand free in what masking leaves of the texts: all its words are parts of
    /// theirs. A value that is masked within a word leaves the parts beside it as words of their own.
    ///
    /// Errs towards yes, more often the more text there is.
    pub(super) fn may_leave(&self, fake: &str) -> bool {
        words(fake).all(|word| {
            let len = PIECES.iter().rev().find(|len| **len <= word.len()).unwrap_or(&1);
            word.as_bytes().windows(*len).all(|piece| {
                let (block, bit) = place(piece);
                self.marks.get(block).is_some_and(|block| block & bit != 0)
            })
        })
    }
}

/// Where a piece is marked: the block and the bit in it.
fn place(piece: &[u8]) -> (usize, u64) {
    let sum = piece.iter().fold(1_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let mixed = (sum ^ (sum >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> (64 - MARKS_LOG2);
    (usize::try_from(mixed >> 6).unwrap_or(0), 1 << (mixed & 63))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}
