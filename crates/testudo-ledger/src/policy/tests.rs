//! Policies: the example of the specification, what must be refused, and the quorum rule against a model.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::key::{KeyKind, KeyName, SigningKey};
use crate::{Checkpoint, Hash};

fn key(name: &str, kind: KeyKind) -> SigningKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SigningKey::from_seed(KeyName::parse(name).unwrap(), kind, Zeroizing::new(seed)).unwrap()
}

fn log(name: &str) -> String {
    format!("log {}", key(name, KeyKind::Ed25519).verifier())
}

fn witness(name: &str) -> String {
    format!("witness {name} {}", key(name, KeyKind::Cosignature).verifier())
}

fn signed(log: &str, witnesses: &[&str]) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(log, 1, Hash::leaf(b"")).unwrap();
    let mut signed = SignedCheckpoint::sign(checkpoint, &key(log, KeyKind::Ed25519), 0).unwrap();
    for name in witnesses {
        let signature = crate::Signature::new(&key(name, KeyKind::Cosignature), signed.note().text(), 77);
        signed.add(signature).unwrap();
    }
    signed
}

/// The two levels of the specification's example.
fn two_levels() -> Policy {
    let mut text = format!("# who we believe\n\n{}\n", log("log"));
    for name in ["X1", "X2", "X3", "Y1", "Y2", "Y3"] {
        text.push_str(&format!(" \t{} https://{name}.example/ \n", witness(name)));
        if name == "X3" {
            text.push_str("group X-witnesses\t2  X1 X2 X3\n");
        }
    }
    text.push_str("group Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n");
    Policy::parse(text.as_bytes()).unwrap()
}

#[test]
fn the_example_of_the_specification() {
    let policy = two_levels();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 6));
    assert_eq!(policy.witnesses()[1].url.as_deref(), Some("https://X2.example/"));
    assert!(policy.needs_witnesses());
    let cases: [(&[&str], bool); 9] = [
        (&["X1", "X3", "Y2"], true),
        (&["Y3", "X2", "X1", "X3"], true),
        (&["X1", "X2", "X3", "Y1", "Y2", "Y3", "Z"], true),
        (&[], false),
        (&["X1", "X2", "X3"], false),
        (&["Y1", "Y2", "Y3"], false),
        (&["X1", "Y1", "Y2", "Y3"], false),
        (&["X1", "X1", "Y1"], false),
        (&["X1", "Z", "Y1"], false),
    ];
    for (witnesses, good) in cases {
        let checked = policy.check(&signed("log", witnesses)).map(|it| it.witnesses.len());
        let known = witnesses.iter().filter(|it| **it != "Z").count();
        if good {
            assert_eq!(checked, Ok(known), "{witnesses:?}");
        } else {
            assert!(
                matches!(checked, Err(Refused::Quorum { known: 6, .. })),
                "{witnesses:?}"
            );
        }
    }
}

#[test]
fn times_of_witnesses_are_told() {
    let text = format!("{}\n{}\nquorum w\n", witness("w"), log("log"));
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let checkpoint = signed("log", &["w"]);
    let accepted = policy.check(&checkpoint).unwrap();
    assert_eq!(accepted.log.name().as_str(), "log");
    assert_eq!(
        accepted.witnesses.iter().map(|it| it.time_s).collect::<Vec<_>>(),
        [Some(77)]
    );
}

#[test]
fn the_log_must_have_signed_and_no_witness_wrongly() {
    let policy = two_levels();
    let enough = ["X1", "X2", "Y1"];
    let other_log = policy.check(&signed("other", &enough));
    assert!(matches!(
        other_log,
        Err(Refused::Log {
            source: VerifyError::Unknown,
            ..
        })
    ));
    let text = signed("log", &enough).to_string();
    let other_size = SignedCheckpoint::parse(text.replace("log\n1\n", "log\n2\n").as_bytes()).unwrap();
    let refused = policy.check(&other_size);
    assert!(matches!(
        refused,
        Err(Refused::Log {
            source: VerifyError::Wrong { .. },
            ..
        })
    ));
    // Enough good cosignatures do not outweigh a wrong one.
    let mut mixed = signed("log", &enough);
    let wrong = crate::Signature::new(&key("Y2", KeyKind::Cosignature), "another\n", 77);
    mixed.add(wrong).unwrap();
    assert!(matches!(policy.check(&mixed), Err(Refused::Witness(_))));
}

#[test]
fn a_quorum_of_none_and_no_log() {
    let policy = Policy::parse(format!("quorum none\n{}\n", log("log")).as_bytes()).unwrap();
    assert!(!policy.needs_witnesses());
    assert!(policy.check(&signed("log", &[])).is_ok());
    let policy = Policy::parse(b"quorum none\n").unwrap();
    assert!(matches!(policy.check(&signed("log", &[])), Err(Refused::Log { .. })));
}

#[test]
fn names_are_octets() {
    let mut text = witness("w").replace("witness w ", "witness \u{212a} ").into_bytes();
    text.extend_from_slice(b"\nquorum K\n");
    let unknown = Policy::parse(&text).map_err(|it| it.problem);
    assert_eq!(unknown, Err(Problem::UnknownName("K".to_owned())));
    let text = format!("{} https://\n", witness("w")).replace("witness w ", "witness \u{a0} ");
    assert!(Policy::parse(format!("{text}# \u{fe}\ngroup g 1 \u{a0}\nquorum g\n").as_bytes()).is_ok());
    let mut latin = witness("w").into_bytes();
    latin[8] = 0xe9;
    latin.extend_from_slice(b" h\xff\n#\xe9\nquorum \xe9\n");
    assert!(Policy::parse(&latin).is_ok());
}

#[test]
fn other_files_are_not_policies() {
    let (log, other) = (log("log"), log("other"));
    let [a, b, c] = ["a", "b", "c"].map(witness);
    let all = format!("{a}\n{b}\n{c}\n");
    let vkey = a.replace("witness a ", "");
    let name = |it: &str| Problem::UnknownName(it.to_owned());
    let twice = |it: &str| Problem::DuplicateName(it.to_owned());
    let member = |it: &str| Problem::DuplicateMember(it.to_owned());
    let threshold = |threshold: &str, members| Problem::Threshold {
        threshold: threshold.to_owned(),
        members,
    };
    let renamed = key("log", KeyKind::Ed25519).verifier().public().to_owned();
    let renamed = VerifierKey::new(KeyName::parse("alias").unwrap(), KeyKind::Ed25519, renamed);
    let cases = [
        (String::new(), 1, Problem::NoQuorum),
        ("\n\n".to_owned(), 3, Problem::NoQuorum),
        (format!("{all}quorum a"), 4, Problem::CutOff),
        ("quorum none\r\n".to_owned(), 1, Problem::Characters),
        ("#\x7f\nquorum none\n".to_owned(), 1, Problem::Characters),
        ("quorum\n".to_owned(), 1, Problem::Shape),
        ("quorum none none\n".to_owned(), 1, Problem::Shape),
        ("Quorum none\n".to_owned(), 1, Problem::Shape),
        ("quorum none # why\n".to_owned(), 1, Problem::Shape),
        ("quorum none\nquorum none\n".to_owned(), 2, Problem::SecondQuorum),
        (format!("quorum a\n{a}\n"), 1, name("a")),
        ("log\n".to_owned(), 1, Problem::Shape),
        (format!("{log} http://x y\n"), 1, Problem::Shape),
        (
            "log x\n".to_owned(),
            1,
            Problem::Key(crate::key::KeyError::VerifierShape),
        ),
        (format!("log {vkey}\n"), 1, Problem::Kind),
        (log.replace("log ", "witness w ") + "\n", 1, Problem::Kind),
        (format!("{log}\n{other}\n{log}\n"), 3, Problem::DuplicateKey),
        (format!("{log}\nlog {renamed}\n"), 2, Problem::DuplicateKey),
        (
            format!("{a}\n{}\n", a.replace("s a ", "s z ")),
            2,
            Problem::DuplicateKey,
        ),
        (format!("{a}\n{}\n", b.replace("s b ", "s a ")), 2, twice("a")),
        (a.replace("s a ", "s none ") + "\n", 1, twice("none")),
        (format!("{all}group none any a\n"), 4, twice("none")),
        (format!("{all}group a any b\n"), 4, twice("a")),
        (format!("{all}group g any a\ngroup g any b\n"), 5, twice("g")),
        (format!("{all}group g\n"), 4, Problem::Shape),
        (format!("{all}group g all\n"), 4, threshold("all", 0)),
        (format!("{all}group g any\n"), 4, threshold("any", 0)),
        (format!("{all}group g 0 a\n"), 4, threshold("0", 1)),
        (format!("{all}group g 3 a b\n"), 4, threshold("3", 2)),
        (format!("{all}group g 01 a b\n"), 4, threshold("01", 2)),
        (format!("{all}group g +1 a b\n"), 4, threshold("+1", 2)),
        (format!("{all}group g most a b\n"), 4, threshold("most", 2)),
        (format!("{all}group g all none\n"), 4, name("none")),
        (format!("{all}group g all g\n"), 4, name("g")),
        (format!("{all}group g all d\n"), 4, name("d")),
        (format!("{all}group g any a b a\n"), 4, member("a")),
        (format!("{all}group g any a b\ngroup h any b c\n"), 5, member("b")),
        ("x".repeat(POLICY_BYTES_MAX + 1), 1, Problem::TooLong),
    ];
    for (text, line, problem) in cases {
        let refused = Policy::parse(text.as_bytes());
        assert_eq!(refused, Err(PolicyError { line, problem }), "{text}");
    }
    // A key of the next kind is refused, not skipped: the quorum would mean something else than it says.
    let later = "witness w example.com/w+00000000+Bg==\n";
    let refused = Policy::parse(later.as_bytes()).map_err(|it| it.problem);
    assert_eq!(refused, Err(Problem::Key(crate::key::KeyError::Kind)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two groups over six witnesses and a third over both, with any thresholds, against counting.
    #[test]
    fn quorums_count(k in 1..=3_usize, l in 1..=3_usize, m in 1..=2_usize, cosigned in prop::collection::vec(any::<bool>(), 6)) {
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut text = format!("{}\n", log("log"));
        names.map(witness).iter().for_each(|it| text.push_str(&format!("{it}\n")));
        text.push_str(&format!("group g {k} a b c\ngroup h {l} d e f\ngroup i {m} g h\nquorum i\n"));
        let policy = Policy::parse(text.as_bytes()).unwrap();
        let who: Vec<&str> = names.into_iter().zip(&cosigned).filter(|it| *it.1).map(|it| it.0).collect();
        let count = |part: &[bool]| part.iter().filter(|it| **it).count();
        let enough = [count(&cosigned[..3]) >= k, count(&cosigned[3..]) >= l];
        let good = policy.check(&signed("log", &who)).is_ok();
        prop_assert_eq!(good, count(&enough) >= m);
    }

    #[test]
    fn no_bytes_panic(bytes in "(log|witness|group|quorum|none|all|any|[ab12\t #\n]){0,30}") {
        if let Err(error) = Policy::parse(bytes.as_bytes()) {
            prop_assert!(error.line <= bytes.len().saturating_add(1));
        }
    }
}
