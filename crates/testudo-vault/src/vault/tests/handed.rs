//! Files that are handed on while they are read, and versions by number.

use testudo_types::UnixMillis;

use super::lengths;
use super::rig::{Rig, key, name};
use crate::vault::*;

const BLOCK_BYTES_MAX: usize = 1 << 20;

/// What comes of a file, and how it ends.
async fn all(artifact: &Artifact, file: &StoredFile) -> (Vec<u8>, Result<(), VaultError>) {
    let mut come = Vec::new();
    let mut reading = match artifact.reading(file).await {
        Ok(reading) => reading,
        Err(error) => return (come, Err(error)),
    };
    loop {
        match reading.next().await {
            Ok(Some(block)) => {
                assert!(block.len() <= BLOCK_BYTES_MAX);
                come.extend_from_slice(&block);
            }
            Ok(None) => return (come, Ok(())),
            Err(error) => {
                // And nothing after it.
                assert!(matches!(reading.next().await, Ok(None)));
                return (come, Err(error));
            }
        }
    }
}

#[tokio::test]
async fn every_file_comes_whole_in_blocks() {
    let rig = Rig::new();
    let content = lengths();
    let files: Vec<(&str, &[u8])> = content
        .iter()
        .map(|(name, it)| (name.as_str(), it.as_slice()))
        .collect();
    let pushed = rig.push(&rig.store, &rig.model("model", &files)).await.unwrap();
    let artifact = rig.vault().await.artifact(&name("m")).await.unwrap();
    let record = artifact.record(pushed.version).await.unwrap();
    assert_eq!(record.files().len(), content.len());
    for file in record.files() {
        let (_, wanted) = content.iter().find(|(name, _)| name == file.name()).unwrap();
        let (come, end) = all(&artifact, file).await;
        end.unwrap();
        assert!(come == *wanted, "{}", file.name());
    }
}

#[tokio::test]
async fn nothing_comes_of_what_was_changed_nor_after_it() {
    let rig = Rig::new();
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 1000 % 251) as u8).collect();
    let pushed = rig
        .push(&rig.store, &rig.model("model", &[("w", &content)]))
        .await
        .unwrap();
    let artifact = rig.vault().await.artifact(&name("m")).await.unwrap();
    let record = artifact.record(pushed.version).await.unwrap();
    let file = &record.files()[0];
    let place = format!("vault/{}", artifact.object_path(file.object()));
    let sound = rig.store.content(&place).await;
    // In the head, the first piece, the second block, and the last byte: how many whole blocks come before it.
    for (at, blocks) in [(3, 0), (200, 0), (1_500_000, 1), (sound.len() - 1, 2)] {
        let mut changed = sound.clone();
        changed[at] ^= 1;
        rig.store.put(&place, changed).await;
        let (come, end) = all(&artifact, file).await;
        assert!(end.unwrap_err().is_denial(), "{at}");
        assert_eq!(come.len(), blocks * BLOCK_BYTES_MAX, "{at}");
        assert!(content.starts_with(&come), "{at}");
    }
    rig.store.put(&place, sound[..sound.len() - 1].to_vec()).await;
    let (come, end) = all(&artifact, file).await;
    assert!(end.is_err() && come.is_empty(), "cut");
    rig.store.put(&place, sound).await;
    assert!(all(&artifact, file).await.1.is_ok());
}

#[tokio::test]
async fn a_number_is_of_the_first_statement_and_never_changes() {
    let (rig, key) = (Rig::new(), key());
    let mut versions = Vec::new();
    for text in ["1", "2", "3", "4"] {
        let model = rig.model(text, &[("a", text.as_bytes())]);
        versions.push(rig.push(&rig.store, &model).await.unwrap().version);
    }
    let vault = rig.vault().await;
    let approvers = Approvers::new([key.public().clone()]);
    let mut seen = Seen::default();
    let prod = || name("prod");
    let steps = [
        (Act::Promote { alias: prod() }, 2),
        (Act::Promote { alias: prod() }, 0),
        (Act::RollBack { alias: prod() }, 2),
        (Act::Hold, 1),
        (Act::Revoke, 0),
        (Act::Promote { alias: name("canary") }, 1),
    ];
    let mut numbers: Vec<(u64, VersionId)> = Vec::new();
    for (at, (act, of)) in (1_u64..).zip(steps) {
        let standing = vault.standing(&name("m"), &approvers, &mut seen).await.unwrap();
        let proposed = Proposed {
            act,
            version: versions[of],
            approver: "alice",
            reason: "tested",
            at: UnixMillis(at),
            key: &key,
        };
        let artifact = vault.artifact(&name("m")).await.unwrap();
        vault.state(&artifact, &standing, &proposed).await.unwrap();
        let standing = vault.standing(&name("m"), &approvers, &mut seen).await.unwrap();
        let now: Vec<_> = standing.numbered().iter().map(|it| (it.number, it.version)).collect();
        assert!(now.starts_with(&numbers), "after {at}");
        numbers = now;
    }
    assert_eq!(numbers, [(1, versions[2]), (2, versions[0]), (3, versions[1])]);
    let standing = vault.standing(&name("m"), &approvers, &mut seen).await.unwrap();
    let times: Vec<_> = standing
        .numbered()
        .iter()
        .map(|it| (it.first.at.0, it.last.at.0))
        .collect();
    assert_eq!(times, [(1, 3), (2, 5), (4, 6)]);
}
