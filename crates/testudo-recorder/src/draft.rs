//! What a caller gives to the recorder and what comes back.

use std::fmt;
use std::sync::Arc;

use testudo_ledger::entry::{Body, EncodeError, PrincipalPseudonym};
use testudo_types::{KeyId, TenantId, UnixMillis};
use zeroize::Zeroizing;

/// What the caller may assume once its append has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// It is in the writer's queue; a crash loses it, and a failed disk turns it into a `gap` entry.
    Queued,
    /// It is on the disk and survives a crash.
    Durable,
    /// It is under a signed checkpoint of this log.
    Integrated,
    /// It is under a checkpoint that enough witnesses have signed.
    Witnessed,
}

impl Level {
    /// Every level, the weakest first.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Durable, Self::Integrated, Self::Witnessed];

    /// The name used in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Durable => "durable",
            Self::Integrated => "integrated",
            Self::Witnessed => "witnessed",
        }
    }

    /// The level that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

/// What a route does when its exchange cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// The exchange is refused.
    Block,
    /// The exchange passes, is counted, and becomes part of a `gap` entry.
    Degrade,
}

impl OnFailure {
    /// The name used in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Degrade => "degrade",
        }
    }

    /// What a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Block, Self::Degrade].into_iter().find(|it| it.as_str() == name)
    }
}

/// Whose content a payload is, as the operator knows them; only the key store ever writes it down.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectName(Arc<str>);

/// The name of a subject was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a subject is 1 to {} bytes of text without control characters",
    SubjectName::BYTES_MAX
)]
pub struct SubjectNameError;

impl SubjectName {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 256;

    /// Checks and takes a name.
    ///
    /// # Errors
    /// When it is empty, longer than 256 bytes, or has a control character.
    pub fn parse(text: &str) -> Result<Self, SubjectNameError> {
        let sound = !text.is_empty() && text.len() <= Self::BYTES_MAX && !text.chars().any(char::is_control);
        sound.then(|| Self(text.into())).ok_or(SubjectNameError)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A subject may be a person: the name never reaches a log line.
impl fmt::Debug for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectName(…)")
    }
}

/// An entry before it has a place, a time and pseudonyms.
#[derive(Clone)]
pub struct Draft {
    pub tenant: Option<TenantId>,
    pub principal: Option<KeyId>,
    /// Who acts, when it is nobody's key: an administrator, by pseudonym.
    pub(crate) by: Option<PrincipalPseudonym>,
    /// Whose content it is; the principal's when there is none.
    pub subject: Option<SubjectName>,
    pub body: Body,
    /// What is to be sealed; needs a tenant, and a subject or a principal.
    pub content: Option<Zeroizing<Vec<u8>>>,
}

impl Draft {
    /// About nobody, without content.
    #[must_use]
    pub fn new(body: impl Into<Body>) -> Self {
        Self {
            tenant: None,
            principal: None,
            by: None,
            subject: None,
            body: body.into(),
            content: None,
        }
    }

    /// Bytes that it is counted with in the queue.
    pub(crate) fn queue_bytes(&self) -> usize {
        /// What a body and its names take, roughly.
        const BODY_BYTES: usize = 1024;
        self.content
            .as_ref()
            .map_or(0, |it| it.len())
            .saturating_add(BODY_BYTES)
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("kind", &self.body.kind())
            .field("content_bytes", &self.content.as_ref().map(|it| it.len()))
            .finish_non_exhaustive()
    }
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// In the queue; where it will stand is not known yet.
    Queued,
    /// In the log.
    Written {
        /// Its place, counted from 0.
        index: u64,
        /// The time that the entry bears.
        at: UnixMillis,
    },
}

impl Receipt {
    /// Its place in the log, when it has one already.
    #[must_use]
    pub fn index(&self) -> Option<u64> {
        match self {
            Self::Queued => None,
            Self::Written { index, .. } => Some(*index),
        }
    }
}

/// Why an append did not reach the level that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Nothing was written; a member of the entry is not one that an entry may have, or makes it too long.
    #[error("the entry is not one that the ledger takes: {0}")]
    Invalid(EncodeError),
    /// Nothing was written.
    #[error("the content is {bytes} bytes long; at most {max} can be sealed for one entry")]
    ContentTooLarge { bytes: usize, max: usize },
    /// Nothing was written; the draft contradicts itself.
    #[error("content can be sealed only for a tenant, and for a subject or a principal of it")]
    NobodysContent,
    /// Nothing was written; the key store will not seal this.
    #[error("the entry is refused: {reason}")]
    Refused { reason: String },
    /// Not written, or not known to be: part of the next `gap` entry.
    #[error("the entry could not be written: {reason}")]
    NotWritten { reason: Arc<str> },
    /// On the disk, and will be under a checkpoint when the disk permits.
    #[error("entry {index} is on the disk and under no checkpoint yet: {reason}")]
    NotIntegrated { index: u64, reason: Arc<str> },
    /// Under this log's checkpoint, without enough witnesses so far.
    #[error("entry {index} is not under a witnessed checkpoint yet: {reason}")]
    NotWitnessed { index: u64, reason: Arc<str> },
    /// The recorder is closed, or its thread has died.
    #[error("the recorder is closed")]
    Closed,
}

/// Why there is no place in the queue: what a route's `OnFailure` answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    #[error("the recorder's queue is full: more is appended than the disk takes")]
    Full,
    #[error("the recorder cannot write: {reason}")]
    Failed { reason: Arc<str> },
    #[error("the recorder is closed")]
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for level in Level::ALL {
            assert_eq!(Level::from_name(level.as_str()), Some(level));
        }
        assert_eq!(Level::from_name("Durable"), None);
        assert_eq!(OnFailure::from_name("degrade"), Some(OnFailure::Degrade));
        assert_eq!(OnFailure::from_name(""), None);
    }

    #[test]
    fn subjects_are_checked_and_not_shown() {
        for bad in ["", "a\nb", "a\u{0}", &"x".repeat(257)] {
            assert_eq!(SubjectName::parse(bad), Err(SubjectNameError));
        }
        let name = SubjectName::parse("ana@example.org").unwrap();
        assert!(!format!("{name:?}").contains("ana"));
    }
}
