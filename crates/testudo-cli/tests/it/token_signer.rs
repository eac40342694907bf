//! Models signed, attested and promoted with a key in a PKCS#11 token, through the binary; run by `cargo xtask hsm`.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::program::said;
use crate::vault::Rig;
use crate::vault_token::variable;

static IMPORTED: AtomicU8 = AtomicU8::new(0);

/// A folder with a model; alice's key, which the configuration knows, is in the token as well.
fn rig(label: &str) -> Rig {
    let rig = Rig::with_variables("", vec![("SOFTHSM2_CONF", variable("SOFTHSM2_CONF"))]);
    rig.write("one/w", b"one");
    rig.private("pin", &format!("{}\n", variable("TESTUDO_HSM_PIN")));
    let (token, pin) = (variable("TESTUDO_HSM_TOKEN"), variable("TESTUDO_HSM_PIN"));
    // The software token tells keys apart by their ids.
    let nth = IMPORTED.fetch_add(1, Ordering::Relaxed);
    let id = format!("{:08x}{nth:02x}", std::process::id());
    let imported = Command::new("softhsm2-util")
        .args(["--import", "alice.pem", "--token", &token, "--pin", &pin])
        .args(["--label", &named(label), "--id", &id])
        .current_dir(rig.dir())
        .output()
        .unwrap();
    assert!(imported.status.success(), "{imported:?}");
    rig
}

/// Labels of their own keep tests apart that share a token.
fn named(label: &str) -> String {
    format!("{label}-{}", std::process::id())
}

fn address(label: &str) -> String {
    format!(
        "pkcs11:token={};object={};type=private?module-path={}",
        variable("TESTUDO_HSM_TOKEN"),
        named(label),
        variable("TESTUDO_HSM_MODULE")
    )
}

fn with_token(rig: &Rig, label: &str, arguments: &[&str]) -> Output {
    let address = address(label);
    let key = ["--pkcs11-uri", &address, "--password-file", "pin"];
    rig.run(&[arguments, &key].concat())
}

#[test]
fn a_model_is_signed_by_the_token_and_verified_by_the_public_half() {
    let rig = rig("signs");
    said(&with_token(&rig, "signs", &["sign", "one", "--signature", "one.sig"]));
    let verify = ["verify", "one", "--signature", "one.sig", "--public-key"];
    assert!(said(&rig.run(&[&verify[..], &["alice.pub"]].concat())).starts_with("verified: 1 file"));
    assert_eq!(rig.run(&[&verify[..], &["bob.pub"]].concat()).status.code(), Some(20));
    said(&with_token(&rig, "signs", &["attest", "one", "--output", "one.intoto"]));
    let verify = [
        "verify-attestation",
        "one",
        "--attestation",
        "one.intoto",
        "--public-key",
    ];
    assert!(said(&rig.run(&[&verify[..], &["alice.pub"]].concat())).starts_with("verified"));
    assert_eq!(rig.run(&[&verify[..], &["bob.pub"]].concat()).status.code(), Some(20));
}

#[test]
fn an_alias_is_moved_by_who_holds_the_token() {
    let rig = rig("moves");
    let one = rig.push("one");
    let promote = [
        "promote",
        "m",
        &one,
        "--alias",
        "prod",
        "--reason",
        "because",
        "--without-ledger",
    ];
    said(&with_token(&rig, "moves", &promote));
    assert_eq!(rig.pull_prod("a").unwrap(), b"one");
}

#[test]
fn a_key_that_cannot_be_used_is_told_without_the_pin() {
    let rig = rig("tells");
    let refused = |address: &str, more: &[&str], says: &str| {
        let sign = ["sign", "one", "--signature", "one.sig", "--pkcs11-uri", address];
        let output = rig.run(&[&sign[..], more].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(says) && !error.contains("98765"), "{error}");
        assert!(!rig.path("one.sig").exists());
    };
    let sound = address("tells");
    refused(&sound, &[], "no PIN is given");
    refused(&format!("{sound}&pin-value=98765"), &[], "cannot log in");
    refused(
        &format!("{sound}&pin-value=98765"),
        &["--password-file", "pin"],
        "the PIN is given twice",
    );
    refused(&format!("{sound}&pin-value=98765&pin-value=1"), &[], "twice");
    refused(
        &sound.replace("object=", "object=not-"),
        &["--password-file", "pin"],
        "0 private keys",
    );
    let nowhere = sound.replace(&variable("TESTUDO_HSM_MODULE"), "/nowhere/module.so");
    refused(&nowhere, &["--password-file", "pin"], "cannot load the PKCS#11 module");
    refused("pkcs11:object=a;colour=red", &["--password-file", "pin"], "`colour`");
}
