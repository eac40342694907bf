//! Tests of sealing and opening: a record opens in its own place only.

use std::path::Path;
use std::sync::Arc;

use testudo_ledger::entry::{Body, Gap, PayloadRef, Recorder, RecorderAction};
use testudo_types::{KeyId, UnixMillis};

use super::*;
use crate::SubjectName;
use crate::keys::FileKeyring;
use crate::keys::trial::{FixedClock, names};

const ORIGIN: &str = "testudo/0123456789abcdef";

async fn vault(folder: &Path) -> Vault {
    let keks = Arc::new(FileKeyring::open(folder.join("kek")).unwrap());
    Vault::open(folder, keks, Arc::new(FixedClock)).await.unwrap()
}

fn body() -> Body {
    Body::Gap(Gap {
        count: 1,
        from_at: 1,
        reason: "disk_full".to_owned(),
        to_at: 2,
    })
}

fn other_body() -> Body {
    Body::Recorder(Recorder {
        action: RecorderAction::Start,
        size: 0,
        version: "0".to_owned(),
    })
}

fn draft(tenant: &str, subject: &str, content: &str) -> Draft {
    let [tenant] = names([tenant]);
    Draft {
        tenant: Some(tenant),
        subject: Some(SubjectName::parse(subject).unwrap()),
        content: Some(Zeroizing::new(content.as_bytes().to_vec())),
        ..Draft::new(body())
    }
}

async fn seal(vault: &Vault, first_index: u64, drafts: &[Draft]) -> Vec<(Entry, Vec<u8>)> {
    let borrowed: Vec<&Draft> = drafts.iter().collect();
    let batch = Batch {
        origin: ORIGIN,
        first_index,
        drafts: &borrowed,
    };
    let sealed = vault.clone().seal(batch).await.unwrap();
    let entries = sealed.into_iter().zip(drafts).map(|(sealed, draft)| {
        let sealed = sealed.unwrap();
        let payload = sealed.payload.unwrap();
        let entry = Entry {
            at: 1,
            tenant: sealed.tenant,
            principal: sealed.principal,
            payload: Some(PayloadRef {
                bytes: payload.bytes,
                commitment: payload.commitment,
                subject: payload.subject,
            }),
            body: draft.body.clone(),
        };
        (entry, payload.record)
    });
    entries.collect()
}

fn receipt(of: u64) -> ReadReceipt {
    let appended = Receipt::Written {
        index: 99,
        at: UnixMillis(1),
    };
    ReadReceipt::new(of, &appended).unwrap()
}

async fn open(vault: &Vault, index: u64, entry: &Entry, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenPayloadError> {
    vault.open_payload(&receipt(index), ORIGIN, index, entry, record).await
}

/// The entry as somebody who may write entries would have to change it to fit the record.
fn recommitted(entry: &Entry, record: &[u8]) -> Entry {
    let mut entry = entry.clone();
    if let (Some(payload), Ok(record)) = (&mut entry.payload, Record::decode(record)) {
        payload.commitment = record.commitment();
    }
    entry
}

#[tokio::test]
async fn content_reads_back_and_is_not_in_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await;
    let drafts = [
        draft("acme", "ana", "the first text"),
        draft("acme", "bo", ""),
        draft("other", "ana", "third"),
    ];
    let sealed = seal(&vault, 7, &drafts).await;
    for ((index, draft), (entry, record)) in (7..).zip(&drafts).zip(&sealed) {
        let content = open(&vault, index, entry, record).await.unwrap();
        assert_eq!(Some(&content), draft.content.as_ref());
        assert!(!record.windows(5).any(|it| it == b"first" || it == b"third"));
    }
    let subjects: BTreeSet<_> = sealed
        .iter()
        .filter_map(|(it, _)| it.payload.as_ref())
        .map(|it| it.subject)
        .collect();
    assert_eq!(subjects.len(), 3);
}

#[tokio::test]
async fn content_without_a_subject_is_the_callers() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await;
    let mut draft = draft("acme", "ana", "text");
    draft.subject = None;
    draft.principal = Some(KeyId::parse("key1").unwrap());
    let (entry, record) = seal(&vault, 0, &[draft.clone()]).await.remove(0);
    assert!(open(&vault, 0, &entry, &record).await.is_ok());
    let subject = entry.payload.unwrap().subject;
    assert_eq!(subject.as_bytes(), entry.principal.unwrap().as_bytes());
    draft.principal = None;
    let batch = Batch {
        origin: ORIGIN,
        first_index: 0,
        drafts: &[&draft],
    };
    assert!(vault.clone().seal(batch).await.unwrap()[0].is_err());
}

#[tokio::test]
async fn a_record_opens_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await;
    let drafts = [
        draft("acme", "ana", "text of ana"),
        draft("acme", "bo", "text of bo"),
        draft("other", "cy", "text of cy"),
    ];
    let sealed = seal(&vault, 0, &drafts).await;
    let (entry, record) = &sealed[0];

    // Another place, with the index rewritten and the commitment made to fit.
    let refused = open(&vault, 1, entry, record).await.unwrap_err();
    assert!(
        matches!(refused, OpenPayloadError::Elsewhere { index: 1, found: 0 }),
        "{refused}"
    );
    let mut moved = record.clone();
    moved[4..12].copy_from_slice(&1_u64.to_be_bytes());
    let refused = open(&vault, 1, entry, &moved).await.unwrap_err();
    assert!(matches!(refused, OpenPayloadError::Changed { .. }), "{refused}");
    let refused = open(&vault, 1, &recommitted(entry, &moved), &moved).await.unwrap_err();
    assert!(matches!(refused, OpenPayloadError::Refused { .. }), "{refused}");

    // Another log.
    let refused = vault
        .open_payload(&receipt(0), "testudo/other", 0, entry, record)
        .await
        .unwrap_err();
    assert!(matches!(refused, OpenPayloadError::Refused { .. }), "{refused}");

    // Another type of entry.
    let other = Entry {
        body: other_body(),
        ..entry.clone()
    };
    let refused = open(&vault, 0, &other, record).await.unwrap_err();
    assert!(matches!(refused, OpenPayloadError::Refused { .. }), "{refused}");

    // Another tenant; another subject; both.
    let other = Entry {
        tenant: sealed[2].0.tenant,
        ..entry.clone()
    };
    let refused = open(&vault, 0, &other, record).await.unwrap_err();
    assert!(matches!(refused, OpenPayloadError::OtherTenant { .. }), "{refused}");
    for at in [1, 2] {
        let other = Entry {
            tenant: sealed[at].0.tenant,
            payload: sealed[at].0.payload.clone(),
            ..entry.clone()
        };
        let refused = open(&vault, 0, &recommitted(&other, record), record).await.unwrap_err();
        assert!(matches!(refused, OpenPayloadError::OtherSubject { .. }), "{refused}");
    }
}

#[tokio::test]
async fn no_flipped_and_no_missing_byte_passes() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await;
    let (entry, record) = seal(&vault, 3, &[draft("acme", "ana", "text")]).await.remove(0);
    for at in 0..record.len() {
        let mut flipped = record.clone();
        flipped[at] ^= 0x10;
        assert!(open(&vault, 3, &entry, &flipped).await.is_err(), "byte {at}");
        // Nor when the entry is made to fit; only the salt is not covered by the seal.
        let refitted = recommitted(&entry, &flipped);
        let salt = (12..44).contains(&at);
        assert_eq!(open(&vault, 3, &refitted, &flipped).await.is_ok(), salt, "byte {at}");
        let refused = open(&vault, 3, &entry, &record[..at]).await.unwrap_err();
        let damaged = matches!(refused, OpenPayloadError::Damaged { .. });
        assert!(
            damaged || matches!(refused, OpenPayloadError::Changed { .. }),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_receipt_is_for_one_payload() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await;
    let (mut entry, record) = seal(&vault, 3, &[draft("acme", "ana", "text")]).await.remove(0);
    let refused = vault
        .open_payload(&receipt(4), ORIGIN, 3, &entry, &record)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, OpenPayloadError::OtherReceipt { of: 4, index: 3 }),
        "{refused}"
    );
    assert!(ReadReceipt::new(3, &Receipt::Queued).is_none());
    entry.payload = None;
    let refused = open(&vault, 3, &entry, &record).await.unwrap_err();
    assert!(matches!(refused, OpenPayloadError::Absent { index: 3 }), "{refused}");
}

#[tokio::test]
async fn records_outlive_rotations() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await;
    let (entry, record) = seal(&vault, 3, &[draft("acme", "ana", "text")]).await.remove(0);
    vault.rotate_kek(None).await.unwrap();
    vault.rotate_tenant(entry.tenant.unwrap(), None).await.unwrap();
    vault.retire_keks().await.unwrap();
    assert_eq!(open(&vault, 3, &entry, &record).await.unwrap().as_slice(), b"text");
    let (again, _) = seal(&vault, 4, &[draft("acme", "ana", "more")]).await.remove(0);
    assert_eq!(again.payload.unwrap().subject, entry.payload.unwrap().subject);
}

/// Changes the wrapped key of one tenant in the key store.
async fn damage_tenant(vault: &Vault, entry: &Entry) {
    let mut connection = vault.0.connection.lock().await;
    let damaged = sqlx::query("UPDATE tenants SET wrapped = zeroblob(60) WHERE pseudonym = ?1")
        .bind(entry.tenant.unwrap().as_bytes().as_slice())
        .execute(&mut *connection)
        .await
        .unwrap();
    assert_eq!(damaged.rows_affected(), 1);
}

/// Changes the wrapped key of one subject in the key store.
async fn damage_subject(vault: &Vault, entry: &Entry) {
    let mut connection = vault.0.connection.lock().await;
    let subject = entry.payload.as_ref().unwrap().subject;
    let damaged = sqlx::query("UPDATE subjects SET wrapped = zeroblob(60) WHERE pseudonym = ?1")
        .bind(subject.as_bytes().as_slice())
        .execute(&mut *connection)
        .await
        .unwrap();
    assert_eq!(damaged.rows_affected(), 1);
}

async fn outcomes(vault: &Vault, drafts: &[&Draft]) -> Vec<Result<Sealed, Refusal>> {
    let batch = Batch {
        origin: ORIGIN,
        first_index: 9,
        drafts,
    };
    vault.clone().seal(batch).await.unwrap()
}

#[tokio::test]
async fn one_lost_key_refuses_one_draft_and_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let first = vault(folder.path()).await;
    let drafts = [
        draft("acme", "ana", "text"),
        draft("acme", "bo", "text"),
        draft("other", "cy", "text"),
    ];
    let sealed = seal(&first, 0, &drafts).await;
    damage_subject(&first, &sealed[0].0).await;
    damage_tenant(&first, &sealed[2].0).await;
    drop(first);

    // Neither keeps the ledger from starting.
    let again = vault(folder.path()).await;
    let mut of_tenant = drafts[2].clone();
    of_tenant.content = None;
    let mut of_caller = drafts[2].clone();
    of_caller.principal = Some(KeyId::parse("k1").unwrap());
    let [ana, bo, cy] = &drafts;
    let outcomes = outcomes(&again, &[ana, bo, cy, &of_tenant, &of_caller]).await;
    let sound: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(sound, [false, true, false, false, false]);
    let told = outcomes[0].clone().unwrap_err().to_string();
    let subject = sealed[0].0.payload.as_ref().unwrap().subject.to_string();
    assert!(told.contains(&subject) && !told.contains("ana"), "{told}");
    let told = outcomes[2].clone().unwrap_err().to_string();
    let tenant = sealed[2].0.tenant.unwrap().to_string();
    assert!(told.contains(&tenant) && !told.contains("cy"), "{told}");
    let [_, other] = names(["acme", "other"]);
    let lost = again.principal(Some(&other), "k1").await.unwrap_err();
    assert!(matches!(lost, VaultError::Tenant { .. }), "{lost}");
}

#[tokio::test]
async fn a_key_encryption_key_that_opens_nothing_stops_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let first = vault(folder.path()).await;
    let sealed = seal(&first, 0, &[draft("acme", "ana", "text"), draft("other", "cy", "text")]).await;
    for (entry, _) in &sealed {
        damage_tenant(&first, entry).await;
    }
    drop(first);
    let keks = Arc::new(FileKeyring::open(folder.path().join("kek")).unwrap());
    let refused = Vault::open(folder.path(), keks, Arc::new(FixedClock))
        .await
        .unwrap_err();
    assert!(matches!(refused, VaultError::Tenant { .. }), "{refused}");
}
