//! Time stamps of RFC 3161, put together by hand.

use der::Encode as _;
use der::asn1::ObjectIdentifier;

use super::services::{Holder, sign_with};
use crate::signing::sha256_of;

const SHA256: &str = "2.16.840.1.101.3.4.2.1";
const STAMP_INFO: &str = "1.2.840.113549.1.9.16.1.4";

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..0x80) => out.push(short),
        _ => {
            out.push(0x82);
            out.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    if let 0x80..=0xff = content.len() {
        out.truncate(1);
        out.extend([0x81, u8::try_from(content.len()).unwrap()]);
    }
    out.extend(content);
    out
}

fn oid(text: &str) -> Vec<u8> {
    ObjectIdentifier::new_unwrap(text).to_der().unwrap()
}

fn attribute(kind: &str, value: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&oid(kind), &tlv(0x31, &[value])])
}

/// What may be otherwise than it should be.
#[derive(Default, Clone)]
pub(in crate::signing::tests) struct Flaws {
    pub(in crate::signing::tests) status: u8,
    pub(in crate::signing::tests) other_content: bool,
    pub(in crate::signing::tests) other_certificate: bool,
    pub(in crate::signing::tests) no_certificate_id: bool,
    pub(in crate::signing::tests) bare: bool,
}

pub(super) fn stamp(stamper: &Holder, root: &Holder, message: &[u8], time: i64) -> Vec<u8> {
    flawed(stamper, root, message, time, &Flaws::default())
}

pub(in crate::signing::tests) fn flawed(
    stamper: &Holder,
    root: &Holder,
    message: &[u8],
    time: i64,
    flaws: &Flaws,
) -> Vec<u8> {
    let moment = jiff::Timestamp::from_second(time).unwrap();
    let written = moment.strftime("%Y%m%d%H%M%SZ").to_string();
    let hash = tlv(0x30, &[&oid(SHA256)]);
    let info = tlv(
        0x30,
        &[
            &[2, 1, 1],
            &oid("1.2.3"),
            &tlv(0x30, &[&hash, &tlv(4, &[&sha256_of(message)])]),
            &[2, 1, 9],
            &tlv(0x18, &[written.as_bytes()]),
        ],
    );
    let digested: &[u8] = if flaws.other_content { b"other" } else { &info };
    let pinned = if flaws.other_certificate {
        &root.der
    } else {
        &stamper.der
    };
    let mut attributes = vec![
        attribute("1.2.840.113549.1.9.3", &oid(STAMP_INFO)),
        attribute("1.2.840.113549.1.9.4", &tlv(4, &[&sha256_of(digested)])),
    ];
    if !flaws.no_certificate_id {
        let id = tlv(0x30, &[&tlv(0x30, &[&tlv(0x30, &[&tlv(4, &[&sha256_of(pinned)])])])]);
        attributes.push(attribute("1.2.840.113549.1.9.16.2.47", &id));
    }
    attributes.sort();
    let attributes = attributes.concat();
    let signature = sign_with(&stamper.key, &tlv(0x31, &[&attributes]));
    let certificate: x509_cert::Certificate = der::Decode::from_der(&stamper.der).unwrap();
    let tbs = &certificate.tbs_certificate;
    let who = tlv(
        0x30,
        &[&tbs.issuer.to_der().unwrap(), &tbs.serial_number.to_der().unwrap()],
    );
    let signer = tlv(
        0x30,
        &[
            &[2, 1, 1],
            &who,
            &hash,
            &tlv(0xa0, &[&attributes]),
            &tlv(0x30, &[&oid("1.2.840.10045.4.3.2")]),
            &tlv(4, &[&signature]),
        ],
    );
    let certificates = tlv(0xa0, &[&stamper.der]);
    let data = tlv(
        0x30,
        &[
            &[2, 1, 3],
            &tlv(0x31, &[&hash]),
            &tlv(0x30, &[&oid(STAMP_INFO), &tlv(0xa0, &[&tlv(4, &[&info])])]),
            if flaws.bare { &[] } else { &certificates },
            &tlv(0x31, &[&signer]),
        ],
    );
    let content = tlv(0x30, &[&oid("1.2.840.113549.1.7.2"), &tlv(0xa0, &[&data])]);
    tlv(0x30, &[&tlv(0x30, &[&[2, 1, flaws.status]]), &content])
}
