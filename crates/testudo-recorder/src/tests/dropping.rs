//! Payload files that are rewritten without some of their records.

use std::path::Path;

use super::rig::{ROOT, draft, open};
use crate::files::Files as _;
use crate::files::faulty::{Crash, FaultyFiles};
use crate::{Level, LogFolder, Recorder};

const LARGE_BYTES: usize = 3 << 20;

/// A full payload file, of which the records of entries 1 to 3 are large.
async fn written(large_bytes: usize) -> (FaultyFiles, Recorder) {
    let files = FaultyFiles::new(Path::new(ROOT), 1);
    let recorder = open(&files).await.unwrap();
    for number in 1..260_usize {
        let bytes = if number < 4 { large_bytes } else { 50 };
        let slot = recorder.slot().unwrap();
        let pending = slot.append(draft(&number.to_string(), bytes), Level::Durable);
        pending.await.unwrap();
    }
    recorder.flush().await.unwrap();
    (files, recorder)
}

fn present(files: &FaultyFiles) -> Vec<u64> {
    let log = LogFolder::with(Path::new(ROOT), std::sync::Arc::new(files.clone()));
    (0..256)
        .filter(|index| log.payload(*index).unwrap().is_some())
        .collect()
}

#[tokio::test]
async fn no_more_than_a_piece_of_a_file_is_in_memory() {
    let (files, recorder) = written(LARGE_BYTES).await;
    files.widest();
    recorder.drop_payloads([2, 200].into()).await.unwrap();
    let widest = files.widest();
    assert!(widest <= 1 << 20, "{widest}");
    let kept: Vec<u64> = (1..256).filter(|it| ![2, 200].contains(it)).collect();
    assert_eq!(present(&files), kept);
}

#[tokio::test]
async fn a_crash_leaves_the_whole_file_or_the_rewritten_one() {
    let (files, recorder) = written(70_000).await;
    recorder.close().await.unwrap();
    let all: Vec<u64> = (1..256).collect();
    let kept: Vec<u64> = all.iter().copied().filter(|it| *it != 2).collect();
    let mut outcomes = [0, 0];
    for after in 1..=12 {
        let files = files.crash(Crash::Process, after);
        let recorder = open(&files).await.unwrap();
        recorder.flush().await.unwrap();
        files.kill_after(after);
        let dropped = recorder.drop_payloads([2].into()).await;
        let files = files.crash(Crash::Power, after);
        let found = present(&files);
        assert!(found == all || found == kept, "{after}: {found:?}");
        assert!(dropped.is_err() || found == kept, "{after}");
        outcomes[usize::from(found == kept)] += 1;
        let recorder = open(&files).await.unwrap();
        recorder.drop_payloads([2].into()).await.unwrap();
        assert_eq!(present(&files), kept);
    }
    assert!(outcomes.iter().all(|it| *it > 0), "{outcomes:?}");
}

#[tokio::test]
async fn a_full_disk_leaves_the_file_and_nothing_beside_it() {
    let (files, recorder) = written(70_000).await;
    files.set_space(Some(100_000));
    recorder.drop_payloads([2].into()).await.unwrap_err();
    files.set_space(None);
    assert_eq!(present(&files), (1..256).collect::<Vec<_>>());
    assert_eq!(files.list(&Path::new(ROOT).join("payload")).unwrap(), ["000", "001"]);
    recorder.drop_payloads([2].into()).await.unwrap();
    assert_eq!(present(&files).len(), 254);
}
