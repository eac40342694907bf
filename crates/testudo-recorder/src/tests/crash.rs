//! Power cuts and dead processes at random moments under load: nothing acknowledged is ever lost.

#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::rig::{ROOT, check, draft, id, open};
use crate::files::faulty::{Chance, Crash, FaultyFiles};
use crate::{Level, Recorder};

/// What was acknowledged at which place.
type Acknowledged = Arc<Mutex<BTreeMap<u64, String>>>;

/// Kill points in one run of the tests.
const KILLS: u64 = 240;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_crash_loses_an_acknowledged_entry() {
    let mut recovered = 0;
    for seed in 0..KILLS {
        recovered += story(seed).await;
    }
    // Most kills must hit a log with something in it, or this test proves nothing.
    assert!(recovered > usize::try_from(KILLS).unwrap() * 10, "{recovered}");
}

/// One log, several crashes, some of them during recovery; returns how many entries were acknowledged.
async fn story(seed: u64) -> usize {
    let mut chance = Chance::new(seed);
    let mut files = FaultyFiles::new(Path::new(ROOT), seed);
    let acknowledged = Acknowledged::default();
    for life in 0..1 + chance.below(4) {
        let most = if chance.below(3) == 0 { 30 } else { 600 };
        files.kill_after(1 + chance.below(most));
        if let Ok(recorder) = open(&files).await {
            load(&recorder, &acknowledged, seed, life).await;
        }
        let crash = if chance.below(4) == 0 {
            Crash::Process
        } else {
            Crash::Power
        };
        files = files.crash(crash, chance.below(u64::MAX));
    }
    // The last recovery is not disturbed.
    let recorder = open(&files)
        .await
        .unwrap_or_else(|error| panic!("seed {seed}: {error}: {error:?}"));
    recorder.close().await.unwrap();
    let entries = check(&files);
    let acknowledged = acknowledged.lock().unwrap();
    for (index, expected) in acknowledged.iter() {
        let found = entries.get(index).map(id);
        assert_eq!(found, Some(expected.as_str()), "seed {seed}: entry {index}");
    }
    let ids: Vec<&str> = entries.values().map(id).filter(|it| it.contains('-')).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "seed {seed}: an entry stands twice");
    acknowledged.len()
}

/// Four writers until the power fails.
async fn load(recorder: &Recorder, acknowledged: &Acknowledged, seed: u64, life: u64) {
    let writers = (0..4).map(|writer| {
        let (recorder, acknowledged) = (recorder.clone(), Arc::clone(acknowledged));
        tokio::spawn(async move {
            let mut chance = Chance::new(seed ^ (writer << 32) ^ (life << 48));
            for number in 0..200 {
                let name = format!("{life}-{writer}-{number}");
                let level = Level::ALL[usize::try_from(chance.below(3)).unwrap()];
                let content = usize::try_from(chance.below(3) * chance.below(300)).unwrap();
                let Ok(slot) = recorder.slot() else { return };
                let Ok(receipt) = slot.append(draft(&name, content), level).await else {
                    return;
                };
                if let Some(index) = receipt.index() {
                    let before = acknowledged.lock().unwrap().insert(index, name);
                    assert_eq!(before, None, "seed {seed}: {index} was acknowledged twice");
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    // It fails when the power is off.
    let _outcome = recorder.close().await;
}
