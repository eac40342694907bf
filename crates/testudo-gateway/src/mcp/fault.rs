//! Why a message is not served, as JSON-RPC says it.

use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::json;
use testudo_dialects::mcp::{HeaderMismatch, Malformed, RequestId, Revision, code};

use super::link::LinkError;
use crate::record::{Outcome, Record};
use crate::refusal::Refusal;

/// A refusal with its code, and whether HTTP says it, too.
#[derive(Debug)]
pub(crate) struct Fault {
    refusal: Box<Refusal>,
    code: i64,
    /// Where it is `None`, HTTP says 200 and the message says the rest.
    status: Option<u16>,
    data: Option<serde_json::Value>,
}

impl Fault {
    /// A fault of the request as HTTP has it.
    pub(crate) fn http(refusal: impl Into<Refusal>, code: i64) -> Self {
        let refusal = Box::new(refusal.into());
        Self {
            code,
            status: Some(refusal.problem().status),
            refusal,
            data: None,
        }
    }

    /// An answer to a request that was read: its code is the HTTP status that would say the same, which is outside
    /// of what JSON-RPC reserves.
    pub(crate) fn answer(refusal: impl Into<Refusal>) -> Self {
        let refusal = Box::new(refusal.into());
        Self {
            code: i64::from(refusal.problem().status),
            status: None,
            refusal,
            data: None,
        }
    }

    /// An answer with a code of the protocol.
    pub(crate) fn coded(code: i64, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            status: None,
            refusal: Box::new(Refusal::new(Outcome::Refused, 400, reason, message)),
            data: None,
        }
    }

    pub(crate) fn bad_request(code: i64, reason: &'static str, message: impl Into<String>) -> Self {
        Self::http(Refusal::new(Outcome::Refused, 400, reason, message), code)
    }

    /// The revision is not spoken here.
    pub(crate) fn revision(requested: &str) -> Self {
        let shown: String = requested.chars().filter(|c| c.is_ascii_graphic()).take(32).collect();
        let mut fault = Self::bad_request(
            code::UNSUPPORTED_REVISION,
            "mcp_revision",
            "this protocol revision is not spoken here",
        );
        fault.data = Some(json!({"supported": Revision::ALL.map(Revision::as_str), "requested": shown}));
        fault
    }

    /// No method of that name; revisions without sessions say so in HTTP.
    pub(crate) fn no_method(modern: bool) -> Self {
        let refusal = Refusal::new(Outcome::Refused, 404, "mcp_method", "this method is not served here");
        let mut fault = Self::http(refusal, code::METHOD_NOT_FOUND);
        if !modern {
            fault.status = None;
        }
        fault
    }

    /// What the caller is told.
    pub(crate) fn message(&self) -> &str {
        &self.refusal.problem().message
    }

    /// Tells the record and writes the answer; without an id it answers nothing in particular.
    pub(crate) fn respond(self, id: Option<&RequestId>, record: &mut Record) -> Response<Body> {
        let body = self.body(id, record);
        let status = self.status.unwrap_or(200);
        self.refusal.respond_with(status, body, record)
    }

    /// Tells the record and gives the message.
    pub(crate) fn end(&self, id: Option<&RequestId>, record: &mut Record) -> String {
        let body = self.body(id, record);
        self.refusal.tell(self.status.unwrap_or(200), record);
        body
    }

    fn body(&self, id: Option<&RequestId>, record: &Record) -> String {
        let problem = self.refusal.problem();
        let mut data = json!({"reason": problem.code, "exchange": record.id.as_str()});
        if let (Some(data), Some(serde_json::Value::Object(more))) = (data.as_object_mut(), &self.data) {
            data.extend(more.clone());
        }
        if let (Some(data), Some(id)) = (data.as_object_mut(), self.refusal.approval()) {
            data.insert("approval_id".to_owned(), json!(id.as_str()));
        }
        let error = json!({"code": self.code, "message": problem.message, "data": data});
        let id = id.map_or("null", RequestId::as_json);
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::bad_request(malformed.code(), "invalid_request", malformed.to_string())
    }
}

impl From<HeaderMismatch> for Fault {
    fn from(mismatch: HeaderMismatch) -> Self {
        Self::bad_request(code::HEADER_MISMATCH, "mcp_header", mismatch.to_string())
    }
}

impl From<LinkError> for Fault {
    fn from(error: LinkError) -> Self {
        let mut refusal = Refusal::new(Outcome::UpstreamFailed, error.status(), "mcp_server", error.to_string());
        refusal.because(error.class());
        Self::answer(refusal)
    }
}

/// For refusals of requests that were read: the message says it, and HTTP says 200.
impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::answer(refusal)
    }
}

/// An answer without a body.
pub(crate) fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
