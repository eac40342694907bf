//! What was found in a file, and what that comes to.

use std::fmt;

/// What a file comes to; the worst of its findings. Ordered: a later one is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Everything in it was read, and everything is known to be harmless.
    Allowed,
    /// Harmless to load as far as was read, but not what a saver writes.
    Suspicious,
    /// It could not be read to its end, or names something that nobody vouches for. To be treated as malicious.
    Unknown,
    /// Loading it does something that no model needs.
    Malicious,
}

impl Verdict {
    /// The word for it, as in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Suspicious => "suspicious",
            Self::Unknown => "unknown",
            Self::Malicious => "malicious",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule found it, such as `pickle.call`.
    pub rule: &'static str,
    pub verdict: Verdict,
    /// What it is, for people; may repeat short pieces of the file, escaped.
    pub reason: String,
    /// Where: the name that the caller gave, and `!/` before each member inside.
    pub path: String,
    /// The byte in that member, as unpacked, where it stands.
    pub offset: Option<u64>,
    /// How often the same rule said the same about the same member.
    pub count: u64,
}

/// One file, member of an archive, or stream within one, that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub path: String,
    /// What its content is, such as `pickle` or `safetensors`.
    pub format: &'static str,
    /// Unpacked size, where it is known.
    pub bytes: u64,
    /// What a bill of materials can say about it, such as a GGUF's architecture.
    pub facts: Vec<(&'static str, String)>,
}

/// What one file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub verdict: Verdict,
    /// In the order in which they were found.
    pub findings: Vec<Finding>,
    /// The file first, then what is inside.
    pub parts: Vec<Part>,
    /// Findings beyond [`Limits::findings_max`](crate::Limits::findings_max); they counted for the verdict.
    pub findings_left_out: u64,
    /// Parts beyond [`Limits::parts_max`](crate::Limits::parts_max); they were read.
    pub parts_left_out: u64,
}

/// Longest piece of a hostile text that a reason repeats, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// A piece of hostile text as a reason may repeat it: escaped and short.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (at, character) in text.chars().enumerate() {
        if at >= SHOWN_CHARS_MAX {
            out.push('…');
            break;
        }
        match character {
            '\'' | '"' => out.push(character),
            _ => out.extend(character.escape_debug()),
        }
    }
    out
}
