//! Whom a command trusts is said alike for signatures, attestations, bills and pushes.

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
    date_time_ymd,
};

use crate::program::said;
use crate::vault::Rig;

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}

/// A model, and keys with certificates under one root: one whose time is over, and one whose time is not.
fn rig() -> Rig {
    let rig = Rig::new("");
    rig.write("one/w", b"one");
    let mut root = named("root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let root_key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    fs::write(rig.path("root.crt"), root.self_signed(&root_key).unwrap().pem()).unwrap();
    for (name, until) in [("sound", 2120), ("over", 2021)] {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let mut leaf = named(name);
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.not_after = date_time_ymd(until, 1, 1);
        let pem = leaf
            .signed_by(&key, &Issuer::from_params(&root, &root_key))
            .unwrap()
            .pem();
        fs::write(rig.path(&format!("{name}.crt")), pem).unwrap();
        fs::write(rig.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let by = ["--private-key", &key, "--signing-certificate", &certificate];
        said(&rig.run(&[&["sign", "one", "--signature", &format!("{name}.sig")][..], &by].concat()));
        said(&rig.run(&[&["attest", "one", "--output", &format!("{name}.att")][..], &by].concat()));
    }
    rig
}

/// The commands that verify something by `name`, without whom they trust.
fn commands(name: &str) -> [Vec<String>; 4] {
    let words = |text: String| text.split(' ').map(ToOwned::to_owned).collect();
    [
        words(format!("verify one --signature {name}.sig")),
        words(format!("verify-attestation one --attestation {name}.att")),
        words(format!("bom one --signature {name}.sig --output {name}.cdx.json")),
        words(format!("push one {name} --signature {name}.sig --without-ledger")),
    ]
}

fn ends(rig: &Rig, command: &[String], trusting: &[&str]) -> Option<i32> {
    let words: Vec<&str> = command
        .iter()
        .map(String::as_str)
        .chain(trusting.iter().copied())
        .collect();
    rig.run(&words).status.code()
}

#[test]
fn a_certificate_is_enough_until_its_time_is_over() {
    let rig = rig();
    let root = ["--certificate-chain", "root.crt"];
    let lenient = [&root[..], &["--accept-expired-certificate"]].concat();
    for command in commands("sound") {
        assert_eq!(ends(&rig, &command, &root), Some(0), "{command:?}");
        assert_eq!(ends(&rig, &command, &lenient), Some(0), "{command:?}");
    }
    for command in commands("over") {
        assert_ne!(ends(&rig, &command, &root), Some(0), "{command:?}");
        assert_eq!(ends(&rig, &command, &lenient), Some(0), "{command:?}");
    }
}

#[test]
fn somebody_has_to_be_trusted_in_one_way() {
    let rig = rig();
    fs::write(rig.path("none.json"), "{}").unwrap();
    let sigstore = [
        "--sigstore",
        "--trust-root",
        "none.json",
        "--identity",
        "a@b.c",
        "--identity-provider",
        "https://p",
    ];
    for command in commands("sound") {
        for trusting in [
            &[][..],
            &["--public-key", "alice.pub"],
            &["--public-key", "alice.pub", "--certificate-chain", "root.crt"],
            &["--certificate-chain", "alice.pub"],
            &["--certificate-chain", "root.crt", "--timestamp-chain", "root.crt"],
            &["--sigstore"],
            &sigstore[..5],
            &sigstore[3..],
            &sigstore,
            &[&sigstore[..], &["--public-key", "alice.pub"]].concat(),
        ] {
            assert!(
                !matches!(ends(&rig, &command, trusting), Some(0) | None),
                "{command:?} {trusting:?}"
            );
        }
    }
    // A bill without a signature says nothing of whom was trusted.
    let bill = ["bom".to_owned(), "one".to_owned()];
    assert_eq!(ends(&rig, &bill, &[]), Some(0));
    assert_ne!(ends(&rig, &bill, &["--public-key", "alice.pub"]), Some(0));
}

#[test]
fn the_password_of_a_key_serves_attestations_too() {
    let rig = rig();
    fs::write(rig.path("password"), "not needed\n").unwrap();
    let attest = [
        "attest",
        "one",
        "--output",
        "a.att",
        "--private-key",
        "alice.pem",
        "--password-file",
        "password",
    ];
    let output = rig.run(&attest);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the private key is not encrypted"));
    // Not where a key was expected: neither of the two, or both.
    for more in [
        &[][..],
        &["--private-key", "alice.pem", "--pkcs11-uri", "pkcs11:object=a"],
    ] {
        let output = rig.run(&[&["sign", "one", "--signature", "a.sig"], more].concat());
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn a_push_names_both_ways_in() {
    let rig = Rig::new("");
    rig.write("one/w", b"one");
    let push = ["push", "one", "one", "--without-ledger"];
    let output = rig.run(&push);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--signature") && said.contains("--unsigned"), "{said}");
    let both = [&push[..], &["--unsigned", "--signature", "one.sig"]].concat();
    assert_eq!(rig.run(&both).status.code(), Some(2));
}
