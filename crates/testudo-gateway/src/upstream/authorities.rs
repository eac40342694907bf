//! Certificate authorities of an upstream's own, trusted beside the public ones and by that upstream alone.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;

/// Certificates that may vouch for an upstream; proven usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities(Arc<[CertificateDer<'static>]>);

/// Why a text holds no authorities.
#[derive(Debug, Error)]
pub enum AuthoritiesProblem {
    #[error("it holds no PEM certificate")]
    None,
    #[error("the PEM text around certificate {number} is damaged")]
    Damaged { number: usize },
    #[error("certificate {number} cannot vouch for a server")]
    Unusable {
        number: usize,
        #[source]
        source: rustls::Error,
    },
}

impl Authorities {
    /// Reads every certificate of a PEM text; other sections are left alone.
    ///
    /// # Errors
    /// When there is no certificate, or one that cannot be used: trusting a part would surprise later.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AuthoritiesProblem> {
        let mut certificates = Vec::new();
        for (number, certificate) in (1_usize..).zip(CertificateDer::pem_slice_iter(pem)) {
            let certificate: CertificateDer<'static> =
                certificate.map_err(|_where| AuthoritiesProblem::Damaged { number })?;
            RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|source| AuthoritiesProblem::Unusable { number, source })?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(AuthoritiesProblem::None);
        }
        Ok(Self(certificates.into()))
    }

    /// Trusts these too.
    pub(super) fn add_to(&self, roots: &mut RootCertStore) -> Result<(), rustls::Error> {
        self.0.iter().try_for_each(|certificate| roots.add(certificate.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> (String, String) {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn every_certificate_is_taken_and_nothing_else() {
        let ((one, key), (two, _)) = (authority(), authority());
        let read = Authorities::from_pem(format!("# ours\n{one}{key}{two}").as_bytes()).unwrap();
        assert_eq!(read.0.len(), 2);
        let mut roots = RootCertStore::empty();
        read.add_to(&mut roots).unwrap();
        assert_eq!(roots.len(), 2);
    }

    #[test]
    fn what_cannot_vouch_is_refused_as_a_whole() {
        let (good, key) = authority();
        let no_certificate = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        let no_base64 = good.replacen("MII", "M!I", 1);
        let no_end: String = good.lines().take(3).collect::<Vec<_>>().join("\n");
        for (pem, why) in [
            (String::new(), "no PEM certificate"),
            ("authorities".to_owned(), "no PEM certificate"),
            (key, "no PEM certificate"),
            (no_certificate.to_owned(), "certificate 1 cannot vouch"),
            (format!("{good}{no_certificate}"), "certificate 2 cannot vouch"),
            (no_base64.clone(), "certificate 1 is damaged"),
            (format!("{good}{no_base64}"), "certificate 2 is damaged"),
            (no_end, "certificate 1 is damaged"),
        ] {
            let problem = Authorities::from_pem(pem.as_bytes()).unwrap_err().to_string();
            assert!(problem.contains(why), "{problem} for {pem}");
        }
    }
}
