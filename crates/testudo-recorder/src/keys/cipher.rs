//! The one cipher under everything: AES-256-GCM-SIV keys that wrap keys and seal small texts.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of every symmetric key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 12;
/// Bytes that sealing adds besides the nonce.
pub(crate) const TAG_BYTES: usize = 16;

/// Why the cipher did not do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    #[error("the system gave no random bytes; try again")]
    Random,
    #[error("the key does not open it")]
    Refused,
    #[error("it is too short to be sealed bytes")]
    Truncated,
    #[error("the cipher refused to work")]
    Failed,
}

/// 32 secret bytes, wiped when dropped and never printed.
#[derive(Clone)]
pub(crate) struct KeyBytes(Zeroizing<[u8; KEY_BYTES]>);

impl KeyBytes {
    /// Fresh from the system.
    pub(crate) fn random() -> Result<Self, CipherError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(bytes.as_mut_slice()).map_err(|_| CipherError::Random)?;
        Ok(Self(bytes))
    }

    /// Takes bytes that must be exactly a key.
    pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self, CipherError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if bytes.len() != KEY_BYTES {
            return Err(CipherError::Truncated);
        }
        key.copy_from_slice(bytes);
        Ok(Self(key))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// A key for one purpose only (HKDF-SHA-256, expand).
    pub(crate) fn derive(&self, purpose: &str) -> Result<Self, CipherError> {
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, self.expose())
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(derived.as_mut_slice()))
            .map_err(|_| CipherError::Failed)?;
        Ok(Self(derived))
    }

    /// The cipher under this very key.
    pub(crate) fn cipher(&self) -> Result<Cipher, CipherError> {
        let key = UnboundKey::new(&AES_256_GCM_SIV, self.expose()).map_err(|_| CipherError::Failed)?;
        Ok(Cipher(LessSafeKey::new(key)))
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBytes([redacted])")
    }
}

/// AES-256-GCM-SIV under one key; sealed bytes are `nonce ‖ ciphertext ‖ tag`.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    /// Seals under a fresh nonce.
    pub(crate) fn seal(&self, plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, CipherError> {
        let nonce = random::<NONCE_BYTES>()?;
        let mut sealed = Vec::with_capacity(plain.len().saturating_add(NONCE_BYTES + TAG_BYTES));
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = {
            let (_, body) = sealed.split_at_mut_checked(NONCE_BYTES).ok_or(CipherError::Failed)?;
            self.0
                .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), body)
        };
        match tag {
            Ok(tag) => {
                sealed.extend_from_slice(tag.as_ref());
                Ok(sealed)
            }
            Err(_) => {
                sealed.zeroize();
                Err(CipherError::Failed)
            }
        }
    }

    /// Opens what [`Self::seal`] returned.
    pub(crate) fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, CipherError> {
        if sealed.len() < NONCE_BYTES + TAG_BYTES {
            return Err(CipherError::Truncated);
        }
        let (nonce, body) = sealed
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(CipherError::Truncated)?;
        self.open_parts(nonce, body, aad)
    }

    /// Seals `text` in place under the given nonce and appends the tag; a nonce is used once.
    pub(crate) fn seal_in_place(
        &self,
        nonce: [u8; NONCE_BYTES],
        text: &mut Vec<u8>,
        aad: &[u8],
    ) -> Result<(), CipherError> {
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), text)
            .map_err(|_| CipherError::Failed)
    }

    /// Opens a ciphertext with its tag, whose nonce is kept apart.
    pub(crate) fn open_parts(
        &self,
        nonce: &[u8; NONCE_BYTES],
        body: &[u8],
        aad: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CipherError> {
        let mut text = Zeroizing::new(body.to_vec());
        let len = self
            .0
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(aad),
                text.as_mut_slice(),
            )
            .map_err(|_| CipherError::Refused)?
            .len();
        text.truncate(len);
        Ok(text)
    }

    /// Opens a wrapped key.
    pub(crate) fn unwrap_key(&self, wrapped: &[u8], aad: &[u8]) -> Result<KeyBytes, CipherError> {
        KeyBytes::from_slice(&self.open(wrapped, aad)?)
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher([redacted])")
    }
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], CipherError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| CipherError::Random)?;
    Ok(bytes)
}

/// Joins parts with a zero byte after each, under a purpose; no part may hold a zero byte.
pub(crate) fn aad(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(128);
    for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
        joined.extend_from_slice(part);
        joined.push(0);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_under_the_same_key_and_words_only() {
        let key = KeyBytes::random().unwrap();
        let cipher = key.cipher().unwrap();
        let sealed = cipher.seal(b"text", b"words").unwrap();
        assert_eq!(cipher.open(&sealed, b"words").unwrap().as_slice(), b"text");
        assert_eq!(cipher.open(&sealed, b"other"), Err(CipherError::Refused));
        let other = KeyBytes::random().unwrap().cipher().unwrap();
        assert_eq!(other.open(&sealed, b"words"), Err(CipherError::Refused));
        for len in 0..sealed.len() {
            assert!(cipher.open(&sealed[..len], b"words").is_err(), "{len}");
        }
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert_eq!(cipher.open(&flipped, b"words"), Err(CipherError::Refused), "{at}");
        }
    }

    #[test]
    fn derived_keys_differ_by_purpose_and_from_their_source() {
        let key = KeyBytes::from_slice(&[7; 32]).unwrap();
        let a = key.derive("a").unwrap();
        assert_ne!(a.expose(), key.derive("b").unwrap().expose());
        assert_ne!(a.expose(), key.expose());
        assert_eq!(a.expose(), key.derive("a").unwrap().expose());
    }

    #[test]
    fn keys_are_never_shown() {
        let key = KeyBytes::from_slice(&[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "KeyBytes([redacted])");
        assert_eq!(format!("{:?}", key.cipher().unwrap()), "Cipher([redacted])");
        assert!(KeyBytes::from_slice(&[7; 31]).is_err());
    }
}
