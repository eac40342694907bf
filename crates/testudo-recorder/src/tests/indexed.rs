//! The query index beside a recorder: what was recorded is found, after it was closed and opened again too.

use testudo_ledger::entry::{Artifact, Chain, Digest};

use super::rig::{PlainSealer, draft, options};
use crate::index::{FILE_NAME, Feed};
use crate::query::{Filter, Order, Reader};
use crate::{Draft, Folder, Level, LogFolder, Recorder, ToldChainError, told_chain};

#[tokio::test]
async fn what_was_recorded_is_found() {
    let home = tempfile::tempdir().unwrap();
    for run in 1..=2_u64 {
        let folder = Folder::prepare(home.path()).unwrap();
        let mut with = options();
        with.sealer = Box::new(PlainSealer);
        with.observer = Some(Box::new(Feed::open(folder.root(), folder.origin()).unwrap()));
        let recorder = Recorder::open(folder, with).await.unwrap();
        for number in 0..300 {
            recorder
                .append(draft(&number.to_string(), 20), Level::Queued)
                .await
                .unwrap();
        }
        recorder.close().await.unwrap();
        let size = LogFolder::new(home.path()).size().unwrap();
        let mut reader = Reader::open(&home.path().join(FILE_NAME)).await.unwrap();
        assert_eq!(reader.size().await.unwrap(), size);
        let started = Filter {
            kind: Some("recorder".to_owned()),
            action: Some("start".to_owned()),
            ..Filter::default()
        };
        let page = reader.find(&started, Order::OldestFirst, 10, None).await.unwrap();
        assert_eq!(page.rows.len(), usize::try_from(run).unwrap());
        assert_eq!(page.rows.first().map(|row| row.index), Some(0));
    }
}

fn chain(artifact: &str, place: u8, statements: u64) -> Draft {
    Draft::new(Artifact {
        action: "promote".to_owned(),
        chain: Some(Chain {
            hash: Digest::from_bytes([u8::try_from(statements % 251).unwrap(); 32]),
            place: Digest::from_bytes([place; 32]),
            statements,
        }),
        digest: Digest::from_bytes([7; 32]),
        name: Some(artifact.to_owned()),
        proof: None,
        version: None,
    })
}

#[tokio::test]
async fn how_far_a_chain_had_come_is_told_with_the_index_and_without() {
    let home = tempfile::tempdir().unwrap();
    let log = LogFolder::new(home.path());
    let place = Digest::from_bytes([1; 32]);
    assert_eq!(told_chain(&log, &place, "m").await.unwrap(), None);
    let folder = Folder::prepare(home.path()).unwrap();
    let mut with = options();
    with.sealer = Box::new(PlainSealer);
    with.observer = Some(Box::new(Feed::open(folder.root(), folder.origin()).unwrap()));
    let recorder = Recorder::open(folder, with).await.unwrap();
    // Of two who write at the same time, the one that had seen less may be the last.
    for (artifact, place, statements) in [("m", 1, 4), ("m", 1, 6), ("m", 1, 5), ("m", 2, 9), ("n", 1, 8)] {
        let told = recorder.append(chain(artifact, place, statements), Level::Queued).await;
        told.unwrap();
    }
    for number in 0..600 {
        let told = recorder.append(draft(&number.to_string(), 20), Level::Queued).await;
        told.unwrap();
    }
    recorder.close().await.unwrap();
    let index = home.path().join(FILE_NAME);
    for indexed in [true, false] {
        if !indexed {
            std::fs::remove_file(&index).unwrap();
        }
        let told = told_chain(&log, &place, "m").await.unwrap().unwrap();
        assert_eq!((told.statements, told.hash), (6, [6; 32]));
        let told = told_chain(&log, &place, "n").await.unwrap().unwrap();
        assert_eq!(told.statements, 8);
        assert_eq!(told_chain(&log, &place, "o").await.unwrap(), None);
    }
    std::fs::write(&index, b"no database at all, and longer than a header").unwrap();
    assert!(matches!(
        told_chain(&log, &place, "m").await,
        Err(ToldChainError::Index(_))
    ));
}
