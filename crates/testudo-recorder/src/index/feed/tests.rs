//! The index beside a log's folder: fed, behind, damaged.

use std::fs;

use tempfile::TempDir;
use testudo_ledger::entry::{Body, Recorder, RecorderAction};
use testudo_ledger::tile::{self, bundle};
use testudo_ledger::{Checkpoint, KeyKind, KeyName, SignedCheckpoint, SigningKey, TileLevel};
use zeroize::Zeroizing;

use super::*;
use crate::query::{Filter, Order, Reader};

const ORIGIN: &str = "testudo/0011223344556677";

fn entry(index: u64) -> Entry {
    Entry {
        at: index,
        tenant: None,
        principal: None,
        payload: None,
        body: Body::Recorder(Recorder {
            action: RecorderAction::Start,
            size: index,
            version: "1".to_owned(),
        }),
    }
}

/// Writes what a log of this size has for its readers; partial bundles of other sizes go.
fn write_log(root: &TempDir, size: u64) {
    let root = root.path();
    let _gone = fs::remove_dir_all(root.join("tile"));
    for tile in tile::growth(TileLevel::Entries, 0, size) {
        let first = tile.index().saturating_mul(256);
        let leaves = (first..)
            .take(usize::from(tile.width()))
            .map(|index| entry(index).encode().unwrap());
        let path = root.join(tile.path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bundle::encode(leaves).unwrap()).unwrap();
    }
    let name = KeyName::parse(ORIGIN).unwrap();
    let key = SigningKey::from_seed(name, KeyKind::Ed25519, Zeroizing::new([7; 32])).unwrap();
    let checkpoint = Checkpoint::new(ORIGIN, size, Hash::EMPTY).unwrap();
    let signed = SignedCheckpoint::sign(checkpoint, &key, 0).unwrap();
    fs::write(root.join("checkpoint"), signed.note().to_string()).unwrap();
}

fn tell(feed: &mut Feed, indexes: std::ops::Range<u64>) {
    for index in indexes {
        let entry = entry(index);
        feed.observe(index, &entry.encode().unwrap(), Some(&entry)).unwrap();
    }
}

fn found(root: &TempDir) -> u64 {
    wait(async {
        let mut reader = Reader::open(&root.path().join(FILE_NAME)).await.unwrap();
        let filter = Filter {
            kind: Some("recorder".to_owned()),
            ..Filter::default()
        };
        let page = reader.find(&filter, Order::NewestFirst, 10_000, None).await.unwrap();
        let times: Vec<u64> = page.rows.iter().map(|row| row.at.0).collect();
        let wanted: Vec<u64> = (0..reader.size().await.unwrap()).rev().collect();
        assert_eq!(times, wanted);
        reader.size().await.unwrap()
    })
}

#[test]
fn it_starts_where_the_folder_is_and_follows() {
    let root = tempfile::tempdir().unwrap();
    let mut feed = Feed::open(root.path(), ORIGIN).unwrap();
    assert_eq!(feed.next_index(&Closing::default()).unwrap(), 0);
    feed.pause().unwrap();
    drop(feed);

    write_log(&root, 700);
    let mut feed = Feed::open(root.path(), ORIGIN).unwrap();
    assert_eq!(feed.next_index(&Closing::default()).unwrap(), 700);
    // Told twice, and more than fits one batch.
    tell(&mut feed, 690..2_000);
    tell(&mut feed, 1_990..2_001);
    feed.pause().unwrap();
    assert_eq!(found(&root), 2_001);
}

/// A close must not wait for an index that is far behind, or made anew.
#[test]
fn when_the_log_closes_the_rest_is_left_for_the_next_start() {
    let root = tempfile::tempdir().unwrap();
    write_log(&root, 20_000);
    let (writer, size) = tokio::sync::watch::channel(20_000);
    let closing = Closing::of(size);
    assert!(!closing.is_under_way());
    drop(writer);
    let mut feed = Feed::open(root.path(), ORIGIN).unwrap();
    let next = feed.next_index(&closing).unwrap();
    assert!((1..10_000).contains(&next), "{next}");
    feed.pause().unwrap();
    assert!(feed.index.size() < 15_000);
    // What comes on top of it does not get a wrong place.
    tell(&mut feed, 20_000..20_001);
    feed.pause().unwrap();
    assert!(feed.index.size() < 20_000);
    drop(feed);
    let mut feed = Feed::open(root.path(), ORIGIN).unwrap();
    assert_eq!(feed.next_index(&Closing::default()).unwrap(), 20_000);
}

#[test]
fn what_it_was_not_told_is_read_from_the_folder() {
    let root = tempfile::tempdir().unwrap();
    write_log(&root, 100);
    let mut feed = Feed::open(root.path(), ORIGIN).unwrap();
    assert_eq!(feed.next_index(&Closing::default()).unwrap(), 100);
    write_log(&root, 520);
    tell(&mut feed, 510..520);
    feed.pause().unwrap();
    tell(&mut feed, 520..525);
    feed.pause().unwrap();
    assert_eq!(found(&root), 525);
}

#[test]
fn damage_is_mended_at_the_next_pause() {
    let root = tempfile::tempdir().unwrap();
    write_log(&root, 300);
    let mut feed = Feed::open(root.path(), ORIGIN).unwrap();
    assert_eq!(feed.next_index(&Closing::default()).unwrap(), 300);
    let sabotage = sqlx::query("DROP TABLE entries").execute(&mut feed.index.connection);
    wait(sabotage).unwrap();
    tell(&mut feed, 300..301);
    assert!(feed.pause().is_err());
    write_log(&root, 302);
    feed.pause().unwrap();
    assert_eq!(found(&root), 302);
}

#[test]
fn a_bundle_that_is_damaged_or_gone_is_named() {
    let root = tempfile::tempdir().unwrap();
    write_log(&root, 300);
    let bundle = root.path().join("tile/entries/000");
    fs::write(&bundle, b"\0\x05abc").unwrap();
    let mut feed = Feed::open(root.path(), ORIGIN).unwrap();
    let problem =
        std::error::Error::source(&feed.next_index(&Closing::default()).unwrap_err()).map(ToString::to_string);
    assert_eq!(
        problem.as_deref(),
        Some("the query index cannot read the log's entries from 0 on")
    );
    fs::remove_file(&bundle).unwrap();
    assert!(feed.next_index(&Closing::default()).is_err());
    fs::write(root.path().join("checkpoint"), b"none\n").unwrap();
    assert!(feed.next_index(&Closing::default()).is_err());
    write_log(&root, 300);
    assert_eq!(feed.next_index(&Closing::default()).unwrap(), 300);
}

#[test]
fn the_source_gives_what_was_asked_for() {
    let root = tempfile::tempdir().unwrap();
    write_log(&root, 300);
    let mut source = FolderSource::open(LogFolder::new(root.path())).unwrap();
    assert_eq!((source.origin(), source.size()), (Some(ORIGIN), 300));
    write_log(&root, 600);
    for (first, max, wanted) in [
        (0, 10, 0..10),
        (290, 1_000, 290..300),
        (250, 20, 250..270),
        (256, 1, 256..257),
    ] {
        let leaves = source.leaves(first, max).unwrap();
        let expected: Vec<Vec<u8>> = wanted.map(|index| entry(index).encode().unwrap()).collect();
        assert_eq!(leaves, expected, "{first}, {max}");
    }
    assert!(source.leaves(300, 10).is_err());
    assert!(
        FolderSource::open(LogFolder::new(&root.path().join("none")))
            .unwrap()
            .origin()
            .is_none()
    );
}

#[tokio::test]
async fn it_works_on_the_recorders_thread() {
    let root = tempfile::tempdir().unwrap();
    write_log(&root, 300);
    // Opened inside a runtime, as the recorder's thread has one.
    let mut feed = Feed::open(root.path(), ORIGIN).unwrap();
    assert_eq!(feed.next_index(&Closing::default()).unwrap(), 300);
    tell(&mut feed, 300..310);
    feed.pause().unwrap();
    assert_eq!(found(&root), 310);
}
