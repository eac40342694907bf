//! What each class requires, checked without the schema; `cargo xtask ocsf` checks against it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::export::samples::samples;

/// Required of every event.
const ALWAYS: [&str; 7] = [
    "activity_id",
    "category_uid",
    "class_uid",
    "metadata",
    "severity_id",
    "time",
    "type_uid",
];

/// Class, its category, and what is required besides.
const REQUIRED: [(u64, u64, &[&str]); 10] = [
    (0, 0, &[]),
    (2003, 2, &["compliance", "finding_info"]),
    (2004, 2, &["finding_info"]),
    (2005, 2, &["finding_info_list", "status_id", "assignee_group"]),
    (3002, 3, &["user", "service"]),
    (3004, 3, &["entity"]),
    (6002, 6, &["app"]),
    (6003, 6, &["actor", "api", "src_endpoint"]),
    (6005, 6, &["actor", "src_endpoint", "databucket"]),
    (6008, 6, &[]),
];

fn log() -> Log {
    Log {
        origin: "testudo/0011223344556677".to_owned(),
        version: "0.3.0".to_owned(),
    }
}

fn all() -> Vec<(Entry, Vec<Value>)> {
    let log = log();
    let each = (0_u64..).zip(samples()).map(|(index, entry)| {
        let leaf = Hash::leaf(&entry.encode().unwrap());
        let place = Place { log: &log, index, leaf };
        let events = events(place, &entry);
        (entry, events)
    });
    each.collect()
}

fn number(event: &Value, name: &str) -> u64 {
    event[name].as_u64().unwrap_or_else(|| panic!("{name} in {event}"))
}

#[test]
fn each_class_has_what_it_requires() {
    let mut seen = BTreeSet::new();
    for event in all().iter().flat_map(|(_, events)| events) {
        let class = number(event, "class_uid");
        let (_, category, required) = REQUIRED.iter().find(|(uid, ..)| *uid == class).unwrap();
        for name in ALWAYS.iter().chain(*required) {
            assert!(!event[*name].is_null(), "{name} in {event}");
        }
        assert_eq!(number(event, "category_uid"), *category);
        assert_eq!(number(event, "type_uid"), class * 100 + number(event, "activity_id"));
        assert!((1..=5).contains(&number(event, "severity_id")));
        seen.insert(class);
    }
    assert_eq!(seen.len(), REQUIRED.len() - 1, "all but what cannot be read");
}

#[test]
fn each_event_says_whence_it_is() {
    let mut uids = BTreeSet::new();
    for (index, (entry, events)) in (0_u64..).zip(all()) {
        for event in events {
            let metadata = &event["metadata"];
            assert_eq!(metadata["version"], "1.8.0");
            assert_eq!(metadata["product"]["vendor_name"], "Testudo");
            assert_eq!(metadata["event_code"], entry.body.kind());
            assert_eq!(event["time"], entry.at);
            let ledger = &event["unmapped"]["ledger"];
            assert_eq!(ledger["index"], index);
            assert_eq!(ledger["origin"], "testudo/0011223344556677");
            assert_eq!(
                ledger["leaf_hash"],
                STANDARD.encode(Hash::leaf(&entry.encode().unwrap()).as_bytes())
            );
            let uid = metadata["uid"].as_str().unwrap();
            // Samples of exchanges share one id.
            assert!(uids.insert(uid.to_owned()) || uid.starts_with("ex_1"), "{uid} twice");
        }
    }
}

#[test]
fn findings_follow_their_exchange_and_name_it() {
    for (entry, events) in all() {
        let Body::Exchange(exchange) = &entry.body else {
            assert_eq!(events.len(), 1);
            continue;
        };
        assert_eq!(events.len(), exchange.findings.len() + 1);
        assert_eq!(events[0]["metadata"]["uid"], exchange.id);
        assert_eq!(
            events[0]["metadata"]["profiles"],
            json!(["security_control", "ai_operation"])
        );
        for (event, count) in events[1..].iter().zip(&exchange.findings) {
            assert_eq!(event["metadata"]["correlation_uid"], exchange.id);
            assert_eq!(event["finding_info"]["related_events"][0]["uid"], exchange.id);
            assert_eq!(
                event["finding_info"]["related_events"][0]["type_uid"],
                events[0]["type_uid"]
            );
            assert_eq!(event["finding_info"]["analytic"]["uid"], count.rule);
            assert_eq!(event["count"], count.count);
        }
    }
}

#[test]
fn what_was_done_is_an_action_and_a_disposition() {
    let wanted = BTreeMap::from([
        ("pass", (1, 1)),
        ("observe", (3, 15)),
        ("mask", (4, 11)),
        ("hold", (99, 14)),
        ("block", (2, 2)),
    ]);
    for (entry, events) in all() {
        if let Body::Exchange(exchange) = &entry.body {
            for event in &events {
                let found = (number(event, "action_id"), number(event, "disposition_id"));
                assert_eq!(found, wanted[exchange.action.as_str()]);
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_an_event_too() {
    let log = log();
    let leaf = Hash::leaf(b"later");
    let event = unreadable(
        Place {
            log: &log,
            index: 3,
            leaf,
        },
        5,
        "bGF0ZXI=",
    );
    assert_eq!((number(&event, "class_uid"), number(&event, "type_uid")), (0, 99));
    assert_eq!(event["unmapped"]["entry_base64"], "bGF0ZXI=");
    assert_eq!(event["unmapped"]["ledger"]["index"], 3);
}
