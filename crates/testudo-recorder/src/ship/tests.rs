//! Shipping into a store that fails, a folder, and back.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sums of a test are of lengths that it chose; one that overflows fails it"
)]

mod faulty;
pub(crate) mod log;
mod payloads;
mod recorded;
#[cfg(feature = "s3")]
mod s3;

use std::fs;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use object_store::path::Path;
use testudo_ledger::payload;
use testudo_types::{Clock, Millis, UnixMillis};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::faulty::{Faulty, Shared};
use self::log::{Log, record, verify};
use super::{Alarm, Dirty, FetchError, LocalError, Options, Passed, S3, ShipError, Shipper, Store, StoreError, fetch};

#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn monotonic(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

struct Scene {
    log: Log,
    faulty: Arc<Faulty>,
    dirty: Dirty,
    clock: Arc<Hand>,
}

impl Scene {
    fn new() -> Self {
        let log = Log::new(1);
        Self {
            dirty: Dirty::open(log.path()).unwrap(),
            log,
            faulty: Arc::default(),
            clock: Arc::default(),
        }
    }

    fn store(&self) -> Store {
        Store::other(Arc::new(Shared(Arc::clone(&self.faulty))), Path::from("a/b"), "memory")
    }

    fn shipper(&self) -> Shipper {
        self.shipper_until(CancellationToken::new())
    }

    fn shipper_until(&self, stop: CancellationToken) -> Shipper {
        let options = Options {
            folder: self.log.path().to_owned(),
            log: self.log.verifier(),
            store: self.store(),
            dirty: self.dirty.clone(),
            clock: self.clock.clone(),
            pause: Duration::from_secs(3600),
            concurrency: 4,
        };
        Shipper::new(options, stop).unwrap()
    }

    /// Downloads the copy and verifies it; its size.
    async fn verified(&self) -> u64 {
        let folder = tempfile::tempdir().unwrap();
        let fetched = fetch(self.store(), folder.path(), 4).await.unwrap();
        assert_eq!(verify(folder.path()), fetched.size);
        fetched.size
    }
}

fn alarm(outcome: Result<Passed, ShipError>) -> Alarm {
    match outcome {
        Err(ShipError::Alarm(alarm)) => alarm,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_copy_verifies_after_every_run() {
    let mut scene = Scene::new();
    let mut shipper = scene.shipper();
    assert_eq!(shipper.pass().await.unwrap(), Passed::Idle);
    for count in [1, 1, 253, 1, 1, 255, 256, 300, 5, 700, 64_000] {
        scene.log.grow(count, "a");
        let size = scene.log.size();
        assert_eq!(shipper.pass().await.unwrap(), Passed::Shipped { size });
        assert_eq!(scene.verified().await, size);
        assert_eq!(shipper.pass().await.unwrap(), Passed::Idle);
    }
    let last = scene.log.size() - 1;
    let payload = scene
        .faulty
        .content(&format!("a/b/{}", payload::path(last / 256)))
        .await;
    assert!(payload.unwrap().ends_with(&record(last)));
}

#[tokio::test]
async fn what_never_changes_is_put_once_and_old_edges_are_deleted() {
    let mut scene = Scene::new();
    let mut shipper = scene.shipper();
    let mut puts = std::collections::BTreeMap::<String, u64>::new();
    for count in [300, 20, 500, 7, 7, 7] {
        scene.log.grow(count, "a");
        shipper.pass().await.unwrap();
        // A restart in between changes nothing.
        shipper = scene.shipper();
        for (path, count) in scene.faulty.take_puts() {
            *puts.entry(path).or_default() += count;
        }
    }
    for (path, count) in &puts {
        let changes = path.ends_with("checkpoint") || path.contains("/payload/");
        assert!(changes || *count == 1, "{path} {count}");
    }
    let paths = scene.faulty.paths().await;
    let edges: Vec<&str> = paths
        .iter()
        .filter_map(|it| it.strip_prefix("a/b/tile/entries/003.p/"))
        .collect();
    // Of the last checkpoint and of the one before.
    assert_eq!(edges, ["66", "73"]);
    assert!(paths.iter().all(|it| !it.contains("/tile/entries/001.p/")), "{paths:?}");
}

#[tokio::test]
async fn an_interruption_anywhere_leaves_a_copy_that_verifies_and_is_continued() {
    let mut scene = Scene::new();
    scene.log.grow(300, "a");
    scene.shipper().pass().await.unwrap();
    let mut shipped = 300;
    for requests in 0..40 {
        scene.log.grow(97, "b");
        match requests {
            0 => scene.faulty.fail(),
            more => scene.faulty.fail_after(more),
        }
        // As after a crash: nothing but the disk remembers.
        let outcome = scene.shipper().pass().await;
        scene.faulty.fail_after(0);
        let size = scene.verified().await;
        assert!(size == shipped || size == scene.log.size(), "{requests} {size}");
        if outcome.is_ok() {
            assert_eq!(size, scene.log.size());
        }
        shipped = size;
    }
    scene.shipper().pass().await.unwrap();
    assert_eq!(scene.verified().await, scene.log.size());
}

#[tokio::test]
async fn a_long_backlog_is_continued_where_it_stopped() {
    let mut scene = Scene::new();
    scene.log.grow(64 * 256 * 2 + 10, "a");
    scene.faulty.fail_after(64 * 3 + 20);
    let mut shipper = scene.shipper();
    assert!(matches!(shipper.pass().await, Err(ShipError::Remote(_))));
    let status = shipper.watch().status();
    assert_eq!((status.size, status.lag_entries), (0, scene.log.size()));
    assert!(status.error.unwrap().contains("the network is down"));
    scene.clock.0.store(5000, Ordering::SeqCst);
    assert_eq!(shipper.watch().status().lag_ms, 5000);
    scene.faulty.fail_after(0);
    let first = scene.faulty.take_puts();
    let mut shipper = scene.shipper();
    shipper.pass().await.unwrap();
    let second = scene.faulty.take_puts();
    let again = second.keys().filter(|path| first.contains_key(*path)).count();
    // The first batch is not sent again; of the second, what was on its way.
    assert!(again <= 30, "{again}");
    let status = shipper.watch().status();
    assert_eq!((status.lag_entries, status.lag_ms, status.error), (0, 0, None));
    assert_eq!(scene.verified().await, scene.log.size());
}

#[tokio::test]
async fn the_lag_is_that_of_what_is_missing_now() {
    let mut scene = Scene::new();
    scene.log.grow(10, "a");
    let mut shipper = scene.shipper();
    let watch = shipper.watch();
    watch.checkpoint(10);
    scene.clock.0.store(1000, Ordering::SeqCst);
    assert_eq!((watch.status().lag_entries, watch.status().lag_ms), (10, 1000));
    // The writer is never idle: there is always something newer than what is being shipped.
    watch.checkpoint(15);
    shipper.pass().await.unwrap();
    scene.clock.0.store(1500, Ordering::SeqCst);
    let status = watch.status();
    assert_eq!((status.size, status.lag_entries, status.lag_ms), (10, 5, 500));
    scene.log.grow(5, "a");
    shipper.pass().await.unwrap();
    assert_eq!((watch.status().lag_entries, watch.status().lag_ms), (0, 0));
}

#[tokio::test]
async fn rewritten_payloads_are_rewritten_in_the_store() {
    let mut scene = Scene::new();
    scene.log.grow(600, "a");
    let mut shipper = scene.shipper();
    shipper.pass().await.unwrap();
    let marks = scene.dirty.begin([0, 1]).unwrap();
    // Marked and not yet rewritten: nothing may be forgotten now.
    shipper.pass().await.unwrap();
    scene.log.write_payload(0, &[0, 1, 255]);
    scene.log.write_payload(1, &[]);
    marks.ready().unwrap();
    assert_eq!(shipper.pass().await.unwrap(), Passed::Idle);
    let path = |window| format!("a/b/{}", payload::path(window));
    let kept = [record(0), record(1), record(255)].concat();
    assert_eq!(scene.faulty.content(&path(0)).await.unwrap(), kept);
    assert_eq!(scene.faulty.content(&path(1)).await, None);
    assert!(scene.faulty.content(&path(2)).await.is_some());
    assert_eq!(scene.dirty.ready().unwrap().len(), 0);
}

#[tokio::test]
async fn an_erasure_outlives_a_crash_and_a_store_that_is_down() {
    let mut scene = Scene::new();
    scene.log.grow(256, "a");
    scene.shipper().pass().await.unwrap();
    let marks = scene.dirty.begin([0]).unwrap();
    scene.log.write_payload(0, &[7]);
    // The process dies before it can say so.
    std::mem::forget(marks);
    assert_eq!(scene.dirty.ready().unwrap().len(), 0);
    scene.dirty = Dirty::open_if_used(scene.log.path()).unwrap().unwrap();
    assert_eq!(scene.dirty.ready().unwrap().len(), 1);
    scene.faulty.fail();
    assert!(scene.shipper().pass().await.is_err());
    scene.faulty.fail_after(0);
    // Rewritten again meanwhile, under another number.
    scene.log.write_payload(0, &[8]);
    scene.dirty.begin([0]).unwrap().ready().unwrap();
    assert_eq!(scene.dirty.ready().unwrap()[&0].len(), 2);
    scene.log.grow(1, "a");
    scene.shipper().pass().await.unwrap();
    let path = format!("a/b/{}", payload::path(0));
    assert_eq!(scene.faulty.content(&path).await.unwrap(), record(8));
    assert_eq!(scene.dirty.ready().unwrap().len(), 0);
}

#[tokio::test]
async fn an_erasure_does_not_wait_for_the_next_run() {
    let mut scene = Scene::new();
    scene.log.grow(256, "a");
    let stop = CancellationToken::new();
    let shipper = scene.shipper_until(stop.clone());
    let watch = shipper.watch();
    let running = tokio::spawn(shipper.run());
    while watch.status().size == 0 {
        watch.changed().await;
    }
    let marks = scene.dirty.begin([0]).unwrap();
    scene.log.write_payload(0, &[9]);
    marks.ready().unwrap();
    // The pause is an hour.
    while !scene.dirty.ready().unwrap().is_empty() {
        watch.changed().await;
    }
    let path = format!("a/b/{}", payload::path(0));
    assert_eq!(scene.faulty.content(&path).await.unwrap(), record(9));
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn cosignatures_that_come_later_are_shipped_too() {
    let mut scene = Scene::new();
    scene.log.grow(5, "a");
    let mut shipper = scene.shipper();
    shipper.pass().await.unwrap();
    scene.log.sign(77);
    assert_eq!(shipper.pass().await.unwrap(), Passed::Shipped { size: 5 });
    let local = testudo_bounded::read_file(scene.log.path().join("checkpoint"), 1 << 20).unwrap();
    assert_eq!(scene.faulty.content("a/b/checkpoint").await.unwrap(), local);
    let puts = scene.faulty.take_puts();
    assert_eq!(puts["a/b/checkpoint"], 2);
    // The newest that was cosigned is older than the newest.
    fs::write(scene.log.path().join("witnessed"), &local).unwrap();
    scene.log.grow(5, "a");
    shipper.pass().await.unwrap();
    assert_eq!(scene.faulty.content("a/b/witnessed").await.unwrap(), local);
    let folder = tempfile::tempdir().unwrap();
    fetch(scene.store(), folder.path(), 1).await.unwrap();
    let fetched = testudo_bounded::read_file(folder.path().join("witnessed"), 1 << 20).unwrap();
    assert_eq!(fetched, local);
}

#[tokio::test]
async fn a_ledger_that_was_rolled_back_is_not_shipped() {
    let mut scene = Scene::new();
    scene.log.grow(300, "a");
    let checkpoint = scene.log.path().join("checkpoint");
    let old = testudo_bounded::read_file(&checkpoint, 1 << 20).unwrap();
    scene.log.grow(10, "a");
    scene.shipper().pass().await.unwrap();
    fs::write(&checkpoint, old).unwrap();
    let mut shipper = scene.shipper();
    let raised = alarm(shipper.pass().await);
    assert_eq!(
        raised,
        Alarm::Ahead {
            remote: 310,
            local: 300
        }
    );
    assert_eq!(shipper.watch().status().alarm, Some(raised.to_string()));
    assert_eq!(scene.verified().await, 310);
}

#[tokio::test]
async fn another_history_is_a_fork_even_when_it_is_longer() {
    let mut scene = Scene::new();
    scene.log.grow(300, "a");
    scene.shipper().pass().await.unwrap();
    let mut other = Log::new(1);
    other.grow(400, "b");
    scene.log = other;
    scene.dirty = Dirty::open(scene.log.path()).unwrap();
    assert_eq!(alarm(scene.shipper().pass().await), Alarm::Fork { size: 300 });
    assert_eq!(scene.verified().await, 300);
}

#[tokio::test]
async fn a_second_writer_is_noticed_while_running() {
    let mut scene = Scene::new();
    scene.log.grow(10, "a");
    let mut shipper = scene.shipper();
    shipper.pass().await.unwrap();
    let mut twin = Scene::new();
    twin.log.grow(10, "a");
    twin.log.grow(10, "twin");
    twin.faulty = Arc::clone(&scene.faulty);
    twin.shipper().pass().await.unwrap();
    scene.log.grow(20, "a");
    assert_eq!(alarm(shipper.pass().await), Alarm::Fork { size: 20 });
}

#[tokio::test]
async fn a_copy_that_was_rolled_back_or_removed_is_an_alarm() {
    let mut scene = Scene::new();
    scene.log.grow(10, "a");
    scene.shipper().pass().await.unwrap();
    let old = scene.faulty.content("a/b/checkpoint").await.unwrap();
    scene.log.grow(10, "a");
    scene.shipper().pass().await.unwrap();
    let place = Path::from("a/b/checkpoint");
    let objects = scene.faulty.inner.as_ref();
    object_store::ObjectStoreExt::put(objects, &place, old.into())
        .await
        .unwrap();
    let behind = Alarm::Behind {
        remote: 10,
        shipped: 20,
    };
    assert_eq!(alarm(scene.shipper().pass().await), behind);
    object_store::ObjectStoreExt::delete(objects, &place).await.unwrap();
    let gone = Alarm::Behind { remote: 0, shipped: 20 };
    assert_eq!(alarm(scene.shipper().pass().await), gone);
    // A person has looked.
    fs::remove_file(scene.log.path().join("shipping/state.json")).unwrap();
    scene.shipper().pass().await.unwrap();
    assert_eq!(scene.verified().await, 20);
}

#[tokio::test]
async fn the_place_of_another_log_is_not_written_to() {
    let mut scene = Scene::new();
    scene.log.grow(10, "a");
    for foreign in [b"hello".to_vec(), {
        let mut other = Log::new(2);
        other.grow(3, "a");
        testudo_bounded::read_file(other.path().join("checkpoint"), 1 << 20).unwrap()
    }] {
        let place = Path::from("a/b/checkpoint");
        let put = object_store::ObjectStoreExt::put(scene.faulty.inner.as_ref(), &place, foreign.clone().into());
        put.await.unwrap();
        assert_eq!(alarm(scene.shipper().pass().await), Alarm::Foreign);
        assert_eq!(scene.faulty.content("a/b/checkpoint").await.unwrap(), foreign);
    }
}

#[tokio::test]
async fn an_alarm_ends_the_work_until_the_next_start() {
    let mut scene = Scene::new();
    scene.log.grow(10, "a");
    let place = Path::from("a/b/checkpoint");
    object_store::ObjectStoreExt::put(scene.faulty.inner.as_ref(), &place, "x".into())
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let shipper = scene.shipper_until(stop.clone());
    let watch = shipper.watch();
    let running = tokio::spawn(shipper.run());
    while watch.status().alarm.is_none() {
        watch.changed().await;
    }
    scene.dirty.begin([0]).unwrap().ready().unwrap();
    stop.cancel();
    running.await.unwrap();
    assert_eq!(scene.dirty.ready().unwrap().len(), 1);
}

#[tokio::test]
async fn damaged_files_do_not_reach_the_store_s_checkpoint() {
    let mut scene = Scene::new();
    scene.log.grow(600, "a");
    let tile = scene.log.path().join("tile/0/001");
    let whole = testudo_bounded::read_file(&tile, 1 << 20).unwrap();
    for damaged in [whole[..8000].to_vec(), [whole.as_slice(), &[0]].concat()] {
        fs::write(&tile, damaged).unwrap();
        let outcome = scene.shipper().pass().await;
        assert!(matches!(outcome, Err(ShipError::Local(_))), "{outcome:?}");
    }
    fs::remove_file(&tile).unwrap();
    let outcome = scene.shipper().pass().await;
    assert!(
        matches!(outcome, Err(ShipError::Local(LocalError::Missing(_)))),
        "{outcome:?}"
    );
    assert_eq!(scene.faulty.content("a/b/checkpoint").await, None);
    fs::write(&tile, whole).unwrap();
    scene.shipper().pass().await.unwrap();
    assert_eq!(scene.verified().await, 600);
}

#[tokio::test]
async fn a_checkpoint_may_be_older_than_the_tiles_beside_it() {
    for later in [1, 3, 300] {
        let mut scene = Scene::new();
        scene.log.grow(300, "a");
        let path = scene.log.path().join("checkpoint");
        let old = testudo_bounded::read_file(&path, 1 << 20).unwrap();
        scene.log.grow(later, "a");
        fs::write(&path, old).unwrap();
        scene.shipper().pass().await.unwrap();
        assert_eq!(scene.verified().await, 300);
    }
}

#[tokio::test]
async fn a_damaged_state_is_named_and_another_store_starts_anew() {
    let mut scene = Scene::new();
    scene.log.grow(10, "a");
    scene.shipper().pass().await.unwrap();
    scene.faulty = Arc::default();
    let options = |scene: &Scene, name: &str| Options {
        folder: scene.log.path().to_owned(),
        log: scene.log.verifier(),
        store: Store::other(Arc::new(Shared(Arc::clone(&scene.faulty))), Path::default(), name),
        dirty: scene.dirty.clone(),
        clock: scene.clock.clone(),
        pause: Duration::ZERO,
        concurrency: 0,
    };
    let mut shipper = Shipper::new(options(&scene, "another"), CancellationToken::new()).unwrap();
    assert_eq!(shipper.pass().await.unwrap(), Passed::Shipped { size: 10 });
    for damaged in ["", "{}", "{\"v\":2}", "[1]"] {
        fs::write(scene.log.path().join("shipping/state.json"), damaged).unwrap();
        assert!(Shipper::new(options(&scene, "another"), CancellationToken::new()).is_err());
    }
}

#[tokio::test]
async fn a_folder_is_a_store() {
    let mut scene = Scene::new();
    scene.log.grow(700, "a");
    let root = tempfile::tempdir().unwrap();
    let url = Url::from_directory_path(root.path().join("copies/one")).unwrap();
    let store = Store::open(&url, &S3::default()).unwrap();
    let options = Options {
        folder: scene.log.path().to_owned(),
        log: scene.log.verifier(),
        store: store.clone(),
        dirty: scene.dirty.clone(),
        clock: scene.clock.clone(),
        pause: Duration::ZERO,
        concurrency: 8,
    };
    let mut shipper = Shipper::new(options, CancellationToken::new()).unwrap();
    shipper.pass().await.unwrap();
    assert_eq!(verify(&root.path().join("copies/one")), 700);
    let target = tempfile::tempdir().unwrap();
    let fetched = fetch(store.clone(), target.path(), 8).await.unwrap();
    assert_eq!((fetched.size, fetched.payloads), (700, 3));
    assert_eq!(verify(target.path()), 700);
    assert_same_payloads(scene.log.path(), target.path(), 3);
    let refused = fetch(store, target.path(), 8).await.unwrap_err();
    assert!(matches!(refused, FetchError::NotEmpty { .. }));
}

fn assert_same_payloads(left: &FilePath, right: &FilePath, windows: u64) {
    for window in 0..windows {
        let read = |folder: &FilePath| testudo_bounded::read_file(folder.join(payload::path(window)), 1 << 24).unwrap();
        assert_eq!(read(left), read(right));
    }
}

#[tokio::test]
async fn what_is_not_there_cannot_be_fetched() {
    let mut scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let refused = fetch(scene.store(), folder.path(), 4).await.unwrap_err();
    assert!(matches!(refused, FetchError::Nothing), "{refused}");
    scene.log.grow(300, "a");
    scene.shipper().pass().await.unwrap();
    let place = Path::from("a/b/tile/entries/000");
    object_store::ObjectStoreExt::delete(scene.faulty.inner.as_ref(), &place)
        .await
        .unwrap();
    let refused = fetch(scene.store(), folder.path(), 4).await.unwrap_err();
    assert!(
        matches!(&refused, FetchError::Missing { path } if path == "tile/entries/000"),
        "{refused}"
    );
    assert!(!folder.path().join("checkpoint").exists());
}

#[test]
fn urls_that_name_no_store_are_refused() {
    for url in [
        "https://example.com/bucket",
        "ftp://host/x",
        "file://host/share",
        "s3://key:secret@bucket/x",
        "s3://bucket/x?region=y",
        "file:///tmp/x#y",
        "memory:x",
    ] {
        let refused = Store::open(&Url::parse(url).unwrap(), &S3::default()).unwrap_err();
        assert!(!refused.to_string().contains("secret@"), "{refused}");
    }
    if cfg!(not(feature = "s3")) {
        let refused = Store::open(&Url::parse("s3://bucket/x").unwrap(), &S3::default());
        assert!(matches!(refused, Err(StoreError::NotBuilt { .. })));
    }
}
