//! Every other spelling of an entry is refused, each for its own reason.

use super::samples;
use crate::entry::{DecodeError, Entry, Flaw, Misread};

/// An entry with a text, a list, whole numbers and an optional number.
const ALARM: &str = concat!(
    r#"{"at":5,"body":{"name":"disk_free","severity":"high","state":"fire","value":-12},"#,
    r#""tenant":"ten_01010101010101010101010101010101","type":"alarm","v":1}"#
);

/// Replaces `old` in the sample, and says what reading gives.
fn problem(sample: &str, old: &str, new: &str) -> Misread {
    let changed = sample.replacen(old, new, 1);
    assert_ne!(changed, sample, "`{old}` is not in the sample");
    let DecodeError { at, problem } = Entry::decode(changed.as_bytes()).expect_err(&changed);
    assert!(at <= changed.len());
    problem
}

fn refused(old: &str, new: &str, expected: Misread) {
    assert_eq!(problem(ALARM, old, new), expected, "`{old}` as `{new}`");
}

#[test]
fn the_samples_themselves_are_sound() {
    Entry::decode(ALARM.as_bytes()).unwrap();
    Entry::decode(EXCHANGE.as_bytes()).unwrap();
}

const EXCHANGE: &str = include_str!("exchange.json").trim_ascii_end();

#[test]
fn white_space() {
    refused("{\"at", " {\"at", Misread::Expected("{"));
    refused("{\"at", "{ \"at", Misread::Missing("at"));
    refused("\"at\":", "\"at\" :", Misread::Missing("at"));
    refused(":5,", ": 5,", Misread::Number);
    refused(":5,", ":5 ,", Misread::Expected(",\"body\":"));
    refused("{\"name", "{\n\"name", Misread::Missing("name"));
    refused("\"v\":1}", "\"v\":1 }", Misread::UnknownMember);
    refused("\"v\":1}", "\"v\":1}\n", Misread::Expected("the end"));
    refused("\"v\":1}", "\"v\":1}{}", Misread::Expected("the end"));
}

#[test]
fn order_doubles_and_strangers() {
    refused(
        r#""name":"disk_free","severity":"high""#,
        r#""severity":"high","name":"disk_free""#,
        Misread::Missing("name"),
    );
    refused(r#""name":"#, r#""name":"a","name":"#, Misread::Missing("severity"));
    refused(r#""at":5"#, r#""at":5,"at":5"#, Misread::Expected(",\"body\":"));
    refused(r#""value":-12"#, r#""value":-12,"value":-12"#, Misread::UnknownMember);
    refused(r#""value":-12"#, r#""value":-12,"zone":"a""#, Misread::UnknownMember);
    refused(r#""value":-12"#, r#""unit":1"#, Misread::UnknownMember);
    refused(r#","v":1"#, r#","v":1,"w":1"#, Misread::UnknownMember);
    refused(r#""tenant":"#, r#""tenants":"#, Misread::Expected(",\"type\":"));
    refused(r#""name":"disk_free","#, "", Misread::Missing("name"));
    refused(r#","v":1"#, "", Misread::Missing("v"));
    refused(r#""at":5,"#, "", Misread::Missing("at"));
    refused("alarm", "alarms", Misread::UnknownType);
    refused("alarm", "exchange", Misread::Missing("action"));
    refused(r#""v":1"#, r#""v":2"#, Misread::UnknownVersion);
    refused(r#""v":1"#, r#""v":0"#, Misread::UnknownVersion);
}

#[test]
fn numbers() {
    for number in ["05", "+5", "", ".5", "\"5\"", "null", "true", "[5]"] {
        refused(":5,", &format!(":{number},"), Misread::Number);
    }
    for number in ["5.0", "5e3", "5E3", "5e0", "5 "] {
        refused(":5,", &format!(":{number},"), Misread::Expected(",\"body\":"));
    }
    for number in ["9007199254740992", "18446744073709551616", "99999999999999999999999999"] {
        refused(":5,", &format!(":{number},"), Misread::NumberTooGreat);
    }
    refused(":5,", ":-5,", Misread::Number);
    for number in ["-0", "-", "--1", "-01", "- 1", "+12"] {
        refused("-12", number, Misread::Number);
    }
    for number in ["-1.5", "1e3", "1.0", "-12e0"] {
        refused("-12", number, Misread::UnknownMember);
    }
    refused("-12", "-9007199254740992", Misread::NumberTooGreat);
    assert_eq!(
        problem(EXCHANGE, r#""status":200"#, r#""status":65536"#),
        Misread::NumberTooGreat
    );
}

#[test]
fn nulls_and_wrong_types() {
    refused("-12", "null", Misread::Number);
    refused("-12", "\"12\"", Misread::Number);
    refused("\"disk_free\"", "null", Misread::Expected("\""));
    refused("\"disk_free\"", "12", Misread::Expected("\""));
    refused("\"disk_free\"", "[\"disk_free\"]", Misread::Expected("\""));
    refused("\"high\"", "\"High\"", Misread::Expected("the name of a severity"));
    refused("\"high\"", "\"\"", Misread::Expected("the name of a severity"));
    refused("\"body\":{", "\"body\":[{", Misread::Expected("an object"));
    refused("\"body\":{", "\"body\":\"{", Misread::Expected("an object"));
    refused("ten_01", "ten_0A", problem_of_tenant());
    refused("ten_01", "prn_01", problem_of_tenant());
    for (old, new, expected) in [
        (r#""edited":true"#, r#""edited":1"#, Misread::Expected("false")),
        (r#""edited":true"#, r#""edited":"true""#, Misread::Expected("false")),
        (r#""edited":true"#, r#""edited":TRUE"#, Misread::Expected("false")),
        (r#""policies":["#, r#""policies":[null,"#, Misread::Expected("\"")),
        (r#""policies":["#, r#""policies":[[],"#, Misread::Expected("\"")),
        (
            r#""policies":["default"]"#,
            r#""policies":["default",]"#,
            Misread::Expected("\""),
        ),
        (r#""policies":["default"]"#, r#""policies":{}"#, Misread::Expected("[")),
        (r#""findings":[{"#, r#""findings":[{},{"#, Misread::Missing("action")),
        (
            r#""direction":"request""#,
            r#""direction":"both""#,
            Misread::Expected("one of the names `request` `response` "),
        ),
        ("BwcHBwcHBwc=", "BwcHBwcHBwd=", Misread::Expected("32 bytes in base64")),
        ("BwcHBwcHBwc=", "BwcHBwcHBwc", Misread::Expected("32 bytes in base64")),
        ("BwcHBwcHBwc=", "BwcHBwcHBw==", Misread::Expected("32 bytes in base64")),
        (
            "BwcHBwcHBwc=",
            "BwcHBwcHBwcHBwcH",
            Misread::Expected("32 bytes in base64"),
        ),
    ] {
        assert_eq!(problem(EXCHANGE, old, new), expected, "`{old}` as `{new}`");
    }
}

fn problem_of_tenant() -> Misread {
    crate::entry::TenantPseudonym::parse("").unwrap_err().into()
}

#[test]
fn texts() {
    for escape in [
        r"\u0061",
        r"\u002f",
        r"\/",
        r"\n",
        r"\t",
        r"\b",
        r"\u000a",
        r"\ud800",
        r"\ud83d\ude00",
        r"\x",
        r"\'",
    ] {
        refused("disk", escape, Misread::Escape);
    }
    for control in ["\u{0}", "\n", "\u{7f}", "\u{85}", "\u{9b}"] {
        refused("disk", control, Misread::Text(Flaw::Control));
    }
    refused(
        "disk_free",
        &"x".repeat(257),
        Misread::Text(Flaw::TextTooLong { bytes: 257 }),
    );
    refused(
        "disk_free",
        &"é".repeat(129),
        Misread::Text(Flaw::TextTooLong { bytes: 258 }),
    );
    // Names and ids have no escapes at all, not even needed ones.
    refused("\"high\"", "\"\\\"\"", Misread::Escape);
    refused("ten_01", "ten_\\\\1", Misread::Escape);
    // A text that swallows the rest.
    refused(r#""fire""#, r#""fire\""#, Misread::Expected("an object that ends"));
    for bad in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3"] {
        let mut bytes = ALARM.as_bytes().to_vec();
        let place = ALARM.find("disk").unwrap();
        bytes.splice(place..place, bad.iter().copied());
        let error = Entry::decode(&bytes).unwrap_err();
        assert_eq!(
            error,
            DecodeError {
                at: place,
                problem: Misread::NotUtf8
            }
        );
    }
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend(ALARM.as_bytes());
    assert!(Entry::decode(&marked).is_err(), "a byte order mark");
}

#[test]
fn sizes() {
    let long = ALARM.replace("-12", &"1".repeat(70_000));
    let error = Entry::decode(long.as_bytes()).unwrap_err();
    assert_eq!(error.problem, Misread::TooLong { bytes: long.len() });
    // Depth costs nothing: unread objects are walked over, never entered.
    for deep in ["{".repeat(60_000), "[".repeat(60_000), "{\"a\":".repeat(10_000)] {
        assert!(Entry::decode(deep.as_bytes()).is_err());
        assert!(Entry::decode(format!("{{\"at\":5,\"body\":{deep}").as_bytes()).is_err());
        let closed = format!(
            r#"{{"at":5,"body":{{"action":"load","digest":{deep}{}"#,
            "}".repeat(deep.len() / 5)
        );
        assert!(Entry::decode(closed.as_bytes()).is_err());
    }
    let names = vec!["\"x\""; 257].join(",");
    assert_eq!(
        problem(EXCHANGE, "\"default\"", &names),
        Misread::ListTooLong { items_max: 256 }
    );
}

#[test]
fn every_cut_and_every_flip_is_refused_or_another_entry() {
    for body in samples::bodies() {
        let entry = samples::entry(body);
        let bytes = entry.encode().unwrap();
        for cut in 0..bytes.len() {
            assert!(Entry::decode(&bytes[..cut]).is_err());
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(read) = Entry::decode(&flipped) {
                    assert_ne!(read, entry);
                    assert_eq!(read.encode().unwrap(), flipped);
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_written_names_the_member() {
    for (entry, member) in samples::unwritable() {
        let error = entry.encode().unwrap_err();
        assert_eq!(error.member, member, "{error}");
    }
}
