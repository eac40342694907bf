//! One accepted connection from its first byte to its end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Peer;
use super::progress::{Progress, Watched};
use super::socket::{Rewound, Socket};
use crate::settings::Bounds;

/// Request heads larger than this are refused with 431.
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 100;
/// Streams that one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 128;
/// HTTP/2 flow control: what a stream and a connection may send ahead of being read, in bytes.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 2 << 20;
/// What is kept ready for a client that reads slowly, in bytes.
const SEND_BYTES_MAX: usize = 128 << 10;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Everything one connection needs; nothing is shared but the service and the stop signal.
pub(super) struct Connection<S> {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) service: S,
    pub(super) stop: CancellationToken,
    pub(super) bounds: Bounds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

impl<S, B> Connection<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Runs the connection to its end; what goes wrong on it concerns nobody else.
    pub(super) async fn run(self, stream: TcpStream) {
        let idle_max = self.idle_max();
        let Ok(socket) = Socket::new(stream, idle_max) else {
            return;
        };
        let outcome = match self.tls.clone() {
            None => {
                let peer = Peer {
                    address: self.address,
                    certificate: None,
                    encrypted: false,
                };
                self.speak(socket, peer, None).await
            }
            Some(tls) => self.secure(tls, socket).await,
        };
        if let Err(error) = outcome {
            tracing::debug!(error = error.as_ref(), "a client connection ended early");
        }
    }

    fn idle_max(&self) -> Duration {
        Duration::from_millis(self.bounds.client_idle_ms)
    }

    async fn secure(self, tls: TlsAcceptor, socket: Socket) -> Result<(), BoxError> {
        let stream = tokio::time::timeout(self.idle_max(), tls.accept(socket)).await??;
        let (_, session) = stream.get_ref();
        let certificate = session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|certificate| Arc::new(certificate.clone().into_owned()));
        let version = match session.alpn_protocol() {
            Some(b"h2") => Some(Version::Http2),
            Some(_) => Some(Version::Http1),
            None => None,
        };
        let peer = Peer {
            address: self.address,
            certificate,
            encrypted: true,
        };
        self.speak(stream, peer, version).await
    }

    async fn speak<I>(self, mut io: I, peer: Peer, agreed: Option<Version>) -> Result<(), BoxError>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (version, start) = match agreed {
            Some(version) => (version, Vec::new()),
            None => tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                sniffed = tokio::time::timeout(self.idle_max(), sniff(&mut io)) => sniffed??,
            },
        };
        let io = TokioIo::new(Rewound::new(Bytes::from(start), io));
        let progress = Arc::new(Progress::new());
        match version {
            Version::Http1 => self.speak_http1(io, peer, progress).await,
            Version::Http2 => self.speak_http2(io, peer, progress).await,
        }
    }

    async fn speak_http1<I>(self, io: I, peer: Peer, progress: Arc<Progress>) -> Result<(), BoxError>
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.idle_max())
            .half_close(false)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX);
        let service = self.watched(peer, &progress);
        let connection = builder.serve_connection(io, service);
        self.supervise(connection, http1::Connection::graceful_shutdown, &progress)
            .await
    }

    async fn speak_http2<I>(self, io: I, peer: Peer, progress: Arc<Progress>) -> Result<(), BoxError>
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(self.idle_max())
            .keep_alive_timeout(self.idle_max())
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BYTES_MAX)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
        let service = self.watched(peer, &progress);
        let connection = builder.serve_connection(io, service);
        self.supervise(connection, http2::Connection::graceful_shutdown, &progress)
            .await
    }

    /// The service with the peer put into each request and the response body watched.
    fn watched(
        &self,
        peer: Peer,
        progress: &Arc<Progress>,
    ) -> impl Service<Request<Incoming>, Response = Response<Watched<B>>, Error = Infallible, Future: Send + 'static>
    + use<S, B> {
        let service = self.service.clone();
        let progress = Arc::clone(progress);
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let exchange = progress.begin();
            let answer = service.call(request);
            async move {
                let response = answer.await?;
                Ok(response.map(|body| Watched::new(body, exchange)))
            }
        })
    }

    /// Drives a connection until it ends, is asked to stop, or its client stands still.
    async fn supervise<C>(&self, connection: C, shut: fn(Pin<&mut C>), progress: &Progress) -> Result<(), BoxError>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut connection = pin!(connection);
        let mut stopping = false;
        let mut look = tokio::time::interval(self.idle_max().max(Duration::from_millis(1)));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ended = connection.as_mut() => return ended.map_err(Into::into),
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    shut(connection.as_mut());
                }
                _ = look.tick() => {
                    if progress.is_stalled(self.idle_max()) {
                        return Err("the client stopped reading its answer".into());
                    }
                    if !stopping && progress.is_unused(self.idle_max()) {
                        stopping = true;
                        shut(connection.as_mut());
                    }
                }
            }
        }
    }
}

/// Reads just enough to tell HTTP/2's preface from a request line.
async fn sniff<I: AsyncRead + Unpin>(io: &mut I) -> io::Result<(Version, Vec<u8>)> {
    let mut start = Vec::with_capacity(PREFACE.len());
    loop {
        let missing = PREFACE.len().saturating_sub(start.len());
        if missing == 0 {
            return Ok((Version::Http2, start));
        }
        let read = (&mut *io)
            .take(u64::try_from(missing).unwrap_or(0))
            .read_buf(&mut start)
            .await?;
        if read == 0 || !PREFACE.starts_with(&start) {
            return Ok((Version::Http1, start));
        }
    }
}
