//! Tests of rotation.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::keys::trial::{FixedClock, all_files, files_with, names};
use crate::keys::vault::Who;
use crate::keys::{FileKeyring, SubjectKind};

async fn vault(folder: &Path) -> Vault {
    let keks = Arc::new(FileKeyring::open(folder.join("kek")).unwrap());
    Vault::open(folder, keks, Arc::new(FixedClock)).await.unwrap()
}

async fn people(vault: &Vault, count: usize) -> Vec<SubjectPseudonym> {
    let tenants = names(["acme", "other"]);
    let people: Vec<String> = (0..count).map(|it| format!("person-{it}")).collect();
    let who: BTreeSet<Who<'_>> = tenants
        .iter()
        .flat_map(|tenant| {
            people.iter().map(move |name| Who {
                tenant: Some(tenant),
                kind: SubjectKind::Person,
                name,
            })
        })
        .collect();
    let known = vault.know(BTreeSet::new(), who).await.unwrap();
    known.subjects.values().map(|it| it.pseudonym).collect()
}

async fn wrapped_keys(vault: &Vault) -> Vec<Vec<u8>> {
    let mut connection = vault.0.connection.lock().await;
    let mut keys = Vec::new();
    for row in TenantRow::all(&mut connection).await.unwrap() {
        for subject in SubjectRow::page(&mut connection, row.pseudonym, None, 10_000)
            .await
            .unwrap()
        {
            keys.push(subject.wrapped);
            keys.push(subject.tag.to_vec());
        }
        keys.push(row.key.bytes);
    }
    keys
}

#[tokio::test]
async fn a_new_key_encryption_key_takes_every_tenant_and_the_old_one_can_go() {
    let folder = tempfile::tempdir().unwrap();
    let first = vault(folder.path()).await;
    let before = people(&first, 3).await;
    let Rewrapped { bodies: rotated, keys } = first.rotate_kek(None).await.unwrap();
    assert_eq!((rotated.len(), keys), (1, 2));
    assert_eq!(rotated[0].what, RotationOf::EncryptionKey);
    assert_ne!(rotated[0].from, rotated[0].to);
    let retired = first.retire_keks().await.unwrap();
    assert_eq!(
        retired.iter().map(KekId::as_str).collect::<Vec<_>>(),
        [rotated[0].from.as_str()]
    );
    assert_eq!(first.retire_keks().await.unwrap(), []);
    drop(first);
    assert_eq!(all_files(&folder.path().join("kek")).len(), 1);
    let again = vault(folder.path()).await;
    assert_eq!(people(&again, 3).await, before);
}

#[tokio::test]
async fn a_tenants_new_key_leaves_pseudonyms_and_names_and_no_old_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let first = vault(folder.path()).await;
    let before = people(&first, 1500).await;
    let old = wrapped_keys(&first).await;
    for tenant in first.tenants().await.unwrap() {
        let Rewrapped { bodies, keys } = first.rotate_tenant(tenant, None).await.unwrap().unwrap();
        assert_eq!(keys, 1500);
        let rotated = &bodies[0];
        assert_eq!(rotated.what, RotationOf::TenantKey);
        assert_ne!(rotated.from, rotated.to);
    }
    first.finish_rotations().await.unwrap();
    for gone in old.iter().step_by(97) {
        assert_eq!(files_with(folder.path(), gone), Vec::<std::path::PathBuf>::new());
    }
    assert_eq!(people(&first, 1500).await, before);
    drop(first);
    let again = vault(folder.path()).await;
    assert_eq!(people(&again, 1500).await, before);
    let name = again.subject_name(before[7]).await.unwrap().unwrap();
    assert!(name.starts_with("person-"));
}

#[tokio::test]
async fn a_rotation_that_cannot_end_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = vault(folder.path()).await;
    let before = people(&first, 5).await;
    {
        let mut connection = first.0.connection.lock().await;
        let mut row = SubjectRow::by_pseudonym(&mut connection, before[4])
            .await
            .unwrap()
            .unwrap();
        row.wrapped[20] ^= 1;
        row.update_key(&mut connection).await.unwrap();
    }
    let kept = wrapped_keys(&first).await;
    for tenant in first.tenants().await.unwrap() {
        let _outcome = first.rotate_tenant(tenant, None).await;
    }
    let now = wrapped_keys(&first).await;
    let same = kept.iter().zip(&now).filter(|(a, b)| a == b).count();
    // One tenant moved whole, the other not at all.
    assert_eq!(same, 11);
    let missing = TenantPseudonym::from_bytes([0; 16]);
    assert_eq!(first.rotate_tenant(missing, None).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_among_newcomers_loses_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let first = vault(folder.path()).await;
    let mut found = BTreeSet::new();
    for round in 0..20 {
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let vault = first.clone();
                tokio::spawn(async move { people(&vault, round + 1).await })
            })
            .collect();
        for tenant in first.tenants().await.unwrap() {
            first.rotate_tenant(tenant, None).await.unwrap();
        }
        for task in tasks {
            found.extend(task.await.unwrap());
        }
    }
    assert_eq!(found.len(), 40);
    drop(first);
    let again = vault(folder.path()).await;
    assert_eq!(people(&again, 20).await.into_iter().collect::<BTreeSet<_>>(), found);
}

#[tokio::test]
async fn a_rotation_is_pending_until_it_is_noted_and_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let first = vault(folder.path()).await;
    people(&first, 3).await;
    let old = wrapped_keys(&first).await;
    let tenant = first.tenants().await.unwrap()[0];
    let approver = PrincipalPseudonym::from_bytes([1; 16]);
    let of_tenant = first.rotate_tenant(tenant, Some(approver)).await.unwrap().unwrap();
    let of_kek = first.rotate_kek(None).await.unwrap();
    drop(first);
    let again = vault(folder.path()).await;
    let pending = again.pending_rotations().await.unwrap();
    let bodies: Vec<_> = pending.iter().map(|it| it.body.clone()).collect();
    assert_eq!(bodies, [of_tenant.bodies, of_kek.bodies].concat());
    assert_eq!((pending[0].tenant, pending[0].approver), (Some(tenant), Some(approver)));
    assert_eq!((pending[1].tenant, pending[1].approver), (None, None));
    // What is not noted stays, also when the old keys are overwritten.
    again.rotation_is_noted(&pending[1]).await.unwrap();
    again.finish_rotations().await.unwrap();
    assert_eq!(again.pending_rotations().await.unwrap(), pending[..1]);
    again.rotation_is_noted(&pending[0]).await.unwrap();
    again.finish_rotations().await.unwrap();
    assert_eq!(again.pending_rotations().await.unwrap(), []);
    let tenant_key = old.last().unwrap();
    assert_eq!(files_with(folder.path(), tenant_key), Vec::<std::path::PathBuf>::new());
}
