//! SHA-256 hashes of leaves and nodes, as in RFC 6962 section 2.1.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Put before a leaf's bytes and before two children, so that neither can pass for the other.
const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

/// A hash in the tree: of a leaf, of a complete subtree, or of the whole tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The root of the tree without leaves: SHA-256 of nothing.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// The hash of a leaf with these bytes.
    #[must_use]
    pub fn leaf(data: &[u8]) -> Self {
        Self(Sha256::new().chain_update(LEAF).chain_update(data).finalize().into())
    }

    /// The hash of the node over two children.
    #[must_use]
    pub fn node(left: &Self, right: &Self) -> Self {
        let hasher = Sha256::new().chain_update(NODE);
        Self(hasher.chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// Takes 32 bytes that are already a hash.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads standard base64 with padding, exactly as [`fmt::Display`] writes it.
    ///
    /// # Errors
    /// When the text is anything else than the one encoding of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        // 44 characters are 32 or 33 bytes; the slice refuses what does not fit.
        let mut bytes = [0; 33];
        match STANDARD.decode_slice(text, &mut bytes) {
            Ok(32) => {}
            _ => return Err(HashError),
        }
        let (hash, _) = bytes.split_first_chunk().ok_or(HashError)?;
        Ok(Self(*hash))
    }
}

/// The text is not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 44 characters of base64 with padding, for 32 bytes")]
pub struct HashError;

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_is_the_hash_of_nothing() {
        assert_eq!(Hash::EMPTY.as_bytes(), Sha256::digest([]).as_slice());
    }

    #[test]
    fn text_is_read_in_its_one_form_only() {
        let hash = Hash::leaf(b"x");
        let text = hash.to_string();
        assert_eq!(Hash::parse(&text), Ok(hash));
        let same_bits = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=";
        let url_safe = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=";
        let bad = [
            "",
            "AAAA",
            text.trim_end_matches('='),
            &format!("{text}="),
            &format!("{text}\n"),
            same_bits,
            url_safe,
        ];
        for bad in bad {
            assert_eq!(Hash::parse(bad), Err(HashError), "{bad}");
        }
        // 33 and 31 bytes.
        assert_eq!(Hash::parse(&STANDARD.encode([0; 33])), Err(HashError));
        assert_eq!(Hash::parse(&STANDARD.encode([0; 31])), Err(HashError));
    }
}
