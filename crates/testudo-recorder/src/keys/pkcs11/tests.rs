//! Tests with a token; `cargo xtask hsm` makes one in software and runs them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::keys::trial::{FixedClock, names};
use crate::keys::{SubjectKind, Vault, Who};

fn variable(name: &str) -> String {
    let value = std::env::var_os(name).unwrap_or_else(|| panic!("`{name}` is not set; run `cargo xtask hsm`"));
    value.into_string().unwrap()
}

fn settings(label: &str) -> Pkcs11Settings {
    Pkcs11Settings {
        module: variable("TESTUDO_HSM_MODULE").into(),
        token: variable("TESTUDO_HSM_TOKEN"),
        pin: Secret::new(variable("TESTUDO_HSM_PIN")),
        label: label.to_owned(),
    }
}

#[tokio::test]
async fn a_token_wraps_unwraps_renews_and_destroys() {
    let keyring = Pkcs11Keyring::open(&settings("wraps")).unwrap();
    let wrapped = keyring.wrap(&[7; 32], b"words").await.unwrap();
    assert!(!wrapped.bytes.windows(8).any(|it| it == [7; 8]));
    assert_eq!(keyring.unwrap(&wrapped, b"words").await.unwrap().as_slice(), [7; 32]);
    let refused = keyring.unwrap(&wrapped, b"other").await.unwrap_err();
    assert!(matches!(refused, KekError::Refused(_)), "{refused:?}");
    for at in 0..wrapped.bytes.len() {
        let mut flipped = wrapped.clone();
        flipped.bytes[at] ^= 1;
        let refused = keyring.unwrap(&flipped, b"words").await.unwrap_err();
        assert!(matches!(refused, KekError::Refused(_)), "byte {at}: {refused:?}");
        flipped.bytes.truncate(at);
        assert!(keyring.unwrap(&flipped, b"words").await.is_err(), "{at} bytes");
    }
    let newest = keyring.renew().await.unwrap();
    assert_eq!(keyring.wrap(&[7; 32], b"").await.unwrap().kek, newest);
    assert_eq!(keyring.list().await.unwrap(), [wrapped.kek.clone(), newest]);
    keyring.destroy(&wrapped.kek).await.unwrap();
    let gone = keyring.unwrap(&wrapped, b"words").await.unwrap_err();
    assert!(matches!(gone, KekError::Unknown(_)), "{gone:?}");
}

#[tokio::test]
async fn the_vault_works_with_a_token_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let [acme] = names(["acme"]);
    let who = Who {
        tenant: Some(&acme),
        kind: SubjectKind::Person,
        name: "ana",
    };
    let mut found = BTreeSet::new();
    for _ in 0..2 {
        let keks = Arc::new(Pkcs11Keyring::open(&settings("vault")).unwrap());
        let vault = Vault::open(folder.path(), keks, Arc::new(FixedClock)).await.unwrap();
        let known = vault.know(BTreeSet::new(), BTreeSet::from([who])).await.unwrap();
        found.insert(known.subjects[&who].pseudonym);
        vault.rotate_kek(None).await.unwrap();
        assert_eq!(vault.retire_keks().await.unwrap().len(), 1);
    }
    assert_eq!(found.len(), 1);
}

#[test]
fn a_key_that_could_leave_the_token_is_refused() {
    let settings = settings("extractable");
    let session = login(&settings).unwrap();
    let template = [
        Attribute::Label(b"extractable".to_vec()),
        Attribute::Id(b"kek-00000001-0123456789abcdef".to_vec()),
        Attribute::Token(true),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
        Attribute::ValueLen(32.into()),
    ];
    session.generate_key(&Mechanism::AesKeyGen, &template).unwrap();
    let refused = Pkcs11Keyring::open(&settings).unwrap_err();
    assert!(matches!(refused, KekError::Extractable(_)), "{refused:?}");
}

#[test]
fn a_wrong_token_or_pin_or_module_is_named() {
    let mut wrong = settings("wrong");
    wrong.token = "no such token".to_owned();
    let refused = Pkcs11Keyring::open(&wrong).unwrap_err();
    assert!(matches!(&refused, KekError::Token { token } if token == "no such token"));
    let mut wrong = settings("wrong");
    wrong.module = "/nowhere/module.so".into();
    let refused = Pkcs11Keyring::open(&wrong).unwrap_err();
    assert!(matches!(refused, KekError::Keeper { .. }), "{refused:?}");
}
