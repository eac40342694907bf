//! One line of a note: by which key, and the signature.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Verified;
use crate::key::{KeyHash, KeyKind, KeyName, SigningKey, VerifierKey};

/// Begins every signature line: an em dash and a space.
const DASH: &str = "\u{2014} ";
/// Times in cosignatures are not above this, by the specification.
const TIME_S_MAX: u64 = i64::MAX.unsigned_abs();

/// A signature by some key, known or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    name: KeyName,
    hash: KeyHash,
    /// For a cosignature, eight bytes of time and then the signature.
    pub(super) bytes: Vec<u8>,
}

impl Signature {
    /// Signs a note's text.
    #[must_use]
    pub fn new(key: &SigningKey, text: &str, time_s: u64) -> Self {
        let bytes = match key.verifier().kind() {
            KeyKind::Ed25519 => key.sign(text.as_bytes()),
            KeyKind::Cosignature => {
                let time_s = time_s.min(TIME_S_MAX);
                let mut bytes = time_s.to_be_bytes().to_vec();
                bytes.extend(key.sign(cosigned(text, time_s).as_bytes()));
                bytes
            }
        };
        Self {
            name: key.verifier().name().clone(),
            hash: key.verifier().hash(),
            bytes,
        }
    }

    /// The name of the key that it claims to be by.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The hash of the key that it claims to be by.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        self.hash
    }

    /// The signature itself; before that of a cosigner stand eight bytes of time.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it claims to be by this key.
    #[must_use]
    pub fn is_by(&self, key: &VerifierKey) -> bool {
        (&self.name, self.hash) == (key.name(), key.hash())
    }

    /// Checks it as this key's over the text of a note.
    #[must_use]
    pub fn check<'a>(&self, key: &'a VerifierKey, text: &str) -> Option<Verified<'a>> {
        let time_s = match key.kind() {
            KeyKind::Ed25519 => {
                key.is_signed(text.as_bytes(), &self.bytes).then_some(())?;
                None
            }
            KeyKind::Cosignature => {
                let (time, signature) = self.bytes.split_first_chunk()?;
                let time_s = Some(u64::from_be_bytes(*time)).filter(|it| *it <= TIME_S_MAX)?;
                key.is_signed(cosigned(text, time_s).as_bytes(), signature)
                    .then_some(())?;
                Some(time_s)
            }
        };
        Some(Verified { key, time_s })
    }

    /// Reads a line without its newline.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        let name = KeyName::parse(name).ok()?;
        let decoded = STANDARD.decode(encoded).ok()?;
        let (hash, bytes) = decoded.split_first_chunk().filter(|(_, bytes)| !bytes.is_empty())?;
        Some(Self {
            name,
            hash: KeyHash::from_bytes(*hash),
            bytes: bytes.to_vec(),
        })
    }
}

/// What a cosigner signs (C2SP tlog-cosignature, Ed25519).
fn cosigned(text: &str, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

/// The line without its newline.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.hash.as_bytes().to_vec();
        bytes.extend_from_slice(&self.bytes);
        write!(f, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}
