//! Tests of the listener against raw sockets and the client library.

use std::future::pending;
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::*;

type TestBody = UnsyncBoxBody<Bytes, Infallible>;
type Answer = Result<Response<TestBody>, Infallible>;

/// A running listener.
struct Served {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<DrainReport>,
}

impl Served {
    async fn start<F>(bounds: Bounds, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> BoxFuture<'static, Answer> + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(listener, None, service_fn(handler), shutdown.clone(), bounds));
        Self {
            address,
            shutdown,
            task,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) -> DrainReport {
        self.shutdown.cancel();
        soon(self.task).await.unwrap()
    }
}

fn bounds() -> Bounds {
    Bounds {
        connections_max: 16,
        client_idle_ms: 20_000,
        drain_ms: 5_000,
        ..Bounds::DEFAULT
    }
}

/// Fails the test instead of hanging it.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .expect("it happens at all")
}

fn text(text: &'static str) -> Answer {
    Ok(Response::new(
        Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync(),
    ))
}

fn hello(_: Request<Incoming>) -> BoxFuture<'static, Answer> {
    Box::pin(async { text("hello") })
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}";

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).ends_with(end) {
        let read = soon(stream.read_buf(&mut seen)).await.unwrap();
        assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&seen));
    }
    String::from_utf8(seen).unwrap()
}

/// Everything until the server closes; a reset counts as a close.
async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    while matches!(soon(stream.read_buf(&mut seen)).await, Ok(1..)) {}
    String::from_utf8_lossy(&seen).into_owned()
}

type Http2 = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

/// A client, the task that ends with its connection, and a handle on its socket.
async fn http2(address: SocketAddr) -> (Http2, JoinHandle<()>, std::net::TcpStream) {
    let stream = TcpStream::connect(address).await.unwrap().into_std().unwrap();
    let handle = stream.try_clone().unwrap();
    let io = TokioIo::new(TcpStream::from_std(stream).unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
    let (sender, connection) = handshake.await.unwrap();
    let task = tokio::spawn(async move {
        let _ended = connection.await;
    });
    (sender, task, handle)
}

fn ask() -> Request<Full<Bytes>> {
    Request::post("http://localhost/")
        .body(Full::new(Bytes::from_static(b"{}")))
        .unwrap()
}

#[tokio::test]
async fn both_versions_are_spoken_on_one_port_and_the_peer_is_known() {
    let served = Served::start(bounds(), |request: Request<Incoming>| {
        Box::pin(async move {
            let peer = request.extensions().get::<Peer>().unwrap();
            assert!(!peer.encrypted && peer.certificate.is_none() && peer.address.ip().is_loopback());
            if request.version() == http::Version::HTTP_2 {
                text("two")
            } else {
                text("one")
            }
        })
    })
    .await;
    let mut plain = served.connect().await;
    for _ in 0..2 {
        plain.write_all(GET).await.unwrap();
        assert!(read_until(&mut plain, "one").await.starts_with("HTTP/1.1 200"));
    }
    let (mut sender, _task, socket) = http2(served.address).await;
    let response = soon(sender.send_request(ask())).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "two");
    socket.shutdown(Shutdown::Both).unwrap();
    drop(plain);
    let report = served.stop().await;
    assert_eq!((report.accepted, report.cut, report.panicked), (2, 0, 0));
}

#[tokio::test]
async fn a_request_that_comes_byte_by_byte_is_understood() {
    let served = Served::start(bounds(), hello).await;
    // `P` and `PR` could begin HTTP/2's preface as well.
    let request = b"PRINT / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut stream = served.connect().await;
    stream.set_nodelay(true).unwrap();
    for byte in request {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    read_until(&mut stream, "hello").await;
}

#[tokio::test]
async fn nodelay_is_set_on_the_client_side() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    assert!(!accepted.nodelay().unwrap());
    // The only way from an accepted stream to a connection.
    let socket = socket::Socket::new(accepted, Duration::from_secs(1)).unwrap();
    assert!(socket.stream().nodelay().unwrap());
    drop(client);
}

/// Sends when it is dropped.
struct Told(mpsc::UnboundedSender<Instant>);

impl Drop for Told {
    fn drop(&mut self) {
        let _gone = self.0.send(Instant::now());
    }
}

/// A body that gives pieces of `piece_bytes`, then waits for ever when `then_waits`.
struct Endless {
    piece_bytes: usize,
    then_waits: bool,
    given: bool,
    _told: Told,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        if self.then_waits && self.given {
            return std::task::Poll::Pending;
        }
        self.given = true;
        let piece = Bytes::from(vec![b'x'; self.piece_bytes]);
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    FirstByte,
    MidBody,
}

/// A server that reads the request and then stays in `phase`; says when it got there and when it was dropped.
async fn lingering(phase: Phase) -> (Served, mpsc::UnboundedReceiver<()>, mpsc::UnboundedReceiver<Instant>) {
    let (reached, reaches) = mpsc::unbounded_channel();
    let (dropped, drops) = mpsc::unbounded_channel();
    let served = Served::start(bounds(), move |request: Request<Incoming>| {
        let (reached, told) = (reached.clone(), Told(dropped.clone()));
        Box::pin(async move {
            request.into_body().collect().await.unwrap();
            reached.send(()).unwrap();
            match phase {
                Phase::FirstByte => {
                    pending::<()>().await;
                    drop(told);
                    text("never")
                }
                Phase::MidBody => {
                    let body = Endless {
                        piece_bytes: 1,
                        then_waits: true,
                        given: false,
                        _told: told,
                    };
                    Ok(Response::new(body.boxed_unsync()))
                }
            }
        })
    })
    .await;
    (served, reaches, drops)
}

const CANCEL_MAX: Duration = Duration::from_millis(50);

#[tokio::test]
async fn client_gone_drops_the_exchange_over_http1() {
    for phase in [Phase::FirstByte, Phase::MidBody] {
        let (served, mut reaches, mut drops) = lingering(phase).await;
        let mut stream = served.connect().await;
        stream.write_all(POST).await.unwrap();
        soon(reaches.recv()).await.unwrap();
        if phase == Phase::MidBody {
            read_until(&mut stream, "x\r\n").await;
        }
        let gone = Instant::now();
        drop(stream);
        let dropped = soon(drops.recv()).await.unwrap();
        assert!(
            dropped.duration_since(gone) <= CANCEL_MAX,
            "{phase:?}: {:?}",
            dropped.duration_since(gone)
        );
    }
}

#[tokio::test]
async fn client_gone_drops_the_exchange_over_http2() {
    for phase in [Phase::FirstByte, Phase::MidBody] {
        // Either the stream is reset while the connection lives on, or the connection goes away.
        for whole_connection in [false, true] {
            let (served, mut reaches, mut drops) = lingering(phase).await;
            let (mut sender, _task, socket) = http2(served.address).await;
            let mut sending = Box::pin(sender.send_request(ask()));
            let mut body = None;
            if phase == Phase::MidBody {
                let mut answer = soon(&mut sending).await.unwrap().into_body();
                soon(answer.frame()).await.unwrap().unwrap();
                body = Some(answer);
                soon(reaches.recv()).await.unwrap();
            } else {
                tokio::select! {
                    _ = &mut sending => panic!("there is no answer"),
                    reached = reaches.recv() => reached.unwrap(),
                }
            }
            let gone = Instant::now();
            if whole_connection {
                socket.shutdown(Shutdown::Both).unwrap();
            } else {
                drop(sending);
                drop(body);
            }
            let dropped = soon(drops.recv()).await.unwrap();
            let late = dropped.duration_since(gone);
            assert!(late <= CANCEL_MAX, "{phase:?}, connection {whole_connection}: {late:?}");
        }
    }
}

#[tokio::test]
async fn client_gone_before_its_request_is_whole_frees_the_slot() {
    let one = Bounds {
        connections_max: 1,
        ..bounds()
    };
    for start in [
        &b""[..],
        b"PRI * HT",
        b"GET / HTTP/1.1\r\nho",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
    ] {
        let served = Served::start(one, |request: Request<Incoming>| {
            Box::pin(async move {
                let whole = request.into_body().collect().await.is_ok();
                if whole { text("hello") } else { text("cut") }
            })
        })
        .await;
        let mut first = served.connect().await;
        first.write_all(start).await.unwrap();
        let mut second = served.connect().await;
        second.write_all(GET).await.unwrap();
        drop(first);
        read_until(&mut second, "hello").await;
        drop(second);
        assert_eq!(served.stop().await.accepted, 2);
    }
}

#[tokio::test]
async fn more_connections_than_allowed_wait_their_turn() {
    let one = Bounds {
        connections_max: 1,
        ..bounds()
    };
    let served = Served::start(one, hello).await;
    let mut first = served.connect().await;
    first.write_all(GET).await.unwrap();
    read_until(&mut first, "hello").await;
    let mut second = served.connect().await;
    second.write_all(GET).await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(50), second.read(&mut byte)).await;
    assert!(early.is_err(), "the second connection was served beside the first");
    drop(first);
    assert_eq!(soon(second.read(&mut byte)).await.unwrap(), 1);
}

#[tokio::test]
async fn clients_that_do_not_finish_their_head_are_closed() {
    let hasty = Bounds {
        client_idle_ms: 60,
        ..bounds()
    };
    for start in [
        &b""[..],
        b"P",
        b"PRI * HTTP/2.0\r\n\r\nSM",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
    ] {
        let served = Served::start(hasty, hello).await;
        let mut stream = served.connect().await;
        stream.write_all(start).await.unwrap();
        let answer = read_to_close(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

#[tokio::test]
async fn unused_connections_are_closed() {
    let hasty = Bounds {
        client_idle_ms: 60,
        ..bounds()
    };
    let served = Served::start(hasty, hello).await;
    let mut stream = served.connect().await;
    stream.write_all(GET).await.unwrap();
    assert!(read_to_close(&mut stream).await.ends_with("hello"));
    let (mut sender, task, _socket) = http2(served.address).await;
    soon(sender.send_request(ask()))
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    soon(task).await.unwrap();
}

#[tokio::test]
async fn clients_that_stop_reading_are_closed() {
    let hasty = Bounds {
        client_idle_ms: 100,
        ..bounds()
    };
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let served = Served::start(hasty, move |_| {
        let told = Told(dropped.clone());
        let body = Endless {
            piece_bytes: 100_000,
            then_waits: false,
            given: false,
            _told: told,
        };
        Box::pin(async { Ok(Response::new(body.boxed_unsync())) })
    })
    .await;
    let mut stream = served.connect().await;
    stream.write_all(GET).await.unwrap();
    soon(drops.recv()).await.unwrap();
    drop(stream);
    let (mut sender, _task, _socket) = http2(served.address).await;
    let unread = soon(sender.send_request(ask())).await.unwrap();
    soon(drops.recv()).await.unwrap();
    drop(unread);
}

#[tokio::test]
async fn heads_beyond_the_limit_are_refused() {
    let served = Served::start(bounds(), hello).await;
    for head in [
        format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(70_000)),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: a\r\n".repeat(200)),
    ] {
        let mut stream = served.connect().await;
        let _sent = stream.write_all(head.as_bytes()).await;
        let answer = read_to_close(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}");
    }
}

#[tokio::test]
async fn a_panic_takes_down_its_own_connection_only() {
    let served = Served::start(bounds(), |request: Request<Incoming>| {
        Box::pin(async move {
            assert_ne!(request.uri().path(), "/panic", "on purpose");
            text("hello")
        })
    })
    .await;
    let mut well = served.connect().await;
    well.write_all(GET).await.unwrap();
    read_until(&mut well, "hello").await;
    let mut ill = served.connect().await;
    ill.write_all(b"GET /panic HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(read_to_close(&mut ill).await, "");
    well.write_all(GET).await.unwrap();
    read_until(&mut well, "hello").await;
    drop(well);
    assert_eq!(served.stop().await.panicked, 1);
}

#[tokio::test]
async fn a_stop_lets_running_exchanges_finish() {
    let (begun, mut begins) = mpsc::unbounded_channel();
    let served = Served::start(bounds(), move |_| {
        let begun = begun.clone();
        Box::pin(async move {
            let (go_on, goes_on) = oneshot::channel();
            begun.send(go_on).unwrap();
            goes_on.await.unwrap();
            text("finished")
        })
    })
    .await;
    let mut busy = served.connect().await;
    busy.write_all(GET).await.unwrap();
    let go_on = soon(begins.recv()).await.unwrap();
    let mut silent = served.connect().await;
    // The busy one was accepted; the silent one is once the listener has answered its turn.
    let address = served.address;
    served.shutdown.cancel();
    assert_eq!(read_to_close(&mut silent).await, "");
    assert!(TcpStream::connect(address).await.is_err(), "the socket is still open");
    go_on.send(()).unwrap();
    let answer = read_to_close(&mut busy).await;
    assert!(
        answer.contains("connection: close") && answer.ends_with("finished"),
        "{answer}"
    );
    let report = soon(served.task).await.unwrap();
    assert_eq!((report.cut, report.panicked), (0, 0));
}

#[tokio::test]
async fn exchanges_that_do_not_finish_in_time_are_cut() {
    let hasty = Bounds {
        drain_ms: 50,
        ..bounds()
    };
    let begun = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&begun);
    let served = Served::start(hasty, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(pending())
    })
    .await;
    let mut stuck = served.connect().await;
    stuck.write_all(GET).await.unwrap();
    while begun.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let report = served.stop().await;
    assert_eq!((report.open_at_stop, report.cut), (1, 1));
    assert_eq!(read_to_close(&mut stuck).await, "");
}

#[tokio::test]
async fn smuggled_framing_is_refused() {
    let served = Served::start(bounds(), hello).await;
    for head in [
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: +2\r\n\r\n{}",
        "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost : localhost\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: localhost\r\n folded: x\r\n\r\n",
    ] {
        let mut stream = served.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_to_close(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head:?}: {answer}");
    }
}
