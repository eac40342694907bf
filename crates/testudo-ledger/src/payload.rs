//! Payload records: sealed content outside the tree, and the commitment that binds it to its entry.
//!
//! A record is `TSP1`, the entry's index in 8 bytes, a salt of 32, the wrapped data key with its
//! length in 2 bytes before it, a nonce of 12, and the sealed content with its tag of 16. Numbers
//! stand with the higher byte first. The entry commits to
//! SHA-256(salt ‖ SHA-256(record without the salt)): whoever has the record sees every changed
//! byte, without keys; once the salt is gone, the commitment says nothing about the content.
//!
//! Records of entries 256·N to 256·N+255 stand in one file, ascending, each with its length in 4
//! bytes before it.

mod file;
#[cfg(test)]
mod tests;

pub use self::file::{FileError, Place, Records};

use sha2::{Digest as _, Sha256};

use crate::entry::{Commitment, SubjectPseudonym, TenantPseudonym};
use crate::tile::index_path;

/// What a record starts with.
const MAGIC: &[u8; 4] = b"TSP1";
/// What the authentication tag adds to the content.
const TAG_BYTES: usize = 16;
/// Bytes of a record besides the wrapped key and the sealed content.
const FIXED_BYTES: usize = 4 + 8 + 32 + 2 + 12;

/// The greatest size of a record in bytes: content up to 64 MiB, and what stands around it.
pub const RECORD_BYTES_MAX: usize = (64 << 20) + FIXED_BYTES + u16::MAX as usize + TAG_BYTES;

/// A sealed payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The entry it belongs to.
    pub index: u64,
    pub salt: &'a [u8; 32],
    /// The data key, sealed with the subject's key; its inside is the recorder's matter.
    pub wrapped_key: &'a [u8],
    pub nonce: &'a [u8; 12],
    /// The content and its tag.
    pub sealed: &'a [u8],
}

/// Why bytes are not a record or not a file of records, or why a record cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("it ends within a record")]
    Ends,
    #[error("a record does not start with `TSP1`; its first bytes are damaged, or a newer version wrote it")]
    Magic,
    #[error("a record of {bytes} bytes; at most {RECORD_BYTES_MAX} are allowed")]
    TooLong { bytes: usize },
    #[error("a wrapped key of {bytes} bytes; at most 65535 are allowed")]
    KeyTooLong { bytes: usize },
    #[error("the record of entry {index} stands in the file of entries {first} to {last}")]
    Window { index: u64, first: u64, last: u64 },
    #[error("the record of entry {index} does not stand after those of lower entries")]
    Order { index: u64 },
}

impl<'a> Record<'a> {
    /// The record's bytes.
    ///
    /// # Errors
    /// When the wrapped key or the whole is too long, or the sealed content is shorter than a tag.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let key_bytes = self.wrapped_key.len();
        let key_len = u16::try_from(key_bytes).map_err(|_| RecordError::KeyTooLong { bytes: key_bytes })?;
        let bytes = FIXED_BYTES.saturating_add(key_bytes).saturating_add(self.sealed.len());
        if bytes > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong { bytes });
        }
        if self.sealed.len() < TAG_BYTES {
            return Err(RecordError::Ends);
        }
        let mut record = Vec::with_capacity(bytes);
        record.extend(MAGIC);
        record.extend(self.index.to_be_bytes());
        record.extend(self.salt);
        record.extend(key_len.to_be_bytes());
        record.extend(self.wrapped_key);
        record.extend(self.nonce);
        record.extend(self.sealed);
        Ok(record)
    }

    /// Reads a record; all of the bytes belong to it.
    ///
    /// # Errors
    /// When they are not a record.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong { bytes: bytes.len() });
        }
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(RecordError::Ends)?;
        if magic != MAGIC {
            return Err(RecordError::Magic);
        }
        let (index, rest) = rest.split_first_chunk().ok_or(RecordError::Ends)?;
        let (salt, rest) = rest.split_first_chunk().ok_or(RecordError::Ends)?;
        let (key_len, rest) = rest.split_first_chunk().ok_or(RecordError::Ends)?;
        let key_len = usize::from(u16::from_be_bytes(*key_len));
        let (wrapped_key, rest) = rest.split_at_checked(key_len).ok_or(RecordError::Ends)?;
        let (nonce, sealed) = rest.split_first_chunk().ok_or(RecordError::Ends)?;
        if sealed.len() < TAG_BYTES {
            return Err(RecordError::Ends);
        }
        Ok(Self {
            index: u64::from_be_bytes(*index),
            salt,
            wrapped_key,
            nonce,
            sealed,
        })
    }

    /// What the entry has to say of this record.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        // A key too long for its length cannot be written, so what is hashed for it never meets a reader.
        let key_len = u16::try_from(self.wrapped_key.len()).unwrap_or(u16::MAX);
        let unsalted = Sha256::new()
            .chain_update(MAGIC)
            .chain_update(self.index.to_be_bytes())
            .chain_update(key_len.to_be_bytes())
            .chain_update(self.wrapped_key)
            .chain_update(self.nonce)
            .chain_update(self.sealed)
            .finalize();
        let salted = Sha256::new().chain_update(self.salt).chain_update(unsalted).finalize();
        Commitment::from_bytes(salted.into())
    }
}

/// What the seal of a payload covers beside the content, so that a record opens in its own place only.
#[must_use]
pub fn associated_data(
    origin: &str,
    index: u64,
    kind: &str,
    tenant: &TenantPseudonym,
    subject: &SubjectPseudonym,
) -> Vec<u8> {
    let mut data = b"testudo/payload/v1\0".to_vec();
    data.extend(origin.as_bytes());
    data.push(0);
    data.extend(index.to_be_bytes());
    data.extend(kind.as_bytes());
    data.push(0);
    data.extend(tenant.to_string().as_bytes());
    data.push(0);
    data.extend(subject.to_string().as_bytes());
    data
}

/// Where the records of a window of 256 entries lie under the log's folder; the window of an entry is its index / 256.
#[must_use]
pub fn path(window: u64) -> String {
    format!("payload/{}", index_path(window))
}

/// Appends the bytes of a record to those of its file.
///
/// # Errors
/// When they are too many; nothing is appended then.
pub fn append(file: &mut Vec<u8>, record: &[u8]) -> Result<(), RecordError> {
    let bytes = record.len();
    let len = u32::try_from(bytes).ok().filter(|_| bytes <= RECORD_BYTES_MAX);
    let len = len.ok_or(RecordError::TooLong { bytes })?;
    file.extend_from_slice(&len.to_be_bytes());
    file.extend_from_slice(record);
    Ok(())
}
