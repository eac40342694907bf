//! Entries: what the leaves of the tree say, as types, and their one spelling in bytes.
//!
//! An entry is one JSON object with its members sorted by name, without white space, with whole
//! numbers only and with nothing absent written as `null`. Every value has exactly one spelling,
//! and the reader takes no other, so two readers can never see two things in the same bytes.
//! Nothing in an entry is text of an exchange or names a person: people are pseudonyms, and
//! content is a commitment to a sealed payload kept outside the tree.

mod access;
mod body;
mod exchange;
mod ids;
mod keeping;
mod operation;
mod schema;
mod text;

pub use self::access::{
    AdminLogin, Approval, ApprovalDecision, Configuration, ConfigurationAction, Decision, Hold, Key, KeyAction,
};
pub use self::body::Body;
pub use self::exchange::{Begun, Direction, Exchange, FindingCount};
pub use self::ids::{Digest, IdError, PrincipalPseudonym, SubjectPseudonym, TenantPseudonym};
pub use self::keeping::{
    Erasure, IndexRange, LegalHold, LegalHoldAction, PayloadRead, RangeError, Ranges, Retention, Rotation, RotationOf,
};
pub use self::operation::{
    Alarm, AlarmState, Artifact, Data, Evidence, EvidenceResult, Gap, Incident, Recorder, RecorderAction,
};
pub use self::text::{LIST_ITEMS_MAX, TEXT_BYTES_MAX};

/// The greatest size of an entry in bytes: what the 16-bit lengths of an entry bundle can say.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// The greatest whole number in an entry: what every reader of JSON keeps exactly (2^53 - 1).
pub const NUMBER_MAX: u64 = 9_007_199_254_740_991;

/// One record in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When the writer took it, in milliseconds since 1970; never decreases with the index.
    pub at: u64,
    pub tenant: Option<TenantPseudonym>,
    pub principal: Option<PrincipalPseudonym>,
    /// The sealed content, kept outside the tree.
    pub payload: Option<PayloadRef>,
    pub body: Body,
}

schema::record! {
    /// What an entry says of its payload.
    pub struct PayloadRef {
        /// Size of the content before sealing, in bytes.
        pub bytes: u64,
        /// See [`crate::payload`].
        pub commitment: Commitment,
        /// Whose content it is; erasing this subject erases the payload.
        pub subject: SubjectPseudonym,
    }
}

/// A salted hash of a payload record; says nothing about the content once the salt is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment(pub [u8; 32]);
