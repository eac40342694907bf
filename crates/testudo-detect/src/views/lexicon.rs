//! The words that attacks are made of, recognised plain, shuffled, shifted and reversed.

use std::sync::LazyLock;

use super::respelled::{mirror, pig_latin, without_vowels};
use super::spelled::NAMES;

/// Words are recognised when shuffled from this length on.
pub(super) const SHUFFLED_LEN_MIN: usize = 4;

/// What is known about a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sense {
    /// An ordinary word.
    Known,
    /// A word that attacks use; ordinary, too.
    Attack,
}

/// A word of the lexicon in disguise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Disguise {
    pub(super) how: How,
    /// Index of the word.
    pub(super) word: u16,
    pub(super) attack: bool,
}

/// How a word is disguised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// Written backwards.
    Reversed,
    /// Its inner letters in any order.
    Shuffled,
    /// Letters moved on in the alphabet by so many places.
    Shifted(u8),
    /// Letters in the place of those as far from the other end of the alphabet.
    Mirrored,
    /// Its first letters behind the others, and `ay`.
    PigLatin,
    /// Without its vowels.
    Vowelless,
    /// No word, but the name of a letter.
    Named,
}

/// The lexicon, built once.
pub(super) static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::new);

/// Words by hash.
#[derive(Debug)]
pub(super) struct Lexicon {
    words: Vec<&'static str>,
    /// By length and first letter, the last letters of words.
    shapes: Vec<u32>,
    /// Which bits of the hashes of what words end with occur.
    endings: Box<[u64; ENDING_BLOCKS]>,
    /// Open addressing by high bits of the hash; an entry holds low bits of it and whether attacks use the word.
    senses: Box<[u32; SLOTS]>,
    /// Sorted by hash.
    disguises: Vec<(u64, Disguise)>,
    /// Which high bits of the hashes of disguises occur: most words of a text need no search.
    present: Box<[u64; PRESENT_BLOCKS]>,
    longest: usize,
}

const SLOTS: usize = 4096;
const PRESENT_BLOCKS: usize = 4096;
const ENDING_BLOCKS: usize = 1024;
const FREE: u32 = 0;

impl Lexicon {
    fn new() -> Self {
        let attack = include_str!("../../words/attack.txt")
            .lines()
            .map(|word| (word, Sense::Attack));
        let known = include_str!("../../words/known.txt")
            .lines()
            .map(|word| (word, Sense::Known));
        let mut lexicon = Self {
            words: Vec::new(),
            shapes: Vec::new(),
            endings: Box::new([0; ENDING_BLOCKS]),
            senses: Box::new([FREE; SLOTS]),
            disguises: Vec::new(),
            present: Box::new([0; PRESENT_BLOCKS]),
            longest: 0,
        };
        for (index, (word, sense)) in (0_u16..).zip(attack.chain(known)) {
            lexicon.words.push(word);
            lexicon.longest = lexicon.longest.max(word.len());
            if let [first, .., last] = word.as_bytes() {
                let place = shape_of(*first, word.len());
                if lexicon.shapes.len() <= place {
                    lexicon.shapes.resize(place.saturating_add(1), 0);
                }
                if let Some(shape) = lexicon.shapes.get_mut(place) {
                    *shape |= bit_of(*last);
                }
            }
            lexicon.end(word);
            lexicon.insert(hash(word.bytes()), sense);
            lexicon.disguise(word, index, sense == Sense::Attack);
        }
        let named = NAMES.iter().map(|(name, _)| {
            let disguise = Disguise {
                how: How::Named,
                word: 0,
                attack: false,
            };
            (hash(name.bytes()), disguise)
        });
        lexicon.disguises.extend(named);
        lexicon.disguises.sort_unstable();
        lexicon.disguises.dedup_by_key(|(hash, _)| *hash);
        for (hash, _) in &lexicon.disguises {
            if let Some(block) = lexicon.present.get_mut(block_of(*hash)) {
                *block |= bits_of(*hash);
            }
        }
        lexicon
    }

    fn insert(&mut self, hash: u64, sense: Sense) {
        let mut slot = slot_of(hash);
        while let Some(entry) = self.senses.get_mut(slot) {
            if *entry == FREE {
                *entry = tag_of(hash) | u32::from(sense == Sense::Attack);
                return;
            }
            slot = slot.saturating_add(1) % SLOTS;
        }
    }

    /// Notes what is left of a word when its first letters are gone.
    fn end(&mut self, word: &str) {
        for from in 1..word.len() {
            let hash = hash(word.bytes().skip(from));
            if let Some(block) = self.endings.get_mut(ending_block_of(hash)) {
                *block |= bits_of(hash);
            }
        }
    }

    fn disguise(&mut self, word: &str, index: u16, attack: bool) {
        let mut add = |hash, how| {
            let disguise = Disguise {
                how,
                word: index,
                attack,
            };
            self.disguises.push((hash, disguise));
        };
        if word.len() >= 3 {
            add(hash(word.bytes().rev()), How::Reversed);
            for places in 1..26 {
                add(hash(word.bytes().map(|b| shift(b, places))), How::Shifted(places));
            }
            add(hash(word.bytes().map(mirror)), How::Mirrored);
            for form in without_vowels(word) {
                add(hash(form.bytes()), How::Vowelless);
            }
        }
        for form in pig_latin(word).iter().filter(|form| form.len() <= Letters::MAX) {
            add(hash(form.bytes()), How::PigLatin);
        }
        if word.len() >= SHUFFLED_LEN_MIN {
            add(Shuffle::of(word.bytes()).key(), How::Shuffled);
        }
    }

    /// The length of the longest word.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether some word of several letters begins, ends and is long like this; letters are small.
    pub(super) fn may_know(&self, first: u8, last: u8, len: usize) -> bool {
        let shape = self.shapes.get(shape_of(first, len)).copied().unwrap_or(0);
        shape & bit_of(last) != 0
    }

    /// Whether some word ends with the letters of a hash, and has more.
    pub(super) fn may_end(&self, hash: u64) -> bool {
        let block = self.endings.get(ending_block_of(hash)).copied().unwrap_or(0);
        block & bits_of(hash) == bits_of(hash)
    }

    /// What is known about the word of a hash.
    pub(super) fn sense(&self, hash: u64) -> Option<Sense> {
        let mut slot = slot_of(hash);
        let tag = tag_of(hash);
        loop {
            let entry = *self.senses.get(slot)?;
            if entry & !1 == tag {
                return Some(if entry & 1 == 1 { Sense::Attack } else { Sense::Known });
            }
            if entry == FREE {
                return None;
            }
            slot = slot.saturating_add(1) % SLOTS;
        }
    }

    /// The word that a hash, or the key of shuffled letters, stands for.
    pub(super) fn unmask(&self, hash: u64) -> Option<Disguise> {
        if !self.may_be_disguised(hash) {
            return None;
        }
        let index = self.disguises.binary_search_by_key(&hash, |(known, _)| *known).ok()?;
        self.disguises.get(index).map(|(_, disguise)| *disguise)
    }

    /// Whether [`Lexicon::unmask`] may know a hash; it knows no other.
    pub(super) fn may_be_disguised(&self, hash: u64) -> bool {
        let block = self.present.get(block_of(hash)).copied().unwrap_or(0);
        block & bits_of(hash) == bits_of(hash)
    }

    /// Whether a word of lower-case letters stands in one of the lists.
    pub(super) fn knows(&self, word: &[u8]) -> bool {
        self.sense(hash(word.iter().copied())).is_some()
    }

    /// The word at an index.
    pub(super) fn word(&self, index: u16) -> &'static str {
        self.words.get(usize::from(index)).copied().unwrap_or_default()
    }
}

fn shape_of(first: u8, len: usize) -> usize {
    len.wrapping_shl(5) | usize::from(first & 31)
}

fn bit_of(last: u8) -> u32 {
    1 << (last & 31)
}

fn slot_of(hash: u64) -> usize {
    usize::try_from(hash >> 44).unwrap_or(0) % SLOTS
}

/// Low bits that tell words of a slot apart, never those of a free slot.
fn tag_of(hash: u64) -> u32 {
    u32::try_from(hash & 0xFFFF_FFFE).unwrap_or(0).max(2)
}

/// Two bits of a block, which both occur by accident for few words.
fn bits_of(hash: u64) -> u64 {
    1 << (hash >> 58) | 1 << (hash >> 52 & 63)
}

fn block_of(hash: u64) -> usize {
    usize::try_from(hash >> 36).unwrap_or(0) % PRESENT_BLOCKS
}

fn ending_block_of(hash: u64) -> usize {
    block_of(hash) % ENDING_BLOCKS
}

/// The letters of a word of at most sixteen, one byte each, the first in the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Letters(u128);

impl Letters {
    /// So many letters have room, which is more than any word of the lexicon has.
    pub(super) const MAX: usize = 16;
    /// Stands for more letters than have room; no word is this.
    pub(super) const TOO_MANY: Self = Self(u128::MAX);

    /// Small letters one by one.
    pub(super) fn of(letters: impl Iterator<Item = u8>) -> Self {
        letters
            .zip(0..)
            .fold(Self::default(), |all, (letter, at)| all.and(letter, at))
    }

    /// The letters of a part of a text, which has no other bytes, in lower case.
    pub(super) fn small(text: &[u8], start: usize, len: usize) -> Self {
        let Some(used) = USED.get(len) else {
            return Self::TOO_MANY;
        };
        let bytes = match text.get(start..).and_then(|rest| rest.first_chunk()) {
            Some(chunk) => *chunk,
            None => {
                let mut bytes = [0; Self::MAX];
                for (slot, byte) in bytes.iter_mut().zip(text.get(start..).unwrap_or_default()) {
                    *slot = *byte;
                }
                bytes
            }
        };
        Self((u128::from_le_bytes(bytes) | SMALL) & used)
    }

    /// With one more letter, the one at a place.
    pub(super) fn and(self, letter: u8, at: u32) -> Self {
        if at < 16 {
            Self(self.0 | u128::from(letter).wrapping_shl(at.wrapping_mul(8)))
        } else {
            Self::TOO_MANY
        }
    }

    /// One by one.
    pub(super) fn each(self) -> impl Iterator<Item = u8> {
        self.0.to_le_bytes().into_iter().take_while(|letter| *letter != 0)
    }

    /// These, which are so many, and others behind them; they have room together.
    pub(super) fn then(self, len: usize, next: Self) -> Self {
        let bits = u32::try_from(len).unwrap_or(0).wrapping_mul(8);
        Self(self.0 | next.0.wrapping_shl(bits))
    }

    /// Whether the first letter is written twice; so are too many letters.
    pub(super) fn begin_double(self) -> bool {
        (self.0 ^ self.0.wrapping_shr(8)) & 0xFF == 0
    }

    pub(super) fn hash(self) -> u64 {
        // Both halves of the products, so that each letter counts for each bit.
        let [low, high] = halves(self.0);
        let mixed = product(low ^ 0x9E37_79B9_7F4A_7C15, high ^ 0xC2B2_AE3D_27D4_EB4F);
        product(mixed, 0xD6E8_FEB8_6659_FD93)
    }
}

/// The halves of a product together.
fn product(a: u64, b: u64) -> u64 {
    let [low, high] = halves(u128::from(a).wrapping_mul(u128::from(b)));
    low ^ high
}

fn halves(both: u128) -> [u64; 2] {
    [both, both.wrapping_shr(64)].map(|half| u64::try_from(half & 0xFFFF_FFFF_FFFF_FFFF).unwrap_or(0))
}

/// What capital letters lack to be small ones.
const SMALL: u128 = u128::from_le_bytes([0x20; 16]);
const LENGTHS: usize = 17;
/// By length of a word, the bits that its letters take.
const USED: [u128; LENGTHS] = {
    let mut used = [0; LENGTHS];
    let mut rest: &mut [u128] = &mut used;
    let mut bits = 0_u128;
    while let Some((first, tail)) = rest.split_first_mut() {
        *first = bits;
        bits = bits << 8 | 0xFF;
        rest = tail;
    }
    used
};

/// The hash of a word.
pub(super) fn hash(word: impl Iterator<Item = u8>) -> u64 {
    Letters::of(word).hash()
}

/// A letter moved on in the alphabet.
pub(super) fn shift(byte: u8, places: u8) -> u8 {
    let from = match byte {
        b'a'..=b'z' => b'a',
        b'A'..=b'Z' => b'A',
        _ => return byte,
    };
    let place = byte
        .saturating_sub(from)
        .saturating_add(places)
        .checked_rem(26)
        .unwrap_or(0);
    from.saturating_add(place)
}

/// What stays of a word when its inner letters are shuffled.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shuffle {
    first: u8,
    last: u8,
    len: u64,
    letters: u64,
}

impl Shuffle {
    /// Of all letters of a word.
    pub(super) fn of(word: impl Iterator<Item = u8>) -> Self {
        let mut shuffle = Self::default();
        word.for_each(|byte| shuffle.add(byte));
        shuffle
    }

    /// Takes the next letter.
    fn add(&mut self, byte: u8) {
        if self.len == 0 {
            self.first = byte;
        }
        self.last = byte;
        self.len = self.len.wrapping_add(1);
        let spread = u64::from(byte).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.letters = self.letters.wrapping_add(spread.rotate_left(u32::from(byte & 31)));
    }

    /// The same for all orders of the inner letters.
    pub(super) fn key(&self) -> u64 {
        let ends = u64::from(self.first) << 16 | u64::from(self.last) << 8 | self.len;
        let mixed = (self.letters ^ ends.wrapping_mul(0xD6E8_FEB8_6659_FD93)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        mixed ^ (mixed >> 32)
    }
}
