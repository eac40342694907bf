//! Why an entry could not be written or read.

use super::{ENTRY_BYTES_MAX, IdError, LIST_ITEMS_MAX, NUMBER_MAX, RangeError, TEXT_BYTES_MAX};

/// Why an entry could not be written; [`super::Entry::encode_clipped`] mends all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the member `{member}` {flaw}")]
pub struct EncodeError {
    /// The innermost member that is wrong.
    pub member: &'static str,
    pub flaw: Flaw,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("is {bytes} bytes long; at most {TEXT_BYTES_MAX} are allowed")]
    TextTooLong { bytes: usize },
    #[error("has a control character; leave it out")]
    Control,
    #[error("is greater than {NUMBER_MAX}, which not every reader of JSON keeps exactly")]
    NumberTooGreat,
    #[error("has {items} items; at most {LIST_ITEMS_MAX} are allowed")]
    ListTooLong { items: usize },
    #[error("makes the entry {bytes} bytes long; at most {ENTRY_BYTES_MAX} are allowed")]
    EntryTooLong { bytes: usize },
}

impl EncodeError {
    /// Names the member, unless one further in is named.
    pub(super) fn within(mut self, member: &'static str) -> Self {
        if self.member.is_empty() {
            self.member = member;
        }
        self
    }
}

impl From<Flaw> for EncodeError {
    fn from(flaw: Flaw) -> Self {
        Self { member: "", flaw }
    }
}

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {at}")]
pub struct DecodeError {
    /// The first byte that is wrong, counted from the start of the entry.
    pub at: usize,
    pub problem: Misread,
}

/// What is wrong with the bytes of an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misread {
    #[error("bytes that are not UTF-8")]
    NotUtf8,
    #[error("expected {0}")]
    Expected(&'static str),
    #[error("the member `{0}` is missing, or another stands in its place")]
    Missing(&'static str),
    #[error("a member that this type of entry does not have, or not in this place")]
    UnknownMember,
    #[error("a number that is not whole or not in its shortest spelling")]
    Number,
    #[error("a number that is too great for this member")]
    NumberTooGreat,
    #[error("an escape that is not needed or not allowed")]
    Escape,
    #[error("more than {items_max} items in a list")]
    ListTooLong { items_max: usize },
    #[error("a text that {0}")]
    Text(Flaw),
    #[error(transparent)]
    Id(#[from] IdError),
    #[error(transparent)]
    Ranges(#[from] RangeError),
    #[error("a type of entry that this version does not know; use a newer one")]
    UnknownType,
    #[error("a version of the entry format that this version does not know; use a newer one")]
    UnknownVersion,
    #[error("an entry of {bytes} bytes; at most {ENTRY_BYTES_MAX} are allowed")]
    TooLong { bytes: usize },
}

impl From<Flaw> for Misread {
    fn from(flaw: Flaw) -> Self {
        Self::Text(flaw)
    }
}
