//! What a healthy recorder does.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use testudo_ledger::entry::{Body, Entry, RecorderAction};
use testudo_ledger::tree::check_inclusion;
use testudo_ledger::{Hash, Policy, Proof};
use testudo_types::UnixMillis;

use super::rig::{HandClock, PlainSealer, ROOT, check, draft, id, open, open_with, options};
use crate::files::Files;
use crate::files::faulty::FaultyFiles;
use crate::{AppendError, Batch, Draft, Level, LogFolder, Receipt, Sealer, Sealing, SubjectName, Unavailable};

fn files() -> FaultyFiles {
    FaultyFiles::new(Path::new(ROOT), 1)
}

fn log(files: &FaultyFiles) -> LogFolder {
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    LogFolder::with(Path::new(ROOT), shared)
}

#[tokio::test]
async fn entries_stand_in_the_order_of_their_receipts() {
    let files = files();
    let recorder = open(&files).await.unwrap();
    let mut receipts = Vec::new();
    for number in 0..700 {
        let level = Level::ALL[number % 3];
        let content = if number % 5 == 0 { 40 } else { 0 };
        let receipt = recorder
            .slot()
            .unwrap()
            .append(draft(&number.to_string(), content), level)
            .await;
        receipts.push((number, receipt.unwrap()));
    }
    recorder.close().await.unwrap();
    let entries = check(&files);
    for (number, receipt) in receipts {
        let Some(index) = receipt.index() else { continue };
        assert_eq!(id(&entries[&index]), number.to_string());
    }
    // A start, 700, a stop.
    assert_eq!(entries.len(), 702);
    assert!(matches!(&entries[&0].body, Body::Recorder(it) if it.action == RecorderAction::Start && it.size == 0));
    assert!(matches!(&entries[&701].body, Body::Recorder(it) if it.action == RecorderAction::Stop && it.size == 701));
    let wal: Vec<_> = files
        .snapshot()
        .into_iter()
        .filter(|(path, _)| path.starts_with("/log/wal"))
        .collect();
    assert!(
        wal.iter().all(|(_, content)| content.is_empty()),
        "integrated segments are gone"
    );
    let partial = files
        .snapshot()
        .into_keys()
        .filter(|it| it.to_string_lossy().contains(".p/"));
    assert_eq!(partial.count(), 3, "one partial tile a level and one bundle");
}

#[tokio::test]
async fn every_entry_can_be_proven_and_read() {
    let files = files();
    let recorder = open(&files).await.unwrap();
    for number in 0..300 {
        recorder
            .append(draft(&number.to_string(), 10), Level::Queued)
            .await
            .unwrap();
    }
    recorder.flush().await.unwrap();
    let log = log(&files);
    let checkpoint = log.checkpoint().unwrap();
    let (size, root) = (checkpoint.checkpoint().size(), *checkpoint.checkpoint().root());
    assert_eq!(size, 301);
    for index in [0, 1, 255, 256, 300] {
        let entry = log.entry(index).unwrap();
        let proof = log.inclusion(index, size).unwrap();
        let leaf = Hash::leaf(&entry);
        check_inclusion(&leaf, index, size, &proof, &root).unwrap();
        let file = log.prove(index, b"").unwrap().to_string();
        let policy = Policy::parse(&log.read("policy", 1 << 16).unwrap().unwrap()).unwrap();
        let proof = Proof::parse(file.as_bytes()).unwrap();
        proof.verify(&leaf, &policy).unwrap();
        assert!(proof.verify(&Hash::leaf(b"other"), &policy).is_err());
        assert_eq!(log.payload(index).unwrap().is_some(), index > 0);
    }
    assert!(log.entry(301).is_err());
    assert!(log.inclusion(301, 301).is_err());
    recorder.close().await.unwrap();
    // The tree that a reader began with is still there in the wider tiles.
    assert!(log.consistency(300, 302).is_ok());
}

#[tokio::test]
async fn an_integrated_entry_is_under_the_checkpoint_when_it_returns() {
    let files = files();
    let recorder = open(&files).await.unwrap();
    for number in 0..20 {
        let receipt = recorder
            .append(draft(&number.to_string(), 3), Level::Integrated)
            .await
            .unwrap();
        assert!(receipt.index().unwrap() < log(&files).size().unwrap());
    }
    recorder.close().await.unwrap();
}

#[tokio::test]
async fn time_never_runs_backwards() {
    let files = files();
    let clock = HandClock::new();
    let mut with = options();
    with.clock = clock.clone();
    let recorder = open_with(&files, with).await.unwrap();
    let at = |receipt: Receipt| match receipt {
        Receipt::Written { at, .. } => at,
        Receipt::Queued => panic!("not written"),
    };
    let first = at(recorder.append(draft("a", 0), Level::Durable).await.unwrap());
    clock.0.store(5, Ordering::Relaxed);
    assert_eq!(at(recorder.append(draft("b", 0), Level::Durable).await.unwrap()), first);
    recorder.close().await.unwrap();
    // Nor over a restart.
    let mut with = options();
    with.clock = clock.clone();
    let recorder = open_with(&files, with).await.unwrap();
    assert_eq!(at(recorder.append(draft("c", 0), Level::Durable).await.unwrap()), first);
    clock.0.store(first.0 + 9, Ordering::Relaxed);
    let later = at(recorder.append(draft("d", 0), Level::Durable).await.unwrap());
    assert_eq!(later, UnixMillis(first.0 + 9));
    recorder.close().await.unwrap();
    check(&files);
}

#[tokio::test]
async fn what_can_never_be_written_is_refused_alone() {
    let files = files();
    let recorder = open(&files).await.unwrap();
    let mut nobodys = draft("x", 5);
    nobodys.tenant = None;
    assert_eq!(
        recorder.append(nobodys, Level::Queued).await,
        Err(AppendError::NobodysContent)
    );
    let mut large = draft("x", 0);
    large.tenant = None;
    large.principal = None;
    large.content = Some(zeroize::Zeroizing::new(vec![0; 1]));
    assert_eq!(
        recorder.append(large, Level::Durable).await,
        Err(AppendError::NobodysContent)
    );
    let mut erased = draft("x", 5);
    erased.subject = Some(SubjectName::parse("erased").unwrap());
    let too_long = draft(&"y".repeat(300), 0);
    // All in one batch with good ones.
    let slots: Vec<_> = (0..4).map(|_| recorder.slot().unwrap()).collect();
    let drafts = [draft("a", 1), erased, too_long, draft("b", 1)];
    let pending: Vec<_> = slots
        .into_iter()
        .zip(drafts)
        .map(|(slot, draft)| slot.append(draft, Level::Durable))
        .collect();
    let mut outcomes = Vec::new();
    for pending in pending {
        outcomes.push(pending.await);
    }
    assert!(outcomes[0].is_ok() && outcomes[3].is_ok(), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(AppendError::Refused { .. })), "{outcomes:?}");
    let named = matches!(&outcomes[2], Err(AppendError::Invalid(error)) if error.member == "id");
    assert!(named, "{outcomes:?}");
    // Who does not wait gets a shortened entry instead of none.
    recorder
        .append(draft(&"z".repeat(300), 0), Level::Queued)
        .await
        .unwrap();
    recorder.close().await.unwrap();
    let entries = check(&files);
    let ids: Vec<&str> = entries
        .values()
        .map(id)
        .filter(|it| it.len() < 3 || it.starts_with('z'))
        .collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(recorder.health().lost == 0);
}

#[tokio::test]
async fn a_full_queue_gives_no_slot_and_a_slot_keeps_its_place() {
    let files = files();
    let mut with = options();
    with.limits.queue_entries = 3;
    let recorder = open_with(&files, with).await.unwrap();
    let held: Vec<_> = (0..3).map(|_| recorder.slot().unwrap()).collect();
    assert_eq!(recorder.slot().err(), Some(Unavailable::Full));
    assert_eq!(recorder.health().queue_entries, 3);
    for (number, slot) in held.into_iter().enumerate() {
        slot.append(draft(&number.to_string(), 0), Level::Durable)
            .await
            .unwrap();
    }
    assert!(recorder.slot().is_ok());
    recorder.close().await.unwrap();
    assert_eq!(recorder.slot().err(), Some(Unavailable::Closed));
    assert_eq!(
        recorder.append(draft("x", 0), Level::Durable).await,
        Err(AppendError::Closed)
    );
    assert_eq!(recorder.close().await, Err(AppendError::Closed));
}

#[tokio::test]
async fn a_heavy_queue_gives_no_slot() {
    let files = files();
    let mut with = options();
    with.limits.queue_bytes = 1000;
    let recorder = open_with(&files, with).await.unwrap();
    // The writer cannot take it while this thread does not yield to nobody: it has a thread of its own,
    // so only the count that the handle itself keeps is looked at.
    recorder
        .slot()
        .unwrap()
        .append(draft("a", 5000), Level::Durable)
        .await
        .unwrap();
    assert_eq!(recorder.health().queue_bytes, 0);
    recorder.close().await.unwrap();
}

/// Seals nothing while somebody else has the gate.
struct Gated(Arc<tokio::sync::Mutex<()>>);

impl Sealer for Gated {
    fn seal<'a>(&'a mut self, batch: Batch<'a>) -> Sealing<'a> {
        Box::pin(async move {
            drop(self.0.lock().await);
            PlainSealer.seal(batch).await
        })
    }
}

#[tokio::test]
async fn appends_wait_for_room_for_their_bytes() {
    const MIB: usize = 1 << 20;
    let files = files();
    let gate = Arc::default();
    let mut with = options();
    with.sealer = Box::new(Gated(Arc::clone(&gate)));
    with.limits.queue_bytes = MIB;
    let recorder = open_with(&files, with).await.unwrap();
    let closed = gate.lock().await;
    let plug = recorder.slot().unwrap().append(draft("plug", 0), Level::Durable);
    while recorder.health().queue_bytes > 0 {
        tokio::task::yield_now().await;
    }
    // The writer is at the gate. What is larger than all the room takes its turn too.
    let sizes = [400 << 10, 400 << 10, 3 * MIB, 400 << 10, 700 << 10, 400 << 10];
    let appends: Vec<_> = (0..)
        .zip(sizes)
        .map(|(number, bytes): (u32, usize)| {
            let recorder = recorder.clone();
            tokio::spawn(async move { recorder.append(draft(&number.to_string(), bytes), Level::Durable).await })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let queued = recorder.health().queue_bytes;
    assert!((800 << 10..=MIB).contains(&queued), "{queued} bytes");
    drop(closed);
    plug.await.unwrap();
    for append in appends {
        append.await.unwrap().unwrap();
    }
    assert_eq!(recorder.health().queue_bytes, 0);
    recorder.close().await.unwrap();
    let entries = check(&files);
    assert_eq!(entries.values().filter(|it| it.payload.is_some()).count(), sizes.len());
}

#[tokio::test]
async fn slots_that_are_held_may_still_append_while_closing() {
    let files = files();
    let recorder = open(&files).await.unwrap();
    let slot = recorder.slot().unwrap();
    let closing = tokio::spawn({
        let recorder = recorder.clone();
        async move { recorder.close().await }
    });
    while recorder.slot().err() != Some(Unavailable::Closed) {
        tokio::task::yield_now().await;
    }
    let receipt = slot.append(draft("late", 0), Level::Durable).await.unwrap();
    closing.await.unwrap().unwrap();
    assert_eq!(id(&check(&files)[&receipt.index().unwrap()]), "late");
}

#[tokio::test]
async fn dropped_payloads_are_nowhere_and_the_tree_stands() {
    let files = files();
    let recorder = open(&files).await.unwrap();
    let mut indexes = Vec::new();
    for number in 0..300 {
        let receipt = recorder
            .append(draft(&number.to_string(), 50), Level::Durable)
            .await
            .unwrap();
        indexes.push(receipt.index().unwrap());
    }
    let dropped: BTreeSet<u64> = indexes.iter().copied().filter(|it| it % 2 == 0).collect();
    recorder.drop_payloads(dropped.clone()).await.unwrap();
    let log = log(&files);
    for index in &indexes {
        assert_eq!(log.payload(*index).unwrap().is_none(), dropped.contains(index));
    }
    for content in files.snapshot().into_values() {
        for index in &dropped {
            let record: Vec<u8> = [b"TSP1".as_slice(), &index.to_be_bytes()].concat();
            assert!(!content.windows(record.len()).any(|it| it == record), "{index}");
        }
    }
    // The open file goes on behind what is left of it.
    recorder.append(draft("after", 50), Level::Integrated).await.unwrap();
    recorder.close().await.unwrap();
    let last = log.size().unwrap() - 2;
    assert!(log.payload(last).unwrap().is_some());
}

#[tokio::test]
async fn the_observer_sees_everything_in_order_and_catches_up() {
    use std::sync::Mutex;

    #[derive(Debug, Clone, Default)]
    struct Seen(Arc<Mutex<Vec<(u64, String)>>>);
    impl crate::Observer for Seen {
        fn next_index(&mut self, _closing: &crate::Closing) -> Result<u64, crate::ObserverError> {
            Ok(self.0.lock().unwrap().len() as u64)
        }
        fn observe(&mut self, index: u64, bytes: &[u8], entry: Option<&Entry>) -> Result<(), crate::ObserverError> {
            let entry = entry.unwrap();
            assert_eq!(entry.encode().unwrap(), bytes);
            self.0.lock().unwrap().push((index, id(entry).to_owned()));
            Ok(())
        }
        fn pause(&mut self) -> Result<(), crate::ObserverError> {
            Ok(())
        }
    }

    let files = files();
    let seen = Seen::default();
    for run in 0..3 {
        let mut with = options();
        // In the second run nobody looks.
        if run != 1 {
            with.observer = Some(Box::new(seen.clone()));
        }
        let recorder = open_with(&files, with).await.unwrap();
        for number in 0..300 {
            recorder
                .append(draft(&format!("{run}-{number}"), 0), Level::Queued)
                .await
                .unwrap();
        }
        recorder.close().await.unwrap();
    }
    let entries = check(&files);
    let expected: Vec<(u64, String)> = entries
        .iter()
        .map(|(index, entry)| (*index, id(entry).to_owned()))
        .collect();
    assert_eq!(*seen.0.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_real_folder_works_like_the_faulty_one() {
    let home = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let folder = crate::Folder::prepare(home.path()).unwrap();
        let mut with = options();
        with.sealer = Box::new(PlainSealer);
        let recorder = crate::Recorder::open(folder, with).await.unwrap();
        for number in 0..300 {
            recorder
                .append(draft(&number.to_string(), 20), Level::Queued)
                .await
                .unwrap();
        }
        let last = recorder
            .append(Draft::new(draft("x", 0).body), Level::Integrated)
            .await
            .unwrap();
        assert!(last.index().unwrap() >= 300);
        recorder.close().await.unwrap();
    }
    assert_eq!(LogFolder::new(home.path()).size().unwrap(), 606);
}

#[tokio::test]
async fn a_recorder_that_is_only_dropped_finishes_what_is_queued() {
    let home = tempfile::tempdir().unwrap();
    let recorder = crate::Recorder::open(crate::Folder::prepare(home.path()).unwrap(), options())
        .await
        .unwrap();
    for number in 0..100 {
        recorder
            .append(draft(&number.to_string(), 20), Level::Queued)
            .await
            .unwrap();
    }
    drop(recorder);
    // Its threads let go of the lock when they are done.
    while let Err(error) = crate::Folder::prepare(home.path()) {
        assert!(matches!(error, crate::FolderError::Locked { .. }), "{error}");
        tokio::task::yield_now().await;
    }
    assert_eq!(LogFolder::new(home.path()).size().unwrap(), 102);
}
