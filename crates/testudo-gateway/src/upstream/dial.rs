//! Opens connections: resolves, drops every address that may not be dialled, connects, secures.

#[cfg(test)]
pub(super) mod tests;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Error as ClientError;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use thiserror::Error;
use tokio::net::TcpStream;
use tower::Service;

use super::address::Reach;
use super::error::UpstreamError;

/// Addresses of one name that are tried at most.
const ADDRESSES_MAX: usize = 16;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Turns a name into addresses; the port in the answer means nothing.
pub(crate) trait Lookup: fmt::Debug + Send + Sync {
    fn lookup(&self, name: String) -> Pending<io::Result<Vec<SocketAddr>>>;
}

/// The operating system's resolver.
#[derive(Debug)]
pub(crate) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> Pending<io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.take(ADDRESSES_MAX).collect()) })
    }
}

/// The connector of an upstream's client.
#[derive(Clone)]
pub(crate) struct Dialer {
    connector: HttpsConnector<HttpConnector<CheckedResolver>>,
    reach: Reach,
    connect_max: Duration,
}

#[derive(Debug, Error)]
enum DialError {
    #[error("name resolution failed")]
    Resolve(#[source] io::Error),
    #[error("no address may be dialled")]
    Denied,
    #[error("not connected within the deadline")]
    Timeout,
}

impl Dialer {
    /// Dials under `reach`; the whole of resolving, connecting and the TLS handshake has `connect_max`.
    pub(crate) fn new(tls: ClientConfig, lookup: Arc<dyn Lookup>, reach: Reach, connect_max: Duration) -> Self {
        let mut http = HttpConnector::new_with_resolver(CheckedResolver { lookup, reach });
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(connect_max));
        http.set_keepalive(Some(Duration::from_secs(60)));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(http);
        Self {
            connector,
            reach,
            connect_max,
        }
    }

    async fn dial(self, uri: Uri) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, BoxError> {
        // A literal address never reaches the resolver, so it is checked here.
        if literal(&uri).is_some_and(|address| !self.reach.allows(address)) {
            return Err(DialError::Denied.into());
        }
        let mut connector = self.connector;
        match tokio::time::timeout(self.connect_max, connector.call(uri)).await {
            Ok(connected) => connected,
            Err(_elapsed) => Err(DialError::Timeout.into()),
        }
    }
}

fn literal(uri: &Uri) -> Option<IpAddr> {
    let host = uri.host()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

impl Service<Uri> for Dialer {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pending<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// A resolver whose answers hold only addresses that may be dialled.
#[derive(Debug, Clone)]
struct CheckedResolver {
    lookup: Arc<dyn Lookup>,
    reach: Reach,
}

impl CheckedResolver {
    async fn resolve(self, name: String) -> Result<std::vec::IntoIter<SocketAddr>, DialError> {
        let mut addresses = self.lookup.lookup(name).await.map_err(DialError::Resolve)?;
        addresses.retain(|address| self.reach.allows(address.ip()));
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() {
            Err(DialError::Denied)
        } else {
            Ok(addresses.into_iter())
        }
    }
}

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = DialError;
    type Future = Pending<Result<Self::Response, DialError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().resolve(name.as_str().to_owned()))
    }
}

/// Says which of our failures is behind an error of the client library.
pub(crate) fn classify(error: ClientError) -> UpstreamError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut secured = true;
    // The chain is finite and short; the bound is for an error that names itself as its cause.
    for _ in 0..16 {
        let Some(current) = cause else { break };
        match current.downcast_ref::<DialError>() {
            Some(DialError::Denied) => return UpstreamError::AddressDenied,
            Some(DialError::Timeout) => return UpstreamError::ConnectTimeout,
            Some(DialError::Resolve(_)) => return UpstreamError::Resolve(Box::new(error)),
            None => {}
        }
        if let Some(io) = current.downcast_ref::<io::Error>() {
            secured &= !io
                .get_ref()
                .is_some_and(|inner| inner.is::<io::Error>() || inner.is::<rustls::Error>());
        }
        cause = current.source();
    }
    match (error.is_connect(), secured) {
        (true, false) => UpstreamError::Tls(Box::new(error)),
        (true, true) => UpstreamError::Connect(Box::new(error)),
        (false, _) => UpstreamError::Broken(Box::new(error)),
    }
}
