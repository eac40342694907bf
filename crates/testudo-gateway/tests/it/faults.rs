//! What goes wrong around an exchange: failing upstreams, clients that leave, races, reloads.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use testudo_gateway::settings::Limits;
use testudo_testkit::mock::{Fault, MockUpstream, Reply};
use testudo_testkit::recorded::{Script, chat_body};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::guards::{BLOCK_SECRETS, MASK_ALL, SECRET};
use crate::harness::{Plan, Rig, chat};

#[tokio::test]
async fn upstream_failures_are_told_without_internals() {
    let mut plan = Plan::with(MASK_ALL);
    plan.timeouts.first_byte_ms = 200;
    plan.timeouts.idle_ms = 200;
    let rig = Rig::start(&plan).await;
    let address = rig.mock.address.to_string();
    for (fault, status) in [
        (Fault::CloseOnAccept, 502),
        (Fault::HangBeforeHead, 504),
        (Fault::Redirect, 502),
        (Fault::Gzip, 502),
        (Fault::WrongContentType, 502),
        (Fault::MalformedJson, 403),
        (Fault::Status(429), 429),
        (Fault::Status(500), 500),
        (Fault::Status(529), 529),
    ] {
        rig.mock.set(testudo_testkit::mock::MockSettings {
            fault: Some(fault),
            ..Default::default()
        });
        let answer = rig.post("/v1/chat/completions", chat("x", false)).await;
        assert_eq!(answer.status, status, "{fault:?}: {}", answer.text());
        assert!(answer.text().contains("\"error\""), "{fault:?}: {}", answer.text());
        assert!(!answer.text().contains(&address), "{fault:?}: {}", answer.text());
        if fault == Fault::Status(429) {
            assert_eq!(answer.headers["retry-after"], "1");
        }
    }
    let mut dead = Plan::with(MASK_ALL);
    dead.upstream = Some(MockUpstream::refusing().await.unwrap());
    let rig = Rig::start(&dead).await;
    let answer = rig.post("/v1/chat/completions", chat("x", false)).await;
    assert_eq!(answer.status, 502);
    assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
}

#[tokio::test]
async fn r18_guard_failure_is_closed() {
    let mut plan = Plan::with(BLOCK_SECRETS);
    plan.timeouts.idle_ms = 200;
    let rig = Rig::start(&plan).await;
    for fault in [Fault::MalformedJson, Fault::HugeEvent { bytes: 2 << 20 }] {
        rig.mock.set(testudo_testkit::mock::MockSettings {
            fault: Some(fault),
            ..Default::default()
        });
        let answer = rig.post("/v1/chat/completions", chat("x", true)).await;
        assert!(answer.text().contains("content_filter"), "{fault:?}: {}", answer.text());
        assert!(answer.body.len() < 64 << 10, "{fault:?}: {} bytes", answer.body.len());
    }
    for fault in [Fault::CutMidFrame, Fault::HangMidBody] {
        rig.mock.set(testudo_testkit::mock::MockSettings {
            fault: Some(fault),
            ..Default::default()
        });
        let answer = rig.post("/v1/chat/completions", chat("x", true)).await;
        assert!(
            !answer.whole || answer.status == 502,
            "{fault:?} looks like a whole answer: {}",
            answer.text()
        );
    }
    rig.mock.set(Default::default());
    let body = br#"{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"a","content":"b"}}]}"#;
    rig.mock.reply_next(Reply::json(body.to_vec()));
    let answer = rig.post("/v1/chat/completions", chat("x", false)).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    rig.until_counted(&["testudo_guard_gaps_total", "unscannable"]).await;
}

async fn begin(rig: &Rig, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(rig.running.address()).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        rig.key,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_upstream_and_its_place() {
    let mut plan = Plan::with(MASK_ALL);
    plan.limits = Limits {
        concurrent: Some(1),
        ..Limits::default()
    };
    let rig = Rig::start(&plan).await;
    let phases = [
        ("waiting for the head", Some(Fault::HangBeforeHead), false),
        ("in the middle of a stream", Some(Fault::HangMidBody), true),
        ("in the middle of a whole body", Some(Fault::HangMidBody), false),
    ];
    for (number, (phase, fault, stream)) in phases.into_iter().enumerate() {
        rig.mock.set(testudo_testkit::mock::MockSettings {
            fault,
            chunks: 40,
            ..Default::default()
        });
        let mut client = begin(&rig, &chat("x", stream)).await;
        rig.mock.wait_for_request(number as u64 + 1).await;
        if stream {
            let mut some = [0; 16];
            assert!(client.read(&mut some).await.unwrap() > 0);
        }
        let left = Instant::now();
        drop(client);
        let closed = timeout(Duration::from_secs(5), rig.mock.wait_for_closes(number + 1))
            .await
            .unwrap();
        let took = closed.ended_at.unwrap().duration_since(left);
        println!("{phase}: the upstream saw the close after {took:?}");
        assert!(took < Duration::from_millis(500), "{phase}: {took:?}");
        let count = format!("}} {}", number + 1);
        rig.until_counted(&["testudo_requests_total", "client_gone", &count])
            .await;
    }
    rig.mock.set(Default::default());
    let answer = rig.post("/v1/chat/completions", chat("x", false)).await;
    assert_eq!(answer.status, 200, "the place was not freed: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_callers_cannot_overspend() {
    let mut plan = Plan::with(MASK_ALL);
    plan.limits = Limits {
        requests_per_minute: Some(10),
        ..Limits::default()
    };
    let rig = Arc::new(Rig::start(&plan).await);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let rig = Arc::clone(&rig);
        callers.spawn(async move { rig.post("/v1/chat/completions", chat("x", false)).await });
    }
    let answers = callers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 10);
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 200 || answer.headers.contains_key("retry-after"))
    );
    assert_eq!(rig.mock.request_count(), 10);

    plan.limits = Limits {
        concurrent: Some(4),
        ..Limits::default()
    };
    plan.mock.fault = Some(Fault::HangBeforeHead);
    plan.timeouts.first_byte_ms = 1_500;
    let rig = Arc::new(Rig::start(&plan).await);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let rig = Arc::clone(&rig);
        callers.spawn(async move { rig.post("/v1/chat/completions", chat("x", false)).await });
    }
    let answers = callers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 504).count(), 4);
    assert_eq!(rig.mock.request_count(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_is_whole_or_not_at_all() {
    let (mask, block) = (Plan::with(MASK_ALL), Plan::with(BLOCK_SECRETS));
    let mut plan = mask.clone();
    plan.mock.reply = Some(Reply::json(chat_body(&Script::of(&[&["key ", SECRET]]))));
    let rig = Arc::new(Rig::start(&plan).await);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let rig = Arc::clone(&rig);
        callers.spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..25 {
                seen.push(rig.post("/v1/chat/completions", chat("x", false)).await);
            }
            seen
        });
    }
    for round in 0..20 {
        let next = if round % 2 == 0 { &block } else { &mask };
        rig.running.reload(next.settings(rig.mock.address)).unwrap();
        tokio::task::yield_now().await;
    }
    for answer in callers.join_all().await.into_iter().flatten() {
        let masked = answer.status == 200 && answer.text().contains("[REDACTED:");
        let blocked = answer.status == 403 && answer.text().contains("content_blocked");
        assert!(masked || blocked, "{}: {}", answer.status, answer.text());
        assert!(!answer.text().contains(SECRET));
    }

    rig.running.reload(mask.settings(rig.mock.address)).unwrap();
    let mut bad = block.settings(rig.mock.address);
    bad.upstreams.clear();
    assert_eq!(rig.running.reload(bad).unwrap_err().len(), 2);
    let answer = rig.post("/v1/chat/completions", chat("x", false)).await;
    assert_eq!(answer.status, 200, "the last good configuration is gone");
    let ready = rig.admin("/readyz").await;
    assert_eq!(ready.status, 200);
    assert!(
        ready.text().contains("previous") || ready.text().contains("refused"),
        "{}",
        ready.text()
    );
    rig.until_counted(&["testudo_reloads_refused_total", "1"]).await;
}

#[tokio::test]
async fn a_revoked_key_stops_within_a_second() {
    let rig = Rig::start(&Plan::with(MASK_ALL)).await;
    assert_eq!(rig.post("/v1/chat/completions", chat("x", false)).await.status, 200);
    let id = rig.key.split('_').nth(1).unwrap();
    let id = testudo_types::KeyId::parse(id).unwrap();
    rig.running
        .keys()
        .revoke(&id, testudo_types::UnixMillis(2))
        .await
        .unwrap();
    let revoked = Instant::now();
    while rig.post("/v1/chat/completions", chat("x", false)).await.status != 401 {
        assert!(revoked.elapsed() < Duration::from_secs(5), "still served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("refused {:?} after the revocation", revoked.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r22_flat_memory() {
    let mut plan = Plan::with(MASK_ALL);
    plan.mock.record_max = 4;
    let rig = Arc::new(Rig::start(&plan).await);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..8 {
        let rig = Arc::clone(&rig);
        callers.spawn(async move {
            for number in 0..40 {
                let stream = (caller + number) % 2 == 0;
                assert_eq!(rig.post("/v1/chat/completions", chat("x", stream)).await.status, 200);
            }
        });
    }
    callers.join_all().await;
    // Nothing of an exchange outlives it: no request in flight, no byte held.
    rig.until_counted(&["testudo_requests_in_flight 0"]).await;
    let metrics = rig.admin("/metrics").await.text();
    assert!(
        !metrics.contains("testudo_stream_held_bytes") || metrics.contains("held_bytes 0"),
        "{metrics}"
    );
    let series = metrics.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series < 200, "{series} series");
}

#[tokio::test]
async fn stopping_lets_running_exchanges_finish() {
    let mut plan = Plan::with(MASK_ALL);
    plan.mock.ttft_ms = 300;
    let rig = Rig::start(&plan).await;
    let mut client = begin(&rig, &chat("x", false)).await;
    rig.mock.wait_for_request(1).await;
    let Rig { running, mock, .. } = rig;
    let (report, answer) = tokio::join!(running.stop(), async {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    });
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(report.cut, 0);
    drop(mock);
}

#[test]
fn only_get_and_post_are_spoken() {
    for operation in testudo_dialects::Operation::all() {
        for method in [
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::HEAD,
            Method::OPTIONS,
        ] {
            let family = operation.family();
            let path = "/v1/chat/completions";
            assert_eq!(testudo_dialects::Operation::route(family, method.as_str(), path), None);
        }
    }
}
