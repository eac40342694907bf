//! The admin listener as its callers see it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use testudo_dialects::{Family, Operation};
use testudo_types::{Clock, Secret};
use tower::ServiceExt;

use super::{
    ADMIN_PATHS, APPROVAL_PATHS, AdminAccess, AdminRefused, AdminState, ApprovalPage, HostCheck, LedgerState,
    Readiness, ReadyState, router,
};
use crate::approvals::Approvals;
use crate::keys::{KeyRefresh, KeyRing, KeyStore};
use crate::metrics::Metrics;
use crate::settings::ApprovalSettings;
use crate::system_clock::SystemClock;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

pub(super) struct Admin {
    pub(super) state: AdminState,
    refresh: Option<KeyRefresh>,
    _dir: tempfile::TempDir,
}

async fn admin(token: Option<&str>) -> Admin {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    admin_with(token, ApprovalSettings::none(), &clock).await
}

pub(super) async fn admin_with(token: Option<&str>, settings: ApprovalSettings, clock: &Arc<dyn Clock>) -> Admin {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::open(dir.path()).await.unwrap();
    let (keys, refresh) = KeyRing::start(&store).await.unwrap();
    let approvals = Approvals::load(dir.path(), settings, Arc::clone(clock)).await.unwrap();
    let token = token.map(|token| Secret::new(token.as_bytes()));
    let host_check: HostCheck = Arc::new(|parts| {
        let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
        if host == Some("localhost:9090") {
            Ok(())
        } else {
            Err(StatusCode::MISDIRECTED_REQUEST)
        }
    });
    let state = AdminState {
        access: Arc::new(AdminAccess::for_listener(loopback(), token.as_ref()).unwrap()),
        host_check,
        readiness: Arc::new(Readiness::new()),
        metrics: Metrics::new().unwrap(),
        keys,
        ledger: Arc::new(|| LedgerState::Writable),
        page: ApprovalPage::new(approvals, Arc::clone(clock)),
    };
    Admin {
        state,
        refresh: Some(refresh),
        _dir: dir,
    }
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_is_said() {
    let mut admin = admin(None).await;
    admin.state.readiness.set(ReadyState::Accepting);
    for (ledger, status, says) in [
        (LedgerState::Writable, 200, "ready\n"),
        (LedgerState::Degraded, 200, "exchanges are not recorded"),
        (LedgerState::Blocked, 503, "the ledger cannot be written"),
    ] {
        admin.state.ledger = Arc::new(move || ledger);
        let (found, body) = admin.get("/readyz", None).await;
        assert_eq!(found.as_u16(), status, "{ledger:?}");
        assert!(body.contains(says), "{body}");
    }
}

fn loopback() -> SocketAddr {
    "127.0.0.1:9090".parse().unwrap()
}

impl Admin {
    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = router(self.state.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str, authorization: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::get(path).header("host", "localhost:9090");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn readiness_follows_the_state() {
    let mut admin = admin(None).await;
    assert_eq!(admin.get("/healthz", None).await.0, StatusCode::OK);
    for (state, expected) in [
        (ReadyState::Starting, StatusCode::SERVICE_UNAVAILABLE),
        (ReadyState::Accepting, StatusCode::OK),
        (ReadyState::AcceptingPrevious, StatusCode::OK),
        (ReadyState::Accepting, StatusCode::OK),
    ] {
        admin.state.readiness.set(state);
        assert_eq!(admin.get("/readyz", None).await.0, expected, "{state:?}");
    }
    admin.state.readiness.set(ReadyState::AcceptingPrevious);
    assert!(admin.get("/readyz", None).await.1.contains("configuration was refused"));
    // When keys cannot be checked, no request can be answered.
    admin.refresh.take().unwrap().stop().await;
    assert_eq!(admin.get("/readyz", None).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(admin.get("/healthz", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_reload_during_the_drain_does_not_call_for_requests() {
    let admin = admin(None).await;
    admin.state.readiness.set(ReadyState::Accepting);
    admin.state.readiness.set(ReadyState::Draining);
    admin.state.readiness.set(ReadyState::Accepting);
    assert_eq!(admin.state.readiness.state(), ReadyState::Draining);
    assert_eq!(
        admin.get("/readyz", None).await,
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned())
    );
}

#[tokio::test]
async fn metrics_are_text() {
    let admin = admin(None).await;
    admin.state.metrics.reload_refused();
    let (status, body) = admin.get("/metrics", None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("testudo_reloads_refused_total 1"), "{body}");
}

#[tokio::test]
async fn there_is_nothing_else() {
    let admin = admin(None).await;
    for path in [
        "/",
        "/admin",
        "/keys",
        "/key/generate",
        "/model/info",
        "/healthz/",
        "/metrics/../keys",
        "/debug",
        // Without an approver who has a token there is no page.
        "/approvals",
        "/approvals/",
        "/approvals/login",
        "/approvals/aaaaaaaaaaaa",
        "//metrics",
    ] {
        assert_eq!(admin.get(path, None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ADMIN_PATHS {
        for method in [
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::OPTIONS,
            Method::TRACE,
        ] {
            let request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header("host", "localhost:9090");
            let (status, _) = admin.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_host_is_checked_first_and_everywhere() {
    let admin = admin(Some(TOKEN)).await;
    for path in ADMIN_PATHS.into_iter().chain(APPROVAL_PATHS).chain(["/nothing"]) {
        for host in ["evil.example", "localhost:9090.evil.example", ""] {
            let request = Request::get(path)
                .header("host", host)
                .header("authorization", format!("Bearer {TOKEN}"));
            let (status, _) = admin.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{host} {path}");
        }
    }
}

#[tokio::test]
async fn a_token_is_asked_for_everywhere() {
    let admin = admin(Some(TOKEN)).await;
    let right = format!("Bearer {TOKEN}");
    assert_eq!(admin.get("/healthz", Some(&right)).await.0, StatusCode::OK);
    assert_eq!(
        admin.get("/healthz", Some(&format!("bearer {TOKEN}"))).await.0,
        StatusCode::OK
    );
    for path in ADMIN_PATHS.into_iter().chain(APPROVAL_PATHS).chain(["/nothing"]) {
        for wrong in [
            None,
            Some("Bearer "),
            Some("Bearer"),
            Some(TOKEN),
            Some("Basic MDEyMw=="),
            Some("Bearer 0123456789abcdef0123456789abcdee"),
            Some("Bearer 0123456789abcdef0123456789abcde"),
            Some("Bearer 0123456789ABCDEF0123456789ABCDEF"),
            Some("Bearer  0123456789abcdef0123456789abcdef"),
        ] {
            let (status, body) = admin.get(path, wrong).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong:?} {path}");
            assert!(!body.contains(TOKEN));
        }
    }
    let twice = Request::get("/healthz")
        .header("host", "localhost:9090")
        .header("authorization", &right)
        .header("authorization", "Bearer other");
    assert_eq!(
        admin.send(twice.body(Body::empty()).unwrap()).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert!(!format!("{:?}", admin.state).contains(TOKEN));
}

#[test]
fn no_admin_path_is_an_operation_of_the_data_listener() {
    for family in [Family::OpenAi, Family::Anthropic] {
        for method in ["GET", "POST", "HEAD", "DELETE"] {
            for path in ADMIN_PATHS.into_iter().chain(APPROVAL_PATHS) {
                assert_eq!(Operation::route(family, method, path), None, "{method} {path}");
                assert_eq!(
                    Operation::route(family, method, &format!("/v1{path}")),
                    None,
                    "{method} /v1{path}"
                );
            }
        }
    }
}

#[test]
fn r12_no_default_credentials_on_an_address_that_others_reach() {
    let secret = Secret::new(TOKEN.as_bytes());
    for address in [
        "0.0.0.0:9090",
        "192.168.1.5:9090",
        "[::]:9090",
        "[2001:db8::1]:1",
        "10.0.0.1:1",
        "[::ffff:10.0.0.1]:1",
    ] {
        let address: SocketAddr = address.parse().unwrap();
        let refused = AdminAccess::for_listener(address, None).unwrap_err();
        assert_eq!(refused, AdminRefused::TokenMissing(address));
        assert!(AdminAccess::for_listener(address, Some(&secret)).is_ok());
    }
    for address in ["127.0.0.1:9090", "127.8.8.8:1", "[::1]:9090", "[::ffff:127.0.0.1]:1"] {
        assert!(
            AdminAccess::for_listener(address.parse().unwrap(), None).is_ok(),
            "{address}"
        );
    }
    for weak in [
        "",
        "admin",
        "changeme",
        TOKEN.trim_start_matches('0'),
        "0123456789abcdef 0123456789abcdef",
        "ääääääääääääääää",
        &"x".repeat(513),
    ] {
        let refused = AdminAccess::for_listener(loopback(), Some(&Secret::new(weak.as_bytes()))).unwrap_err();
        assert_eq!(refused, AdminRefused::TokenWeak { found: weak.len() });
        assert!(weak.len() < 16 || !refused.to_string().contains(weak));
    }
}
