//! A small Sigstore that is made on the spot: an authority, two logs of entries, a log of certificates, and one who
//! stamps times.

use std::ops::Add;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::Encode as _;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData as _, SanType, SerialNumber, date_time_ymd,
};
use serde_json::{Value, json};
use testudo_ledger::Hash;

use super::stamping::stamp;
use crate::hex;
use crate::signing::envelope::{PAYLOAD_TYPE, pae};
use crate::signing::*;

/// When everything happens, in seconds since 1970.
pub(super) const NOON: i64 = 1_780_000_000;
pub(super) const NOON_MS: u64 = 1_780_000_000_000;
pub(super) const IDENTITY: &str = "https://forge.example/team/release@main";
pub(super) const PROVIDER: &str = "https://tokens.example";

/// A key with what belongs to it.
pub(super) struct Holder {
    pub(super) key: KeyPair,
    pub(super) params: CertificateParams,
    pub(super) der: Vec<u8>,
}

pub(super) struct Services {
    pub(super) authority: Holder,
    pub(super) stamper: Holder,
    pub(super) stamp_root: Holder,
    pub(super) log: KeyPair,
    pub(super) new_log: KeyPair,
    pub(super) certificate_log: KeyPair,
}

/// What one certificate is to be like.
pub(super) struct Wanted {
    pub(super) identity: SanType,
    pub(super) issuers: [Option<String>; 2],
    pub(super) purposes: Vec<ExtendedKeyUsagePurpose>,
    pub(super) promised: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            identity: SanType::URI(IDENTITY.try_into().unwrap()),
            issuers: [Some(PROVIDER.into()), Some(PROVIDER.into())],
            purposes: vec![ExtendedKeyUsagePurpose::CodeSigning],
            promised: true,
        }
    }
}

pub(super) fn named(name: &str, from: i64, until: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let since = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap());
    params.not_before = Add::add(date_time_ymd(1970, 1, 1), since(from));
    params.not_after = Add::add(date_time_ymd(1970, 1, 1), since(until));
    params
}

fn root(name: &str) -> Holder {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = named(name, NOON - 1_000_000, NOON + 1_000_000);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let der = params.self_signed(&key).unwrap().der().to_vec();
    Holder { key, params, der }
}

impl Holder {
    pub(super) fn issue(&self, params: CertificateParams) -> Holder {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Holder { key, params, der }
    }
}

/// A signature over some bytes by one of the keys above.
pub(super) fn sign_with(key: &KeyPair, message: &[u8]) -> Vec<u8> {
    if key.algorithm() == &PKCS_ED25519 {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key.serialize_der()).unwrap();
        return pair.sign(message).as_ref().to_vec();
    }
    let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der()).unwrap();
    pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
}

fn spki(key: &KeyPair) -> Vec<u8> {
    key.subject_public_key_info()
}

impl Services {
    pub(super) fn new() -> Self {
        let p256 = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let stamp_root = root("stamp root");
        let mut params = named("stamper", NOON - 100_000, NOON + 100_000);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.custom_extensions = vec![purpose_of_stamps(true)];
        Self {
            authority: root("authority"),
            stamper: stamp_root.issue(params),
            stamp_root,
            log: p256(),
            new_log: KeyPair::generate_for(&PKCS_ED25519).unwrap(),
            certificate_log: p256(),
        }
    }

    pub(super) fn root(&self) -> Value {
        let span = json!({ "start": "2020-01-01T00:00:00Z" });
        let log = |key: &KeyPair, id: [u8; 32], url: &str, details: &str| {
            json!({
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": { "rawBytes": STANDARD.encode(spki(key)), "keyDetails": details, "validFor": span },
                "logId": { "keyId": STANDARD.encode(id) },
            })
        };
        let chain = |ders: &[&Vec<u8>]| {
            let list: Vec<Value> = ders
                .iter()
                .map(|der| json!({ "rawBytes": STANDARD.encode(der) }))
                .collect();
            json!({ "certChain": { "certificates": list }, "validFor": span })
        };
        let p256 = "PKIX_ECDSA_P256_SHA_256";
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [
                log(&self.log, id(&self.log), "https://log.example", p256),
                log(&self.new_log, self.new_id(), "https://new.log.example", "PKIX_ED25519"),
            ],
            "certificateAuthorities": [chain(&[&self.authority.der])],
            "ctlogs": [log(&self.certificate_log, id(&self.certificate_log), "https://ct.example", p256)],
            "timestampAuthorities": [chain(&[&self.stamper.der, &self.stamp_root.der])],
        })
    }

    fn new_id(&self) -> [u8; 32] {
        let public = self.new_log.public_key_raw();
        sha256_of(&[b"new.log.example\n\x01".as_slice(), public].concat())
    }

    /// A certificate for ten minutes around noon.
    pub(super) fn certificate(&self, wanted: &Wanted) -> Holder {
        let mut params = named("", NOON - 300, NOON + 300);
        params.serial_number = Some(SerialNumber::from(7u64));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages.clone_from(&wanted.purposes);
        params.subject_alt_names = vec![wanted.identity.clone()];
        let [old, new] = &wanted.issuers;
        if let Some(text) = old {
            let oid = [1, 3, 6, 1, 4, 1, 57264, 1, 1];
            params
                .custom_extensions
                .push(CustomExtension::from_oid_content(&oid, text.clone().into_bytes()));
        }
        if let Some(text) = new {
            let oid = [1, 3, 6, 1, 4, 1, 57264, 1, 8];
            let text = der::asn1::Utf8StringRef::new(text).unwrap().to_der().unwrap();
            params
                .custom_extensions
                .push(CustomExtension::from_oid_content(&oid, text));
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let issuer = Issuer::from_params(&self.authority.params, &self.authority.key);
        if wanted.promised {
            let bare = params.signed_by(&key, &issuer).unwrap().der().to_vec();
            params.custom_extensions.push(self.promise(&bare));
        }
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Holder { key, params, der }
    }

    /// RFC 6962 by hand.
    fn promise(&self, bare: &[u8]) -> CustomExtension {
        let certificate: x509_cert::Certificate = der::Decode::from_der(bare).unwrap();
        let tbs = certificate.tbs_certificate.to_der().unwrap();
        let time = NOON_MS;
        let mut message = vec![0, 0];
        message.extend(time.to_be_bytes());
        message.extend([0, 1]);
        message.extend(sha256_of(&spki(&self.authority.key)));
        message.extend(&u32::try_from(tbs.len()).unwrap().to_be_bytes()[1..]);
        message.extend(&tbs);
        message.extend([0, 0]);
        let signature = sign_with(&self.certificate_log, &message);
        let mut sct = vec![0];
        sct.extend(id(&self.certificate_log));
        sct.extend(time.to_be_bytes());
        sct.extend([0, 0, 4, 3]);
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
        sct.extend(length(&signature));
        sct.extend(&signature);
        let one = [length(&sct).as_slice(), &sct].concat();
        let list = [length(&one).as_slice(), &one].concat();
        let list = der::asn1::OctetString::new(list).unwrap().to_der().unwrap();
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], list)
    }

    /// What a signer sends to the older log for an envelope.
    pub(super) fn envelope_body(holder: &Holder, payload: &[u8], signature: &[u8]) -> Value {
        json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": { "algorithm": "sha256", "value": "00" },
                "payloadHash": { "algorithm": "sha256", "value": hex::encode(&sha256_of(payload)) },
                "signatures": [{
                    "signature": STANDARD.encode(signature),
                    "verifier": STANDARD.encode(pem(&holder.der)),
                }],
            },
        })
    }

    /// An entry of the older log, with its promise and its proof.
    pub(super) fn entry(&self, body: &Value, time: i64) -> Value {
        let bytes = body.to_string().into_bytes();
        let (proof, _) = self.proof(&bytes, "log.example", "log.example - 1", id(&self.log), &self.log);
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{time},"logID":"{}","logIndex":90}}"#,
            STANDARD.encode(&bytes),
            hex::encode(&id(&self.log)),
        );
        json!({
            "logIndex": "90",
            "logId": { "keyId": STANDARD.encode(id(&self.log)) },
            "kindVersion": { "kind": body["kind"], "version": body["apiVersion"] },
            "integratedTime": time.to_string(),
            "inclusionPromise": {
                "signedEntryTimestamp": STANDARD.encode(sign_with(&self.log, promised.as_bytes())),
            },
            "inclusionProof": proof,
            "canonicalizedBody": STANDARD.encode(bytes),
        })
    }

    /// An entry of the newer log, which promises nothing.
    pub(super) fn new_entry(&self, holder: &Holder, signed: &[u8], signature: &[u8]) -> Value {
        let body = json!({
            "apiVersion": "0.0.2",
            "kind": "hashedrekord",
            "spec": { "hashedRekordV002": {
                "data": { "algorithm": "SHA2_256", "digest": STANDARD.encode(sha256_of(signed)) },
                "signature": {
                    "content": STANDARD.encode(signature),
                    "verifier": {
                        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                        "x509Certificate": { "rawBytes": STANDARD.encode(&holder.der) },
                    },
                },
            } },
        });
        let bytes = body.to_string().into_bytes();
        let name = "new.log.example";
        let (proof, index) = self.proof(&bytes, name, name, self.new_id(), &self.new_log);
        json!({
            "logIndex": index,
            "logId": { "keyId": STANDARD.encode(self.new_id()) },
            "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
            "inclusionProof": proof,
            "canonicalizedBody": STANDARD.encode(bytes),
        })
    }

    /// The proof that a leaf is the second of two.
    fn proof(&self, leaf: &[u8], name: &str, origin: &str, id: [u8; 32], key: &KeyPair) -> (Value, String) {
        let other = Hash::leaf(b"another entry");
        let root = Hash::node(&other, &Hash::leaf(leaf));
        let text = format!("{origin}\n2\n{root}\n");
        let signature = [&id[..4], &sign_with(key, text.as_bytes())].concat();
        let proof = json!({
            "logIndex": "1",
            "rootHash": root.to_string(),
            "treeSize": "2",
            "hashes": [other.to_string()],
            "checkpoint": { "envelope": format!("{text}\n\u{2014} {name} {}\n", STANDARD.encode(signature)) },
        });
        (proof, "1".to_owned())
    }

    pub(super) fn stamp(&self, signature: &[u8], time: i64) -> Value {
        json!({ "signedTimestamp": STANDARD.encode(stamp(&self.stamper, &self.stamp_root, signature, time)) })
    }
}

/// A log's name for itself.
pub(super) fn id(key: &KeyPair) -> [u8; 32] {
    sha256_of(&spki(key))
}

pub(super) fn pem(der: &[u8]) -> String {
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    )
}

pub(super) fn purpose_of_stamps(critical: bool) -> CustomExtension {
    // The sequence of one purpose, id-kp-timeStamping.
    let content = b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x08".to_vec();
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 37], content);
    extension.set_criticality(critical);
    extension
}

/// A bundle around a payload, with the evidence that is given.
pub(super) fn bundle(holder: &Holder, payload: &[u8], signature: &[u8], entries: &[Value], stamps: &[Value]) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": { "rawBytes": STANDARD.encode(&holder.der) },
            "tlogEntries": entries,
            "timestampVerificationData": { "rfc3161Timestamps": stamps },
        },
        "dsseEnvelope": {
            "payload": STANDARD.encode(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{ "sig": STANDARD.encode(signature) }],
        },
    })
}

/// A signature over a payload by the holder of a certificate.
pub(super) fn signature(holder: &Holder, payload: &[u8]) -> Vec<u8> {
    sign_with(&holder.key, &pae(PAYLOAD_TYPE, payload))
}
