//! What is attested is read again; what was changed, said twice or is missing is refused.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::signing::{Bundle, HashKind, Manifest, Signer, SigningKey, Trust};

/// Somebody with a key, and who trusts them.
fn holder() -> (Signer, Trust) {
    let pair = rcgen::KeyPair::generate().unwrap();
    let key = SigningKey::from_pem(pair.serialize_pem().as_bytes()).unwrap();
    let trust = Trust::Key(key.public().clone());
    (Signer::Key(key), trust)
}

fn sha256(digit: char) -> BTreeMap<String, String> {
    BTreeMap::from([("sha256".to_owned(), String::from(digit).repeat(64))])
}

fn provenance() -> Provenance {
    let parameters = json!({"epochs": 3, "optimizer": {"name": "adam", "rates": [1, 2]}, "a.b": true});
    Provenance {
        subjects: vec![
            Subject {
                name: "config.json".to_owned(),
                digest: sha256('a'),
            },
            Subject {
                name: "sub/weights".to_owned(),
                digest: sha256('b'),
            },
        ],
        root: Some(Manifest::of_files(&[("config.json", 'a'), ("sub/weights", 'b')]).root_hex()),
        build_type: TRAINING_RUN.to_owned(),
        external_parameters: parameters.as_object().unwrap().clone(),
        dependencies: vec![Dependency {
            uri: Some("git+https://example.org/train".to_owned()),
            digest: BTreeMap::from([("gitCommit".to_owned(), "c".repeat(40))]),
            name: Some("code".to_owned()),
            annotations: BTreeMap::from([("role".to_owned(), "code".to_owned())]),
        }],
        builder: BUILDER.to_owned(),
        invocation: Some("run 7".to_owned()),
        started: Some("2026-11-27T10:00:00Z".to_owned()),
        finished: None,
    }
}

fn attested() -> Attested {
    let (signer, trust) = holder();
    let bundle = provenance().sign(&signer).unwrap();
    Attested::verify(&bundle, &trust).unwrap()
}

#[test]
fn what_is_signed_is_read_again() {
    let attested = attested();
    assert_eq!(attested.provenance(), &provenance());
    let differences = attested
        .compare(&Manifest::of_files(&[("config.json", 'a'), ("sub/weights", 'b')]))
        .unwrap();
    assert!(differences.is_empty());
}

#[test]
fn another_key_is_refused_and_so_is_a_change() {
    let (signer, trust) = holder();
    let bundle = provenance().sign(&signer).unwrap();
    let (_, other) = holder();
    assert!(matches!(
        Attested::verify(&bundle, &other),
        Err(AttestedError::Signature(_))
    ));
    let mut changed = bundle.clone();
    let at = bundle.windows(11).position(|it| it == b"\"payload\":\"").unwrap() + 40;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    assert!(Attested::verify(&changed, &trust).is_err());
    assert!(Attested::verify(b"{}", &trust).is_err());
}

#[test]
fn files_that_differ_are_named() {
    let attested = attested();
    let compare = |files: &[(&str, char)]| attested.compare(&Manifest::of_files(files)).unwrap();
    let differences = compare(&[("config.json", 'd'), ("run.py", 'a')]);
    assert_eq!(differences.changed, ["config.json"]);
    assert_eq!(differences.missing, ["sub/weights"]);
    assert_eq!(differences.unattested, ["run.py"]);
    let blake = Manifest {
        hash: HashKind::Blake3,
        ..Manifest::of_files(&[("config.json", 'a')])
    };
    assert!(matches!(attested.compare(&blake), Err(AttestedError::Measured)));
}

#[test]
fn what_the_verifier_wants_is_compared() {
    let attested = attested();
    let fine = Expected {
        builder: Some(BUILDER.to_owned()),
        build_type: Some(TRAINING_RUN.to_owned()),
        parameters: vec![
            ("epochs".to_owned(), json!(3.0)),
            ("optimizer.name".to_owned(), json!("adam")),
            ("optimizer.rates.1".to_owned(), json!(2)),
            ("a.b".to_owned(), json!(true)),
        ],
        dependencies: vec!["c".repeat(40)],
    };
    assert_eq!(attested.expects(&fine), []);
    let other = Expected {
        builder: Some("https://example.org/ci".to_owned()),
        build_type: Some("x".to_owned()),
        parameters: vec![
            ("epochs".to_owned(), json!("3")),
            ("optimizer.rates.9".to_owned(), json!(1)),
            ("nothing".to_owned(), json!(null)),
        ],
        dependencies: vec!["d".repeat(40)],
    };
    assert_eq!(attested.expects(&other).len(), 6);
}

#[test]
fn unsound_statements_are_refused_whoever_signed_them() {
    let (signer, trust) = holder();
    let sound = String::from_utf8(provenance().statement().unwrap()).unwrap();
    for (from, to) in [
        ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"),
        ("https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"),
        ("sub/weights", "config.json"),
        ("\"config.json\"", "\"\""),
        (&"a".repeat(64), &"A".repeat(64)),
        (&"a".repeat(64), "ab"),
        ("\"epochs\":3", "\"epochs\":3,\"epochs\":4"),
        ("\"buildType\"", "\"buildtype\""),
        ("\"externalParameters\":{", "\"externalParameters\":[{"),
        ("\"id\":", "\"ID\":"),
        ("\"subject\":[", "\"subject\":{\"a\":["),
        ("\"run 7\"", "7"),
        ("\"subject\"", "\"subjects\""),
    ] {
        assert!(sound.contains(from), "{from}");
        let bundle = Bundle::around(sound.replace(from, to).into_bytes(), &signer).unwrap();
        assert!(Attested::verify(&bundle, &trust).is_err(), "{from} -> {to}");
    }
    // What the specification lets anybody add is passed over.
    let more = sound.replace("\"runDetails\":{", "\"runDetails\":{\"extension\":{\"x\":[1]},");
    let bundle = Bundle::around(more.into_bytes(), &signer).unwrap();
    assert!(Attested::verify(&bundle, &trust).is_ok());
    let none = Provenance {
        subjects: Vec::new(),
        ..provenance()
    };
    assert!(matches!(none.sign(&signer), Err(AttestError::NoSubject)));
}

proptest::proptest! {
    #[test]
    fn any_names_survive(names in proptest::collection::btree_set("[^\0]{1,20}", 1..8)) {
        let subjects = names.iter().map(|name| Subject { name: name.clone(), digest: sha256('e') });
        let provenance = Provenance { subjects: subjects.collect(), ..provenance() };
        let (signer, trust) = holder();
        let bundle = provenance.sign(&signer).unwrap();
        let attested = Attested::verify(&bundle, &trust).unwrap();
        proptest::prop_assert_eq!(attested.provenance(), &provenance);
    }

    #[test]
    fn anything_is_read_or_refused(text in "\\PC{0,200}") {
        let _read = Attested::dangerous_unverified(text.as_bytes());
    }
}
