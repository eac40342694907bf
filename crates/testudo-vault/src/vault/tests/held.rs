//! What is handed out to a program is what was pushed, and stays so.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use super::rig::{Rig, name};
use crate::vault::*;

async fn held(rig: &Rig, room: Room<'_>) -> Result<HeldFile, VaultError> {
    let content: Vec<u8> = (0..100_000usize).map(|at| (at * 7 % 251) as u8).collect();
    let model = rig.model("model", &[("w", &content), ("empty", b"")]);
    let pushed = rig.push(&rig.store, &model).await?;
    let artifact = rig.vault().await.artifact(&name("m")).await?;
    let record = artifact.record(pushed.version).await?;
    let file = record.files().iter().find(|it| it.name() == "w").unwrap();
    artifact.hold(file, room).await
}

fn in_memory(folder: &Path) -> Room<'_> {
    Room {
        memory_bytes_max: 1 << 20,
        folder,
    }
}

#[tokio::test]
async fn what_is_held_in_memory_can_be_read_and_changed_by_nobody() {
    let rig = Rig::new();
    let held = held(&rig, in_memory(rig.folder.path())).await.unwrap();
    assert!(held.is_sealed());
    assert_eq!(
        fs::read(held.path()).unwrap(),
        fs::read(rig.to("model").join("w")).unwrap()
    );
    // Opening works, as it is this user's own; the kernel refuses every change.
    let mut again = OpenOptions::new().write(true).open(held.path()).unwrap();
    assert!(again.write_all(b"x").is_err());
    assert!(again.set_len(1).is_err());
    assert!(again.set_len(1 << 20).is_err());
    assert!(held.file().set_len(0).is_err());
    assert_eq!(
        fs::read(held.path()).unwrap(),
        fs::read(rig.to("model").join("w")).unwrap()
    );
}

#[tokio::test]
async fn what_is_too_large_for_memory_lies_in_a_file_without_a_name() {
    let rig = Rig::new();
    let scratch = rig.to("scratch");
    fs::create_dir(&scratch).unwrap();
    let room = Room {
        memory_bytes_max: 99_999,
        folder: &scratch,
    };
    let held = held(&rig, room).await.unwrap();
    assert!(!held.is_sealed());
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
    assert_eq!(
        fs::read(held.path()).unwrap(),
        fs::read(rig.to("model").join("w")).unwrap()
    );
    assert!((&mut held.file()).write_all(b"x").is_err());
}

#[tokio::test]
async fn what_was_changed_in_the_store_is_not_handed_out() {
    let rig = Rig::new();
    drop(held(&rig, in_memory(rig.folder.path())).await.unwrap());
    for path in rig.store.paths("/objects/").await {
        let mut bytes = rig.store.content(&path).await;
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        rig.store.put(&path, bytes).await;
    }
    let artifact = rig.vault().await.artifact(&name("m")).await.unwrap();
    let version = artifact.versions().await.unwrap()[0];
    let record = artifact.record(version).await.unwrap();
    for file in record.files() {
        let refused = artifact.hold(file, in_memory(rig.folder.path())).await.unwrap_err();
        assert!(refused.is_denial(), "{refused}");
    }
}
