//! Hashes of the pieces of a text, and which of them are kept.

use std::fmt;

/// Letters of one piece.
pub const PIECE_LETTERS: usize = 20;
/// Of so many pieces in a row one at least is kept.
pub const WINDOW_PIECES: usize = 13;
/// A copy of so many letters is always found.
pub const COPY_LETTERS_MIN: usize = PIECE_LETTERS + WINDOW_PIECES - 1;
/// Letters that one of the eight-bit marks speaks of.
pub(super) const MARK_LETTERS: usize = 8;

const PRIME: u64 = (1 << 61) - 1;

/// The secret that hashes of pieces depend on; whoever does not know it can make no two pieces collide.
#[derive(Clone)]
pub struct LabelKey {
    /// The point at which polynomials are evaluated.
    point: u64,
    /// The value of a byte that leaves a piece.
    leaving: Box<[u64; 256]>,
    /// Makes the order of hashes unknown, too.
    order: u64,
    mark: u64,
}

impl LabelKey {
    /// Made of 32 random bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let word = |at: usize| {
            let bytes = secret.iter().skip(at.saturating_mul(8)).take(8);
            bytes.fold(0_u64, |word, byte| (word << 8) | u64::from(*byte))
        };
        // Not 0 and not 1, where all pieces of the same letters have one value.
        let point = (word(0) % (PRIME - 256)).wrapping_add(256);
        let power = (0..PIECE_LETTERS).fold(1, |power, _| times(power, point));
        let mut leaving = Box::new([0; 256]);
        for (byte, value) in (0_u64..).zip(leaving.iter_mut()) {
            *value = PRIME.wrapping_sub(times(byte.wrapping_add(1), power));
        }
        Self {
            point,
            leaving,
            order: word(1) | 1,
            mark: word(2) | 1,
        }
    }

    /// A number for a whole text, to know it again.
    pub(super) fn whole(&self, text: &str) -> u64 {
        let mut hash = text.len() as u64;
        for bytes in text.as_bytes().chunks(7) {
            let word = bytes.iter().fold(1_u64, |word, byte| (word << 8) | u64::from(*byte));
            hash = reduced(times(hash, self.point).wrapping_add(word));
        }
        self.mixed(hash)
    }

    /// The pieces that are kept: hash and first letter, in order of place.
    pub(super) fn winnow(&self, letters: &[u8]) -> Vec<(u64, u32)> {
        let mut kept: Vec<(u64, u32)> = Vec::with_capacity(letters.len() / 6);
        let mut window = [(u64::MAX, 0_u32); WINDOW_PIECES];
        let mut least = (u64::MAX, 0_u32);
        let mut hash: u64 = 0;
        let mut slots = (0..WINDOW_PIECES).cycle();
        let mut after = letters.iter();
        let mut before = letters.iter();
        for letter in after.by_ref().take(PIECE_LETTERS) {
            hash = self.enter(hash, *letter);
        }
        if letters.len() < PIECE_LETTERS {
            return kept;
        }
        for at in 0_u32.. {
            let piece = (self.mixed(hash), at);
            if let Some(slot) = slots.next().and_then(|slot| window.get_mut(slot)) {
                let left = std::mem::replace(slot, piece);
                // The rightmost of equals, so that repetitions are kept once for each window.
                if piece.0 <= least.0 {
                    least = piece;
                } else if left == least {
                    let rest = window.iter().rev().copied();
                    least = rest
                        .min_by_key(|piece| (piece.0, u32::MAX.wrapping_sub(piece.1)))
                        .unwrap_or(piece);
                }
            }
            let full = at as usize >= WINDOW_PIECES - 1;
            if full && kept.last() != Some(&least) {
                kept.push(least);
            }
            let (Some(next), Some(left)) = (after.next(), before.next()) else {
                break;
            };
            let leaving = self.leaving.get(usize::from(*left)).copied().unwrap_or_default();
            hash = reduced(self.enter(hash, *next).wrapping_add(leaving));
        }
        // A text with fewer pieces than a window has one, too.
        if kept.is_empty() {
            kept.push(least);
        }
        kept
    }

    /// Eight bits for each run of [`MARK_LETTERS`] letters, by its first.
    pub(super) fn marks(&self, letters: &[u8]) -> Box<[u8]> {
        let mut word = letters
            .iter()
            .take(MARK_LETTERS - 1)
            .fold(0_u64, |word, letter| (word << 8) | u64::from(*letter));
        let rest = letters.iter().skip(MARK_LETTERS - 1);
        rest.map(|letter| {
            word = (word << 8) | u64::from(*letter);
            let [high, ..] = word.wrapping_mul(self.mark).to_be_bytes();
            high
        })
        .collect()
    }

    fn enter(&self, hash: u64, letter: u8) -> u64 {
        reduced(times(hash, self.point).wrapping_add(u64::from(letter).wrapping_add(1)))
    }

    /// One to one, so that nothing collides that did not before.
    fn mixed(&self, hash: u64) -> u64 {
        let hash = (hash ^ self.mark).wrapping_mul(self.order);
        (hash ^ (hash >> 32)).wrapping_mul(self.order)
    }
}

impl fmt::Debug for LabelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LabelKey(…)")
    }
}

/// Below the prime when the value is below twice it.
fn reduced(value: u64) -> u64 {
    if value >= PRIME {
        value.wrapping_sub(PRIME)
    } else {
        value
    }
}

fn times(one: u64, other: u64) -> u64 {
    let product = u128::from(one).wrapping_mul(u128::from(other));
    let low = u64::try_from(product & u128::from(PRIME)).unwrap_or_default();
    let high = u64::try_from(product >> 61).unwrap_or_default();
    reduced(low.wrapping_add(high))
}
