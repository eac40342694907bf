//! The page as browsers see it, and as those see it who want a decision that is not theirs.

#![expect(
    clippy::string_slice,
    reason = "a test that cuts a character in two fails, which is right"
)]

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use testudo_types::{Clock, ExchangeId, KeyId, RouteName, Secret, TenantId, UnixMillis};
use tower::ServiceExt as _;

use super::super::tests::{Admin, admin_with};
use super::super::{APPROVAL_PATHS, router};
use crate::approvals::{ApprovalId, ApprovalState, EvidenceLine, Held, HeldCall};
use crate::settings::{ApprovalSettings, Approver};
use crate::system_clock::ManualClock;

const ANA: &str = "ana-0123456789abcdef0123456789abcdef";
const BOB: &str = "bob-0123456789abcdef0123456789abcdef";
const ADMIN: &str = "admin-0123456789abcdef0123456789abcdef";
const HOST: &str = "localhost:9090";
const OWN: &str = "http://localhost:9090";

struct Rig {
    admin: Admin,
    clock: Arc<ManualClock>,
}

fn approver(name: &str, token: &str, principals: &[&str]) -> Approver {
    Approver {
        name: name.to_owned(),
        token: Some(Secret::new(token)),
        uid: None,
        principals: principals.iter().map(|it| (*it).to_owned()).collect(),
        groups: Vec::new(),
    }
}

fn settings() -> ApprovalSettings {
    ApprovalSettings {
        approvers: vec![approver("ana", ANA, &[]), approver("bob", BOB, &["billing-agent"])],
        ..ApprovalSettings::none()
    }
}

async fn rig_with(settings: ApprovalSettings) -> Rig {
    let clock = Arc::new(ManualClock::at(UnixMillis(1_700_000_000_000)));
    let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    Rig {
        admin: admin_with(Some(ADMIN), settings, &shared).await,
        clock,
    }
}

async fn rig() -> Rig {
    rig_with(settings()).await
}

fn held(tool: &str, arguments: &str) -> Held {
    let mut call = HeldCall::new(tool, arguments.as_bytes()).unwrap();
    call.reason = "the recipient was named by <b>bill.txt</b>".to_owned();
    call.evidence.push(EvidenceLine {
        path: "/to".to_owned(),
        value: "<img src=x onerror=alert(1)>".to_owned(),
        label: "text".to_owned(),
        where_from: "\u{202e}txt.llib, not from you".to_owned(),
    });
    Held {
        key: KeyId::parse("abcdefghijkl").unwrap(),
        principal: "billing-agent".into(),
        tenant: TenantId::parse("acme").unwrap(),
        subject: None,
        route: RouteName::parse("agent").unwrap(),
        exchange: ExchangeId::parse("ex_1").unwrap(),
        calls: vec![call],
        read: vec!["bill.txt \"</li><script>\"".to_owned()],
        policy: [7; 32],
        approvers: std::collections::BTreeSet::new(),
    }
}

struct Page {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
}

impl Page {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    /// The value of the first hidden field of a name.
    fn hidden(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&start).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

impl Rig {
    async fn hold(&self) -> ApprovalId {
        let held = held("send_money", r#"{"to":"DE89","amount":100}"#);
        self.admin.state.page.approvals.open(&held, None).await.unwrap()
    }

    async fn state(&self, id: &ApprovalId) -> ApprovalState {
        self.admin.state.page.approvals.show(id).await.unwrap().summary.state
    }

    async fn send(&self, request: Request<Body>) -> Page {
        let response: Response<Body> = router(self.admin.state.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Page {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str, cookie: &str) -> Page {
        let request = Request::get(path).header("host", HOST).header("cookie", cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, cookie: &str, form: &str, headers: &[(&str, &str)]) -> Page {
        let mut request = Request::post(path)
            .header("host", HOST)
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    async fn own_post(&self, path: &str, cookie: &str, form: &str) -> Page {
        self.post(path, cookie, form, &[("origin", OWN)]).await
    }

    async fn sign_in(&self, token: &str) -> String {
        let page = self.own_post("/approvals/login", "", &format!("token={token}")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        page.cookie()
    }
}

#[tokio::test]
async fn an_approver_signs_in_looks_and_decides() {
    let rig = rig().await;
    let id = rig.hold().await;
    let asked = rig.get(&format!("/approvals/{id}"), "").await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    assert!(!asked.body.contains("send_money"));
    assert_eq!(asked.hidden("next"), id.as_str());
    let form = format!("token={ANA}&next={id}");
    let signed_in = rig.own_post("/approvals/login", "", &form).await;
    assert_eq!(signed_in.header("location"), format!("/approvals/{id}"));
    let set = signed_in.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/approvals", "Max-Age=900"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"));
    let cookie = signed_in.cookie();
    let list = rig.get("/approvals", &cookie).await;
    assert!(
        list.body.contains("send_money") && list.body.contains("waiting"),
        "{}",
        list.body
    );
    let page = rig.get(&format!("/approvals/{id}"), &cookie).await;
    for part in [
        "billing-agent",
        "&quot;to&quot;: &quot;DE89&quot;",
        "15 min 00 s left",
        "Approve, once",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let form = format!("proof={}&decision=approve", page.hidden("proof"));
    let decided = rig.own_post(&format!("/approvals/{id}"), &cookie, &form).await;
    assert_eq!(decided.status, StatusCode::SEE_OTHER, "{}", decided.body);
    let page = rig.get(&format!("/approvals/{id}"), &cookie).await;
    assert!(page.body.contains("ana (approve)") && !page.body.contains("name=\"decision\""));
    assert_eq!(rig.state(&id).await, ApprovalState::Approved);
    // Sent once more, it says what is.
    let again = rig.own_post(&format!("/approvals/{id}"), &cookie, &form).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.body.contains("approved already"));
}

#[tokio::test]
async fn every_path_asks_for_a_session_and_no_admin_token_is_one() {
    let rig = rig().await;
    let id = rig.hold().await;
    let bearer = format!("Bearer {ADMIN}");
    for path in APPROVAL_PATHS {
        let path = path.replace("{id}", id.as_str());
        for cookie in ["", "testudo-approver=", "testudo-approver=00", "other=1"] {
            for authorization in ["", bearer.as_str(), "Bearer ana"] {
                let request = |method| {
                    Request::builder()
                        .method(method)
                        .uri(&path)
                        .header("host", HOST)
                        .header("origin", OWN)
                        .header("authorization", authorization)
                        .header("cookie", cookie)
                        .header("content-type", "application/x-www-form-urlencoded")
                        .body(Body::from("decision=approve&proof=&token=wrong"))
                        .unwrap()
                };
                for method in [Method::GET, Method::POST] {
                    let page = rig.send(request(method)).await;
                    assert!(!page.body.contains("send_money"), "{path}");
                    assert!(!page.status.is_success(), "{path} {}", page.status);
                    assert!(!page.header("set-cookie").contains("approver=0"), "{path}");
                }
            }
        }
    }
    assert_eq!(rig.state(&id).await, ApprovalState::Waiting);
    // An approver's session opens nothing else.
    let rig = rig_with(settings()).await;
    let cookie = rig.sign_in(ANA).await;
    assert_eq!(rig.get("/metrics", &cookie).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_decision_needs_the_form_of_this_session_for_this_call() {
    let rig = rig().await;
    let id = rig.hold().await;
    let other = held("read_file", r#"{"name":"a"}"#);
    let other = rig.admin.state.page.approvals.open(&other, None).await.unwrap();
    let cookie = rig.sign_in(ANA).await;
    let path = format!("/approvals/{id}");
    let own = rig.get(&path, &cookie).await.hidden("proof");
    let foreign = rig.sign_in(BOB).await;
    let of_other_session = rig.get(&path, &foreign).await.hidden("proof");
    let of_other_id = rig.get(&format!("/approvals/{other}"), &cookie).await.hidden("proof");
    let of_sign_out = rig.get("/approvals", &cookie).await.hidden("proof");
    for proof in [
        "",
        "00",
        &of_other_session,
        &of_other_id,
        &of_sign_out,
        &own[1..],
        &own.to_uppercase(),
    ] {
        let form = format!("decision=approve&proof={proof}");
        assert_eq!(
            rig.own_post(&path, &cookie, &form).await.status,
            StatusCode::FORBIDDEN,
            "{proof}"
        );
    }
    for form in [
        "decision=approve".to_owned(),
        format!("decision=approve&proof={own}&proof={own}"),
        format!("decision=approve&proof=x&proof={own}"),
    ] {
        assert_eq!(
            rig.own_post(&path, &cookie, &form).await.status,
            StatusCode::FORBIDDEN,
            "{form}"
        );
    }
    for form in [
        format!("proof={own}"),
        format!("proof={own}&decision=maybe"),
        format!("proof={own}&decision=approve&decision=deny"),
    ] {
        assert_eq!(
            rig.own_post(&path, &cookie, &form).await.status,
            StatusCode::BAD_REQUEST,
            "{form}"
        );
    }
    // The query says nothing.
    let query = format!("{path}?decision=approve&proof={own}");
    assert_eq!(rig.own_post(&query, &cookie, "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(rig.state(&id).await, ApprovalState::Waiting);
    let form = format!("decision=deny&proof={own}");
    assert_eq!(rig.own_post(&path, &cookie, &form).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn forms_from_elsewhere_are_refused() {
    let rig = rig().await;
    let id = rig.hold().await;
    let cookie = rig.sign_in(ANA).await;
    let path = format!("/approvals/{id}");
    let proof = rig.get(&path, &cookie).await.hidden("proof");
    let form = format!("decision=approve&proof={proof}");
    let origins: [&[(&str, &str)]; 8] = [
        &[],
        &[("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://localhost:3000")],
        &[("origin", "https://localhost:9090")],
        &[("origin", "http://localhost:9090.evil.example")],
        &[("origin", OWN), ("origin", "https://evil.example")],
        &[("origin", OWN), ("sec-fetch-site", "cross-site")],
    ];
    for headers in origins {
        for path in [&path, "/approvals/login", "/approvals/logout"] {
            let page = rig.post(path, &cookie, &form, headers).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{headers:?} {path}");
            assert_eq!(page.header("set-cookie"), "");
        }
    }
    let json = [("origin", OWN), ("content-type", "application/json")];
    let request = Request::post(&path).header("host", HOST).header("cookie", &cookie);
    let request = json
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    let page = rig.send(request.body(Body::from(form.clone())).unwrap()).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let long = format!("{form}&x={}", "x".repeat(5000));
    assert_eq!(
        rig.own_post(&path, &cookie, &long).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(rig.state(&id).await, ApprovalState::Waiting);
}

#[tokio::test]
async fn no_page_can_be_framed_cached_or_run() {
    let rig = rig().await;
    let id = rig.hold().await;
    let cookie = rig.sign_in(ANA).await;
    let signed_in = rig.own_post("/approvals/login", "", &format!("token={ANA}")).await;
    let mut pages = vec![signed_in];
    for path in [
        "/approvals".to_owned(),
        format!("/approvals/{id}"),
        "/approvals/nothing".to_owned(),
    ] {
        pages.push(rig.get(&path, &cookie).await);
        pages.push(rig.get(&path, "").await);
        pages.push(rig.post(&path, &cookie, "", &[]).await);
    }
    for page in pages
        .iter()
        .filter(|page| page.status != StatusCode::METHOD_NOT_ALLOWED)
    {
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        // With `no-referrer` browsers would not say where our own forms come from.
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert!(!page.body.contains("<script"), "{}", page.body);
    }
}

#[tokio::test]
async fn nothing_that_is_held_becomes_markup() {
    let rig = rig().await;
    let hostile = held(
        "<svg/onload=alert(1)>\u{202e}",
        "{\"to\":\"</pre><form action=//evil.example>\u{200b}\u{430}\",\"<a>\":1}",
    );
    let id = rig.admin.state.page.approvals.open(&hostile, None).await.unwrap();
    let cookie = rig.sign_in(ANA).await;
    for path in ["/approvals".to_owned(), format!("/approvals/{id}")] {
        let body = rig.get(&path, &cookie).await.body;
        for bad in [
            "<svg",
            "<img",
            "<a>",
            "<form action=//",
            "<b>bill",
            "</li><script",
            "\u{1b}",
            "\u{202e}",
            "\u{200b}",
        ] {
            assert!(!body.contains(bad), "{bad}: {body}");
        }
        assert!(body.contains("U+202E"), "{body}");
    }
    let body = rig.get(&format!("/approvals/{id}"), &cookie).await.body;
    assert!(body.contains("\u{430} U+0430"), "{body}");
}

#[tokio::test]
async fn sessions_are_new_short_and_end_with_their_token() {
    let rig = rig().await;
    // A session that somebody planted is not taken over.
    let planted = format!("testudo-approver={}", "0".repeat(64));
    let page = rig
        .own_post("/approvals/login", &planted, &format!("token={ANA}"))
        .await;
    assert_ne!(page.cookie(), planted);
    assert_eq!(rig.get("/approvals", &planted).await.status, StatusCode::UNAUTHORIZED);
    let cookie = page.cookie();
    assert_eq!(rig.get("/approvals", &cookie).await.status, StatusCode::OK);
    // Two of them are none.
    let both = format!("{planted}; {cookie}");
    assert_eq!(rig.get("/approvals", &both).await.status, StatusCode::UNAUTHORIZED);
    // Signing in again ends the one before.
    let page = rig.own_post("/approvals/login", &cookie, &format!("token={ANA}")).await;
    assert_eq!(rig.get("/approvals", &cookie).await.status, StatusCode::UNAUTHORIZED);
    let cookie = page.cookie();
    // Signing out needs the form, too.
    rig.own_post("/approvals/logout", &cookie, "").await;
    let list = rig.get("/approvals", &cookie).await;
    assert_eq!(list.status, StatusCode::OK);
    let out = rig
        .own_post("/approvals/logout", &cookie, &format!("proof={}", list.hidden("proof")))
        .await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(rig.get("/approvals", &cookie).await.status, StatusCode::UNAUTHORIZED);
    // Time, used or not.
    let cookie = rig.sign_in(ANA).await;
    rig.clock.advance_ms(15 * 60_000 - 1);
    assert_eq!(rig.get("/approvals", &cookie).await.status, StatusCode::OK);
    rig.clock.advance_ms(1);
    assert_eq!(rig.get("/approvals", &cookie).await.status, StatusCode::UNAUTHORIZED);
    // Another token, or no approver any more.
    let cookie = rig.sign_in(ANA).await;
    let mut changed = settings();
    changed.approvers.remove(0);
    rig.admin.state.page.approvals.reconfigure(changed);
    assert_eq!(rig.get("/approvals", &cookie).await.status, StatusCode::UNAUTHORIZED);
    let mut changed = settings();
    changed
        .approvers
        .splice(..1, [approver("ana", "ana-another-token-0123456789abcdef", &[])]);
    rig.admin.state.page.approvals.reconfigure(changed);
    assert_eq!(rig.get("/approvals", &cookie).await.status, StatusCode::UNAUTHORIZED);
    rig.admin.state.page.approvals.reconfigure(settings());
    assert_eq!(rig.get("/approvals", &cookie).await.status, StatusCode::OK);
}

#[tokio::test]
async fn wrong_tokens_are_few() {
    let rig = rig().await;
    for wrong in ["", "ana", &ANA[1..], &ANA.to_uppercase(), ADMIN, &"x".repeat(3000)] {
        let page = rig.own_post("/approvals/login", "", &format!("token={wrong}")).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
        assert_eq!(page.header("set-cookie"), "");
    }
    for _ in 0..4 {
        rig.own_post("/approvals/login", "", "token=wrong").await;
    }
    let right = format!("token={ANA}");
    let page = rig.own_post("/approvals/login", "", &right).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    rig.clock.advance_ms(60_000);
    let page = rig.own_post("/approvals/login", "", &right).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(!format!("{:?}", rig.admin.state.page).contains("0123456789abcdef"));
}

#[tokio::test]
async fn who_asked_and_who_has_decided_cannot_approve() {
    let rig = rig_with(ApprovalSettings {
        quorum: 2,
        ..settings()
    })
    .await;
    let id = rig.hold().await;
    let path = format!("/approvals/{id}");
    for (token, says) in [(BOB, "whoever asked"), (ANA, ""), (ANA, "has approved")] {
        let cookie = rig.sign_in(token).await;
        let proof = rig.get(&path, &cookie).await.hidden("proof");
        let form = format!("decision=approve&proof={proof}");
        let page = rig.own_post(&path, &cookie, &form).await;
        let expected = if says.is_empty() {
            StatusCode::SEE_OTHER
        } else {
            StatusCode::CONFLICT
        };
        assert_eq!(page.status, expected, "{}", page.body);
        assert!(page.body.to_lowercase().contains(says), "{}", page.body);
    }
    assert_eq!(rig.state(&id).await, ApprovalState::Waiting);
}

#[tokio::test]
async fn only_the_group_approves_and_the_page_says_so() {
    let mut with_groups = settings();
    with_groups.approvers[0].groups = vec!["legal".to_owned()];
    with_groups.approvers[1] = Approver {
        groups: vec!["finance".to_owned()],
        ..approver("bob", BOB, &[])
    };
    let rig = rig_with(with_groups.clone()).await;
    let mut held = held("send_money", r#"{"to":"DE89","amount":100}"#);
    held.approvers.insert("finance".to_owned());
    let id = rig.admin.state.page.approvals.open(&held, None).await.unwrap();
    let path = format!("/approvals/{id}");
    let cookie = rig.sign_in(ANA).await;
    let page = rig.get(&path, &cookie).await;
    assert!(
        page.body.contains("finance") && page.body.contains("Still needed"),
        "{}",
        page.body
    );
    assert!(
        !page.body.contains("value=\"approve\"") && page.body.contains("value=\"deny\""),
        "{}",
        page.body
    );
    // The form that is not there, sent all the same.
    let form = format!("decision=approve&proof={}", page.hidden("proof"));
    let refused = rig.own_post(&path, &cookie, &form).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
    assert_eq!(rig.state(&id).await, ApprovalState::Waiting);
    let cookie = rig.sign_in(BOB).await;
    let page = rig.get(&path, &cookie).await;
    assert!(page.body.contains("value=\"approve\""), "{}", page.body);
    let form = format!("decision=approve&proof={}", page.hidden("proof"));
    // Somebody who is taken out of the group while the page is open approves no more.
    let mut without = with_groups.clone();
    without.approvers[1].groups.clear();
    rig.admin.state.page.approvals.reconfigure(without);
    assert_eq!(rig.own_post(&path, &cookie, &form).await.status, StatusCode::CONFLICT);
    rig.admin.state.page.approvals.reconfigure(with_groups);
    assert_eq!(rig.own_post(&path, &cookie, &form).await.status, StatusCode::SEE_OTHER);
    assert_eq!(rig.state(&id).await, ApprovalState::Approved);
}

#[tokio::test]
async fn behind_https_the_cookie_is_for_encrypted_connections() {
    let rig = rig_with(ApprovalSettings {
        page: Some("https://approvals.example.com".parse().unwrap()),
        ..settings()
    })
    .await;
    let headers = [("origin", "https://approvals.example.com")];
    let page = rig
        .post("/approvals/login", "", &format!("token={ANA}"), &headers)
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(page.header("set-cookie").ends_with("; Secure"));
}
