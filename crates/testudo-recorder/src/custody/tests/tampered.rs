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

/// The bytes of a payload file, and where a record is in them.
fn found(ledger: &Ledger, window: u64, record: &[u8]) -> (Vec<u8>, usize) {
    let bytes = testudo_bounded::read_file(file(ledger, window), 1 << 24).unwrap();
    let at = bytes.windows(record.len()).position(|it| it == record).unwrap();
    (bytes, at)
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
    let (mut bytes, at) = found(&ledger, 0, &record);
    bytes.drain(at - 4..at + record.len());
    fs::write(file(&ledger, 0), bytes).unwrap();
    ledger.pass_days(1200);
    assert_eq!(ledger.custody.retain(None).await.unwrap().deleted, 18);
    assert_eq!(missing(&ledger), [10]);
}

/// Payloads of ana, bo and cy in turn in one file, full or open, of which a byte before entry 30 is changed.
async fn damaged(count: u64, at: impl Fn(usize) -> usize) -> (Ledger, Vec<u8>) {
    let ledger = Ledger::open().await;
    for index in 1..count {
        let name = ["cy", "ana", "bo"][usize::try_from(index % 3).unwrap()];
        ledger.say(name, "text").await;
    }
    ledger.kept().recorder.flush().await.unwrap();
    let record = ledger.log().payload(30).unwrap().unwrap();
    let (mut bytes, place) = found(&ledger, 0, &record);
    bytes[at(place)] ^= 1;
    fs::write(file(&ledger, 0), &bytes).unwrap();
    (ledger, bytes)
}

#[tokio::test]
async fn a_damaged_file_is_not_rewritten_and_nothing_is_said_of_it() {
    // The mark, the high byte of the length, a byte of the index.
    for (count, byte) in [(300, 0), (300, -3), (300, 6), (200, 0), (200, -3)] {
        let (ledger, bytes) = damaged(count, |place| place.checked_add_signed(byte).unwrap()).await;
        let case = format!("{count} {byte}");
        let size = ledger.log().size().unwrap();
        // Of ana something stands before the damage and something behind it.
        let ana = ledger.subject("ana").await;
        let refused = ledger.custody.erase(&ledger.request(ana)).await.unwrap_err();
        assert!(
            matches!(refused, CustodyError::Read(ReadLogError::File { .. })),
            "{case} {refused}"
        );
        ledger.pass_days(1200);
        ledger.custody.retain(None).await.unwrap_err();
        assert_eq!(ledger.log().size().unwrap(), size, "{case}");
        let now = testudo_bounded::read_file(file(&ledger, 0), 1 << 24).unwrap();
        assert!(now == bytes, "{case}");
        for index in [1, 29, 30, 31, 100] {
            let refused = ledger.show(index).await.unwrap_err();
            assert!(matches!(refused, CustodyError::Read(_)), "{case} {index} {refused}");
        }
        let dropped = ledger.kept().recorder.drop_payloads([1].into()).await;
        dropped.unwrap_err();
        let now = testudo_bounded::read_file(file(&ledger, 0), 1 << 24).unwrap();
        assert!(now == bytes, "{case}");
    }
}

#[tokio::test]
async fn an_erasure_goes_on_when_the_file_is_whole_again() {
    let (ledger, bytes) = damaged(300, |place| place).await;
    let ana = ledger.subject("ana").await;
    let wanted = ledger.request(ana);
    ledger.custody.erase(&wanted).await.unwrap_err();
    let mut mended = bytes.clone();
    let at = mended
        .windows(12)
        .position(|it| it[1..] == *b"SP1\0\0\0\0\0\0\0\x1e")
        .unwrap();
    mended[at] ^= 1;
    fs::write(file(&ledger, 0), &mended).unwrap();
    assert_eq!(ledger.custody.erase(&wanted).await.unwrap().payloads, 100);
    assert_eq!(ledger.payloads_of(ana).len(), 0);
    let report = ledger.verify(&[]);
    assert_eq!((report.payloads.present, report.payloads.deleted), (199, 100));
}
