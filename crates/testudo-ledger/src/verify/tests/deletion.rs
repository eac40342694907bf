//! Payloads that are gone: with and without an entry that says why.

use super::log::{Files, START, erasure, of, plan, retention};
use crate::entry::{Body, Retention};
use crate::payload::{self, Record};
use crate::verify::{Fault, FaultClass, FaultKind};

/// A log of 300 in which entries 7, 47, 87 … have payloads of subject 1 and 27, 67 … of subject 2,
/// with further entries at its end; then payloads are deleted.
fn deleted(last: super::log::Planned, keep: impl Fn(u64) -> bool) -> Files {
    let mut planned = plan(300);
    planned.push(last);
    let mut files = of(&planned);
    for window in [0, 1] {
        files.keep_payloads(window, &keep);
    }
    files
}

fn of_one(index: u64) -> bool {
    index % 40 == 7
}

fn missing(faults: &[Fault]) -> Vec<u64> {
    let each = faults.iter().map(|it| {
        assert_eq!(it.kind, FaultKind::PayloadMissing);
        assert_eq!(it.place.file, payload::path(it.place.entry.unwrap() / 256));
        it.place.entry.unwrap()
    });
    each.collect()
}

#[test]
fn an_erased_subject_is_no_fault() {
    let files = deleted(erasure(1, (7..300).step_by(40)), |index| !of_one(index));
    let report = files.verify().unwrap();
    assert_eq!((report.payloads.present, report.payloads.deleted), (7, 8));
    let [erased] = report.deleted.try_into().unwrap();
    assert_eq!((erased.by, erased.payloads), (300, 8));
    assert_eq!(erased.at, START + 300_000);
    assert_eq!(erased.why, "erased (request 17)");
    // Ranges may be wider than what was erased: the subject decides.
    let files = deleted(erasure(1, 0..300), |index| !of_one(index));
    assert_eq!(files.verify().unwrap().payloads.deleted, 8);
}

#[test]
fn what_no_entry_explains_is_missing() {
    let all: Vec<u64> = (7..300).step_by(40).collect();
    let check = |files: &Files, expected: &[u64]| assert_eq!(missing(&files.faults()), expected);
    // Another subject's erasure.
    check(&deleted(erasure(2, 0..300), |index| !of_one(index)), &all);
    // Ranges that leave some out.
    check(&deleted(erasure(1, 8..300), |index| !of_one(index)), &[7]);
    check(&deleted(erasure(1, 0..287), |index| !of_one(index)), &[287]);
    check(
        &deleted(erasure(1, (7..300).step_by(80)), |index| !of_one(index)),
        &[47, 127, 207, 287],
    );
    // More gone than the erasure says.
    check(
        &deleted(erasure(1, 0..300), |index| !of_one(index) && index != 27),
        &[27],
    );
    // No such entry at all.
    check(&deleted(super::plain(), |index| !of_one(index)), &all);
}

#[test]
fn an_entry_explains_only_what_came_before_it() {
    let mut planned = plan(300);
    planned[100] = erasure(1, 0..300);
    let mut files = of(&planned);
    for window in [0, 1] {
        files.keep_payloads(window, |index| !of_one(index));
    }
    assert_eq!(missing(&files.faults()), [127, 167, 207, 247, 287]);
}

#[test]
fn payloads_whose_time_is_over() {
    let files = deleted(retention(0..200), |index| index >= 200);
    let report = files.verify().unwrap();
    assert_eq!((report.payloads.present, report.payloads.deleted), (5, 10));
    assert_eq!(report.deleted[0].why, "time over (ai_act_19)");
    assert_eq!(
        missing(&deleted(retention(0..200), |index| index > 220).faults()),
        [207]
    );
}

#[test]
fn retention_explains_only_old_payloads_of_its_class() {
    let gone = |change: &dyn Fn(&mut Retention)| {
        let mut planned = retention(0..300);
        let Body::Retention(body) = &mut planned.body else {
            panic!()
        };
        change(body);
        missing(&deleted(planned, |index| index > 100).faults())
    };
    let all = [7, 27, 47, 67, 87];
    assert_eq!(gone(&|it| it.before_at = START + 46_999), [47, 67, 87]);
    assert_eq!(gone(&|it| it.before_at = START + 47_000), [67, 87]);
    assert_eq!(gone(&|it| it.before_at = 0), all);
    for class in ["exchange", "", "Configuration"] {
        assert_eq!(gone(&|it| it.class = class.to_owned()), all, "{class}");
    }
}

#[test]
fn erasure_after_retention_and_overlapping_ranges() {
    let mut planned = plan(300);
    planned.extend([retention(0..50), erasure(2, 20..300), erasure(1, 0..300)]);
    let mut files = of(&planned);
    files.0.retain(|path, _| !path.starts_with("payload/"));
    let report = files.verify().unwrap();
    assert_eq!((report.payloads.present, report.payloads.deleted), (0, 15));
    let counts: Vec<u64> = report.deleted.iter().map(|it| it.payloads).collect();
    assert_eq!(counts.iter().sum::<u64>(), 15);
    assert!(counts.iter().all(|it| *it > 0), "{counts:?}");
}

/// Records rewritten so that they are sound by themselves.
#[test]
fn records_that_are_not_the_ones_committed_to() {
    let record = |index| Record {
        index,
        salt: &[7; 32],
        wrapped_key: b"wrapped",
        nonce: &[9; 12],
        sealed: &[1; 20],
    };
    let with = |indexes: &[u64]| {
        let mut files = of(&plan(300));
        let mut file = Vec::new();
        for index in indexes {
            payload::append(&mut file, &record(*index).encode().unwrap()).unwrap();
        }
        files.0.insert("payload/001".to_owned(), file);
        files.faults()
    };
    let kinds = |faults: Vec<Fault>| -> Vec<(FaultKind, Option<u64>)> {
        assert!(faults.iter().all(|it| it.place.file == "payload/001"));
        faults.into_iter().map(|it| (it.kind, it.place.entry)).collect()
    };
    // Entries 267 and 287 have payloads. The first record is the right one: its salt is that of 7 by chance.
    use FaultKind::{PayloadAltered, PayloadMissing, PayloadStray};
    assert_eq!(
        kinds(with(&[267])),
        [(PayloadAltered, Some(267)), (PayloadMissing, Some(287))]
    );
    assert_eq!(
        kinds(with(&[260, 267, 287])),
        [
            (PayloadStray, Some(260)),
            (PayloadAltered, Some(267)),
            (PayloadAltered, Some(287))
        ]
    );
    // Past the end of the log, of another window, twice, and in no order.
    for (indexes, class) in [
        (&[267, 287, 300][..], FaultClass::Payload),
        (&[255, 267], FaultClass::Malformed),
        (&[267, 512], FaultClass::Malformed),
        (&[267, 267], FaultClass::Malformed),
        (&[287, 267], FaultClass::Malformed),
    ] {
        let faults = with(indexes);
        assert_eq!(faults.last().unwrap().kind.class(), class, "{faults:?}");
    }
}

/// Larger than what is read of a file at once, so that records lie across its parts.
#[test]
fn payload_files_are_read_in_parts() {
    let mut planned = plan(0);
    for index in 0..256_u64 {
        let mut one = super::log::with_payload(1);
        let size = usize::try_from(16 + index * 211 % 40_000).unwrap();
        if index == 100 {
            one.content = Some((super::log::subject(1), vec![3; 3 << 20]));
        } else {
            one.content = Some((super::log::subject(1), vec![3; size]));
        }
        planned.push(one);
    }
    let files = of(&planned);
    assert_eq!(files.verify().unwrap().payloads.present, 256);
    let mut cut = files.clone();
    cut.change("payload/000", |bytes| bytes.truncate(bytes.len() - 1));
    assert!(matches!(cut.faults()[0].kind, FaultKind::Truncated { .. }));
    let mut flipped = files;
    flipped.change("payload/000", |bytes| bytes[2 << 20] ^= 1);
    let [fault] = flipped.faults().try_into().unwrap();
    assert_eq!((fault.kind, fault.place.entry), (FaultKind::PayloadAltered, Some(100)));
}
