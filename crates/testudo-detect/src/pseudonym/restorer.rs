//! Puts values back where their stand-ins are, in whole texts and in streams.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::Arc;

/// What kind of stand-in it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `[[…]]`, which ends itself.
    Bracket,
    /// A made-up value, which has to stand free.
    Typed,
    /// A mark that the model repeats and that is taken out; none is the beginning of another.
    Mark,
}

#[derive(Clone)]
pub(super) struct Standin {
    pub(super) shape: Shape,
    pub(super) value: Arc<str>,
}

/// Puts the values of one request back where its own placeholders stand; cheap to clone.
///
/// Only exact placeholders of that request count: one that was invented, altered, cut or made for
/// another request stays as it is, and a value that is put back is not looked at again. A made-up
/// value counts only where it stands free: `192.0.2.7` is not in `192.0.2.75`.
#[derive(Clone)]
pub struct Restorer {
    inner: Arc<Inner>,
}

struct Inner {
    standins: BTreeMap<Arc<str>, Standin>,
    marks: Vec<Arc<str>>,
    /// Lengths of the made-up values, longest first.
    typed_lens: Vec<usize>,
    /// Whether a stand-in starts with a byte.
    starts: [bool; 256],
    len_max: usize,
}

/// What stands at a place of a text.
enum At<'a> {
    Nothing,
    Standin {
        len: usize,
        value: &'a str,
    },
    /// More text decides.
    Open,
}

/// Bytes behind a made-up value that decide whether it stands free: two characters.
const LOOKAHEAD_BYTES: usize = 8;

impl Default for Restorer {
    /// Restores nothing.
    fn default() -> Self {
        Self::new(std::iter::empty())
    }
}

impl Restorer {
    pub(super) fn new(standins: impl Iterator<Item = (Arc<str>, Standin)>) -> Self {
        let standins: BTreeMap<Arc<str>, Standin> = standins.collect();
        let mut starts = [false; 256];
        let mut lens = BTreeSet::new();
        let mut marks = Vec::new();
        for (text, standin) in &standins {
            let first = text.bytes().next().map(usize::from);
            if let Some(slot) = first.and_then(|first| starts.get_mut(first)) {
                *slot = true;
            }
            match standin.shape {
                Shape::Typed => {
                    lens.insert(text.len());
                }
                Shape::Mark => marks.push(Arc::clone(text)),
                Shape::Bracket => {}
            }
        }
        let len_max = standins.keys().map(|text| text.len()).max().unwrap_or(0);
        let typed_lens = lens.into_iter().rev().collect();
        Self {
            inner: Arc::new(Inner {
                standins,
                marks,
                typed_lens,
                starts,
                len_max,
            }),
        }
    }

    /// Also takes out these marks where the model repeats them.
    #[must_use]
    pub fn removing(self, echoes: Vec<String>) -> Self {
        let known = self.inner.standins.iter();
        let known: Vec<_> = known
            .map(|(text, standin)| (Arc::clone(text), standin.clone()))
            .collect();
        let marks = echoes.into_iter().filter(|echo| !echo.is_empty()).map(|echo| {
            let standin = Standin {
                shape: Shape::Mark,
                value: "".into(),
            };
            (Arc::from(echo), standin)
        });
        Self::new(known.into_iter().chain(marks))
    }

    /// Whether there is nothing to restore.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.standins.is_empty()
    }

    /// Whether a text is one of the made-up values.
    pub(crate) fn stands_for_a_value(&self, text: &str) -> bool {
        let standin = self.inner.standins.get(text);
        standin.is_some_and(|standin| standin.shape == Shape::Typed)
    }

    /// The placeholders in a whole text, in order: their bytes, and the values they stand for.
    pub fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (Range<usize>, &'a str)> + 'a {
        self.find_from(text, 0)
    }

    /// The same from an offset on; what stands before it is only looked back at.
    pub fn find_from<'a>(&'a self, text: &'a str, from: usize) -> impl Iterator<Item = (Range<usize>, &'a str)> + 'a {
        self.walk(text, from, true).0.into_iter()
    }

    /// The placeholders from an offset on that more text cannot change, and where the text is still undecided.
    #[must_use]
    pub fn settled<'a>(&'a self, text: &'a str, from: usize) -> (Vec<(Range<usize>, &'a str)>, usize) {
        self.walk(text, from, false)
    }

    /// The text with every placeholder replaced; borrowed when there was none.
    #[must_use]
    pub fn restore<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let (found, _) = self.walk(text, 0, true);
        replaced(text, &found, 0..text.len())
    }

    /// Where the longest end of a text starts that could still grow into a placeholder; its length when none can.
    #[must_use]
    pub fn pending(&self, text: &str) -> usize {
        let reach = self.inner.len_max.saturating_add(LOOKAHEAD_BYTES);
        let window = text.floor_char_boundary(text.len().saturating_sub(reach));
        self.walk(text, window, false).1
    }

    fn walk<'a>(&'a self, text: &'a str, from: usize, whole: bool) -> (Vec<(Range<usize>, &'a str)>, usize) {
        let mut found = Vec::new();
        let bytes = text.as_bytes();
        let starts = |byte: &u8| self.inner.starts.get(usize::from(*byte)).copied().unwrap_or(false);
        let mut at = from;
        while let Some(skipped) = bytes.get(at..).and_then(|rest| rest.iter().position(starts)) {
            let start = at.saturating_add(skipped);
            match self.at(text, start, whole) {
                At::Standin { len, value } => {
                    at = start.saturating_add(len);
                    found.push((start..at, value));
                }
                At::Open => return (found, start),
                At::Nothing => at = start.saturating_add(1),
            }
        }
        (found, text.len())
    }

    fn at<'a>(&'a self, text: &'a str, start: usize, whole: bool) -> At<'a> {
        let Some(rest) = text.get(start..) else {
            return At::Nothing;
        };
        if !whole && self.grows(text, start, rest) {
            return At::Open;
        }
        if let Some(mark) = self.inner.marks.iter().find(|mark| rest.starts_with(&***mark)) {
            return At::Standin {
                len: mark.len(),
                value: "",
            };
        }
        if rest.starts_with('[') {
            return self.bracket(rest).unwrap_or(At::Nothing);
        }
        if !begins_free(text, start) {
            return At::Nothing;
        }
        for len in &self.inner.typed_lens {
            let (Some(standin), Some(after)) = (self.typed(rest, *len), rest.get(*len..)) else {
                continue;
            };
            match ends_free(after) {
                Some(false) => {}
                None if !whole => return At::Open,
                Some(true) | None => {
                    return At::Standin {
                        len: *len,
                        value: &standin.value,
                    };
                }
            }
        }
        At::Nothing
    }

    /// Whether a stand-in starts with all the text that is left.
    fn grows(&self, text: &str, start: usize, rest: &str) -> bool {
        let range = (Bound::Included(rest), Bound::Unbounded);
        let same = self.inner.standins.range::<str, _>(range);
        let mut longer = same
            .take_while(|(text, _)| text.starts_with(rest))
            .filter(|(text, _)| text.len() > rest.len());
        let free = begins_free(text, start);
        longer.any(|(_, standin)| free || standin.shape != Shape::Typed)
    }

    fn bracket(&self, rest: &str) -> Option<At<'_>> {
        // Bracket placeholders end at their first `]]` and none is the beginning of another.
        let pairs = rest.as_bytes().windows(2).take(self.inner.len_max);
        let len = pairs.into_iter().position(|pair| pair == b"]]")?.checked_add(2)?;
        let standin = self.inner.standins.get(rest.get(..len)?)?;
        Some(At::Standin {
            len,
            value: &standin.value,
        })
    }

    fn typed(&self, rest: &str, len: usize) -> Option<&Standin> {
        let standin = self.inner.standins.get(rest.get(..len)?)?;
        (standin.shape == Shape::Typed).then_some(standin)
    }
}

impl fmt::Debug for Restorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restorer")
            .field("entries", &self.inner.standins.len())
            .finish_non_exhaustive()
    }
}

fn replaced<'a>(text: &'a str, found: &[(Range<usize>, &str)], part: Range<usize>) -> Cow<'a, str> {
    if found.is_empty() {
        return Cow::Borrowed(text.get(part).unwrap_or_default());
    }
    let mut restored = String::new();
    let mut done = part.start;
    for (place, value) in found {
        restored.push_str(text.get(done..place.start).unwrap_or_default());
        restored.push_str(value);
        done = place.end;
    }
    restored.push_str(text.get(done..part.end).unwrap_or_default());
    Cow::Owned(restored)
}

/// Whether what begins here is not the rest of a longer word.
fn begins_free(text: &str, start: usize) -> bool {
    let before = text.get(..start).and_then(|before| before.chars().next_back());
    !before.is_some_and(|c| c.is_ascii_alphanumeric() || "_.-+@%".contains(c))
}

/// Whether what ends before `after` is not the beginning of a longer word; `None` when more text decides.
fn ends_free(after: &str) -> Option<bool> {
    let mut characters = after.chars();
    let next = characters.next()?;
    if next.is_ascii_alphanumeric() || next == '_' || next == '@' {
        return Some(false);
    }
    if !".-:+%".contains(next) {
        return Some(true);
    }
    let second = characters.next()?;
    Some(!second.is_ascii_alphanumeric())
}

/// Whether a stand-in at this place of the text before masking will be found again after it, whatever becomes
/// of the text beside it.
pub(super) fn stands_free(text: &str, place: &Range<usize>) -> bool {
    let mut after = text.get(place.end..).unwrap_or_default().chars();
    let free = match after.next() {
        None => true,
        Some('.') => after.next().is_none_or(char::is_whitespace),
        // An opening bracket may be the first byte of the next value.
        Some(c) => c.is_whitespace() || ",;!?)]}>\"'`|/".contains(c) || !c.is_ascii(),
    };
    free && begins_free(text, place.start) && !ends_another(text.get(..place.start).unwrap_or_default())
}

/// Whether a stand-in behind this text could be read as the last part of a date or of an address that begins in it.
fn ends_another(before: &str) -> bool {
    let mut back = before.bytes().rev();
    match back.next() {
        Some(b'/') => back.next().is_some_and(|byte| byte.is_ascii_digit()),
        Some(b':') => {
            let address = back.take_while(|byte| byte.is_ascii_hexdigit() || *byte == b':');
            address.filter(|byte| *byte == b':').count() > 0
        }
        _ => false,
    }
}

/// Restores one channel's text as it arrives; holds back only what could still become a placeholder.
#[derive(Debug, Clone)]
pub struct RestoreStream {
    restorer: Restorer,
    held: Held,
}

/// Text not yet released, after one character that has been; not shown in logs.
#[derive(Clone, Default)]
struct Held {
    text: String,
    released: usize,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.text.len())
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
        let Held { text, released } = &mut self.held;
        text.push_str(piece);
        let (found, pending) = self.restorer.settled(text, *released);
        let certain = replaced(text, &found, *released..pending).into_owned();
        // The character before what comes next decides whether that stands free.
        let keep = text.get(..pending).and_then(|text| text.char_indices().next_back());
        let keep = keep.map_or(pending, |(at, _)| at);
        text.drain(..keep);
        *released = pending.saturating_sub(keep);
        certain
    }

    /// Gives what was held back, now that no more text comes.
    #[must_use]
    pub fn finish(self) -> String {
        let Held { text, released } = &self.held;
        let found: Vec<_> = self.restorer.find_from(text, *released).collect();
        replaced(text, &found, *released..text.len()).into_owned()
    }
}
