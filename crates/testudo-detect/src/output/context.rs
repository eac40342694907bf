//! What one exchange is about, as far as its answer is compared with it.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use testudo_types::Origin;

use super::citations::markers;
use super::language::speaks_of_languages;
use super::numbers::numbers;

/// Letters and digits kept of the system prompt, in bytes.
const SYSTEM_BYTES_MAX: usize = 64 << 10;
/// Letters and digits kept of what others than the system and the user wrote, in bytes.
const GATHERED_BYTES_MAX: usize = 512 << 10;
/// Letters and digits kept of what the user and earlier answers said, in bytes.
const STATED_BYTES_MAX: usize = 256 << 10;
/// Links kept.
const LINKS_MAX: usize = 4096;
/// Different numbers kept.
const NUMBERS_MAX: usize = 16_384;
/// Longer links are not kept.
const LINK_BYTES_MAX: usize = 2048;
/// The end of the user's last turn that tells its language, in bytes.
const LAST_BYTES_MAX: usize = 4096;

/// The shortest run of letters and digits that is ever compared, in bytes.
pub(crate) const GRAM_BYTES: usize = 9;

/// Whose words a part of the context is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The system prompt.
    System,
    /// The user and earlier answers.
    Stated,
    /// Tools, documents, and fields nobody knows.
    Gathered,
}

/// The texts of one request, folded to what comparisons need; grows part by part and is bounded.
///
/// Holds text of the exchange: never recorded, and `Debug` shows sizes only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Context {
    system: String,
    stated: String,
    gathered: String,
    supplied: BTreeSet<Box<str>>,
    seen: BTreeSet<Box<str>>,
    numbers: BTreeSet<Box<str>>,
    markers: BTreeSet<Box<str>>,
    last_user: String,
    system_names_language: bool,
    documents: usize,
    reviewed: bool,
    full: bool,
    /// Hashes of all runs of [`GRAM_BYTES`], sorted; made when first asked for.
    grams: OnceLock<Box<[u32]>>,
}

impl Context {
    /// Nothing yet; what the links of an answer are compared with.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing yet; takes besides what a [`crate::output::review`] needs.
    #[must_use]
    pub fn for_review() -> Self {
        Self {
            reviewed: true,
            ..Self::default()
        }
    }

    /// Takes one text of the request, in the request's order.
    pub fn add(&mut self, origin: &Origin, text: &str) {
        self.grams = OnceLock::new();
        let (kept, bytes_max) = match origin {
            Origin::System => (&mut self.system, SYSTEM_BYTES_MAX),
            Origin::User | Origin::Assistant | Origin::Model => (&mut self.stated, STATED_BYTES_MAX),
            Origin::ToolResult { .. } | Origin::Document | Origin::Unknown | Origin::ToolDefinition => {
                (&mut self.gathered, GATHERED_BYTES_MAX)
            }
        };
        self.full |= !fold_into(text, kept, bytes_max);
        let supplied = matches!(origin, Origin::System | Origin::User);
        for link in links(text) {
            if self.seen.len() >= LINKS_MAX {
                self.full = true;
                break;
            }
            if supplied {
                self.supplied.insert(link.into());
            }
            self.seen.insert(link.into());
        }
        if self.reviewed {
            self.add_for_review(origin, text);
        }
    }

    fn add_for_review(&mut self, origin: &Origin, text: &str) {
        for (_, number) in numbers(text) {
            if self.numbers.len() >= NUMBERS_MAX {
                self.full = true;
                break;
            }
            self.numbers.insert(number.into());
        }
        for (_, marker) in markers(text) {
            if self.markers.len() >= LINKS_MAX {
                self.full = true;
                break;
            }
            self.markers.insert(marker.into());
        }
        match origin {
            Origin::System => self.system_names_language |= speaks_of_languages(text),
            Origin::User => {
                let from = text.len().saturating_sub(LAST_BYTES_MAX);
                let from = text.ceil_char_boundary(from);
                self.last_user.clear();
                self.last_user.push_str(text.get(from..).unwrap_or_default());
            }
            Origin::Document | Origin::ToolResult { .. } => self.documents = self.documents.saturating_add(1),
            _ => {}
        }
    }

    /// Whether something was left out because a bound was reached.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Whether nothing was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.system.is_empty() && self.stated.is_empty() && self.gathered.is_empty()
    }

    /// The end of the user's last turn.
    #[must_use]
    pub fn last_user(&self) -> &str {
        &self.last_user
    }

    /// How many documents and tool results there are.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.documents
    }

    /// Whether the user or the system prompt wrote this link, to the letter.
    pub(crate) fn supplied(&self, link: &str) -> bool {
        self.supplied.contains(link)
    }

    /// Whether anybody wrote this link, to the letter.
    pub(crate) fn seen(&self, link: &str) -> bool {
        self.seen.contains(link)
    }

    /// Whether anybody wrote this citation marker.
    pub(crate) fn has_marker(&self, marker: &str) -> bool {
        self.markers.contains(marker)
    }

    /// Whether the system prompt says something about languages.
    pub(crate) fn system_speaks_of_languages(&self) -> bool {
        self.system_names_language
    }

    /// Whether a number, in the form of [`numbers`], was given.
    pub(crate) fn has_number(&self, number: &str) -> bool {
        self.numbers.contains(number)
    }

    /// Whether folded text occurs anywhere.
    pub(crate) fn has_folded(&self, folded: &str) -> bool {
        [&self.gathered, &self.stated, &self.system]
            .into_iter()
            .any(|kept| kept.contains(folded))
    }

    /// The folded texts by source.
    pub(crate) fn folded(&self) -> [(Source, &str); 3] {
        [
            (Source::System, &self.system),
            (Source::Gathered, &self.gathered),
            (Source::Stated, &self.stated),
        ]
    }

    /// Whether some run of [`GRAM_BYTES`] of `folded` can occur; false is certain.
    pub(crate) fn may_share(&self, folded: &[u8]) -> bool {
        let grams = self.grams.get_or_init(|| {
            let texts = self
                .folded()
                .into_iter()
                .flat_map(|(_, text)| text.as_bytes().windows(GRAM_BYTES));
            let mut grams: Vec<u32> = texts.map(gram).collect();
            grams.sort_unstable();
            grams.dedup();
            grams.into()
        });
        folded
            .windows(GRAM_BYTES)
            .any(|window| grams.binary_search(&gram(window)).is_ok())
    }

    /// Bytes that a comparison reads.
    pub(crate) fn bytes(&self) -> usize {
        self.folded().iter().map(|(_, text)| text.len()).sum()
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("bytes", &self.bytes())
            .field("links", &self.seen.len())
            .field("numbers", &self.numbers.len())
            .field("full", &self.full)
            .finish_non_exhaustive()
    }
}

/// FNV-1a.
fn gram(window: &[u8]) -> u32 {
    window.iter().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// Stands between the texts of a source, so that nothing runs from one into the next.
const BETWEEN: char = '\n';

/// Appends the letters and digits of `text` in lower case; false when not all fit.
fn fold_into(text: &str, kept: &mut String, bytes_max: usize) -> bool {
    if !kept.is_empty() {
        kept.push(BETWEEN);
    }
    for c in folded(text) {
        if kept.len().saturating_add(c.len_utf8()) > bytes_max {
            return false;
        }
        kept.push(c);
    }
    true
}

/// The letters and digits of a text in lower case: what no formatting changes.
pub(crate) fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter_map(fold)
}

/// A letter or digit in lower case; `None` for everything else.
pub(crate) fn fold(c: char) -> Option<char> {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric().then_some(c.to_ascii_lowercase());
    }
    c.is_alphanumeric().then(|| c.to_lowercase().next().unwrap_or(c))
}

/// The web addresses of a text as they are written, without punctuation behind them.
pub(crate) fn links(text: &str) -> impl Iterator<Item = &str> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find("://")?;
            let head = rest.get(..at)?;
            let scheme = head
                .rfind(|c: char| !c.is_ascii_alphabetic())
                .map_or(0, |before| head.ceil_char_boundary(before.saturating_add(1)));
            let from = rest.get(scheme..)?;
            let end = from
                .find(|c: char| c.is_whitespace() || "\"'<>()[]{}|`\\".contains(c))
                .unwrap_or(from.len());
            let link = trimmed(from.get(..end)?);
            rest = from.get(end.max(1)..).unwrap_or_default();
            let web = ["http://", "https://"].iter().any(|known| {
                link.get(..known.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(known))
            });
            if web && link.len() <= LINK_BYTES_MAX {
                return Some(link);
            }
        }
    })
}

/// A link without the punctuation of the sentence around it.
pub(crate) fn trimmed(link: &str) -> &str {
    link.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', '~'])
}
