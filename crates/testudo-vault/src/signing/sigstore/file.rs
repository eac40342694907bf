//! Bundles around the signature of any file, as Sigstore's own conformance suite has them: 0.1 to 0.3, envelopes and
//! bare signatures.

use rustls_pki_types::CertificateDer;
use testudo_bounded::json::{Document, Kind, Limits, Node};

use super::{Content, Evidence, SigstoreError, SigstoreTrust};
use crate::hex;
use crate::signing::bundle::{BYTES_MAX, BundleError, array, decoded, evidence, object, stamps, string};
use crate::signing::envelope::{PAYLOAD_TYPE, pae};
use crate::signing::keys::SignatureHash;

const LIMITS: Limits = Limits {
    bytes_max: 32 << 20,
    depth_max: 16,
    nodes_max: 100_000,
};
/// Types of bundles; the first takes a promise of the log for a proof.
const VERSIONS: [&str; 4] = [
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
];

/// Why a bundle does not show who signed a file.
#[derive(Debug, thiserror::Error)]
pub enum FileSignatureError {
    #[error("it is not a bundle of Sigstore, version 0.1 to 0.3")]
    Bundle(#[from] BundleError),
    #[error("the evidence in the bundle does not hold")]
    Evidence(#[from] SigstoreError),
    #[error("the signature is of another file")]
    OtherFile,
    #[error("the signature does not fit")]
    Signature,
}

/// Checks the signature of the file with this SHA-256, or of a statement about it, through Sigstore.
///
/// # Errors
/// When the bundle is none, or does not show that whom `trust` names has signed the file.
pub fn verify_file(bundle: &[u8], digest: &[u8; 32], trust: &SigstoreTrust) -> Result<(), FileSignatureError> {
    let document = Document::parse(bundle, &LIMITS).map_err(BundleError::from)?;
    let root = document.root();
    let media_type = string(root, "mediaType", "mediaType")?;
    let version = VERSIONS.iter().position(|it| *it == media_type);
    let version = version.ok_or_else(|| BundleError::MediaType(media_type.chars().take(200).collect()))?;
    let material = object(root, "verificationMaterial", "verificationMaterial")?;
    let evidence = Evidence {
        needs_proof: version > 0,
        ..read_evidence(material, version)?
    };
    let stamps = stamps(material)?;
    if let Some(envelope) = root.get("dsseEnvelope").filter(|it| it.kind() == Kind::Object) {
        let payload_type = string(envelope, "payloadType", "dsseEnvelope.payloadType")?;
        let payload = decoded(envelope, "payload", "dsseEnvelope.payload", usize::MAX)?;
        let signature = only_signature(envelope)?;
        let signed = pae(&payload_type, &payload);
        let content = Content::Envelope {
            payload: &payload,
            signed: &signed,
        };
        let shown = evidence.check(content, &signature, &stamps, trust)?;
        if !shown.key.verifies(&signed, &signature, SignatureHash::OfTheCurve) {
            return Err(FileSignatureError::Signature);
        }
        if payload_type != PAYLOAD_TYPE || !is_about(&payload, digest) {
            return Err(FileSignatureError::OtherFile);
        }
        return Ok(());
    }
    let message = object(root, "messageSignature", "messageSignature")?;
    let signature = decoded(message, "signature", "messageSignature.signature", BYTES_MAX)?;
    if let Some(hint) = message.get("messageDigest") {
        let hinted = decoded(hint, "digest", "messageSignature.messageDigest.digest", BYTES_MAX)?;
        if hinted != digest {
            return Err(FileSignatureError::OtherFile);
        }
    }
    let shown = evidence.check(Content::File { sha256: digest }, &signature, &stamps, trust)?;
    if shown.key.verifies_sha256(digest, &signature) {
        Ok(())
    } else {
        Err(FileSignatureError::Signature)
    }
}

/// Before 0.3 a bundle could hold a chain; a root has no place in it.
fn read_evidence(material: Node<'_>, version: usize) -> Result<Evidence, BundleError> {
    let Some(chain) = material.get("x509CertificateChain").filter(|_| version < 2) else {
        return evidence(material);
    };
    let path = "verificationMaterial.x509CertificateChain.certificates";
    let mut ders = Vec::new();
    for item in array(chain, "certificates", path)?.items() {
        ders.push(CertificateDer::from(decoded(item, "rawBytes", path, BYTES_MAX)?));
    }
    let own_issuer =
        |der: &CertificateDer<'_>| super::parse(der).is_ok_and(|it| it.subject().as_raw() == it.issuer().as_raw());
    if ders.is_empty() || ders.iter().any(own_issuer) {
        return Err(BundleError::Field(path));
    }
    let leaf = ders.remove(0);
    Ok(Evidence {
        leaf,
        between: ders,
        entries: crate::signing::bundle::entries(material)?,
        needs_proof: true,
    })
}

fn only_signature(envelope: Node<'_>) -> Result<Vec<u8>, BundleError> {
    let path = "dsseEnvelope.signatures";
    let mut items = array(envelope, "signatures", path)?.items();
    let (Some(signature), None) = (items.next(), items.next()) else {
        return Err(BundleError::Field(path));
    };
    decoded(signature, "sig", "dsseEnvelope.signatures[0].sig", BYTES_MAX)
}

/// Whether one of a statement's subjects is the file with this SHA-256.
fn is_about(payload: &[u8], digest: &[u8]) -> bool {
    let Ok(document) = Document::parse(payload, &LIMITS) else {
        return false;
    };
    let wanted = hex::encode(digest);
    let subjects = document.root().get("subject");
    subjects.is_some_and(|subjects| {
        subjects.items().any(|subject| {
            let found = subject.get("digest").and_then(|it| it.get("sha256"));
            found.and_then(|it| it.as_str()).is_some_and(|it| *it == *wanted)
        })
    })
}
