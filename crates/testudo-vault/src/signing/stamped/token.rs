//! One time stamp, taken apart: what it is of, when, and by which certificate it was signed.

use aws_lc_rs::digest::{self, Algorithm, digest};
use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Any, ObjectIdentifier, OctetString};
use der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};
use rustls_pki_types::CertificateDer;
use testudo_types::UnixMillis;
use webpki::EndEntityCert;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{StampError, StampSigner};

/// Longest time stamp that is looked at, in bytes.
const STAMP_BYTES_MAX: usize = 1 << 16;
/// Certificates in one time stamp.
const CERTIFICATES_MAX: usize = 16;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const STAMP_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

/// A time stamp; nothing of it is believed until one of [`Token::signers`] is trusted.
pub(crate) struct Token {
    /// The certificates that came with it.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    content: Vec<u8>,
    signer: SignerInfo,
    info: Info,
}

/// What was stamped, and when.
struct Info {
    hash: &'static Algorithm,
    imprint: Vec<u8>,
    time: UnixMillis,
}

impl Token {
    /// Takes apart an answer of an authority.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, StampError> {
        if bytes.len() > STAMP_BYTES_MAX {
            return Err(StampError::Shape("it is too long"));
        }
        let content = answered(bytes).map_err(|_| StampError::Shape("no time stamp was granted, or it is not DER"))?;
        if content.content_type != SIGNED_DATA {
            return Err(StampError::Shape("it is not signed data"));
        }
        let data: SignedData = content
            .content
            .decode_as()
            .map_err(|_| StampError::Shape("its signed data is not sound"))?;
        if data.encap_content_info.econtent_type != STAMP_INFO {
            return Err(StampError::Shape("what is signed is not a time stamp"));
        }
        let content = data
            .encap_content_info
            .econtent
            .and_then(|it| it.decode_as::<OctetString>().ok())
            .ok_or(StampError::Shape("it holds nothing"))?
            .into_bytes();
        let mut signers = data.signer_infos.0.into_vec().into_iter();
        let (Some(signer), None) = (signers.next(), signers.next()) else {
            return Err(StampError::Shape("it does not have exactly one signer"));
        };
        let certificates = data.certificates.map(|it| it.0.into_vec()).unwrap_or_default();
        if certificates.len() > CERTIFICATES_MAX {
            return Err(StampError::Shape("it holds too many certificates"));
        }
        let certificates = certificates.into_iter().filter_map(|choice| match choice {
            CertificateChoices::Certificate(certificate) => certificate.to_der().ok().map(CertificateDer::from),
            CertificateChoices::Other(_) => None,
        });
        Ok(Self {
            certificates: certificates.collect(),
            info: Info::parse(&content)?,
            content,
            signer,
        })
    }

    pub(crate) fn time(&self) -> UnixMillis {
        self.info.time
    }

    /// Whether it is of these bytes.
    pub(crate) fn is_of(&self, message: &[u8]) -> bool {
        digest(self.info.hash, message).as_ref() == self.info.imprint
    }

    /// Those certificates, among its own and the `known` ones, that it names as its signer's and whose key signed it.
    pub(crate) fn signers<'k>(&'k self, known: impl Iterator<Item = &'k CertificateDer<'static>>) -> Vec<StampSigner> {
        let Some(signed) = self.signed_attributes() else {
            return Vec::new();
        };
        let mut signers: Vec<StampSigner> = Vec::new();
        for der in self.certificates.iter().chain(known) {
            if self.names(der) && self.is_signed_by(der, &signed) && !signers.contains(der) {
                signers.push(der.clone());
            }
        }
        signers
    }

    /// The attributes that are signed, when they are about this content.
    fn signed_attributes(&self) -> Option<Vec<u8>> {
        let hash = hash(self.signer.digest_alg.oid)?;
        let kind: ObjectIdentifier = self.attribute(CONTENT_TYPE)?.decode_as().ok()?;
        let found: OctetString = self.attribute(MESSAGE_DIGEST)?.decode_as().ok()?;
        let fits = kind == STAMP_INFO && found.as_bytes() == digest(hash, &self.content).as_ref();
        fits.then(|| self.signer.signed_attrs.as_ref()?.to_der().ok())?
    }

    /// The one value of an attribute that stands there once.
    fn attribute(&self, oid: ObjectIdentifier) -> Option<&Any> {
        let mut found = self.signer.signed_attrs.as_ref()?.iter().filter(|it| it.oid == oid);
        let (attribute, None) = (found.next()?, found.next()) else {
            return None;
        };
        match attribute.values.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Whether the stamp names this certificate as its signer's, in both places where it has to.
    fn names(&self, der: &CertificateDer<'_>) -> bool {
        let Ok(([], certificate)) = X509Certificate::from_der(der) else {
            return false;
        };
        let by_number = match &self.signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(it) => {
                it.issuer
                    .to_der()
                    .is_ok_and(|name| name == certificate.issuer().as_raw())
                    && it.serial_number.as_bytes() == unsigned(certificate.raw_serial())
            }
            SignerIdentifier::SubjectKeyIdentifier(it) => certificate.iter_extensions().any(|extension| {
                matches!(
                    extension.parsed_extension(),
                    x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) if id.0 == it.0.as_bytes()
                )
            }),
        };
        by_number
            && self
                .pinned()
                .is_some_and(|(hash, pinned)| digest(hash, der).as_ref() == pinned)
    }

    /// The hash of the signer's certificate, which is signed too, so that no other certificate of the key will do.
    fn pinned(&self) -> Option<(&'static Algorithm, Vec<u8>)> {
        if let Some(value) = self.attribute(SIGNING_CERTIFICATE_V2) {
            return first_certificate(&value.to_der().ok()?, &digest::SHA256);
        }
        let value = self.attribute(SIGNING_CERTIFICATE)?;
        first_certificate(&value.to_der().ok()?, &digest::SHA1_FOR_LEGACY_USE_ONLY)
    }

    fn is_signed_by(&self, der: &CertificateDer<'_>, signed: &[u8]) -> bool {
        let Ok(certificate) = EndEntityCert::try_from(der) else {
            return false;
        };
        webpki::ALL_VERIFICATION_ALGS.iter().any(|algorithm| {
            certificate
                .verify_signature(*algorithm, signed, self.signer.signature.as_bytes())
                .is_ok()
        })
    }
}

impl Info {
    fn parse(content: &[u8]) -> Result<Self, StampError> {
        let (hash_oid, imprint, time) =
            read_info(content).map_err(|_| StampError::Shape("what is signed is not a time stamp"))?;
        let hash = hash(hash_oid).ok_or(StampError::Shape("its hash is none of SHA-256, SHA-384 and SHA-512"))?;
        let time = generalized(&time).ok_or(StampError::Shape("its time cannot be read"))?;
        Ok(Self { hash, imprint, time })
    }
}

/// `TimeStampResp`: a status, and what was granted.
fn answered(bytes: &[u8]) -> der::Result<ContentInfo> {
    let mut reader = SliceReader::new(bytes)?;
    let content = reader.sequence(|reader| {
        let status = reader.sequence(|reader| {
            let status = u8::decode(reader)?;
            skip_rest(reader)?;
            Ok(status)
        })?;
        if status > 1 {
            return Err(Tag::Integer.value_error());
        }
        ContentInfo::decode(reader)
    })?;
    reader.finish(content)
}

/// `TSTInfo`: the hash, its value, and the time as it was written.
fn read_info(content: &[u8]) -> der::Result<(ObjectIdentifier, Vec<u8>, Vec<u8>)> {
    let mut reader = SliceReader::new(content)?;
    let info = reader.sequence(|reader| {
        if u8::decode(reader)? != 1 {
            return Err(Tag::Integer.value_error());
        }
        // The policy; any will do, also one so short that the library takes it for none.
        Any::decode(reader)?;
        let (oid, imprint) = reader.sequence(|reader| {
            let oid = algorithm(reader)?;
            Ok((oid, OctetString::decode(reader)?.into_bytes()))
        })?;
        Any::decode(reader)?;
        let time = Any::decode(reader)?;
        if time.tag() != Tag::GeneralizedTime {
            return Err(Tag::GeneralizedTime.value_error());
        }
        skip_rest(reader)?;
        Ok((oid, imprint, time.value().to_vec()))
    })?;
    reader.finish(info)
}

/// The first entry of `SigningCertificate` or `SigningCertificateV2`.
fn first_certificate(bytes: &[u8], default: &'static Algorithm) -> Option<(&'static Algorithm, Vec<u8>)> {
    let mut reader = SliceReader::new(bytes).ok()?;
    let read: der::Result<(Option<ObjectIdentifier>, Vec<u8>)> = reader.sequence(|reader| {
        let found = reader.sequence(|reader| {
            let found = reader.sequence(|reader| {
                let oid = match reader.peek_tag()? {
                    Tag::Sequence => Some(algorithm(reader)?),
                    _ => None,
                };
                let value = OctetString::decode(reader)?.into_bytes();
                skip_rest(reader)?;
                Ok((oid, value))
            })?;
            skip_rest(reader)?;
            Ok(found)
        })?;
        skip_rest(reader)?;
        Ok(found)
    });
    match read.ok()? {
        (None, value) => Some((default, value)),
        (Some(oid), value) => Some((hash(oid)?, value)),
    }
}

fn algorithm<'r, R: Reader<'r>>(reader: &mut R) -> der::Result<ObjectIdentifier> {
    reader.sequence(|reader| {
        let oid = ObjectIdentifier::decode(reader)?;
        skip_rest(reader)?;
        Ok(oid)
    })
}

fn skip_rest<'r, R: Reader<'r>>(reader: &mut R) -> der::Result<()> {
    while !reader.is_finished() {
        Any::decode(reader)?;
    }
    Ok(())
}

fn hash(oid: ObjectIdentifier) -> Option<&'static Algorithm> {
    match oid {
        SHA256 => Some(&digest::SHA256),
        SHA384 => Some(&digest::SHA384),
        SHA512 => Some(&digest::SHA512),
        _ => None,
    }
}

/// A number's bytes without the zero that marks it as positive.
fn unsigned(bytes: &[u8]) -> &[u8] {
    match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        bytes => bytes,
    }
}

/// `YYYYMMDDhhmmss`, perhaps a fraction, and `Z`.
fn generalized(bytes: &[u8]) -> Option<UnixMillis> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || fraction.is_some_and(|it| !digits(it) || it.len() > 9) {
        return None;
    }
    let part = |from, to| whole.get(from..to);
    let written = format!(
        "{}-{}-{}T{}:{}:{}.{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?,
        fraction.unwrap_or("0"),
    );
    let time: jiff::Timestamp = written.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok().map(UnixMillis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_their_one_form() {
        let read = |text: &str| generalized(text.as_bytes()).map(|it| it.0);
        assert_eq!(read("20250612120220Z"), Some(1_749_729_740_000));
        assert_eq!(read("20250612120220.25Z"), Some(1_749_729_740_250));
        for bad in [
            "20250612120220",
            "250612120220Z",
            "20251312120220Z",
            "20250612120220.Z",
            "20250612120220+01",
            "2025-612120220Z",
            "19690612120220Z",
            "Z",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
