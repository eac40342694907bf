//! Reversible placeholders for one request, and the marks of what was taken out for good.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::Arc;

/// The values taken out of one request, each with a placeholder that nobody outside can guess.
///
/// A placeholder looks like `[[EMAIL_1_k3v5x2p7q4wza]]`: the rule's label, a counter per label, and
/// the request's nonce in base 32. Values live only as long as this and its restorers.
pub struct Pseudonyms {
    nonce: String,
    entries_max: usize,
    entries: Vec<Entry>,
    by_value: BTreeMap<Arc<str>, Vec<usize>>,
    per_label: BTreeMap<String, usize>,
}

struct Entry {
    label: String,
    placeholder: Arc<str>,
    value: Arc<str>,
}

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
            nonce: base32(nonce),
            entries_max,
            entries: Vec::new(),
            by_value: BTreeMap::new(),
            per_label: BTreeMap::new(),
        }
    }

    /// The placeholder that stands for a value; the same value under the same label keeps its own.
    ///
    /// Characters of `label` outside letters, digits and `_` become `_`.
    ///
    /// # Errors
    /// When a new value would pass `entries_max`; the request cannot be masked.
    pub fn placeholder(&mut self, label: &str, value: &str) -> Result<&str, Full> {
        let full = Full {
            entries_max: self.entries_max,
        };
        let place = match self.known(label, value) {
            Some(place) => place,
            None if self.entries.len() >= self.entries_max => return Err(full),
            None => self.add(label, value),
        };
        self.entries.get(place).map(|entry| &*entry.placeholder).ok_or(full)
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
        let values: BTreeMap<Arc<str>, Arc<str>> = self
            .entries
            .iter()
            .map(|entry| (Arc::clone(&entry.placeholder), Arc::clone(&entry.value)))
            .collect();
        let placeholder_len_max = values.keys().map(|placeholder| placeholder.len()).max().unwrap_or(0);
        Restorer {
            values: Arc::new(values),
            placeholder_len_max,
            echoes: Arc::from([]),
        }
    }

    fn known(&self, label: &str, value: &str) -> Option<usize> {
        let places = self.by_value.get(value)?;
        places
            .iter()
            .copied()
            .find(|place| self.entries.get(*place).is_some_and(|entry| entry.label == label))
    }

    fn add(&mut self, label: &str, value: &str) -> usize {
        let shown = sound_label(label);
        let count = self.per_label.entry(shown.clone()).or_insert(0);
        *count = count.saturating_add(1);
        let place = self.entries.len();
        let value: Arc<str> = value.into();
        self.entries.push(Entry {
            label: label.to_owned(),
            placeholder: format!("[[{shown}_{count}_{nonce}]]", nonce = self.nonce).into(),
            value: Arc::clone(&value),
        });
        self.by_value.entry(value).or_default().push(place);
        place
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// Puts the values of one request back where its own placeholders stand; cheap to clone.
///
/// Only exact placeholders of that request count: one that was invented, altered, cut or made for
/// another request stays as it is, and a value that is put back is not looked at again.
#[derive(Clone)]
pub struct Restorer {
    values: Arc<BTreeMap<Arc<str>, Arc<str>>>,
    placeholder_len_max: usize,
    /// Marks of another form than placeholders, which are taken out; none is the beginning of another.
    echoes: Arc<[Arc<str>]>,
}

impl Default for Restorer {
    /// Restores nothing.
    fn default() -> Self {
        Self {
            values: Arc::default(),
            placeholder_len_max: 0,
            echoes: Arc::from([]),
        }
    }
}

impl Restorer {
    /// Also takes out these marks where the model repeats them.
    #[must_use]
    pub fn removing(self, echoes: Vec<String>) -> Self {
        let longest = echoes.iter().map(String::len).max().unwrap_or(0);
        let (like_placeholders, others): (Vec<String>, Vec<String>) = echoes
            .into_iter()
            .filter(|echo| !echo.is_empty())
            .partition(|echo| echo.starts_with("[[") && echo.find("]]") == echo.len().checked_sub(2));
        let mut values = Arc::unwrap_or_clone(self.values);
        values.extend(like_placeholders.into_iter().map(|echo| (echo.into(), "".into())));
        Self {
            values: Arc::new(values),
            placeholder_len_max: self.placeholder_len_max.max(longest),
            echoes: others.into_iter().map(Into::into).collect(),
        }
    }

    /// Whether there is nothing to restore.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.echoes.is_empty()
    }

    /// The characters with which placeholders and marks begin.
    fn openings(&self) -> Vec<char> {
        let own = self.echoes.iter().filter_map(|echo| echo.chars().next());
        std::iter::once('[').chain(own).collect()
    }

    /// The placeholders in a whole text, in order: their bytes, and the values they stand for.
    pub fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (Range<usize>, &'a str)> + 'a {
        let text = if self.is_empty() { "" } else { text };
        let openings = self.openings();
        let starts = text.char_indices().filter(move |(_, c)| openings.contains(c));
        starts.filter_map(|(start, _)| {
            let (placeholder, value) = self.standing_at(text.get(start..)?)?;
            Some((start..start.checked_add(placeholder.len())?, value))
        })
    }

    /// The text with every placeholder replaced; borrowed when there was none.
    #[must_use]
    pub fn restore<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut restored = String::new();
        let mut done = 0;
        for (place, value) in self.find(text) {
            restored.push_str(text.get(done..place.start).unwrap_or_default());
            restored.push_str(value);
            done = place.end;
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        restored.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(restored)
    }

    /// Where the longest end of a text starts that could still grow into a placeholder; its length when none can.
    #[must_use]
    pub fn pending(&self, text: &str) -> usize {
        // A proper prefix is shorter than the longest placeholder.
        let window = text.len().saturating_sub(self.placeholder_len_max.saturating_sub(1));
        let window = text.ceil_char_boundary(window);
        let tail = text.get(window..).unwrap_or_default();
        let openings = self.openings();
        let starts = tail.char_indices().filter(|(_, c)| openings.contains(c));
        starts
            .map(|(place, _)| window.saturating_add(place))
            .find(|start| text.get(*start..).is_some_and(|end| self.is_prefix(end)))
            .unwrap_or(text.len())
    }

    /// The placeholder that the text starts with, and its value.
    fn standing_at(&self, text: &str) -> Option<(&str, &str)> {
        if let Some(echo) = self.echoes.iter().find(|echo| text.starts_with(&***echo)) {
            return Some((echo, ""));
        }
        // Placeholders end at their first `]]` and none is the beginning of another.
        let end = text
            .as_bytes()
            .windows(2)
            .take(self.placeholder_len_max)
            .position(|pair| pair == b"]]")?;
        let (placeholder, value) = self.values.get_key_value(text.get(..end.checked_add(2)?)?)?;
        Some((placeholder, value))
    }

    /// Whether a placeholder starts with this text and goes on.
    fn is_prefix(&self, text: &str) -> bool {
        let next = self
            .values
            .range::<str, _>((Bound::Included(text), Bound::Unbounded))
            .next();
        next.is_some_and(|(placeholder, _)| placeholder.starts_with(text) && placeholder.len() > text.len())
            || self
                .echoes
                .iter()
                .any(|echo| echo.starts_with(text) && echo.len() > text.len())
    }
}

impl fmt::Debug for Restorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restorer")
            .field("entries", &self.values.len())
            .field("echoes", &self.echoes.len())
            .finish_non_exhaustive()
    }
}

/// Restores one channel's text as it arrives; holds back only what could still become a placeholder.
#[derive(Debug, Clone)]
pub struct RestoreStream {
    restorer: Restorer,
    held: Held,
}

/// Text not yet released; not shown in logs.
#[derive(Clone, Default)]
struct Held(String);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl RestoreStream {
    /// A stream at its beginning.
    #[must_use]
    pub fn new(restorer: Restorer) -> Self {
        Self {
            restorer,
            held: Held::default(),
        }
    }

    /// Takes the next piece and gives the restored text that is certain.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.0.push_str(piece);
        let rest = self.held.0.split_off(self.restorer.pending(&self.held.0));
        let certain = std::mem::replace(&mut self.held.0, rest);
        self.restorer.restore(&certain).into_owned()
    }

    /// Gives what was held back: it did not become a placeholder.
    #[must_use]
    pub fn finish(self) -> String {
        self.held.0
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
