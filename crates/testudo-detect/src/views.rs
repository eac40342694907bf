//! Views of a text: what it says once unseen characters are gone, look-alikes are plain and encodings are undone.
//!
//! The order is: read what unseen characters spell, strip and fold, decode, and
//! all of it again on what was decoded, [`DEPTH_MAX`] deep. Each view knows
//! which bytes of the original text each of its bytes stands for, so that what
//! is found in a view is found in the original.

mod accents;
mod characters;
mod cleaned;
mod concatenated;
mod derived;
mod encoded;
mod escapes;
mod fold;
mod glued;
mod grouped;
mod growing;
mod inflate;
mod leet;
mod legible;
mod lexicon;
mod look_alike;
mod moved;
mod numerals;
mod payload;
mod respelled;
mod runs;
mod span_map;
mod spelled;
mod split;
mod unseen;
mod uuencoded;
mod words;
mod written_together;

use std::collections::BTreeSet;
use std::ops::Range;

use self::characters::{MAY_CHANGE, SHAPED, UNSEEN, traits_of};
pub use self::cleaned::{Cleaned, clean};
use self::derived::{Derived, Edit, splice};
use self::encoded::Decoded;
pub(crate) use self::growing::Growing;
pub use self::runs::RUN_BYTES_MAX;
pub use self::span_map::SpanMap;
use crate::kinds::Kinds;
use crate::scan::scan;
use crate::{Budget, Hit, Selection};

/// Decodings of decodings of decodings, and no deeper.
pub const DEPTH_MAX: u8 = 3;
/// A guess at a guess, as for spaced letters in signs, and no more.
const GUESSES_MAX: u8 = 2;
/// Views of one text may have this many times its bytes together.
const GROWTH_MAX: usize = 12;
/// So many bytes the views of a short text may have.
const GROWTH_MIN: usize = 1024 * 1024;
/// Text that stays on each side of what was decoded, so that phrases hang together.
const MARGIN: usize = 160;

/// How a view came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViewKind {
    /// Unseen characters gone, look-alikes in mixed words and styled letters plain.
    Folded,
    /// A space for each unseen character.
    Spaced,
    /// Spelled in Unicode tags.
    Tags,
    /// Spelled in variation selectors.
    Selectors,
    /// In the order in which overrides of direction show it.
    Visual,
    /// After backspaces and deletions.
    Deleted,
    /// Turned letters upright.
    Upright,
    /// Regional indicators and Braille as letters.
    Signs,
    Base64,
    Base32,
    Base85,
    Uuencode,
    Hex,
    Percent,
    Entities,
    /// `\u0041`, `\x41`.
    Escapes,
    QuotedPrintable,
    Decimal,
    Binary,
    Morse,
    /// Letters moved on in the alphabet, as ROT13 does.
    Shifted,
    /// Written backwards.
    Reversed,
    /// Letters with their marks taken off.
    Unaccented,
    /// Digits and signs for letters.
    Leet,
    /// Letters with gaps between them, words with gaps within them.
    Joined,
    /// Words with their inner letters shuffled.
    Unshuffled,
    /// Letters as far from the other end of the alphabet, as Atbash has them.
    Mirrored,
    PigLatin,
    /// Words with their vowels left out.
    Vowelless,
    /// Each letter written several times.
    Repeated,
    /// Letters spelled by names or numbers.
    Spelled,
}

impl ViewKind {
    /// The name used in cases and explanations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Folded => "folded",
            Self::Spaced => "spaced",
            Self::Tags => "tags",
            Self::Selectors => "selectors",
            Self::Visual => "visual",
            Self::Deleted => "deleted",
            Self::Upright => "upright",
            Self::Signs => "signs",
            Self::Base64 => "base64",
            Self::Base32 => "base32",
            Self::Base85 => "base85",
            Self::Uuencode => "uuencode",
            Self::Hex => "hex",
            Self::Percent => "percent",
            Self::Entities => "entities",
            Self::Escapes => "escapes",
            Self::QuotedPrintable => "quoted_printable",
            Self::Decimal => "decimal",
            Self::Binary => "binary",
            Self::Morse => "morse",
            Self::Shifted => "shifted",
            Self::Reversed => "reversed",
            Self::Unaccented => "unaccented",
            Self::Leet => "leet",
            Self::Joined => "joined",
            Self::Unshuffled => "unshuffled",
            Self::Mirrored => "mirrored",
            Self::PigLatin => "pig_latin",
            Self::Vowelless => "vowelless",
            Self::Repeated => "repeated",
            Self::Spelled => "spelled",
        }
    }

    /// Whether the view is a guess at what a person would read, rather than what the text says by its encoding.
    ///
    /// Guesses are good enough for phrases and too loose for numbers and keys.
    #[must_use]
    pub fn is_guess(self) -> bool {
        matches!(
            self,
            Self::Spaced
                | Self::Visual
                | Self::Deleted
                | Self::Upright
                | Self::Signs
                | Self::Morse
                | Self::Shifted
                | Self::Reversed
                | Self::Unaccented
                | Self::Leet
                | Self::Joined
                | Self::Unshuffled
                | Self::Mirrored
                | Self::PigLatin
                | Self::Vowelless
                | Self::Repeated
                | Self::Spelled
        )
    }
}

impl ViewKind {
    /// Whether nobody writes like this by accident; escapes and guesses come about by themselves.
    fn is_deliberate(self) -> bool {
        matches!(
            self,
            Self::Base64 | Self::Base32 | Self::Base85 | Self::Uuencode | Self::Hex | Self::Decimal | Self::Binary
        )
    }
}

/// A text derived from another, which a detector reads beside the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub kind: ViewKind,
    /// A view on the way here was a guess.
    pub guessed: bool,
    pub text: String,
    /// To the bytes of the original text.
    pub spans: SpanMap,
    /// How many decodings led here; folding is none.
    pub depth: u8,
    /// How many of them are guesses.
    guesses: u8,
}

/// Everything that a text says besides what it says plainly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Views {
    /// What may be forwarded in place of the text, when something unseen can be left out without loss.
    pub cleaned: Option<Cleaned>,
    pub views: Vec<View>,
    /// Something could have been read and was not.
    pub unscanned: Option<Unscanned>,
}

/// Why something was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unscanned {
    /// Encoded within encodings deeper than [`DEPTH_MAX`].
    TooDeep,
    /// The views would be too large together, or packed data was.
    TooLarge,
    /// The budget ran out.
    Budget,
}

/// Derives the views of a text that is at hand as a whole.
#[must_use]
pub fn normalise(text: &str, budget: &mut Budget) -> Views {
    normalise_kinds(text, &Kinds::of(text.as_bytes()), budget).0
}

/// The same where it is known what the bytes of the text are, with what those of each view are.
pub(crate) fn normalise_kinds(text: &str, kinds: &Kinds, budget: &mut Budget) -> (Views, Vec<Kinds>) {
    let mut deriving = Deriving {
        root: text,
        budget,
        bytes_left: text.len().saturating_mul(GROWTH_MAX).max(GROWTH_MIN),
        seen: BTreeSet::from([digest(text)]),
        traits: None,
        views: Vec::new(),
        unscanned: None,
    };
    deriving.derive(text, kinds, None);
    let mut all_kinds = Vec::new();
    while let Some(view) = deriving.views.get_mut(all_kinds.len()) {
        let (text, spans) = (std::mem::take(&mut view.text), std::mem::take(&mut view.spans));
        let from = From {
            kind: view.kind,
            guesses: view.guesses,
            depth: view.depth,
            spans: &spans,
        };
        let kinds = Kinds::of(text.as_bytes());
        deriving.derive(&text, &kinds, Some(from));
        if let Some(view) = deriving.views.get_mut(all_kinds.len()) {
            view.text = text;
            view.spans = spans;
        }
        all_kinds.push(kinds);
    }
    let views = Views {
        cleaned: match deriving.traits {
            Some(traits) if traits & UNSEEN == 0 => None,
            Some(_) | None => clean(text),
        },
        views: deriving.views,
        unscanned: deriving.unscanned,
    };
    (views, all_kinds)
}

/// Appends the hits of the views that are followed while a text grows; false when something could not be read.
pub(crate) fn scan_followed(selection: &Selection, text: &str, budget: &mut Budget, hits: &mut Vec<Hit>) -> bool {
    let mut runs = runs::Runs::new(selection);
    let read = runs.push(text, budget, hits).and_then(|_| runs.finish(budget, hits));
    let mut out = Derived::default();
    let mut folder = fold::Folder::default();
    if !plain_text(text) {
        folder.push(text, &mut out);
        folder.finish(&mut out);
    }
    if out.changed {
        let seen = scan(selection, &out.text, false, budget);
        out.place(&seen.hits, hits);
        return read.is_some() && !seen.exhausted;
    }
    read.is_some()
}

/// The view that others are derived from.
#[derive(Debug, Clone, Copy)]
struct From<'a> {
    kind: ViewKind,
    guesses: u8,
    depth: u8,
    spans: &'a SpanMap,
}

struct Deriving<'b> {
    root: &'b str,
    budget: &'b mut Budget,
    bytes_left: usize,
    /// Digests of all texts so far.
    seen: BTreeSet<u64>,
    /// What the characters of the text itself are, once it is known.
    traits: Option<u8>,
    views: Vec<View>,
    unscanned: Option<Unscanned>,
}

impl Deriving<'_> {
    fn derive(&mut self, text: &str, kinds: &Kinds, from: Option<From<'_>>) {
        if !self.budget.spend(text.len() / 4) {
            return self.give_up(Unscanned::Budget);
        }
        let folded_before = from.is_some_and(|from| from.kind == ViewKind::Folded);
        let all = if plain_text(text) { 0 } else { traits_of(text, kinds) };
        if from.is_none() {
            self.traits = Some(all);
        }
        if all & SHAPED != 0 {
            self.wide(text, from);
        }
        if all & MAY_CHANGE != 0 && !folded_before && self.fold(text, from) {
            // What was folded is derived from in the place of this.
            return;
        }
        self.decode(text, kinds, from);
        if from.is_some_and(|from| from.guesses >= GUESSES_MAX) {
            return;
        }
        for (kind, derived) in words::guess(text, kinds) {
            // What is left after a guess of a kind was not meant by it.
            if from.is_none_or(|from| from.kind != kind) {
                self.add(kind, derived, from);
            }
        }
    }

    /// Adds what unseen characters spell, and the folded view; whether there is one.
    fn fold(&mut self, text: &str, from: Option<From<'_>>) -> bool {
        // The first bytes of these characters in UTF-8: most texts have neither.
        let has = |byte: u8| text.as_bytes().contains(&byte);
        let tags = has(0xF3).then(|| (ViewKind::Tags, payload::tags(text)));
        let selectors = (has(0xF3) || has(0xEF)).then(|| (ViewKind::Selectors, payload::selectors(text)));
        for (kind, derived) in tags.into_iter().chain(selectors) {
            if derived.text.len() >= legible::CHARS_MIN / 2 {
                self.add(kind, derived, from);
            }
        }
        if text.contains(['\u{8}', '\u{7F}']) {
            self.add(ViewKind::Deleted, payload::deleted(text), from);
        }
        if text.contains('\u{202E}') {
            self.add(ViewKind::Visual, payload::visual(text), from);
        }
        let mut out = Derived::default();
        let mut folder = fold::Folder::of(text);
        folder.push(text, &mut out);
        folder.finish(&mut out);
        if !out.changed {
            return false;
        }
        let spaced = payload::spaced(text);
        if spaced.changed {
            self.add(ViewKind::Spaced, spaced, from);
        }
        self.add(ViewKind::Folded, out, from)
    }

    fn wide(&mut self, text: &str, from: Option<From<'_>>) {
        if let Some((forward, backward)) = payload::upright(text) {
            self.add(ViewKind::Upright, forward, from);
            self.add(ViewKind::Upright, backward, from);
        }
        if text.chars().any(payload::has_signs) {
            self.add(ViewKind::Signs, payload::signs(text), from);
        }
    }

    fn decode(&mut self, text: &str, kinds: &Kinds, from: Option<From<'_>>) {
        for (kind, mut edits) in escapes::resolve(text, kinds) {
            edits.retain(|edit| self.is_new(text, &edit.range, from));
            self.add(kind, splice(text, &edits, MARGIN), from);
        }
        let mut found = encoded::decode_runs(text, kinds);
        found.extend(encoded::decode_base85(text, kinds));
        found.extend(numerals::decode_numbers(text, kinds));
        found.extend(numerals::decode_morse(text, kinds));
        self.add_decoded(text, found, from);
    }

    /// Whether a part of a view does not stand in the text itself, where it has been read already, or in its folded form.
    fn is_new(&self, text: &str, range: &Range<usize>, from: Option<From<'_>>) -> bool {
        let Some(from) = from else {
            return true;
        };
        let in_its_place = from.kind == ViewKind::Folded && from.depth == 0;
        in_its_place || self.root.get(from.spans.original(range.clone())) != text.get(range.clone())
    }

    fn add_decoded(&mut self, text: &str, mut found: Vec<Decoded>, from: Option<From<'_>>) {
        found.retain(|decoded| self.is_new(text, &decoded.edit.range, from));
        let kinds: BTreeSet<ViewKind> = found.iter().map(|decoded| decoded.kind).collect();
        if found.iter().any(|decoded| decoded.cut) {
            self.give_up(Unscanned::TooLarge);
        }
        for kind in kinds {
            let edits: Vec<Edit> = found
                .iter()
                .filter(|decoded| decoded.kind == kind)
                .map(|decoded| Edit {
                    range: decoded.edit.range.clone(),
                    // What was encoded apart is read apart, and next to the text around it.
                    text: format!("\n{}\n", decoded.edit.text).into(),
                })
                .collect();
            self.add(kind, splice(text, &edits, MARGIN), from);
        }
    }

    /// Adds a view unless its text is known; false when it had to be left out.
    fn add(&mut self, kind: ViewKind, derived: Derived, from: Option<From<'_>>) -> bool {
        if !derived.changed || derived.text.is_empty() || !self.seen.insert(digest(&derived.text)) {
            return true;
        }
        let depth = from
            .map_or(0, |from| from.depth)
            .saturating_add(u8::from(kind != ViewKind::Folded));
        if depth > DEPTH_MAX {
            if kind.is_deliberate() {
                self.give_up(Unscanned::TooDeep);
            }
            return false;
        }
        let Some(left) = self.bytes_left.checked_sub(derived.text.len()) else {
            // Guesses at the text itself come first; what is left out is guesses at what others became.
            if !kind.is_guess() {
                self.give_up(Unscanned::TooLarge);
            }
            return false;
        };
        self.bytes_left = left;
        if !self.budget.spend(derived.text.len()) {
            self.give_up(Unscanned::Budget);
            return false;
        }
        let spans = match from {
            Some(from) => derived.spans.through(from.spans),
            None => derived.spans,
        };
        self.views.push(View {
            kind,
            guessed: kind.is_guess() || from.is_some_and(|from| from.guesses > 0),
            guesses: from
                .map_or(0, |from| from.guesses)
                .saturating_add(u8::from(kind.is_guess())),
            text: derived.text,
            spans,
            depth,
        });
        true
    }

    fn give_up(&mut self, why: Unscanned) {
        self.unscanned = self.unscanned.max(Some(why));
    }
}

/// Whether a text is ASCII without controls, so that folding leaves it as it is.
fn plain_text(text: &str) -> bool {
    fold::plain_len(text.as_bytes()) == text.len()
}

/// Tells texts apart.
fn digest(text: &str) -> u64 {
    let (blocks, rest) = text.as_bytes().as_chunks::<8>();
    let mix = |hash: u64, block: [u8; 8]| {
        let mixed = (hash ^ u64::from_le_bytes(block)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ (mixed >> 32)
    };
    let hash = blocks
        .iter()
        .fold(u64::try_from(text.len()).unwrap_or(0), |hash, block| mix(hash, *block));
    let mut last = [0; 8];
    for (byte, rest) in last.iter_mut().zip(rest) {
        *byte = *rest;
    }
    mix(hash, last)
}
