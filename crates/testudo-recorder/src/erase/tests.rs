//! Tests of destroying keys, of holds, and of what a crash leaves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use testudo_ledger::entry::LegalHoldAction;

use super::*;
use crate::hold::HoldError;
use crate::keys::trial::{FixedClock, files_with, names};
use crate::keys::{FileKeyring, SubjectKind, Who};

const NOW: UnixMillis = UnixMillis(5);

async fn vault(folder: &Path) -> Vault {
    let keks = Arc::new(FileKeyring::open(folder.join("kek")).unwrap());
    Vault::open(folder, keks, Arc::new(FixedClock)).await.unwrap()
}

fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

async fn person(vault: &Vault, name: &str) -> SubjectPseudonym {
    let [acme] = names(["acme"]);
    let who = Who {
        tenant: Some(&acme),
        kind: SubjectKind::Person,
        name,
    };
    let known = vault.know(BTreeSet::new(), BTreeSet::from([who])).await.unwrap();
    known.subjects[&who].pseudonym
}

async fn people(vault: &Vault, count: usize) -> Vec<SubjectPseudonym> {
    let mut people = Vec::new();
    for number in 0..count {
        people.push(person(vault, &format!("person-{number}")).await);
    }
    people
}

fn erasure(subject: SubjectPseudonym) -> ErasureRequest {
    ErasureRequest {
        request: code("request-1"),
        subject,
        basis: code("gdpr_17_1_b"),
        approver: PrincipalPseudonym::from_bytes([1; 16]),
    }
}

/// What the row of a subject holds: wrapped key, sealed name, tag.
async fn traces(vault: &Vault, subject: SubjectPseudonym) -> Vec<Vec<u8>> {
    let mut connection = vault.0.connection.lock().await;
    let (wrapped, name, tag): (Vec<u8>, Vec<u8>, Vec<u8>) =
        sqlx::query_as("SELECT wrapped, name, tag FROM subjects WHERE pseudonym = ?1")
            .bind(subject.as_bytes().as_slice())
            .fetch_one(&mut *connection)
            .await
            .unwrap();
    vec![wrapped, name, tag]
}

#[tokio::test]
async fn nothing_of_the_row_is_left_in_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await;
    let people = people(&vault, 300).await;
    let gone = people[123];
    let traces = traces(&vault, gone).await;
    for trace in &traces {
        assert_ne!(files_with(folder.path(), trace), Vec::<PathBuf>::new());
    }
    vault.begin_erasure(&erasure(gone), NOW).await.unwrap();
    for trace in &traces {
        assert_eq!(files_with(folder.path(), trace), Vec::<PathBuf>::new());
    }
    assert_eq!(vault.subject_name(gone).await.unwrap(), None);
    assert!(vault.subject(gone).await.unwrap().is_none());
    assert_eq!(
        vault.subject_name(people[124]).await.unwrap().unwrap().as_str(),
        "person-124"
    );
    let again = person(&vault, "person-123").await;
    assert_ne!(again, gone);
}

#[tokio::test]
async fn an_erasure_is_pending_until_it_is_finished_also_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let first = vault(folder.path()).await;
    let ana = person(&first, "ana").await;
    let wanted = erasure(ana);
    let begun = first.begin_erasure(&wanted, NOW).await.unwrap();
    assert_eq!(begun.wanted, wanted);
    assert_eq!(first.begin_erasure(&wanted, NOW).await.unwrap(), begun);
    drop(first);
    let again = vault(folder.path()).await;
    assert_eq!(again.pending_erasures().await.unwrap(), [begun]);
    let other = ErasureRequest {
        subject: person(&again, "bo").await,
        ..wanted.clone()
    };
    let refused = again.begin_erasure(&other, NOW).await.unwrap_err();
    assert!(matches!(refused, EraseError::OtherRequest(_)), "{refused}");
    let other = ErasureRequest {
        basis: code("contract_end"),
        ..wanted.clone()
    };
    let refused = again.begin_erasure(&other, NOW).await.unwrap_err();
    assert!(matches!(refused, EraseError::OtherRequest(_)), "{refused}");
    again.finish_erasure(&wanted.request).await.unwrap();
    assert_eq!(again.pending_erasures().await.unwrap(), []);
    let refused = again.begin_erasure(&wanted, NOW).await.unwrap_err();
    assert!(matches!(refused, EraseError::Unknown), "{refused}");
}

#[tokio::test]
async fn a_hold_forbids_erasure_until_the_last_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await;
    let ana = person(&vault, "ana").await;
    let [first, second] = ["case-1", "case-2"].map(code);
    let body = vault.set_hold(ana, &first, NOW).await.unwrap();
    assert_eq!((body.action, body.reason.as_str()), (LegalHoldAction::Set, "case-1"));
    vault.set_hold(ana, &first, UnixMillis(9)).await.unwrap();
    vault.set_hold(ana, &second, UnixMillis(6)).await.unwrap();
    let holds = vault.holds().await.unwrap();
    assert_eq!(
        holds.iter().map(|it| it.since).collect::<Vec<_>>(),
        [NOW, UnixMillis(6)]
    );
    for reason in [first, second] {
        let refused = vault.begin_erasure(&erasure(ana), NOW).await.unwrap_err();
        assert!(
            matches!(&refused, EraseError::Held { reason: it, .. } if *it == reason),
            "{refused}"
        );
        assert!(refused.to_string().contains(reason.as_str()));
        vault.plan_release(ana, &reason).await.unwrap();
        vault.release_hold(ana, &reason).await.unwrap();
        let refused = vault.release_hold(ana, &reason).await.unwrap_err();
        assert!(matches!(refused, HoldError::NotHeld { .. }), "{refused}");
        assert!(vault.plan_release(ana, &reason).await.is_err());
    }
    vault.begin_erasure(&erasure(ana), NOW).await.unwrap();
    let refused = vault.set_hold(ana, &code("case-3"), NOW).await.unwrap_err();
    assert!(matches!(refused, HoldError::Unknown(_)), "{refused}");
}

#[tokio::test]
async fn a_reader_from_outside_delays_only_the_overwriting() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path()).await;
    let ana = person(&vault, "ana").await;
    let traces = traces(&vault, ana).await;
    let mut reader = SqliteConnectOptions::new()
        .filename(folder.path().join("keys.sqlite"))
        .connect()
        .await
        .unwrap();
    let mut reading = reader.begin().await.unwrap();
    let _count: i64 = sqlx::query_scalar("SELECT count(*) FROM subjects")
        .fetch_one(&mut *reading)
        .await
        .unwrap();
    {
        let mut connection = vault.0.connection.lock().await;
        sqlx::query("PRAGMA busy_timeout = 1")
            .execute(&mut *connection)
            .await
            .unwrap();
    }
    let late = vault.begin_erasure(&erasure(ana), NOW).await.unwrap_err();
    assert!(
        matches!(late, EraseError::Vault(VaultError::Store(crate::StoreError::Busy))),
        "{late}"
    );
    assert!(vault.subject(ana).await.unwrap().is_none());
    assert_eq!(vault.pending_erasures().await.unwrap().len(), 1);
    reading.rollback().await.unwrap();
    reader.close().await.unwrap();
    vault.begin_erasure(&erasure(ana), NOW).await.unwrap();
    for trace in &traces {
        assert_eq!(files_with(folder.path(), trace), Vec::<PathBuf>::new());
    }
}

#[test]
fn tombstones_name_every_place_and_there_is_always_one() {
    let wanted = erasure(SubjectPseudonym::from_bytes([2; 16]));
    let none = wanted.tombstones([]);
    assert_eq!((none.len(), none[0].payloads), (1, 0));
    let many = wanted.tombstones((0..4000).map(|it| it * 2));
    assert_eq!(many.len(), 3);
    assert_eq!(many.iter().map(|it| it.payloads).sum::<u64>(), 4000);
    assert!(many.iter().all(|it| it.request == "request-1"));
}
