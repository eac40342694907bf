//! Disks that are full or broken for a while: errors while it lasts, a gap afterwards, nothing acknowledged lost.

#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use testudo_ledger::SignedCheckpoint;
use testudo_ledger::entry::{Body, Entry, Gap};

use super::rig::{ROOT, check, draft, id, open, open_with, options};
use crate::files::Files as _;
use crate::files::faulty::{Chance, Crash, FaultyFiles};
use crate::{
    AppendError, Batch, Cosigned, Level, OpenError, Recorder, ReplayError, SealError, Sealer, Sealing, TreeError,
    Unavailable, Witnessing,
};

fn files() -> FaultyFiles {
    FaultyFiles::new(Path::new(ROOT), 7)
}

/// Waits until the recorder writes again, which it tries by itself.
async fn healed(recorder: &Recorder) {
    while !recorder.health().writable {
        tokio::task::yield_now().await;
    }
}

fn gaps(entries: &BTreeMap<u64, Entry>) -> Vec<&Gap> {
    let gaps = entries.values().filter_map(|entry| match &entry.body {
        Body::Gap(gap) => Some(gap),
        _ => None,
    });
    gaps.collect()
}

#[tokio::test]
async fn a_full_disk_refuses_and_then_goes_on_by_itself() {
    let files = files();
    let mut with = options();
    // Checkpoints only when asked for, so that the write-ahead log is what meets the full disk.
    with.limits.checkpoint_every_ms = 3_600_000;
    let recorder = open_with(&files, with).await.unwrap();
    recorder.append(draft("before", 30), Level::Durable).await.unwrap();
    files.set_space(Some(700));
    let held = [recorder.slot().unwrap(), recorder.slot().unwrap()];
    let mut lost = 0;
    let error = loop {
        match recorder.append(draft("filler", 100), Level::Durable).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    lost += 1;
    assert!(matches!(error, AppendError::NotWritten { .. }), "{error}");
    let health = recorder.health();
    assert!(!health.writable && health.last_error.is_some(), "{health:?}");
    assert!(matches!(recorder.slot(), Err(Unavailable::Failed { .. })));
    recorder.count_unrecorded();
    lost += 1;
    // A slot from before is taken, and told the truth.
    let [queued, durable] = held;
    queued.append(draft("queued", 5), Level::Queued).await.unwrap();
    let told = durable.append(draft("durable", 5), Level::Durable).await;
    assert!(matches!(told, Err(AppendError::NotWritten { .. })), "{told:?}");
    lost += 2;
    assert_eq!(recorder.health().lost, lost);
    files.set_space(None);
    healed(&recorder).await;
    recorder.append(draft("after", 30), Level::Durable).await.unwrap();
    recorder.close().await.unwrap();
    let entries = check(&files);
    let gaps = gaps(&entries);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].count, gaps[0].reason.as_str()), (lost, "write_failed"));
    assert!(gaps[0].from_at <= gaps[0].to_at);
    let ids: Vec<&str> = entries.values().map(id).collect();
    assert!(ids.contains(&"before") && ids.contains(&"after"), "{ids:?}");
    assert!(!ids.contains(&"queued") && !ids.contains(&"durable"), "{ids:?}");
}

/// Who does not take slots is refused all the time and must not keep the writer from looking at the disk.
#[tokio::test]
async fn a_storm_of_appends_does_not_hold_the_recovery_up() {
    let files = files();
    let recorder = open(&files).await.unwrap();
    files.set_space(Some(0));
    while recorder.append(draft("x", 1), Level::Durable).await.is_ok() {}
    files.set_space(None);
    while recorder.append(draft("x", 1), Level::Durable).await.is_err() {}
    recorder.close().await.unwrap();
    assert!(!gaps(&check(&files)).is_empty());
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_written_is_told_and_made_up_for() {
    let files = files();
    let mut with = options();
    with.limits.checkpoint_every_ms = 3_600_000;
    let recorder = open_with(&files, with).await.unwrap();
    recorder.append(draft("a", 3), Level::Integrated).await.unwrap();
    // Enough for the write-ahead log, not for the tiles.
    files.set_space(Some(900));
    let told = recorder.append(draft("b", 3), Level::Integrated).await;
    assert!(
        matches!(told, Err(AppendError::NotIntegrated { index: 2, .. })),
        "{told:?}"
    );
    assert!(!recorder.health().writable);
    files.set_space(None);
    healed(&recorder).await;
    assert_eq!(recorder.health().size, 3);
    recorder.close().await.unwrap();
    let entries = check(&files);
    assert_eq!(id(&entries[&2]), "b");
    assert!(gaps(&entries).is_empty());
}

/// One failed operation anywhere: no entry that was acknowledged is lost, twice or in another place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_single_fault_loses_an_acknowledged_entry() {
    let mut failures = 0;
    for seed in 0..150 {
        let files = FaultyFiles::new(Path::new(ROOT), seed);
        let recorder = open(&files).await.unwrap();
        let mut chance = Chance::new(seed);
        let most = if seed % 2 == 0 { 60 } else { 400 };
        files.fail_after([chance.below(most), chance.below(most), chance.below(most)]);
        let acknowledged = Arc::new(Mutex::new(BTreeMap::new()));
        let writers = (0..4).map(|writer| {
            let (recorder, acknowledged) = (recorder.clone(), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let mut failed = 0;
                for number in 0..40 {
                    let name = format!("{writer}-{number}");
                    let level = Level::ALL[number % 3];
                    match recorder.append(draft(&name, number % 7 * 20), level).await {
                        Ok(receipt) => {
                            receipt
                                .index()
                                .map(|index| acknowledged.lock().unwrap().insert(index, name));
                        }
                        Err(AppendError::NotIntegrated { index, .. }) => {
                            acknowledged.lock().unwrap().insert(index, name);
                        }
                        Err(_) => failed += 1,
                    }
                }
                failed
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            failures += writer.await.unwrap();
        }
        files.fail_after([]);
        // The power fails for good measure in every other story.
        let files = if seed % 4 < 2 {
            healed(&recorder).await;
            recorder.close().await.unwrap();
            files
        } else {
            files.crash(Crash::Power, seed)
        };
        if seed % 4 >= 2 {
            let recorder = open(&files)
                .await
                .unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
            recorder.close().await.unwrap();
        }
        let entries = check(&files);
        for (index, name) in acknowledged.lock().unwrap().iter() {
            let found = entries.get(index).map(id);
            assert_eq!(found, Some(name.as_str()), "seed {seed}: entry {index}");
        }
    }
    assert!(failures > 20, "{failures}: the faults must hit something");
}

#[tokio::test]
async fn what_passed_unrecorded_is_told_without_further_entries() {
    let files = files();
    let recorder = open(&files).await.unwrap();
    recorder.count_unrecorded();
    recorder.count_unrecorded();
    // Something moves once more; nobody appends.
    recorder.append(draft("a", 0), Level::Integrated).await.unwrap();
    recorder.close().await.unwrap();
    let entries = check(&files);
    let told = gaps(&entries);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].count, told[0].reason.as_str()), (2, "unavailable"));
}

#[tokio::test]
async fn a_key_store_that_fails_is_a_failed_writer() {
    struct Broken(u32);
    impl Sealer for Broken {
        fn seal<'a>(&'a mut self, batch: Batch<'a>) -> Sealing<'a> {
            self.0 += 1;
            let broken = self.0 == 2;
            Box::pin(async move {
                if broken {
                    return Err(SealError("the key store is locked".into()));
                }
                super::rig::PlainSealer.seal(batch).await
            })
        }
    }
    let files = files();
    let mut with = options();
    with.sealer = Box::new(Broken(0));
    let recorder = open_with(&files, with).await.unwrap();
    let told = recorder.append(draft("a", 1), Level::Durable).await;
    assert!(
        matches!(&told, Err(AppendError::NotWritten { reason }) if reason.contains("key store")),
        "{told:?}"
    );
    healed(&recorder).await;
    recorder.append(draft("b", 1), Level::Durable).await.unwrap();
    recorder.close().await.unwrap();
    assert_eq!(gaps(&check(&files)).len(), 1);
}

/// Signs nothing, or claims a quorum.
struct Witness(bool);

impl Witnessing for Witness {
    fn cosign<'a>(
        &'a self,
        _checkpoint: &'a SignedCheckpoint,
    ) -> std::pin::Pin<Box<dyn Future<Output = Cosigned> + Send + 'a>> {
        Box::pin(async {
            Cosigned {
                signatures: Vec::new(),
                quorum: self.0,
                reason: "nobody is there".to_owned(),
                contradiction: None,
            }
        })
    }
}

#[tokio::test]
async fn a_witnessed_entry_waits_for_witnesses_and_not_for_ever() {
    for (witness, expected) in [(Some(true), true), (Some(false), false), (None, false)] {
        let files = files();
        let mut with = options();
        with.witnessing = witness.map(|quorum| Arc::new(Witness(quorum)) as Arc<dyn Witnessing>);
        let recorder = open_with(&files, with).await.unwrap();
        let told = recorder.append(draft("a", 1), Level::Witnessed).await;
        let is_witnessed = match &told {
            Ok(_) => true,
            Err(AppendError::NotWitnessed { index: 1, .. }) => false,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(is_witnessed, expected, "{witness:?}: {told:?}");
        assert_eq!(recorder.health().witnessed_age_ms.is_some(), expected);
        recorder.close().await.unwrap();
        assert_eq!(id(&check(&files)[&1]), "a");
    }
}

/// A log of a few hundred entries whose process died with some in the write-ahead log only.
async fn left_behind() -> FaultyFiles {
    let files = files();
    let mut with = options();
    with.limits.checkpoint_every_ms = 3_600_000;
    let recorder = open_with(&files, with).await.unwrap();
    for number in 0..100 {
        recorder
            .append(draft(&number.to_string(), 20), Level::Queued)
            .await
            .unwrap();
    }
    recorder
        .append(draft("integrated", 20), Level::Integrated)
        .await
        .unwrap();
    for number in 0..100 {
        recorder
            .append(draft(&number.to_string(), 20), Level::Durable)
            .await
            .unwrap();
    }
    files.crash(Crash::Process, 0)
}

#[tokio::test]
async fn tiles_that_a_crash_left_are_swept() {
    let files = left_behind().await;
    let open_file = |path: &str| files.write(Path::new(path), b"stale").unwrap();
    files.create_folder(Path::new("/log/tile/entries/000.p")).unwrap();
    open_file("/log/tile/entries/000.p/3");
    open_file("/log/tile/0/000.p/200");
    let recorder = open(&files).await.unwrap();
    for number in 0..300 {
        recorder
            .append(draft(&number.to_string(), 0), Level::Queued)
            .await
            .unwrap();
    }
    recorder.close().await.unwrap();
    for folder in ["/log/tile/0/000.p", "/log/tile/entries/000.p"] {
        files.create_folder(Path::new(folder)).unwrap();
        open_file(&format!("{folder}/7"));
    }
    let recorder = open(&files).await.unwrap();
    recorder.close().await.unwrap();
    let stale = files.snapshot().into_iter().filter(|(_, content)| content == b"stale");
    assert_eq!(stale.count(), 0);
    check(&files);
}

/// Damage in the log's files, and what the next start says of it.
async fn damaged(change: impl Fn(&Path, &mut Vec<u8>) -> bool) -> Option<OpenError> {
    let files = left_behind().await;
    let mut changed = 0;
    files.edit(|path, content| changed += u32::from(change(path, content)));
    assert_eq!(changed, 1, "the damage must hit one file");
    match open(&files).await {
        Ok(recorder) => {
            recorder.close().await.unwrap();
            None
        }
        Err(error) => Some(error),
    }
}

#[tokio::test]
async fn damage_is_named_and_never_cut_away() {
    let is = |path: &Path, name: &str| path.to_string_lossy().starts_with(name);
    let segments = std::cell::Cell::new(0);
    let in_the_middle = damaged(|path, content| {
        let hit = is(path, "/log/wal/") && segments.replace(segments.get() + 1) == 0;
        if hit {
            content[2000] ^= 1;
        }
        hit
    });
    let error = in_the_middle.await;
    assert!(
        matches!(&error, Some(OpenError::Replay(ReplayError::Damaged { path, .. })) if path.starts_with("/log/wal")),
        "{error:?}"
    );
    let error = damaged(|path, content| {
        let hit = is(path, "/log/tile/0/000.p/");
        if hit {
            content[40] ^= 1;
        }
        hit
    });
    assert!(matches!(error.await, Some(OpenError::Tree(TreeError::Root { .. }))));
    let error = damaged(|path, content| {
        let hit = is(path, "/log/tile/entries/000.p/");
        if hit {
            content[40] ^= 1;
        }
        hit
    });
    assert!(matches!(error.await, Some(OpenError::Tree(TreeError::Tile { .. }))));
    let error = damaged(|path, content| {
        let hit = is(path, "/log/checkpoint");
        if hit {
            content[25] ^= 1;
        }
        hit
    });
    assert!(matches!(error.await, Some(OpenError::Checkpoint { .. })));
    // The high byte of the first length, the mark after it, the low byte of the last length.
    for at in [2, 5, usize::MAX] {
        let error = damaged(|path, content| {
            let hit = is(path, "/log/payload/000");
            if hit {
                let record = content.len() / 101;
                let last = content.len() - record + 3;
                content[at.min(last)] ^= 1;
            }
            hit
        });
        let error = error.await;
        let named = matches!(error, Some(OpenError::Tree(TreeError::PayloadDamaged { .. })));
        assert!(named, "{at}: {error:?}");
    }
}

#[tokio::test]
async fn missing_files_are_named() {
    for (name, expected) in [("/log/checkpoint", "no checkpoint"), ("/log/log.key", "no `log.key`")] {
        let files = left_behind().await;
        files.lose(Path::new(name));
        let error = open(&files).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(expected), "{text}");
    }
    // A segment in the middle.
    let files = left_behind().await;
    let segments: Vec<_> = files
        .snapshot()
        .into_keys()
        .filter(|it| it.starts_with("/log/wal"))
        .collect();
    assert!(segments.len() > 2, "{segments:?}");
    files.lose(&segments[1]);
    let error = open(&files).await.unwrap_err();
    assert!(
        matches!(error, OpenError::Replay(ReplayError::Missing { .. })),
        "{error:?}"
    );
}
