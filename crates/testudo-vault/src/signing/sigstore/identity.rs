//! For whom a certificate was made out, and who said so.

use der::asn1::{AnyRef, ObjectIdentifier, Utf8StringRef};
use der::{Decode as _, Tag, Tagged as _};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// The issuer as bare text, and as a DER text, which replaced it.
const ISSUER: &str = "1.3.6.1.4.1.57264.1.1";
const ISSUER_V2: &str = "1.3.6.1.4.1.57264.1.8";
/// A name that is neither a mail address nor a link.
const OTHER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");

/// The one name in a certificate.
pub(super) fn name(certificate: &X509Certificate<'_>) -> Option<String> {
    let names = certificate.subject_alternative_name().ok()??;
    let [name] = names.value.general_names.as_slice() else {
        return None;
    };
    match name {
        GeneralName::RFC822Name(text) | GeneralName::URI(text) => Some((*text).to_owned()),
        GeneralName::OtherName(oid, value) if oid.to_id_string() == OTHER_NAME.to_string() => {
            // The parser may leave the explicit tag around the text.
            let inner = AnyRef::from_der(value).ok()?;
            let text = match inner.tag() {
                Tag::Utf8String => inner.decode_as::<Utf8StringRef<'_>>(),
                _ => Utf8StringRef::from_der(inner.value()),
            };
            text.ok().map(|it| it.as_str().to_owned())
        }
        _ => None,
    }
}

/// Who vouched for the name; both ways of saying it must agree.
pub(super) fn issuer(certificate: &X509Certificate<'_>) -> Option<String> {
    let value = |oid: &str| {
        let mut found = certificate.iter_extensions().filter(|it| it.oid.to_id_string() == oid);
        found.next().map(|it| it.value)
    };
    let old = match value(ISSUER) {
        None => None,
        Some(bytes) => Some(std::str::from_utf8(bytes).ok()?),
    };
    let new = match value(ISSUER_V2) {
        None => None,
        Some(bytes) => Some(Utf8StringRef::from_der(bytes).ok()?.as_str()),
    };
    match (old, new) {
        (Some(old), Some(new)) if old != new => None,
        (_, Some(issuer)) | (Some(issuer), None) => Some(issuer.to_owned()),
        (None, None) => None,
    }
}
