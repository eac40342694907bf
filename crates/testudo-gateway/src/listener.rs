//! Accepts connections and runs HTTP/1.1 and HTTP/2 on them, bounded in number, time and size.

mod connection;
mod progress;
mod socket;
mod tls;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::connection::Connection;
use crate::settings::Bounds;

pub use self::tls::{TlsProblem, acceptor, server_config};

/// Waiting after the system refused to accept, so that a lack of file descriptors is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end; found in the extensions of each request.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// The client's verified certificate when mutual TLS is on.
    pub certificate: Option<Arc<CertificateDer<'static>>>,
    /// True when the connection is encrypted.
    pub encrypted: bool,
}

/// How the listener came to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct DrainReport {
    /// Connections accepted over the listener's life.
    pub accepted: u64,
    /// Connections that were open when the stop was asked for.
    pub open_at_stop: usize,
    /// Of those, the ones that were cut because they did not finish in time.
    pub cut: usize,
    /// Connections whose task panicked; each took only itself down.
    pub panicked: u64,
}

/// Serves until `shutdown`, then lets running exchanges finish for `bounds.drain_ms`.
///
/// At most `bounds.connections_max` connections are open; more wait in the system's backlog. A
/// client that goes away drops the service's future, or the response body, at once: on HTTP/1 as
/// soon as the request body was read to its end or is being read. Every request carries a [`Peer`].
pub async fn serve<S, B>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    service: S,
    shutdown: CancellationToken,
    bounds: Bounds,
) -> DrainReport
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let slots = Arc::new(Semaphore::new(bounds.connections_max.min(Semaphore::MAX_PERMITS)));
    let stop = CancellationToken::new();
    let mut report = DrainReport::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = connections.join_next() => {
                report.count(&ended);
                continue;
            }
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((slot, stream, address)) = accepted else {
            break;
        };
        report.accepted = report.accepted.saturating_add(1);
        let connection = Connection {
            address,
            tls: tls.clone(),
            service: service.clone(),
            stop: stop.clone(),
            bounds,
        };
        connections.spawn(async move {
            connection.run(stream).await;
            drop(slot);
        });
    }
    // Closing the socket first lets a load balancer notice while running exchanges finish.
    drop(listener);
    drain(connections, &stop, bounds, report).await
}

async fn drain(
    mut connections: JoinSet<()>,
    stop: &CancellationToken,
    bounds: Bounds,
    mut report: DrainReport,
) -> DrainReport {
    report.open_at_stop = connections.len();
    stop.cancel();
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            report.count(&ended);
        }
    };
    if tokio::time::timeout(Duration::from_millis(bounds.drain_ms), all_ended)
        .await
        .is_err()
    {
        report.cut = connections.len();
        connections.shutdown().await;
    }
    report
}

/// The next connection once a slot is free; `None` when there can be no further one.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(tokio::sync::OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return Some((slot, stream, address)),
            // The client was gone before it was accepted.
            Err(error) if is_about_one_client(&error) => {}
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "the system refuses to accept connections; trying again");
                tokio::time::sleep_until(Instant::now().checked_add(ACCEPT_PAUSE)?).await;
            }
        }
    }
}

fn is_about_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

impl DrainReport {
    fn count(&mut self, ended: &Result<(), JoinError>) {
        if ended.as_ref().is_err_and(JoinError::is_panic) {
            self.panicked = self.panicked.saturating_add(1);
            tracing::error!("a connection's task panicked; the connection was closed");
        }
    }
}
