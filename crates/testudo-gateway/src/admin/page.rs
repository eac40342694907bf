//! The page on which approvers decide: plain HTML without scripts, on the admin listener, behind their own tokens.

mod html;
mod session;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, LOCATION, ORIGIN,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use testudo_types::Clock;
use url::form_urlencoded;

use self::html::Style;
use self::session::{Session, Sessions, SignIn};
use super::AdminState;
use crate::approvals::{ApprovalId, Approvals, DecideError, Decider, HumanVerdict, ShowError};

/// Every path of the page; each asks for an approver's session itself, except the one that makes it.
pub const APPROVAL_PATHS: [&str; 4] = ["/approvals", "/approvals/login", "/approvals/logout", "/approvals/{id}"];

/// Bytes of a form at most.
const FORM_BYTES_MAX: usize = 4096;
const COOKIE_NAME: &str = "testudo-approver";

/// What the page needs.
#[derive(Debug, Clone)]
pub struct ApprovalPage {
    approvals: Approvals,
    sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
    style: Arc<Style>,
}

impl ApprovalPage {
    /// A page where nobody is signed in.
    #[must_use]
    pub fn new(approvals: Approvals, clock: Arc<dyn Clock>) -> Self {
        Self {
            approvals,
            sessions: Arc::new(Sessions::new(Arc::clone(&clock))),
            clock,
            style: Arc::new(Style::new()),
        }
    }

    /// Whether a path is one that this page guards; without an approver who has a token there is no page.
    pub(super) fn guards(&self, path: &str) -> bool {
        is_part(path) && self.approvals.settings().approvers.iter().any(|it| it.token.is_some())
    }

    /// Browsers keep the cookie for encrypted connections when the page is known to be reached so.
    fn is_secure(&self) -> bool {
        let settings = self.approvals.settings();
        settings.page.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    /// The approver whose browser this is; a session ends with the token that opened it.
    fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let settings = self.approvals.settings();
        self.sessions.find(&cookie(headers)?, &settings.approvers)
    }

    fn html(&self, status: StatusCode, body: &str) -> Response {
        let mut response = (status, Style::page(body)).into_response();
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &'static str| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        set(CONTENT_TYPE, "text/html; charset=utf-8");
        set(CACHE_CONTROL, "no-store");
        set(X_FRAME_OPTIONS, "DENY");
        set(X_CONTENT_TYPE_OPTIONS, "nosniff");
        // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
        set(REFERRER_POLICY, "same-origin");
        set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
        set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        if let Ok(policy) = HeaderValue::from_str(self.style.policy()) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        response
    }

    fn sign_in(&self, status: StatusCode, next: Option<&ApprovalId>, problem: &str) -> Response {
        self.html(status, &views::sign_in(next, problem))
    }

    fn message(&self, status: StatusCode, heading: &str, text: &str) -> Response {
        self.html(status, &views::message(heading, text))
    }

    fn broken(&self, error: &dyn std::fmt::Display) -> Response {
        tracing::error!(%error, "the page for approvals cannot be shown");
        let text = "The store of approvals cannot be used; the log of the gateway says why.";
        self.message(StatusCode::INTERNAL_SERVER_ERROR, "Something is wrong", text)
    }

    /// Where the browser is sent next, with a cookie or without.
    fn redirect(&self, to: &str, cookie: Option<&str>) -> Response {
        let mut response = self.html(StatusCode::SEE_OTHER, "");
        let headers = response.headers_mut();
        if let Ok(to) = HeaderValue::from_str(to) {
            headers.insert(LOCATION, to);
        }
        if let Some(Ok(cookie)) = cookie.map(HeaderValue::from_str) {
            headers.insert(SET_COOKIE, cookie);
        }
        response
    }

    fn cookie(&self, value: &str, seconds: u64) -> String {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        format!("{COOKIE_NAME}={value}; Path=/approvals; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
    }

    /// The fields of a form that one of our own pages sent.
    async fn form(&self, parts: &Parts, body: Body) -> Result<Form, Response> {
        if !self.is_own_origin(parts) {
            let text = "This form was not sent by this page. Open the page itself and decide there.";
            return Err(self.message(StatusCode::FORBIDDEN, "Not accepted", text));
        }
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let is_form = kind.is_some_and(|kind| {
            let (kind, _) = kind.split_once(';').unwrap_or((kind, ""));
            kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
        let bytes = to_bytes(body, FORM_BYTES_MAX).await.ok().filter(|_| is_form);
        bytes.map(Form).ok_or_else(|| {
            self.message(
                StatusCode::BAD_REQUEST,
                "Not accepted",
                "This is not a form of this page.",
            )
        })
    }

    /// A form comes with the page's own origin: the address it is configured to have, or the one it was asked at.
    fn is_own_origin(&self, parts: &Parts) -> bool {
        let mut values = parts.headers.get_all(ORIGIN).iter();
        let (Some(origin), None) = (values.next(), values.next()) else {
            return false;
        };
        let fetched = parts.headers.get("sec-fetch-site");
        if fetched.is_some_and(|site| site != "same-origin") {
            return false;
        }
        let settings = self.approvals.settings();
        let page = settings.page.as_ref().map(|url| url.origin().ascii_serialization());
        let host = parts.uri.authority().map(ToString::to_string);
        let host = host.or_else(|| Some(parts.headers.get(HOST)?.to_str().ok()?.to_owned()));
        let asked = host.map(|host| format!("http://{host}"));
        [page, asked].into_iter().flatten().any(|own| origin == own.as_str())
    }
}

/// Whether a path lies under the page.
pub(super) fn is_part(path: &str) -> bool {
    path == "/approvals" || path.starts_with("/approvals/")
}

/// The fields of a form.
struct Form(Bytes);

impl Form {
    /// The one value of a field; several are none.
    fn field(&self, name: &str) -> Option<String> {
        let mut values = form_urlencoded::parse(&self.0)
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned());
        values.next().filter(|_| values.next().is_none())
    }
}

/// The session's name as the browser sends it; several are none.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value.to_owned());
    found.next().filter(|_| found.next().is_none())
}

/// The paths of the page.
pub(super) fn routes() -> Router<AdminState> {
    let [list, login, logout, one] = APPROVAL_PATHS;
    Router::new()
        .route(list, get(show_list))
        .route(login, post(sign_in))
        .route(logout, post(sign_out))
        .route(one, get(show_one).post(decide))
}

async fn show_list(State(AdminState { page, .. }): State<AdminState>, headers: HeaderMap) -> Response {
    let Some(session) = page.session(&headers) else {
        return page.sign_in(StatusCode::UNAUTHORIZED, None, "");
    };
    match page.approvals.list().await {
        Ok(found) => page.html(
            StatusCode::OK,
            &views::list(
                &found,
                &session,
                &page.sessions.proof(&session, "logout"),
                page.clock.wall(),
            ),
        ),
        Err(error) => page.broken(&error),
    }
}

async fn show_one(
    State(AdminState { page, .. }): State<AdminState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let id = ApprovalId::parse(&id);
    let Some(session) = page.session(&headers) else {
        return page.sign_in(StatusCode::UNAUTHORIZED, id.as_ref(), "");
    };
    let Some(id) = id else {
        return page.message(StatusCode::NOT_FOUND, "Not found", "There is no such approval.");
    };
    match page.approvals.show(&id).await {
        Ok(shown) => {
            let proof = page.sessions.proof(&session, id.as_str());
            page.html(StatusCode::OK, &views::one(&shown, &session, &proof, page.clock.wall()))
        }
        Err(error @ ShowError::NotFound(_)) => page.message(StatusCode::NOT_FOUND, "Not found", &error.to_string()),
        Err(error @ ShowError::Damaged(_)) => {
            let proof = page.sessions.proof(&session, id.as_str());
            page.html(StatusCode::OK, &views::damaged(&id, &proof, &error.to_string()))
        }
        Err(error) => page.broken(&error),
    }
}

async fn sign_in(State(AdminState { page, .. }): State<AdminState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match page.form(&parts, body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let next = form.field("next").and_then(|id| ApprovalId::parse(&id));
    let token = form.field("token").unwrap_or_default();
    let settings = page.approvals.settings();
    // Whoever signs in again leaves the session before.
    if let Some(old) = cookie(&parts.headers) {
        page.sessions.end(&old);
    }
    match page.sessions.sign_in(&token, &settings.approvers) {
        SignIn::Done { name, cookie, seconds } => {
            if let Err(error) = page.approvals.note_login(Some(&name)).await {
                return page.broken(&error);
            }
            let to = next.map_or("/approvals".to_owned(), |id| format!("/approvals/{id}"));
            page.redirect(&to, Some(&page.cookie(&cookie, seconds)))
        }
        SignIn::Wrong => {
            if let Err(error) = page.approvals.note_login(None).await {
                return page.broken(&error);
            }
            let problem = "This is not the token of an approver.";
            page.sign_in(StatusCode::UNAUTHORIZED, next.as_ref(), problem)
        }
        SignIn::TooOften => {
            let problem = "Too many wrong tokens. Wait a minute and try again.";
            page.sign_in(StatusCode::TOO_MANY_REQUESTS, next.as_ref(), problem)
        }
    }
}

async fn sign_out(State(AdminState { page, .. }): State<AdminState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match page.form(&parts, body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let Some(session) = page.session(&parts.headers) else {
        return page.redirect("/approvals", None);
    };
    if !page.sessions.proves(&session, "logout", form.field("proof").as_deref()) {
        return page.message(
            StatusCode::FORBIDDEN,
            "Not accepted",
            "Open the page again and sign out there.",
        );
    }
    if let Some(old) = cookie(&parts.headers) {
        page.sessions.end(&old);
    }
    page.redirect("/approvals", Some(&page.cookie("", 0)))
}

async fn decide(
    State(AdminState { page, .. }): State<AdminState>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let form = match page.form(&parts, body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let Some(id) = ApprovalId::parse(&id) else {
        return page.message(StatusCode::NOT_FOUND, "Not found", "There is no such approval.");
    };
    let Some(session) = page.session(&parts.headers) else {
        return page.sign_in(
            StatusCode::UNAUTHORIZED,
            Some(&id),
            "Your session is over; nothing was decided.",
        );
    };
    if !page
        .sessions
        .proves(&session, id.as_str(), form.field("proof").as_deref())
    {
        let text = "This form belongs to another session or another call; nothing was decided.";
        return page.message(StatusCode::FORBIDDEN, "Not accepted", text);
    }
    let Some(verdict) = form.field("decision").and_then(|it| HumanVerdict::from_name(&it)) else {
        return page.message(
            StatusCode::BAD_REQUEST,
            "Not accepted",
            "Say whether to approve or to deny.",
        );
    };
    let by = Decider {
        name: session.approver.name.clone(),
        uid: session.approver.uid,
        principals: session.approver.principals.clone(),
        groups: session.approver.groups.clone(),
    };
    match page.approvals.decide(&id, &by, verdict).await {
        Ok(_) => page.redirect(&format!("/approvals/{id}"), None),
        Err(DecideError::Database(error)) => page.broken(&error),
        Err(error @ DecideError::NotFound(_)) => page.message(StatusCode::NOT_FOUND, "Not found", &error.to_string()),
        Err(error) => page.message(StatusCode::CONFLICT, "Not decided", &error.to_string()),
    }
}

#[cfg(test)]
mod tests;
