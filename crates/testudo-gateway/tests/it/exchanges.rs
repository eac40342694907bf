//! Whole exchanges: what reaches the upstream, what reaches the client, and what is refused.

use http::Method;
use testudo_testkit::mock::{Reply, Split};
use testudo_testkit::recorded::{Field, Script, chat_body, chat_stream, messages_stream};

use crate::guards::{BLOCK_SECRETS, EMAIL, MASK_ALL, SECRET};
use crate::harness::{Plan, Rig, UPSTREAM_SECRET, chat};

const BODIES: [(&str, &str); 6] = [
    (
        "/v1/chat/completions",
        r#"{"model":"mock-1", "zeta":1.50, "messages":[{"role":"user","content":"h\u00e9llo"}],"n":2,"stream":STREAM}"#,
    ),
    (
        "/v1/responses",
        r#"{"input":"tell me","model":"mock-1","stream":STREAM}"#,
    ),
    (
        "/v1/completions",
        r#"{"prompt":"tell me","model":"mock-1","stream":STREAM}"#,
    ),
    (
        "/v1/messages",
        r#"{"model":"mock-1","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"stream":STREAM}"#,
    ),
    ("/v1/embeddings", r#"{"model":"mock-1","input":["a","b"]}"#),
    (
        "/v1/messages/count_tokens",
        r#"{"model":"mock-1","messages":[{"role":"user","content":"hi"}]}"#,
    ),
];

#[tokio::test]
async fn what_is_not_edited_passes_byte_for_byte() {
    for split in [
        Split::Frames,
        Split::Bytes { max: 1, seed: 1 },
        Split::Bytes { max: 9, seed: 2 },
    ] {
        let mut plan = Plan::with(MASK_ALL);
        plan.mock.split = split;
        plan.mock.tools = 2;
        plan.mock.reasoning = true;
        let rig = Rig::start(&plan).await;
        for (path, body) in BODIES {
            for stream in ["false", "true"] {
                let body = body.replace("STREAM", stream);
                let direct = rig.direct(path, body.clone()).await;
                let through = rig.post(path, body.clone()).await;
                assert_eq!(through.status, 200, "{path}: {}", through.text());
                assert_eq!(through.text(), direct.text(), "{path} {stream} {split:?}");
                let seen = rig.mock.requests().pop().unwrap();
                assert_eq!(seen.body, body.as_bytes(), "{path}");
                assert!(through.headers.contains_key("x-testudo-exchange"));
            }
        }
    }
}

#[tokio::test]
async fn hidden_values_reach_no_upstream_and_come_back() {
    let rig = Rig::start(&Plan::with(MASK_ALL)).await;
    let answer = rig
        .post("/v1/chat/completions", chat(&format!("to {EMAIL} please"), false))
        .await;
    assert_eq!(answer.status, 200);
    let seen = String::from_utf8(rig.mock.requests().pop().unwrap().body.to_vec()).unwrap();
    assert!(!seen.contains(EMAIL) && seen.contains("[[EMAIL_1_"), "{seen}");

    let mut practice = Plan::with(MASK_ALL);
    practice.practice = true;
    let rig = Rig::start(&practice).await;
    for stream in [false, true] {
        let (one, other) = tokio::join!(
            rig.post(
                "/v1/chat/completions",
                chat(&format!("repeat after me: {EMAIL} and more"), stream)
            ),
            rig.post(
                "/v1/chat/completions",
                chat("repeat after me: bob.builder@site.example and more", stream)
            ),
        );
        assert!(
            one.text().contains(EMAIL) && !one.text().contains("[["),
            "{}",
            one.text()
        );
        assert!(
            !one.text().contains("bob.builder") && other.text().contains("bob.builder"),
            "{}",
            other.text()
        );
    }
}

#[tokio::test]
async fn secrets_in_answers_are_masked_or_stopped_in_the_clients_dialect() {
    let script = Script::of(&[&["a ", SECRET, " b"]]);
    let stream = |rig: &Rig, bytes: Vec<u8>| rig.mock.reply_next(Reply::stream(vec![bytes.into()]));

    let rig = Rig::start(&Plan::with(MASK_ALL)).await;
    rig.mock.reply_next(Reply::json(chat_body(&script)));
    let answer = rig.post("/v1/chat/completions", chat("x", false)).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("[REDACTED:") && !answer.text().contains(SECRET),
        "{}",
        answer.text()
    );

    let rig = Rig::start(&Plan::with(BLOCK_SECRETS)).await;
    rig.mock.reply_next(Reply::json(chat_body(&script)));
    let answer = rig.post("/v1/chat/completions", chat("x", false)).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("content_blocked") && answer.text().contains("a secret in the response"));
    stream(&rig, chat_stream(&script).bytes());
    let answer = rig.post("/v1/chat/completions", chat("x", true)).await;
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    assert!(answer.text().contains("content_filter") && !answer.text().contains(SECRET));
    stream(&rig, messages_stream(&script).bytes());
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],"stream":true}"#;
    let answer = rig.post("/v1/messages", body).await;
    assert!(
        answer.text().contains("\"refusal\"") && answer.text().contains("message_stop"),
        "{}",
        answer.text()
    );
    assert!(!answer.text().contains(SECRET));
    let secret = format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"{SECRET}"}}]}}"#);
    let answer = rig
        .send(
            Method::POST,
            "/v1/messages",
            &[("anthropic-version", "2023-06-01")],
            secret,
        )
        .await;
    assert_eq!(answer.status, 403);
    assert!(
        answer.text().starts_with(r#"{"type":"error","error":"#),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn bad_requests_are_refused_with_the_field_and_the_remedy() {
    let rig = Rig::start(&Plan::with(MASK_ALL)).await;
    let deep = format!(r#"{{"model":"m","messages":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let cases: Vec<(u16, &str, Vec<u8>)> = vec![
        (
            400,
            "duplicate key",
            br#"{"model":"a","model":"b","messages":[]}"#.to_vec(),
        ),
        (400, "byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        (400, "UTF-8", b"{\"model\":\"\xff\"}".to_vec()),
        (400, "nest", deep.into_bytes()),
        (
            400,
            "surrogate",
            br#"{"model":"m","messages":[{"role":"user","content":"\ud800"}]}"#.to_vec(),
        ),
        (400, "object", b"[]".to_vec()),
        (400, "`Model`", br#"{"Model":"m","messages":[]}"#.to_vec()),
        (400, "model", br#"{"model":"a b\n","messages":[]}"#.to_vec()),
        (400, "", b"".to_vec()),
    ];
    for (status, says, body) in cases {
        let shown = String::from_utf8_lossy(&body).chars().take(60).collect::<String>();
        let answer = rig.post("/v1/chat/completions", body).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        let text = answer.text().to_lowercase();
        assert!(text.contains(&says.to_lowercase()), "{shown}: {text}");
        assert!(text.contains("invalid_request"), "{shown}: {text}");
    }
    let big = chat(&"x".repeat(9 << 20), false);
    assert_eq!(rig.post("/v1/chat/completions", big).await.status, 413);
    let gzip = [("content-encoding", "gzip")];
    assert_eq!(
        rig.send(Method::POST, "/v1/chat/completions", &gzip, "x").await.status,
        415
    );
    let query = rig
        .post("/v1/chat/completions?note=%41%4b%49%41", chat("x", false))
        .await;
    assert_eq!(query.status, 400);
    let hosted = r#"{"model":"m","input":"x","tools":[{"type":"web_search"}]}"#;
    assert_eq!(rig.post("/v1/responses", hosted).await.status, 403);
    assert_eq!(rig.mock.request_count(), 0, "a refused request reached the upstream");
}

#[tokio::test]
async fn r09_policy_is_outermost() {
    let rig = Rig::start(&Plan::with(MASK_ALL)).await;
    let paths = [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/models",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/chat/completions",
        "/v1/files",
        "/v1/../v1/chat/completions",
        "/v1/proxy/anything",
        "/metrics",
        "/healthz",
        "/readyz",
        "/admin",
        "/key/generate",
        "/",
    ];
    for method in [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ] {
        for path in paths {
            let answer = rig.without_key(method.clone(), path).await;
            assert!(
                [401, 404].contains(&answer.status),
                "{method} {path}: {}",
                answer.status
            );
            assert!(
                answer.text().contains("\"error\""),
                "{method} {path}: {}",
                answer.text()
            );
        }
    }
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(
            rig.send(Method::GET, path, &[], "").await.status,
            404,
            "{path} is on the data listener"
        );
        assert_eq!(rig.admin(path).await.status, 200, "{path}");
    }
    assert_eq!(rig.admin("/v1/models").await.status, 404);
    assert_eq!(rig.mock.request_count(), 0);
}

#[tokio::test]
async fn r04_the_host_header_routes_nothing() {
    let rig = Rig::start(&Plan::with(MASK_ALL)).await;
    for host in [
        "localhost:1/#@x",
        "evil.example",
        "localhost@evil.example",
        "127.0.0.1#x",
        "",
    ] {
        let answer = rig
            .send(
                Method::POST,
                "/v1/chat/completions",
                &[("host", host)],
                chat("x", false),
            )
            .await;
        assert!([400, 403, 421].contains(&answer.status), "{host:?}: {}", answer.status);
    }
    let origin = [("origin", "https://evil.example")];
    let answer = rig
        .send(Method::POST, "/v1/chat/completions", &origin, chat("x", false))
        .await;
    assert_eq!(answer.status, 403);
    assert_eq!(rig.mock.request_count(), 0);
}

#[tokio::test]
async fn r11_no_client_urls_fetched() {
    let rig = Rig::start(&Plan::with(BLOCK_SECRETS)).await;
    let trap = testudo_testkit::mock::MockUpstream::start(Default::default())
        .await
        .unwrap();
    let url = format!("{}/image.png", trap.base_url());
    let body = serde_json::json!({"model": "m", "base_url": url, "api_base": url, "messages": [{"role": "user",
        "content": [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "see"}]}]});
    let headers = [("x-upstream", url.as_str()), ("x-portkey-custom-host", url.as_str())];
    let answer = rig
        .send(Method::POST, "/v1/chat/completions", &headers, body.to_string())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(trap.connection_count(), 0);
    let seen = rig.mock.requests().pop().unwrap();
    assert_eq!(seen.headers["authorization"], format!("Bearer {UPSTREAM_SECRET}"));
    assert!(
        !format!("{:?}", seen.headers).contains(&rig.key),
        "the virtual key reached the upstream"
    );
    assert!(!seen.headers.contains_key("x-portkey-custom-host"));
}

#[tokio::test]
async fn every_planted_field_is_stopped_on_the_way_through() {
    let rig = Rig::start(&Plan::with(BLOCK_SECRETS)).await;
    for field in Field::ALL {
        let script = Script::full().plant(field, SECRET);
        rig.mock
            .reply_next(Reply::stream(vec![chat_stream(&script).bytes().into()]));
        let answer = rig.post("/v1/chat/completions", chat("x", true)).await;
        assert!(!answer.text().contains(SECRET), "{field:?}");
        rig.mock.reply_next(Reply::json(chat_body(&script)));
        let answer = rig.post("/v1/chat/completions", chat("x", false)).await;
        assert!(!answer.text().contains(SECRET), "{field:?}");
    }
}
