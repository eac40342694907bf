//! Signatures through Sigstore, and all the ways in which their evidence must not hold.

mod services;
mod stamping;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{ExtendedKeyUsagePurpose, SanType};
use serde_json::{Value, json};
use testudo_types::UnixMillis;

use super::rig::{Rig, options, unwatched};
use crate::signing::envelope::{PAYLOAD_TYPE, pae};
use crate::signing::statement::{self, Names};
use crate::signing::*;
use services::{Holder, IDENTITY, NOON, NOON_MS, PROVIDER, Services, Wanted, bundle, signature};
use stamping::{Flaws, flawed};

/// A signed model with everything that may be changed before it is verified.
struct Case {
    rig: Rig,
    services: Services,
    holder: Holder,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

fn case() -> Case {
    made(&Wanted::default())
}

fn made(wanted: &Wanted) -> Case {
    let rig = Rig::new();
    let services = Services::new();
    let holder = services.certificate(wanted);
    let manifest = digest(&rig.model(), &options(), &unwatched).unwrap().manifest;
    let payload = statement::write(&manifest, Names::Specification).unwrap();
    let signature = signature(&holder, &payload);
    Case {
        rig,
        services,
        holder,
        payload,
        signature,
    }
}

impl Case {
    fn body(&self) -> Value {
        Services::envelope_body(&self.holder, &self.payload, &self.signature)
    }

    fn entry(&self) -> Value {
        self.services.entry(&self.body(), NOON)
    }

    fn bundle(&self, entries: &[Value], stamps: &[Value]) -> Value {
        bundle(&self.holder, &self.payload, &self.signature, entries, stamps)
    }

    fn verify(&self, bundle: &Value) -> Result<Verified, String> {
        self.verify_as(bundle, &self.services.root(), IDENTITY, PROVIDER)
    }

    fn verify_as(&self, bundle: &Value, root: &Value, identity: &str, provider: &str) -> Result<Verified, String> {
        let root = TrustedRoot::parse(root.to_string().as_bytes()).map_err(|error| format!("{error:?}"))?;
        let trust = Trust::Sigstore(Box::new(SigstoreTrust {
            root,
            identity: identity.to_owned(),
            provider: provider.to_owned(),
        }));
        Bundle::parse(bundle.to_string().as_bytes())
            .map_err(|error| format!("{error:?}"))?
            .verify(&trust, Legacy::Refuse)
            .map_err(|error| format!("{error:?}"))
    }
}

#[track_caller]
fn refused(found: Result<Verified, String>, expected: &str) {
    let told = found.expect_err(expected);
    assert!(told.contains(expected), "{told}, and not {expected}");
}

#[test]
fn what_both_kinds_of_logs_show_verifies() {
    let case = case();
    let verified = case.verify(&case.bundle(&[case.entry()], &[])).unwrap();
    let millis = UnixMillis(NOON_MS);
    assert!(matches!(
        verified.by(),
        SignedBy::Sigstore { identity, time, .. } if identity == IDENTITY && *time == millis
    ));
    assert!(case.rig.compare(&verified).unwrap().is_same());
    let signed = pae(PAYLOAD_TYPE, &case.payload);
    let new = case.services.new_entry(&case.holder, &signed, &case.signature);
    let stamp = case.services.stamp(&case.signature, NOON + 5);
    assert!(
        case.verify(&case.bundle(std::slice::from_ref(&new), std::slice::from_ref(&stamp)))
            .is_ok()
    );
    assert!(
        case.verify(&case.bundle(&[case.entry(), new.clone()], &[stamp]))
            .is_ok()
    );
    // The newer log promises no time, and nobody else does.
    refused(case.verify(&case.bundle(&[new], &[])), "NoTime");
}

#[test]
fn name_and_provider_are_taken_exactly() {
    let case = case();
    let bundle = case.bundle(&[case.entry()], &[]);
    let root = case.services.root();
    for identity in [
        "",
        "https://forge.example",
        &IDENTITY.to_uppercase(),
        &format!("{IDENTITY}x"),
    ] {
        refused(case.verify_as(&bundle, &root, identity, PROVIDER), "Identity");
    }
    for provider in ["", "https://tokens.example/", "https://tokens.exampl"] {
        refused(case.verify_as(&bundle, &root, IDENTITY, provider), "Issuer");
    }
}

#[test]
fn a_certificate_must_say_what_it_has_to() {
    let told = |wanted: &Wanted| {
        let case = made(wanted);
        case.verify(&case.bundle(&[case.entry()], &[]))
    };
    let other = Some("https://other.example".to_owned());
    let changed = |change: fn(&mut Wanted)| {
        let mut wanted = Wanted::default();
        change(&mut wanted);
        wanted
    };
    for old_or_new in [0, 1] {
        let mut wanted = Wanted::default();
        wanted.issuers[old_or_new] = None;
        assert!(told(&wanted).is_ok());
        wanted.issuers[old_or_new].clone_from(&other);
        refused(told(&wanted), "Nameless");
    }
    refused(told(&changed(|it| it.issuers = [None, None])), "Nameless");
    refused(
        told(&changed(|it| {
            it.identity = SanType::DnsName("forge.example".try_into().unwrap())
        })),
        "Nameless",
    );
    let mail = SanType::Rfc822Name("jo@forge.example".try_into().unwrap());
    let wanted = Wanted {
        identity: mail,
        ..Wanted::default()
    };
    refused(told(&wanted), "Identity { found: \"jo@forge.example\" }");
    refused(told(&changed(|it| it.purposes.clear())), "Usage");
    refused(
        told(&changed(|it| it.purposes = vec![ExtendedKeyUsagePurpose::ServerAuth])),
        "Usage",
    );
    refused(told(&changed(|it| it.promised = false)), "NoCertificatePromise");
}

#[test]
fn the_entry_must_be_about_this_signature() {
    let case = case();
    let check = |change: &dyn Fn(&mut Value)| {
        let mut body = case.body();
        change(&mut body);
        case.verify(&case.bundle(&[case.services.entry(&body, NOON)], &[]))
    };
    assert!(check(&|_| {}).is_ok());
    let again = signature(&case.holder, &case.payload);
    let stranger = case.services.certificate(&Wanted::default());
    let encoded = |bytes: &[u8]| json!(STANDARD.encode(bytes));
    let changes: [(&str, Value); 8] = [
        ("/spec/payloadHash/value", json!("00".repeat(32))),
        ("/spec/payloadHash/algorithm", json!("md5")),
        ("/spec/signatures/0/signature", encoded(&again)),
        (
            "/spec/signatures/0/verifier",
            encoded(services::pem(&stranger.der).as_bytes()),
        ),
        ("/spec/signatures/0/verifier", encoded(&case.holder.der)),
        ("/spec/signatures", json!([])),
        ("/kind", json!("helm")),
        ("/apiVersion", json!("0.0.9")),
    ];
    for (pointer, value) in changes {
        refused(
            check(&|body| *body.pointer_mut(pointer).unwrap() = value.clone()),
            "OtherEntry",
        );
    }
    let mut entry = case.entry();
    entry["kindVersion"]["kind"] = json!("intoto");
    refused(case.verify(&case.bundle(&[entry], &[])), "OtherEntry");
    let other = pae(PAYLOAD_TYPE, b"another payload");
    let stamp = case.services.stamp(&case.signature, NOON);
    let entry = case.services.new_entry(&case.holder, &other, &case.signature);
    refused(case.verify(&case.bundle(&[entry], &[stamp])), "OtherEntry");
}

#[test]
fn older_kinds_of_entries_are_read_too() {
    let case = case();
    let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": crate::hex::encode(&sha256_of(bytes)) });
    let key = STANDARD.encode(services::pem(&case.holder.der));
    let sig = STANDARD.encode(&case.signature);
    let statement = json!({
        "apiVersion": "0.0.2",
        "kind": "intoto",
        "spec": { "content": {
            "envelope": { "payloadType": PAYLOAD_TYPE, "signatures": [{ "publicKey": key, "sig": STANDARD.encode(&sig) }] },
            "hash": hash(b"the envelope"),
            "payloadHash": hash(&case.payload),
        } },
    });
    let record = json!({
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": { "hash": hash(&pae(PAYLOAD_TYPE, &case.payload)) },
            "signature": { "content": sig, "publicKey": { "content": key } },
        },
    });
    let envelope = json!({
        "apiVersion": "0.0.2",
        "kind": "dsse",
        "spec": { "dsseV002": {
            "payloadHash": { "algorithm": "SHA2_256", "digest": STANDARD.encode(sha256_of(&case.payload)) },
            "signatures": [{
                "content": sig,
                "verifier": { "x509Certificate": { "rawBytes": STANDARD.encode(&case.holder.der) } },
            }],
        } },
    });
    for (body, hashed) in [
        (statement, "/spec/content/payloadHash"),
        (record, "/spec/data/hash"),
        (envelope, "/spec/dsseV002/payloadHash"),
    ] {
        let verify = |body: &Value| case.verify(&case.bundle(&[case.services.entry(body, NOON)], &[]));
        verify(&body).unwrap();
        let mut other = body.clone();
        let hash = other.pointer_mut(hashed).unwrap();
        for field in ["value", "digest"] {
            if hash.get(field).is_some() {
                hash[field] = json!("00");
            }
        }
        refused(verify(&other), "OtherEntry");
    }
}

#[test]
fn promise_proof_and_checkpoint_must_hold() {
    let case = case();
    let check = |pointer: &str, value: Value| {
        let mut entry = case.entry();
        *entry.pointer_mut(pointer).unwrap() = value;
        case.verify(&case.bundle(&[entry], &[]))
    };
    let entry = case.entry();
    let envelope = entry["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap();
    let stranger = Services::new();
    let foreign = stranger.entry(&case.body(), NOON);
    let other = case.services.entry(&json!({ "another": 1 }), NOON);
    let zeros = json!(STANDARD.encode([0; 32]));
    for (pointer, value, expected) in [
        ("/integratedTime", json!((NOON + 1).to_string()), "Promise"),
        ("/integratedTime", json!("0"), "Promise"),
        ("/logIndex", json!("91"), "Promise"),
        ("/logIndex", json!("-1"), "logIndex"),
        ("/logIndex", json!("090"), "logIndex"),
        ("/inclusionPromise", foreign["inclusionPromise"].clone(), "Promise"),
        ("/inclusionPromise", other["inclusionPromise"].clone(), "Promise"),
        ("/inclusionProof", json!(null), "NoProof"),
        ("/inclusionProof", foreign["inclusionProof"].clone(), "Checkpoint"),
        ("/inclusionProof", other["inclusionProof"].clone(), "Proof"),
        ("/inclusionProof/hashes/0", zeros.clone(), "Proof"),
        ("/inclusionProof/hashes", json!([]), "Proof"),
        ("/inclusionProof/logIndex", json!("0"), "Proof"),
        ("/inclusionProof/logIndex", json!("2"), "Proof"),
        ("/inclusionProof/treeSize", json!("3"), "OtherCheckpoint"),
        ("/inclusionProof/rootHash", zeros.clone(), "OtherCheckpoint"),
        (
            "/inclusionProof/checkpoint/envelope",
            json!("log.example\n2\n"),
            "CheckpointShape",
        ),
        (
            "/inclusionProof/checkpoint/envelope",
            json!(envelope.replace("\n2\n", "\n3\n")),
            "Checkpoint",
        ),
        (
            "/inclusionProof/checkpoint/envelope",
            json!(envelope.replace("\u{2014} log.example", "\u{2014} mog.example")),
            "Checkpoint",
        ),
        ("/logId/keyId", zeros, "UnknownLog"),
        ("/canonicalizedBody", other["canonicalizedBody"].clone(), "Promise"),
    ] {
        refused(check(pointer, value), expected);
    }
    let mut unpromised = case.entry();
    unpromised.as_object_mut().unwrap().remove("inclusionPromise");
    refused(case.verify(&case.bundle(&[unpromised.clone()], &[])), "NoTime");
    let stamp = case.services.stamp(&case.signature, NOON);
    assert!(case.verify(&case.bundle(&[unpromised], &[stamp])).is_ok());
    let all = vec![case.entry(); 9];
    refused(case.verify(&case.bundle(&all, &[])), "tlogEntries");
}

#[test]
fn times_must_lie_where_certificate_logs_and_authorities_are_trusted() {
    let case = case();
    let at = |time| case.bundle(&[case.services.entry(&case.body(), time)], &[]);
    assert!(case.verify(&at(NOON + 299)).is_ok());
    refused(case.verify(&at(NOON + 301)), "Expired");
    refused(case.verify(&at(NOON - 301)), "Expired");
    // A sound time beside one that is not does not help.
    let late = case.services.stamp(&case.signature, NOON + 400);
    refused(case.verify(&case.bundle(&[case.entry()], &[late])), "Expired");
    let moment = |seconds: i64| json!(jiff::Timestamp::from_second(seconds).unwrap().to_string());
    let check = |pointer: &str, start: i64, end: i64| {
        let mut root = case.services.root();
        *root.pointer_mut(pointer).unwrap() = json!({ "start": moment(start), "end": moment(end) });
        let stamp = case.services.stamp(&case.signature, NOON);
        case.verify_as(&case.bundle(&[case.entry()], &[stamp]), &root, IDENTITY, PROVIDER)
    };
    for (pointer, expected) in [
        ("/tlogs/0/publicKey/validFor", "LogSpan"),
        ("/certificateAuthorities/0/validFor", "NoAuthority"),
        ("/ctlogs/0/publicKey/validFor", "CertificatePromise"),
        ("/timestampAuthorities/0/validFor", "Outside"),
    ] {
        check(pointer, NOON, NOON).unwrap();
        refused(check(pointer, NOON - 10, NOON - 1), expected);
        refused(check(pointer, NOON + 1, NOON + 10), expected);
    }
}

#[test]
fn everybody_must_be_in_the_trusted_root() {
    let case = case();
    let stranger = Services::new().root();
    let stamp = case.services.stamp(&case.signature, NOON);
    let bundle = case.bundle(&[case.entry()], &[stamp]);
    for (part, expected) in [
        ("tlogs", "UnknownLog"),
        ("certificateAuthorities", "Certificate"),
        ("ctlogs", "CertificatePromise"),
        ("timestampAuthorities", "Stamp(Certificate"),
    ] {
        let mut root = case.services.root();
        root[part] = stranger[part].clone();
        refused(case.verify_as(&bundle, &root, IDENTITY, PROVIDER), expected);
        root.as_object_mut().unwrap().remove(part);
        assert!(case.verify_as(&bundle, &root, IDENTITY, PROVIDER).is_err(), "{part}");
    }
}

#[test]
fn a_trusted_root_is_whole_or_none() {
    let case = case();
    let sound = case.services.root();
    assert!(TrustedRoot::parse(sound.to_string().as_bytes()).is_ok());
    for pointer in [
        "/mediaType",
        "/tlogs/0/publicKey/validFor/start",
        "/tlogs/0/publicKey/rawBytes",
        "/tlogs/0/logId/keyId",
        "/ctlogs/0/publicKey/validFor",
        "/certificateAuthorities/0/certChain/certificates/0/rawBytes",
        "/certificateAuthorities/0/validFor/start",
        "/timestampAuthorities/0/validFor",
    ] {
        for value in [json!(null), json!("no"), json!(7), json!([])] {
            let mut root = sound.clone();
            *root.pointer_mut(pointer).unwrap() = value.clone();
            assert!(
                TrustedRoot::parse(root.to_string().as_bytes()).is_err(),
                "{pointer} {value}"
            );
        }
    }
}

#[test]
fn the_signature_itself_must_fit() {
    let case = case();
    // Everything is about one signature, which another key made.
    let stranger = case.services.certificate(&Wanted::default());
    let forged = signature(&stranger, &case.payload);
    let body = Services::envelope_body(&case.holder, &case.payload, &forged);
    let bundle = bundle(
        &case.holder,
        &case.payload,
        &forged,
        &[case.services.entry(&body, NOON)],
        &[],
    );
    refused(case.verify(&bundle), "Signature");
}

#[test]
fn a_signature_through_sigstore_needs_a_trusted_root_and_no_other_takes_one() {
    let case = case();
    let bundle = Bundle::parse(case.bundle(&[case.entry()], &[]).to_string().as_bytes()).unwrap();
    let key = super::rig::key(keys::Curve::P256);
    assert!(matches!(
        bundle.verify(&key.trust(), Legacy::Refuse),
        Err(VerifyError::OtherMethod { .. })
    ));
    let by_key = Bundle::parse(&case.rig.signed(&key)).unwrap();
    let trust = Trust::Sigstore(Box::new(SigstoreTrust {
        root: TrustedRoot::parse(case.services.root().to_string().as_bytes()).unwrap(),
        identity: IDENTITY.into(),
        provider: PROVIDER.into(),
    }));
    assert!(matches!(
        by_key.verify(&trust, Legacy::Refuse),
        Err(VerifyError::OtherMethod { .. })
    ));
}

/// What is said of a bundle by key that bears the given time stamps.
fn stamped(case: &Case, stamps: &[Vec<u8>], roots: &[&Vec<u8>]) -> Result<Verified, String> {
    let key = super::rig::key(keys::Curve::P256);
    let mut bundle: Value = serde_json::from_slice(&case.rig.signed(&key)).unwrap();
    let of = STANDARD
        .decode(bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap())
        .unwrap();
    let list: Vec<Value> = stamps
        .iter()
        .map(|stamp| json!({ "signedTimestamp": STANDARD.encode(stamp) }))
        .chain(
            [case.services.stamp(&of, NOON + 1), case.services.stamp(&of, NOON)]
                .into_iter()
                .filter(|_| stamps.is_empty()),
        )
        .collect();
    bundle["verificationMaterial"]["timestampVerificationData"] = json!({ "rfc3161Timestamps": list });
    let pems: Vec<Vec<u8>> = roots.iter().map(|der| services::pem(der).into_bytes()).collect();
    Bundle::parse(bundle.to_string().as_bytes())
        .unwrap()
        .verify_stamped(
            &key.trust(),
            Legacy::Refuse,
            &StampAuthorities::from_pems(&pems).unwrap(),
        )
        .map_err(|error| format!("{error:?}"))
}

#[test]
fn the_earliest_time_stamp_by_a_trusted_authority_counts() {
    let case = case();
    let root = &case.services.stamp_root.der;
    let millis = UnixMillis(NOON_MS);
    assert_eq!(stamped(&case, &[], &[root]).unwrap().stamped(), Some(millis));
    refused(
        stamped(&case, &[], &[&Services::new().stamp_root.der]),
        "Stamp(Certificate",
    );
    let of_another = flawed(
        &case.services.stamper,
        &case.services.stamp_root,
        b"x",
        NOON,
        &Flaws::default(),
    );
    refused(stamped(&case, &[of_another], &[root]), "OtherMessage");
}

#[test]
fn a_flawed_time_stamp_shows_nothing() {
    let services = Services::new();
    let pems = [services::pem(&services.stamp_root.der).into_bytes()];
    let mut authorities = StampAuthorities::from_pems(&pems).unwrap();
    let told = |authorities: &StampAuthorities, flaws: &Flaws, time| {
        let stamp = flawed(&services.stamper, &services.stamp_root, b"message", time, flaws);
        authorities
            .time(&stamp, b"message")
            .map_err(|error| format!("{error:?}"))
    };
    let sound = Flaws::default();
    assert!(told(&authorities, &sound, NOON).is_ok());
    let flaws = |change: fn(&mut Flaws)| {
        let mut flaws = Flaws::default();
        change(&mut flaws);
        flaws
    };
    for (flaws, expected) in [
        (flaws(|it| it.status = 2), "Shape"),
        (flaws(|it| it.other_content = true), "Unknown"),
        (flaws(|it| it.other_certificate = true), "Unknown"),
        (flaws(|it| it.no_certificate_id = true), "Unknown"),
        (flaws(|it| it.bare = true), "Unknown"),
    ] {
        let told = told(&authorities, &flaws, NOON).unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
    // Outside of the time of its certificate.
    assert!(
        told(&authorities, &sound, NOON + 200_000)
            .unwrap_err()
            .contains("Expired")
    );
    // What the stamp leaves out may come from the verifier.
    let both = [pems[0].clone(), services::pem(&services.stamper.der).into_bytes()];
    authorities = StampAuthorities::from_pems(&both).unwrap();
    assert!(told(&authorities, &flaws(|it| it.bare = true), NOON).is_ok());
}

#[test]
fn only_who_does_nothing_else_stamps_times() {
    for (uses, sound) in [
        (vec![services::purpose_of_stamps(true)], true),
        (vec![services::purpose_of_stamps(false)], false),
        (vec![], false),
    ] {
        let mut services = Services::new();
        let mut params = services::named("another", NOON - 10, NOON + 10);
        params.custom_extensions = uses;
        services.stamper = services.stamp_root.issue(params);
        let pems = [services::pem(&services.stamp_root.der).into_bytes()];
        let authorities = StampAuthorities::from_pems(&pems).unwrap();
        let stamp = flawed(&services.stamper, &services.stamp_root, b"m", NOON, &Flaws::default());
        assert_eq!(authorities.time(&stamp, b"m").is_ok(), sound);
    }
}

#[test]
fn no_flipped_bit_in_a_time_stamp_moves_the_time() {
    let services = Services::new();
    let pems = [services::pem(&services.stamp_root.der).into_bytes()];
    let authorities = StampAuthorities::from_pems(&pems).unwrap();
    let stamp = flawed(&services.stamper, &services.stamp_root, b"m", NOON, &Flaws::default());
    let sound = authorities.time(&stamp, b"m").unwrap();
    for at in 0..stamp.len() {
        for bit in [0, 5] {
            let mut changed = stamp.clone();
            changed[at] ^= 1 << bit;
            if let Ok(time) = authorities.time(&changed, b"m") {
                assert_eq!(time, sound, "bit {bit} of byte {at}");
            }
        }
    }
}
