//! Tests of the upstream client against hand-made servers.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use http_body_util::BodyExt as _;
use testudo_types::{Secret, UpstreamName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;
use crate::upstream::dial::tests::{Answers, counted};

const RESPONSE_BYTES_MAX: usize = 1 << 20;
const LONG_MS: u64 = 3_600_000;
const PATIENT: Timeouts = Timeouts {
    connect_ms: LONG_MS,
    first_byte_ms: LONG_MS,
    idle_ms: LONG_MS,
    total_ms: 2 * LONG_MS,
};

fn settings(base: &str, family: Family) -> UpstreamSettings {
    UpstreamSettings {
        name: UpstreamName::parse("mock").unwrap(),
        base: UpstreamBase::Url(base.parse().unwrap()),
        family,
        secret: Some(Secret::new("up¦stream-credential".replace('¦', ""))),
        authorities: None,
        allow_private: true,
        timeouts: PATIENT,
        retries_max: 0,
        serves: None,
    }
}

fn client(settings: UpstreamSettings) -> UpstreamClient {
    UpstreamClient::new(Arc::new(settings), RESPONSE_BYTES_MAX).unwrap()
}

fn to(address: SocketAddr) -> UpstreamSettings {
    settings(&format!("http://{address}"), Family::OpenAi)
}

fn request(target: &str) -> Request<Bytes> {
    Request::post(target).body(Bytes::from_static(b"{}")).unwrap()
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Reads one request with a `content-length` body and returns its text.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        assert_ne!(
            stream.read_buf(&mut text).await.unwrap(),
            0,
            "closed before a request came"
        );
        let head = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = head.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return String::from_utf8(text).unwrap();
        }
    }
}

/// Answers one request with exactly `answer` and returns what came.
async fn answer_once(listener: TcpListener, answer: &'static str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let text = read_request(&mut stream).await;
    stream.write_all(answer.as_bytes()).await.unwrap();
    text
}

async fn exchange(answer: &'static str) -> Result<UpstreamResponse, UpstreamError> {
    let (listener, address) = bind().await;
    let server = tokio::spawn(answer_once(listener, answer));
    let outcome = client(to(address)).forward(request("/v1/chat/completions")).await;
    server.await.unwrap();
    outcome
}

#[tokio::test]
async fn r08_secret_bound_to_origin() {
    for (family, credential) in [
        (Family::OpenAi, "authorization: Bearer upstream-credential"),
        (Family::Anthropic, "x-api-key: upstream-credential"),
    ] {
        let (listener, address) = bind().await;
        let (decoy, decoy_address) = bind().await;
        let server = tokio::spawn(answer_once(listener, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"));
        let client = client(settings(&format!("http://{address}/v1"), family));
        assert!(!format!("{client:?}").contains("upstream-credential"));
        let hostile = Request::post(format!("http://user@{decoy_address}/v1/chat/completions"))
            .header("host", decoy_address.to_string())
            .header("authorization", "Bearer client-key")
            .header("x-api-key", "client-key")
            .header("api-key", "client-key")
            .header("proxy-authorization", "client-key")
            .header("cookie", "client-key")
            .header("x-forwarded-host", decoy_address.to_string())
            .header("x-portkey-custom-host", decoy_address.to_string())
            .header("x-stainless-lang", "rust")
            .body(Bytes::from_static(b"{}"))
            .unwrap();
        let response = client.forward(hostile).await.unwrap();
        assert_eq!(response.status, StatusCode::OK);
        let seen = server.await.unwrap();
        assert!(seen.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains(&format!("host: {address}\r\n")), "{seen}");
        assert!(seen.contains(&format!("{credential}\r\n")), "{seen}");
        assert_eq!(seen.matches("upstream-credential").count(), 1);
        assert!(seen.contains("accept-encoding: identity\r\n") && seen.contains("x-stainless-lang: rust\r\n"));
        assert!(
            !seen.contains("client-key") && !seen.contains(&decoy_address.to_string()),
            "{seen}"
        );
        // Nothing was dialled but the base.
        assert!(tokio::time::timeout(Duration::ZERO, decoy.accept()).await.is_err());
    }
}

#[tokio::test]
async fn without_a_secret_no_credential_is_sent() {
    let (listener, address) = bind().await;
    let server = tokio::spawn(answer_once(listener, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    let mut settings = to(address);
    settings.secret = None;
    let mut request = request("/v1/models");
    request
        .headers_mut()
        .insert("authorization", HeaderValue::from_static("Bearer client-key"));
    client(settings).forward(request).await.unwrap();
    let seen = server.await.unwrap();
    assert!(
        !seen.contains("authorization") && !seen.contains("client-key"),
        "{seen}"
    );
}

#[tokio::test]
async fn redirects_are_refused_and_never_followed() {
    for status in [301, 302, 303, 307, 308, 304] {
        let (listener, address) = bind().await;
        let (elsewhere, elsewhere_address) = bind().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            let answer =
                format!("HTTP/1.1 {status} X\r\nlocation: http://{elsewhere_address}/\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let outcome = client(to(address)).forward(request("/v1/chat/completions")).await;
        assert!(
            matches!(outcome, Err(UpstreamError::Redirect(seen)) if seen == status),
            "{outcome:?}"
        );
        server.await.unwrap();
        assert!(tokio::time::timeout(Duration::ZERO, elsewhere.accept()).await.is_err());
    }
}

#[tokio::test]
async fn answers_that_cannot_be_inspected_are_refused() {
    let gzip = exchange("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx").await;
    assert!(matches!(gzip, Err(UpstreamError::Encoded)));
    let huge = exchange("HTTP/1.1 200 OK\r\ncontent-length: 1048577\r\n\r\n").await;
    assert!(matches!(huge, Err(UpstreamError::TooLarge { .. })));
    let switched = exchange("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
    assert!(matches!(switched, Err(UpstreamError::Broken(_))), "{switched:?}");
    let nonsense = exchange("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    assert!(matches!(nonsense, Err(UpstreamError::Broken(_))), "{nonsense:?}");
}

#[tokio::test]
async fn error_statuses_are_answers() {
    for status in ["429 Too Many Requests", "500 Internal Server Error", "529 Overloaded"] {
        let answer = format!("HTTP/1.1 {status}\r\nretry-after: 7\r\nset-cookie: a=b\r\ncontent-length: 4\r\n\r\nbody");
        let response = exchange(answer.leak()).await.unwrap();
        assert!(status.starts_with(response.status.as_str()));
        assert_eq!(response.headers["retry-after"], "7");
        assert!(!response.headers.contains_key("set-cookie"));
        assert_eq!(response.attempts, 1);
        assert_eq!(response.body.collect().await.unwrap().to_bytes(), "body");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let (listener, address) = bind().await;
    let server = tokio::spawn(answer_once(
        listener,
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
    ));
    let response = client(to(address)).forward(request("/v1/models")).await.unwrap();
    server.await.unwrap();
    assert!(matches!(response.body.collect().await, Err(UpstreamError::Broken(_))));
}

#[tokio::test(start_paused = true)]
async fn each_deadline_has_its_own_error() {
    // Connect: the resolver never answers.
    let mut slow = settings("https://model.example", Family::OpenAi);
    slow.timeouts.connect_ms = 700;
    let stuck = UpstreamClient::with_lookup(Arc::new(slow), RESPONSE_BYTES_MAX, Arc::new(Answers::Never)).unwrap();
    let began = Instant::now();
    let outcome = stuck.forward(request("/v1/models")).await;
    assert!(matches!(outcome, Err(UpstreamError::ConnectTimeout)), "{outcome:?}");
    assert_eq!(began.elapsed().as_millis() / 10, 70);

    // First byte: the server reads and says nothing; total: the same with the total nearer.
    for (first_byte_ms, total_ms, class, waited_ms) in [
        (900, LONG_MS, "first_byte_timeout", 900),
        (LONG_MS, 400, "total_timeout", 400),
    ] {
        let (listener, address) = bind().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            pending::<()>().await;
        });
        let mut settings = to(address);
        settings.timeouts = Timeouts {
            first_byte_ms,
            total_ms,
            ..PATIENT
        };
        let began = Instant::now();
        let error = client(settings).forward(request("/v1/models")).await.unwrap_err();
        assert_eq!(error.class(), class);
        assert!(error.timed_out() && !error.retriable());
        assert_eq!(began.elapsed().as_millis() / 10, waited_ms / 10);
        server.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn only_failures_before_a_connection_stood_are_tried_again() {
    // Names that do not resolve: three attempts, with pauses of 50 and 100 ms.
    let lookups = Arc::new(AtomicU32::new(0));
    let mut unreachable = settings("https://model.example", Family::OpenAi);
    unreachable.retries_max = 2;
    let answers = counted(&lookups, Answers::Fails);
    let client_of =
        |settings, answers| UpstreamClient::with_lookup(Arc::new(settings), RESPONSE_BYTES_MAX, answers).unwrap();
    let began = Instant::now();
    let outcome = client_of(unreachable, answers).forward(request("/v1/models")).await;
    assert!(matches!(outcome, Err(UpstreamError::Resolve(_))), "{outcome:?}");
    assert_eq!(lookups.swap(0, Ordering::SeqCst), 3);
    assert_eq!(began.elapsed().as_millis() / 10, 15);

    // A refused address is refused once.
    let mut denied = settings("https://model.example", Family::OpenAi);
    denied.retries_max = 2;
    let answers = counted(&lookups, Answers::Fixed(vec!["169.254.169.254:0".parse().unwrap()]));
    let outcome = client_of(denied, answers).forward(request("/v1/models")).await;
    assert!(matches!(outcome, Err(UpstreamError::AddressDenied)), "{outcome:?}");
    assert_eq!(lookups.load(Ordering::SeqCst), 1);

    // A server that closes after it was given the request might have run it: one attempt.
    let (listener, address) = bind().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        drop(stream);
        listener
    });
    let mut closing = to(address);
    closing.retries_max = 3;
    let outcome = client(closing).forward(request("/v1/models")).await;
    assert!(matches!(outcome, Err(UpstreamError::Broken(_))), "{outcome:?}");
    let listener = server.await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_secs(5), listener.accept())
            .await
            .is_err()
    );
}

/// Reads until the peer closes, then says when.
async fn closed_at(stream: &mut TcpStream) -> Instant {
    let mut rest = Vec::new();
    while matches!(stream.read_buf(&mut rest).await, Ok(1..)) {}
    Instant::now()
}

#[tokio::test]
async fn client_gone_cancels_upstream() {
    const SOON: Duration = Duration::from_millis(50);
    for head_sent in [false, true] {
        let (listener, address) = bind().await;
        let (reached, waits) = oneshot::channel();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            if head_sent {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
                    .await
                    .unwrap();
            }
            reached.send(()).unwrap();
            closed_at(&mut stream).await
        });
        let client = client(to(address));
        let mut sending = Box::pin(client.forward(request("/v1/chat/completions")));
        let dropped = if head_sent {
            let mut body = sending.await.unwrap().body;
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "x");
            drop(body);
            Instant::now()
        } else {
            tokio::select! {
                _ = &mut sending => panic!("there is no answer"),
                arrived = waits => arrived.unwrap(),
            }
            drop(sending);
            Instant::now()
        };
        let closed = tokio::time::timeout(Duration::from_secs(5), server)
            .await
            .expect("closed at all")
            .unwrap();
        assert!(
            closed.duration_since(dropped) <= SOON,
            "head sent {head_sent}: {:?}",
            closed.duration_since(dropped)
        );
    }
}

#[tokio::test]
async fn a_dropped_send_stops_resolving() {
    struct Told(Option<oneshot::Sender<()>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.take().unwrap().send(()).unwrap();
        }
    }
    #[derive(Debug)]
    struct Watch(std::sync::Mutex<Option<oneshot::Sender<()>>>);
    impl Lookup for Watch {
        fn lookup(&self, _: String) -> std::pin::Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> {
            let told = Told(self.0.lock().unwrap().take());
            Box::pin(async move {
                pending::<()>().await;
                drop(told);
                Ok(Vec::new())
            })
        }
    }
    let (told, hears) = oneshot::channel();
    let settings = Arc::new(settings("https://model.example", Family::OpenAi));
    let client = UpstreamClient::with_lookup(settings, RESPONSE_BYTES_MAX, Arc::new(Watch(Some(told).into()))).unwrap();
    let sending = client.forward(request("/v1/models"));
    assert!(tokio::time::timeout(Duration::from_millis(20), sending).await.is_err());
    tokio::time::timeout(Duration::from_millis(50), hears)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn private_and_literal_addresses_are_denied_without_leave() {
    for base in [
        "https://127.0.0.1:1",
        "https://127.1",
        "https://0x7f000001",
        "https://[::1]",
        "https://[::ffff:10.0.0.1]",
        "https://169.254.169.254",
        "https://localhost:1",
    ] {
        let mut settings = settings(base, Family::OpenAi);
        settings.allow_private = false;
        let outcome = client(settings).forward(request("/v1/models")).await;
        assert!(
            matches!(outcome, Err(UpstreamError::AddressDenied)),
            "{base}: {outcome:?}"
        );
    }
    let outcome = client(settings("http://169.254.169.254", Family::OpenAi))
        .forward(request("/v1/models"))
        .await;
    assert!(matches!(outcome, Err(UpstreamError::AddressDenied)), "{outcome:?}");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let mut plaintext = settings("http://model.example", Family::OpenAi);
    plaintext.allow_private = false;
    let mut broken = settings("https://model.example", Family::OpenAi);
    broken.secret = Some(Secret::new("line\nbreak"));
    for (settings, expected) in [
        (plaintext, "https"),
        (broken, "line break"),
        (settings("https://a@b.example", Family::OpenAi), "`secret`"),
    ] {
        let problem = UpstreamClient::new(Arc::new(settings), RESPONSE_BYTES_MAX)
            .unwrap_err()
            .to_string();
        assert!(problem.contains("`mock`") && problem.contains(expected), "{problem}");
    }
}

#[tokio::test]
async fn practice_answers_without_a_network() {
    let mut settings = settings("https://model.example", Family::OpenAi);
    settings.base = UpstreamBase::Practice;
    let body = r#"{"messages":[{"role":"user","content":"repeat after me: ave"}]}"#;
    let request = Request::post("/v1/chat/completions")
        .body(Bytes::from_static(body.as_bytes()))
        .unwrap();
    let response = client(settings).forward(request).await.unwrap();
    let text = response.body.collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&text).contains("[practice upstream] ave"));
}

/// The gateway's own listener in front of a client, as in production but without guards.
async fn front(client: UpstreamClient) -> SocketAddr {
    let (listener, address) = bind().await;
    let client = Arc::new(client);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let client = Arc::clone(&client);
        async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = body.collect().await else {
                return Ok(Response::new(UpstreamBody::new(
                    Source::Practice(practice_body()),
                    bounds_for_tests(),
                )));
            };
            let answer = client
                .forward(Request::from_parts(parts, body.to_bytes()))
                .await
                .unwrap();
            Ok::<_, std::convert::Infallible>(Response::new(answer.body))
        }
    });
    tokio::spawn(crate::listener::serve(
        listener,
        None,
        service,
        Default::default(),
        crate::settings::Bounds::DEFAULT,
    ));
    address
}

fn practice_body() -> practice::PracticeBody {
    practice::answer(Family::OpenAi, &http::Method::GET, "/v1/models", b"").into_body()
}

fn bounds_for_tests() -> BodyBounds {
    let total_at = after(Instant::now(), Duration::from_secs(60));
    BodyBounds {
        idle_max: Duration::from_secs(60),
        total_at,
        bytes_max: 1 << 20,
    }
}

#[tokio::test]
async fn client_gone_cancels_upstream_through_the_listener() {
    const SOON: Duration = Duration::from_millis(50);
    const ASK: &[u8] = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}";
    for head_sent in [false, true] {
        let (listener, address) = bind().await;
        let (reached, waits) = oneshot::channel();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            if head_sent {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
                    .await
                    .unwrap();
            }
            reached.send(()).unwrap();
            closed_at(&mut stream).await
        });
        let mut caller = TcpStream::connect(front(client(to(address))).await).await.unwrap();
        caller.write_all(ASK).await.unwrap();
        waits.await.unwrap();
        if head_sent {
            let mut seen = Vec::new();
            while !seen.ends_with(b"x\r\n") {
                assert_ne!(caller.read_buf(&mut seen).await.unwrap(), 0);
            }
        }
        let gone = Instant::now();
        drop(caller);
        let closed = tokio::time::timeout(Duration::from_secs(5), server)
            .await
            .expect("closed at all")
            .unwrap();
        assert!(
            closed.duration_since(gone) <= SOON,
            "head sent {head_sent}: {:?}",
            closed.duration_since(gone)
        );
    }
    // A request that never becomes whole never reaches the upstream.
    let (listener, address) = bind().await;
    let mut caller = TcpStream::connect(front(client(to(address))).await).await.unwrap();
    caller.write_all(&ASK[..ASK.len() - 1]).await.unwrap();
    caller.shutdown().await.unwrap();
    let mut rest = Vec::new();
    while matches!(caller.read_buf(&mut rest).await, Ok(1..)) {}
    assert!(tokio::time::timeout(Duration::ZERO, listener.accept()).await.is_err());
}

/// An authority's and a server's certificate for `localhost`, in a folder.
fn certificates() -> (tempfile::TempDir, crate::settings::TlsSettings, Authorities) {
    use std::os::unix::fs::PermissionsExt as _;
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let settings = crate::settings::TlsSettings {
        certificate: write("server.pem", certificate.pem()),
        key: write("server.key", key.serialize_pem()),
        client_authorities: None,
    };
    let authorities = Authorities::from_pem(authority.pem().as_bytes()).unwrap();
    (folder, settings, authorities)
}

/// Gives one piece, then nothing; says when it is dropped.
struct OnePiece(Option<Bytes>, Option<oneshot::Sender<Instant>>);

impl http_body::Body for OnePiece {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        match self.0.take() {
            Some(piece) => std::task::Poll::Ready(Some(Ok(http_body::Frame::data(piece)))),
            None => std::task::Poll::Pending,
        }
    }
}

impl Drop for OnePiece {
    fn drop(&mut self) {
        if let Some(told) = self.1.take() {
            let _gone = told.send(Instant::now());
        }
    }
}

#[tokio::test]
async fn https_is_verified_and_speaks_http2() {
    let (_folder, tls, authorities) = certificates();
    let (listener, address) = bind().await;
    let (told, hears) = oneshot::channel();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        assert_eq!(request.version(), http::Version::HTTP_2);
        assert_eq!(request.headers()["authorization"], "Bearer upstream-credential");
        let body = OnePiece(Some(Bytes::from_static(b"x")), told.lock().unwrap().take());
        async move { Ok::<_, std::convert::Infallible>(Response::new(body)) }
    });
    let acceptor = crate::listener::acceptor(&tls).unwrap();
    tokio::spawn(crate::listener::serve(
        listener,
        Some(acceptor),
        service,
        Default::default(),
        crate::settings::Bounds::DEFAULT,
    ));

    let base = format!("https://localhost:{}", address.port());
    let local = || Arc::new(Answers::Fixed(vec!["127.0.0.1:0".parse().unwrap()]));
    let stranger =
        UpstreamClient::with_lookup(Arc::new(settings(&base, Family::OpenAi)), RESPONSE_BYTES_MAX, local()).unwrap();
    let outcome = stranger.forward(request("/v1/models")).await;
    assert!(matches!(outcome, Err(UpstreamError::Tls(_))), "{outcome:?}");

    let mut settings = settings(&base, Family::OpenAi);
    settings.authorities = Some(authorities);
    let friend = UpstreamClient::with_lookup(Arc::new(settings), RESPONSE_BYTES_MAX, local()).unwrap();
    let mut body = friend.forward(request("/v1/models")).await.unwrap().body;
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "x");
    let dropped = Instant::now();
    drop(body);
    let seen = tokio::time::timeout(Duration::from_secs(5), hears)
        .await
        .expect("cancelled at all")
        .unwrap();
    assert!(
        seen.duration_since(dropped) <= Duration::from_millis(50),
        "{:?}",
        seen.duration_since(dropped)
    );
}
