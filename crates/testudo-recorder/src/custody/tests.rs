//! Tests of a whole ledger with keys: what is gone after an erasure, and what stays.

mod ledger;
mod tampered;

use std::collections::BTreeSet;
use std::path::PathBuf;

use sqlx::{ConnectOptions as _, Connection as _};
use testudo_ledger::entry::Body;
use testudo_types::KeyId;

use self::ledger::{DAY_MS, Ledger, code};
use super::*;
use crate::control::{self, FailureKind};
use crate::keys::trial::files_with;
use crate::retention::{RecordClass, Wanted};

const NOWHERE: [PathBuf; 0] = [];

/// 700 entries of three people, so that there are full and open payload files.
async fn busy_ledger() -> Ledger {
    let ledger = Ledger::open().await;
    for half in [0..400, 400..700] {
        let said: Vec<_> = half
            .map(|number| {
                let name = ["ana.distinctive@example.org", "bo", "cy"][number % 3];
                ledger.queue(name, &format!("{name} said secret number {number}"))
            })
            .collect();
        for pending in said {
            pending.await.unwrap();
        }
        ledger.kept().recorder.flush().await.unwrap();
    }
    ledger
}

#[tokio::test]
async fn an_erased_subject_is_in_no_file_and_everything_else_still_stands() {
    let ledger = busy_ledger().await;
    let ana = ledger.subject("ana.distinctive@example.org").await;
    let mut traces = ledger.row_of(ana).await;
    let before = ledger.payloads_of(ana);
    assert_eq!(before.len(), 234);
    for (index, record) in &before {
        if index % 7 == 0 {
            traces.push(record.clone());
        }
    }
    for trace in &traces {
        assert_ne!(files_with(ledger.root(), trace), NOWHERE);
    }
    let old = ledger.note();
    let old_proofs = ledger.proofs(&[0, 3, 255, 256, 600]);

    let erased = ledger.custody.erase(&ledger.request(ana)).await.unwrap();
    assert_eq!(erased.payloads, 234);

    traces.push(b"ana.distinctive".to_vec());
    traces.push(b"said secret number".to_vec());
    for trace in &traces {
        assert_eq!(files_with(ledger.root(), trace), NOWHERE);
    }
    assert_eq!(ledger.payloads_of(ana).len(), 0);
    for index in [2, 3, 302, 699] {
        let shown = ledger.show(index).await.unwrap();
        let text = String::from_utf8(shown.content.to_vec()).unwrap();
        assert!(text.contains("said secret number"), "{text}");
    }
    let gone = ledger.show(*before.keys().next().unwrap()).await.unwrap_err();
    assert!(matches!(gone, CustodyError::Deleted(_)), "{gone}");
    ledger.check_proofs(&old, &old_proofs);
    let report = ledger.verify(&[old]);
    assert_eq!(report.payloads.deleted, 234);
    assert!(report.deleted[0].why.contains("request-1"), "{:?}", report.deleted);
    assert_eq!(report.known, 1);

    let again = ledger.custody.erase(&ledger.request(ana)).await.unwrap_err();
    assert!(matches!(again, CustodyError::Erase(EraseError::Unknown)), "{again}");
}

#[tokio::test]
async fn what_comes_after_an_erasure_is_somebody_else() {
    let ledger = Ledger::open().await;
    ledger.say("ana", "before").await;
    let ana = ledger.subject("ana").await;
    ledger.custody.erase(&ledger.request(ana)).await.unwrap();
    ledger.say("ana", "after").await;
    let other = ledger.subject("ana").await;
    assert_ne!(other, ana);
    ledger.kept().recorder.flush().await.unwrap();
    assert_eq!(ledger.payloads_of(other).len(), 1);
    ledger.verify(&[]);
}

#[tokio::test]
async fn an_interrupted_erasure_is_finished_at_the_next_start() {
    let ledger = busy_ledger().await;
    let ana = ledger.subject("ana.distinctive@example.org").await;
    // The crash comes right after the key is destroyed.
    let wanted = ledger.request(ana);
    ledger.kept().vault.begin_erasure(&wanted, UnixMillis(1)).await.unwrap();
    assert_eq!(ledger.payloads_of(ana).len(), 234);
    let ledger = ledger.reopen().await;
    assert_eq!(ledger.payloads_of(ana).len(), 0);
    assert_eq!(ledger.kept().vault.pending_erasures().await.unwrap(), []);
    assert_eq!(ledger.verify(&[]).payloads.deleted, 234);
}

#[tokio::test]
async fn an_erasure_that_broke_off_after_its_tombstone_is_told_twice_and_done_once() {
    let ledger = Ledger::open().await;
    for _ in 0..3 {
        ledger.say("ana", "text").await;
    }
    let ana = ledger.subject("ana").await;
    let wanted = ledger.request(ana);
    ledger.kept().vault.begin_erasure(&wanted, UnixMillis(1)).await.unwrap();
    ledger.kept().recorder.flush().await.unwrap();
    let places = ledger.payloads_of(ana);
    for tombstone in wanted.tombstones(places.into_keys()) {
        ledger.custody.note(None, None, tombstone).await.unwrap();
    }
    let ledger = ledger.reopen().await;
    assert_eq!(ledger.payloads_of(ana).len(), 0);
    let report = ledger.verify(&[]);
    assert_eq!(report.entries["erasure"], 2);
    assert_eq!(report.payloads.deleted, 3);
}

#[tokio::test]
async fn a_hold_stops_erasure_and_aging_until_it_is_released() {
    let ledger = Ledger::open().await;
    let mut places = Vec::new();
    for number in 0..12 {
        places.push(ledger.say(["ana", "bo"][number % 2], "text").await);
    }
    let ana = ledger.subject("ana").await;
    let case = code("case-1");
    ledger.custody.hold(ana, &case, None, None).await.unwrap();
    let refused = ledger.custody.erase(&ledger.request(ana)).await.unwrap_err();
    assert!(
        matches!(refused, CustodyError::Erase(EraseError::Held { .. })),
        "{refused}"
    );
    assert!(refused.to_string().contains("case-1"), "{refused}");

    ledger.pass_days(1200);
    let retained = ledger.custody.retain(None).await.unwrap();
    assert_eq!((retained.deleted, retained.held, retained.noted.len()), (6, 6, 1));
    assert!(ledger.show(places[0]).await.is_ok());
    assert!(matches!(ledger.show(places[1]).await, Err(CustodyError::Deleted(_))));
    assert_eq!(ledger.verify(&[]).payloads.deleted, 6);

    ledger.custody.release(ana, &case, None, None).await.unwrap();
    let retained = ledger.custody.retain(None).await.unwrap();
    assert_eq!((retained.deleted, retained.held), (6, 0));
    let report = ledger.verify(&[]);
    assert_eq!((report.payloads.deleted, report.payloads.present), (12, 0));
    let retained = ledger.custody.retain(None).await.unwrap();
    assert_eq!((retained.deleted, retained.held, retained.noted), (0, 0, vec![]));
}

#[tokio::test]
async fn retention_deletes_the_old_and_keeps_the_new() {
    let wanted = Wanted {
        days: [(RecordClass::Incident, 30)].into(),
        ..Wanted::default()
    };
    let ledger = Ledger::open_with(Rules::settle(&wanted).unwrap().0).await;
    let mut places = Vec::new();
    for _ in 0..6 {
        ledger.pass_days(10);
        let said: Vec<_> = (0..100).map(|_| ledger.queue("ana", "text")).collect();
        for pending in said {
            places.extend(pending.await.unwrap().index());
        }
    }
    let retained = ledger.custody.retain(None).await.unwrap();
    assert_eq!(retained.deleted, 300);
    let deleted: BTreeSet<u64> = places[..300].iter().copied().collect();
    let entry = Entry::decode(&ledger.log().entry(retained.noted[0].index).unwrap()).unwrap();
    let Body::Retention(body) = entry.body else { panic!() };
    assert_eq!((body.class.as_str(), body.payloads), ("incident", 300));
    assert_eq!(body.before_at, ledger.now() - 30 * DAY_MS);
    assert_eq!(body.ranges.as_slice().len(), 1);
    let left: BTreeSet<u64> = ledger.payloads_of(ledger.subject("ana").await).into_keys().collect();
    assert_eq!(left.len(), 300);
    assert!(left.is_disjoint(&deleted));
    ledger.verify(&[]);
}

#[tokio::test]
async fn reading_a_payload_is_an_entry_that_comes_first() {
    let ledger = Ledger::open().await;
    let place = ledger.say("ana", "text of ana").await;
    let shown = ledger.show(place).await.unwrap();
    assert_eq!(shown.content.as_slice(), b"text of ana");
    ledger.kept().recorder.flush().await.unwrap();
    let entry = Entry::decode(&ledger.log().entry(shown.noted).unwrap()).unwrap();
    let Body::PayloadRead(read) = entry.body else { panic!() };
    assert_eq!((read.index, read.purpose.as_str()), (place, "incident"));
    assert!(read.reader.starts_with("prn_"), "{}", read.reader);
    for (index, absent) in [(0, true), (10_000, false)] {
        let refused = ledger.show(index).await.unwrap_err();
        assert_eq!(
            matches!(refused, CustodyError::Open(OpenPayloadError::Absent { .. })),
            absent,
            "{refused}"
        );
    }
}

#[tokio::test]
async fn rotations_leave_payloads_readable_and_are_entries() {
    let ledger = Ledger::open().await;
    let place = ledger.say("ana", "text of ana").await;
    let (noted, rewrapped) = ledger.custody.rotate_kek(None).await.unwrap();
    assert_eq!(rewrapped.keys, 1);
    let (_, rewrapped) = ledger.custody.rotate_tenant(&ledger.tenant(), None).await.unwrap();
    assert_eq!(rewrapped.keys, 1);
    assert_eq!(ledger.custody.retire_keks().await.unwrap().len(), 1);
    assert!(ledger.show(place).await.is_ok());
    let ledger = ledger.reopen().await;
    assert!(ledger.show(place).await.is_ok());
    let entry = Entry::decode(&ledger.log().entry(noted.index).unwrap()).unwrap();
    assert_eq!(entry.body.kind(), "rotation");
    ledger.verify(&[]);
}

#[tokio::test]
async fn people_ask_by_name_and_are_told_what_is_wrong() {
    let ledger = Ledger::open().await;
    ledger.say("ana", "text").await;
    let erasure = |subject: &str, basis: &str| control::Erasure {
        tenant: ledger.tenant(),
        subject: subject.to_owned(),
        basis: basis.to_owned(),
        request: "request-7".to_owned(),
        approver: "operator".to_owned(),
    };
    let custodian: &dyn control::Custodian = &ledger.custody;
    let hold = control::LegalHold {
        tenant: ledger.tenant(),
        subject: "ana".to_owned(),
        reason: "case-1".to_owned(),
        approver: "operator".to_owned(),
    };
    custodian.hold(hold.clone()).await.unwrap();
    let refused = custodian.erase(erasure("ana", "gdpr_17_1_b")).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Refused);
    assert!(
        refused.message.contains("case-1") && !refused.message.contains("ana"),
        "{refused}"
    );
    let refused = custodian.erase(erasure("nobody", "gdpr_17_1_b")).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Missing);
    assert!(!refused.message.contains("nobody"), "{refused}");
    let refused = custodian.erase(erasure("ana", "because of ana")).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Refused);
    custodian.release(hold.clone()).await.unwrap();
    assert_eq!(custodian.release(hold).await.unwrap_err().kind, FailureKind::Missing);
    assert_eq!(
        custodian.erase(erasure("ana", "gdpr_17_1_b")).await.unwrap().payloads,
        1
    );
    assert_eq!(custodian.status().await.unwrap().origin, ledger.kept().origin);
}

#[tokio::test]
async fn a_caller_is_erased_by_the_id_of_its_key() {
    let ledger = Ledger::open().await;
    let draft = Draft {
        tenant: Some(ledger.tenant()),
        principal: Some(KeyId::parse("k1").unwrap()),
        content: Some(Zeroizing::new(b"text".to_vec())),
        ..Draft::new(control::AddedBody::Incident(ledger::incident()))
    };
    let caller = ledger.kept().recorder.append(draft, Level::Durable).await.unwrap();
    ledger.say("k1", "text of a person").await;
    let refused = ledger.custody.subject(&ledger.tenant(), "k1").await.unwrap_err();
    assert!(matches!(refused, CustodyError::Ambiguous), "{refused}");
    ledger.kept().recorder.flush().await.unwrap();
    let entry = Entry::decode(&ledger.log().entry(caller.index().unwrap()).unwrap()).unwrap();
    let principal = entry.principal.unwrap().to_string();
    let subject = ledger.custody.subject(&ledger.tenant(), &principal).await.unwrap();
    assert_eq!(
        ledger.custody.erase(&ledger.request(subject)).await.unwrap().payloads,
        1
    );
    let person = ledger.custody.subject(&ledger.tenant(), "k1").await.unwrap();
    assert_eq!(ledger.payloads_of(person).len(), 1);
    let nobody = ledger.custody.subject(&ledger.tenant(), &principal).await.unwrap_err();
    assert!(matches!(nobody, CustodyError::Subject), "{nobody}");
    ledger.verify(&[]);
}

#[tokio::test]
async fn one_lost_key_leaves_the_ledger_writable_for_everybody_else() {
    let ledger = Ledger::open().await;
    ledger.say("ana", "text").await;
    let ana = ledger.subject("ana").await;
    let ledger = ledger.reopen().await;
    {
        let mut connection = ledger.kept().vault.0.connection.lock().await;
        sqlx::query("UPDATE subjects SET wrapped = zeroblob(60) WHERE pseudonym = ?1")
            .bind(ana.as_bytes().as_slice())
            .execute(&mut *connection)
            .await
            .unwrap();
    }
    let [lost, sound] = [ledger.queue("ana", "text"), ledger.queue("bo", "text")];
    let refused = lost.await.unwrap_err();
    assert!(matches!(&refused, AppendError::Refused { .. }), "{refused}");
    sound.await.unwrap();
    assert!(ledger.kept().recorder.health().writable);
    ledger.kept().recorder.flush().await.unwrap();
    assert!(!ledger.verify(&[]).entries.contains_key("gap"));
}

#[tokio::test]
async fn who_approved_is_a_pseudonym_in_every_entry_and_a_name_in_none() {
    let ledger = Ledger::open().await;
    ledger.say("ana", "text").await;
    ledger.say("bo", "text").await;
    let custodian: &dyn control::Custodian = &ledger.custody;
    let [releaser, other] = ["ana-b@example.org", "cy distinctive"].map(str::to_owned);
    let hold = control::LegalHold {
        tenant: ledger.tenant(),
        subject: "ana".to_owned(),
        reason: "case-1".to_owned(),
        approver: releaser.clone(),
    };
    let mut noted = vec![custodian.hold(hold.clone()).await.unwrap().index];
    noted.push(custodian.release(hold.clone()).await.unwrap().index);
    let rotation = control::Rotation {
        tenant: Some(ledger.tenant()),
        approver: releaser.clone(),
    };
    noted.push(custodian.rotate(rotation).await.unwrap().index);
    let rotation = control::Rotation {
        tenant: None,
        approver: other.clone(),
    };
    noted.push(custodian.rotate(rotation).await.unwrap().index);
    ledger.pass_days(2000);
    let retention = control::Retention {
        approver: other.clone(),
    };
    noted.push(custodian.retain(retention).await.unwrap().index.unwrap());
    ledger.kept().recorder.flush().await.unwrap();

    let mut named = Vec::new();
    for index in noted {
        let bytes = ledger.log().entry(index).unwrap();
        let entry = Entry::decode(&bytes).unwrap();
        let principal = entry.principal.unwrap();
        let subject = SubjectPseudonym::from_bytes(*principal.as_bytes());
        let name = ledger.kept().vault.subject_name(subject).await.unwrap().unwrap();
        named.push(name.as_str().to_owned());
    }
    assert_eq!(
        named,
        [&releaser, &releaser, &releaser, &other, &other].map(String::clone)
    );
    for trace in [&releaser, &other] {
        assert_eq!(files_with(ledger.root(), trace.as_bytes()), NOWHERE);
    }
    ledger.verify(&[]);
}

#[tokio::test]
async fn nobody_approves_nothing() {
    let ledger = Ledger::open().await;
    ledger.say("ana", "text").await;
    let custodian: &dyn control::Custodian = &ledger.custody;
    let before = ledger.kept().recorder.health().durable;
    for bad in ["", "a\nb", &"x".repeat(257)] {
        let approver = bad.to_owned();
        let hold = control::LegalHold {
            tenant: ledger.tenant(),
            subject: "ana".to_owned(),
            reason: "case-1".to_owned(),
            approver: approver.clone(),
        };
        let refused = custodian.hold(hold).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Refused, "{refused}");
        let retention = control::Retention {
            approver: approver.clone(),
        };
        let refused = custodian.retain(retention).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Refused, "{refused}");
        let rotation = control::Rotation { tenant: None, approver };
        let refused = custodian.rotate(rotation).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Refused, "{refused}");
    }
    assert_eq!(ledger.kept().recorder.health().durable, before);
}

#[tokio::test]
async fn an_id_that_is_in_use_is_no_success_for_somebody_else() {
    let ledger = Ledger::open().await;
    for name in ["ana", "bo"] {
        ledger.say(name, "text").await;
    }
    let [ana, bo] = [ledger.subject("ana").await, ledger.subject("bo").await];
    let wanted = ledger.request(ana);
    // Broken off right after the key was destroyed.
    ledger.kept().vault.begin_erasure(&wanted, UnixMillis(1)).await.unwrap();
    let custodian: &dyn control::Custodian = &ledger.custody;
    let again = control::Erasure {
        tenant: ledger.tenant(),
        subject: "ana".to_owned(),
        basis: wanted.basis.as_str().to_owned(),
        request: wanted.request.as_str().to_owned(),
        approver: "operator".to_owned(),
    };
    let [other] = crate::keys::trial::names(["other"]);
    let others = [
        control::Erasure {
            subject: "bo".to_owned(),
            ..again.clone()
        },
        control::Erasure {
            subject: bo.to_string(),
            ..again.clone()
        },
        control::Erasure {
            tenant: other,
            ..again.clone()
        },
        control::Erasure {
            basis: "contract_end".to_owned(),
            ..again.clone()
        },
    ];
    for other in others {
        let refused = custodian.erase(other).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Refused);
        assert!(refused.message.contains("request-1"), "{refused}");
    }
    assert_eq!(ledger.kept().vault.pending_erasures().await.unwrap().len(), 1);
    assert_eq!(custodian.erase(again).await.unwrap().payloads, 1);
    assert_eq!(ledger.kept().vault.pending_erasures().await.unwrap(), []);
    ledger.kept().recorder.flush().await.unwrap();
    assert_eq!(ledger.payloads_of(bo).len(), 1);
    ledger.verify(&[]);
}

#[tokio::test]
async fn a_rotation_that_a_crash_interrupts_has_its_entry_after_the_next_start() {
    let ledger = Ledger::open().await;
    ledger.say("ana", "text").await;
    let tenant = ledger
        .kept()
        .vault
        .find_tenant(&ledger.tenant())
        .await
        .unwrap()
        .unwrap();
    let approver = PrincipalPseudonym::from_bytes([1; 16]);
    // The crash comes right after the keys are stored.
    let vault = &ledger.kept().vault;
    vault.rotate_tenant(tenant, Some(approver)).await.unwrap();
    vault.rotate_kek(Some(approver)).await.unwrap();
    let ledger = ledger.reopen().await;
    ledger.kept().recorder.flush().await.unwrap();
    assert_eq!(ledger.verify(&[]).entries["rotation"], 2);
    let last = ledger.log().size().unwrap() - 1;
    let entry = Entry::decode(&ledger.log().entry(last).unwrap()).unwrap();
    assert_eq!(entry.principal, Some(approver));
    let ledger = ledger.reopen().await;
    ledger.kept().recorder.flush().await.unwrap();
    assert_eq!(ledger.verify(&[]).entries["rotation"], 2);
}

#[tokio::test]
async fn a_reader_from_outside_does_not_keep_a_rotation_out_of_the_log() {
    let ledger = Ledger::open().await;
    ledger.say("ana", "text").await;
    let mut found = files_with(ledger.root(), b"SQLite format 3");
    found.retain(|path| path.ends_with("keys.sqlite"));
    let mut reader = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&found[0])
        .connect()
        .await
        .unwrap();
    let mut reading = reader.begin().await.unwrap();
    let _count: i64 = sqlx::query_scalar("SELECT count(*) FROM subjects")
        .fetch_one(&mut *reading)
        .await
        .unwrap();
    {
        let mut connection = ledger.kept().vault.0.connection.lock().await;
        sqlx::query("PRAGMA busy_timeout = 1")
            .execute(&mut *connection)
            .await
            .unwrap();
    }
    let late = ledger.custody.rotate_kek(None).await.unwrap_err();
    assert!(
        matches!(late, CustodyError::Vault(VaultError::Store(StoreError::Busy))),
        "{late}"
    );
    ledger.kept().recorder.flush().await.unwrap();
    assert_eq!(ledger.verify(&[]).entries["rotation"], 1);
    reading.rollback().await.unwrap();
    reader.close().await.unwrap();
    ledger.custody.rotate_kek(None).await.unwrap();
    ledger.kept().recorder.flush().await.unwrap();
    assert_eq!(ledger.verify(&[]).entries["rotation"], 2);
}
