//! Bundles and statements that a signer or somebody else made wrong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::rig::{Key, Rig, key, lookup, unwatched};
use crate::signing::envelope::{PAYLOAD_TYPE, pae};
use crate::signing::keys::Curve;
use crate::signing::*;

const X: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

/// A bundle by `key` around any payload.
fn around(key: &Key, payload: &[u8]) -> Vec<u8> {
    bundle(key, payload, &key.signing().sign(&pae(PAYLOAD_TYPE, payload)).unwrap())
        .to_string()
        .into_bytes()
}

fn bundle(key: &Key, payload: &[u8], signature: &[u8]) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": key.signing().public().hint() }, "tlogEntries": [] },
        "dsseEnvelope": {
            "payload": STANDARD.encode(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{ "sig": STANDARD.encode(signature), "keyid": "" }],
        },
    })
}

fn root(digests: &[&str]) -> String {
    let bytes: Vec<u8> = digests.iter().flat_map(|it| crate::hex::decode(it).unwrap()).collect();
    crate::hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref())
}

/// A statement about files of content `x`, sound unless `change` breaks it.
fn statement(names: &[&str], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let digests: Vec<&str> = names.iter().map(|_| X).collect();
    let resources: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "digest": X, "algorithm": "sha256" }))
        .collect();
    let mut value = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "m", "digest": { "sha256": root(&digests) } }],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": resources,
            "serialization": { "method": "files", "hash_type": "sha256", "allow_symlinks": false },
        },
    });
    change(&mut value);
    value.to_string().into_bytes()
}

/// What verifying a signed statement says.
fn told(statement: &[u8]) -> String {
    let key = key(Curve::P256);
    match key.verify(&around(&key, statement)) {
        Ok(_) => "verified".to_owned(),
        Err(error) => error,
    }
}

#[test]
fn sound_statements_verify_in_both_orders() {
    assert_eq!(told(&statement(&["a", "b"], |_| {})), "verified");
    // By code points `a-b` comes first, by parts `a/b` does, as the reference implementation writes it.
    assert_eq!(told(&statement(&["a-b", "a/b"], |_| {})), "verified");
    assert_eq!(told(&statement(&["a/b", "a-b"], |_| {})), "verified");
    // Fields nobody knows are ignored.
    assert_eq!(
        told(&statement(&["a"], |it| it["predicate"]["more"] = json!(1))),
        "verified"
    );
    assert_eq!(
        told(&statement(&["a"], |it| it["predicate"]["resources"][0]["uri"] = json!("u"))),
        "verified"
    );
}

#[test]
fn statements_that_could_be_read_in_two_ways_are_refused() {
    for (names, expected) in [
        (vec!["b", "a"], "Unsorted"),
        (vec!["a", "a"], "Twice"),
        (vec!["a/../b"], "Name"),
        (vec!["/a"], "Name"),
        (vec!["./a"], "Name"),
        (vec!["a//b"], "Name"),
        (vec!["a/"], "Name"),
        (vec![""], "Name"),
        (vec![".", "a"], "Nameless"),
        (vec![".", "model"], "Twice"),
        (vec![], "resources"),
    ] {
        let told = told(&statement(&names, |_| {}));
        assert!(told.contains(expected), "{names:?}: {told}");
    }
    let twice = String::from_utf8(statement(&["a"], |_| {})).unwrap();
    let twice = twice.replace(
        "\"allow_symlinks\":false",
        "\"allow_symlinks\":true,\"allow_symlinks\":false",
    );
    assert!(told(twice.as_bytes()).contains("Json"));
}

#[test]
fn statements_of_other_kinds_are_refused() {
    let changes: [(&str, Value, &str); 14] = [
        ("/_type", json!("https://in-toto.io/Statement/v0.1"), "_type"),
        ("/predicateType", json!("https://slsa.dev/provenance/v1"), "Predicate"),
        ("/predicateType", json!("https://model_signing/Digests/v0.1"), "Legacy"),
        ("/subject", json!([]), "subject"),
        ("/subject/0/name", json!(""), "subject"),
        ("/subject/0/digest/sha256", json!(X), "Root"),
        ("/predicate/serialization/method", json!("tensors"), "method"),
        ("/predicate/serialization/method", json!("shards"), "shard_size"),
        ("/predicate/serialization/hash_type", json!("md5"), "hash_type"),
        (
            "/predicate/serialization/allow_symlinks",
            json!("false"),
            "allow_symlinks",
        ),
        ("/predicate/resources/0/algorithm", json!("blake3"), "Digest"),
        ("/predicate/resources/0/digest", json!("00"), "Digest"),
        ("/predicate/resources/0/digest", json!(X.to_uppercase()), "Digest"),
        ("/predicate", json!(null), "predicate"),
    ];
    for (pointer, value, expected) in changes {
        let shown = format!("{pointer} = {value}");
        let told = told(&statement(&["a"], |it| *it.pointer_mut(pointer).unwrap() = value));
        assert!(told.contains(expected), "{shown}: {told}");
    }
}

#[test]
fn pieces_must_be_those_of_the_shard_size() {
    let shards = |name: &str, size: Value| {
        told(&statement(&[name], |it| {
            it["predicate"]["serialization"]["method"] = json!("shards");
            it["predicate"]["serialization"]["shard_size"] = size;
        }))
    };
    assert_eq!(shards("a:0:10", json!(10)), "verified");
    assert_eq!(shards("a:b:10:15", json!(10)), "verified");
    for (name, size) in [
        ("a", json!(10)),
        ("a:0:11", json!(10)),
        ("a:5:10", json!(10)),
        ("a:10:10", json!(10)),
        ("a:10:5", json!(10)),
        ("a:0:10", json!(0)),
        ("a:0:10", json!(-1)),
        ("a:0:10", json!("10")),
        ("a:00:10", json!(10)),
        (":0:10", json!(10)),
    ] {
        assert_ne!(shards(name, size.clone()), "verified", "{name} {size}");
    }
}

#[test]
fn signers_cannot_excuse_what_programs_load() {
    let rig = Rig::empty();
    rig.write("a", b"x");
    let key = key(Curve::P256);
    let excusing = |path: &str| {
        let payload = statement(&["a"], |it| {
            it["predicate"]["serialization"]["ignore_paths"] = json!([path])
        });
        key.verify(&around(&key, &payload)).unwrap()
    };
    rig.write("notes.txt", b"");
    assert_eq!(rig.compare(&excusing("notes.txt")).unwrap().excused.len(), 1);
    for name in [
        "x/model.SafeTensors",
        "x/setup.py",
        "x/config.json",
        "x/pytorch_model.bin",
        "x/t.jinja",
    ] {
        rig.write(name, b"");
        let compared = rig.compare(&excusing("x"));
        assert!(
            matches!(compared, Err(CompareError::Tree(_) | CompareError::ExcusedLoadable(_))),
            "{name}"
        );
        let mut ours = lookup();
        ours.scope.leave_out(ResourceName::parse("x").unwrap());
        ours.scope.leave_out(ResourceName::parse("notes.txt").unwrap());
        let compared = excusing("x").compare(&rig.model(), &ours, &unwatched).unwrap();
        assert!(compared.is_same(), "{name}");
        std::fs::remove_file(rig.path().join(name)).unwrap();
    }
    for path in ["..", "/", "../x", "x/../..", ""] {
        assert!(
            matches!(rig.compare(&excusing(path)), Err(CompareError::Ignored(_))),
            "{path}"
        );
    }
}

#[test]
fn bundles_that_are_none_are_refused() {
    let key = key(Curve::P256);
    let payload = statement(&["a"], |_| {});
    let sound = bundle(
        &key,
        &payload,
        &key.signing().sign(&pae(PAYLOAD_TYPE, &payload)).unwrap(),
    );
    assert!(key.verify(sound.to_string().as_bytes()).is_ok());
    let certificate = json!({ "rawBytes": "AAAA" });
    let changes: [(&str, Value); 16] = [
        (
            "/mediaType",
            json!("application/vnd.dev.sigstore.bundle+json;version=0.2"),
        ),
        ("/mediaType", json!(null)),
        ("/verificationMaterial", json!({})),
        ("/verificationMaterial", json!({ "publicKey": {} })),
        ("/verificationMaterial", json!({ "publicKey": { "hint": "" } })),
        (
            "/verificationMaterial",
            json!({ "publicKey": { "hint": "x" }, "certificate": certificate, "tlogEntries": [{}] }),
        ),
        ("/verificationMaterial", json!({ "certificate": certificate })),
        (
            "/verificationMaterial",
            json!({ "certificate": certificate, "tlogEntries": [] }),
        ),
        (
            "/verificationMaterial",
            json!({ "x509CertificateChain": { "certificates": [] } }),
        ),
        (
            "/verificationMaterial",
            json!({ "x509CertificateChain": { "certificates": vec![certificate.clone(); 18] } }),
        ),
        ("/dsseEnvelope", json!(null)),
        ("/dsseEnvelope/payloadType", json!("text/plain")),
        ("/dsseEnvelope/payload", json!("not base64!")),
        ("/dsseEnvelope/signatures", json!([])),
        (
            "/dsseEnvelope/signatures",
            json!([
                sound["dsseEnvelope"]["signatures"][0],
                sound["dsseEnvelope"]["signatures"][0]
            ]),
        ),
        ("/dsseEnvelope/signatures/0/keyid", json!(7)),
    ];
    for (pointer, value) in changes {
        let mut changed = sound.clone();
        *changed.pointer_mut(pointer).unwrap() = value.clone();
        assert!(
            Bundle::parse(changed.to_string().as_bytes()).is_err(),
            "{pointer} = {value}"
        );
    }
    let mut more = sound.clone();
    more["messageSignature"] = json!({});
    assert!(Bundle::parse(more.to_string().as_bytes()).is_err());
    for text in ["", "{}", "[]", "null", "{\"mediaType\":1}"] {
        assert!(Bundle::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn what_old_bundles_lack_is_not_missed() {
    let key = key(Curve::P256);
    let payload = statement(&["a"], |_| {});
    let mut old = bundle(
        &key,
        &payload,
        &key.signing().sign(&pae(PAYLOAD_TYPE, &payload)).unwrap(),
    );
    old["verificationMaterial"] =
        json!({ "publicKey": { "rawBytes": "AAAA", "keyDetails": "PKIX_ECDSA_P256_SHA_256" } });
    for key_id in [json!(null), json!(""), json!("k")] {
        old["dsseEnvelope"]["signatures"][0]["keyid"] = key_id;
        assert!(key.verify(old.to_string().as_bytes()).is_ok());
    }
}

#[test]
fn the_right_key_and_the_right_hash_are_needed() {
    let key = key(Curve::P384);
    let payload = statement(&["a"], |_| {});
    let other = super::rig::key(Curve::P384);
    let by_other = other.signing().sign(&pae(PAYLOAD_TYPE, &payload)).unwrap();
    let told = |value: &Value| key.verify(value.to_string().as_bytes()).unwrap_err();
    assert!(told(&bundle(&key, &payload, &by_other)).contains("Signature"));
    assert!(told(&bundle(&other, &payload, &by_other)).contains("OtherKey"));
    let bare = key.signing().sign(&payload).unwrap();
    assert!(told(&bundle(&key, &payload, &bare)).contains("Signature"));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &pae(PAYLOAD_TYPE, &payload));
    let hashed_twice = key.signing().sign(digest.as_ref()).unwrap();
    assert!(told(&bundle(&key, &payload, &hashed_twice)).contains("Signature"));
    let trust = Trust::Key(super::rig::key(Curve::P256).signing().public().clone());
    assert!(matches!(
        Bundle::parse(&around(&key, &payload))
            .unwrap()
            .verify(&trust, Legacy::Refuse),
        Err(VerifyError::OtherKey { .. })
    ));
}

#[test]
fn version_02_is_read_only_when_asked_for() {
    let key = key(Curve::P256);
    let payload = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "b", "digest": { "sha256": X } }, { "name": "a", "digest": { "sha256": X } }],
        "predicateType": "https://model_signing/Digests/v0.1",
        "predicate": {},
    })
    .to_string();
    let signature = key.signing().sign(&legacy::pae(payload.as_bytes())).unwrap();
    let bundle = bundle(&key, payload.as_bytes(), &signature).to_string();
    let bundle = Bundle::parse(bundle.as_bytes()).unwrap();
    assert!(matches!(
        bundle.verify(&key.trust(), Legacy::Refuse),
        Err(VerifyError::Signature)
    ));
    let verified = bundle.verify(&key.trust(), Legacy::AcceptV02).unwrap();
    assert_eq!(verified.manifest().resources.len(), 2);
    // Signed properly, the old statement is still the old statement.
    assert!(told(payload.as_bytes()).contains("Legacy"));
}
