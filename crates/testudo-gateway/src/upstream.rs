//! The client of one model service: its origin, its credential, its deadlines, and nothing a caller can redirect.

mod address;
mod authorities;
mod body;
mod dial;
mod error;
mod exact;
mod headers;
mod target;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use testudo_dialects::Family;
use testudo_policy::Permit;
use thiserror::Error;
use tokio::time::Instant;

use self::address::Reach;
use self::body::{BodyBounds, Source};
use self::dial::{Dialer, Lookup, SystemLookup};
use self::target::Base;
use crate::practice;
use crate::settings::{Timeouts, UpstreamBase, UpstreamSettings};

pub use self::authorities::{Authorities, AuthoritiesProblem};
pub use self::body::UpstreamBody;
pub use self::error::{Fault, UpstreamError};
pub(crate) use self::exact::{ExactClient, ExactResponse};
pub use self::target::BaseProblem;

/// Attempts at most, whatever the configuration says.
const ATTEMPTS_MAX: u32 = 5;
/// Waiting before the second attempt; doubled before each further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Connections kept open for the next request.
const IDLE_CONNECTIONS_MAX: usize = 256;
const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(60);
/// HTTP/2 flow control: what one stream and all streams of a connection may have unread, in bytes.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const HEADER_BYTES_MAX: u32 = 64 << 10;

/// Sends requests to one upstream, in process in practice mode.
pub struct UpstreamClient {
    settings: Arc<UpstreamSettings>,
    response_bytes_max: usize,
    wire: Wire,
}

enum Wire {
    Network {
        base: Base,
        client: Box<Client<Dialer, Full<Bytes>>>,
        credential: Option<(HeaderName, HeaderValue)>,
    },
    Practice,
}

/// The head of an answer with the headers that may pass on, and the body as it arrives.
#[derive(Debug)]
pub struct UpstreamResponse {
    pub status: StatusCode,
    /// Already reduced to what a client may see; drop `content-length` when the body is edited.
    pub headers: HeaderMap,
    pub body: UpstreamBody,
    /// How many attempts it took, 1 or more.
    pub attempts: u32,
}

/// Why no client can be made from the settings.
#[derive(Debug, Error)]
pub enum ClientProblem {
    #[error("upstream `{name}`: {problem}")]
    Base { name: String, problem: BaseProblem },
    #[error("upstream `{name}`: http is for private networks only; use https, or set allow_private = true")]
    Plaintext { name: String },
    #[error(
        "upstream `{name}`: the secret holds characters that no header may carry; check for a line break at its end"
    )]
    Secret { name: String },
    #[error("upstream `{name}`: the TLS library refused the configuration")]
    Tls {
        name: String,
        #[source]
        source: rustls::Error,
    },
}

impl UpstreamClient {
    /// A client with its own connection pool, for answers of at most `response_bytes_max`; nothing is dialled yet.
    ///
    /// # Errors
    /// The setting that cannot be used; the operator has to correct it.
    pub fn new(settings: Arc<UpstreamSettings>, response_bytes_max: usize) -> Result<Self, ClientProblem> {
        Self::with_lookup(settings, response_bytes_max, Arc::new(SystemLookup))
    }

    fn with_lookup(
        settings: Arc<UpstreamSettings>,
        response_bytes_max: usize,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, ClientProblem> {
        let name = || settings.name.to_string();
        let wire = match &settings.base {
            UpstreamBase::Practice => Wire::Practice,
            UpstreamBase::Url(url) => {
                let base = Base::new(url).map_err(|problem| ClientProblem::Base { name: name(), problem })?;
                if base.is_plaintext() && !settings.allow_private {
                    return Err(ClientProblem::Plaintext { name: name() });
                }
                let reach = if settings.allow_private {
                    Reach::Private
                } else {
                    Reach::Public
                };
                let connect_max = Duration::from_millis(settings.timeouts.connect_ms);
                let dialer = Dialer::new(tls_config(&settings)?, lookup, reach, connect_max);
                Wire::Network {
                    base,
                    client: Box::new(pool(dialer)),
                    credential: credential(&settings)?,
                }
            }
        };
        Ok(Self {
            settings,
            response_bytes_max,
            wire,
        })
    }

    /// Forwards one permitted request and returns when the answer's head is there.
    ///
    /// Of `request`, the method, path, query, body and the allow-listed headers are used; host,
    /// scheme and credential are the upstream's own. Dropping the future, or the body of the
    /// answer, closes the exchange. Only failures before a connection stood are tried again.
    ///
    /// # Errors
    /// See [`UpstreamError`]; [`UpstreamError::fault`] says whose doing it is. Statuses of the
    /// 4xx and 5xx classes are answers, not errors.
    pub async fn send(&self, permit: Permit, request: Request<Bytes>) -> Result<UpstreamResponse, UpstreamError> {
        let answer = self.forward(request).await;
        // Spent: one permit forwards once.
        drop(permit);
        answer
    }

    async fn forward(&self, request: Request<Bytes>) -> Result<UpstreamResponse, UpstreamError> {
        let timeouts = self.settings.timeouts;
        let total_at = after(Instant::now(), Duration::from_millis(timeouts.total_ms));
        let (base, client, credential) = match &self.wire {
            Wire::Practice => return Ok(self.practise(&request, total_at)),
            Wire::Network {
                base,
                client,
                credential,
            } => (base, client, credential),
        };
        let (parts, body) = request.into_parts();
        let uri = base.join(&parts.uri)?;
        let mut headers = headers::to_upstream(&parts.headers);
        if let Some((name, value)) = credential {
            headers.insert(name.clone(), value.clone());
        }
        let attempts_max = self.settings.retries_max.saturating_add(1).min(ATTEMPTS_MAX);
        let mut backoff = BACKOFF_FIRST;
        let mut attempts: u32 = 1;
        loop {
            let mut outgoing = Request::new(Full::new(body.clone()));
            *outgoing.method_mut() = parts.method.clone();
            *outgoing.uri_mut() = uri.clone();
            *outgoing.headers_mut() = headers.clone();
            let attempt = attempt(client, outgoing, timeouts);
            match tokio::time::timeout_at(total_at, attempt).await {
                Err(_elapsed) => return Err(UpstreamError::TotalTimeout),
                Ok(Ok(response)) => return self.accept(response, total_at, attempts),
                Ok(Err(error)) if error.retriable() && attempts < attempts_max => {
                    tokio::time::sleep_until(after(Instant::now(), backoff).min(total_at)).await;
                    backoff = backoff.saturating_mul(2);
                    attempts = attempts.saturating_add(1);
                }
                Ok(Err(error)) => return Err(error),
            }
        }
    }

    /// Judges the head of an answer.
    fn accept(
        &self,
        response: Response<Incoming>,
        total_at: Instant,
        attempts: u32,
    ) -> Result<UpstreamResponse, UpstreamError> {
        let (parts, incoming) = response.into_parts();
        if parts.status.is_redirection() {
            return Err(UpstreamError::Redirect(parts.status.as_u16()));
        }
        if parts.status.is_informational() {
            return Err(UpstreamError::Broken("the upstream switched protocols".into()));
        }
        headers::check_encoding(&parts.headers)?;
        let announced = parts
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.parse::<u64>().ok());
        let limit_bytes = self.response_bytes_max;
        if announced.is_some_and(|bytes| usize::try_from(bytes).map_or(true, |bytes| bytes > limit_bytes)) {
            return Err(UpstreamError::TooLarge { limit_bytes });
        }
        Ok(UpstreamResponse {
            status: parts.status,
            headers: headers::to_client(&parts.headers),
            body: UpstreamBody::new(Source::Network(incoming), self.body_bounds(total_at)),
            attempts,
        })
    }

    fn practise(&self, request: &Request<Bytes>, total_at: Instant) -> UpstreamResponse {
        let answer = practice::answer(
            self.settings.family,
            request.method(),
            request.uri().path(),
            request.body(),
        );
        let (parts, body) = answer.into_parts();
        UpstreamResponse {
            status: parts.status,
            headers: parts.headers,
            body: UpstreamBody::new(Source::Practice(body), self.body_bounds(total_at)),
            attempts: 1,
        }
    }

    fn body_bounds(&self, total_at: Instant) -> BodyBounds {
        BodyBounds {
            idle_max: Duration::from_millis(self.settings.timeouts.idle_ms),
            total_at,
            bytes_max: self.response_bytes_max,
        }
    }
}

impl fmt::Debug for UpstreamClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamClient")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// One attempt: a connection within `connect_ms`, then an answer's head within `first_byte_ms`.
async fn attempt(
    client: &Client<Dialer, Full<Bytes>>,
    mut request: Request<Full<Bytes>>,
    timeouts: Timeouts,
) -> Result<Response<Incoming>, UpstreamError> {
    let mut connection = capture_connection(&mut request);
    let mut answer = std::pin::pin!(client.request(request));
    let connected = async { drop(connection.wait_for_connection_metadata().await) };
    let first = tokio::time::timeout(Duration::from_millis(timeouts.connect_ms), async {
        tokio::select! {
            biased;
            answer = &mut answer => Some(answer),
            () = connected => None,
        }
    });
    match first.await {
        Err(_elapsed) => Err(UpstreamError::ConnectTimeout),
        Ok(Some(answer)) => answer.map_err(dial::classify),
        Ok(None) => match tokio::time::timeout(Duration::from_millis(timeouts.first_byte_ms), answer).await {
            Err(_elapsed) => Err(UpstreamError::FirstByteTimeout),
            Ok(answer) => answer.map_err(dial::classify),
        },
    }
}

fn pool(dialer: Dialer) -> Client<Dialer, Full<Bytes>> {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(10));
    builder.build(dialer)
}

/// The header that authenticates at the provider; marked sensitive so that no log prints it.
fn credential(settings: &UpstreamSettings) -> Result<Option<(HeaderName, HeaderValue)>, ClientProblem> {
    let Some(secret) = &settings.secret else {
        return Ok(None);
    };
    let (name, value) = match settings.family {
        Family::OpenAi => (
            AUTHORIZATION,
            HeaderValue::from_bytes(&[b"Bearer ", secret.expose()].concat()),
        ),
        Family::Anthropic => (
            HeaderName::from_static("x-api-key"),
            HeaderValue::from_bytes(secret.expose()),
        ),
    };
    let mut value = value.map_err(|_invalid| ClientProblem::Secret {
        name: settings.name.to_string(),
    })?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

fn tls_config(settings: &UpstreamSettings) -> Result<ClientConfig, ClientProblem> {
    let refused = |source| ClientProblem::Tls {
        name: settings.name.to_string(),
        source,
    };
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(authorities) = &settings.authorities {
        authorities.add_to(&mut roots).map_err(refused)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn after(start: Instant, wait: Duration) -> Instant {
    // A deadline too far away to be represented is a deadline in a year.
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    start.checked_add(wait.min(YEAR)).unwrap_or(start)
}
