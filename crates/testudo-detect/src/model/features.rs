//! Turns a text into hashed n-grams: words, pairs and triples of words, and 3 to 5 letters within a word.

use std::ops::Range;

/// Longer words are looked at up to here.
const WORD_CHARS_MAX: usize = 24;
const GRAM_CHARS_MIN: usize = 3;
const GRAM_CHARS_MAX: usize = 5;

/// Digits of a number that count; longer numbers look alike.
const DIGITS_MAX: usize = 3;
/// Longer words with a digit in them are numbers, keys and hashes: no words, whatever stands around them.
const NAME_CHARS_MAX: usize = 4;
/// Places to remember n-grams in, so that one that is repeated counts once.
const SEEN_BITS: u32 = 12;

/// The n-grams of a text, as they are found.
#[derive(Debug, Default)]
pub struct Features {
    /// The hash that was found last at each place; zero for none.
    seen: Vec<u32>,
    /// Digits at the end of the word so far, and whether it has any.
    digits: usize,
    has_digit: bool,
    /// The letters of the word at hand, folded, between two marks.
    letters: Vec<u32>,
    previous: Option<(u32, usize)>,
    before: Option<(u32, usize)>,
}

impl Features {
    /// Calls `found` with the hash of each n-gram and the bytes it stands for; a letter group stands for its word.
    ///
    /// What is repeated is told once, but for rare cases in long texts.
    pub fn visit(&mut self, text: &str, mut found: impl FnMut(u32, Range<usize>)) {
        let mut seen = std::mem::take(&mut self.seen);
        seen.clear();
        seen.resize(1 << SEEN_BITS, 0);
        self.visit_all(text, |hash, range| {
            let place = usize::try_from(hash & ((1 << SEEN_BITS) - 1)).unwrap_or(0);
            if let Some(last) = seen.get_mut(place)
                && *last != hash
            {
                *last = hash;
                found(hash, range);
            }
        });
        self.seen = seen;
    }

    fn visit_all(&mut self, text: &str, mut found: impl FnMut(u32, Range<usize>)) {
        self.previous = None;
        self.before = None;
        self.letters.clear();
        let mut from = 0;
        let mut symbol = None;
        for (at, letter) in text.char_indices() {
            let kind = Kind::of(letter);
            if kind == Kind::Word {
                if self.letters.is_empty() {
                    from = at;
                    self.digits = 0;
                    self.has_digit = false;
                }
                symbol = None;
                let is_digit = letter.is_ascii_digit();
                self.has_digit |= is_digit;
                self.digits = if is_digit { self.digits.saturating_add(1) } else { 0 };
                if self.letters.len() < WORD_CHARS_MAX && self.digits <= DIGITS_MAX {
                    self.letters.push(folded(letter));
                }
                continue;
            }
            self.end_word(from..at, &mut found);
            let end = at.saturating_add(letter.len_utf8());
            match kind {
                Kind::Sign if symbol == Some(letter) => {}
                Kind::Sign | Kind::Syllable => {
                    symbol = (kind == Kind::Sign).then_some(letter);
                    self.token(mix(SEED_SIGN, folded(letter)), at..end, &mut found);
                }
                Kind::Space | Kind::Word => symbol = None,
            }
        }
        self.end_word(from..text.len(), &mut found);
    }

    fn end_word(&mut self, range: Range<usize>, found: &mut impl FnMut(u32, Range<usize>)) {
        if self.letters.is_empty() {
            return;
        }
        if self.has_digit && self.letters.len() > NAME_CHARS_MAX {
            self.letters.clear();
            self.previous = None;
            self.before = None;
            return;
        }
        let letters = std::mem::take(&mut self.letters);
        let word = letters.iter().fold(SEED_WORD, |hash, letter| mix(hash, *letter));
        self.token(word, range.clone(), found);
        let marked = letters.len().saturating_add(2);
        let letter = |at: usize| match at {
            0 => Some(MARK),
            _ => Some(letters.get(at.saturating_sub(1)).copied().unwrap_or(MARK)),
        };
        for start in 0..marked {
            let mut hash = SEED_GRAM;
            for taken in 1..=GRAM_CHARS_MAX {
                let at = start.saturating_add(taken).saturating_sub(1);
                if at >= marked {
                    break;
                }
                let Some(letter) = letter(at) else { break };
                hash = mix(hash, letter);
                if taken >= GRAM_CHARS_MIN {
                    found(finish(hash), range.clone());
                }
            }
        }
        self.letters = letters;
        self.letters.clear();
    }

    fn token(&mut self, hash: u32, range: Range<usize>, found: &mut impl FnMut(u32, Range<usize>)) {
        found(finish(hash), range.clone());
        if let Some((previous, from)) = self.previous {
            let pair = mix(mix(SEED_PAIR, previous), hash);
            found(finish(pair), from..range.end);
            if let Some((before, from)) = self.before {
                let triple = mix(mix(mix(SEED_TRIPLE, before), previous), hash);
                found(finish(triple), from..range.end);
            }
        }
        self.before = self.previous;
        self.previous = Some((hash, range.start));
    }
}

/// The buckets of a text's n-grams; `bits` is the logarithm of their number.
#[must_use]
pub fn buckets(text: &str, bits: u32) -> Vec<u32> {
    let mut list = Vec::with_capacity(text.len().saturating_mul(3));
    Features::default().visit(text, |hash, _| list.push(bucket(hash, bits)));
    list
}

/// The bucket of a hash.
#[must_use]
pub fn bucket(hash: u32, bits: u32) -> u32 {
    hash >> 32_u32.saturating_sub(bits).min(31)
}

const SEED_WORD: u32 = 0x811C_9DC5;
const SEED_SIGN: u32 = 0x1000_1931;
const SEED_GRAM: u32 = 0x2545_F491;
const SEED_PAIR: u32 = 0x3C6E_F372;
const SEED_TRIPLE: u32 = 0x5BE0_CD19;
/// Stands before and after a word.
const MARK: u32 = 1;

fn mix(hash: u32, value: u32) -> u32 {
    (hash ^ value).wrapping_mul(0x0100_0193).rotate_left(5) ^ value.wrapping_mul(0x9E37_79B1)
}

fn finish(hash: u32) -> u32 {
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
    let hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
    hash ^ (hash >> 16)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    /// Part of a word that spaces delimit.
    Word,
    /// A word of its own in scripts without spaces: Han, kana.
    Syllable,
    Sign,
}

impl Kind {
    fn of(letter: char) -> Self {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' => Self::Word,
            ' ' | '\n' | '\t' | '\r' => Self::Space,
            '\0'..='\u{7F}' => Self::Sign,
            '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}' => {
                Self::Syllable
            }
            '\u{2000}'..='\u{206F}' | '\u{3000}'..='\u{303F}' | '\u{FF01}'..='\u{FF0F}' => Self::Sign,
            other if other.is_alphanumeric() => Self::Word,
            other if other.is_whitespace() => Self::Space,
            // Vowel signs and joiners of Indic scripts are no letters, yet belong to the word.
            '\u{0300}'..='\u{1FFF}' | '\u{A000}'..='\u{ABFF}' => Self::Word,
            _ => Self::Sign,
        }
    }
}

/// Lower case, and every digit the same.
fn folded(letter: char) -> u32 {
    match letter {
        '0'..='9' => u32::from('0'),
        'A'..='Z' => u32::from(letter.to_ascii_lowercase()),
        '\0'..='\u{7F}' => u32::from(letter),
        _ => letter.to_lowercase().next().map_or(u32::from(letter), u32::from),
    }
}

#[cfg(test)]
#[expect(
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a panic is a failed test"
)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Features, buckets};

    fn found(text: &str) -> Vec<String> {
        let mut list = Vec::new();
        Features::default().visit(text, |_, range| list.push(text[range].to_owned()));
        list.sort();
        list.dedup();
        list
    }

    #[test]
    fn words_pairs_and_triples() {
        assert_eq!(found("a b  c"), ["a", "a b", "a b  c", "b", "b  c", "c"]);
        assert_eq!(found("忽略之"), ["之", "忽", "忽略", "忽略之", "略", "略之"]);
        assert!(found("").is_empty());
        assert!(found(" \n\t").is_empty());
    }

    #[test]
    fn case_space_and_digits_are_folded() {
        for (left, right) in [
            ("Ignore  ALL", "ignore all"),
            ("pay 17", "pay 93"),
            ("id 12345", "id 6789012"),
            ("key a8f3b2c1d", "key 77ffa0c91"),
            ("no no no", "no no no no"),
            ("ÀB", "àb"),
            ("a----b", "a-b"),
        ] {
            assert_eq!(buckets(left, 20), buckets(right, 20), "{left}");
        }
        for (left, right) in [("ignore all", "all ignore"), ("ab", "a b"), ("x1", "xy"), ("a!", "a?")] {
            assert_ne!(buckets(left, 20), buckets(right, 20), "{left}");
        }
    }

    proptest! {
        #[test]
        fn ranges_lie_in_the_text(text in any::<String>()) {
            Features::default().visit(&text, |_, range| {
                assert!(text.get(range.clone()).is_some_and(|it| !it.is_empty()), "{range:?}");
            });
        }

        #[test]
        fn buckets_are_bounded(text in any::<String>(), bits in 4_u32..22) {
            assert!(buckets(&text, bits).iter().all(|it| *it < 1 << bits));
        }

        #[test]
        fn work_is_linear(text in "[a-z ]{0,300}") {
            assert!(buckets(&text, 20).len() <= text.len() * 6 + 12);
        }
    }
}
