//! Certificates: who vouches for a key, up to roots that the verifier chose.

mod authority;

use rustls_pki_types::pem::SectionKind;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::time::Duration;
use testudo_types::UnixMillis;
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::keys::{KeyError, VerifyingKey, sections};

/// Certificates of one chain, the leaf not counted.
const CHAIN_MAX: usize = 16;
/// Certificates that one file of roots may hold.
const ROOTS_MAX: usize = 2_000;

/// Why certificates do not vouch for a key.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("there is no certificate in PEM in it")]
    None,
    #[error("there are more certificates than make sense: at most {CHAIN_MAX} in a chain and {ROOTS_MAX} as roots")]
    TooMany,
    #[error("a certificate is not sound DER")]
    Unsound,
    #[error("none of the given certificates is a root: one that is its own issuer")]
    NoRoot,
    #[error("the signing certificate, an authority itself, is not vouched for by the given roots")]
    Authority,
    #[error("the signing certificate is not vouched for by the given roots")]
    Chain(#[source] webpki::Error),
    #[error(
        "the signing certificate was not valid at that time; if its time of use is over, say so with `--accept-expired-certificate`"
    )]
    Expired,
    #[error("the signing certificate is not made for signatures (neither `digitalSignature` nor `codeSigning`)")]
    Usage,
    #[error("the key of the signing certificate cannot be used")]
    Key(#[from] KeyError),
    #[error("the certificate is for another key than the private key")]
    OtherKey,
}

/// When the signing certificate must be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Now: a bundle without a trusted time stamp proves no earlier time.
    Now(UnixMillis),
    /// When a time stamp or a log says that it was used.
    At(UnixMillis),
    /// When its validity began, as the reference implementation checks it: expiry is ignored.
    Ignored,
}

/// A signing certificate and those between it and a root.
#[derive(Debug, Clone)]
pub struct Chain {
    pub(crate) leaf: CertificateDer<'static>,
    pub(crate) between: Vec<CertificateDer<'static>>,
}

impl Chain {
    /// The certificate of `leaf`, which must be for `key`, and all certificates of `others`.
    ///
    /// # Errors
    /// When there is no certificate, there are too many, or the first is for another key.
    pub fn for_key(leaf: &[u8], others: &[Vec<u8>], key: &VerifyingKey) -> Result<Self, CertificateError> {
        let leaf = certificates(leaf).next().ok_or(CertificateError::None)?;
        let between: Vec<_> = others.iter().flat_map(|pem| certificates(pem)).collect();
        let chain = Self { leaf, between };
        chain.check_length()?;
        if chain.key()? != *key {
            return Err(CertificateError::OtherKey);
        }
        Ok(chain)
    }

    pub(crate) fn from_ders(ders: Vec<Vec<u8>>) -> Result<Self, CertificateError> {
        let mut ders = ders.into_iter().map(CertificateDer::from);
        let leaf = ders.next().ok_or(CertificateError::None)?;
        let chain = Self {
            leaf,
            between: ders.collect(),
        };
        chain.check_length()?;
        Ok(chain)
    }

    fn check_length(&self) -> Result<(), CertificateError> {
        if self.between.len() > CHAIN_MAX {
            return Err(CertificateError::TooMany);
        }
        Ok(())
    }

    fn key(&self) -> Result<VerifyingKey, CertificateError> {
        let certificate = parse(&self.leaf)?;
        Ok(VerifyingKey::from_spki(certificate.public_key().raw)?)
    }

    /// The key that `roots` vouch for, and the name in the certificate.
    pub(crate) fn verify(&self, roots: &Roots, expiry: Expiry) -> Result<(VerifyingKey, String), CertificateError> {
        let certificate = parse(&self.leaf)?;
        let time = match expiry {
            Expiry::Now(time) | Expiry::At(time) => Duration::from_millis(time.0),
            Expiry::Ignored => {
                Duration::from_secs(u64::try_from(certificate.validity().not_before.timestamp()).unwrap_or(0))
            }
        };
        let between: Vec<CertificateDer<'_>> = self.between.iter().chain(&roots.between).cloned().collect();
        let time = UnixTime::since_unix_epoch(time);
        let is_authority = certificate
            .basic_constraints()
            .is_ok_and(|it| it.is_some_and(|it| it.value.ca));
        if roots.anchors.contains(&self.leaf) {
            // Whom the verifier named needs nobody to vouch for it, only to be within its time.
            authority::is_valid(&certificate, time)?;
        } else if is_authority {
            authority::verify(&self.leaf, &between, &roots.anchors, time)?;
        } else {
            verify_chain(&self.leaf, &between, &roots.anchors()?, time)?;
        }
        if !signs(&certificate) {
            return Err(CertificateError::Usage);
        }
        Ok((self.key()?, certificate.subject().to_string()))
    }
}

fn verify_chain(
    leaf: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    anchors: &[TrustAnchor<'_>],
    time: UnixTime,
) -> Result<(), CertificateError> {
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    EndEntityCert::try_from(leaf)
        .and_then(|leaf| {
            leaf.verify_for_usage(algorithms, anchors, between, time, AnyPurpose, None, None)
                .map(drop)
        })
        .map_err(|error| match error {
            webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => CertificateError::Expired,
            error => CertificateError::Chain(error),
        })
}

/// What the verifier trusts.
#[derive(Debug, Clone)]
pub struct Roots {
    anchors: Vec<CertificateDer<'static>>,
    between: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Those of the given certificates that are their own issuers are trusted; the others may stand between.
    ///
    /// # Errors
    /// When there is no certificate that is its own issuer, too many, or one is not sound.
    pub fn from_pems(pems: &[Vec<u8>]) -> Result<Self, CertificateError> {
        Self::from_ders(pems.iter().flat_map(|pem| certificates(pem)).collect())
    }

    pub(crate) fn from_ders(all: Vec<CertificateDer<'static>>) -> Result<Self, CertificateError> {
        if all.is_empty() {
            return Err(CertificateError::None);
        }
        if all.len() > ROOTS_MAX {
            return Err(CertificateError::TooMany);
        }
        let mut roots = Self {
            anchors: Vec::new(),
            between: Vec::new(),
        };
        for der in all {
            let own = {
                let certificate = parse(&der)?;
                certificate.subject().as_raw() == certificate.issuer().as_raw()
            };
            if own {
                roots.anchors.push(der);
            } else {
                roots.between.push(der);
            }
        }
        if roots.anchors.is_empty() {
            return Err(CertificateError::NoRoot);
        }
        Ok(roots)
    }

    /// Every certificate that was given.
    pub(crate) fn all(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.anchors.iter().chain(&self.between)
    }

    /// Whether a leaf with a certain purpose is below one of the roots, everything valid at `time`.
    pub(crate) fn vouch(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'static>],
        time: UnixMillis,
        suits: impl FnOnce(&X509Certificate<'_>) -> bool,
    ) -> Result<(), CertificateError> {
        let certificate = parse(leaf)?;
        if others.len() > CHAIN_MAX {
            return Err(CertificateError::TooMany);
        }
        let between: Vec<CertificateDer<'_>> = others.iter().chain(&self.between).cloned().collect();
        let time = UnixTime::since_unix_epoch(Duration::from_millis(time.0));
        verify_chain(leaf, &between, &self.anchors()?, time)?;
        if suits(&certificate) {
            Ok(())
        } else {
            Err(CertificateError::Usage)
        }
    }

    /// Whether a certificate makes time stamps, which RFC 3161 wants to be its only and critical purpose.
    pub(crate) fn vouch_for_stamps(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'static>],
        time: UnixMillis,
    ) -> Result<(), CertificateError> {
        self.vouch(leaf, others, time, |certificate| {
            certificate.extended_key_usage().ok().flatten().is_some_and(|it| {
                let purposes = it.value;
                let others = purposes.any
                    || purposes.server_auth
                    || purposes.client_auth
                    || purposes.code_signing
                    || purposes.email_protection
                    || purposes.ocsp_signing
                    || !purposes.other.is_empty();
                it.critical && purposes.time_stamping && !others
            })
        })
    }

    fn anchors(&self) -> Result<Vec<TrustAnchor<'_>>, CertificateError> {
        self.anchors
            .iter()
            .map(|der| anchor_from_trusted_cert(der).map_err(CertificateError::Chain))
            .collect()
    }
}

/// The chain alone is checked by the library; the purpose is checked by [`signs`], as the specification has it.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// Whether a certificate says that its key makes signatures.
fn signs(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.key_usage().ok().flatten();
    let purposes = certificate.extended_key_usage().ok().flatten();
    usage.is_some_and(|it| it.value.digital_signature()) || purposes.is_some_and(|it| it.value.code_signing)
}

pub(crate) fn parse<'c>(der: &'c CertificateDer<'_>) -> Result<X509Certificate<'c>, CertificateError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateError::Unsound),
    }
}

fn certificates(pem: &[u8]) -> impl Iterator<Item = CertificateDer<'static>> {
    sections(pem).filter_map(|(kind, der)| matches!(kind, SectionKind::Certificate).then(|| CertificateDer::from(der)))
}
