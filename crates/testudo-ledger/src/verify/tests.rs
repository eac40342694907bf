//! Sound logs pass, and every way to tamper with one is seen, named and told apart.

mod deletion;
mod growing;
mod history;
mod log;
mod proofs;
mod tampering;

use self::log::{Files, START, gap, of, plain, plan, policy};
use super::{Options, PayloadCheck};

#[test]
fn sound_logs_of_any_size_pass() {
    for size in [0, 1, 2, 44, 255, 256, 257, 300, 511, 512, 513, 1000] {
        let report = of(&plan(size))
            .verify()
            .unwrap_or_else(|error| panic!("{size}: {error}"));
        assert_eq!(report.size, size);
        assert_eq!(report.entries.values().sum::<u64>(), size);
        let payloads = plan(size).iter().filter(|it| it.content.is_some()).count();
        assert_eq!(report.payloads.present, u64::try_from(payloads).unwrap());
    }
}

/// Large enough for a third level of tiles, and for full tiles in the second.
#[test]
fn a_sound_log_with_three_levels_passes() {
    let files = of(&vec![plain(); 65_537 + 256]);
    assert!(files.0.contains_key("tile/1/000") && files.0.contains_key("tile/2/000.p/1"));
    assert_eq!(files.verify().unwrap().size, 65_793);
    for path in ["tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1"] {
        let mut tampered = files.clone();
        tampered.change(path, |bytes| *bytes.last_mut().unwrap() ^= 1);
        let faults = tampered.faults();
        assert!(faults.iter().all(|it| it.place.file == path), "{faults:?}");
    }
}

#[test]
fn the_report_tells_what_is_there() {
    let mut planned = plan(30);
    planned[3] = gap(12);
    planned[4] = gap(30);
    let report = of(&planned).verify().unwrap();
    assert_eq!(report.origin, log::ORIGIN);
    assert_eq!(
        report.entries.clone().into_iter().collect::<Vec<_>>(),
        [("admin_login", 28), ("gap", 2)]
    );
    assert_eq!((report.first_at, report.last_at), (Some(START), Some(START + 29_000)));
    assert_eq!(report.lost, 42);
    assert_eq!(report.payloads.present, 2);
    assert_eq!(report.deleted, []);
    assert_eq!(report.cosigned, []);
}

/// A log may drop a partial tile once the full one is there, and an older checkpoint is still good.
#[test]
fn full_tiles_stand_in_for_partial_ones() {
    let (entries, payloads) = log::write(&plan(600));
    let mut files = log::of_entries(&entries, payloads.clone());
    let mut early = payloads;
    let signed = log::sign(log::grow(&entries[..300], &mut early));
    files.0.insert("checkpoint".to_owned(), signed.to_string().into_bytes());
    files
        .0
        .insert("tile/1/000.p/1".to_owned(), early.0["tile/1/000.p/1"].clone());
    let checked = |payloads| {
        let options = Options {
            payloads,
            ..Options::default()
        };
        files.verify_with(&policy("quorum none"), &options)
    };
    let report = checked(PayloadCheck::Growing).unwrap();
    assert_eq!((report.size, report.payloads.beyond), (300, 11));
    assert_eq!(checked(PayloadCheck::Skip).unwrap().payloads.present, 0);
    let faults = checked(PayloadCheck::Check).unwrap_err().faults;
    assert!(faults.iter().all(|it| it.place.file == "payload/001"), "{faults:?}");
}

#[test]
fn a_payload_being_written_is_left_alone_when_the_log_may_be_growing() {
    let mut files = of(&plan(300));
    files.change("payload/001", |bytes| bytes.extend([0, 0, 0, 200, b'T']));
    let options = Options {
        payloads: PayloadCheck::Growing,
        ..Options::default()
    };
    files.verify_with(&policy("quorum none"), &options).unwrap();
    assert!(files.verify().is_err());
    // In a window that is full nothing more is written.
    files.change("payload/000", |bytes| bytes.extend([0, 0, 0, 200, b'T']));
    assert!(files.verify_with(&policy("quorum none"), &options).is_err());
}

#[test]
fn nothing_is_no_log() {
    let error = Files::default().verify().unwrap_err();
    assert_eq!(error.report, None);
    assert_eq!(error.to_string().lines().count(), 1);
    assert_eq!(error.gravest.place.file, "checkpoint");
}
