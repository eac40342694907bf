//! The index of one conversation: who said what, folded and hashed as it comes.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use serde_json::Value;

use super::forms::{Fold, Needle, folded, is_word, place};
use super::leaves::Leaves;
use super::pasted::pasted_spans;
use super::pointing::UserWords;
use super::segments::{Placed, Segment, Source};
use super::specs::ToolSpecs;
use super::spoken::unspelled;
use crate::labels::{Copied, Speaker};

/// What one conversation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Text that is indexed.
    pub text_bytes_max: usize,
    /// Scalars of results.
    pub leaves_max: usize,
    /// Different paths of scalars.
    pub paths_max: usize,
    /// Messages and results.
    pub segments_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes_max: 1 << 20,
            leaves_max: 65_536,
            paths_max: 4_096,
            segments_max: 4_096,
        }
    }
}

/// How a conversation is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// What looks pasted is not the user's, what is spelled out counts as what it means, and values are looked for in
    /// all their disguises.
    Close,
    /// As it stands; for the older policies.
    Plain,
}

impl Reading {
    pub(super) fn fold(self) -> Fold {
        match self {
            Self::Close => Fold::Loose,
            Self::Plain => Fold::Compatible,
        }
    }
}

/// Leaves of one value that are looked at; a value that so many leaves hold names nothing.
const LEAVES_OF_A_VALUE_MAX: usize = 512;

/// Everything said so far in one conversation, ready to be asked who named a value.
///
/// Grows with each message and result and is never rebuilt. With the limits of [`Limits::default`] it takes less than
/// 48 MiB whatever it is fed, and about eight times the text in ordinary use; [`Conversation::bytes`] tells. Text past
/// the limits is not indexed: it can then name nothing, and nothing but the user's own words counts as named.
#[derive(Debug, Clone)]
pub struct Conversation {
    limits: Limits,
    pub(super) reading: Reading,
    pub(super) segments: Vec<Segment>,
    paths: Vec<String>,
    path_numbers: HashMap<String, u32>,
    /// Leaves by their letters and digits: segment and leaf.
    by_letters: HashMap<u64, Vec<(u32, u32)>>,
    text_bytes: usize,
    leaves: usize,
    index: u32,
    pub(super) truncated: bool,
    /// Something that the user did not write has been read.
    pub(super) tainted: bool,
    pub(super) results: usize,
    pub(super) user: UserWords,
}

impl Conversation {
    #[must_use]
    pub fn new(limits: Limits, reading: Reading) -> Self {
        Self {
            limits,
            reading,
            segments: Vec::new(),
            paths: Vec::new(),
            path_numbers: HashMap::new(),
            by_letters: HashMap::new(),
            text_bytes: 0,
            leaves: 0,
            index: 0,
            truncated: false,
            tainted: false,
            results: 0,
            user: UserWords::default(),
        }
    }

    /// Adds what the application says.
    pub fn push_system(&mut self, text: &str) {
        self.push_message(Speaker::System, text, &[], &[]);
    }

    /// Adds what the user says, without the spans that the application declares as somebody else's.
    pub fn push_user(&mut self, text: &str, declared: &[Range<usize>]) {
        self.push_message(Speaker::User, text, declared, &[]);
    }

    /// Adds a message. Spans that somebody else wrote are not the speaker's words: those the application declares, as
    /// byte ranges of the text, those that were read before (see [`crate::labels::LabelStore`]), and of what a user
    /// says, in a close reading, those that look so.
    pub fn push_message(&mut self, speaker: Speaker, text: &str, declared: &[Range<usize>], copied: &[Copied]) {
        let index = self.next();
        let mut spans: Vec<(Range<usize>, Source)> = Vec::new();
        spans.extend(declared.iter().map(|span| (span.clone(), Source::Pasted)));
        spans.extend(
            copied
                .iter()
                .map(|span| (span.range.clone(), Source::Copied(span.source.clone()))),
        );
        if speaker == Speaker::User && self.reading == Reading::Close {
            spans.extend(pasted_spans(text).into_iter().map(|span| (span, Source::Pasted)));
        }
        spans.sort_by_key(|(span, _)| (span.start, span.end));
        let own = self.set_apart(index, text, spans);
        if speaker == Speaker::System {
            self.push_trusted(Source::System, index, &own);
            return;
        }
        let parted = parted(&own);
        // The older policies see only the text that was taken apart.
        if parted.is_none() || self.reading == Reading::Close {
            self.push_trusted(Source::User, index, &own);
        }
        if let Some(parted) = parted {
            self.push_trusted(Source::User, index, &parted);
        }
        if let (Some(meant), Reading::Close) = (unspelled(&own), self.reading) {
            self.push_trusted(Source::User, index, &meant);
        }
        self.point_again();
    }

    /// Adds the spans of a message as what they are, and gives what is left of it.
    fn set_apart(&mut self, index: u32, text: &str, spans: Vec<(Range<usize>, Source)>) -> String {
        let mut own = String::with_capacity(text.len());
        let mut at = 0;
        for (span, source) in spans {
            let (start, end) = (span.start.max(at), span.end.min(text.len()));
            if start >= end {
                continue;
            }
            match (text.get(at..start), text.get(start..end)) {
                (Some(before), Some(pasted)) => {
                    own.push_str(before);
                    own.push('\n');
                    self.tainted = true;
                    self.push_untrusted(source, index, &Leaves::of_text(pasted));
                    at = end;
                }
                // The span cuts a character: what follows is nobody's.
                _ => at = text.len(),
            }
        }
        own.push_str(text.get(at..).unwrap_or_default());
        own
    }

    /// Adds the definition of a tool that nobody reviewed: its description can say anything.
    pub fn push_definition(&mut self, tool: &str, definition: &Value) {
        let index = self.next();
        self.tainted = true;
        let leaves = Leaves::of_arguments(definition).unwrap_or_default();
        self.push_untrusted(Source::Definition(tool.to_owned()), index, &leaves);
    }

    /// Adds a result of a call. `suspicious`: a detector found instructions in it.
    pub fn push_result(&mut self, specs: &ToolSpecs, tool: &str, arguments: &Value, text: &str, suspicious: bool) {
        let index = self.next();
        let linked = Leaves::of_arguments(arguments).is_some_and(|leaves| self.is_linked_call(specs, tool, &leaves));
        self.tainted = true;
        self.results = self.results.saturating_add(1);
        let leaves = if text.len() > self.limits.text_bytes_max {
            Leaves::default()
        } else {
            Leaves::of_result(text)
        };
        self.truncated |= leaves.leaves.is_empty() && !text.is_empty();
        if let Some(number) = self.push_untrusted(Source::Tool(tool.to_owned()), index, &leaves)
            && let Some(segment) = self.segments.get_mut(number)
        {
            segment.linked = linked;
            segment.suspicious = suspicious;
        }
    }

    /// Bytes that the index takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let segments: usize = self.segments.iter().map(Segment::bytes).sum();
        let paths: usize = self.paths.iter().map(|path| path.len().saturating_add(64)).sum();
        let lists = self.leaves.saturating_mul(16);
        let map = self.by_letters.capacity().saturating_mul(40);
        segments
            .saturating_add(paths.saturating_mul(2))
            .saturating_add(lists)
            .saturating_add(map)
    }

    /// Something that the user did not write has been read.
    #[must_use]
    pub fn is_tainted(&self) -> bool {
        self.tainted
    }

    /// A detector found instructions in something that was read.
    #[must_use]
    pub fn is_suspicious(&self) -> bool {
        self.segments.iter().any(|segment| segment.suspicious)
    }

    pub(super) fn trusted(&self, system: bool) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(move |segment| match segment.source {
            Source::User => true,
            Source::System => system,
            Source::Pasted | Source::Copied(_) | Source::Tool(_) | Source::Definition(_) => false,
        })
    }

    pub(super) fn untrusted(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| !segment.source.is_trusted())
    }

    pub(super) fn path(&self, leaf: &Placed) -> &str {
        self.paths.get(leaf.path as usize).map_or("", String::as_str)
    }

    /// Leaves with the same letters and digits.
    pub(super) fn alike<'c>(&'c self, loose: &str) -> impl Iterator<Item = (&'c Segment, &'c Placed)> + 'c {
        let found = letters_hash(loose).and_then(|hash| self.by_letters.get(&hash));
        found.into_iter().flatten().filter_map(|(segment, leaf)| {
            let segment = self.segments.get(*segment as usize)?;
            Some((segment, segment.leaves.get(*leaf as usize)?))
        })
    }

    fn next(&mut self) -> u32 {
        let index = self.index;
        self.index = index.saturating_add(1);
        index
    }

    fn room(&mut self, bytes: usize, leaves: usize) -> bool {
        let bytes = self.text_bytes.saturating_add(bytes);
        let leaves = self.leaves.saturating_add(leaves);
        let fits = bytes <= self.limits.text_bytes_max
            && leaves <= self.limits.leaves_max
            && self.segments.len() < self.limits.segments_max;
        if fits {
            (self.text_bytes, self.leaves) = (bytes, leaves);
        } else {
            self.truncated = true;
        }
        fits
    }

    fn push_trusted(&mut self, source: Source, index: u32, text: &str) {
        if self.room(text.len(), 0) {
            let segment = Segment::trusted(source, index, text, self.reading.fold());
            if segment.source == Source::User {
                self.user.add(segment.exact.text());
            }
            self.segments.push(segment);
        }
    }

    fn push_untrusted(&mut self, source: Source, index: u32, leaves: &Leaves) -> Option<usize> {
        let bytes = leaves.leaves.iter().map(|leaf| leaf.value.len()).sum();
        if !self.room(bytes, leaves.leaves.len()) {
            return None;
        }
        let number = self.segments.len();
        let (paths, numbers, paths_max) = (&mut self.paths, &mut self.path_numbers, self.limits.paths_max);
        let segment = Segment::untrusted(source, index, leaves, self.reading.fold(), |path| {
            if let Some(number) = numbers.get(path) {
                return *number;
            }
            if paths.len() >= paths_max {
                // No pattern matches a path without a name.
                return u32::MAX;
            }
            let number = place(paths.len());
            paths.push(path.to_owned());
            numbers.insert(path.to_owned(), number);
            number
        });
        for (at, leaf) in segment.leaves.iter().enumerate() {
            if let Some(hash) = letters_hash(segment.loose.slice(&leaf.loose)) {
                let places = self.by_letters.entry(hash).or_default();
                if places.len() < LEAVES_OF_A_VALUE_MAX {
                    places.push((place(number), place(at)));
                }
            }
        }
        self.segments.push(segment);
        self.point_at(number);
        Some(number)
    }

    /// Whether a result answers the user: it was asked for by a value that the user wrote, or by one that such a
    /// result gave.
    fn is_linked_call(&self, specs: &ToolSpecs, tool: &str, arguments: &Leaves) -> bool {
        let spec = specs.tool(tool);
        arguments.leaves.iter().any(|leaf| {
            if leaf.path.ends_with('~') || leaf.value.is_empty() {
                return false;
            }
            let nouns = spec.and_then(|spec| spec.nouns.get(leaf.path.trim_start_matches("$.")));
            let nouns = nouns.map_or(&[][..], Vec::as_slice);
            if self.user_wrote(&leaf.value, nouns, false).is_some() {
                return true;
            }
            let exact = folded(&leaf.value, Fold::Exact);
            if self.user.has_all(&exact) || self.user.has_day(&exact) {
                return true;
            }
            let needle = Needle::new(&leaf.value, self.reading.fold());
            self.alike(&needle.text).any(|(segment, leaf)| {
                let pointed = segment.linked || segment.pointed_at(leaf).marks > 0;
                pointed && segment.loose.slice(&leaf.loose) == needle.text
            })
        })
    }
}

/// The letters and digits of a folded text as a number; `None` when it has none.
fn letters_hash(loose: &str) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let mut some = false;
    for c in loose.chars().filter(|c| is_word(*c)) {
        c.hash(&mut hasher);
        some = true;
    }
    some.then(|| hasher.finish())
}

/// Letters and digits of a text, folded exactly.
pub(super) fn letters(text: &str) -> String {
    folded(text, Fold::Exact).chars().filter(|c| is_word(*c)).collect()
}

/// The text with sentences taken apart that stand without a space: `site.com.They`; `None` when there are none.
fn parted(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len().saturating_add(8));
    let mut changed = false;
    let mut before = None;
    for c in text.chars() {
        if before == Some('.') && c.is_ascii_uppercase() {
            out.push(' ');
            changed = true;
        }
        out.push(c);
        before = Some(c);
    }
    changed.then_some(out)
}
