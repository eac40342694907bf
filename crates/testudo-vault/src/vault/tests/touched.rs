//! Stores that somebody changed.

use super::rig::{Rig, files, name};
use crate::vault::*;

/// A version of three files, and where their sealed content lies by name.
async fn pushed() -> (Rig, VersionId, Vec<(String, String)>) {
    let rig = Rig::new();
    let large: Vec<u8> = (0..50_000usize).map(|at| (at % 251) as u8).collect();
    let other: Vec<u8> = (0..50_000usize).map(|at| (at % 241) as u8).collect();
    let model = rig.model("model", &[("a", &large), ("b", &other), ("c", b"small")]);
    let version = rig.push(&rig.store, &model).await.unwrap().version;
    let artifact = rig.vault().await.artifact(&name("m")).await.unwrap();
    let record = artifact.record(version).await.unwrap();
    let place = |file: &StoredFile| {
        (
            file.name().to_owned(),
            format!("vault/{}", artifact.object_path(file.object())),
        )
    };
    let places = record.files().iter().map(place).collect();
    (rig, version, places)
}

async fn refused(rig: &Rig, version: VersionId, what: &str) {
    let to = rig.to("touched");
    let outcome = rig.pull(&rig.store, version, &to).await;
    assert!(outcome.is_err(), "{what}");
    assert!(!to.exists(), "{what}");
}

#[tokio::test]
async fn content_that_was_changed_cut_or_exchanged_is_refused() {
    let (rig, version, places) = pushed().await;
    let sealed = rig.store.content(&places[0].1).await;
    let other = rig.store.content(&places[1].1).await;
    let mut swapped = sealed.clone();
    let piece = 16384 + 16;
    swapped[56..56 + piece].copy_from_slice(&sealed[56 + piece..56 + 2 * piece]);
    swapped[56 + piece..56 + 2 * piece].copy_from_slice(&sealed[56..56 + piece]);
    let mut spliced = sealed.clone();
    spliced[56..56 + piece].copy_from_slice(&other[56..56 + piece]);
    let mut flipped = sealed.clone();
    flipped[40_000] ^= 1;
    let mut longer = sealed.clone();
    longer.push(0);
    let changes: [(&str, Vec<u8>); 8] = [
        ("another file's content", other),
        ("pieces swapped", swapped),
        ("a piece of another file", spliced),
        ("a flipped bit", flipped),
        ("longer", longer),
        ("cut between pieces", sealed[..56 + piece].to_vec()),
        ("cut in a piece", sealed[..sealed.len() - 1].to_vec()),
        ("empty", Vec::new()),
    ];
    for (what, bytes) in changes {
        rig.store.put(&places[0].1, bytes).await;
        refused(&rig, version, what).await;
    }
    rig.store.remove(&places[0].1).await;
    refused(&rig, version, "missing").await;
    // What was damaged is put right by pushing again.
    rig.store.put(&places[0].1, b"damaged".to_vec()).await;
    rig.push(&rig.store, &rig.model("model", &[])).await.unwrap();
    rig.pull(&rig.store, version, &rig.to("back")).await.unwrap();
    assert_eq!(files(&rig.to("back")), files(&rig.to("model")));
}

#[tokio::test]
async fn a_record_stands_for_its_own_version_only() {
    let (rig, version, _) = pushed().await;
    let second = rig
        .push(&rig.store, &rig.model("other", &[("x", b"y")]))
        .await
        .unwrap()
        .version;
    let path = |id: VersionId| format!("vault/artifacts/m/versions/{id}");
    let record = rig.store.content(&path(version)).await;
    let other = rig.store.content(&path(second)).await;
    rig.store.put(&path(version), other).await;
    refused(&rig, version, "another version's record").await;
    let mut flipped = record;
    flipped[60] ^= 1;
    rig.store.put(&path(version), flipped).await;
    refused(&rig, version, "a flipped bit").await;
}

#[tokio::test]
async fn nothing_of_one_artifact_or_vault_opens_in_another() {
    let (rig, version, _) = pushed().await;
    for path in rig.store.paths("artifacts/m/").await {
        let content = rig.store.content(&path).await;
        rig.store
            .put(&path.replace("artifacts/m/", "artifacts/n/"), content)
            .await;
    }
    let vault = rig.vault().await;
    // The key of another artifact, with everything under it.
    assert!(matches!(vault.artifact(&name("n")).await, Err(VaultError::Key(_))));
    // A key of its own, with the other's versions.
    rig.store.remove("vault/artifacts/n/key.json").await;
    let own = vault.artifact_or_make(&name("n")).await.unwrap();
    assert!(matches!(own.record(version).await, Err(VaultError::Sealed { .. })));
    let head = rig.store.content("vault/vault.json").await;
    let mut head: serde_json::Value = serde_json::from_slice(&head).unwrap();
    head["id"] = "00112233445566778899aabbccddeeff".into();
    rig.store.put("vault/vault.json", head.to_string().into_bytes()).await;
    assert!(matches!(
        rig.vault().await.artifact(&name("m")).await,
        Err(VaultError::Key(_))
    ));
}

#[tokio::test]
async fn without_the_key_encryption_key_nothing_opens() {
    let (rig, ..) = pushed().await;
    std::fs::remove_dir_all(rig.to("keys")).unwrap();
    assert!(matches!(
        rig.vault().await.artifact(&name("m")).await,
        Err(VaultError::Key(_))
    ));
}
