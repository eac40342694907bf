//! Signatures by certificate, and certificates that vouch for nothing.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, SignatureAlgorithm, date_time_ymd,
};
use testudo_types::UnixMillis;

use super::rig::{Rig, key, options, unwatched};
use crate::signing::keys::Curve;
use crate::signing::*;

/// 1 July 2026.
const NOW: Expiry = Expiry::Now(UnixMillis(1_782_864_000_000));

struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

fn authority(name: &str) -> Authority {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { params, key, pem }
}

impl Authority {
    fn issue(&self, params: &CertificateParams, key: &KeyPair) -> String {
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(key, &issuer).unwrap().pem()
    }
}

fn signer_params() -> CertificateParams {
    let mut params = named("signer");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

fn leaf_key(algorithm: &'static SignatureAlgorithm) -> (KeyPair, SigningKey) {
    let pair = KeyPair::generate_for(algorithm).unwrap();
    let key = SigningKey::from_pem(pair.serialize_pem().as_bytes()).unwrap();
    (pair, key)
}

fn signed(rig: &Rig, key: SigningKey, leaf: &str, between: &[Vec<u8>]) -> Bundle {
    let chain = Chain::for_key(leaf.as_bytes(), between, key.public()).unwrap();
    let signer = Signer::Certificate(key, chain);
    let bundle = sign(&rig.model(), &signer, &options(), &unwatched).unwrap().bundle;
    Bundle::parse(&bundle).unwrap()
}

fn trusting(pems: &[&str], expiry: Expiry) -> Trust {
    let pems: Vec<Vec<u8>> = pems.iter().map(|pem| pem.as_bytes().to_vec()).collect();
    Trust::Roots(Roots::from_pems(&pems).unwrap(), expiry)
}

/// What verifying says of a leaf that `root` issues with `params`.
fn told(params: &CertificateParams, expiry: Expiry) -> Result<Verified, VerifyError> {
    let rig = Rig::new();
    let root = authority("root");
    let (pair, key) = leaf_key(&PKCS_ECDSA_P256_SHA256);
    let leaf = root.issue(params, &pair);
    signed(&rig, key, &leaf, &[]).verify(&trusting(&[&root.pem], expiry), Legacy::Refuse)
}

#[test]
fn a_chain_to_a_trusted_root_vouches_for_every_curve() {
    let rig = Rig::new();
    let root = authority("root");
    let mut params = named("between");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let between_key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
    let between = Authority {
        pem: root.issue(&params, &between_key),
        params,
        key: between_key,
    };
    for algorithm in [
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ECDSA_P521_SHA512,
    ] {
        let (pair, key) = leaf_key(algorithm);
        let leaf = between.issue(&signer_params(), &pair);
        let bundle = signed(&rig, key, &leaf, &[between.pem.clone().into_bytes()]);
        let verified = bundle.verify(&trusting(&[&root.pem], NOW), Legacy::Refuse).unwrap();
        assert!(matches!(verified.by(), SignedBy::Certificate { subject, .. } if subject == "CN=signer"));
        assert!(rig.compare(&verified).unwrap().is_same());
        let stranger = authority("root");
        assert!(matches!(
            bundle.verify(&trusting(&[&stranger.pem], NOW), Legacy::Refuse),
            Err(VerifyError::Certificate(CertificateError::Chain(_)))
        ));
        // One that only stands between is no root.
        assert!(Roots::from_pems(&[between.pem.clone().into_bytes()]).is_err());
    }
}

#[test]
fn the_missing_link_may_come_from_the_verifier() {
    let rig = Rig::new();
    let root = authority("root");
    let mut params = named("between");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let between_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let between = Authority {
        pem: root.issue(&params, &between_key),
        params,
        key: between_key,
    };
    let (pair, key) = leaf_key(&PKCS_ECDSA_P256_SHA256);
    let leaf = between.issue(&signer_params(), &pair);
    let bundle = signed(&rig, key, &leaf, &[]);
    assert!(bundle.verify(&trusting(&[&root.pem], NOW), Legacy::Refuse).is_err());
    assert!(
        bundle
            .verify(&trusting(&[&root.pem, &between.pem], NOW), Legacy::Refuse)
            .is_ok()
    );
}

#[test]
fn a_certificate_must_be_made_for_signatures() {
    assert!(told(&signer_params(), NOW).is_ok());
    let mut params = named("signer");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    assert!(told(&params, NOW).is_ok());
    let wrong = [
        (vec![], vec![]),
        (vec![KeyUsagePurpose::KeyAgreement], vec![]),
        (vec![], vec![ExtendedKeyUsagePurpose::ServerAuth]),
    ];
    for (usages, purposes) in wrong {
        params.key_usages = usages;
        params.extended_key_usages = purposes;
        assert!(matches!(
            told(&params, NOW),
            Err(VerifyError::Certificate(CertificateError::Usage))
        ));
    }
}

#[test]
fn expiry_counts_unless_it_is_said_not_to() {
    let mut params = signer_params();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 2, 1);
    assert!(matches!(
        told(&params, NOW),
        Err(VerifyError::Certificate(CertificateError::Expired))
    ));
    assert!(told(&params, Expiry::Ignored).is_ok());
    params.not_before = date_time_ymd(2026, 12, 1);
    params.not_after = date_time_ymd(2026, 12, 30);
    assert!(told(&params, NOW).is_err());
}

#[test]
fn a_signer_is_no_authority() {
    let rig = Rig::new();
    let root = authority("root");
    let (pair, _) = leaf_key(&PKCS_ECDSA_P256_SHA256);
    let signer = Authority {
        pem: root.issue(&signer_params(), &pair),
        params: signer_params(),
        key: pair,
    };
    // Neither for a leaf that is a signer nor for one that is an authority.
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let (pair, key) = leaf_key(&PKCS_ECDSA_P256_SHA256);
        let mut params = signer_params();
        params.is_ca = is_ca;
        let leaf = signer.issue(&params, &pair);
        let bundle = signed(&rig, key, &leaf, &[signer.pem.clone().into_bytes()]);
        assert!(bundle.verify(&trusting(&[&root.pem], NOW), Legacy::Refuse).is_err());
    }
}

#[test]
fn an_authority_signs_only_where_its_certificate_and_chain_say_so() {
    let mut params = signer_params();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert!(told(&params, NOW).is_ok());
    params.not_after = date_time_ymd(2026, 2, 1);
    assert!(matches!(
        told(&params, NOW),
        Err(VerifyError::Certificate(CertificateError::Expired))
    ));
    assert!(told(&params, Expiry::Ignored).is_ok());
    params.not_after = date_time_ymd(2027, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    assert!(matches!(
        told(&params, NOW),
        Err(VerifyError::Certificate(CertificateError::Usage))
    ));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.name_constraints = Some(rcgen::NameConstraints {
        permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("example.com".into())],
        excluded_subtrees: Vec::new(),
    });
    // It is critical, and nothing here checks it.
    assert!(matches!(
        told(&params, NOW),
        Err(VerifyError::Certificate(CertificateError::Authority))
    ));
}

#[test]
fn an_authority_without_room_below_vouches_for_one_leaf_only() {
    let rig = Rig::new();
    let root = authority("root");
    let authority_below = |issuer: &Authority, name: &str, room| {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(room));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Authority {
            pem: issuer.issue(&params, &key),
            params,
            key,
        }
    };
    let above = authority_below(&root, "above", 0);
    let below = authority_below(&above, "below", 0);
    let mut params = signer_params();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let between = [above.pem.clone().into_bytes(), below.pem.clone().into_bytes()];
    for (issuer, sound) in [(&above, true), (&below, false)] {
        let (pair, key) = leaf_key(&PKCS_ECDSA_P256_SHA256);
        let leaf = issuer.issue(&params, &pair);
        let bundle = signed(&rig, key, &leaf, &between);
        assert_eq!(
            bundle.verify(&trusting(&[&root.pem], NOW), Legacy::Refuse).is_ok(),
            sound
        );
        let stranger = authority("root");
        assert!(bundle.verify(&trusting(&[&stranger.pem], NOW), Legacy::Refuse).is_err());
    }
}

#[test]
fn a_certificate_that_is_its_own_issuer_is_trusted_when_it_is_named_itself() {
    let rig = Rig::new();
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = signer_params();
        params.is_ca = is_ca;
        let own = |algorithm| {
            let (pair, key) = leaf_key(algorithm);
            (params.self_signed(&pair).unwrap().pem(), key)
        };
        let (pem, key) = own(&PKCS_ECDSA_P384_SHA384);
        let bundle = signed(&rig, key, &pem, &[]);
        assert!(bundle.verify(&trusting(&[&pem], NOW), Legacy::Refuse).is_ok());
        let (stranger, _) = own(&PKCS_ECDSA_P384_SHA384);
        assert!(bundle.verify(&trusting(&[&stranger], NOW), Legacy::Refuse).is_err());
        let late = Expiry::Now(UnixMillis(1_830_000_000_000));
        assert!(matches!(
            bundle.verify(&trusting(&[&pem], late), Legacy::Refuse),
            Err(VerifyError::Certificate(CertificateError::Expired))
        ));
    }
}

#[test]
fn key_and_certificate_belong_together() {
    let root = authority("root");
    let (pair, _) = leaf_key(&PKCS_ECDSA_P256_SHA256);
    let (_, other) = leaf_key(&PKCS_ECDSA_P256_SHA256);
    let leaf = root.issue(&signer_params(), &pair);
    assert!(matches!(
        Chain::for_key(leaf.as_bytes(), &[], other.public()),
        Err(CertificateError::OtherKey)
    ));
    assert!(matches!(
        Chain::for_key(b"no certificate", &[], other.public()),
        Err(CertificateError::None)
    ));
}

#[test]
fn a_bundle_is_verified_in_its_own_way_only() {
    let rig = Rig::new();
    let root = authority("root");
    let by_key = Bundle::parse(&rig.signed(&key(Curve::P256))).unwrap();
    assert!(matches!(
        by_key.verify(&trusting(&[&root.pem], NOW), Legacy::Refuse),
        Err(VerifyError::OtherMethod { .. })
    ));
}
