//! A log that is written while it is verified: no false faults, and no true ones passed over.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::log::{Files, erasure, of, plan, policy};
use crate::verify::{FaultKind, LogFiles, Options, PayloadCheck, Report, Unsound, verify_log};

/// The files as they are now; its checkpoint was another the first times that it was read.
struct Live {
    now: Files,
    earlier: RefCell<VecDeque<Vec<u8>>>,
}

impl LogFiles for Live {
    type Error = String;

    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, String> {
        let earlier = (path == "checkpoint").then(|| self.earlier.borrow_mut().pop_front());
        match earlier.flatten() {
            Some(note) => Ok(Some(note)),
            None => self.now.read(path, bytes_max),
        }
    }
}

fn verify(now: &Files, earlier: &[u64], payloads: PayloadCheck) -> Result<Report, Box<Unsound>> {
    let notes = earlier.iter().map(|size| of(&plan(*size)).0["checkpoint"].clone());
    let live = Live {
        now: now.clone(),
        earlier: RefCell::new(notes.collect()),
    };
    let options = Options {
        payloads,
        ..Options::default()
    };
    verify_log(&live, &policy("quorum none"), &options)
}

#[test]
fn wider_tiles_stand_in_for_those_that_are_gone() {
    let now = of(&plan(320));
    assert!(!now.0.contains_key("tile/entries/001.p/44"));
    for earlier in [&[300][..], &[300, 310], &[300, 301, 302, 303]] {
        let report = verify(&now, earlier, PayloadCheck::Growing).unwrap_or_else(|it| panic!("{earlier:?}: {it}"));
        assert_eq!(report.size, 300);
    }
    // A log that stands still has no reason to lack a tile.
    let mut lost = now.clone();
    lost.0.remove("tile/0/001.p/64");
    for earlier in [&[300][..], &[]] {
        let unsound = verify(&lost, earlier, PayloadCheck::Growing).unwrap_err();
        assert_eq!(unsound.gravest.kind, FaultKind::Missing);
    }
    for path in ["tile/0/001.p/64", "tile/entries/001.p/64"] {
        let mut changed = now.clone();
        changed.change(path, |bytes| bytes[5] ^= 1);
        let unsound = verify(&changed, &[300], PayloadCheck::Growing).unwrap_err();
        assert!(
            unsound.faults.iter().all(|it| it.place.file == path),
            "{path}: {unsound}"
        );
    }
}

/// The log of 300 with an erasure behind it, carried out.
fn erased() -> Files {
    let mut planned = plan(300);
    planned.push(erasure(1, (7..300).step_by(40)));
    let mut now = of(&planned);
    for window in [0, 1] {
        now.keep_payloads(window, |index| index % 40 != 7);
    }
    now
}

#[test]
fn an_erasure_meanwhile_is_no_fault() {
    let report = verify(&erased(), &[300], PayloadCheck::Growing).unwrap();
    assert_eq!((report.size, report.payloads.deleted), (301, 8));
    // Who says that nobody writes gets no second look.
    assert!(verify(&erased(), &[300], PayloadCheck::Check).is_err());
}

#[test]
fn what_is_gone_at_both_looks_is_missing() {
    let mut now = erased();
    now.keep_payloads(0, |index| index != 27);
    let [fault] = verify(&now, &[300], PayloadCheck::Growing)
        .unwrap_err()
        .faults
        .try_into()
        .unwrap();
    assert_eq!((fault.kind, fault.place.entry), (FaultKind::PayloadMissing, Some(27)));
    // No newer checkpoint, no explanation.
    let mut still = of(&plan(300));
    still.keep_payloads(0, |index| index != 27);
    let unsound = verify(&still, &[], PayloadCheck::Growing).unwrap_err();
    assert_eq!(unsound.gravest.kind, FaultKind::PayloadMissing);
    assert!(unsound.report.is_some());
    // Other faults are not passed over for it.
    let mut worse = erased();
    worse.change("tile/0/000", |bytes| bytes[5] ^= 1);
    let unsound = verify(&worse, &[300], PayloadCheck::Growing).unwrap_err();
    assert!(
        unsound.faults.iter().all(|it| it.place.file == "tile/0/000"),
        "{unsound}"
    );
}
