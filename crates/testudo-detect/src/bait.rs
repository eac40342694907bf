//! Baits: values that no honest call or answer carries, found again in whatever dress they leave in.
//!
//! [`crate::Canaries`] find such values as they are written, also while a text streams. Here a text that is at hand as
//! a whole is read with its views, with what its encodings hold, backwards, and without anything between its letters,
//! so that a value in parts is found as well.

use std::sync::Arc;

use aho_corasick::AhoCorasick;

use crate::{Budget, Canaries, views};

#[cfg(test)]
mod tests;

/// A value with fewer letters and digits is only found as it is written, in the text or in what its encodings hold.
const LETTERS_MIN: usize = 12;
/// The same for a value of digits alone, which tables of numbers may hold by chance.
const DIGITS_MIN: usize = 14;
/// Encodings within encodings that are undone here, beside those of the views.
const DEPTH: u8 = 2;
/// A shorter run of an alphabet holds no bait.
const RUN_MIN: usize = 12;
/// Times that a text is read for what it is charged.
const READINGS: usize = 8;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE16: &[u8; 16] = b"0123456789abcdef";

/// Values to look for; cheap to clone.
#[derive(Clone, Default)]
pub struct Baits {
    lures: Vec<Arc<Lures>>,
}

/// What became of the baits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    Nowhere,
    Seen,
    /// The text could not be read to its end; it may hold anything.
    Unread,
}

struct Lures {
    /// Letters and digits of the values in every form that is looked for; `None` when all are short.
    forms: Option<AhoCorasick>,
    /// As they are written.
    plain: Vec<String>,
}

impl Baits {
    /// The canaries, in every dress.
    #[must_use]
    pub fn of(canaries: &Canaries) -> Self {
        let lures = Lures::of(canaries.values().map(str::to_owned).collect());
        Self {
            lures: lures.into_iter().map(Arc::new).collect(),
        }
    }

    /// These, and one value more.
    #[must_use]
    pub fn and(&self, value: &str) -> Self {
        let mut all = self.clone();
        all.lures.extend(Lures::of(vec![value.to_owned()]).map(Arc::new));
        all
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lures.is_empty()
    }

    /// Looks for the baits in a text and in all that it says by encodings and disguises. Several values that belong
    /// together are given as one text, so that a bait in parts is found.
    #[must_use]
    pub fn sighted(&self, text: &str, budget: &mut Budget) -> Sighting {
        if self.lures.is_empty() || text.is_empty() {
            return Sighting::Nowhere;
        }
        let views = views::normalise(text, budget);
        let mut unread = views.unscanned.is_some();
        let mut waiting: Vec<(String, u8)> = vec![(text.to_owned(), 0)];
        waiting.extend(views.views.into_iter().map(|view| (view.text, 0)));
        while let Some((text, depth)) = waiting.pop() {
            let work = text.len().saturating_mul(self.lures.len().saturating_mul(READINGS));
            if !budget.spend(work) {
                unread = true;
                break;
            }
            if self.stands_in(&text) {
                return Sighting::Seen;
            }
            if depth < DEPTH {
                waiting.extend(decodings(&text).map(|text| (text, depth.saturating_add(1))));
            }
        }
        if unread { Sighting::Unread } else { Sighting::Nowhere }
    }

    fn stands_in(&self, text: &str) -> bool {
        let letters = letters(text);
        let backwards: String = letters.chars().rev().collect();
        let turned: String = letters.chars().map(turned).collect();
        let readings = [letters, backwards, turned];
        self.lures.iter().any(|lures| {
            let written = lures.plain.iter().any(|value| stands_free(text, value));
            let dressed = |forms: &AhoCorasick| readings.iter().any(|reading| forms.is_match(reading));
            written || lures.forms.as_ref().is_some_and(dressed)
        })
    }
}

/// Values never reach a log line.
impl std::fmt::Debug for Baits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count: usize = self.lures.iter().map(|lures| lures.plain.len()).sum();
        f.debug_struct("Baits").field("count", &count).finish_non_exhaustive()
    }
}

impl Lures {
    /// `None` when there is nothing to look for.
    fn of(plain: Vec<String>) -> Option<Self> {
        if plain.is_empty() {
            return None;
        }
        let forms: Vec<String> = plain.iter().flat_map(|value| forms(value)).collect();
        let forms = (!forms.is_empty()).then(|| AhoCorasick::new(forms).ok()).flatten();
        Some(Self { forms, plain })
    }
}

/// Letters and digits of a value as it is written, in three encodings, and in each place that these can begin at.
fn forms(value: &str) -> Vec<String> {
    let plain = letters(value);
    let digits = plain.bytes().all(|byte| byte.is_ascii_digit());
    if plain.len() < if digits { DIGITS_MIN } else { LETTERS_MIN } {
        return Vec::new();
    }
    let mut forms = Vec::new();
    for written in [
        value.to_owned(),
        value.to_ascii_lowercase(),
        value.to_ascii_uppercase(),
        plain.clone(),
    ] {
        let bytes = written.as_bytes();
        forms.push(aligned(bytes, BASE16, 4, 0));
        forms.extend((0..3).map(|offset| aligned(bytes, BASE64, 6, offset)));
        forms.extend((0..5).map(|offset| aligned(bytes, BASE32, 5, offset)));
    }
    forms.push(plain);
    let mut forms: Vec<String> = forms.iter().map(|form| letters(form)).collect();
    forms.retain(|form| form.len() >= LETTERS_MIN);
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// What the runs of a text hold that could be base 64 or base 16, wherever in them it begins.
fn decodings(text: &str) -> impl Iterator<Item = String> {
    let runs = runs(text, |byte| sextet(byte).is_some());
    let mut out: Vec<String> = Vec::new();
    for run in &runs {
        out.extend((0..4).map(|offset| decoded(run.get(offset..).unwrap_or_default(), 6, sextet)));
    }
    for run in &self::runs(text, |byte| nibble(byte).is_some()) {
        out.extend((0..2).map(|offset| decoded(run.get(offset..).unwrap_or_default(), 4, nibble)));
    }
    out.into_iter()
}

/// The runs of an alphabet in a text that are long enough; line ends interrupt none.
fn runs(text: &str, belongs: impl Fn(u8) -> bool) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut run = Vec::new();
    for byte in text.bytes().chain(std::iter::once(0)) {
        if belongs(byte) {
            run.push(byte);
        } else if !matches!(byte, b'\n' | b'\r') {
            let run = std::mem::take(&mut run);
            if run.len() >= RUN_MIN {
                all.push(run);
            }
        }
    }
    all
}

/// Bytes from letters of `bits` each, as characters of the same numbers.
fn decoded(run: &[u8], bits: u32, value: impl Fn(u8) -> Option<u8>) -> String {
    let mut out = String::new();
    let (mut word, mut held) = (0_u32, 0_u32);
    for byte in run.iter().filter_map(|byte| value(*byte)) {
        word = ((word << bits) | u32::from(byte)) & 0xffff;
        held = held.saturating_add(bits);
        if held >= 8 {
            held = held.saturating_sub(8);
            out.extend(u8::try_from((word >> held) & 0xff).ok().map(char::from));
        }
    }
    out
}

/// Both alphabets of base 64.
fn sextet(byte: u8) -> Option<u8> {
    let at = |first: u8, from: u8| byte.checked_sub(first).map(|at| at.saturating_add(from));
    match byte {
        b'A'..=b'Z' => at(b'A', 0),
        b'a'..=b'z' => at(b'a', 26),
        b'0'..=b'9' => at(b'0', 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn nibble(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// The value as it is written, with nothing that continues it on either side.
fn stands_free(text: &str, value: &str) -> bool {
    text.match_indices(value).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text
            .get(at.saturating_add(value.len())..)
            .and_then(|text| text.chars().next());
        let free = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
        free(before) && free(after)
    })
}

/// Letters and digits of ASCII in lower case.
fn letters(text: &str) -> String {
    let all = text.chars().filter(char::is_ascii_alphanumeric);
    all.map(|c| c.to_ascii_lowercase()).collect()
}

fn turned(c: char) -> char {
    match u8::try_from(c) {
        Ok(byte @ b'a'..=b'm') => char::from(byte.saturating_add(13)),
        Ok(byte @ b'n'..=b'z') => char::from(byte.saturating_sub(13)),
        _ => c,
    }
}

/// Bytes in an alphabet of `bits` per letter, as they are written after `offset` other bytes: without the letters that
/// those, or what follows, have a part in.
fn aligned(bytes: &[u8], alphabet: &[u8], bits: u32, offset: u32) -> String {
    let mut out = String::new();
    let past = offset.saturating_mul(8).checked_rem(bits).unwrap_or(0);
    let mut skip = bits.saturating_sub(past).checked_rem(bits).unwrap_or(0);
    let (mut word, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        word = ((word << 8) | u32::from(*byte)) & 0xffff;
        held = held.saturating_add(8);
        let passed = skip.min(held);
        held = held.saturating_sub(passed);
        skip = skip.saturating_sub(passed);
        while held >= bits {
            held = held.saturating_sub(bits);
            let digit = (word >> held) & (1_u32 << bits).wrapping_sub(1);
            let letter = usize::try_from(digit).ok().and_then(|digit| alphabet.get(digit));
            out.extend(letter.map(|letter| char::from(*letter)));
        }
    }
    out
}
