//! Changed, cut, removed and exchanged bytes and files.

use proptest::prelude::*;

use super::log::{self, Files, START, erasure, of, plain, plan};
use crate::entry::{Entry, Misread};
use crate::verify::{Fault, FaultClass, FaultKind, Options};

/// A log with a full and an open window, payloads in both, and an erasure; as few bytes as that takes.
fn small() -> Files {
    let mut planned = vec![plain(); 262];
    for index in [3, 200, 255, 256, 258] {
        planned[index] = log::with_payload(1);
    }
    planned[4] = log::with_payload(2);
    planned[261] = erasure(2, [4]);
    let mut files = of(&planned);
    files.keep_payloads(0, |index| index != 4);
    files
}

#[test]
fn the_small_log_is_sound_and_has_all_kinds_of_files() {
    let files = small();
    let report = files.verify().unwrap();
    assert_eq!((report.payloads.present, report.payloads.deleted), (5, 1));
    let paths: Vec<&str> = files.0.keys().map(String::as_str).collect();
    let expected = [
        "checkpoint",
        "payload/000",
        "payload/001",
        "tile/0/000",
        "tile/0/001.p/6",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/6",
    ];
    assert_eq!(paths, expected);
}

/// Checks that all faults are at one file; at a checkpoint, the place says nothing of what is under it.
fn check_place(faults: &[Fault], path: &str, what: &str) {
    assert!(!faults.is_empty());
    assert!(
        faults.iter().all(|it| it.place.file == path),
        "{what} of {path}: {faults:#?}"
    );
}

/// Flips a bit of each byte of a file, another bit each time.
fn flip_each_byte(path: &str) {
    let files = small();
    let mut tampered = files.clone();
    for at in 0..files.0[path].len() {
        let bit = 1 << (at % 8);
        tampered.change(path, |bytes| bytes[at] ^= bit);
        check_place(&tampered.faults(), path, &format!("byte {at}"));
        tampered.change(path, |bytes| bytes[at] ^= bit);
    }
    assert_eq!(tampered, files);
}

#[test]
fn flipped_bytes_of_the_checkpoint() {
    flip_each_byte("checkpoint");
}

#[test]
fn flipped_bytes_of_payloads() {
    flip_each_byte("payload/000");
    flip_each_byte("payload/001");
}

#[test]
fn flipped_bytes_of_the_full_tile() {
    flip_each_byte("tile/0/000");
}

#[test]
fn flipped_bytes_of_partial_tiles() {
    flip_each_byte("tile/0/001.p/6");
    flip_each_byte("tile/1/000.p/1");
}

#[test]
fn flipped_bytes_of_the_full_bundle() {
    flip_each_byte("tile/entries/000");
}

#[test]
fn flipped_bytes_of_the_open_bundle() {
    flip_each_byte("tile/entries/001.p/6");
}

#[test]
fn the_entry_and_the_byte_are_named() {
    let mut files = small();
    let bytes = files.0["tile/entries/000"].clone();
    let entry = crate::tile::bundle::decode(&bytes, 256).unwrap()[77].to_vec();
    let place = (0..bytes.len()).find(|at| bytes[*at..].starts_with(&entry)).unwrap();
    files.change("tile/entries/000", |bytes| bytes[place + 30] ^= 1);
    let [fault] = files.faults().try_into().unwrap();
    assert_eq!(fault.kind, FaultKind::EntryAltered);
    assert_eq!(fault.place.entry, Some(77));
    assert_eq!(fault.place.byte, u64::try_from(place).ok());
    assert_eq!(
        fault.to_string(),
        format!(
            "tile/entries/000, entry 77, byte {place}: an entry was altered: its hash is not the one in the tree; \
             take the entry from another copy of the log; this one is not what was recorded"
        )
    );

    let mut files = small();
    files.change("tile/0/000", |bytes| bytes[32 * 9 + 3] ^= 1);
    let [fault] = files.faults().try_into().unwrap();
    assert_eq!(fault.kind, FaultKind::TileDiffers);
    assert_eq!((fault.place.entry, fault.place.byte), (Some(9), Some(288)));

    let mut files = small();
    files.change("payload/000", |bytes| *bytes.last_mut().unwrap() ^= 1);
    let [fault] = files.faults().try_into().unwrap();
    assert_eq!(fault.kind, FaultKind::PayloadAltered);
    assert_eq!(fault.place.entry, Some(255));
}

#[test]
fn removed_files() {
    for path in small().0.keys() {
        let mut files = small();
        files.0.remove(path);
        let faults = files.faults();
        check_place(&faults, path, "removal");
        let gone = faults
            .iter()
            .all(|it| matches!(it.kind, FaultKind::Missing | FaultKind::PayloadMissing));
        assert!(gone, "{faults:?}");
    }
}

#[test]
fn files_cut_or_with_more_bytes() {
    for (path, bytes) in &small().0 {
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let mut files = small();
            files.change(path, |bytes| bytes.truncate(cut));
            check_place(&files.faults(), path, "cutting");
        }
        for more in [&b"\0"[..], b"\n", &[0; 32], &[0xff; 300]] {
            let mut files = small();
            files.change(path, |bytes| bytes.extend(more));
            check_place(&files.faults(), path, "appending");
        }
    }
}

#[test]
fn files_that_cannot_be_read() {
    for path in small().0.keys() {
        let mut files = small();
        files.change(path, |bytes| *bytes = b"unreadable".to_vec());
        let faults = files.faults();
        check_place(&faults, path, "a broken disk");
        assert_eq!(faults[0].kind.class(), FaultClass::Unreadable);
    }
}

#[test]
fn files_that_stand_in_for_others() {
    let small = small();
    for (path, bytes) in &small.0 {
        for (other, instead) in &small.0 {
            if bytes != instead {
                let mut files = small.clone();
                files.change(path, |bytes| bytes.clone_from(instead));
                check_place(&files.faults(), path, other);
            }
        }
    }
}

/// What stays when somebody changes an entry and all hashes above it: the signature.
#[test]
fn a_history_written_anew_does_not_have_the_signed_root() {
    let (mut entries, payloads) = log::write(&plan(300));
    let signed = log::of_entries(&entries, payloads.clone()).0["checkpoint"].clone();
    entries.swap(5, 6);
    let mut files = log::of_entries(&entries, payloads);
    files.0.insert("checkpoint".to_owned(), signed);
    let faults = files.faults();
    assert!(faults.iter().any(|it| matches!(it.kind, FaultKind::RootDiffers { .. })));
    assert!(faults.iter().any(|it| it.place.entry == Some(6)), "time runs backwards");
}

#[test]
fn entries_that_a_faulty_writer_recorded() {
    let (sound, payloads) = log::write(&plan(300));
    let check = |index: usize, bytes: &[u8]| {
        let mut entries = sound.clone();
        entries[index] = bytes.to_vec();
        let faults = log::of_entries(&entries, payloads.clone()).faults();
        let [fault] = faults.try_into().unwrap();
        assert_eq!(fault.place.entry, u64::try_from(index).ok());
        assert!(fault.place.file.starts_with("tile/entries/"));
        fault.kind
    };
    let malformed = |kind| match kind {
        FaultKind::EntryMalformed(error) => error.problem,
        other => panic!("{other}"),
    };
    let text = str::from_utf8(&sound[10]).unwrap();
    let check_text = |index, old: &str, new: &str| check(index, text.replace(old, new).as_bytes());
    assert_eq!(malformed(check(0, b"")), Misread::Expected("{"));
    assert_eq!(malformed(check(299, b"not an entry")), Misread::Expected("{"));
    assert_eq!(
        malformed(check_text(10, ",\"v\":1", ",\"v\":2")),
        Misread::UnknownVersion
    );
    assert_eq!(malformed(check_text(10, "admin_login", "a")), Misread::UnknownType);
    assert_eq!(malformed(check_text(10, "}", " }")), Misread::UnknownMember);
    let entry = Entry {
        at: START,
        ..Entry::decode(&sound[10]).unwrap()
    };
    let backwards = FaultKind::TimeDecreases {
        before: START + 257_000,
        at: START,
    };
    assert_eq!(check(258, &entry.encode().unwrap()), backwards);
}

/// A made-up size ends the search when there are enough faults, not at the end of the numbers.
#[test]
fn a_checkpoint_of_more_entries_than_there_are() {
    for size in [263, 512, 1 << 40, i64::MAX.unsigned_abs()] {
        let mut files = small();
        let forged = log::sign((size, crate::Hash::EMPTY)).to_string();
        files.0.insert("checkpoint".to_owned(), forged.into_bytes());
        let faults = files.faults();
        assert!(faults.iter().any(|it| it.kind == FaultKind::Missing));
        assert!(faults.len() <= Options::default().faults_max);
    }
}

proptest! {
    /// Several changes at once: never a pass, and never a panic.
    #[test]
    fn no_change_passes(
        changes in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<[u8; 3]>(), 0..40_usize),
            1..5,
        ),
    ) {
        let sound = small();
        let mut files = sound.clone();
        for (file, place, bytes, removed) in changes {
            let path = file.get(&sound.0.keys().collect::<Vec<_>>()).to_string();
            files.change(&path, |content| {
                let start = place.index(content.len().max(1)).min(content.len());
                let end = start.saturating_add(removed).min(content.len());
                content.splice(start..end, bytes);
            });
        }
        prop_assert_eq!(files.verify().is_ok(), files == sound);
    }
}
