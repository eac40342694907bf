//! Keys that sign notes and check them, and their text forms (C2SP signed-note).

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// What a key's signature is over, by its identifier byte. Every other kind is an unknown key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// 0x01: the note's text; what a log signs with.
    Ed25519,
    /// 0x04: a checkpoint and a time, `cosignature/v1`; what a witness signs with.
    Cosignature,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::Cosignature),
            _ => None,
        }
    }
}

/// A key's name: not empty, without spaces, control characters and `+`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// When it is empty or has a character that no name may have.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bad = |c: char| c.is_whitespace() || c < ' ' || c == '+';
        if text.is_empty() || text.contains(bad) {
            return Err(KeyError::Name);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Four bytes that, with the name, say which key a signature is by. They identify; they do not protect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash([u8; 4]);

impl KeyHash {
    fn new(name: &KeyName, kind: KeyKind, public: &[u8; 32]) -> Self {
        let hasher = Sha256::new().chain_update(name.as_str()).chain_update(b"\n");
        let digest: [u8; 32] = hasher
            .chain_update([kind.byte()])
            .chain_update(public)
            .finalize()
            .into();
        let [a, b, c, d, ..] = digest;
        Self([a, b, c, d])
    }

    pub(crate) const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes, as a signature begins with them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

/// Why a key's text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a key's name is not empty and has neither spaces, control characters nor `+`")]
    Name,
    #[error("a verifier key is `<name>+<8 hex digits>+<base64>`")]
    VerifierShape,
    #[error("a signing key is `PRIVATE+KEY+<name>+<8 hex digits>+<base64>`")]
    SigningShape,
    #[error("the key is of a kind that is not supported; 0x01 (Ed25519) and 0x04 (cosignature/v1) are")]
    Kind,
    #[error("the key is not 32 bytes long")]
    Length,
    #[error("the 8 hex digits do not belong to this name and key; one of them was changed")]
    Hash,
}

/// The public half of a key, with its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: KeyName,
    hash: KeyHash,
    kind: KeyKind,
    public: [u8; 32],
}

impl VerifierKey {
    /// Takes an Ed25519 public key.
    #[must_use]
    pub fn new(name: KeyName, kind: KeyKind, public: [u8; 32]) -> Self {
        let hash = KeyHash::new(&name, kind, &public);
        Self {
            name,
            hash,
            kind,
            public,
        }
    }

    /// Reads `<name>+<hash>+<base64 of kind and key>`, in the one form that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// When the text is not such a key, of another kind, or its hash is of another key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, rest) = text.split_once('+').ok_or(KeyError::VerifierShape)?;
        let (hash, key) = rest.split_once('+').ok_or(KeyError::VerifierShape)?;
        let bytes = STANDARD.decode(key).map_err(|_| KeyError::VerifierShape)?;
        let (kind, public) = split_kind(&bytes)?;
        let key = Self::new(KeyName::parse(name)?, kind, *public);
        if hash.len() != 8 {
            return Err(KeyError::VerifierShape);
        }
        if key.hash.to_string() != hash {
            return Err(KeyError::Hash);
        }
        Ok(key)
    }

    /// Its name; of a log's key, the log's origin.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// What signatures carry to name this key.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        self.hash
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The Ed25519 public key.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether the 64 bytes are this key's Ed25519 signature over these bytes.
    pub(crate) fn is_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        key.verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind.byte()];
        bytes.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, self.hash, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// A key that signs. `Debug` shows the public half only; the seed is wiped on drop.
pub struct SigningKey {
    verifier: VerifierKey,
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// Makes the key of a seed; 32 random bytes make a new key.
    ///
    /// # Errors
    /// When the library refuses the seed.
    pub fn from_seed(name: KeyName, kind: KeyKind, seed: Zeroizing<[u8; 32]>) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| KeyError::Length)?;
        let public = <[u8; 32]>::try_from(pair.public_key().as_ref()).map_err(|_| KeyError::Length)?;
        Ok(Self {
            verifier: VerifierKey::new(name, kind, public),
            seed,
            pair,
        })
    }

    /// Reads `PRIVATE+KEY+<name>+<hash>+<base64 of kind and seed>`, the form that Go's note package uses.
    ///
    /// # Errors
    /// When the text is not such a key, of another kind, or its hash is of another key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let rest = text.strip_prefix("PRIVATE+KEY+").ok_or(KeyError::SigningShape)?;
        let (name, rest) = rest.split_once('+').ok_or(KeyError::SigningShape)?;
        let (hash, key) = rest.split_once('+').ok_or(KeyError::SigningShape)?;
        let bytes = Zeroizing::new(STANDARD.decode(key).map_err(|_| KeyError::SigningShape)?);
        let (kind, seed) = split_kind(&bytes)?;
        let key = Self::from_seed(KeyName::parse(name)?, kind, Zeroizing::new(*seed))?;
        if hash.len() != 8 {
            return Err(KeyError::SigningShape);
        }
        if key.verifier.hash.to_string() != hash {
            return Err(KeyError::Hash);
        }
        Ok(key)
    }

    /// The text form, for the key's own file.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([self.verifier.kind.byte(); 33]);
        if let [_, seed @ ..] = bytes.as_mut_slice() {
            seed.copy_from_slice(self.seed.as_slice());
        }
        let key = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
        let VerifierKey { name, hash, .. } = &self.verifier;
        Zeroizing::new(format!("PRIVATE+KEY+{name}+{hash}+{}", key.as_str()))
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The Ed25519 signature over these bytes: 64 bytes.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, [redacted])", self.verifier)
    }
}

/// Key material without its identifier byte.
fn split_kind(bytes: &[u8]) -> Result<(KeyKind, &[u8; 32]), KeyError> {
    let (kind, key) = bytes.split_first().ok_or(KeyError::Length)?;
    let kind = KeyKind::from_byte(*kind).ok_or(KeyError::Kind)?;
    Ok((kind, key.try_into().map_err(|_| KeyError::Length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signing(kind: KeyKind) -> SigningKey {
        let name = KeyName::parse("example.com/log").unwrap();
        SigningKey::from_seed(name, kind, Zeroizing::new([7; 32])).unwrap()
    }

    #[test]
    fn keys_come_back_from_their_text() {
        for kind in [KeyKind::Ed25519, KeyKind::Cosignature] {
            let key = signing(kind);
            let again = SigningKey::parse(&key.to_text()).unwrap();
            assert_eq!(again.to_text(), key.to_text());
            assert_eq!(
                VerifierKey::parse(&key.verifier().to_string()).unwrap(),
                *again.verifier()
            );
        }
        let [a, b] = [KeyKind::Ed25519, KeyKind::Cosignature].map(signing);
        assert_eq!(a.verifier().public(), b.verifier().public());
        assert_ne!(a.verifier().hash(), b.verifier().hash());
    }

    /// RFC 8032 section 7.1, test 1.
    #[test]
    fn seeds_make_the_known_public_key() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let public = [
            0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1,
            0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
        ];
        let name = KeyName::parse("x").unwrap();
        let key = SigningKey::from_seed(name, KeyKind::Ed25519, Zeroizing::new(seed)).unwrap();
        assert_eq!(key.verifier().public(), &public);
    }

    #[test]
    fn debug_shows_no_seed() {
        let key = signing(KeyKind::Ed25519);
        let shown = format!("{key:?}");
        assert_eq!(shown, format!("SigningKey({}, [redacted])", key.verifier()));
        assert!(!shown.contains(&STANDARD.encode([7; 32])));
    }

    #[test]
    fn other_verifier_keys_are_refused() {
        let good = signing(KeyKind::Ed25519).verifier().to_string();
        let (front, key) = good.rsplit_once('+').unwrap();
        let (name, hash) = front.split_once('+').unwrap();
        let with = |bytes: &[u8]| format!("{name}+{hash}+{}", STANDARD.encode(bytes));
        let cases = [
            (String::new(), KeyError::VerifierShape),
            (name.to_owned(), KeyError::VerifierShape),
            (front.to_owned(), KeyError::VerifierShape),
            (format!("{good}\n"), KeyError::VerifierShape),
            (format!("{good}+"), KeyError::VerifierShape),
            (format!("{name}+{hash}+{key}="), KeyError::VerifierShape),
            (format!("{name}+0{hash}+{key}"), KeyError::VerifierShape),
            (format!("{name}+{}+{key}", hash.to_uppercase()), KeyError::Hash),
            (format!("{name}+00000000+{key}"), KeyError::Hash),
            (format!("{name}x+{hash}+{key}"), KeyError::Hash),
            (format!("+{hash}+{key}"), KeyError::Name),
            (format!("a b+{hash}+{key}"), KeyError::Name),
            (format!("a\u{2003}b+{hash}+{key}"), KeyError::Name),
            (with(&[1; 34]), KeyError::Length),
            (with(&[1; 32]), KeyError::Length),
            (with(&[]), KeyError::Length),
            (with(&[2; 33]), KeyError::Kind),
            (with(&[6; 1313]), KeyError::Kind),
        ];
        for (text, error) in cases {
            assert_eq!(VerifierKey::parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn other_signing_keys_are_refused() {
        let good = signing(KeyKind::Ed25519).to_text();
        let good = good.as_str();
        let cases = [
            (String::new(), KeyError::SigningShape),
            (good.replace("PRIVATE", "private"), KeyError::SigningShape),
            (good.replace("PRIVATE+", ""), KeyError::SigningShape),
            (format!("{good}\n"), KeyError::SigningShape),
            (good.replace("log+", "log2+"), KeyError::Hash),
            (good.replace("BwcH", "BwcG"), KeyError::Hash),
            (good.replace("+AQcH", "+AgcH"), KeyError::Kind),
            (good.replace("+AQcH", "+AQcHBwcH"), KeyError::Length),
        ];
        for (text, error) in cases {
            assert_eq!(SigningKey::parse(&text).err(), Some(error), "{text}");
        }
    }
}
