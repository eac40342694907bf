//! The grammar of a virtual key, `tsk_<id>_<secret>`, and its keyed hash.

use std::fmt;

use aws_lc_rs::hmac;
use testudo_types::{KeyId, NameError, Secret};

/// Longer credentials are refused before anything looks at them.
pub const TOKEN_BYTES_MAX: usize = 128;

const PREFIX: &str = "tsk_";
const ID_SYMBOLS: usize = 12;
const SECRET_SYMBOLS: usize = 52;
/// Random bytes for one token: a symbol takes the low five bits of one byte.
pub(super) const RANDOM_BYTES: usize = ID_SYMBOLS + SECRET_SYMBOLS;
/// RFC 4648 base32 in lower case: no `0`/`o` or `1`/`l` to confuse, one double-click selects all.
const SYMBOLS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Why a credential is not a virtual key; never says what the credential was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the key is longer than {TOKEN_BYTES_MAX} bytes; send a key made by `testudo key create`")]
    TooLong,
    #[error("the key is not of the form `tsk_<id>_<secret>`; send a key made by `testudo key create`")]
    Grammar,
}

/// A freshly made key with its secret; printed once and kept nowhere.
#[derive(Clone)]
pub struct KeyToken {
    id: KeyId,
    whole: Secret,
}

impl KeyToken {
    /// Builds a key of 60 bits of id and 260 bits of secret from random bytes.
    pub(super) fn from_random(random: &[u8; RANDOM_BYTES]) -> Result<Self, NameError> {
        let symbols: String = random
            .iter()
            .filter_map(|byte| SYMBOLS.get(usize::from(byte & 31)))
            .map(|symbol| char::from(*symbol))
            .collect();
        let (id, secret) = symbols.split_at_checked(ID_SYMBOLS).unwrap_or_default();
        Ok(Self {
            id: KeyId::parse(id)?,
            whole: Secret::new(format!("{PREFIX}{id}_{secret}")),
        })
    }

    /// The public half.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The whole key, for the one place that shows it to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        std::str::from_utf8(self.whole.expose()).unwrap_or_default()
    }
}

impl fmt::Debug for KeyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyToken({}, [redacted])", self.id)
    }
}

/// A credential that has the form of a virtual key; whether it is one is not yet known.
#[derive(Clone, Copy)]
pub struct PresentedKey<'a> {
    id: &'a str,
    whole: &'a str,
}

impl<'a> PresentedKey<'a> {
    /// Checks the form: fixed lengths, fixed alphabet, nothing before or after.
    ///
    /// # Errors
    /// When the text is too long or has another form; the caller should send another key.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let (id, secret) = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .ok_or(TokenError::Grammar)?;
        let sound = |part: &str, len: usize| part.len() == len && part.bytes().all(is_symbol);
        if sound(id, ID_SYMBOLS) && sound(secret, SECRET_SYMBOLS) {
            Ok(Self { id, whole: text })
        } else {
            Err(TokenError::Grammar)
        }
    }

    /// The public half.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.id
    }
}

/// Whether a byte is one of [`SYMBOLS`], without a search in it.
fn is_symbol(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'2'..=b'7')
}

impl fmt::Debug for PresentedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresentedKey({}, [redacted])", self.id)
    }
}

/// HMAC-SHA-256 of a whole token under the pepper.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyHash([u8; 32]);

impl KeyHash {
    /// What unknown ids are compared with; no token hashes to it.
    pub(super) const NONE: Self = Self([0; 32]);

    pub(super) fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash([redacted])")
    }
}

/// Hashes and compares tokens under one pepper.
#[derive(Clone)]
pub(super) struct KeyHasher(hmac::Key);

impl KeyHasher {
    pub(super) fn new(pepper: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, pepper.expose()))
    }

    pub(super) fn hash(&self, token: &KeyToken) -> KeyHash {
        self.digest(token.whole.expose())
    }

    /// Whether the presented key is the one behind the hash; the comparison takes the same time either way.
    pub(super) fn verify(&self, presented: PresentedKey<'_>, stored: &KeyHash) -> bool {
        hmac::verify(&self.0, presented.whole.as_bytes(), &stored.0).is_ok()
    }

    /// Eight bytes of a keyed hash of parts with their lengths. The first part says what they are for.
    pub(super) fn code(&self, parts: &[&[u8]]) -> Option<[u8; 8]> {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            context.update(&length.to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().first_chunk().copied()
    }

    /// A value that tells one pepper from another without showing it.
    pub(super) fn fingerprint(&self) -> KeyHash {
        self.digest(b"testudo: which pepper is this")
    }

    fn digest(&self, message: &[u8]) -> KeyHash {
        let tag = hmac::sign(&self.0, message);
        tag.as_ref().try_into().map_or(KeyHash::NONE, KeyHash)
    }
}

impl fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHasher([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::{SYMBOLS, is_symbol};

    #[test]
    fn symbols_are_those_that_keys_are_made_of() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_symbol(byte), SYMBOLS.contains(&byte), "{byte}");
        }
    }
}
