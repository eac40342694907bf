//! What an entry says was signed, by which certificate: whether that is the signature in hand.

use aws_lc_rs::digest::{self, Algorithm, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::SectionKind;
use testudo_bounded::json::{Document, Limits, Node};

use super::entry::Entry;
use crate::hex;
use crate::signing::keys::sections;

const LIMITS: Limits = Limits {
    bytes_max: 1 << 20,
    depth_max: 16,
    nodes_max: 10_000,
};

/// The signature that an entry must be about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'c> {
    pub(crate) content: Content<'c>,
    pub(crate) signature: &'c [u8],
    pub(super) certificate: &'c [u8],
}

/// What was signed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content<'c> {
    /// The payload of an envelope, and the bytes that its signature is over.
    Envelope { payload: &'c [u8], signed: &'c [u8] },
    /// SHA-256 of a file.
    File { sha256: &'c [u8] },
}

impl Content<'_> {
    /// Whether `value` is the hash of what the signature is over.
    fn is_hashed(&self, hash: &'static Algorithm, value: &[u8]) -> bool {
        match self {
            Self::Envelope { signed, .. } => digest(hash, signed).as_ref() == value,
            Self::File { sha256 } => hash == &digest::SHA256 && *sha256 == value,
        }
    }

    fn is_payload(&self, hash: &'static Algorithm, value: &[u8]) -> bool {
        match self {
            Self::Envelope { payload, .. } => digest(hash, payload).as_ref() == value,
            Self::File { .. } => false,
        }
    }
}

impl Claim<'_> {
    /// Whether an entry is about this signature: the same content, signature and certificate.
    pub(super) fn is_in(&self, entry: &Entry) -> bool {
        let Ok(document) = Document::parse(&entry.body, &LIMITS) else {
            return false;
        };
        let root = document.root();
        let (kind, version) = (entry.kind.as_str(), entry.version.as_str());
        if text(root, "kind").as_deref() != Some(kind) || text(root, "apiVersion").as_deref() != Some(version) {
            return false;
        }
        let Some(spec) = root.get("spec") else {
            return false;
        };
        let found = match (kind, version) {
            ("hashedrekord", "0.0.1") => self.is_hashed_record(spec),
            ("hashedrekord", "0.0.2") => self.is_new_hashed_record(spec),
            ("dsse", "0.0.1") => self.is_envelope(spec),
            ("dsse", "0.0.2") => self.is_new_envelope(spec),
            ("intoto", "0.0.2") => self.is_statement(spec),
            _ => None,
        };
        found == Some(true)
    }

    fn is_hashed_record(&self, spec: Node<'_>) -> Option<bool> {
        let (hash, value) = named_hash(spec.get("data")?.get("hash")?)?;
        let signature = spec.get("signature")?;
        let key = decoded(signature.get("publicKey")?, "content")?;
        Some(
            self.content.is_hashed(hash, &value)
                && decoded(signature, "content")? == self.signature
                && self.is_certificate(&key),
        )
    }

    fn is_new_hashed_record(&self, spec: Node<'_>) -> Option<bool> {
        let spec = spec.get("hashedRekordV002")?;
        let (hash, value) = new_hash(spec.get("data")?)?;
        Some(self.content.is_hashed(hash, &value) && self.is_new_signature(spec.get("signature")?)?)
    }

    fn is_envelope(&self, spec: Node<'_>) -> Option<bool> {
        let (hash, value) = named_hash(spec.get("payloadHash")?)?;
        let signature = only(spec.get("signatures")?)?;
        Some(
            self.content.is_payload(hash, &value)
                && decoded(signature, "signature")? == self.signature
                && self.is_certificate(&decoded(signature, "verifier")?),
        )
    }

    fn is_new_envelope(&self, spec: Node<'_>) -> Option<bool> {
        let spec = spec.get("dsseV002")?;
        let (hash, value) = new_hash(spec.get("payloadHash")?)?;
        let signature = only(spec.get("signatures")?)?;
        Some(self.content.is_payload(hash, &value) && self.is_new_signature(signature)?)
    }

    fn is_statement(&self, spec: Node<'_>) -> Option<bool> {
        let content = spec.get("content")?;
        let (hash, value) = named_hash(content.get("payloadHash")?)?;
        let signature = only(content.get("envelope")?.get("signatures")?)?;
        // This kind encodes the text of the signature a second time.
        let twice = decoded(signature, "sig")?;
        Some(
            self.content.is_payload(hash, &value)
                && STANDARD.decode(twice).ok()? == self.signature
                && self.is_certificate(&decoded(signature, "publicKey")?),
        )
    }

    fn is_new_signature(&self, signature: Node<'_>) -> Option<bool> {
        let certificate = signature.get("verifier")?.get("x509Certificate")?;
        Some(decoded(signature, "content")? == self.signature && decoded(certificate, "rawBytes")? == self.certificate)
    }

    /// Whether a PEM text is the certificate alone.
    fn is_certificate(&self, pem: &[u8]) -> bool {
        let mut sections = sections(pem);
        matches!(
            (sections.next(), sections.next()),
            (Some((SectionKind::Certificate, der)), None) if der == self.certificate
        )
    }
}

fn text(node: Node<'_>, key: &str) -> Option<String> {
    Some(node.get(key)?.as_str()?.into_owned())
}

fn decoded(node: Node<'_>, key: &str) -> Option<Vec<u8>> {
    STANDARD.decode(&*node.get(key)?.as_str()?).ok()
}

fn only(list: Node<'_>) -> Option<Node<'_>> {
    let mut items = list.items();
    let (Some(item), None) = (items.next(), items.next()) else {
        return None;
    };
    Some(item)
}

/// `{"algorithm": "sha256", "value": "<hex>"}`
fn named_hash(node: Node<'_>) -> Option<(&'static Algorithm, Vec<u8>)> {
    let hash = match &*text(node, "algorithm")? {
        "sha256" => &digest::SHA256,
        "sha384" => &digest::SHA384,
        "sha512" => &digest::SHA512,
        _ => return None,
    };
    Some((hash, hex::decode(&text(node, "value")?)?))
}

/// `{"algorithm": "SHA2_256", "digest": "<base64>"}`
fn new_hash(node: Node<'_>) -> Option<(&'static Algorithm, Vec<u8>)> {
    let hash = match &*text(node, "algorithm")? {
        "SHA2_256" => &digest::SHA256,
        "SHA2_384" => &digest::SHA384,
        "SHA2_512" => &digest::SHA512,
        _ => return None,
    };
    Some((hash, decoded(node, "digest")?))
}
