//! The code by which a user lets one call go: bound to the call, guessed by nobody, kept nowhere.

use std::fmt;

use testudo_dialects::calls::{Turn, Voice};
use testudo_policy::provenance::pasted_spans;

use super::untrusted::Untrusted;
use crate::keys::KeyRing;

/// Letters and digits that people do not mistake for each other.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Makes codes that only this installation can make.
pub(crate) trait Coder: fmt::Debug + Send + Sync {
    /// Eight bytes that follow from the parts under a secret of this installation.
    fn code(&self, parts: &[&[u8]]) -> Option<[u8; 8]>;
}

impl Coder for KeyRing {
    fn code(&self, parts: &[&[u8]]) -> Option<[u8; 8]> {
        Self::code(self, parts)
    }
}

/// A code, as its letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Code(String);

impl Code {
    pub(crate) fn of(coder: &dyn Coder, parts: &[&[u8]]) -> Option<Self> {
        let bytes = coder.code(parts)?;
        let letters = bytes.iter().map(|byte| {
            let letter = ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'0');
            char::from(letter)
        });
        Some(Self(letters.collect()))
    }

    /// Whether a text holds it, in whatever case and with or without hyphens.
    fn stands_in(&self, text: &str) -> bool {
        let plain: String = text
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_uppercase())
            .collect();
        plain.contains(&self.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at_checked(4).unwrap_or((&self.0, ""));
        write!(f, "{first}-{second}")
    }
}

/// What the user said last, and what the model said and called around it.
#[derive(Debug, Default)]
pub(crate) struct LastWords<'v> {
    /// The user's own words: nothing pasted, nothing declared as somebody else's.
    own: Vec<String>,
    /// What the model said before them.
    asked: Vec<&'v str>,
    /// Where the turns after them begin.
    pub(crate) after: usize,
    /// The model's earlier words are held upstream.
    unseen: bool,
}

impl<'v> LastWords<'v> {
    pub(crate) fn of(turns: &[Turn<'v>], untrusted: &Untrusted, unseen: bool) -> Self {
        let Some(last) = turns.iter().rposition(|turn| turn.voice == Voice::User) else {
            return Self::default();
        };
        let earlier = turns.get(..last).unwrap_or_default();
        let model = |turn: &Turn<'_>| matches!(turn.voice, Voice::Model | Voice::Call(_));
        let first = earlier.iter().rposition(model).map_or(0, |at| at.saturating_add(1));
        let said = turns.get(first..=last).unwrap_or_default().iter();
        let own = said.filter(|turn| turn.voice == Voice::User && !untrusted.covers(turn.path));
        let asked = turns.get(..first).unwrap_or_default().iter();
        Self {
            own: own.map(|turn| own_words(turn, untrusted)).collect(),
            asked: asked
                .filter(|turn| turn.voice == Voice::Model)
                .map(|turn| turn.text)
                .collect(),
            after: last.saturating_add(1),
            unseen,
        }
    }

    /// Whether the user repeats a code that was asked for here.
    pub(crate) fn repeat(&self, code: &Code) -> bool {
        self.own.iter().any(|text| code.stands_in(text))
            && (self.unseen || self.asked.iter().any(|text| code.stands_in(text)))
    }
}

/// A text without what somebody else wrote in it.
fn own_words(turn: &Turn<'_>, untrusted: &Untrusted) -> String {
    let mut spans = untrusted.ranges(turn.path, turn.text);
    spans.extend(pasted_spans(turn.text));
    spans.sort_by_key(|span| (span.start, span.end));
    let mut own = String::new();
    let mut at = 0;
    for span in spans {
        if span.start > at {
            own.push_str(turn.text.get(at..span.start).unwrap_or_default());
            // What stood on both sides is not one word.
            own.push('\n');
        }
        at = at.max(span.end);
    }
    own.push_str(turn.text.get(at..).unwrap_or_default());
    own
}
