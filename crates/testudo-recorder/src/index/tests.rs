//! How the index stands to its log: catching up, other logs, damage.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use testudo_ledger::entry::{Body, Recorder, RecorderAction};

use super::*;

const ORIGIN: &str = "testudo/0011223344556677";

/// A log in memory.
struct Log(Vec<Vec<u8>>);

impl Log {
    fn of(size: u64, version: &str) -> Self {
        let entry = |index: u64| Entry {
            at: index.saturating_mul(10),
            tenant: None,
            principal: None,
            payload: None,
            body: Body::Recorder(Recorder {
                action: RecorderAction::Start,
                size: index,
                version: version.to_owned(),
            }),
        };
        Self((0..size).map(|index| entry(index).encode().unwrap()).collect())
    }
}

impl LeafSource for Log {
    type Error = io::Error;

    fn size(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap()
    }

    fn leaves(&mut self, first: u64, max: usize) -> Result<Vec<Vec<u8>>, io::Error> {
        let first = usize::try_from(first).unwrap();
        // As with bundles, fewer than asked for are given at once.
        Ok(self.0[first..].iter().take(max.min(100)).cloned().collect())
    }
}

/// A log whose files are gone.
struct Gone;

impl LeafSource for Gone {
    type Error = io::Error;

    fn size(&self) -> u64 {
        10
    }

    fn leaves(&mut self, _first: u64, _max: usize) -> Result<Vec<Vec<u8>>, io::Error> {
        Err(io::Error::other("gone"))
    }
}

async fn rows(index: &mut Index) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM entries")
        .fetch_one(&mut index.connection)
        .await
        .unwrap()
}

/// How many entries were added while catching up with a log.
async fn added(index: &mut Index, log: &mut Log) -> u64 {
    let mut first = None;
    let before = index.size();
    index
        .catch_up(log, |done, of| {
            assert!(done <= of);
            first.get_or_insert(done);
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
    assert_eq!(index.size(), log.size());
    assert_eq!(rows(index).await, i64::try_from(log.size()).unwrap());
    match first {
        Some(first) if first <= before => log.size(),
        Some(_) => log.size().saturating_sub(before),
        None => 0,
    }
}

#[tokio::test]
async fn it_catches_up_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.sqlite");
    let mut index = Index::open(&path, ORIGIN).await.unwrap();
    assert_eq!(added(&mut index, &mut Log::of(300, "1")).await, 300);
    index.close().await;
    let mut index = Index::open(&path, ORIGIN).await.unwrap();
    assert_eq!(index.size(), 300);
    assert_eq!(added(&mut index, &mut Log::of(700, "1")).await, 400);
    assert_eq!(added(&mut index, &mut Log::of(700, "1")).await, 0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    index.close().await;
}

#[tokio::test]
async fn a_log_that_went_back_or_another_way_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.sqlite");
    let mut index = Index::open(&path, ORIGIN).await.unwrap();
    assert_eq!(added(&mut index, &mut Log::of(300, "1")).await, 300);
    assert_eq!(added(&mut index, &mut Log::of(200, "1")).await, 200);
    // As long as before, with other entries: restored, then written on.
    assert_eq!(added(&mut index, &mut Log::of(200, "2")).await, 200);
    assert_eq!(added(&mut index, &mut Log::of(0, "2")).await, 0);
    index.close().await;
}

#[tokio::test]
async fn the_index_of_another_log_or_format_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.sqlite");
    for change in ["origin", "format", "damage", "garbage"] {
        let mut index = Index::open(&path, ORIGIN).await.unwrap();
        index
            .catch_up(&mut Log::of(300, "1"), |_, _| ControlFlow::Continue(()))
            .await
            .unwrap();
        let mut origin = ORIGIN;
        let connection = &mut index.connection;
        match change {
            "origin" => origin = "testudo/7766554433221100",
            "format" => drop(
                sqlx::query("PRAGMA user_version = 99")
                    .execute(connection)
                    .await
                    .unwrap(),
            ),
            "damage" => drop(
                sqlx::query("UPDATE sets SET entries = x'00'")
                    .execute(connection)
                    .await
                    .unwrap(),
            ),
            _ => {}
        }
        index.close().await;
        if change == "garbage" {
            fs::write(&path, [7; 20_000]).unwrap();
        }
        let index = Index::open(&path, origin).await.unwrap();
        assert_eq!(index.size(), 0, "{change}");
        index.close().await;
        schema::remove(&path).unwrap();
    }
}

#[tokio::test]
async fn damage_found_while_feeding_is_repaired_by_catching_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.sqlite");
    let mut index = Index::open(&path, ORIGIN).await.unwrap();
    index
        .catch_up(&mut Log::of(300, "1"), |_, _| ControlFlow::Continue(()))
        .await
        .unwrap();
    sqlx::query("DROP TABLE entries")
        .execute(&mut index.connection)
        .await
        .unwrap();
    let mut log = Log::of(301, "2");
    log.0[..300].clone_from_slice(&Log::of(300, "1").0);
    let last = Entry::decode(&log.0[300]).unwrap();
    let fed = index.append(300, &[last], &Hash::leaf(&log.0[300])).await;
    assert!(matches!(fed, Err(IndexError::Database { .. })), "{fed:?}");
    assert_eq!(added(&mut index, &mut log).await, 301);
    index.close().await;
}

#[tokio::test]
async fn entries_out_of_order_are_refused_and_known_ones_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(&folder.path().join("index.sqlite"), ORIGIN).await.unwrap();
    let entries: Vec<Entry> = Log::of(5, "1").0.iter().map(|it| Entry::decode(it).unwrap()).collect();
    let last = Hash::leaf(&entries[4].encode().unwrap());
    let fed = index.append(1, &entries, &last).await;
    assert!(matches!(fed, Err(IndexError::Ahead { first: 1, next: 0 })), "{fed:?}");
    for first in [0, 0] {
        index.append(first, &entries, &last).await.unwrap();
        assert_eq!((index.size(), rows(&mut index).await), (5, 5));
    }
    index.append(7, &[], &last).await.unwrap();
    index.close().await;
}

#[tokio::test]
async fn what_this_program_cannot_read_keeps_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(&folder.path().join("index.sqlite"), ORIGIN).await.unwrap();
    let mut log = Log::of(3, "1");
    log.0[1] = b"{\"v\":2}".to_vec();
    assert_eq!(added(&mut index, &mut log).await, 3);
    let times: Vec<i64> = sqlx::query_scalar("SELECT at FROM entries ORDER BY idx")
        .fetch_all(&mut index.connection)
        .await
        .unwrap();
    assert_eq!(times, [0, 0, 20]);
    index.close().await;
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(&folder.path().join("index.sqlite"), ORIGIN).await.unwrap();
    let fed = index.catch_up(&mut Gone, |_, _| ControlFlow::Continue(())).await;
    assert!(matches!(fed, Err(IndexError::Source { first: 0, .. })), "{fed:?}");
    index.close().await;
}
