//! What the ledger gets of each exchange, what waits for it, and what happens when it fails.

use std::sync::Arc;

use http::Method;
use testudo_gateway::settings::{Content, Level, Limits, OnFailure, Recording};
use testudo_ledger::entry::{Body, ConfigurationAction};
use testudo_testkit::mock::{Fault, MockSettings, Reply};
use testudo_testkit::recorded::{Script, chat_body, chat_stream};
use testudo_types::{Action, Verdict};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::guards::{Actions, BLOCK_SECRETS, EMAIL, MASK_ALL, SECRET};
use crate::harness::{Answer, Plan, Rig, chat};
use crate::notebook::Mode;

const CHAT: &str = "/v1/chat/completions";

/// A plan whose routes record like this.
fn recording(actions: Actions<'static>, level: Level, on_failure: OnFailure) -> Plan {
    let mut plan = Plan::with(actions);
    plan.recording = Recording {
        level,
        on_failure,
        content: Content::Sealed { bytes_max: 1 << 16 },
    };
    plan
}

fn id(answer: &Answer) -> &str {
    answer.headers["x-testudo-exchange"].to_str().unwrap()
}

#[tokio::test]
async fn every_way_to_end_is_entered_once_under_the_id_the_client_got() {
    let mut plan = recording(BLOCK_SECRETS, Level::Durable, OnFailure::Block);
    plan.limits = Limits {
        requests_per_minute: Some(7),
        ..Limits::default()
    };
    plan.timeouts.first_byte_ms = 200;
    let (rig, notebook) = Rig::recording(&plan).await;
    let script = Script::of(&[&["a ", SECRET]]);
    let mut answers = vec![
        ("delivered", rig.post(CHAT, chat("hello", false)).await),
        ("delivered", rig.post(CHAT, chat("hello", true)).await),
        ("blocked", rig.post(CHAT, chat(SECRET, false)).await),
    ];
    rig.mock.reply_next(Reply::json(chat_body(&script)));
    answers.push(("blocked", rig.post(CHAT, chat("x", false)).await));
    rig.mock
        .reply_next(Reply::stream(vec![chat_stream(&script).bytes().into()]));
    answers.push(("blocked", rig.post(CHAT, chat("x", true)).await));
    answers.push(("refused", rig.post(CHAT, "[]").await));
    let hosted = r#"{"model":"m","input":"x","tools":[{"type":"web_search"}]}"#;
    answers.push(("forbidden", rig.post("/v1/responses", hosted).await));
    rig.mock.set(MockSettings {
        fault: Some(Fault::HangBeforeHead),
        ..MockSettings::default()
    });
    answers.push(("upstream_failed", rig.post(CHAT, chat("x", false)).await));
    rig.mock.set(MockSettings::default());
    answers.push(("delivered", rig.post(CHAT, chat("x", false)).await));
    answers.push(("limited", rig.post(CHAT, chat("x", false)).await));
    answers.push(("unauthenticated", rig.without_key(Method::POST, CHAT).await));
    answers.push(("refused", rig.without_key(Method::POST, "/nowhere").await));
    assert_eq!(rig.running.stop().await.panicked, 0);
    let entries = notebook.exchanges();
    let found: Vec<(&str, &str)> = entries.iter().map(|it| (it.outcome.as_str(), it.id.as_str())).collect();
    let expected: Vec<(&str, &str)> = answers.iter().map(|(outcome, answer)| (*outcome, id(answer))).collect();
    assert_eq!(found, expected);
    for (entry, (_, answer)) in entries.iter().zip(&answers) {
        assert_eq!(entry.status, answer.status, "{entry:?}");
    }
    assert_eq!(
        notebook.drafts().iter().filter(|it| it.body.kind() == "begun").count(),
        2
    );
}

#[tokio::test]
async fn an_entry_says_what_was_done_and_holds_no_text() {
    let (rig, notebook) = Rig::recording(&recording(MASK_ALL, Level::Queued, OnFailure::Block)).await;
    let request = chat(&format!("xylophone to {EMAIL}"), false);
    let answer = rig
        .send(
            Method::POST,
            CHAT,
            &[("testudo-subject", "jo@fields.example")],
            request.clone(),
        )
        .await;
    assert_eq!(answer.status, 200);
    let seen = rig.mock.requests().pop().unwrap();
    assert!(!seen.headers.contains_key("testudo-subject") && !format!("{:?}", seen.headers).contains("fields"));
    assert_eq!(rig.running.stop().await.panicked, 0);
    let draft = notebook
        .drafts()
        .into_iter()
        .find(|it| it.body.kind() == "exchange")
        .unwrap();
    assert_eq!(draft.tenant.as_ref().unwrap().as_str(), "t");
    assert_eq!(
        draft.principal.as_ref().unwrap().as_str(),
        rig.key.split('_').nth(1).unwrap()
    );
    assert_eq!(draft.subject.as_ref().unwrap().as_str(), "jo@fields.example");
    let content = draft.content.clone().unwrap();
    let head = content.split(|byte| *byte == b'\n').next().unwrap();
    let texts = content.get(head.len() + 1..).unwrap();
    assert_eq!(
        texts,
        [request.as_bytes(), &answer.body].concat(),
        "as received and as delivered"
    );
    let Body::Exchange(entry) = draft.body else {
        panic!("another entry")
    };
    assert!(!format!("{entry:?}").contains("ada.lovelace") && !format!("{entry:?}").contains("xylophone"));
    assert_eq!((entry.route.as_str(), entry.upstream.as_str()), ("openai", "openai"));
    assert_eq!(entry.model.as_deref(), Some("mock-1"));
    assert_eq!(
        (entry.verdict, entry.action, entry.outcome.as_str()),
        (Verdict::Modify, Action::Mask, "masked")
    );
    assert!(entry.edited && entry.forwarded && !entry.policies.is_empty() && entry.first_byte_ms.is_some());
    assert!(entry.scanned_request.contains(&"personal_data".to_owned()), "{entry:?}");
    assert!(entry.scanned_response.contains(&"prompt_leak".to_owned()), "{entry:?}");
    let [finding] = entry.findings.as_slice() else {
        panic!("{entry:?}")
    };
    assert_eq!((finding.kind.as_str(), finding.count), ("personal_data", 1));
    assert!(finding.rule.contains("email"), "{finding:?}");
    let loaded = notebook.drafts().into_iter().any(|draft| {
        matches!(draft.body, Body::Configuration(it) if it.action == ConfigurationAction::Load && it.digest != entry.policy_digest)
    });
    assert!(loaded, "the configuration was not entered");
}

#[tokio::test]
async fn content_is_kept_only_where_the_route_says_so() {
    for (content, kept) in [(Content::None, 0), (Content::Sealed { bytes_max: 1024 }, 2048)] {
        let mut plan = recording(MASK_ALL, Level::Durable, OnFailure::Block);
        plan.recording.content = content;
        plan.mock.body_bytes = 5_000;
        plan.mock.chunks = 500;
        let (rig, notebook) = Rig::recording(&plan).await;
        for stream in [false, true] {
            rig.post(CHAT, chat(&"long ".repeat(1_000), stream)).await;
        }
        for draft in notebook.drafts().iter().filter(|it| it.body.kind() == "exchange") {
            let texts = draft.content.as_ref().map_or(0, |content| {
                content.len() - 1 - content.split(|byte| *byte == b'\n').next().unwrap().len()
            });
            assert_eq!(texts, kept);
        }
    }
}

#[tokio::test]
async fn subjects_have_a_plain_name_and_stand_once() {
    let (rig, _notebook) = Rig::recording(&recording(MASK_ALL, Level::Queued, OnFailure::Block)).await;
    let long = "x".repeat(129);
    for bad in ["", "two words", "größe", long.as_str(), "a/b", "a,b"] {
        let answer = rig
            .send(Method::POST, CHAT, &[("testudo-subject", bad)], chat("x", false))
            .await;
        assert_eq!(answer.status, 400, "{bad}");
        assert!(answer.text().contains("testudo-subject"), "{}", answer.text());
    }
    assert_eq!(rig.mock.request_count(), 0);
    let most = "x".repeat(128);
    let answer = rig
        .send(
            Method::POST,
            CHAT,
            &[("testudo-subject", most.as_str())],
            chat("x", false),
        )
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_whole_answer_waits_until_its_entry_is_durable() {
    let (rig, notebook) = Rig::recording(&recording(MASK_ALL, Level::Durable, OnFailure::Block)).await;
    let rig = Arc::new(rig);
    for (number, body) in [(1, chat("hello", false)), (2, "[]".to_owned())] {
        notebook.set(Mode::Wait);
        let waiting = tokio::spawn({
            let rig = Arc::clone(&rig);
            async move { rig.post(CHAT, body).await }
        });
        notebook.until_asked("exchange", number).await;
        // The entry is with the writer and not on the disk: nothing may have left.
        assert!(!waiting.is_finished());
        notebook.set(Mode::Write);
        let answer = waiting.await.unwrap();
        assert!([200, 400].contains(&answer.status));
    }
}

#[tokio::test]
async fn queued_answers_wait_for_nothing() {
    let (rig, notebook) = Rig::recording(&recording(MASK_ALL, Level::Queued, OnFailure::Block)).await;
    notebook.set(Mode::Wait);
    for stream in [false, true] {
        assert_eq!(rig.post(CHAT, chat("hello", stream)).await.status, 200);
    }
    notebook.set(Mode::Write);
    assert_eq!(rig.running.stop().await.panicked, 0);
    assert_eq!(notebook.exchanges().len(), 2);
}

#[tokio::test]
async fn nothing_of_a_stream_leaves_before_it_is_entered() {
    for actions in [MASK_ALL, &[] as Actions<'static>] {
        let (rig, notebook) = Rig::recording(&recording(actions, Level::Durable, OnFailure::Block)).await;
        notebook.set(Mode::Wait);
        let mut client = tokio::net::TcpStream::connect(rig.running.address()).await.unwrap();
        let body = chat("hello", true);
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            rig.key,
            body.len()
        );
        client.write_all(head.as_bytes()).await.unwrap();
        notebook.until_asked("begun", 1).await;
        let mut early = [0; 1];
        assert!(
            client.try_read(&mut early).is_err(),
            "something left before the stream was entered"
        );
        notebook.set(Mode::Write);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains("data: [DONE]"), "{answer}");
        assert_eq!(
            notebook.exchanges().len(),
            1,
            "the end left before the entry was durable"
        );
    }
}

#[tokio::test]
async fn the_end_of_a_stream_waits_for_its_entry() {
    for actions in [MASK_ALL, &[] as Actions<'static>] {
        let mut plan = recording(actions, Level::Durable, OnFailure::Block);
        plan.mock.interval_ms = 5;
        let (rig, notebook) = Rig::recording(&plan).await;
        let rig = Arc::new(rig);
        notebook.set(Mode::WaitAt("exchange"));
        let waiting = tokio::spawn({
            let rig = Arc::clone(&rig);
            async move { rig.post(CHAT, chat("hello", true)).await }
        });
        notebook.until_asked("exchange", 1).await;
        assert!(!waiting.is_finished());
        notebook.set(Mode::Write);
        let answer = waiting.await.unwrap();
        assert!(
            answer.whole && answer.text().ends_with("data: [DONE]\n\n"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_pass_when_the_route_blocks() {
    let (rig, notebook) = Rig::recording(&recording(MASK_ALL, Level::Durable, OnFailure::Block)).await;
    notebook.set(Mode::Fail);
    let withheld = rig.post(CHAT, chat("hello", false)).await;
    assert_eq!(withheld.status, 503, "{}", withheld.text());
    assert!(
        withheld.text().contains("\"code\":\"unrecorded\""),
        "{}",
        withheld.text()
    );
    assert_eq!(withheld.headers["retry-after"], "1");
    // Now the failure is known, and nothing is forwarded any more.
    let forwarded = rig.mock.request_count();
    for stream in [false, true] {
        let refused = rig.post(CHAT, chat("hello", stream)).await;
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert!(refused.headers.contains_key("x-testudo-exchange"));
    }
    let anthropic = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
    let refused = rig
        .send(
            Method::POST,
            "/v1/messages",
            &[("anthropic-version", "2023-06-01")],
            anthropic,
        )
        .await;
    assert!(
        refused
            .text()
            .starts_with(r#"{"type":"error","error":{"type":"overloaded_error""#),
        "{}",
        refused.text()
    );
    assert_eq!(rig.mock.request_count(), forwarded, "a request passed unrecorded");
    assert_eq!(rig.admin("/readyz").await.status, 503);
    rig.until_counted(&["testudo_ledger_writable 0"]).await;
    rig.until_counted(&["testudo_requests_total", "unrecorded"]).await;

    notebook.set(Mode::Write);
    rig.until_counted(&["testudo_ledger_writable 1"]).await;
    assert_eq!(rig.post(CHAT, chat("hello", false)).await.status, 200);
    assert_eq!(rig.admin("/readyz").await.status, 200);
    assert_eq!(rig.running.stop().await.panicked, 0);
    let lost: u64 = notebook
        .drafts()
        .iter()
        .map(|draft| match &draft.body {
            Body::Gap(gap) => gap.count,
            _ => 0,
        })
        .sum();
    assert_eq!(lost, 4, "the withheld one and the three refused ones");
}

#[tokio::test]
async fn a_stream_whose_end_cannot_be_recorded_ends_with_the_dialects_error() {
    for (path, body, says) in [
        (CHAT, chat("hello", true), "data: {\"error\":"),
        (
            "/v1/messages",
            r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],"stream":true}"#.to_owned(),
            "event: error\ndata: {\"type\":\"error\"",
        ),
    ] {
        let mut plan = recording(MASK_ALL, Level::Durable, OnFailure::Block);
        plan.mock.interval_ms = 20;
        let (rig, notebook) = Rig::recording(&plan).await;
        notebook.set(Mode::FailAt("exchange"));
        let answer = rig.post(path, body).await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains(says), "{}", answer.text());
        assert!(
            !answer.text().contains("[DONE]") && !answer.text().contains("message_stop"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn exchanges_go_on_and_are_counted_when_the_route_degrades() {
    let (rig, notebook) = Rig::recording(&recording(MASK_ALL, Level::Durable, OnFailure::Degrade)).await;
    notebook.set(Mode::Fail);
    for stream in [false, true, false, true] {
        let answer = rig.post(CHAT, chat("hello", stream)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.whole);
    }
    let ready = rig.admin("/readyz").await;
    assert_eq!(
        (ready.status, ready.text().contains("not recorded")),
        (200, true),
        "{}",
        ready.text()
    );
    notebook.set(Mode::Write);
    rig.until_counted(&["testudo_ledger_writable 1"]).await;
    assert_eq!(rig.running.stop().await.panicked, 0);
    let lost: u64 = notebook
        .drafts()
        .iter()
        .map(|draft| match &draft.body {
            Body::Gap(gap) => gap.count,
            _ => 0,
        })
        .sum();
    assert!(lost >= 4, "{lost}");
    assert!(notebook.exchanges().is_empty());
}

#[tokio::test]
async fn a_flood_without_keys_gets_few_entries_and_one_count() {
    let (rig, notebook) = Rig::recording(&recording(MASK_ALL, Level::Durable, OnFailure::Block)).await;
    for number in 0..200 {
        let path = if number % 2 == 0 { CHAT } else { "/nowhere" };
        assert!(rig.without_key(Method::POST, path).await.status >= 400);
    }
    assert_eq!(rig.running.stop().await.panicked, 0);
    let entered = notebook.exchanges().len();
    let counted: u64 = notebook
        .drafts()
        .iter()
        .map(|draft| match &draft.body {
            Body::Gap(gap) => {
                assert_eq!(gap.reason, "refused_before_authentication");
                gap.count
            }
            _ => 0,
        })
        .sum();
    assert!((64..150).contains(&entered), "{entered}");
    assert_eq!(u64::try_from(entered).unwrap() + counted, 200);
}

#[tokio::test]
async fn clients_that_leave_are_entered() {
    let mut plan = recording(MASK_ALL, Level::Durable, OnFailure::Block);
    plan.mock.fault = Some(Fault::HangMidBody);
    let (rig, notebook) = Rig::recording(&plan).await;
    for stream in [true, false] {
        let mut client = tokio::net::TcpStream::connect(rig.running.address()).await.unwrap();
        let body = chat("hello", stream);
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            rig.key,
            body.len()
        );
        client.write_all(head.as_bytes()).await.unwrap();
        rig.mock.wait_for_request(if stream { 1 } else { 2 }).await;
        drop(client);
        notebook.until_asked("exchange", if stream { 1 } else { 2 }).await;
    }
    assert_eq!(rig.running.stop().await.panicked, 0);
    assert!(
        notebook.exchanges().iter().all(|it| it.outcome == "client_gone"),
        "{:?}",
        notebook.exchanges()
    );
}

#[tokio::test]
async fn configurations_taken_and_refused_are_entered() {
    let plan = recording(MASK_ALL, Level::Queued, OnFailure::Block);
    let (rig, notebook) = Rig::recording(&plan).await;
    let mut other = plan.clone();
    other.request = BLOCK_SECRETS;
    rig.running.reload(other.settings(rig.mock.address)).unwrap();
    let mut broken = plan.settings(rig.mock.address);
    broken.upstreams.clear();
    assert!(rig.running.reload(broken).is_err());
    rig.running.reload_refused(3);
    assert_eq!(rig.running.stop().await.panicked, 0);
    let mut entered = Vec::new();
    for draft in notebook.drafts() {
        if let Body::Configuration(it) = draft.body {
            entered.push((it.action, it.problems, it.digest));
        }
    }
    let [first, second, third, fourth] = entered.as_slice() else {
        panic!("{entered:?}")
    };
    assert_eq!(
        (first.0, second.0),
        (ConfigurationAction::Load, ConfigurationAction::Load)
    );
    assert_ne!(first.2, second.2, "another configuration has another digest");
    assert_eq!((third.0, third.1, fourth.1), (ConfigurationAction::Refuse, 2, 3));
}
