//! Payload files that somebody without a key has changed: nothing that is done later may hide it.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use testudo_ledger::entry::Gap;
use testudo_ledger::payload;
use testudo_ledger::verify::FaultKind;

use super::super::*;
use super::ledger::{Ledger, code, incident};
use crate::SubjectName;

/// Writes one payload for each index; the first entry of a ledger says that it started.
async fn say(ledger: &Ledger, name: &str, indexes: Range<u64>, body: impl Into<Body>) {
    let body = body.into();
    let slots = indexes.clone().map(|_| ledger.kept().recorder.slot().unwrap());
    let said: Vec<_> = slots
        .map(|slot| {
            let draft = Draft {
                tenant: Some(ledger.tenant()),
                subject: Some(SubjectName::parse(name).unwrap()),
                content: Some(Zeroizing::new(b"text".to_vec())),
                ..Draft::new(body.clone())
            };
            slot.append(draft, Level::Durable)
        })
        .collect();
    let mut places = Vec::new();
    for pending in said {
        places.extend(pending.await.unwrap().index());
    }
    assert_eq!(places, indexes.collect::<Vec<_>>());
    ledger.kept().recorder.flush().await.unwrap();
}

fn gap() -> Gap {
    Gap {
        count: 1,
        from_at: 0,
        reason: "disk_full".to_owned(),
        to_at: 0,
    }
}

fn file(ledger: &Ledger, window: u64) -> PathBuf {
    ledger.log().root().join(payload::path(window))
}

/// The entries whose payloads are missing; nothing else may be wrong.
fn missing(ledger: &Ledger) -> Vec<u64> {
    let each = ledger.faults().into_iter().map(|fault| {
        assert_eq!(fault.kind, FaultKind::PayloadMissing);
        fault.place.entry.unwrap()
    });
    each.collect()
}

#[tokio::test]
async fn retention_does_not_explain_held_payloads_that_somebody_removed() {
    let ledger = Ledger::open().await;
    say(&ledger, "bo", 1..256, incident()).await;
    say(&ledger, "ana", 256..512, incident()).await;
    say(&ledger, "bo", 512..600, incident()).await;
    let ana = ledger.subject("ana").await;
    ledger.custody.hold(ana, &code("case-1"), None, None).await.unwrap();
    fs::remove_file(file(&ledger, 1)).unwrap();
    ledger.pass_days(1200);
    let retained = ledger.custody.retain(None).await.unwrap();
    assert_eq!((retained.deleted, retained.held), (255 + 88, 0));
    assert_eq!(missing(&ledger), (256..512).collect::<Vec<_>>());
}

#[tokio::test]
async fn retention_does_not_explain_what_was_removed_before_its_time() {
    let ledger = Ledger::open().await;
    say(&ledger, "bo", 1..256, gap()).await;
    // Of a class that is kept three times as long.
    say(&ledger, "bo", 256..512, incident()).await;
    say(&ledger, "bo", 512..600, gap()).await;
    fs::remove_file(file(&ledger, 1)).unwrap();
    ledger.pass_days(400);
    let retained = ledger.custody.retain(None).await.unwrap();
    assert_eq!(retained.deleted, 255 + 88);
    assert_eq!(missing(&ledger), (256..512).collect::<Vec<_>>());
}

#[tokio::test]
async fn retention_explains_nothing_inside_a_file_either() {
    let ledger = Ledger::open().await;
    say(&ledger, "bo", 1..10, incident()).await;
    say(&ledger, "ana", 10..11, incident()).await;
    say(&ledger, "bo", 11..20, incident()).await;
    let ana = ledger.subject("ana").await;
    ledger.custody.hold(ana, &code("case-1"), None, None).await.unwrap();
    let record = ledger.log().payload(10).unwrap().unwrap();
    let mut bytes = fs::read(file(&ledger, 0)).unwrap();
    let at = bytes.windows(record.len()).position(|it| it == record).unwrap();
    bytes.drain(at - 4..at + record.len());
    fs::write(file(&ledger, 0), bytes).unwrap();
    ledger.pass_days(1200);
    assert_eq!(ledger.custody.retain(None).await.unwrap().deleted, 18);
    assert_eq!(missing(&ledger), [10]);
}
