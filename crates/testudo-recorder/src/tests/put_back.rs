//! Folders put together from different times: a log must not sign other entries at places that were signed before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use testudo_ledger::{Hash, SignedCheckpoint};

use super::rig::{ROOT, check, draft, folder, open};
use crate::files::Files as _;
use crate::files::faulty::FaultyFiles;
use crate::{Level, OpenError, ReplayError};

type Snapshot = BTreeMap<PathBuf, Vec<u8>>;

/// One log after a first and after a second clean stop.
async fn early_and_late() -> [Snapshot; 2] {
    let files = FaultyFiles::new(Path::new(ROOT), 7);
    let mut snapshots = [Snapshot::new(), Snapshot::new()];
    for snapshot in &mut snapshots {
        let recorder = open(&files).await.unwrap();
        for number in 0..10 {
            let draft = draft(&number.to_string(), 0);
            recorder.append(draft, Level::Integrated).await.unwrap();
        }
        recorder.close().await.unwrap();
        *snapshot = files.snapshot();
    }
    snapshots
}

/// A folder with these files.
fn put(snapshot: &Snapshot) -> FaultyFiles {
    let files = FaultyFiles::new(Path::new(ROOT), 7);
    for (path, content) in snapshot {
        let below: Vec<&Path> = path.ancestors().skip(1).collect();
        for folder in below.into_iter().rev().filter(|it| it.starts_with(ROOT)) {
            files.create_folder(folder).unwrap();
        }
        files.write(path, content).unwrap();
    }
    files
}

fn is_wal(path: &Path) -> bool {
    path.starts_with("/log/wal")
}

#[tokio::test]
async fn an_older_tree_beside_the_newer_write_ahead_log_is_refused() {
    let [mut mixed, late] = early_and_late().await;
    mixed.retain(|path, _| !is_wal(path));
    mixed.extend(late.into_iter().filter(|(path, _)| is_wal(path)));
    assert!(mixed.iter().all(|(path, content)| !is_wal(path) || content.is_empty()));
    let error = open(&put(&mixed)).await.unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Replay(ReplayError::Missing {
                wanted: 12,
                found: 24,
                ..
            })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_older_tree_than_witnesses_have_signed_is_refused() {
    let [early, late] = early_and_late().await;
    let [checkpoint, witnessed] = ["/log/checkpoint", "/log/witnessed"].map(PathBuf::from);
    let mut mixed = early.clone();
    mixed.insert(witnessed.clone(), late[&checkpoint].clone());
    let error = open(&put(&mixed)).await.unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::PutBack {
                witnessed: 24,
                size: 12,
                ..
            }
        ),
        "{error:?}"
    );
    // Another tree of the same size.
    let fork = folder(&put(&early)).unwrap().sign(12, Hash::EMPTY).unwrap();
    mixed.insert(witnessed.clone(), fork.to_string().into_bytes());
    let error = open(&put(&mixed)).await.unwrap_err();
    assert!(matches!(error, OpenError::PutBack { size: 12, .. }), "{error:?}");
    mixed.insert(witnessed.clone(), b"none\n".to_vec());
    let error = open(&put(&mixed)).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Checkpoint { path, .. } if *path == witnessed),
        "{error:?}"
    );
    // What was signed earlier, or is the newest, stands in nobody's way.
    for sound in [&early, &late] {
        let mut files = late.clone();
        files.insert(witnessed.clone(), sound[&checkpoint].clone());
        let files = put(&files);
        open(&files).await.unwrap().close().await.unwrap();
        let kept = SignedCheckpoint::parse(&files.snapshot()[&witnessed]).unwrap();
        assert!(check(&files).len() > usize::try_from(kept.checkpoint().size()).unwrap());
    }
}
