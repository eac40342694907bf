//! Seals the texts of approvals: one key for each approval, which follows from the pepper.
//!
//! The pepper and not the ledger's key store: approvals are decided by whoever can read the data folder, which is who
//! can read the pepper; and they are gone within the hour, so no person's key is to be made and erased for them.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use testudo_types::Secret;
use zeroize::Zeroizing;

const PURPOSE: &[u8] = b"testudo approvals 1";
const KEY_BYTES: usize = 32;

/// What is sealed; each under its own words.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Texts,
    Answer,
}

impl Part {
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Texts => b"texts",
            Self::Answer => b"answer",
        }
    }
}

/// The source of all keys of a data folder's approvals.
pub(super) struct Sealer {
    keys: hkdf::Prk,
    fingerprint: [u8; KEY_BYTES],
}

impl Sealer {
    /// `None` when the cipher does not work at all.
    pub(super) fn new(pepper: &Secret) -> Option<Self> {
        let source = hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE).extract(pepper.expose());
        let mut fingerprint = [0; KEY_BYTES];
        let words = [b"fingerprint".as_slice()];
        let derived = source.expand(&words, hkdf::HKDF_SHA256).ok()?;
        derived.fill(&mut fingerprint).ok()?;
        Some(Self {
            keys: source,
            fingerprint,
        })
    }

    /// Tells one pepper from another without showing it.
    pub(super) fn fingerprint(&self) -> &[u8] {
        &self.fingerprint
    }

    fn cipher(&self, id: &str, part: Part) -> Option<LessSafeKey> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let words = [part.as_bytes(), b" ", id.as_bytes()];
        let derived = self.keys.expand(&words, hkdf::HKDF_SHA256).ok()?;
        derived.fill(key.as_mut_slice()).ok()?;
        let unbound = UnboundKey::new(&AES_256_GCM_SIV, key.as_slice()).ok()?;
        Some(LessSafeKey::new(unbound))
    }

    /// `nonce ‖ ciphertext ‖ tag`, bound to the approval and to everything in `bound`.
    pub(super) fn seal(&self, id: &str, part: Part, bound: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let mut body = plain.to_vec();
        self.cipher(id, part)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut body)
            .ok()?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut body);
        Some(sealed)
    }

    /// What was sealed; `None` when a single bit of it or of what it is bound to differs.
    pub(super) fn open(&self, id: &str, part: Part, bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut body = Zeroizing::new(body.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let len = self
            .cipher(id, part)?
            .open_in_place(nonce, Aad::from(bound), body.as_mut_slice())
            .ok()?
            .len();
        body.truncate(len);
        Some(body)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer([redacted])")
    }
}

/// Parts with their lengths, so that no two lists of them are the same bytes.
pub(super) fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}
