//! The mock over a real socket.

use std::time::Duration;

use bytes::Bytes;
use testudo_testkit::{Ended, Fault, MockSettings, MockUpstream, Reply, Split, recorded};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn answers_every_operation_with_json() {
    let mock = MockUpstream::start(MockSettings::default()).await.unwrap();
    for path in [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/embeddings",
        "/v1/messages",
        "/v1/messages/count_tokens",
    ] {
        let (head, body) = call(&mock, path, r#"{"model":"m-7"}"#).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(json.is_object(), "{path}");
    }
    assert_eq!(mock.requests().len(), 6);
    assert_eq!(mock.requests()[0].body, r#"{"model":"m-7"}"#);
}

#[tokio::test]
async fn same_request_same_bytes() {
    let mock = MockUpstream::start(MockSettings::default()).await.unwrap();
    let body = r#"{"model":"m","stream":true}"#;
    let first = call(&mock, "/v1/chat/completions", body).await;
    assert_eq!(first, call(&mock, "/v1/chat/completions", body).await);
}

#[tokio::test]
async fn any_split_gives_the_same_stream() {
    let whole = stream_with(Split::Whole).await;
    assert!(whole.ends_with(b"data: [DONE]\n\n"));
    for seed in 0..3 {
        assert_eq!(whole, stream_with(Split::Bytes { max: 3, seed }).await);
    }
    assert_eq!(whole, stream_with(Split::Frames).await);
}

#[tokio::test]
async fn split_cuts_inside_characters() {
    let settings = MockSettings {
        split: Split::Bytes { max: 1, seed: 1 },
        chunk_bytes: 200,
        ..MockSettings::default()
    };
    let mock = MockUpstream::start(settings).await.unwrap();
    let mut stream = TcpStream::connect(mock.address).await.unwrap();
    stream
        .write_all(&request("/v1/chat/completions", r#"{"stream":true}"#))
        .await
        .unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).await.unwrap();
    let text = String::from_utf8_lossy(&raw);
    assert!(text.contains("\r\n1\r\n"), "single bytes as chunks of their own");
}

#[tokio::test]
async fn settings_from_header_and_body() {
    let mock = MockUpstream::start(MockSettings::default()).await.unwrap();
    let body = r#"{"stream":true,"x_mock":{"chunks":9,"split":"whole"}}"#;
    let (_, stream) = call(&mock, "/v1/chat/completions", body).await;
    let frames = String::from_utf8(stream).unwrap().matches("\"content\":\"").count();
    assert_eq!(frames, 1 + 9);
    let (head, _) = call(&mock, "/v1/chat/completions", r#"{"x_mock":{"chunk":9}}"#).await;
    assert!(head.starts_with("HTTP/1.1 400"), "an unknown knob is refused: {head}");
}

#[tokio::test]
async fn exact_replies_come_first_and_once() {
    let mock = MockUpstream::start(MockSettings::default()).await.unwrap();
    mock.reply_next(Reply::stream(vec![
        Bytes::from_static(b"data: \xe2"),
        Bytes::from_static(b"\x82\xac\n\n"),
    ]));
    let (head, body) = call(&mock, "/v1/chat/completions", "{}").await;
    assert!(head.contains("text/event-stream"));
    assert_eq!(body, "data: €\n\n".as_bytes());
    let (head, _) = call(&mock, "/v1/chat/completions", "{}").await;
    assert!(head.contains("application/json"));
}

#[tokio::test]
async fn faults_show_on_the_wire() {
    let cases: &[(Fault, &str)] = &[
        (Fault::Status(429), "HTTP/1.1 429"),
        (Fault::Status(529), "HTTP/1.1 529"),
        (Fault::Redirect, "location: /elsewhere"),
        (Fault::WrongContentType, "text/html"),
        (Fault::Gzip, "content-encoding: gzip"),
    ];
    let mock = MockUpstream::start(MockSettings::default()).await.unwrap();
    for (fault, expected) in cases {
        mock.set(MockSettings {
            fault: Some(*fault),
            ..MockSettings::default()
        });
        let (head, _) = call(&mock, "/v1/messages", "{}").await;
        assert!(head.contains(expected), "{fault:?}: {head}");
    }
}

#[tokio::test]
async fn huge_event_and_malformed_frame() {
    let huge = MockSettings {
        fault: Some(Fault::HugeEvent { bytes: 1 << 20 }),
        ..MockSettings::default()
    };
    let mock = MockUpstream::start(huge).await.unwrap();
    let (_, body) = call(&mock, "/v1/responses", r#"{"stream":true}"#).await;
    assert!(body.len() > 1 << 20);
    mock.set(MockSettings {
        fault: Some(Fault::MalformedJson),
        ..MockSettings::default()
    });
    let (_, body) = call(&mock, "/v1/chat/completions", "{}").await;
    assert!(serde_json::from_slice::<serde_json::Value>(&body).is_err());
}

#[tokio::test]
async fn cut_mid_frame_ends_without_the_last_chunk() {
    let settings = MockSettings {
        fault: Some(Fault::CutMidFrame),
        ..MockSettings::default()
    };
    let mock = MockUpstream::start(settings).await.unwrap();
    let mut stream = TcpStream::connect(mock.address).await.unwrap();
    stream
        .write_all(&request("/v1/chat/completions", r#"{"stream":true}"#))
        .await
        .unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).await.unwrap();
    assert!(!raw.ends_with(b"0\r\n\r\n"));
    mock.wait_until_idle().await;
    assert_eq!(mock.requests()[0].ended, Ended::Cut);
}

#[tokio::test]
async fn refusing_address_refuses() {
    let address = MockUpstream::refusing().await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn peer_close_is_seen_before_the_head_and_in_the_body() {
    for (fault, stream_body) in [
        (Fault::HangBeforeHead, r#"{"stream":true}"#),
        (Fault::HangMidBody, r#"{"stream":true}"#),
        (Fault::HangMidBody, r#"{}"#),
    ] {
        let settings = MockSettings {
            fault: Some(fault),
            ..MockSettings::default()
        };
        let mock = MockUpstream::start(settings).await.unwrap();
        let mut stream = TcpStream::connect(mock.address).await.unwrap();
        stream
            .write_all(&request("/v1/chat/completions", stream_body))
            .await
            .unwrap();
        mock.wait_for_request(1).await;
        if fault == Fault::HangMidBody {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
        }
        let closed_at = tokio::time::Instant::now();
        drop(stream);
        let closed = mock.wait_for_close().await;
        assert_eq!(closed.ended, Ended::PeerClosed);
        let late = closed.ended_at.unwrap().duration_since(closed_at);
        assert!(late < Duration::from_millis(50), "{fault:?}: {late:?}");
    }
}

#[tokio::test]
async fn delivered_answers_count_as_delivered() {
    let mock = MockUpstream::start(MockSettings::default()).await.unwrap();
    call(&mock, "/v1/chat/completions", r#"{"stream":true}"#).await;
    call(&mock, "/v1/chat/completions", "{}").await;
    mock.wait_until_idle().await;
    assert!(mock.requests().iter().all(|it| it.ended == Ended::Delivered));
}

#[tokio::test]
async fn time_to_first_byte_and_interval_are_kept() {
    let settings = MockSettings {
        ttft_ms: 30,
        interval_ms: 10,
        chunks: 3,
        ..MockSettings::default()
    };
    let mock = MockUpstream::start(settings).await.unwrap();
    let start = tokio::time::Instant::now();
    call(&mock, "/v1/chat/completions", r#"{"stream":true}"#).await;
    // One role frame, three texts, one finish, `[DONE]`: five intervals.
    assert!(start.elapsed() >= Duration::from_millis(30 + 5 * 10));
}

#[tokio::test]
async fn recordings_and_mock_agree() {
    let mock = MockUpstream::start(MockSettings::default()).await.unwrap();
    let recording = recorded::messages_stream(&recorded::Script::full());
    let pieces = recording.cut_every(5).into_iter().map(Bytes::from).collect();
    mock.reply_next(Reply::stream(pieces));
    let (_, body) = call(&mock, "/v1/messages", "{}").await;
    assert_eq!(body, recording.bytes());
}

async fn stream_with(split: Split) -> Vec<u8> {
    let settings = MockSettings {
        split,
        reasoning: true,
        tools: 2,
        ..MockSettings::default()
    };
    let mock = MockUpstream::start(settings).await.unwrap();
    call(&mock, "/v1/chat/completions", r#"{"stream":true}"#).await.1
}

fn request(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: mock\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Head and de-chunked body of one call.
async fn call(mock: &MockUpstream, path: &str, body: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(mock.address).await.unwrap();
    stream.write_all(&request(path, body)).await.unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).await.unwrap();
    let end = raw.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(raw[..end].to_vec()).unwrap();
    let mut rest = &raw[end..];
    if !head.contains("transfer-encoding: chunked") {
        return (strip_date(&head), rest.to_vec());
    }
    let mut out = Vec::new();
    loop {
        let line = rest.windows(2).position(|it| it == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        rest = &rest[line + 2..];
        if size == 0 {
            return (strip_date(&head), out);
        }
        out.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

fn strip_date(head: &str) -> String {
    head.lines()
        .filter(|it| !it.starts_with("date:"))
        .collect::<Vec<_>>()
        .join("\n")
}
