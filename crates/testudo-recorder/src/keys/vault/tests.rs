//! Tests of looking up and making tenants and subjects.

use std::collections::BTreeSet;

use super::*;
use crate::keys::FileKeyring;
use crate::keys::trial::{FixedClock, names};

async fn vault(folder: &Path) -> Result<Vault, VaultError> {
    let keks = Arc::new(FileKeyring::open(folder.join("kek")).map_err(VaultError::Kek)?);
    Vault::open(folder, keks, Arc::new(FixedClock)).await
}

fn who<'a>(tenant: &'a TenantId, name: &'a str) -> Who<'a> {
    Who {
        tenant: Some(tenant),
        kind: SubjectKind::Person,
        name,
    }
}

async fn pseudonym(vault: &Vault, who: Who<'_>) -> SubjectPseudonym {
    let known = vault.know(BTreeSet::new(), BTreeSet::from([who])).await.unwrap();
    known.subjects[&who].pseudonym
}

#[tokio::test]
async fn the_same_name_is_the_same_pseudonym_also_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let [acme, other] = names(["acme", "other"]);
    let first = vault(folder.path()).await.unwrap();
    let ana = pseudonym(&first, who(&acme, "ana")).await;
    assert_eq!(pseudonym(&first, who(&acme, "ana")).await, ana);
    assert_ne!(pseudonym(&first, who(&acme, "bo")).await, ana);
    assert_ne!(pseudonym(&first, who(&other, "ana")).await, ana);
    drop(first);
    let again = vault(folder.path()).await.unwrap();
    assert_eq!(pseudonym(&again, who(&acme, "ana")).await, ana);
    assert_eq!(again.subject_name(ana).await.unwrap().unwrap().as_str(), "ana");
}

#[tokio::test]
async fn looking_up_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [acme, other] = names(["acme", "other"]);
    let vault = vault(folder.path()).await.unwrap();
    let find = async |tenant, name| vault.find_subject(tenant, SubjectKind::Person, name).await.unwrap();
    assert_eq!(vault.find_tenant(&acme).await.unwrap(), None);
    assert_eq!(find(Some(&acme), "ana").await, None);
    let ana = pseudonym(&vault, who(&acme, "ana")).await;
    assert_eq!(find(Some(&acme), "ana").await, Some(ana));
    assert_eq!(find(Some(&acme), "bo").await, None);
    assert_eq!(find(Some(&other), "ana").await, None);
    assert_eq!(find(None, "ana").await, None);
    assert_eq!(vault.find_tenant(&other).await.unwrap(), None);
    let tenant = vault.find_tenant(&acme).await.unwrap().unwrap();
    assert_eq!(vault.tenant_name(tenant).await.unwrap().as_deref(), Some("acme"));
    let everywhere = vault.find_subject_anywhere(SubjectKind::Person, "ana").await.unwrap();
    assert_eq!(everywhere, [ana]);
    let callers = vault
        .find_subject_anywhere(SubjectKind::Principal, "ana")
        .await
        .unwrap();
    assert_eq!(callers, []);
}

#[tokio::test]
async fn callers_without_a_tenant_have_pseudonyms_too() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await.unwrap();
    let first = vault.principal(None, "operator").await.unwrap();
    assert_eq!(vault.principal(None, "operator").await.unwrap(), first);
    let [acme] = names(["acme"]);
    assert_ne!(vault.principal(Some(&acme), "operator").await.unwrap(), first);
}

#[tokio::test]
async fn many_at_once_agree() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await.unwrap();
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let vault = vault.clone();
            tokio::spawn(async move {
                let [acme] = names(["acme"]);
                let name = format!("person-{}", task % 4);
                (task % 4, pseudonym(&vault, who(&acme, &name)).await)
            })
        })
        .collect();
    let mut found = BTreeSet::new();
    for task in tasks {
        found.insert(task.await.unwrap());
    }
    assert_eq!(found.len(), 4);
}

#[tokio::test]
async fn no_name_of_a_person_is_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await.unwrap();
    let [acme] = names(["acme"]);
    pseudonym(&vault, who(&acme, "a-very-distinctive-name")).await;
    let found = crate::keys::trial::files_with(folder.path(), b"distinctive");
    assert_eq!(found, Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_missing_or_wrong_key_encryption_key_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let [acme] = names(["acme"]);
    pseudonym(&vault(folder.path()).await.unwrap(), who(&acme, "ana")).await;
    let kek = folder.path().join("kek");
    let file = std::fs::read_dir(&kek).unwrap().next().unwrap().unwrap().path();
    let original = testudo_bounded::read_file(&file, 64).unwrap();
    std::fs::write(&file, [3; 32]).unwrap();
    let wrong = vault(folder.path()).await.unwrap_err();
    assert!(
        matches!(
            &wrong,
            VaultError::Tenant {
                source: KekError::Refused(_),
                ..
            }
        ),
        "{wrong}"
    );
    std::fs::remove_file(&file).unwrap();
    let missing = vault(folder.path()).await.unwrap_err();
    assert!(
        matches!(
            &missing,
            VaultError::Tenant {
                source: KekError::Unknown(_),
                ..
            }
        ),
        "{missing}"
    );
    std::fs::write(&file, original).unwrap();
    let loose = vault(folder.path()).await.unwrap_err();
    assert!(
        matches!(&loose, VaultError::Kek(KekError::Permissions { .. })),
        "{loose}"
    );
}
