//! Whose word counts in the vault: who signed a model, and whose statements move it.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::Value;

use crate::ledger::{ended, said};
use crate::vault::Rig;

/// A key with a certificate, as `NAME.pem` and `NAME.crt`.
fn certify(
    rig: &Rig,
    name: &str,
    subject: &str,
    by: Option<(&CertificateParams, &KeyPair)>,
) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2096, 1, 1);
    let key = KeyPair::generate().unwrap();
    let pem = match by {
        None => {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params.self_signed(&key).unwrap().pem()
        }
        Some((authority, authority_key)) => {
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            let issuer = Issuer::from_params(authority, authority_key);
            params.signed_by(&key, &issuer).unwrap().pem()
        }
    };
    fs::write(rig.path(&format!("{name}.crt")), pem).unwrap();
    fs::write(rig.path(&format!("{name}.pem")), key.serialize_pem()).unwrap();
    (params, key)
}

/// Two authorities that both issue a certificate to `ci`, and one to `else`.
fn authorities(rig: &Rig) {
    for (authority, leaves) in [("ca", &["ci", "else"][..]), ("otherca", &["otherci"])] {
        let (params, key) = certify(rig, authority, authority, None);
        for leaf in leaves {
            let subject = if *leaf == "otherci" { "ci" } else { leaf };
            certify(rig, leaf, subject, Some((&params, &key)));
        }
    }
}

fn sign(rig: &Rig, by: &[&str], signature: &str) {
    let sign = ["model", "sign", "one", "--signature", signature];
    said(rig.dir(), &[&sign[..], by].concat());
}

#[test]
fn gates_ask_for_certificates_of_one_authority_and_one_name() {
    let gate = "[vault.gates]\nsigned_by = [{ certificate_chain = [\"ca.crt\"], identity = \"CN=ci\" }]";
    let rig = Rig::new("");
    authorities(&rig);
    rig.write("one/w", b"one");
    for who in ["ci", "else", "otherci"] {
        let (key, certificate) = (format!("{who}.pem"), format!("{who}.crt"));
        sign(
            &rig,
            &["--private-key", &key, "--signing-certificate", &certificate],
            &format!("{who}.sig"),
        );
    }
    let push = |who: &str, authority: &str, artifact: &str| {
        let (signature, authority) = (format!("{who}.sig"), format!("{authority}.crt"));
        let by = [
            "--signature",
            &signature,
            "--certificate-chain",
            &authority,
            "--format",
            "json",
        ];
        rig.run(&[&["push", "one", artifact, "--without-ledger"], &by[..]].concat())
    };
    // Pushed before there was a gate, with a signature that whoever pushed chose to trust.
    let stranger = push("otherci", "otherca", "n");
    assert!(stranger.status.success());
    let stranger: Value = serde_json::from_slice(&stranger.stdout).unwrap();
    rig.configure(gate);
    for (who, authority) in [("else", "ca"), ("otherci", "otherca")] {
        let refused = push(who, authority, "m");
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{who}");
        assert!(error.contains("signed by none of those who have to"), "{who}: {error}");
    }
    let pushed = push("ci", "ca", "m");
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    let pushed: Value = serde_json::from_slice(&pushed.stdout).unwrap();
    assert_eq!(rig.promote(pushed["version"].as_str().unwrap(), "alice").0, Some(0));
    // The name alone is not enough when it is promoted: the signature is verified again.
    let by = ["--alias", "prod", "--private-key", "alice.pem", "--reason", "x"];
    let (code, error) = rig.end(&[&["promote", "n", stranger["version"].as_str().unwrap()], &by[..]].concat());
    assert_eq!(code, Some(1));
    assert!(error.contains("signed by none of those who have to"), "{error}");
}

#[test]
fn signatures_by_pieces_and_other_hashes_are_pushed_and_promoted() {
    let rig = Rig::new("[vault.gates]\nsigned_by = [\"bob.pub\"]");
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    rig.write("one/deep/w", &content);
    rig.write("one/v", b"small");
    for (number, how) in [
        &["--shards", "500000"][..],
        &["--hash", "blake2b"],
        &["--hash", "blake3", "--shards", "1"],
        &[],
    ]
    .iter()
    .enumerate()
    {
        // A shard of one byte is for the small file alone.
        if how.len() == 4 {
            rig.write("one/deep/w", b"short");
        } else {
            rig.write("one/deep/w", &content);
        }
        let (signature, artifact) = (format!("{number}.sig"), format!("m{number}"));
        sign(&rig, &[&["--private-key", "bob.pem"], *how].concat(), &signature);
        let push = [
            "push",
            "one",
            &artifact,
            "--signature",
            &signature,
            "--public-key",
            "bob.pub",
        ];
        let pushed = rig.say(&[&push[..], &["--format", "json"]].concat());
        let pushed: Value = serde_json::from_str(&pushed).unwrap();
        let by = ["--alias", "prod", "--private-key", "alice.pem", "--reason", "x"];
        let version = pushed["version"].as_str().unwrap();
        rig.say(&[&["promote", &artifact, version], &by[..]].concat());
        // Pushed again nothing is sealed again, and all is held against the signature again.
        rig.say(&push);
        // What differs is named.
        rig.write("one/v", b"other");
        rig.write("one/new", b"new");
        let (code, error) = rig.end(&push);
        assert_eq!(code, Some(1));
        assert!(error.contains("changed: v"), "{how:?}: {error}");
        assert!(error.contains("never signed: new"), "{how:?}: {error}");
        fs::remove_file(rig.path("one/v")).unwrap();
        let (_, error) = rig.end(&push);
        assert!(error.contains("missing: v"), "{how:?}: {error}");
        fs::remove_file(rig.path("one/new")).unwrap();
        rig.write("one/v", b"small");
    }
}

#[test]
fn who_left_promotes_no_more_and_what_they_promoted_stays() {
    let rig = Rig::new("");
    rig.write("one/w", b"one");
    rig.write("two/w", b"two");
    let (one, two) = (rig.push("one"), rig.push("two"));
    rig.promote(&one, "bob");
    let write = |approvers: &str, more: &str| {
        let text = format!("[vault.approvers]\n{approvers}\n{more}\n");
        fs::write(rig.path("testudo.toml"), text).unwrap();
    };
    let alice = "alice = \"alice.pub\"";
    write(alice, "");
    assert!(rig.pull_prod("a").unwrap_err().contains("none of the approvers'"));
    write(alice, "[vault.former_approvers.bob]\nkey = \"bob.pub\"");
    let error = rig.pull_prod("a").unwrap_err();
    assert!(error.contains("statement 1 is by `bob`, who is no approver"), "{error}");
    write(
        alice,
        "[vault.former_approvers.bob]\nkey = \"bob.pub\"\nuntil = { m = 1 }",
    );
    assert_eq!(rig.pull_prod("a").unwrap(), b"one");
    let (code, error) = rig.promote(&two, "bob");
    assert_eq!(code, Some(1));
    assert!(error.contains("`bob` is no approver of `m`"), "{error}");
    assert_eq!(rig.promote(&two, "alice").0, Some(0));
    assert_eq!(rig.pull_prod("b").unwrap(), b"two");
    // Who stays an approver of others only.
    let both = "alice = \"alice.pub\"\nbob = \"bob.pub\"";
    write(
        both,
        "[vault.artifacts.m]\napprovers = [\"alice\"]\n[vault.former_approvers.bob]\nuntil = { m = 1 }",
    );
    assert_eq!(rig.pull_prod("c").unwrap(), b"two");
    assert!(rig.promote(&one, "bob").1.contains("`bob` is no approver of `m`"));
    // A stolen key: bob's next statement is made by a program with other settings, and stands without effect.
    let elsewhere = [
        "--approver-key",
        "alice.pub",
        "--approver-key",
        "bob.pub",
        "--approver",
        "bob",
    ];
    let by = ["--alias", "prod", "--private-key", "bob.pem", "--reason", "stolen"];
    rig.say(&[&["promote", "m", &one], &by[..], &elsewhere].concat());
    assert!(rig.pull_prod("d").unwrap_err().contains("statement 3 is by `bob`"));
    write(
        alice,
        "[vault.former_approvers.bob]\nkey = \"bob.pub\"\nuntil = { m = 1 }\nvoid_until = { m = 3 }",
    );
    assert_eq!(rig.pull_prod("d").unwrap(), b"two");
    let shown: Value = serde_json::from_str(&rig.say(&["show", "m", "prod", "--format", "json"])).unwrap();
    assert_eq!(shown["statements"][2]["void"], true);
}

#[test]
fn settings_of_approvers_that_do_nothing_or_nobody_can_mean_are_mistakes() {
    let rig = Rig::new("");
    for (more, says) in [
        (
            "[vault.former_approvers.carol]\nuntil = { m = 1 }",
            "`vault.former_approvers.carol.key` is missing",
        ),
        (
            "[vault.former_approvers.carol]\nkey = \"bob.pub\"",
            "`bob` and `carol` have the same key",
        ),
        (
            "[vault.former_approvers.bob]\nuntil = { m = 1 }",
            "`bob` still is an approver of `m`",
        ),
        (
            "[vault.former_approvers.bob]\nuntil = { m = \"1\" }",
            "cannot be a text",
        ),
        ("[vault.former_approvers.bob]\nuntil = { m = -1 }", "cannot be a number"),
        ("[vault.artifacts.m]\napprovers = []", "`m` has no approver"),
        (
            "[vault.artifacts.m]\napprovers = [\"alic\"]",
            "`alic` is none of [vault.approvers]",
        ),
        (
            "[vault]\ntwo_people = [\"prod\"]\n[vault.artifacts.m]\napprovers = [\"alice\"]",
            "`prod` waits for two people, and `m` has one approver",
        ),
        ("[vault.gates]\nsigned_by = [{ }]", "a signer is known by a key"),
        (
            "[vault.gates]\nsigned_by = [{ key = \"bob.pub\", certificate_chain = [\"bob.pub\"] }]",
            "a signer is known by a key",
        ),
        (
            "[vault.gates]\nsigned_by = [{ key = \"bob.pub\", identity = \"CN=x\" }]",
            "`identity` does nothing without",
        ),
        (
            "[vault.gates]\nsigned_by = [{ certificate_chain = [\"bob.pub\"] }]",
            "a signer cannot be used",
        ),
        (
            "[vault.gates]\nsigned_by = [{ trust_root = \"bob.pub\" }]",
            "`identity` of a signer through Sigstore is missing",
        ),
    ] {
        rig.configure(more);
        let (code, error) = ended(rig.dir(), &["model", "list", "--without-ledger"]);
        assert_eq!(code, Some(1), "{more}");
        assert!(error.contains(says), "{more}: {error}");
    }
}
