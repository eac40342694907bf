//! A server behind streamable HTTP.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use testudo_dialects::mcp::{MessageKind, Revision, read_message};
use testudo_dialects::sse::Decoder;

use super::{LinkError, Outgoing};
use crate::mcp::server::Server;
use crate::upstream::{ExactResponse, UpstreamBody, UpstreamError};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// An answer that says why a request is refused.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
const SESSION_BYTES_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct HttpWire {
    server: Arc<Server>,
    session: Mutex<Option<HeaderValue>>,
    over: AtomicBool,
}

impl HttpWire {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self {
            server,
            session: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn session(&self) -> Option<HeaderValue> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn headers(&self, outgoing: Option<&Outgoing>, revision: Revision) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let begins = outgoing.is_some_and(|it| it.method.as_ref() == "initialize");
        if !begins {
            headers.insert("mcp-protocol-version", HeaderValue::from_static(revision.as_str()));
        }
        if let Some(session) = self.session() {
            headers.insert(SESSION, session);
        }
        let Some(outgoing) = outgoing.filter(|_| !revision.has_sessions()) else {
            return headers;
        };
        let mut put = |name: &str, value: &str| {
            let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&in_header(value))) {
                headers.insert(name, value);
            }
        };
        put("mcp-method", &outgoing.method);
        if let Some(name) = &outgoing.name {
            put("mcp-name", name);
        }
        for (name, value) in &outgoing.mirrored {
            put(&format!("mcp-param-{name}"), value);
        }
        headers
    }

    /// Sends one message; what is no request has no replies.
    pub(super) async fn post(
        &self,
        bytes: Bytes,
        outgoing: Option<&Outgoing>,
        revision: Revision,
    ) -> Result<HttpReplies, LinkError> {
        let client = self.server.client()?;
        let headers = self.headers(outgoing, revision);
        let response = client.send(Method::POST, headers, bytes, false).await?;
        if response.status == StatusCode::NOT_FOUND && self.session().is_some() {
            self.over.store(true, Ordering::Release);
            return Err(LinkError::SessionOver);
        }
        if !response.status.is_success() {
            return self.refused(response).await;
        }
        if revision.has_sessions() {
            self.adopt(&response.headers);
        }
        if response.status == StatusCode::ACCEPTED || response.status == StatusCode::NO_CONTENT {
            return Ok(HttpReplies::None);
        }
        self.replies(response).await
    }

    fn adopt(&self, headers: &HeaderMap) {
        let Some(session) = headers.get(SESSION).filter(|it| it.len() <= SESSION_BYTES_MAX) else {
            return;
        };
        let mut kept = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            let mut session = session.clone();
            session.set_sensitive(true);
            *kept = Some(session);
        }
    }

    async fn replies(&self, response: ExactResponse) -> Result<HttpReplies, LinkError> {
        let kind = response.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let essence = kind.and_then(|it| it.split(';').next()).unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("text/event-stream") {
            return Ok(HttpReplies::Stream {
                body: response.body,
                decoder: Decoder::new(self.server.limits.bytes_max),
            });
        }
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(LinkError::Unreadable);
        }
        let body = whole(response.body, self.server.limits.bytes_max).await?;
        Ok(HttpReplies::One(Some(body)))
    }

    /// A refusal may say why in a message of its own.
    async fn refused(&self, response: ExactResponse) -> Result<HttpReplies, LinkError> {
        let status = response.status.as_u16();
        let Ok(body) = whole(response.body, REFUSAL_BYTES_MAX).await else {
            return Err(LinkError::Status(status));
        };
        let says_why = read_message(&body, &self.server.limits)
            .is_ok_and(|message| matches!(message.kind, MessageKind::Response { failed: true, .. }));
        if says_why {
            Ok(HttpReplies::One(Some(body)))
        } else {
            Err(LinkError::Status(status))
        }
    }

    pub(super) async fn listen(&self, revision: Revision) -> Option<HttpReplies> {
        let client = self.server.client().ok()?;
        let mut headers = self.headers(None, revision);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.remove(CONTENT_TYPE);
        let response = client.send(Method::GET, headers, Bytes::new(), true).await.ok()?;
        match self.replies(response).await {
            Ok(replies @ HttpReplies::Stream { .. }) => Some(replies),
            _ => None,
        }
    }

    pub(super) async fn end(&self, revision: Revision) {
        if self.session().is_none() || self.is_over() {
            return;
        }
        if let Ok(client) = self.server.client() {
            let headers = self.headers(None, revision);
            let _ended = client.send(Method::DELETE, headers, Bytes::new(), false).await;
        }
    }
}

async fn whole(body: UpstreamBody, bytes_max: usize) -> Result<Bytes, LinkError> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => match error.downcast::<UpstreamError>() {
            Ok(error) => Err(LinkError::Upstream(*error)),
            Err(_too_large) => Err(LinkError::Unreadable),
        },
    }
}

/// A value as a header may carry it.
fn in_header(value: &str) -> String {
    let plain = value.bytes().all(|b| (0x20..=0x7e).contains(&b))
        && value.trim() == value
        && !(value.starts_with("=?base64?") && value.ends_with("?="));
    if plain {
        value.to_owned()
    } else {
        format!("=?base64?{}?=", STANDARD.encode(value))
    }
}

#[derive(Debug)]
pub(crate) enum HttpReplies {
    None,
    One(Option<Bytes>),
    Stream { body: UpstreamBody, decoder: Decoder },
}

impl HttpReplies {
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, LinkError> {
        let (body, decoder) = match self {
            Self::None => return Ok(None),
            Self::One(one) => return Ok(one.take()),
            Self::Stream { body, decoder } => (body, decoder),
        };
        loop {
            let event = decoder.next().map_err(|_| LinkError::Unreadable)?;
            if let Some(event) = event {
                let named = event.name.as_deref().is_none_or(|name| name == "message");
                match event.data {
                    // An event without data only names a place in the stream.
                    Some(data) if named && event.complete && !data.is_empty() => return Ok(Some(Bytes::from(data))),
                    _ => continue,
                }
            }
            match body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        decoder.push(&data);
                    }
                }
                None => return Ok(None),
            }
        }
    }
}
