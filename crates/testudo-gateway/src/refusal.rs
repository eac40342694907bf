//! Why an exchange stops here, and the answer the client gets in its own dialect.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use testudo_dialects::{Family, Problem, Refused, problem_body};
use testudo_types::{Decision, ExchangeId};

use crate::approvals::ApprovalId;
use crate::auth::AuthError;
use crate::guard::FindingLog;
use crate::host::HostRefusal;
use crate::ledger::Unrecorded;
use crate::limits::LimitExceeded;
use crate::record::{Outcome, Record};
use crate::upstream::{Fault, UpstreamError};

/// The header that names the exchange in every answer.
pub const EXCHANGE_HEADER: &str = "x-testudo-exchange";

/// The header in which a client names the person that an exchange is about; never forwarded.
pub const SUBJECT_HEADER: &str = "testudo-subject";

/// The header that names the approval which an answer waits for.
pub const APPROVAL_HEADER: &str = "x-testudo-approval";

/// How soon to ask again; official libraries wait so long and try again by themselves.
const APPROVAL_RETRY_S: u64 = 15;

/// An exchange that ends without an answer from the upstream.
#[derive(Debug)]
pub(crate) struct Refusal {
    outcome: Outcome,
    problem: Problem,
    retry_after_s: Option<u64>,
    detail: &'static str,
    /// What has to be approved first.
    approval: Option<Box<ApprovalId>>,
}

impl Refusal {
    pub(crate) fn new(outcome: Outcome, status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let problem = Problem {
            status,
            code,
            message: message.into(),
            param: None,
        };
        Self {
            outcome,
            problem,
            retry_after_s: None,
            detail: code,
            approval: None,
        }
    }

    pub(crate) fn no_route() -> Self {
        Self::new(
            Outcome::Refused,
            404,
            "not_found",
            "no route takes this method and path; see `testudo check` for the routes of this gateway",
        )
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            Outcome::Refused,
            413,
            "too_large",
            format!("the request body is larger than {limit} bytes; send less, or raise bounds.request_bytes"),
        )
    }

    pub(crate) fn blocked(decision: Option<&Decision>, findings: &FindingLog) -> Self {
        Self::new(Outcome::Blocked, 403, "content_blocked", findings.why_blocked(decision))
    }

    pub(crate) fn forbidden(decision: &Decision) -> Self {
        let message = decision
            .reasons
            .first()
            .map_or_else(|| "no policy permits this".to_owned(), |reason| reason.0.to_string());
        Self::new(Outcome::Forbidden, 403, "forbidden", message)
    }

    /// The ledger cannot take what the route wants recorded.
    pub(crate) fn unrecorded() -> Self {
        let mut refusal = Self::new(
            Outcome::Unrecorded,
            503,
            "unrecorded",
            "this cannot be recorded now, and what is not recorded does not pass here; try again later",
        );
        refusal.retry_after_s = Some(1);
        refusal
    }

    /// A call of the answer waits for a person.
    pub(crate) fn approval_required(id: &ApprovalId) -> Self {
        let why =
            format!("a call of this answer waits for approval {id}; send the same request again once it is approved");
        Self::waits(id, why)
    }

    /// A call itself waits for a person.
    pub(crate) fn call_waits(id: &ApprovalId) -> Self {
        let why = format!("this call waits for approval {id}; make the same call again once it is approved");
        Self::waits(id, why)
    }

    fn waits(id: &ApprovalId, why: String) -> Self {
        let mut refusal = Self::new(Outcome::Held, 409, "approval_required", why);
        refusal.retry_after_s = Some(APPROVAL_RETRY_S);
        refusal.approval = Some(Box::new(id.clone()));
        refusal
    }

    /// A person has said no.
    pub(crate) fn approval_denied(id: &ApprovalId) -> Self {
        Self::denied(
            id,
            format!("a call of this answer was denied by a person (approval {id})"),
        )
    }

    /// A person has said no to a call itself.
    pub(crate) fn call_denied(id: &ApprovalId) -> Self {
        Self::denied(id, format!("this call was denied by a person (approval {id})"))
    }

    fn denied(id: &ApprovalId, why: String) -> Self {
        let mut refusal = Self::new(Outcome::Held, 403, "approval_denied", why);
        refusal.approval = Some(Box::new(id.clone()));
        refusal
    }

    /// What has to be approved first.
    pub(crate) fn approval(&self) -> Option<&ApprovalId> {
        self.approval.as_deref()
    }

    /// What the client is told.
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Names the class of what failed, for log and metrics.
    pub(crate) fn because(&mut self, detail: &'static str) {
        self.detail = detail;
    }

    /// How soon the client may ask again.
    pub(crate) fn retry_after(&mut self, seconds: u64) {
        self.retry_after_s = Some(seconds);
    }

    /// Tells the record how the exchange ended.
    pub(crate) fn tell(&self, status: u16, record: &mut Record) {
        record.end(self.outcome);
        record.status = status;
        record.detail = self.detail;
    }

    /// Writes the answer and tells the record how the exchange ended.
    pub(crate) fn respond(self, family: Family, record: &mut Record) -> Response<Body> {
        let mut body = problem_body(family, &self.problem);
        if let Some(id) = &self.approval {
            name_approval(&mut body, id);
        }
        self.respond_with(self.problem.status, body, record)
    }

    /// The same with a body that is written already.
    pub(crate) fn respond_with(&self, status: u16, body: impl Into<Bytes>, record: &mut Record) -> Response<Body> {
        self.tell(status, record);
        let body: Bytes = body.into();
        record.response_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(id) = &self.approval
            && let Ok(value) = HeaderValue::from_str(id.as_str())
        {
            headers.insert(APPROVAL_HEADER, value);
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        mark(&mut response, &record.id);
        response
    }
}

/// Adds the id to the error object, which ends the body in both families.
fn name_approval(body: &mut Vec<u8>, id: &ApprovalId) {
    if body.ends_with(b"}}") {
        body.truncate(body.len().saturating_sub(2));
        // An id is letters and digits.
        body.extend_from_slice(format!(",\"approval_id\":\"{id}\"}}}}").as_bytes());
    }
}

/// Puts the exchange's id on an answer.
pub(crate) fn mark(response: &mut Response<Body>, id: &ExchangeId) {
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(EXCHANGE_HEADER, value);
    }
}

impl From<HostRefusal> for Refusal {
    fn from(refusal: HostRefusal) -> Self {
        Self::new(
            Outcome::Refused,
            refusal.status().as_u16(),
            "host_refused",
            refusal.to_string(),
        )
    }
}

impl From<Unrecorded> for Refusal {
    fn from(Unrecorded: Unrecorded) -> Self {
        Self::unrecorded()
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        let mut refusal = Self::new(
            Outcome::Unauthenticated,
            error.status().as_u16(),
            "unauthenticated",
            error.to_string(),
        );
        refusal.detail = error.as_str();
        refusal
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let mut refusal = Self::new(
            Outcome::Refused,
            refused.status(),
            "invalid_request",
            refused.to_string(),
        );
        refusal.problem.param = refused.pointer().map(str::to_owned);
        refusal
    }
}

impl From<LimitExceeded> for Refusal {
    fn from(exceeded: LimitExceeded) -> Self {
        let mut refusal = Self::new(Outcome::Limited, 429, "rate_limited", exceeded.to_string());
        refusal.detail = exceeded.limit().as_str();
        refusal.retry_after_s = exceeded.retry_after_ms().map(|ms| ms.div_ceil(1000).max(1));
        refusal
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        let (status, code) = match error.fault() {
            Fault::Client => (400, "invalid_request"),
            Fault::Upstream | Fault::Configuration if error.timed_out() => (504, "upstream_timeout"),
            Fault::Upstream | Fault::Configuration => (502, "upstream_unavailable"),
        };
        // The message names the class only: addresses and causes stay in the log.
        let mut refusal = Self::new(Outcome::UpstreamFailed, status, code, error.to_string());
        refusal.detail = error.class();
        refusal
    }
}
