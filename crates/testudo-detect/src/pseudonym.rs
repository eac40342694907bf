//! Reversible placeholders for one request, and the marks of what was taken out for good.

mod fake;
mod restorer;
mod seen;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use self::restorer::{RestoreStream, Restorer};
use self::restorer::{Shape, Standin, stands_free};
use self::seen::SeenWords;

/// The values taken out of one request, each with a placeholder that nobody outside can guess.
///
/// A placeholder looks like `[[EMAIL_1_k3v5x2p7q4wza]]`: the rule's label, a counter per label, and
/// the request's nonce in base 32. With [`PlaceholderStyle::Typed`] a value whose kind has a range that nobody
/// owns gets a made-up value of that kind instead. Values live only as long as this and its restorers.
pub struct Pseudonyms {
    nonce: [u8; 8],
    style: PlaceholderStyle,
    seen: SeenWords,
    entries_max: usize,
    entries: Vec<Entry>,
    by_value: BTreeMap<Arc<str>, Vec<usize>>,
    per_label: BTreeMap<String, usize>,
    fakes: BTreeSet<Arc<str>>,
}

/// What stands in the place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlaceholderStyle {
    /// `[[EMAIL_1_k3v5x2p7q4wza]]`: says what was taken out, and cannot be guessed.
    #[default]
    Bracket,
    /// A made-up value of the same kind, for models and tools that need one; guessable where the range is small.
    Typed,
}

impl PlaceholderStyle {
    /// By the name that configurations use.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Bracket, Self::Typed]
            .into_iter()
            .find(|style| style.as_str() == name)
    }

    /// The name that configurations use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bracket => "bracket",
            Self::Typed => "typed",
        }
    }
}

struct Entry {
    label: String,
    shape: Shape,
    placeholder: Arc<str>,
    value: Arc<str>,
}

/// Made-up values that are tried before a bracket is taken; small ranges fill up.
const FAKES_TRIED: u32 = 48;

/// A request holds more different values to mask than its limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("more than {entries_max} different values to mask; send less at once or raise the limit")]
pub struct Full {
    /// The limit.
    pub entries_max: usize,
}

impl Pseudonyms {
    /// An empty set for one request; `nonce` is eight fresh random bytes, never used twice.
    #[must_use]
    pub fn new(nonce: [u8; 8], entries_max: usize) -> Self {
        Self {
            nonce,
            style: PlaceholderStyle::Bracket,
            seen: SeenWords::default(),
            entries_max,
            entries: Vec::new(),
            by_value: BTreeMap::new(),
            per_label: BTreeMap::new(),
            fakes: BTreeSet::new(),
        }
    }

    /// The same set in another style; before the first placeholder is made.
    #[must_use]
    pub fn styled(self, style: PlaceholderStyle) -> Self {
        Self { style, ..self }
    }

    /// What stands in the place of values.
    #[must_use]
    pub fn style(&self) -> PlaceholderStyle {
        self.style
    }

    /// Takes note of a text of the request, so that no made-up value is one that it already holds.
    ///
    /// Every text of the request has to be shown before its first placeholder is made.
    pub fn show(&mut self, text: &str) {
        if self.style == PlaceholderStyle::Typed {
            self.seen.add(text);
        }
    }

    /// The placeholder for the value at `place` in a text: a made-up value where one is asked for, its kind
    /// has a range for it, and it would stand free; else as [`Pseudonyms::placeholder`].
    ///
    /// # Errors
    /// When a new value would pass the limit, or when there is nothing at `place`.
    pub fn placeholder_at(&mut self, label: &str, text: &str, place: Range<usize>) -> Result<&str, Full> {
        let full = Full {
            entries_max: self.entries_max,
        };
        let value = text.get(place.clone()).ok_or_else(|| full.clone())?;
        let typed = self.style == PlaceholderStyle::Typed && stands_free(text, &place);
        self.made(if typed { Shape::Typed } else { Shape::Bracket }, label, value)
    }

    /// The placeholder that stands for a value; the same value under the same label keeps its own.
    ///
    /// Characters of `label` outside letters, digits and `_` become `_`.
    ///
    /// # Errors
    /// When a new value would pass `entries_max`; the request cannot be masked.
    pub fn placeholder(&mut self, label: &str, value: &str) -> Result<&str, Full> {
        self.made(Shape::Bracket, label, value)
    }

    fn made(&mut self, shape: Shape, label: &str, value: &str) -> Result<&str, Full> {
        let full = Full {
            entries_max: self.entries_max,
        };
        let known = self.known(shape, label, value);
        // A value that once had to have brackets keeps them.
        let known = known.or_else(|| self.known(Shape::Bracket, label, value));
        let fake = match shape {
            Shape::Typed if known.is_none() => self.fake(label, value),
            Shape::Typed | Shape::Bracket | Shape::Mark => None,
        };
        let place = match known {
            Some(place) => place,
            None if self.entries.len() >= self.entries_max => return Err(full),
            None => self.add(fake, label, value),
        };
        self.entries.get(place).map(|entry| &*entry.placeholder).ok_or(full)
    }

    /// A made-up value that is new here and stands in no text of the request, also once others are masked.
    fn fake(&self, label: &str, value: &str) -> Option<Arc<str>> {
        (0..FAKES_TRIED).find_map(|attempt| {
            let fake = fake::fake(label, value, &self.nonce, self.entries.len(), attempt)?;
            let taken = self.fakes.contains(&*fake) || self.by_value.contains_key(&*fake) || self.seen.may_leave(&fake);
            (!taken && fake != value).then(|| fake.into())
        })
    }

    /// How many different values have a placeholder.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was replaced, so that nothing has to be restored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What puts the values back into the response; knows the placeholders made so far.
    #[must_use]
    pub fn restorer(&self) -> Restorer {
        Restorer::new(self.entries.iter().map(|entry| {
            let standin = Standin {
                shape: entry.shape,
                value: Arc::clone(&entry.value),
            };
            (Arc::clone(&entry.placeholder), standin)
        }))
    }

    fn known(&self, shape: Shape, label: &str, value: &str) -> Option<usize> {
        let places = self.by_value.get(value)?;
        let same = |entry: &Entry| entry.label == label && entry.shape == shape;
        places
            .iter()
            .copied()
            .find(|place| self.entries.get(*place).is_some_and(same))
    }

    fn add(&mut self, fake: Option<Arc<str>>, label: &str, value: &str) -> usize {
        let place = self.entries.len();
        let value: Arc<str> = value.into();
        let (shape, placeholder) = match fake {
            Some(fake) => {
                self.fakes.insert(Arc::clone(&fake));
                (Shape::Typed, fake)
            }
            None => (Shape::Bracket, self.bracket(label)),
        };
        self.entries.push(Entry {
            label: label.to_owned(),
            shape,
            placeholder,
            value: Arc::clone(&value),
        });
        self.by_value.entry(value).or_default().push(place);
        place
    }

    fn bracket(&mut self, label: &str) -> Arc<str> {
        let shown = sound_label(label);
        let nonce = base32(self.nonce);
        let count = self.per_label.entry(shown.clone()).or_insert(0);
        loop {
            *count = count.saturating_add(1);
            let placeholder = format!("[[{shown}_{count}_{nonce}]]");
            // Ends: a text holds finitely many numbers.
            if !self.seen.may_hold(&placeholder) {
                return placeholder.into();
            }
        }
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// The mark that stands where a value was taken out for good, for example `[REDACTED:GITHUB_TOKEN]`.
#[must_use]
pub fn redaction(label: &str) -> String {
    format!("[REDACTED:{}]", sound_label(label))
}

/// A label with only letters, digits and `_`.
fn sound_label(label: &str) -> String {
    label
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

/// Eight bytes in lower-case base 32 (RFC 4648 alphabet), thirteen characters.
fn base32(nonce: [u8; 8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = u64::from_be_bytes(nonce);
    // Thirteen groups of five bits; the last group is filled up with a zero bit.
    (0..13_u32)
        .filter_map(|group| {
            let shift = 59_u32.checked_sub(group.checked_mul(5)?);
            let value = match shift {
                Some(shift) => bits >> shift,
                None => bits << 1_u32,
            };
            ALPHABET
                .get(usize::try_from(value & 31).ok()?)
                .map(|byte| char::from(*byte))
        })
        .collect()
}
