//! Entries: what the leaves of the tree say, as types, and their one spelling in bytes.
//!
//! An entry is one JSON object with its members sorted by name, without white space, with whole
//! numbers only and with nothing absent written as `null`. Every value has exactly one spelling,
//! and the reader takes no other, so two readers can never see two things in the same bytes.
//! Nothing in an entry is text of an exchange or names a person: people are pseudonyms, and
//! content is a commitment to a sealed payload kept outside the tree.

mod access;
mod body;
mod canonical;
mod class;
mod error;
mod exchange;
mod ids;
mod keeping;
mod operation;
mod schema;
#[cfg(test)]
mod tests;

pub use self::access::{
    AdminLogin, Approval, ApprovalDecision, Configuration, ConfigurationAction, Decision, Hold, Key, KeyAction,
};
pub use self::body::Body;
pub use self::class::RecordClass;
pub use self::error::{DecodeError, EncodeError, Flaw, Misread};
pub use self::exchange::{Begun, Direction, Exchange, FindingCount};
pub use self::ids::{Commitment, Digest, IdError, PrincipalPseudonym, SubjectPseudonym, TenantPseudonym};
pub use self::keeping::{
    Erasure, IndexRange, LegalHold, LegalHoldAction, PayloadRead, RangeError, Ranges, Retention, Rotation, RotationOf,
};
pub use self::operation::{
    ActorProof, Alarm, AlarmState, Artifact, Chain, Data, Evidence, EvidenceResult, Gap, Incident, Recorder,
    RecorderAction,
};

use self::canonical::{Reader, Value as _, write_plain};
use self::schema::{read_end, read_member, write_member};

/// The greatest size of an entry in bytes: what the 16-bit lengths of an entry bundle can say.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// The greatest length of one text in an entry, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;

/// The greatest number of items in a list of an entry; ranges have their own.
pub const LIST_ITEMS_MAX: usize = 256;

/// The greatest whole number in an entry: what every reader of JSON keeps exactly (2^53 - 1).
pub const NUMBER_MAX: u64 = 9_007_199_254_740_991;

/// The version of the entry format.
const VERSION: u64 = 1;

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

impl Entry {
    /// The entry's bytes.
    ///
    /// # Errors
    /// When a text, number or list is not one that an entry may have, or the whole is too long;
    /// the error names the member. [`Self::encode_clipped`] has no such errors.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = String::with_capacity(1024);
        let mut separator = '{';
        write_member("at", &self.at, &mut separator, &mut out)?;
        out.push_str(",\"body\":");
        self.body.write(&mut out)?;
        write_member("payload", &self.payload, &mut separator, &mut out)?;
        write_member("principal", &self.principal, &mut separator, &mut out)?;
        write_member("tenant", &self.tenant, &mut separator, &mut out)?;
        out.push_str(",\"type\":");
        write_plain(self.body.kind(), &mut out);
        write_member("v", &VERSION, &mut separator, &mut out)?;
        out.push('}');
        if out.len() > ENTRY_BYTES_MAX {
            let flaw = Flaw::EntryTooLong { bytes: out.len() };
            return Err(EncodeError::from(flaw).within("body"));
        }
        Ok(out.into_bytes())
    }

    /// The entry's bytes, after cutting what is too long or not allowed: long texts and lists lose
    /// their ends, control characters become U+FFFD, and findings that were cut are counted.
    /// So nothing that somebody sends can keep an exchange from being recorded.
    ///
    /// # Errors
    /// None that tests know of.
    pub fn encode_clipped(&mut self) -> Result<Vec<u8>, EncodeError> {
        for items_max in [LIST_ITEMS_MAX, 64, 8] {
            if let Ok(bytes) = self.encode() {
                return Ok(bytes);
            }
            self.at = self.at.min(NUMBER_MAX);
            self.payload.clip(items_max);
            self.body.clip(items_max);
        }
        self.encode()
    }

    /// Reads an entry from bytes that are exactly what [`Self::encode`] gives.
    ///
    /// # Errors
    /// When they are anything else; the error names the byte.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(DecodeError {
                at: ENTRY_BYTES_MAX,
                problem: Misread::TooLong { bytes: bytes.len() },
            });
        }
        let text = str::from_utf8(bytes).map_err(|error| DecodeError {
            at: error.valid_up_to(),
            problem: Misread::NotUtf8,
        })?;
        let mut reader = Reader::new(text);
        reader.expect("{")?;
        let mut first = true;
        let at = read_member("at", &mut first, &mut reader)?;
        reader.expect(",\"body\":")?;
        // The body's type stands behind it.
        let mut body = reader.take_object()?;
        let payload = read_member("payload", &mut first, &mut reader)?;
        let principal = read_member("principal", &mut first, &mut reader)?;
        let tenant = read_member("tenant", &mut first, &mut reader)?;
        reader.expect(",\"type\":")?;
        let unknown = reader.error(Misread::UnknownType);
        let kind = reader.plain()?;
        let old = reader.error(Misread::UnknownVersion);
        if read_member::<u64>("v", &mut first, &mut reader)? != VERSION {
            return Err(old);
        }
        read_end(&mut reader)?;
        reader.finish()?;
        let value = Body::read(kind, &mut body).ok_or(unknown)??;
        body.finish()?;
        Ok(Self {
            at,
            tenant,
            principal,
            payload,
            body: value,
        })
    }
}
