//! What segments give back after every kind of damage.

#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::{Leaf, ReplayError, Replayed, Wal, replay};
use crate::files::Files;
use crate::files::faulty::{Crash, FaultyFiles};

const FOLDER: &str = "/wal";
const ORIGIN: &str = "testudo/x";

fn leaves(first: u64, count: u64) -> Vec<Leaf> {
    let leaf = |index: u64| Leaf {
        index,
        entry: format!("entry {index}").into_bytes(),
        payload: index
            .is_multiple_of(2)
            .then(|| vec![7; usize::try_from(index % 50 + 1).unwrap()]),
    };
    (first..first + count).map(leaf).collect()
}

/// Frames of these sizes from entry 10 on, in segments of at most a few frames.
fn written(frames: &[u64]) -> (FaultyFiles, Wal) {
    let files = FaultyFiles::new(Path::new(FOLDER), 0);
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    let mut wal = Wal::create(shared, PathBuf::from(FOLDER), ORIGIN, 10, 200).unwrap();
    for count in frames {
        wal.append(&leaves(wal.next(), *count)).unwrap();
    }
    (files, wal)
}

fn read(files: &FaultyFiles, size: u64) -> Result<Replayed, ReplayError> {
    replay(files, Path::new(FOLDER), ORIGIN, size)
}

proptest! {
    #[test]
    fn everything_comes_back(frames in prop::collection::vec(1_u64..20, 0..12), integrated in 0_u64..300) {
        let (files, wal) = written(&frames);
        let total: u64 = frames.iter().sum();
        let size = 10 + integrated.min(total);
        let replayed = read(&files, size).unwrap();
        prop_assert_eq!(replayed.leaves, leaves(size, 10 + total - size));
        prop_assert_eq!(replayed.torn_bytes, 0);
        prop_assert_eq!(wal.next(), 10 + total);
    }

    /// One flipped bit anywhere is either a cut of the last frame or an error; entries before it never change.
    #[test]
    fn a_flipped_bit_is_never_read_over(frames in prop::collection::vec(1_u64..6, 1..8), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (files, _) = written(&frames);
        let all: usize = files.snapshot().values().map(Vec::len).sum();
        let mut at = at.index(all);
        let mut last_frame = false;
        let segments = files.snapshot();
        let last_path = segments.iter().filter(|(_, content)| !content.is_empty()).map(|(path, _)| path.clone()).next_back();
        files.edit(|path, content| {
            if at < content.len() {
                content[at] ^= 1 << bit;
                last_frame = Some(path.to_owned()) == last_path;
            }
            at = at.checked_sub(content.len()).unwrap_or(usize::MAX);
        });
        let whole: u64 = frames.iter().sum();
        match read(&files, 10) {
            Ok(replayed) => {
                // Only the very last frame may be cut.
                let kept = replayed.leaves.len() as u64;
                prop_assert!(last_frame);
                prop_assert!(replayed.torn_bytes > 0);
                prop_assert_eq!(kept, whole - frames.last().unwrap());
                prop_assert_eq!(replayed.leaves, leaves(10, kept));
            }
            Err(error) => prop_assert!(matches!(error, ReplayError::Damaged { .. }), "{:?}", error),
        }
    }

    #[test]
    fn a_short_file_is_cut_to_whole_frames(frames in prop::collection::vec(1_u64..6, 1..8), cut in any::<prop::sample::Index>()) {
        let (files, _) = written(&frames);
        let last = files.snapshot().into_iter().rfind(|(_, content)| !content.is_empty());
        let Some((last, content)) = last else { return Ok(()) };
        let len = cut.index(content.len());
        files.edit(|path, content| if path == last { content.truncate(len) });
        let kept = read(&files, 10);
        // Unless an empty segment follows, which says that this one was complete.
        if files.snapshot().into_keys().next_back() == Some(last) {
            let kept = kept.unwrap().leaves;
            prop_assert_eq!(kept.clone(), leaves(10, kept.len() as u64));
        }
    }

    #[test]
    fn hostile_segments_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (files, _) = written(&[1]);
        files.edit(|_, content| content.clone_from(&bytes));
        let _outcome = read(&files, 10);
    }
}

#[test]
fn segments_of_another_log_are_not_ours() {
    let (files, _) = written(&[3, 3]);
    let replayed = replay(&files, Path::new(FOLDER), "testudo/y", 10);
    assert!(matches!(replayed, Err(ReplayError::Damaged { .. })) || replayed.unwrap().leaves.is_empty());
}

#[test]
fn holes_strangers_and_old_copies_are_named() {
    let (files, _) = written(&[20, 20, 20]);
    assert!(matches!(
        read(&files, 5),
        Err(ReplayError::Missing {
            wanted: 5,
            found: 10,
            ..
        })
    ));
    assert!(matches!(
        read(&files, 90),
        Err(ReplayError::Behind { end: 70, size: 90, .. })
    ));
    // An empty segment is what a clean stop leaves.
    let (files, _) = written(&[]);
    assert!(matches!(
        read(&files, 9),
        Err(ReplayError::Missing {
            wanted: 9,
            found: 10,
            ..
        })
    ));
    files.open_append(Path::new("/wal/notes.txt")).unwrap();
    assert!(matches!(read(&files, 10), Err(ReplayError::Name { .. })));
}

/// A sync that failed may have left pages behind that no later sync of the file writes.
#[test]
fn what_came_back_stays_although_a_sync_had_failed() {
    for seed in 0..64 {
        let (files, mut wal) = written(&[2]);
        files.fail_after([2]);
        wal.append(&leaves(12, 3)).unwrap_err();
        let files = files.crash(Crash::Process, seed);
        let first = read(&files, 10).unwrap();
        assert_eq!(first.leaves, leaves(10, 5), "the page cache has the whole frame");
        // They go under a checkpoint, and the power fails before the segment is removed.
        let files = files.crash(Crash::Power, seed);
        let second = read(&files, 15).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!((second.leaves, second.torn_bytes), (Vec::new(), 0));
    }
}

/// A rewriting that a crash interrupted is done again.
#[test]
fn a_segment_is_settled_in_one_step() {
    for seed in 0..64 {
        let (files, _) = written(&[2, 3]);
        files.kill_after(1 + seed % 6);
        let _dead = read(&files, 10);
        let files = files.crash(Crash::Power, seed);
        assert_eq!(read(&files, 10).unwrap().leaves, leaves(10, 5), "seed {seed}");
        assert!(
            files
                .snapshot()
                .keys()
                .all(|path| path.extension().is_some_and(|it| it == "wal"))
        );
    }
}

/// Short is what a crash leaves; whole and wrong may be damage to what was acknowledged, and is told as that.
#[test]
fn a_frame_of_full_length_is_told_from_one_cut_short() {
    let torn = |change: fn(&mut Vec<u8>)| {
        let (files, _) = written(&[2, 2]);
        files.edit(|_, content| change(content));
        let replayed = read(&files, 10).unwrap();
        assert_eq!(replayed.leaves, leaves(10, 2));
        (replayed.torn_bytes, replayed.torn_is_whole)
    };
    let (short, is_whole) = torn(|content| content.truncate(content.len() - 1));
    assert!(!is_whole);
    let flipped = torn(|content| *content.last_mut().unwrap() ^= 1);
    assert_eq!(flipped, (short + 1, true));
    let (_, is_whole) = torn(|content| {
        let start = content.len() / 2;
        content.truncate(start + 3);
    });
    assert!(!is_whole);
}

#[test]
fn retired_segments_are_gone_and_the_rest_is_kept() {
    let (files, mut wal) = written(&[20, 20, 20]);
    let before = files.snapshot().len();
    wal.retire(30).unwrap();
    assert!(files.snapshot().len() < before);
    assert_eq!(read(&files, 30).unwrap().leaves, leaves(30, 40));
    wal.retire(70).unwrap();
    let left: Vec<_> = files.snapshot().into_iter().collect();
    assert_eq!(left, [(PathBuf::from("/wal/00000000000000000070.wal"), Vec::new())]);
}

#[test]
fn a_failed_append_is_cut_off_before_the_next() {
    let (files, mut wal) = written(&[2]);
    files.fail_after([2]);
    assert!(wal.append(&leaves(12, 2)).is_err());
    assert!(wal.append(&leaves(12, 2)).is_err(), "not before it is repaired");
    wal.repair().unwrap();
    wal.append(&leaves(12, 3)).unwrap();
    assert_eq!(read(&files, 10).unwrap().leaves, leaves(10, 5));
}
