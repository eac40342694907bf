//! Pins and released calls on their own; the rest is tested through a whole gateway in `tests/it/mcp`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use testudo_dialects::mcp::ServerName;
use testudo_types::{Clock, KeyId, Millis, UnixMillis};

use super::pins::{PinDigest, Pins, PinsProblem, SeenTool};
use super::released::{Released as _, ReleasedCall, ReleasedCalls};

#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn monotonic(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }
}

fn call(key: &str, tool: &str, arguments: u8) -> ReleasedCall {
    ReleasedCall {
        key: KeyId::parse(key).unwrap(),
        tool: tool.into(),
        arguments: [arguments; 32],
    }
}

#[test]
fn a_released_call_is_made_once_by_its_caller_and_soon() {
    let clock = Arc::new(Hand::default());
    let calls = ReleasedCalls::new(Arc::clone(&clock) as Arc<dyn Clock>);
    assert!(!calls.take(&call("a", "mail__send", 1)));
    assert!(calls.release(call("a", "mail__send", 1)));
    for other in [
        call("b", "mail__send", 1),
        call("a", "mail__read", 1),
        call("a", "mail__send", 2),
    ] {
        assert!(!calls.take(&other), "{other:?}");
    }
    assert!(calls.take(&call("a", "mail__send", 1)));
    assert!(!calls.take(&call("a", "mail__send", 1)));
    assert!(calls.release(call("a", "mail__send", 1)) && calls.release(call("a", "mail__send", 1)));
    assert!(calls.take(&call("a", "mail__send", 1)) && calls.take(&call("a", "mail__send", 1)));
    assert!(!calls.take(&call("a", "mail__send", 1)));
    assert!(calls.release(call("a", "mail__send", 1)));
    clock.0.store(10 * 60_000, Ordering::Relaxed);
    assert!(!calls.take(&call("a", "mail__send", 1)));
}

fn server(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

fn seen(name: &str, text: &str, refused: Option<&str>) -> SeenTool {
    SeenTool {
        name: name.to_owned(),
        digest: PinDigest::of(text.as_bytes()),
        refused: refused.map(str::to_owned),
        definition: text.to_owned(),
    }
}

#[test]
fn only_what_was_seen_and_is_sound_can_be_approved() {
    let folder = tempfile::tempdir().unwrap();
    let pins = Pins::new(folder.path());
    let mail = server("mail");
    assert!(pins.approved(&mail).unwrap().is_empty() && pins.servers().unwrap().is_empty());
    pins.note(&mail, &[seen("bad", "x", Some("why")), seen("send", "one", None)])
        .unwrap();
    let approve = |tool: &str, only| pins.approve(&mail, tool, only, UnixMillis(1));
    assert!(matches!(approve("other", None), Err(PinsProblem::Unseen { .. })));
    assert!(matches!(approve("bad", None), Err(PinsProblem::Refused { .. })));
    let old = PinDigest::of(b"zero");
    assert!(matches!(approve("send", Some(old)), Err(PinsProblem::Other { .. })));
    assert!(matches!(
        pins.approve(&server("web"), "send", None, UnixMillis(1)),
        Err(PinsProblem::Unseen { .. })
    ));
    assert!(pins.approved(&mail).unwrap().is_empty());
    approve("send", Some(PinDigest::of(b"one"))).unwrap();
    let approved = Pins::new(folder.path()).approved(&mail).unwrap();
    assert_eq!(approved.get("send"), Some(&PinDigest::of(b"one")));
    // What is seen later is not what was approved.
    pins.note(&mail, &[seen("send", "two", None)]).unwrap();
    assert_eq!(pins.approved(&mail).unwrap().get("send"), Some(&PinDigest::of(b"one")));
    assert!(pins.withdraw(&mail, "send").unwrap() && !pins.withdraw(&mail, "send").unwrap());
    assert!(pins.approved(&mail).unwrap().is_empty());
    assert_eq!(pins.servers().unwrap(), [mail]);
}

#[test]
fn a_file_that_testudo_did_not_write_approves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let pins = Pins::new(folder.path());
    let mail = server("mail");
    pins.note(&mail, &[seen("send", "one", None)]).unwrap();
    pins.approve(&mail, "send", None, UnixMillis(1)).unwrap();
    let path = folder.path().join("mcp/mail.approved.json");
    let sound = std::str::from_utf8(&testudo_bounded::read_file(&path, 1 << 20).unwrap())
        .unwrap()
        .to_owned();
    for text in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"version":2,"tools":{}}"#,
        r#"{"version":1,"tools":[]}"#,
        r#"{"version":1,"tools":{"send":{}}}"#,
        r#"{"version":1,"tools":{"send":{"digest":"00"}}}"#,
        &sound.replace("\"digest\":\"", "\"digest\":\"+"),
        sound.strip_suffix('}').unwrap(),
        &format!("{sound}{sound}"),
        &sound.replacen("{\"send\"", "{\"send\":{\"digest\":\"\"},\"send\"", 1),
    ] {
        std::fs::write(&path, text).unwrap();
        assert!(pins.approved(&mail).is_err(), "{text}");
    }
}

#[test]
fn a_digest_reads_back() {
    let digest = PinDigest::of(b"x");
    assert_eq!(PinDigest::parse(&digest.to_string()), Some(digest));
    for text in [
        "",
        "zz",
        digest.to_string().strip_suffix(|_: char| true).unwrap(),
        &format!("{digest}0"),
        &"+f".repeat(32),
    ] {
        assert_eq!(PinDigest::parse(text), None, "{text}");
    }
}
