//! The three hashes that files may be measured with.

mod side_by_side;

use std::fmt;

use aws_lc_rs::digest;
use blake2::Digest as _;

pub(crate) use self::side_by_side::{Block, Sha256, pays as two_at_once_pay, update_both};
use crate::hex;

/// Buffers at least this long are worth several threads.
const PARALLEL_BYTES_MIN: usize = 1 << 20;

/// A hash over the content of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashKind {
    /// SHA-256, which every verifier knows.
    Sha256,
    /// BLAKE2b with 64 bytes.
    Blake2b,
    /// BLAKE3 with 32 bytes.
    Blake3,
}

impl HashKind {
    /// The name in the registry of the specification.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake2b => "blake2b",
            Self::Blake3 => "blake3",
        }
    }

    /// The hash that a name of the registry stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Blake2b, Self::Blake3]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// Bytes of a digest.
    #[must_use]
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Blake2b => 64,
        }
    }
}

/// What a hash makes of some content; the hash is known from elsewhere.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Digest(Box<[u8]>);

impl Digest {
    /// Takes lower-case hexadecimal digits of the length that belongs to `kind`.
    #[must_use]
    pub fn from_hex(kind: HashKind, text: &str) -> Option<Self> {
        let bytes = hex::decode(text)?;
        (bytes.len() == kind.digest_bytes()).then(|| Self(bytes.into()))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(&self.0)
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes.as_slice().into())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.to_hex())
    }
}

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    let mut value = [0; 32];
    for (to, from) in value.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()) {
        *to = *from;
    }
    value
}

/// One hash under way.
pub(crate) enum Hasher {
    Sha256(Box<digest::Context>),
    Blake2b(Box<blake2::Blake2b512>),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    pub(crate) fn new(kind: HashKind) -> Self {
        match kind {
            HashKind::Sha256 => Self::Sha256(Box::new(digest::Context::new(&digest::SHA256))),
            HashKind::Blake2b => Self::Blake2b(Box::default()),
            HashKind::Blake3 => Self::Blake3(Box::default()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(context) => context.update(bytes),
            Self::Blake2b(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) if bytes.len() >= PARALLEL_BYTES_MIN => {
                hasher.update_rayon(bytes);
            }
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    pub(crate) fn finish(self) -> Digest {
        match self {
            Self::Sha256(context) => Digest(context.finish().as_ref().into()),
            Self::Blake2b(hasher) => Digest(hasher.finalize().as_slice().into()),
            Self::Blake3(hasher) => Digest(hasher.finalize().as_bytes().as_slice().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hash_is_the_published_one() {
        let of = |kind| {
            let mut hasher = Hasher::new(kind);
            hasher.update(b"a");
            hasher.update(b"bc");
            hasher.finish().to_hex()
        };
        assert_eq!(
            of(HashKind::Sha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        // RFC 7693, appendix A.
        assert_eq!(
            of(HashKind::Blake2b),
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
             7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
        );
        assert_eq!(
            of(HashKind::Blake3),
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
        );
    }

    #[test]
    fn a_digest_has_the_length_of_its_hash() {
        assert!(Digest::from_hex(HashKind::Sha256, &"ab".repeat(32)).is_some());
        assert!(Digest::from_hex(HashKind::Blake2b, &"ab".repeat(32)).is_none());
        assert!(Digest::from_hex(HashKind::Sha256, &"AB".repeat(32)).is_none());
    }
}
