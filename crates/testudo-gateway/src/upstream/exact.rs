//! A client of exactly one address: an MCP server's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use tokio::time::Instant;
use url::Url;

use super::address::Reach;
use super::body::{BodyBounds, Source};
use super::dial::{Dialer, SystemLookup};
use super::target::origin;
use super::{
    BaseProblem, ClientProblem, UpstreamBody, UpstreamError, after, attempt, credential, headers, pool, tls_config,
};
use crate::settings::{Timeouts, UpstreamBase, UpstreamSettings};

/// Sends to one address, which no request can change.
pub(crate) struct ExactClient {
    uri: Uri,
    client: Client<Dialer, Full<Bytes>>,
    credential: Option<(HeaderName, HeaderValue)>,
    timeouts: Timeouts,
    bytes_max: usize,
}

/// An answer whose head has arrived.
#[derive(Debug)]
pub(crate) struct ExactResponse {
    pub(crate) status: StatusCode,
    /// As the server sent them; none of them goes to a client.
    pub(crate) headers: HeaderMap,
    pub(crate) body: UpstreamBody,
}

impl ExactClient {
    /// Nothing is dialled yet.
    ///
    /// # Errors
    /// The setting that cannot be used.
    pub(crate) fn new(settings: &UpstreamSettings, bytes_max: usize) -> Result<Self, ClientProblem> {
        let base = |problem| ClientProblem::Base {
            name: settings.name.to_string(),
            problem,
        };
        let UpstreamBase::Url(url) = &settings.base else {
            return Err(base(BaseProblem::Scheme));
        };
        let uri = address(url).map_err(base)?;
        if uri.scheme() == Some(&Scheme::HTTP) && !settings.allow_private {
            return Err(ClientProblem::Plaintext {
                name: settings.name.to_string(),
            });
        }
        let reach = if settings.allow_private {
            Reach::Private
        } else {
            Reach::Public
        };
        let connect_max = Duration::from_millis(settings.timeouts.connect_ms);
        let dialer = Dialer::new(tls_config(settings)?, Arc::new(SystemLookup), reach, connect_max);
        Ok(Self {
            uri,
            client: pool(dialer),
            credential: credential(settings)?,
            timeouts: settings.timeouts,
            bytes_max,
        })
    }

    /// Sends one request and returns when the answer's head is there; `endless` answers have no total deadline.
    pub(crate) async fn send(
        &self,
        method: Method,
        mut given: HeaderMap,
        body: Bytes,
        endless: bool,
    ) -> Result<ExactResponse, UpstreamError> {
        let total_ms = if endless { u64::MAX } else { self.timeouts.total_ms };
        let total_at = after(Instant::now(), Duration::from_millis(total_ms));
        given.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        given.remove(AUTHORIZATION);
        if let Some((name, value)) = &self.credential {
            given.insert(name.clone(), value.clone());
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = given;
        let attempt = attempt(&self.client, request, self.timeouts);
        let response = tokio::time::timeout_at(total_at, attempt)
            .await
            .map_err(|_elapsed| UpstreamError::TotalTimeout)??;
        let (parts, incoming) = response.into_parts();
        if parts.status.is_redirection() {
            return Err(UpstreamError::Redirect(parts.status.as_u16()));
        }
        headers::check_encoding(&parts.headers)?;
        let idle_ms = if endless { u64::MAX } else { self.timeouts.idle_ms };
        let bounds = BodyBounds {
            idle_max: Duration::from_millis(idle_ms),
            total_at,
            bytes_max: if endless { usize::MAX } else { self.bytes_max },
        };
        Ok(ExactResponse {
            status: parts.status,
            headers: parts.headers,
            body: UpstreamBody::new(Source::Network(incoming), bounds),
        })
    }
}

fn address(url: &Url) -> Result<Uri, BaseProblem> {
    let (scheme, authority) = origin(url)?;
    let path: PathAndQuery = url.path().parse().map_err(|_not_a_path| BaseProblem::Host)?;
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|_not_an_address| BaseProblem::Host)
}

impl fmt::Debug for ExactClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactClient").finish_non_exhaustive()
    }
}
