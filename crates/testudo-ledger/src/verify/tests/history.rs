//! Whose checkpoint it is, how new, and whether it continues what was known.

use super::log::{self, Files, START, of, plan, policy, sign, witness};
use crate::key::KeyKind;
use crate::verify::{Fault, FaultClass, FaultKind, Freshness, KnownCheckpoint, Options};
use crate::{Checkpoint, Hash, SignedCheckpoint};

/// Verifies beside earlier checkpoints, each named by its place.
fn beside(files: &Files, known: &[&[u8]]) -> Result<u64, Vec<Fault>> {
    let names = ["first", "second", "third"];
    let known: Vec<KnownCheckpoint<'_>> = names
        .iter()
        .zip(known)
        .map(|(name, note)| KnownCheckpoint { name, note })
        .collect();
    let options = Options {
        known: &known,
        ..Options::default()
    };
    match files.verify_with(&policy("quorum none"), &options) {
        Ok(report) => Ok(report.known),
        Err(unsound) => Err(unsound.faults),
    }
}

fn checkpoint(files: &Files) -> Vec<u8> {
    files.0["checkpoint"].clone()
}

/// A log with the same key, and other entries from 5 on.
fn forked(size: u64) -> Files {
    let mut planned = plan(size);
    planned[5] = log::gap(1);
    of(&planned)
}

#[test]
fn a_log_that_continues_what_was_known() {
    let now = of(&plan(600));
    for size in [0, 1, 2, 255, 256, 257, 300, 511, 512, 513, 599, 600] {
        let earlier = checkpoint(&of(&plan(size)));
        assert_eq!(beside(&now, &[&earlier]), Ok(1), "{size}");
    }
    let [a, b, c] = [300, 2, 300].map(|size| checkpoint(&of(&plan(size))));
    assert_eq!(beside(&now, &[&a, &b, &c]), Ok(3));
    let empty = of(&[]);
    assert_eq!(beside(&empty, &[&checkpoint(&empty)]), Ok(1));
}

#[test]
fn a_fork_is_told() {
    for (now, earlier) in [(600, 600), (600, 300), (600, 256), (600, 6), (257, 256), (300, 299)] {
        let known = checkpoint(&forked(earlier));
        let faults = beside(&of(&plan(now)), &[&known]).unwrap_err();
        let [fault] = faults.try_into().unwrap();
        assert!(
            matches!(fault.kind, FaultKind::Fork { size, .. } if size == earlier),
            "{fault}"
        );
        assert_eq!(fault.place.file, "first");
        assert_eq!(fault.kind.class(), FaultClass::Fork);
    }
    // Before the entry in which they differ, both are one.
    let before = checkpoint(&of(&plan(5)));
    assert_eq!(beside(&forked(300), &[&before]), Ok(1));
}

#[test]
fn a_log_put_back_is_told() {
    for (now, later) in [(0, 1), (300, 301), (300, 600), (256, 257)] {
        let known = checkpoint(&of(&plan(later)));
        let [fault] = beside(&of(&plan(now)), &[&known]).unwrap_err().try_into().unwrap();
        let expected = FaultKind::RolledBack {
            known: later,
            size: now,
        };
        assert_eq!(fault.kind, expected);
    }
}

/// The three ways to lose entries are told apart.
#[test]
fn truncation_rollback_and_fork_differ() {
    let now = of(&plan(600));
    let mut truncated = now.clone();
    truncated.0.retain(|path, _| !path.contains("/002"));
    let rolled_back = of(&plan(512));
    let fork = forked(600);
    let classes = [truncated, rolled_back, fork].map(|files| {
        let mut classes: Vec<FaultClass> = beside(&files, &[&checkpoint(&now)])
            .unwrap_err()
            .iter()
            .map(|it| it.kind.class())
            .collect();
        classes.dedup();
        classes
    });
    assert_eq!(
        classes,
        [
            vec![FaultClass::Missing],
            vec![FaultClass::RolledBack],
            vec![FaultClass::Fork]
        ]
    );
}

#[test]
fn earlier_checkpoints_have_to_be_the_logs_own() {
    let now = of(&plan(30));
    let state = |origin: &str| Checkpoint::new(origin, 5, Hash::EMPTY).unwrap();
    let by = |origin: &str, name: &str, kind, seed| {
        let signed = SignedCheckpoint::sign(state(origin), &log::key(name, kind, seed), 0).unwrap();
        signed.to_string().into_bytes()
    };
    let cases = [
        (by(log::ORIGIN, log::ORIGIN, KeyKind::Ed25519, 2), FaultClass::Signature),
        (by(log::ORIGIN, "other", KeyKind::Ed25519, 1), FaultClass::Signature),
        (
            by(log::ORIGIN, "witness-11", KeyKind::Cosignature, 11),
            FaultClass::Signature,
        ),
        (by("other", "other", KeyKind::Ed25519, 1), FaultClass::Signature),
        (b"nothing".to_vec(), FaultClass::Malformed),
        (Vec::new(), FaultClass::Malformed),
    ];
    for (known, class) in cases {
        let [fault] = beside(&now, &[&known]).unwrap_err().try_into().unwrap();
        assert_eq!((fault.kind.class(), fault.place.file.as_str()), (class, "first"));
    }
}

#[test]
fn checkpoints_of_others() {
    let sound = of(&plan(30));
    let text = String::from_utf8(checkpoint(&sound)).unwrap();
    let state = SignedCheckpoint::parse(text.as_bytes()).unwrap().checkpoint().clone();
    let check = |bytes: Vec<u8>, class: FaultClass| {
        let mut files = sound.clone();
        files.0.insert("checkpoint".to_owned(), bytes);
        let [fault] = files.faults().try_into().unwrap();
        assert_eq!(
            (fault.kind.class(), fault.place.file.as_str()),
            (class, "checkpoint"),
            "{fault}"
        );
        fault.kind
    };
    let by = |state: &Checkpoint, name: &str, seed| {
        let key = log::key(name, KeyKind::Ed25519, seed);
        SignedCheckpoint::sign(state.clone(), &key, 0)
            .unwrap()
            .to_string()
            .into_bytes()
    };
    // The right name with another key, another name with the right key, another log.
    assert!(matches!(
        check(by(&state, log::ORIGIN, 2), FaultClass::Signature),
        FaultKind::BadSignature { .. }
    ));
    assert!(matches!(
        check(by(&state, "other", 1), FaultClass::Signature),
        FaultKind::BadSignature { .. }
    ));
    let other = Checkpoint::new("other", state.size(), *state.root()).unwrap();
    assert!(matches!(
        check(by(&other, "other", 1), FaultClass::Signature),
        FaultKind::UnknownLog { .. }
    ));
    check(text.replace("\n\n", "\n").into_bytes(), FaultClass::Malformed);
    check(format!("{text}\n").into_bytes(), FaultClass::Malformed);
}

#[test]
fn a_quorum_of_witnesses() {
    let quorum = policy("group g 2 w11 w12 w13\nquorum g");
    let files = |times: &[(u8, u64)]| {
        let mut files = of(&plan(30));
        let mut signed = SignedCheckpoint::parse(&checkpoint(&files)).unwrap();
        for (seed, time_s) in times {
            let signature = crate::Signature::new(&witness(*seed), signed.note().text(), *time_s);
            signed.add(signature).unwrap();
        }
        files.0.insert("checkpoint".to_owned(), signed.to_string().into_bytes());
        files
    };
    let now_s = START / 1000 + 100;
    let checked = |times: &[(u8, u64)]| {
        let freshness = Some(Freshness {
            now_ms: now_s * 1000,
            age_ms_max: 60_000,
        });
        let options = Options {
            freshness,
            ..Options::default()
        };
        files(times).verify_with(&quorum, &options)
    };
    let class = |times: &[(u8, u64)]| checked(times).unwrap_err().gravest.kind.class();
    let report = checked(&[(11, now_s - 60), (13, now_s)]).unwrap();
    assert_eq!(
        report.cosigned,
        [("witness-11".to_owned(), now_s - 60), ("witness-13".to_owned(), now_s)]
    );
    // A cosignature from the future is not old; three of three are enough too, whatever the third says.
    assert!(checked(&[(11, now_s + 5), (12, now_s)]).is_ok());
    assert!(checked(&[(11, 0), (12, now_s), (13, now_s)]).is_ok());
    assert_eq!(class(&[]), FaultClass::Quorum);
    assert_eq!(class(&[(11, now_s)]), FaultClass::Quorum);
    assert_eq!(class(&[(11, now_s), (11, now_s - 1)]), FaultClass::Quorum);
    assert_eq!(class(&[(11, now_s), (14, now_s)]), FaultClass::Quorum);
    // One fresh witness does not make up for the others.
    assert_eq!(class(&[(11, now_s), (12, now_s - 61)]), FaultClass::Stale);
    assert_eq!(class(&[(11, 0), (12, 0), (13, now_s)]), FaultClass::Stale);
    // A cosignature over another text.
    let mut forged = files(&[(11, now_s)]);
    let signature = crate::Signature::new(&witness(12), "other\n", now_s);
    forged.change("checkpoint", |bytes| {
        bytes.extend(format!("{signature}\n").into_bytes())
    });
    let unsound = forged.verify_with(&quorum, &Options::default()).unwrap_err();
    assert_eq!(unsound.gravest.kind.class(), FaultClass::Signature);
}

#[test]
fn without_witnesses_the_last_entry_tells_the_age() {
    let files = of(&plan(30));
    let checked = |now_ms, age_ms_max| {
        let options = Options {
            freshness: Some(Freshness { now_ms, age_ms_max }),
            ..Options::default()
        };
        files.verify_with(&policy("quorum none"), &options)
    };
    assert!(checked(START + 30_000, 1000).is_ok());
    assert!(checked(0, 0).is_ok());
    let unsound = checked(START + 30_001, 1000).unwrap_err();
    let expected = FaultKind::Stale {
        age_ms: 1001,
        age_ms_max: 1000,
        since: "its last entry",
    };
    assert_eq!(unsound.gravest.kind, expected);
    assert!(unsound.report.is_some());
}

/// A log that was put back to its beginning must not pass as fresh.
#[test]
fn a_log_without_entries_is_never_fresh() {
    let now_ms = START;
    let checked = |freshness| {
        let options = Options {
            freshness,
            ..Options::default()
        };
        of(&[]).verify_with(&policy("quorum none"), &options)
    };
    let age_ms_max = 365 * 86_400_000;
    let fresh = Some(Freshness { now_ms, age_ms_max });
    let kind = checked(fresh).unwrap_err().gravest.kind;
    assert!(
        matches!(kind, FaultKind::Stale { age_ms, .. } if age_ms == now_ms),
        "{kind}"
    );
    assert!(checked(None).is_ok());
}

#[test]
fn the_gravest_fault_comes_first() {
    let mut files = of(&plan(600));
    files.0.remove("tile/0/000");
    files.0.remove("payload/000");
    let known = checkpoint(&of(&plan(601)));
    let options = Options {
        known: &[KnownCheckpoint {
            name: "kept",
            note: &known,
        }],
        ..Options::default()
    };
    let unsound = files.verify_with(&policy("quorum none"), &options).unwrap_err();
    assert_eq!(unsound.gravest.kind.class(), FaultClass::RolledBack);
    assert!(unsound.faults.len() > 2);
    let few = Options {
        faults_max: 2,
        ..options
    };
    assert_eq!(
        files
            .verify_with(&policy("quorum none"), &few)
            .unwrap_err()
            .faults
            .len(),
        2
    );
    let signed = sign((600, Hash::EMPTY)).to_string().into_bytes();
    files.0.insert("checkpoint".to_owned(), signed);
    let classes: Vec<FaultClass> = files.faults().iter().map(|it| it.kind.class()).collect();
    assert!(classes.contains(&FaultClass::Inconsistent) && classes.contains(&FaultClass::Missing));
}
