//! Sigstore bundles around a signed statement, written and read strictly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use testudo_bounded::json::{Document, JsonError, Kind, Node};

use super::certificates::{CertificateError, Chain};
use super::envelope::{PAYLOAD_TYPE, pae};
use super::keys::{KeyError, SignatureHash, SigningKey, VerifyingKey};
use super::sigstore::{ENTRIES_MAX, Entry, Evidence};
use super::stamped::STAMPS_MAX;
use super::statement::LIMITS;

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Longest signature or certificate that is looked at, in bytes.
pub(super) const BYTES_MAX: usize = 1 << 16;

/// Why a file is not a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("the signature is not sound JSON")]
    Json(#[from] JsonError),
    #[error("the signature lacks `{0}`, or it is not what it should be")]
    Field(&'static str),
    #[error("the signature has an unknown field `{0}`")]
    Unknown(String),
    #[error("the signature is a bundle of type `{0}`; version 0.3 is read")]
    MediaType(String),
    #[error("the envelope holds `{0}` and not an in-toto statement")]
    PayloadType(String),
    #[error("the bundle must name one way of verification: a public key, a chain, or a certificate with log entries")]
    Material,
    #[error("the bundle's certificates cannot be used")]
    Certificate(#[from] CertificateError),
    #[error("the key cannot be used")]
    Key(#[from] KeyError),
}

/// How a bundle wants to be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodKind {
    Key,
    Certificate,
    Sigstore,
}

impl MethodKind {
    /// The name in the specification.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Certificate => "certificate",
            Self::Sigstore => "sigstore",
        }
    }
}

/// What a bundle says about its signer; nothing of it is believed.
#[derive(Debug, Clone)]
pub(crate) enum Material {
    /// The name of a key, which older bundles do not have.
    Key {
        hint: Option<String>,
    },
    Chain(Chain),
    Sigstore(Box<Evidence>),
}

/// A signature as it was found; nothing of it has been verified.
#[derive(Debug, Clone)]
pub struct Bundle {
    pub(crate) material: Material,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// Time stamps of the signature.
    pub(crate) stamps: Vec<Vec<u8>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    media_type: &'static str,
    verification_material: WrittenMaterial,
    dsse_envelope: WrittenEnvelope,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct WrittenMaterial {
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<WrittenKey>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "x509CertificateChain")]
    chain: Option<WrittenChain>,
    tlog_entries: [(); 0],
}

#[derive(Serialize)]
struct WrittenKey {
    hint: String,
}

#[derive(Serialize)]
struct WrittenChain {
    certificates: Vec<WrittenCertificate>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenCertificate {
    raw_bytes: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEnvelope {
    payload: String,
    payload_type: &'static str,
    signatures: [WrittenSignature; 1],
}

#[derive(Serialize)]
struct WrittenSignature {
    sig: String,
    keyid: &'static str,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// When it is not one of version 0.3 with one signature over an in-toto statement.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let document = Document::parse(bytes, &LIMITS)?;
        let root = document.root();
        for (key, _) in root.entries() {
            let key = key.decode(document.bytes());
            if !matches!(&*key, "mediaType" | "verificationMaterial" | "dsseEnvelope") {
                return Err(BundleError::Unknown(key.chars().take(200).collect()));
            }
        }
        let media_type = string(root, "mediaType", "mediaType")?;
        if media_type != MEDIA_TYPE {
            return Err(BundleError::MediaType(media_type.chars().take(200).collect()));
        }
        let envelope = object(root, "dsseEnvelope", "dsseEnvelope")?;
        let payload_type = string(envelope, "payloadType", "dsseEnvelope.payloadType")?;
        if payload_type != PAYLOAD_TYPE {
            return Err(BundleError::PayloadType(payload_type.chars().take(200).collect()));
        }
        let signatures = array(envelope, "signatures", "dsseEnvelope.signatures")?;
        let mut items = signatures.items();
        let (Some(signature), None) = (items.next(), items.next()) else {
            return Err(BundleError::Field("dsseEnvelope.signatures"));
        };
        check_key_id(signature)?;
        let material = object(root, "verificationMaterial", "verificationMaterial")?;
        Ok(Self {
            material: read_material(material)?,
            payload: decoded(envelope, "payload", "dsseEnvelope.payload", usize::MAX)?,
            signature: decoded(signature, "sig", "dsseEnvelope.signatures[0].sig", BYTES_MAX)?,
            stamps: stamps(material)?,
        })
    }

    /// How it wants to be verified.
    #[must_use]
    pub fn method(&self) -> MethodKind {
        match self.material {
            Material::Key { .. } => MethodKind::Key,
            Material::Chain(_) => MethodKind::Certificate,
            Material::Sigstore(_) => MethodKind::Sigstore,
        }
    }

    /// A bundle by key around any in-toto statement.
    pub(crate) fn signed(key: &SigningKey, payload: Vec<u8>) -> Result<Vec<u8>, BundleError> {
        let signature = key.sign(&pae(PAYLOAD_TYPE, &payload))?;
        let hint = Some(key.public().hint());
        let bundle = Self {
            material: Material::Key { hint },
            payload,
            signature,
            stamps: Vec::new(),
        };
        bundle.write()
    }

    /// The key that it claims to be signed with.
    pub(crate) fn key_hint(&self) -> Option<&str> {
        match &self.material {
            Material::Key { hint } => hint.as_deref(),
            Material::Chain(_) | Material::Sigstore(_) => None,
        }
    }

    pub(crate) fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        key.verifies(
            &pae(PAYLOAD_TYPE, &self.payload),
            &self.signature,
            SignatureHash::OfTheCurve,
        )
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The file; a Sigstore bundle cannot be made here.
    pub(crate) fn write(&self) -> Result<Vec<u8>, BundleError> {
        let mut material = WrittenMaterial::default();
        match &self.material {
            Material::Key { hint } => {
                material.public_key = Some(WrittenKey {
                    hint: hint.clone().unwrap_or_default(),
                });
            }
            Material::Chain(chain) => {
                let certificates = std::iter::once(&chain.leaf).chain(&chain.between);
                material.chain = Some(WrittenChain {
                    certificates: certificates
                        .map(|der| WrittenCertificate {
                            raw_bytes: STANDARD.encode(der),
                        })
                        .collect(),
                });
            }
            Material::Sigstore(_) => return Err(BundleError::Material),
        }
        serde_json::to_vec(&Written {
            media_type: MEDIA_TYPE,
            verification_material: material,
            dsse_envelope: WrittenEnvelope {
                payload: STANDARD.encode(&self.payload),
                payload_type: PAYLOAD_TYPE,
                signatures: [WrittenSignature {
                    sig: STANDARD.encode(&self.signature),
                    keyid: "",
                }],
            },
        })
        .map_err(|_| BundleError::Field("dsseEnvelope"))
    }
}

/// Absent, null or a text; it means nothing here.
fn check_key_id(signature: Node<'_>) -> Result<(), BundleError> {
    match signature.get("keyid").map(|it| it.kind()) {
        None | Some(Kind::Null | Kind::String) => Ok(()),
        Some(_) => Err(BundleError::Field("dsseEnvelope.signatures[0].keyid")),
    }
}

fn read_material(material: Node<'_>) -> Result<Material, BundleError> {
    let key = material.get("publicKey");
    let chain = material.get("x509CertificateChain");
    let certificate = material.get("certificate");
    match (key, chain, certificate) {
        (Some(key), None, None) => read_key(key),
        (None, Some(chain), None) => {
            let certificates = array(
                chain,
                "certificates",
                "verificationMaterial.x509CertificateChain.certificates",
            )?;
            let ders = certificates
                .items()
                .map(|it| decoded(it, "rawBytes", "rawBytes of a certificate", BYTES_MAX))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Material::Chain(Chain::from_ders(ders)?))
        }
        (None, None, Some(_)) => Ok(Material::Sigstore(Box::new(evidence(material)?))),
        _ => Err(BundleError::Material),
    }
}

/// A certificate for a moment, and entries of logs.
pub(super) fn evidence(material: Node<'_>) -> Result<Evidence, BundleError> {
    let path = "verificationMaterial.certificate";
    let certificate = object(material, "certificate", path)?;
    Ok(Evidence {
        leaf: CertificateDer::from(decoded(certificate, "rawBytes", path, BYTES_MAX)?),
        between: Vec::new(),
        entries: entries(material)?,
        needs_proof: true,
    })
}

pub(super) fn entries(material: Node<'_>) -> Result<Vec<Entry>, BundleError> {
    let path = "verificationMaterial.tlogEntries";
    let list = array(material, "tlogEntries", path)?;
    let count = list.items().count();
    if count == 0 || count > ENTRIES_MAX {
        return Err(BundleError::Field(path));
    }
    list.items().map(Entry::read).collect()
}

/// Time stamps, which bundles of every method may bear.
pub(super) fn stamps(material: Node<'_>) -> Result<Vec<Vec<u8>>, BundleError> {
    let path = "verificationMaterial.timestampVerificationData";
    let Some(data) = material.get("timestampVerificationData").filter(|it| !it.is_null()) else {
        return Ok(Vec::new());
    };
    if data.kind() != Kind::Object {
        return Err(BundleError::Field(path));
    }
    let Some(list) = data.get("rfc3161Timestamps").filter(|it| !it.is_null()) else {
        return Ok(Vec::new());
    };
    if list.kind() != Kind::Array || list.items().count() > STAMPS_MAX {
        return Err(BundleError::Field(path));
    }
    list.items()
        .map(|it| decoded(it, "signedTimestamp", path, BYTES_MAX))
        .collect()
}

/// A name of the key, or, before version 1.1, the key itself, which is not looked at: the verifier brings one.
fn read_key(key: Node<'_>) -> Result<Material, BundleError> {
    match key.get("hint").map(|it| (it.is_null(), it.as_str())) {
        Some((_, Some(hint))) if !hint.is_empty() => Ok(Material::Key {
            hint: Some(hint.into_owned()),
        }),
        None | Some((true, _)) if key.get("rawBytes").is_some_and(|it| it.as_str().is_some()) => {
            Ok(Material::Key { hint: None })
        }
        _ => Err(BundleError::Field("verificationMaterial.publicKey.hint")),
    }
}

pub(super) fn decoded(node: Node<'_>, key: &str, path: &'static str, bytes_max: usize) -> Result<Vec<u8>, BundleError> {
    let text = string(node, key, path)?;
    match STANDARD.decode(text) {
        Ok(bytes) if !bytes.is_empty() && bytes.len() <= bytes_max => Ok(bytes),
        _ => Err(BundleError::Field(path)),
    }
}

pub(super) fn string(node: Node<'_>, key: &str, path: &'static str) -> Result<String, BundleError> {
    node.get(key)
        .and_then(|it| it.as_str())
        .map(std::borrow::Cow::into_owned)
        .ok_or(BundleError::Field(path))
}

pub(super) fn object<'d>(node: Node<'d>, key: &str, path: &'static str) -> Result<Node<'d>, BundleError> {
    node.get(key)
        .filter(|it| it.kind() == Kind::Object)
        .ok_or(BundleError::Field(path))
}

pub(super) fn array<'d>(node: Node<'d>, key: &str, path: &'static str) -> Result<Node<'d>, BundleError> {
    node.get(key)
        .filter(|it| it.kind() == Kind::Array)
        .ok_or(BundleError::Field(path))
}
