//! Keys on the three curves that signatures may be made with.

use std::fmt;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair as _, ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::EncryptedPrivateKeyInfo;
use rustls_pki_types::pem::{PemObject, SectionKind};

#[cfg(feature = "pkcs11")]
use super::token::TokenKey;
use crate::hex;

/// Letters in a line of PEM.
const PEM_LINE: usize = 64;
/// Around a key under a password.
const ENCRYPTED: (&str, &str) = (
    "-----BEGIN ENCRYPTED PRIVATE KEY-----",
    "-----END ENCRYPTED PRIVATE KEY-----",
);
/// In the head of a key under a password as OpenSSL once wrote them.
const OLD_ENCRYPTION: &str = "Proc-Type: 4,ENCRYPTED";

/// One of the three curves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// What stands before the point in a public key's DER, with the mark of an uncompressed point.
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::P256 => {
                b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04"
            }
            Self::P384 => b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04",
            Self::P521 => {
                b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00\x04"
            }
        }
    }

    /// The curve that an object identifier in DER names.
    #[cfg(feature = "pkcs11")]
    pub(crate) fn from_oid(oid: &[u8]) -> Option<Self> {
        match oid {
            b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07" => Some(Self::P256),
            b"\x06\x05\x2b\x81\x04\x00\x22" => Some(Self::P384),
            b"\x06\x05\x2b\x81\x04\x00\x23" => Some(Self::P521),
            _ => None,
        }
    }

    /// The hash that signatures with keys on it are over.
    #[cfg(feature = "pkcs11")]
    pub(crate) fn hash(self) -> &'static aws_lc_rs::digest::Algorithm {
        match self {
            Self::P256 => &SHA256,
            Self::P384 => &aws_lc_rs::digest::SHA384,
            Self::P521 => &aws_lc_rs::digest::SHA512,
        }
    }

    /// Bytes of the two coordinates.
    fn point_bytes(self) -> usize {
        match self {
            Self::P256 => 64,
            Self::P384 => 96,
            Self::P521 => 132,
        }
    }

    fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
            Self::P521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
        }
    }

    fn verifying(self, hash: SignatureHash) -> &'static EcdsaVerificationAlgorithm {
        match (self, hash) {
            (Self::P256, _) => &ECDSA_P256_SHA256_ASN1,
            (Self::P384, SignatureHash::OfTheCurve) => &ECDSA_P384_SHA384_ASN1,
            (Self::P384, SignatureHash::AlwaysSha256) => &ECDSA_P384_SHA256_ASN1,
            (Self::P521, SignatureHash::OfTheCurve) => &ECDSA_P521_SHA512_ASN1,
            (Self::P521, SignatureHash::AlwaysSha256) => &ECDSA_P521_SHA256_ASN1,
        }
    }
}

/// Which hash the signature is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureHash {
    OfTheCurve,
    /// As version 0.2 signed with certificates.
    AlwaysSha256,
}

/// Why a key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("there is no private key in PEM in it (`PRIVATE KEY` or `EC PRIVATE KEY`)")]
    NoPrivateKey,
    #[error(
        "the private key is encrypted; give its password (`--password-file`), or decrypt it first, for example with `openssl pkcs8 -in KEY -out PLAIN`"
    )]
    Encrypted,
    #[error(
        "the private key is encrypted in the old way of OpenSSL; make it anew with `openssl pkcs8 -topk8 -in KEY -out NEW`"
    )]
    OldEncryption,
    #[error(
        "the password does not open the private key, or its encryption is unknown: PBES2 with PBKDF2 or scrypt, and AES, is read"
    )]
    Password,
    #[error("the private key is not encrypted, and a password was given for it")]
    NotEncrypted,
    #[error("there is no public key in PEM in it (`PUBLIC KEY`)")]
    NoPublicKey,
    #[error("the key is not on P-256, P-384 or P-521, or it is not a sound key; RSA and Ed25519 keys cannot be used")]
    Unsupported,
    #[error("the key did not sign")]
    Sign,
    #[error("the token did not sign")]
    Token(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A private key, here or in a token.
pub struct SigningKey {
    holder: Holder,
    public: VerifyingKey,
}

/// Who signs with it.
enum Holder {
    Here(EcdsaKeyPair),
    #[cfg(feature = "pkcs11")]
    Token(TokenKey),
}

impl SigningKey {
    /// The first private key in a PEM text.
    ///
    /// # Errors
    /// When there is none, it is encrypted, or it is not on one of the three curves.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = sections(pem)
            .find(|(kind, _)| matches!(kind, SectionKind::PrivateKey | SectionKind::EcPrivateKey))
            .map(|(_, der)| der);
        if holds(pem, OLD_ENCRYPTION) {
            return Err(KeyError::OldEncryption);
        }
        match der {
            Some(der) => Self::from_der(&der),
            None if holds(pem, ENCRYPTED.0) => Err(KeyError::Encrypted),
            None => Err(KeyError::NoPrivateKey),
        }
    }

    /// The encrypted private key in a PEM text.
    ///
    /// # Errors
    /// When there is none, the password is another, or the key is not on one of the three curves.
    pub fn from_encrypted_pem(pem: &[u8], password: &[u8]) -> Result<Self, KeyError> {
        if holds(pem, OLD_ENCRYPTION) {
            return Err(KeyError::OldEncryption);
        }
        if !holds(pem, ENCRYPTED.0) {
            let plain = Self::from_pem(pem);
            return Err(plain.err().unwrap_or(KeyError::NotEncrypted));
        }
        let der = encrypted(pem).ok_or(KeyError::NoPrivateKey)?;
        let info = EncryptedPrivateKeyInfo::try_from(der.as_slice()).map_err(|_| KeyError::Password)?;
        let opened = info.decrypt(password).map_err(|_| KeyError::Password)?;
        Self::from_der(opened.as_bytes())
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let pair = Curve::ALL
            .into_iter()
            .find_map(|curve| EcdsaKeyPair::from_private_key_der(curve.signing(), der).ok())
            .ok_or(KeyError::Unsupported)?;
        let spki = pair.public_key().as_der().map_err(|_| KeyError::Unsupported)?;
        let public = VerifyingKey::from_spki(spki.as_ref())?;
        Ok(Self {
            holder: Holder::Here(pair),
            public,
        })
    }

    #[cfg(feature = "pkcs11")]
    pub(crate) fn held(key: TokenKey, public: VerifyingKey) -> Self {
        Self {
            holder: Holder::Token(key),
            public,
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.holder {
            Holder::Here(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                Ok(signature.map_err(|_| KeyError::Sign)?.as_ref().to_vec())
            }
            #[cfg(feature = "pkcs11")]
            Holder::Token(key) => key.sign(&self.public, message),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.hint())
    }
}

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    curve: Curve,
    spki: Box<[u8]>,
}

impl VerifyingKey {
    /// The first public key in a PEM text.
    ///
    /// # Errors
    /// When there is none, or it is not on one of the three curves.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let (_, der) = sections(pem)
            .find(|(kind, _)| matches!(kind, SectionKind::PublicKey))
            .ok_or(KeyError::NoPublicKey)?;
        Self::from_spki(&der)
    }

    /// A public key as DER, with its point written out.
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let curve = Curve::ALL
            .into_iter()
            .find(|curve| {
                der.strip_prefix(curve.prefix())
                    .is_some_and(|point| point.len() == curve.point_bytes())
            })
            .ok_or(KeyError::Unsupported)?;
        ParsedPublicKey::new(curve.verifying(SignatureHash::OfTheCurve), der).map_err(|_| KeyError::Unsupported)?;
        Ok(Self {
            curve,
            spki: der.into(),
        })
    }

    /// A public key by its two coordinates.
    #[cfg(feature = "pkcs11")]
    pub(crate) fn from_point(curve: Curve, coordinates: &[u8]) -> Result<Self, KeyError> {
        Self::from_spki(&[curve.prefix(), coordinates].concat())
    }

    #[cfg(feature = "pkcs11")]
    pub(crate) fn curve_kind(&self) -> Curve {
        self.curve
    }

    /// How bundles name it: SHA-256 of its PEM text.
    #[must_use]
    pub fn hint(&self) -> String {
        hex::encode(digest(&SHA256, self.to_pem().as_bytes()).as_ref())
    }

    /// `PUBLIC KEY` in PEM, with lines of 64 letters.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let body = STANDARD.encode(&self.spki);
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for line in body.as_bytes().chunks(PEM_LINE) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        pem
    }

    /// Its curve, as people call it.
    #[must_use]
    pub fn curve(&self) -> &'static str {
        self.curve.as_str()
    }

    /// Checks a signature over the SHA-256 that is given, which only keys on P-256 make.
    pub(crate) fn verifies_sha256(&self, value: &[u8; 32], signature: &[u8]) -> bool {
        self.curve == Curve::P256
            && Digest::import_less_safe(value, &SHA256).is_ok_and(|value| {
                ParsedPublicKey::new(self.curve.verifying(SignatureHash::OfTheCurve), &self.spki)
                    .is_ok_and(|key| key.verify_digest_sig(&value, signature).is_ok())
            })
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8], hash: SignatureHash) -> bool {
        ParsedPublicKey::new(self.curve.verifying(hash), &self.spki)
            .is_ok_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {})", self.curve(), self.hint())
    }
}

fn holds(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|it| it == part.as_bytes())
}

/// What stands between the marks of an encrypted key, which the library of certificates does not know.
fn encrypted(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once(ENCRYPTED.0)?;
    let (body, _) = rest.split_once(ENCRYPTED.1)?;
    let letters: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(letters).ok()
}

/// Everything in a PEM text that has a label known here; text around it is skipped.
pub(crate) fn sections(pem: &[u8]) -> impl Iterator<Item = (SectionKind, Vec<u8>)> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).filter_map(Result::ok)
}
