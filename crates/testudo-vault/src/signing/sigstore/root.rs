//! Trusted roots: whose certificates, logs and time stamps a verifier believes, and for which time.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use testudo_bounded::json::{Document, JsonError, Limits, Node};
use testudo_types::UnixMillis;
use webpki::RawPublicKeyEntity;

use crate::signing::certificates::{CertificateError, Roots};
use crate::signing::stamped::{Span, StampAuthorities};

const MEDIA_TYPES: [&str; 3] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];
const LIMITS: Limits = Limits {
    bytes_max: 4 << 20,
    depth_max: 16,
    nodes_max: 100_000,
};
/// Logs or authorities of one kind.
const EACH_MAX: usize = 200;

/// Why a file is not a trusted root.
#[derive(Debug, thiserror::Error)]
pub enum TrustedRootError {
    #[error("the trusted root is not sound JSON")]
    Json(#[from] JsonError),
    #[error("it is not a trusted root of Sigstore, version 0.1 or 0.2 (`trusted_root.json`)")]
    MediaType,
    #[error("the trusted root lacks `{0}`, or it is not what it should be")]
    Field(&'static str),
    #[error("the certificates of an authority in the trusted root cannot be used")]
    Certificate(#[from] CertificateError),
}

/// Whose word counts, and from when until when.
#[derive(Debug, Clone)]
pub struct TrustedRoot {
    pub(super) entry_logs: Vec<Log>,
    pub(super) certificate_logs: Vec<Log>,
    pub(super) authorities: Vec<Authority>,
    pub(super) stamps: StampAuthorities,
}

/// Who issues certificates.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    pub(super) roots: Roots,
    pub(super) span: Span,
}

/// A log of entries or of certificates.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub(super) id: [u8; 32],
    /// The name under which it signs.
    pub(super) host: String,
    pub(super) span: Span,
    key: LogKey,
}

#[derive(Debug, Clone)]
struct LogKey {
    kind: KeyKind,
    spki: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    P256,
    P384,
    P521,
    Ed25519,
    Rsa,
}

impl KeyKind {
    fn from_details(details: &str) -> Option<Self> {
        match details {
            "PKIX_ECDSA_P256_SHA_256" => Some(Self::P256),
            "PKIX_ECDSA_P384_SHA_384" => Some(Self::P384),
            "PKIX_ECDSA_P521_SHA_512" => Some(Self::P521),
            "PKIX_ED25519" => Some(Self::Ed25519),
            "PKIX_RSA_PKCS1V15_2048_SHA256" | "PKIX_RSA_PKCS1V15_3072_SHA256" | "PKIX_RSA_PKCS1V15_4096_SHA256" => {
                Some(Self::Rsa)
            }
            _ => None,
        }
    }

    fn algorithm(self) -> &'static dyn SignatureVerificationAlgorithm {
        match self {
            Self::P256 => webpki::aws_lc_rs::ECDSA_P256_SHA256,
            Self::P384 => webpki::aws_lc_rs::ECDSA_P384_SHA384,
            Self::P521 => webpki::aws_lc_rs::ECDSA_P521_SHA512,
            Self::Ed25519 => webpki::aws_lc_rs::ED25519,
            Self::Rsa => webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

impl Log {
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let spki = SubjectPublicKeyInfoDer::from(self.key.spki.as_slice());
        RawPublicKeyEntity::try_from(&spki).is_ok_and(|key| {
            key.verify_signature(self.key.kind.algorithm(), message, signature)
                .is_ok()
        })
    }

    /// Logs of the newer kind sign under the name that their checkpoints begin with.
    pub(super) fn signs_as_origin(&self) -> bool {
        self.key.kind == KeyKind::Ed25519
    }
}

impl TrustedRoot {
    /// Reads `trusted_root.json`. What it says of services that are not used here is not looked at, and logs with keys
    /// of unknown kinds are logs that nobody trusts.
    ///
    /// # Errors
    /// When it is something else, or an authority or a log in it is not whole.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustedRootError> {
        let document = Document::parse(bytes, &LIMITS)?;
        let root = document.root();
        let media_type = root.get("mediaType").and_then(|it| it.as_str());
        if !media_type.is_some_and(|it| MEDIA_TYPES.contains(&&*it)) {
            return Err(TrustedRootError::MediaType);
        }
        let mut stamps = StampAuthorities::default();
        for authority in each(root, "timestampAuthorities", authority)? {
            stamps.add(authority.roots, authority.span);
        }
        Ok(Self {
            entry_logs: each(root, "tlogs", log)?.into_iter().flatten().collect(),
            certificate_logs: each(root, "ctlogs", log)?.into_iter().flatten().collect(),
            authorities: each(root, "certificateAuthorities", authority)?,
            stamps,
        })
    }
}

fn each<T>(
    root: Node<'_>,
    field: &'static str,
    read: impl Fn(Node<'_>) -> Result<T, TrustedRootError>,
) -> Result<Vec<T>, TrustedRootError> {
    let Some(list) = root.get(field) else {
        return Ok(Vec::new());
    };
    if list.items().count() > EACH_MAX {
        return Err(TrustedRootError::Field(field));
    }
    list.items().map(read).collect()
}

fn authority(node: Node<'_>) -> Result<Authority, TrustedRootError> {
    let chain = node
        .get("certChain")
        .and_then(|it| it.get("certificates"))
        .ok_or(TrustedRootError::Field("certChain.certificates"))?;
    let ders = chain
        .items()
        .map(|it| bytes(it, "rawBytes").map(CertificateDer::from))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Authority {
        roots: Roots::from_ders(ders)?,
        span: span(node)?,
    })
}

fn log(node: Node<'_>) -> Result<Option<Log>, TrustedRootError> {
    let key = node.get("publicKey").ok_or(TrustedRootError::Field("publicKey"))?;
    let id = node.get("logId").ok_or(TrustedRootError::Field("logId"))?;
    let id = <[u8; 32]>::try_from(bytes(id, "keyId")?).map_err(|_| TrustedRootError::Field("logId.keyId"))?;
    let url = node.get("baseUrl").and_then(|it| it.as_str()).unwrap_or_default();
    let details = key
        .get("keyDetails")
        .and_then(|it| it.as_str())
        .ok_or(TrustedRootError::Field("publicKey.keyDetails"))?;
    let span = span(key)?;
    let spki = bytes(key, "rawBytes")?;
    Ok(KeyKind::from_details(&details).map(|kind| Log {
        id,
        host: host(&url).to_owned(),
        span,
        key: LogKey { kind, spki },
    }))
}

/// An address without its scheme and its last slash.
fn host(url: &str) -> &str {
    url.split_once("://")
        .map_or(url, |(_, rest)| rest)
        .trim_end_matches('/')
}

fn span(node: Node<'_>) -> Result<Span, TrustedRootError> {
    let wrong = TrustedRootError::Field("validFor");
    let Some(span) = node.get("validFor") else {
        return Err(wrong);
    };
    let given = |key| span.get(key).filter(|it: &Node<'_>| !it.is_null());
    let time = |key| given(key).map(|it| it.as_str().and_then(|text| time(&text)));
    match (time("start"), time("end")) {
        (Some(Some(from)), None) => Ok(Span { from, until: None }),
        (Some(Some(from)), Some(Some(until))) => Ok(Span {
            from,
            until: Some(until),
        }),
        _ => Err(wrong),
    }
}

fn time(text: &str) -> Option<UnixMillis> {
    let time: jiff::Timestamp = text.parse().ok()?;
    // What was trusted before 1970 was trusted at all times.
    let since = time.duration_since(jiff::Timestamp::UNIX_EPOCH);
    let since = Duration::try_from(since).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).ok().map(UnixMillis)
}

fn bytes(node: Node<'_>, key: &'static str) -> Result<Vec<u8>, TrustedRootError> {
    node.get(key)
        .and_then(|it| it.as_str())
        .and_then(|text| STANDARD.decode(&*text).ok())
        .filter(|bytes| !bytes.is_empty())
        .ok_or(TrustedRootError::Field(key))
}
