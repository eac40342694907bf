//! The relay remembers what went through it.

use testudo_testkit::tee::Tee;
use testudo_testkit::{MockSettings, MockUpstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn bodies_in_both_directions_and_in_order() {
    let mock = MockUpstream::start(MockSettings::default()).await.unwrap();
    let tee = Tee::start(mock.address).await.unwrap();
    for body in ["{\"stream\":true}", "{\"model\":\"second\"}"] {
        let mut stream = TcpStream::connect(tee.address).await.unwrap();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).await.unwrap();
    }
    let exchanged = tee.take();
    assert_eq!(exchanged.len(), 2);
    assert_eq!(exchanged[0].request_body, b"{\"stream\":true}");
    assert!(exchanged[0].response_body.ends_with(b"data: [DONE]\n\n"));
    assert!(exchanged[1].response_body.ends_with(b"}"));
    assert!(exchanged.iter().all(|it| it.complete && it.status == 200));
    assert!(tee.take().is_empty());
}
