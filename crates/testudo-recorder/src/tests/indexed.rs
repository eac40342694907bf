//! The query index beside a recorder: what was recorded is found, after it was closed and opened again too.

use super::rig::{PlainSealer, draft, options};
use crate::index::{FILE_NAME, Feed};
use crate::query::{Filter, Order, Reader};
use crate::{Folder, Level, LogFolder, Recorder};

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
