//! The admin listener: is it alive, is it ready, what does it count, what waits for a person. Nothing else, and never
//! on the data listener.

mod page;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use aws_lc_rs::{hmac, rand};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use testudo_types::Secret;

pub use self::page::{APPROVAL_PATHS, ApprovalPage};

use crate::keys::KeyRing;
use crate::metrics::Metrics;

/// Every path of the admin listener for machines; the data listener must know none of them, nor of
/// [`APPROVAL_PATHS`].
pub const ADMIN_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

const TOKEN_BYTES_MIN: usize = 32;
const TOKEN_BYTES_MAX: usize = 512;

/// Whether requests are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyState {
    /// No configuration was sound yet.
    Starting,
    Accepting,
    /// A new configuration was refused; the one before it is still in use.
    AcceptingPrevious,
    /// Running exchanges finish, new ones go elsewhere.
    Draining,
}

/// Whether exchanges can be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerState {
    Writable,
    /// They go on without entries on every route.
    Degraded,
    /// Some routes refuse them.
    Blocked,
}

/// Asked by `/readyz` and `/metrics`: how the ledger is doing.
pub type LedgerCheck = Arc<dyn Fn() -> LedgerState + Send + Sync>;

/// Shared between those who change the state and `/readyz`.
#[derive(Debug)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// Starting.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Says what the state is now; draining is for good.
    pub fn set(&self, state: ReadyState) {
        let next = match state {
            ReadyState::Starting => 0,
            ReadyState::Accepting => 1,
            ReadyState::AcceptingPrevious => 2,
            ReadyState::Draining => DRAINING,
        };
        // A reload that ends during the drain must not call for new requests.
        let _unchanged = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            (now != DRAINING).then_some(next)
        });
    }

    /// What the state is now.
    #[must_use]
    pub fn state(&self) -> ReadyState {
        match self.0.load(Ordering::Acquire) {
            1 => ReadyState::Accepting,
            2 => ReadyState::AcceptingPrevious,
            DRAINING => ReadyState::Draining,
            _ => ReadyState::Starting,
        }
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

const DRAINING: u8 = 3;

/// Why the admin listener does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdminRefused {
    #[error("the admin address `{0}` is not loopback and there is no admin token; set one, or listen on 127.0.0.1")]
    TokenMissing(SocketAddr),
    #[error(
        "the token has {found} bytes; it must have {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} printable ASCII characters without spaces"
    )]
    TokenWeak { found: usize },
    #[error("the system gave no random bytes; try again")]
    Random,
}

/// Who may read the admin endpoints.
#[derive(Debug)]
pub struct AdminAccess {
    /// Without a token everyone who reaches the loopback address.
    token: Option<TokenHash>,
}

impl AdminAccess {
    /// Checks that an address that others can reach has a token; a token is asked for on loopback as well.
    ///
    /// # Errors
    /// When the token is missing or too weak.
    pub fn for_listener(address: SocketAddr, token: Option<&Secret>) -> Result<Self, AdminRefused> {
        match token {
            None if !address.ip().to_canonical().is_loopback() => Err(AdminRefused::TokenMissing(address)),
            None => Ok(Self { token: None }),
            Some(token) => Ok(Self {
                token: Some(TokenHash::new(token)?),
            }),
        }
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .is_some_and(|(scheme, presented)| scheme.eq_ignore_ascii_case("bearer") && token.is(presented))
    }
}

/// Checks that a token of an approver is one that nobody guesses.
///
/// # Errors
/// When it is too short, too long, or has other than printable ASCII characters.
pub fn approver_token(token: &Secret) -> Result<(), AdminRefused> {
    TokenHash::new(token).map(|_| ())
}

/// The token's keyed hash under a key that lives as long as the process.
struct TokenHash {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl TokenHash {
    fn new(token: &Secret) -> Result<Self, AdminRefused> {
        let bytes = token.expose();
        let sound =
            bytes.iter().all(u8::is_ascii_graphic) && (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&bytes.len());
        if !sound {
            return Err(AdminRefused::TokenWeak { found: bytes.len() });
        }
        let mut random = [0; 32];
        rand::fill(&mut random).map_err(|_| AdminRefused::Random)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random);
        let tag = hmac::sign(&key, bytes);
        Ok(Self { key, tag })
    }

    fn is(&self, presented: &str) -> bool {
        presented.len() <= TOKEN_BYTES_MAX && hmac::verify(&self.key, presented.as_bytes(), self.tag.as_ref()).is_ok()
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash([redacted])")
    }
}

/// Says whether a request's `Host` and `Origin` are accepted, as on the data listener; `Err` is the status to answer.
pub type HostCheck = Arc<dyn Fn(&Parts) -> Result<(), StatusCode> + Send + Sync>;

/// What the admin endpoints need.
#[derive(Clone)]
pub struct AdminState {
    pub access: Arc<AdminAccess>,
    pub host_check: HostCheck,
    pub readiness: Arc<Readiness>,
    pub metrics: Arc<Metrics>,
    pub keys: Arc<KeyRing>,
    pub ledger: LedgerCheck,
    pub page: ApprovalPage,
}

impl std::fmt::Debug for AdminState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminState")
            .field("access", &self.access)
            .field("readiness", &self.readiness)
            .finish_non_exhaustive()
    }
}

/// The admin endpoints; host and token are checked before anything else, unknown paths included.
pub fn router(state: AdminState) -> Router {
    let [health, ready, metrics] = ADMIN_PATHS;
    Router::new()
        .route(health, get(|| async { plain(StatusCode::OK, "alive\n") }))
        .route(ready, get(is_ready))
        .route(metrics, get(render))
        .merge(page::routes())
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "not found\n") })
        .method_not_allowed_fallback(|| async {
            plain(StatusCode::METHOD_NOT_ALLOWED, "this method is not answered here\n")
        })
        .layer(from_fn_with_state(state.clone(), guard))
        .with_state(state)
}

async fn guard(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(status) = (state.host_check)(&parts) {
        return plain(status, "this host or origin is not accepted here\n");
    }
    // Approvers have tokens of their own, which the page asks for.
    if state.page.guards(parts.uri.path()) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    if !state.access.admits(&parts.headers) {
        let body = plain(
            StatusCode::UNAUTHORIZED,
            "send the admin token as `Authorization: Bearer …`\n",
        );
        return ([(WWW_AUTHENTICATE, "Bearer")], body).into_response();
    }
    if page::is_part(parts.uri.path()) {
        return plain(StatusCode::NOT_FOUND, "no approver has a token, so there is no page\n");
    }
    next.run(Request::from_parts(parts, body)).await
}

async fn is_ready(State(state): State<AdminState>) -> Response {
    if !state.keys.is_current() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "keys cannot be checked\n");
    }
    let ledger = (state.ledger)();
    if ledger == LedgerState::Blocked {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the ledger cannot be written\n");
    }
    match state.readiness.state() {
        ReadyState::Accepting if ledger == LedgerState::Degraded => plain(
            StatusCode::OK,
            "ready; the ledger cannot be written and exchanges are not recorded\n",
        ),
        ReadyState::Starting => plain(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        ReadyState::Accepting => plain(StatusCode::OK, "ready\n"),
        ReadyState::AcceptingPrevious => plain(
            StatusCode::OK,
            "ready; the last configuration was refused and the one before it is in use\n",
        ),
        ReadyState::Draining => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn render(State(state): State<AdminState>) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
    ];
    // Brings the ledger's gauges up to date.
    let _state = (state.ledger)();
    (headers, state.metrics.render()).into_response()
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}

#[cfg(test)]
mod tests;
