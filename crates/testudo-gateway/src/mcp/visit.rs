//! One HTTP request at a door: who comes, in which revision and session, and what it is.

use std::sync::Arc;

use axum::body::Body;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use testudo_bounded::json::Limits;
use testudo_dialects::mcp::{Message, MessageKind, Presented, Revision, check_mirrors, code, read_message};
use testudo_types::ExchangeId;

use super::delivery;
use super::fault::{Fault, bare};
use super::serve::{Serving, serve};
use super::server::Door;
use super::session::{Opening, Session};
use crate::auth::presented_key;
use crate::exchange::{collect, json_limits, plain_encoding, subject};
use crate::gateway::Gateway;
use crate::host::check;
use crate::keys::Caller;
use crate::limits::Estimate;
use crate::record::{Outcome, Record};
use crate::refusal::{Refusal, mark};
use crate::runtime::Runtime;
use crate::settings::{Asks, Price, Route};

const SESSION_HEADER: &str = "mcp-session-id";
const REVISION_HEADER: &str = "mcp-protocol-version";
/// The revision that had no such header: it says as much as none, and the session knows its own.
const NO_HEADER: &str = "2025-03-26";
const FREE: Price = Price {
    input_micros_per_mtok: 0,
    output_micros_per_mtok: 0,
};

/// A request whose caller is known.
pub(crate) struct Visit<'g> {
    pub(crate) gateway: &'g Gateway,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) door: Door,
    pub(crate) caller: Arc<Caller>,
    pub(crate) parts: Parts,
}

/// Answers one request at a door.
pub(crate) async fn handle(
    gateway: &Gateway,
    runtime: Arc<Runtime>,
    door: Door,
    id: ExchangeId,
    request: Request<Body>,
) -> Response<Body> {
    let mut record = Record::open(gateway.surroundings(), id);
    record.route = Some(door.route.name.clone());
    record.upstream = Some(door.route.upstream.clone());
    record.operation = "mcp";
    record.policy_digest = runtime.mcp.as_ref().map_or(runtime.digest, |servers| servers.digest);
    record.record_as(door.route.recording);
    let id = record.id.clone();
    let mut response = match arrive(gateway, runtime, door, request, &mut record) {
        Ok((visit, body)) => answer(visit, body, record).await,
        Err(fault) => refuse(fault, record).await,
    };
    mark(&mut response, &id);
    response
}

/// A refusal as the answer, once it is recorded as its route asks.
async fn refuse(fault: Fault, mut record: Record) -> Response<Body> {
    let response = fault.respond(None, &mut record);
    delivery::settled(response, record).await
}

fn arrive<'g>(
    gateway: &'g Gateway,
    runtime: Arc<Runtime>,
    door: Door,
    request: Request<Body>,
    record: &mut Record,
) -> Result<(Visit<'g>, Body), Fault> {
    let outside = |refusal: Refusal| Fault::http(refusal, code::INVALID_REQUEST);
    let (parts, body) = request.into_parts();
    check(parts.version, &parts.uri, &parts.headers, gateway.hosts()).map_err(|it| outside(it.into()))?;
    if parts.uri.query().is_some() {
        let why = "a door to MCP servers takes no query";
        return Err(Fault::bad_request(code::INVALID_REQUEST, "invalid_request", why));
    }
    let presented = presented_key(&parts.headers).map_err(|it| outside(it.into()))?;
    let caller = gateway.keys.authenticate(presented, gateway.clock.wall());
    let caller = caller.map_err(|it| outside(it.into()))?;
    record.principal = Some(caller.principal.clone());
    record.reserve().map_err(|it| outside(it.into()))?;
    record.subject = subject(&parts.headers).map_err(outside)?;
    if !door
        .servers
        .iter()
        .any(|server| caller.routes.covers(&server.route().name))
    {
        let refusal = Refusal::new(Outcome::Forbidden, 403, "forbidden", "this key may not use this server");
        return Err(Fault::http(refusal, 403));
    }
    let visit = Visit {
        gateway,
        runtime,
        door,
        caller,
        parts,
    };
    Ok((visit, body))
}

async fn answer(visit: Visit<'_>, body: Body, mut record: Record) -> Response<Body> {
    match visit.parts.method {
        Method::POST => post(visit, body, record).await,
        Method::GET => {
            record.operation = "mcp_listen";
            match visit.told_session() {
                Ok(session) if accepts(&visit.parts.headers, "text/event-stream") => {
                    delivery::listen(session, visit.reading(), record)
                }
                Ok(_) => {
                    let why = "a stream is asked for with `Accept: text/event-stream`";
                    let refusal = Refusal::new(Outcome::Refused, 406, "invalid_request", why);
                    refuse(Fault::http(refusal, code::INVALID_REQUEST), record).await
                }
                Err(fault) => refuse(fault, record).await,
            }
        }
        Method::DELETE => {
            record.operation = "mcp_end";
            match visit.told_session() {
                Ok(session) => {
                    visit.gateway.mcp().sessions.end(&session).await;
                    record.end(Outcome::Delivered);
                    record.status = 204;
                    delivery::settled(bare(StatusCode::NO_CONTENT), record).await
                }
                Err(fault) => refuse(fault, record).await,
            }
        }
        _ => {
            let why = "a door to MCP servers takes POST, GET and DELETE";
            let refusal = Refusal::new(Outcome::Refused, 405, "invalid_request", why);
            let mut response = refuse(Fault::http(refusal, code::INVALID_REQUEST), record).await;
            let allowed = HeaderValue::from_static("POST, GET, DELETE");
            response.headers_mut().insert(ALLOW, allowed);
            response
        }
    }
}

async fn post(visit: Visit<'_>, body: Body, mut record: Record) -> Response<Body> {
    let bytes = match visit.read(body, &mut record).await {
        Ok(bytes) => bytes,
        Err(fault) => return refuse(fault, record).await,
    };
    let limits = visit.json_limits();
    let message = match read_message(&bytes, &limits) {
        Ok(message) => message,
        Err(malformed) => return refuse(malformed.into(), record).await,
    };
    record.operation = operation(&message);
    let id = match &message.kind {
        MessageKind::Request { id, .. } => Some(id.clone()),
        MessageKind::Notification { .. } | MessageKind::Response { .. } => None,
    };
    let prepared = visit.prepare(&message, &mut record);
    let served = match prepared {
        Ok(session) => serve(&visit, &message, session, &mut record).await,
        Err(fault) => Err(fault),
    };
    match served {
        Ok(Serving::Message(answer)) => delivery::message(answer, record).await,
        Ok(Serving::Opened(session, answer)) => {
            let mut response = delivery::message(answer, record).await;
            if let Some(Ok(value)) = session.id.as_deref().map(HeaderValue::from_str) {
                response.headers_mut().insert(SESSION_HEADER, value);
            }
            response
        }
        Ok(Serving::Accepted) => {
            record.end(Outcome::Delivered);
            record.status = 202;
            delivery::settled(bare(StatusCode::ACCEPTED), record).await
        }
        Ok(Serving::Forwarded(forward)) => {
            let streams = accepts(&visit.parts.headers, "text/event-stream");
            delivery::forwarded(*forward, record, streams).await
        }
        Ok(Serving::Subscribed(session, id, wanted)) => {
            delivery::subscribed(session, &id, wanted, visit.reading(), record)
        }
        Err(fault) => {
            let response = fault.respond(id.as_ref(), &mut record);
            delivery::settled(response, record).await
        }
    }
}

/// The name under which a message is counted and recorded.
fn operation(message: &Message<'_>) -> &'static str {
    match message.method() {
        None => "mcp_response",
        Some("initialize") => "mcp_initialize",
        Some("server/discover") => "mcp_discover",
        Some("ping") => "mcp_ping",
        Some("tools/list") => "mcp_tools_list",
        Some("tools/call") => "mcp_tools_call",
        Some("resources/list" | "resources/templates/list") => "mcp_resources_list",
        Some("resources/read") => "mcp_resources_read",
        Some("resources/subscribe" | "resources/unsubscribe") => "mcp_resources_subscribe",
        Some("prompts/list") => "mcp_prompts_list",
        Some("prompts/get") => "mcp_prompts_get",
        Some("completion/complete") => "mcp_completion",
        Some("logging/setLevel") => "mcp_logging",
        Some("subscriptions/listen") => "mcp_listen",
        Some(method) if method.starts_with("notifications/") => "mcp_notification",
        Some(_) => "mcp_other",
    }
}

impl Visit<'_> {
    pub(crate) fn json_limits(&self) -> Limits {
        json_limits(&self.runtime, self.runtime.bounds().request_bytes_max)
    }

    /// What a stream needs to read what servers say in it.
    fn reading(&self) -> delivery::Reading {
        delivery::Reading {
            runtime: Arc::clone(&self.runtime),
            caller: Arc::clone(&self.caller),
            door: self.door.clone(),
            clock: Arc::clone(&self.gateway.clock),
            keys: Arc::clone(&self.gateway.keys),
        }
    }

    async fn read(&self, body: Body, record: &mut Record) -> Result<bytes::Bytes, Fault> {
        let outside = |refusal: Refusal| Fault::http(refusal, code::INVALID_REQUEST);
        let kind = self.parts.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let essence = kind.and_then(|it| it.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let why = "send one JSON message, with `Content-Type: application/json`";
            return Err(outside(Refusal::new(Outcome::Refused, 415, "invalid_request", why)));
        }
        plain_encoding(&self.parts.headers).map_err(outside)?;
        let bounds = *self.runtime.bounds();
        let bytes = collect(body, bounds.request_bytes_max, bounds.client_idle_ms).await;
        let bytes = bytes.map_err(outside)?;
        record.request_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        record.content.request(&bytes);
        Ok(bytes)
    }

    /// The headers that go with a message, and the session it belongs to; `None` for the message that opens one.
    fn prepare(&self, message: &Message<'_>, record: &mut Record) -> Result<Option<Arc<Session>>, Fault> {
        let header = |name: &str| presented(&self.parts.headers, name);
        let said = message.revision().map(std::borrow::Cow::into_owned);
        let in_header = match header(REVISION_HEADER) {
            Presented::Unsound => {
                let why = "the header `MCP-Protocol-Version` stands once";
                return Err(Fault::bad_request(code::HEADER_MISMATCH, "mcp_header", why));
            }
            Presented::One(value) => Some(value),
            Presented::Absent => None,
        };
        let sessionless =
            |name: &str| name != NO_HEADER && Revision::from_name(name).is_none_or(|it| !it.has_sessions());
        let modern = match (&said, in_header) {
            (Some(said), Some(value)) if said != value => {
                let why = "the header `MCP-Protocol-Version` and the body name different revisions";
                return Err(Fault::bad_request(code::HEADER_MISMATCH, "mcp_header", why));
            }
            (Some(_), None) => {
                let why = "the header `MCP-Protocol-Version` is missing";
                return Err(Fault::bad_request(code::HEADER_MISMATCH, "mcp_header", why));
            }
            (Some(said), Some(_)) if sessionless(said) => Some(said.as_str()),
            (None, Some(value)) if value != NO_HEADER && Revision::from_name(value).is_none() => {
                return Err(Fault::revision(value));
            }
            (None, Some(value)) if sessionless(value) && message.method().is_some() => {
                let why = "the message lacks `io.modelcontextprotocol/protocolVersion` in its `_meta`";
                return Err(Fault::bad_request(code::INVALID_PARAMS, "invalid_request", why));
            }
            _ => None,
        };
        check_mirrors(message, modern.is_some(), &header)?;
        let session = match modern {
            Some(name) if Revision::from_name(name).is_none() => return Err(Fault::revision(name)),
            Some(_) => Some(self.shared_session(message)?),
            None if message.method() == Some("initialize") => None,
            None => Some(self.told_session()?),
        };
        self.reserve(&self.door.route, record)?;
        Ok(session)
    }

    /// Counts the request against the limits of its key, and of a server's route.
    pub(crate) fn reserve(&self, route: &Route, record: &mut Record) -> Result<(), Fault> {
        let estimate = Estimate {
            input_tokens: 0,
            output_tokens: 0,
            price: Some(FREE),
        };
        let reserved = self.gateway.limiter.reserve(&self.caller, route, &estimate);
        record.reservation = Some(reserved.map_err(|it| Fault::http(it, 429))?);
        Ok(())
    }

    fn shared_session(&self, message: &Message<'_>) -> Result<Arc<Session>, Fault> {
        let capabilities = message.meta(testudo_dialects::mcp::META_CAPABILITIES);
        let capabilities = capabilities.ok_or_else(|| {
            let why = "the message lacks `io.modelcontextprotocol/clientCapabilities` in its `_meta`";
            Fault::bad_request(code::INVALID_PARAMS, "invalid_request", why)
        })?;
        let opening = self.opening(Revision::July2026, asks(capabilities));
        let now = self.gateway.clock.monotonic();
        self.gateway.mcp().sessions.shared(opening, now).ok_or_else(too_many)
    }

    pub(crate) fn opening(&self, revision: Revision, asks: Asks) -> Opening {
        Opening {
            key: self.caller.principal.key.clone(),
            door: self.door.path.clone(),
            revision,
            asks,
        }
    }

    /// The session that the header names.
    fn told_session(&self) -> Result<Arc<Session>, Fault> {
        let id = match presented(&self.parts.headers, SESSION_HEADER) {
            Presented::One(id) => id,
            Presented::Absent | Presented::Unsound => {
                let why = "the header `Mcp-Session-Id` is missing; begin with `initialize`";
                return Err(Fault::bad_request(code::INVALID_REQUEST, "mcp_session", why));
            }
        };
        let now = self.gateway.clock.monotonic();
        let found = self
            .gateway
            .mcp()
            .sessions
            .find(id, &self.caller.principal.key, &self.door.path, now);
        let session = found.ok_or_else(|| {
            let why = "there is no such session; begin with `initialize`";
            Fault::http(
                Refusal::new(Outcome::Refused, 404, "mcp_session", why),
                code::INVALID_REQUEST,
            )
        })?;
        if let Presented::One(revision) = presented(&self.parts.headers, REVISION_HEADER)
            && revision != session.revision.as_str()
            && revision != NO_HEADER
        {
            let why = "the header `MCP-Protocol-Version` names another revision than the session's";
            return Err(Fault::bad_request(code::INVALID_REQUEST, "mcp_revision", why));
        }
        Ok(session)
    }
}

pub(crate) fn too_many() -> Fault {
    let why = "too many sessions are open; end one, or wait until they are over";
    Fault::http(Refusal::new(Outcome::Limited, 429, "mcp_sessions", why), 429)
}

/// What a client's capabilities let a server ask.
pub(crate) fn asks(capabilities: testudo_bounded::json::Node<'_>) -> Asks {
    let has = |key: &str| capabilities.get(key).is_some_and(|it| !it.is_null());
    Asks {
        sampling: has("sampling"),
        elicitation: has("elicitation"),
        roots: has("roots"),
    }
}

/// What stands under one header name.
pub(crate) fn presented<'h>(headers: &'h HeaderMap, name: &str) -> Presented<'h> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Presented::Absent,
        (Some(value), None) => value.to_str().map_or(Presented::Unsound, Presented::One),
        (Some(_), Some(_)) => Presented::Unsound,
    }
}

fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    headers.get_all(ACCEPT).iter().any(|value| {
        value.to_str().is_ok_and(|text| {
            text.split(',')
                .filter_map(|it| it.split(';').next())
                .any(|it| it.trim().eq_ignore_ascii_case(kind))
        })
    })
}
