//! The chain of a signing certificate that is an authority's: webpki refuses those as ends of a chain, the reference
//! implementation of model signing does not, and its published certificates are of this kind.
//!
//! Every certificate is within its time and has no critical extension but those that are checked here; each issuer is
//! an authority that may sign certificates, with room for what is below it; each signature is by one of the
//! algorithms that webpki knows.

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::EndEntityCert;
use x509_parser::prelude::{ASN1Time, ParsedExtension, X509Certificate};

use super::{CertificateError, parse};

/// Certificates from the leaf to the root, both counted.
const PATH_MAX: usize = 8;
/// Signatures that are checked before the search ends.
const CHECKS_MAX: usize = 64;

/// Whether there is a chain from `leaf` over `between` to one of `anchors`, each valid at `time`.
pub(super) fn verify(
    leaf: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    anchors: &[CertificateDer<'_>],
    time: UnixTime,
) -> Result<(), CertificateError> {
    let certificate = parse(leaf)?;
    let time = is_valid(&certificate, time)?;
    let mut search = Search {
        between,
        anchors,
        time,
        checks: 0,
    };
    if is_understood(&certificate) && search.reaches_root(&certificate, 1)? {
        Ok(())
    } else {
        Err(CertificateError::Authority)
    }
}

/// Whether a certificate is within its time.
pub(super) fn is_valid(certificate: &X509Certificate<'_>, time: UnixTime) -> Result<ASN1Time, CertificateError> {
    let seconds = i64::try_from(time.as_secs()).map_err(|_| CertificateError::Expired)?;
    let time = ASN1Time::from_timestamp(seconds).map_err(|_| CertificateError::Expired)?;
    if certificate.validity().is_valid_at(time) {
        Ok(time)
    } else {
        Err(CertificateError::Expired)
    }
}

struct Search<'s> {
    between: &'s [CertificateDer<'s>],
    anchors: &'s [CertificateDer<'s>],
    time: ASN1Time,
    checks: usize,
}

impl Search<'_> {
    /// Whether `certificate`, with `length` certificates so far, was issued below a root.
    fn reaches_root(&mut self, certificate: &X509Certificate<'_>, length: usize) -> Result<bool, CertificateError> {
        if length >= PATH_MAX {
            return Ok(false);
        }
        for (issuers, is_root) in [(self.anchors, true), (self.between, false)] {
            for der in issuers {
                let issuer = parse(der)?;
                if self.issued(certificate, &issuer, der, length)
                    && (is_root || self.reaches_root(&issuer, length.saturating_add(1))?)
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn issued(
        &mut self,
        certificate: &X509Certificate<'_>,
        issuer: &X509Certificate<'_>,
        der: &CertificateDer<'_>,
        length: usize,
    ) -> bool {
        let named = certificate.issuer().as_raw() == issuer.subject().as_raw();
        if !named || !may_issue(issuer, length) || !issuer.validity().is_valid_at(self.time) {
            return false;
        }
        self.checks = self.checks.saturating_add(1);
        if self.checks > CHECKS_MAX {
            return false;
        }
        let Ok(issuer) = EndEntityCert::try_from(der) else {
            return false;
        };
        let signed = certificate.tbs_certificate.as_ref();
        let signature = certificate.signature_value.as_ref();
        webpki::ALL_VERIFICATION_ALGS
            .iter()
            .any(|algorithm| issuer.verify_signature(*algorithm, signed, signature).is_ok())
    }
}

/// Whether an authority may have `length` certificates below it, the leaf counted.
fn may_issue(issuer: &X509Certificate<'_>, length: usize) -> bool {
    let constraints = issuer.basic_constraints().ok().flatten();
    let authority = constraints.is_some_and(|it| {
        let room = it.value.path_len_constraint.and_then(|it| usize::try_from(it).ok());
        it.value.ca && room.is_none_or(|room| length.saturating_sub(1) <= room)
    });
    let may_sign = issuer
        .key_usage()
        .is_ok_and(|usage| usage.is_none_or(|it| it.value.key_cert_sign()));
    authority && may_sign && is_understood(issuer)
}

/// Whether everything critical in a certificate is something that is checked here.
fn is_understood(certificate: &X509Certificate<'_>) -> bool {
    certificate.extensions().iter().filter(|it| it.critical).all(|it| {
        matches!(
            it.parsed_extension(),
            ParsedExtension::BasicConstraints(_) | ParsedExtension::KeyUsage(_) | ParsedExtension::ExtendedKeyUsage(_)
        )
    })
}
