//! Whether a log of certificates has seen a certificate: the time stamp of RFC 6962 that is in it.

use aws_lc_rs::digest::{SHA256, digest};
use der::Encode as _;
use der::asn1::ObjectIdentifier;
use rustls_pki_types::CertificateDer;
use testudo_types::UnixMillis;
use x509_cert::Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::X509Certificate;

use super::SigstoreError;
use super::root::TrustedRoot;

const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");
/// Time stamps of logs that are looked at.
const SCTS_MAX: usize = 16;

/// Looks for one promise in `leaf` that a log of `root` made, of a certificate by an issuer with one of these keys.
pub(super) fn check(
    root: &TrustedRoot,
    leaf: &CertificateDer<'_>,
    certificate: &X509Certificate<'_>,
    issuers: &[Vec<u8>],
) -> Result<(), SigstoreError> {
    let promises = certificate
        .iter_extensions()
        .find_map(|it| match it.parsed_extension() {
            ParsedExtension::SCT(list) => Some(list),
            _ => None,
        });
    let promises = promises.ok_or(SigstoreError::NoCertificatePromise)?;
    let bare = without_promises(leaf).ok_or(SigstoreError::CertificatePromise)?;
    for promise in promises.iter().take(SCTS_MAX) {
        let log = root.certificate_logs.iter().find(|log| log.id == *promise.id.key_id);
        let Some(log) = log.filter(|log| log.span.holds(UnixMillis(promise.timestamp))) else {
            continue;
        };
        let kept = issuers.iter().any(|issuer| {
            signed(issuer, promise.timestamp, &bare, promise.extensions.0)
                .is_some_and(|message| log.verifies(&message, promise.signature.data))
        });
        if promise.version.0 == 0 && kept {
            return Ok(());
        }
    }
    Err(SigstoreError::CertificatePromise)
}

/// What a certificate was before the log's promise was put into it, without its signature.
fn without_promises(leaf: &[u8]) -> Option<Vec<u8>> {
    let mut certificate: Certificate = der::Decode::from_der(leaf).ok()?;
    let extensions = certificate.tbs_certificate.extensions.as_mut()?;
    extensions.retain(|it| it.extn_id != SCT_LIST);
    certificate.tbs_certificate.to_der().ok()
}

/// The bytes that a log signs (RFC 6962, section 3.2, for a precertificate).
fn signed(issuer_spki: &[u8], time: u64, bare: &[u8], extensions: &[u8]) -> Option<Vec<u8>> {
    let mut message = vec![0, 0];
    message.extend_from_slice(&time.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(digest(&SHA256, issuer_spki).as_ref());
    let length = u32::try_from(bare.len()).ok().filter(|it| *it < 1 << 24)?;
    message.extend(length.to_be_bytes().iter().skip(1));
    message.extend_from_slice(bare);
    message.extend_from_slice(&u16::try_from(extensions.len()).ok()?.to_be_bytes());
    message.extend_from_slice(extensions);
    Some(message)
}
