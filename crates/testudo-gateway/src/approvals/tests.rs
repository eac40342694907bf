//! Approvals from the hold to the release, and each way to get more out of one than was approved.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use testudo_types::{Clock, ExchangeId, KeyId, RouteName, Secret, TenantId, UnixMillis};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

mod groups;

use super::{
    ApprovalId, ApprovalState, Approvals, ApprovalsOpenError, Binding, CALLS_MAX, DecideError, Decided, Decider,
    EvidenceLine, Held, HeldCall, HoldCallError, HumanVerdict, PER_KEY_MAX, ShowError, StoredAnswer, Taken, TakenCall,
    UnsoundCall, What,
};
use crate::settings::{ApprovalSettings, WebhookSettings};
use crate::system_clock::ManualClock;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const MINUTE: u64 = 60_000;
const POLICY: [u8; 32] = [7; 32];
const REQUEST: [u8; 32] = [9; 32];
const SECRET_TEXT: &str = "DE89370400440532013000";

struct Rig {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    approvals: Approvals,
}

fn quorum(quorum: u16) -> ApprovalSettings {
    ApprovalSettings {
        quorum,
        ..ApprovalSettings::none()
    }
}

async fn load(dir: &Path, settings: ApprovalSettings, clock: &Arc<ManualClock>) -> Approvals {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    Approvals::load(dir, settings, clock).await.unwrap()
}

async fn rig_with(settings: ApprovalSettings) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let approvals = load(dir.path(), settings, &clock).await;
    Rig { dir, clock, approvals }
}

async fn rig() -> Rig {
    rig_with(ApprovalSettings::none()).await
}

impl Rig {
    async fn restart(mut self) -> Self {
        self.approvals.close().await;
        self.approvals = load(self.dir.path(), ApprovalSettings::none(), &self.clock).await;
        self
    }

    /// Holds the transfer with its answer.
    async fn held(&self) -> ApprovalId {
        self.approvals.open(&transfer(), Some(&answer())).await.unwrap()
    }

    async fn state(&self, id: &ApprovalId) -> ApprovalState {
        self.approvals.show(id).await.unwrap().summary.state
    }

    async fn take(&self) -> Taken {
        self.approvals
            .take_answer(&key(), &route(), &REQUEST, &POLICY)
            .await
            .unwrap()
    }

    async fn take_call(&self, change: impl FnOnce(&mut Binding<'_>)) -> TakenCall {
        let (key, route) = (key(), route());
        let mut binding = Binding {
            key: &key,
            route: &route,
            tool: "send_money",
            arguments: call().digest(),
            policy: POLICY,
        };
        change(&mut binding);
        self.approvals.take_call(&binding).await.unwrap()
    }

    async fn approve(&self, id: &ApprovalId, name: &str) -> Result<Decided, DecideError> {
        self.approvals.decide(id, &person(name), HumanVerdict::Approve).await
    }

    async fn deny(&self, id: &ApprovalId, name: &str) -> Result<Decided, DecideError> {
        self.approvals.decide(id, &person(name), HumanVerdict::Deny).await
    }

    /// A connection as another program has it.
    async fn outsider(&self) -> SqliteConnection {
        SqliteConnectOptions::new()
            .filename(self.dir.path().join("approvals.db"))
            .connect()
            .await
            .unwrap()
    }

    async fn sql(&self, sql: &'static str) -> Result<u64, sqlx::Error> {
        let done = sqlx::query(sql).execute(&mut self.outsider().await).await?;
        Ok(done.rows_affected())
    }

    /// Everything that lies in the folder.
    fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for name in ["approvals.db", "approvals.db-wal", "approvals.db-shm"] {
            let path = self.dir.path().join(name);
            if path.exists() {
                all.extend(testudo_bounded::read_file(&path, 64 << 20).unwrap());
            }
        }
        all
    }
}

fn key() -> KeyId {
    KeyId::parse("abcdefghijkl").unwrap()
}

fn route() -> RouteName {
    RouteName::parse("agent").unwrap()
}

fn person(name: &str) -> Decider {
    Decider {
        name: name.to_owned(),
        uid: None,
        principals: Vec::new(),
        groups: Vec::new(),
    }
}

fn call() -> HeldCall {
    let arguments = format!(r#"{{"recipient": "{SECRET_TEXT}", "amount": 100}}"#);
    let mut call = HeldCall::new("send_money", arguments.as_bytes()).unwrap();
    call.reason = "the recipient was named by a file".to_owned();
    call.evidence.push(EvidenceLine {
        path: "/recipient".to_owned(),
        value: SECRET_TEXT.to_owned(),
        label: "text".to_owned(),
        where_from: "bill-december.txt, not from you".to_owned(),
    });
    call
}

fn transfer() -> Held {
    Held {
        key: key(),
        principal: "billing-agent".into(),
        tenant: TenantId::parse("acme").unwrap(),
        subject: Some("ana@example.org".to_owned()),
        route: route(),
        exchange: ExchangeId::parse("ex_1").unwrap(),
        calls: vec![call()],
        read: vec!["bill-december.txt".to_owned()],
        policy: POLICY,
        approvers: BTreeSet::new(),
    }
}

fn answer() -> StoredAnswer {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    StoredAnswer {
        request: REQUEST,
        status: StatusCode::OK,
        headers,
        body: Bytes::from(format!("{{\"to\":\n\"{SECRET_TEXT}\"}}\n")),
    }
}

fn has(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|it| it == needle.as_bytes())
}

#[tokio::test]
async fn an_approved_answer_is_released_once() {
    let rig = rig().await;
    assert!(matches!(rig.take().await, Taken::Nothing));
    let id = rig.held().await;
    assert!(matches!(rig.take().await, Taken::Waiting(found) if found == id));
    assert_eq!(rig.approve(&id, "ana").await.unwrap(), Decided::Approved);
    let Taken::Released(released, _) = rig.take().await else {
        panic!("not released")
    };
    assert_eq!(released.body, answer().body);
    assert_eq!(released.headers, answer().headers);
    assert_eq!(released.status, StatusCode::OK);
    // Replayed, by request and by call.
    assert!(matches!(rig.take().await, Taken::Nothing));
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Nothing);
    assert_eq!(rig.state(&id).await, ApprovalState::Used);
    assert!(matches!(
        rig.approve(&id, "bob").await.unwrap_err(),
        DecideError::Settled {
            state: ApprovalState::Used,
            ..
        }
    ));
}

#[tokio::test]
async fn an_approved_call_is_made_once_and_takes_the_answer_with_it() {
    let rig = rig().await;
    let id = rig.held().await;
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Waiting(id.clone()));
    rig.approve(&id, "ana").await.unwrap();
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Released);
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Nothing);
    assert!(matches!(rig.take().await, Taken::Nothing));
    assert_eq!(rig.state(&id).await, ApprovalState::Used);
}

#[tokio::test]
async fn each_call_of_an_approval_is_made_once() {
    let rig = rig().await;
    let mut held = transfer();
    let other = HeldCall::new("delete_file", br#"{"name":"a"}"#).unwrap();
    held.calls.extend([other.clone(), call()]);
    let id = rig.approvals.open(&held, Some(&answer())).await.unwrap();
    rig.approve(&id, "ana").await.unwrap();
    // The same call stands in it twice.
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Released);
    // The answer holds a call that was made already.
    assert!(matches!(rig.take().await, Taken::Nothing));
    assert_eq!(rig.state(&id).await, ApprovalState::Approved);
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Released);
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Nothing);
    let released = rig
        .take_call(|it| {
            it.tool = "delete_file";
            it.arguments = other.digest();
        })
        .await;
    assert_eq!(released, TakenCall::Released);
    assert_eq!(rig.state(&id).await, ApprovalState::Used);
}

#[tokio::test]
async fn nothing_but_exactly_what_was_approved_is_released() {
    let rig = rig().await;
    let id = rig.held().await;
    rig.approve(&id, "ana").await.unwrap();
    let other = KeyId::parse("zzzzzzzzzzzz").unwrap();
    let elsewhere = RouteName::parse("other").unwrap();
    for (key, route, request, policy) in [
        (&other, &route(), &REQUEST, &POLICY),
        (&key(), &elsewhere, &REQUEST, &POLICY),
        (&key(), &route(), &[8; 32], &POLICY),
    ] {
        let taken = rig.approvals.take_answer(key, route, request, policy).await.unwrap();
        assert!(matches!(taken, Taken::Nothing), "{taken:?}");
    }
    let argument = HeldCall::new("send_money", br#"{"recipient":"DE89","amount":100}"#).unwrap();
    assert_eq!(
        rig.take_call(|it| it.arguments = argument.digest()).await,
        TakenCall::Nothing
    );
    assert_eq!(rig.take_call(|it| it.tool = "send_mail").await, TakenCall::Nothing);
    assert_eq!(rig.take_call(|it| it.tool = "Send_money").await, TakenCall::Nothing);
    assert_eq!(rig.take_call(|it| it.policy = [8; 32]).await, TakenCall::Nothing);
    let (key, route) = (key(), route());
    for (key, route) in [(&other, &route), (&key, &elsewhere)] {
        let binding = Binding {
            key,
            route,
            tool: "send_money",
            arguments: call().digest(),
            policy: POLICY,
        };
        assert_eq!(rig.approvals.take_call(&binding).await.unwrap(), TakenCall::Nothing);
    }
    // None of that has used it up.
    assert!(matches!(rig.take().await, Taken::Released(..)));
}

#[tokio::test]
async fn another_spelling_of_the_same_arguments_is_the_same_call() {
    let spelled = HeldCall::new("t", br#" {"b": 1.0, "a" :"\u0041"} "#).unwrap();
    assert_eq!(spelled.arguments(), r#"{"a":"A","b":1}"#);
    for unsound in [
        br#"{"a":1,"a":2}"#.as_slice(),
        b"",
        b"{",
        br#"{"a":123456789012345678901}"#,
        &[b'['; 100_000],
        format!("\"{}\"", "x".repeat(super::ARGUMENT_BYTES_MAX)).as_bytes(),
    ] {
        assert_eq!(HeldCall::new("t", unsound), Err(UnsoundCall::Arguments));
    }
    for name in ["", &"x".repeat(257), "a\n", "a\u{1b}[2J", "a\u{0}"] {
        assert_eq!(HeldCall::new(name, b"{}"), Err(UnsoundCall::Tool));
    }
}

#[tokio::test]
async fn an_approval_under_another_policy_is_void() {
    let rig = rig().await;
    let id = rig.held().await;
    rig.approve(&id, "ana").await.unwrap();
    let taken = rig
        .approvals
        .take_answer(&key(), &route(), &REQUEST, &[8; 32])
        .await
        .unwrap();
    assert!(matches!(taken, Taken::Nothing));
    assert_eq!(rig.state(&id).await, ApprovalState::Expired);
    // Also when the first policy comes back.
    assert!(matches!(rig.take().await, Taken::Nothing));
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Nothing);
}

#[tokio::test]
async fn what_nobody_decides_or_uses_in_time_is_over() {
    let rig = rig().await;
    let id = rig.held().await;
    rig.clock.advance_ms(15 * MINUTE - 1);
    assert!(matches!(rig.take().await, Taken::Waiting(_)));
    rig.clock.advance_ms(1);
    assert!(matches!(rig.take().await, Taken::Nothing));
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Nothing);
    assert!(matches!(
        rig.approve(&id, "ana").await.unwrap_err(),
        DecideError::Settled {
            state: ApprovalState::Expired,
            ..
        }
    ));
    let shown = rig.approvals.show(&id).await.unwrap();
    assert_eq!(shown.summary.state, ApprovalState::Expired);
    assert!(shown.texts.is_none());

    // Approved at the last moment, it may still be used for as long again.
    let id = rig.held().await;
    rig.clock.advance_ms(15 * MINUTE - 1);
    rig.approve(&id, "ana").await.unwrap();
    rig.clock.advance_ms(15 * MINUTE);
    assert!(matches!(rig.take().await, Taken::Nothing));
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Nothing);
    assert_eq!(rig.state(&id).await, ApprovalState::Expired);
    // What is over stays so, also when the calendar is set back.
    rig.clock.set_wall(NOW);
    assert!(matches!(rig.take().await, Taken::Nothing));
    assert!(rig.approve(&id, "bob").await.is_err());
}

#[tokio::test]
async fn a_denied_call_stays_denied() {
    let rig = rig().await;
    let id = rig.held().await;
    assert_eq!(rig.deny(&id, "ana").await.unwrap(), Decided::Denied);
    assert!(matches!(rig.take().await, Taken::Denied(found) if found == id));
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Denied(id.clone()));
    assert!(matches!(
        rig.approve(&id, "bob").await.unwrap_err(),
        DecideError::Settled {
            state: ApprovalState::Denied,
            ..
        }
    ));
    // For as long as it would have waited; then the request is a new one.
    rig.clock.advance_ms(15 * MINUTE);
    assert!(matches!(rig.take().await, Taken::Nothing));
}

#[tokio::test]
async fn the_same_hold_waits_once() {
    let rig = rig().await;
    let id = rig.held().await;
    assert_eq!(rig.held().await, id);
    assert_eq!(rig.approvals.list().await.unwrap().len(), 1);
    // Without an answer, the calls are what is the same.
    let first = rig.approvals.open(&transfer(), None).await.unwrap();
    assert_ne!(first, id);
    assert_eq!(rig.approvals.open(&transfer(), None).await.unwrap(), first);
    let mut other = transfer();
    other.policy = [8; 32];
    assert_ne!(rig.approvals.open(&other, None).await.unwrap(), first);
    // Once it is used, the next one is another.
    rig.approve(&id, "ana").await.unwrap();
    assert_eq!(rig.held().await, id);
    assert!(matches!(rig.take().await, Taken::Released(..)));
    assert_ne!(rig.held().await, id);
}

#[tokio::test]
async fn who_asked_cannot_approve() {
    let rig = rig().await;
    let id = rig.held().await;
    let linked = |principal: &str| Decider {
        principals: vec![principal.to_owned()],
        ..person("somebody")
    };
    for requester in [
        person("billing-agent"),
        person("Billing-Agent"),
        person("ana@example.org"),
        person("abcdefghijkl"),
        linked("billing-agent"),
        linked("abcdefghijkl"),
        linked("ANA@example.org"),
    ] {
        let refused = rig
            .approvals
            .decide(&id, &requester, HumanVerdict::Approve)
            .await
            .unwrap_err();
        assert!(matches!(refused, DecideError::OwnCall), "{requester:?}: {refused}");
    }
    assert_eq!(rig.state(&id).await, ApprovalState::Waiting);
    // Taking the own question back is no danger.
    let denied = rig
        .approvals
        .decide(&id, &person("billing-agent"), HumanVerdict::Deny)
        .await;
    assert_eq!(denied.unwrap(), Decided::Denied);
}

#[tokio::test]
async fn a_quorum_counts_people_and_not_clicks() {
    let rig = rig_with(quorum(2)).await;
    let id = rig.held().await;
    let counted = Decided::Counted {
        approved: 1,
        quorum: 2,
        missing: BTreeSet::new(),
    };
    assert_eq!(rig.approve(&id, "ana").await.unwrap(), counted);
    assert!(matches!(rig.take().await, Taken::Waiting(_)));
    assert!(matches!(
        rig.approve(&id, "ana").await.unwrap_err(),
        DecideError::Again { .. }
    ));
    // A quorum that is lowered later does not count for what waits already.
    rig.approvals.reconfigure(quorum(1));
    assert!(matches!(rig.take().await, Taken::Waiting(_)));
    assert_eq!(rig.approve(&id, "bob").await.unwrap(), Decided::Approved);
    assert!(matches!(rig.take().await, Taken::Released(..)));

    // One operating-system user under two names.
    rig.approvals.reconfigure(quorum(2));
    let id = rig.held().await;
    let local = |name: &str| Decider {
        uid: Some(1000),
        ..person(name)
    };
    let decide = async |by: Decider, verdict| rig.approvals.decide(&id, &by, verdict).await;
    assert_eq!(decide(local("uid:1000"), HumanVerdict::Approve).await.unwrap(), counted);
    assert!(matches!(
        decide(local("ana"), HumanVerdict::Approve).await.unwrap_err(),
        DecideError::Again { .. }
    ));
    // One denial is enough, also from somebody who had approved.
    assert_eq!(
        decide(local("uid:1000"), HumanVerdict::Deny).await.unwrap(),
        Decided::Denied
    );
    assert!(matches!(rig.take().await, Taken::Denied(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_people_who_decide_at_once_one_wins() {
    let rig = rig().await;
    for round in 0..8 {
        let mut held = transfer();
        held.calls = vec![HeldCall::new("t", format!("[{round}]").as_bytes()).unwrap()];
        let id = rig.approvals.open(&held, None).await.unwrap();
        let mut deciding = tokio::task::JoinSet::new();
        for (name, verdict) in [
            ("ana", HumanVerdict::Approve),
            ("bob", HumanVerdict::Deny),
            ("eve", HumanVerdict::Approve),
            ("dan", HumanVerdict::Deny),
        ] {
            let (approvals, id) = (rig.approvals.clone(), id.clone());
            deciding.spawn(async move { approvals.decide(&id, &person(name), verdict).await });
        }
        let outcomes = deciding.join_all().await;
        let won: Vec<&Decided> = outcomes.iter().filter_map(|it| it.as_ref().ok()).collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        let expected = match won[0] {
            Decided::Approved => ApprovalState::Approved,
            Decided::Denied => ApprovalState::Denied,
            Decided::Counted { .. } => panic!("one is enough"),
        };
        assert_eq!(rig.state(&id).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn taken_at_once_it_is_released_to_one() {
    let rig = rig().await;
    for _ in 0..8 {
        let id = rig.held().await;
        rig.approve(&id, "ana").await.unwrap();
        let mut taking = tokio::task::JoinSet::new();
        for at in 0..8 {
            // Every other one through a second opening of the file, as another process has it.
            let approvals = if at % 2 == 0 {
                rig.approvals.clone()
            } else {
                load(rig.dir.path(), ApprovalSettings::none(), &rig.clock).await
            };
            taking.spawn(async move {
                if at < 6 {
                    let taken = approvals
                        .take_answer(&key(), &route(), &REQUEST, &POLICY)
                        .await
                        .unwrap();
                    return matches!(taken, Taken::Released(..));
                }
                let (key, route) = (key(), route());
                let binding = Binding {
                    key: &key,
                    route: &route,
                    tool: "send_money",
                    arguments: call().digest(),
                    policy: POLICY,
                };
                approvals.take_call(&binding).await.unwrap() == TakenCall::Released
            });
        }
        let released = taking.join_all().await;
        assert_eq!(released.iter().filter(|it| **it).count(), 1, "{released:?}");
    }
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let rig = rig().await;
    let id = rig.held().await;
    let rig = rig.restart().await;
    assert!(matches!(rig.take().await, Taken::Waiting(found) if found == id));
    rig.approve(&id, "ana").await.unwrap();
    let rig = rig.restart().await;
    let Taken::Released(released, _) = rig.take().await else {
        panic!("not released")
    };
    assert_eq!(released.body, answer().body);
    let rig = rig.restart().await;
    assert!(matches!(rig.take().await, Taken::Nothing));
    assert_eq!(rig.take_call(|_| {}).await, TakenCall::Nothing);
    assert_eq!(rig.state(&id).await, ApprovalState::Used);
}

#[tokio::test]
async fn what_the_approver_sees_is_what_was_held() {
    let rig = rig().await;
    let id = rig.held().await;
    let shown = rig.approvals.show(&id).await.unwrap();
    let texts = shown.texts.unwrap();
    assert_eq!(texts.calls, [call()]);
    assert_eq!(
        texts.calls[0].arguments(),
        format!("{{\"amount\":100,\"recipient\":\"{SECRET_TEXT}\"}}")
    );
    assert_eq!(texts.principal, "billing-agent");
    assert_eq!(texts.subject.as_deref(), Some("ana@example.org"));
    assert_eq!(texts.read, ["bill-december.txt"]);
    assert_eq!(shown.summary.expires, UnixMillis(NOW.0 + 15 * MINUTE));
    assert_eq!(shown.summary.calls, [("send_money".to_owned(), call().digest())]);
    let unknown = ApprovalId::parse("aaaaaaaaaaaa").unwrap();
    assert!(matches!(
        rig.approvals.show(&unknown).await.unwrap_err(),
        ShowError::NotFound(_)
    ));
    assert!(matches!(
        rig.approve(&unknown, "ana").await.unwrap_err(),
        DecideError::NotFound(_)
    ));
}

#[tokio::test]
async fn texts_are_sealed_and_gone_once_it_is_settled() {
    for end in ["use", "deny", "expire"] {
        let rig = rig().await;
        let id = rig.held().await;
        let bytes = rig.bytes();
        for text in [
            SECRET_TEXT,
            "recipient",
            "bill-december",
            "billing-agent",
            "ana@example.org",
        ] {
            assert!(!has(&bytes, text), "{text}");
        }
        let kept = "SELECT count(*) FROM approvals WHERE texts IS NOT NULL OR answer IS NOT NULL";
        let count = async || -> i64 {
            sqlx::query_scalar(kept)
                .fetch_one(&mut rig.outsider().await)
                .await
                .unwrap()
        };
        assert_eq!(count().await, 1);
        match end {
            "use" => {
                rig.approve(&id, "ana").await.unwrap();
                assert_eq!(count().await, 1);
                assert!(matches!(rig.take().await, Taken::Released(..)));
            }
            "deny" => {
                rig.deny(&id, "ana").await.unwrap();
            }
            _ => {
                rig.clock.advance_ms(15 * MINUTE);
                rig.approvals.tidy().await.unwrap();
            }
        }
        assert_eq!(count().await, 0, "{end}");
        assert!(rig.approvals.show(&id).await.unwrap().texts.is_none());
    }
}

#[tokio::test]
async fn a_damaged_row_releases_nothing() {
    for damage in [
        "UPDATE approvals SET answer = CAST(substr(answer, 1, length(answer) - 1) || x'00' AS BLOB)",
        "UPDATE approvals SET texts = CAST(substr(texts, 1, length(texts) - 1) || x'00' AS BLOB)",
        "UPDATE approvals SET answer = texts",
        "UPDATE approvals SET texts = NULL",
        "UPDATE approvals SET texts = x''",
        "UPDATE approvals SET use_within = use_within + 1",
        "DROP TRIGGER approvals_stay_bound; UPDATE approvals SET quorum = 3",
        "DROP TRIGGER approvals_stay_bound; UPDATE approvals SET tenant = 'other'",
        "DROP TRIGGER approvals_stay_bound; UPDATE approvals SET exchange = 'ex_2'",
        "DROP TRIGGER approvals_stay_bound; UPDATE approvals SET opened = opened + 1",
        "DELETE FROM calls",
        "DROP TRIGGER calls_stay_bound; UPDATE calls SET tool = 'send_mail'",
        "DROP TRIGGER calls_stay_bound; UPDATE calls SET digest = zeroblob(32)",
        "INSERT INTO calls (approval, position, tool, digest) SELECT id, 5, 'delete_all', zeroblob(32) FROM approvals",
    ] {
        let rig = rig().await;
        let id = rig.held().await;
        rig.approve(&id, "ana").await.unwrap();
        sqlx::raw_sql(damage).execute(&mut rig.outsider().await).await.unwrap();
        for _ in 0..2 {
            assert!(matches!(rig.take().await, Taken::Nothing), "{damage}");
        }
        assert_eq!(rig.take_call(|_| {}).await, TakenCall::Nothing, "{damage}");
        let changed = |it: &mut Binding<'_>| it.tool = "send_mail";
        assert_eq!(rig.take_call(changed).await, TakenCall::Nothing, "{damage}");
        let injected = |it: &mut Binding<'_>| {
            it.tool = "delete_all";
            it.arguments = [0; 32];
        };
        assert_eq!(rig.take_call(injected).await, TakenCall::Nothing, "{damage}");
    }
}

#[tokio::test]
async fn a_damaged_row_cannot_be_approved() {
    let rig = rig().await;
    let id = rig.held().await;
    rig.sql("UPDATE approvals SET texts = x'00112233'").await.unwrap();
    assert!(matches!(
        rig.approve(&id, "ana").await.unwrap_err(),
        DecideError::Damaged(_)
    ));
    assert!(matches!(
        rig.approvals.show(&id).await.unwrap_err(),
        ShowError::Damaged(_)
    ));
    assert_eq!(rig.deny(&id, "ana").await.unwrap(), Decided::Denied);
}

#[tokio::test]
async fn the_answer_of_one_approval_is_not_that_of_another() {
    let rig = rig().await;
    let id = rig.held().await;
    let mut other = transfer();
    other.calls = vec![HeldCall::new("read_file", b"{}").unwrap()];
    let harmless = StoredAnswer {
        request: [1; 32],
        ..answer()
    };
    let second = rig.approvals.open(&other, Some(&harmless)).await.unwrap();
    rig.approve(&second, "ana").await.unwrap();
    // Whoever can write the file, and not the pepper, moves the answer that nobody approved.
    let mut outsider = rig.outsider().await;
    sqlx::query("UPDATE approvals SET answer = (SELECT answer FROM approvals WHERE id = ?1) WHERE id = ?2")
        .bind(id.as_str())
        .bind(second.as_str())
        .execute(&mut outsider)
        .await
        .unwrap();
    let taken = rig
        .approvals
        .take_answer(&key(), &route(), &[1; 32], &POLICY)
        .await
        .unwrap();
    assert!(matches!(taken, Taken::Nothing), "{taken:?}");
}

#[tokio::test]
async fn what_is_settled_stays_so_in_the_file() {
    let rig = rig().await;
    let id = rig.held().await;
    rig.deny(&id, "ana").await.unwrap();
    for state in [
        "UPDATE approvals SET state = 'approved'",
        "UPDATE approvals SET state = 'waiting'",
        "UPDATE approvals SET key = 'zzzzzzzzzzzz'",
        "UPDATE approvals SET state = 'whatever'",
        "UPDATE calls SET digest = zeroblob(32)",
    ] {
        assert!(rig.sql(state).await.is_err(), "{state}");
    }
}

#[tokio::test]
async fn too_much_is_not_held() {
    let rig = rig().await;
    let numbered = |at: i64| Held {
        calls: vec![HeldCall::new("t", format!("[{at}]").as_bytes()).unwrap()],
        ..transfer()
    };
    for at in 0..PER_KEY_MAX {
        rig.approvals.open(&numbered(at), None).await.unwrap();
    }
    let refused = rig.approvals.open(&numbered(-1), None).await.unwrap_err();
    assert!(matches!(refused, HoldCallError::KeyFull));
    // What is there already still has its id, and another key its own room.
    rig.approvals.open(&numbered(0), None).await.unwrap();
    let other = Held {
        key: KeyId::parse("zzzzzzzzzzzz").unwrap(),
        ..numbered(-1)
    };
    rig.approvals.open(&other, None).await.unwrap();
    // Room comes back when time is over.
    rig.clock.advance_ms(15 * MINUTE);
    rig.approvals.open(&numbered(-1), None).await.unwrap();

    for calls in [Vec::new(), vec![call(); CALLS_MAX + 1]] {
        let refused = rig
            .approvals
            .open(&Held { calls, ..transfer() }, None)
            .await
            .unwrap_err();
        assert!(matches!(refused, HoldCallError::Calls));
    }
    let long = StoredAnswer {
        body: vec![0; super::ANSWER_BYTES_MAX + 1].into(),
        ..answer()
    };
    let refused = rig.approvals.open(&transfer(), Some(&long)).await.unwrap_err();
    assert!(matches!(refused, HoldCallError::Answer));
}

#[tokio::test]
async fn long_evidence_is_cut_and_arguments_are_not() {
    let rig = rig().await;
    let mut held = transfer();
    let long = format!("{{\"text\":\"{}\"}}", "ä".repeat(50_000));
    held.calls = vec![HeldCall::new("t", long.as_bytes()).unwrap()];
    held.calls[0].reason = "ö".repeat(100_000);
    held.read = vec!["ü".repeat(5_000); 1000];
    let id = rig.approvals.open(&held, None).await.unwrap();
    let texts = rig.approvals.show(&id).await.unwrap().texts.unwrap();
    assert_eq!(texts.calls[0].arguments(), long);
    assert!(texts.calls[0].reason.ends_with("ö…"));
    assert!(texts.read.iter().map(String::len).sum::<usize>() < 700_000);
}

#[tokio::test]
async fn nothing_is_logged_or_printed_of_what_is_held() {
    let shown = format!("{:?} {:?} {:?}", transfer(), answer(), call());
    for text in [SECRET_TEXT, "recipient", "bill-december"] {
        assert!(!shown.contains(text), "{shown}");
    }
    let rig = rig().await;
    let id = rig.held().await;
    let shown = format!("{:?} {:?}", rig.approvals, rig.approvals.show(&id).await.unwrap());
    assert!(!shown.contains(SECRET_TEXT), "{shown}");
}

#[tokio::test]
async fn a_store_that_is_not_ours_is_refused() {
    let rig = rig().await;
    let (dir, clock) = (rig.dir.path(), &rig.clock);
    rig.approvals.close().await;
    let again = async || {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
        Approvals::load(dir, ApprovalSettings::none(), clock).await
    };
    let database = dir.join("approvals.db");
    let mode = |mode| std::fs::set_permissions(&database, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    assert!(matches!(again().await.unwrap_err(), ApprovalsOpenError::Store(_)));
    mode(0o600);
    std::fs::rename(dir.join("pepper"), dir.join("pepper.old")).unwrap();
    assert!(matches!(
        again().await.unwrap_err(),
        ApprovalsOpenError::OtherPepper { .. }
    ));
    std::fs::rename(dir.join("pepper.old"), dir.join("pepper")).unwrap();
    rig.sql("PRAGMA user_version = 99").await.unwrap();
    assert!(matches!(
        again().await.unwrap_err(),
        ApprovalsOpenError::Newer {
            found: 99,
            known: 2,
            ..
        }
    ));
}

#[tokio::test]
async fn a_hold_is_told_of_once_and_waits_for_no_webhook() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let rig = rig_with(ApprovalSettings {
        page: Some("https://approvals.example.com".parse().unwrap()),
        webhook: Some(WebhookSettings {
            url: url.parse().unwrap(),
            secret: Secret::new("key"),
            allow_private: true,
        }),
        ..ApprovalSettings::none()
    })
    .await;
    let stop = CancellationToken::new();
    let upkeep = tokio::spawn(rig.approvals.clone().upkeep(stop.clone()));
    // Nobody answers yet.
    let id = rig.held().await;
    assert_eq!(rig.held().await, id);
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !has(&request, "Look and decide") {
        assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
    }
    let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    socket.write_all(ok).await.unwrap();
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\ntestudo-signature: t=1700000000,v1="), "{request}");
    assert!(request.contains(&format!("https://approvals.example.com/approvals/{id}")));
    for text in [SECRET_TEXT, "recipient", "bill-december", "billing-agent", "ana@"] {
        assert!(!request.contains(text), "{text}: {request}");
    }
    // Being told decides nothing.
    assert_eq!(rig.state(&id).await, ApprovalState::Waiting);
    stop.cancel();
    upkeep.await.unwrap();
}

#[tokio::test]
async fn what_happens_is_told_in_order_and_until_it_was_entered() {
    let rig = rig().await;
    let first = rig.held().await;
    rig.approve(&first, "ana").await.unwrap();
    assert!(matches!(rig.take().await, Taken::Released(..)));
    let second = rig.held().await;
    rig.clock.advance_ms(15 * MINUTE);
    rig.approvals.tidy().await.unwrap();
    rig.approvals.note_login(Some("ana")).await.unwrap();
    rig.approvals.note_login(None).await.unwrap();
    let rig = rig.restart().await;
    let told: Vec<(What, Option<ApprovalId>, Option<String>)> = rig
        .approvals
        .happened()
        .await
        .unwrap()
        .into_iter()
        .map(|it| (it.what, it.of.map(|of| of.id), it.by))
        .collect();
    let ana = Some("ana".to_owned());
    assert_eq!(
        told,
        [
            (What::Opened, Some(first.clone()), None),
            (What::Approve, Some(first.clone()), ana.clone()),
            (What::Used, Some(first), None),
            (What::Opened, Some(second.clone()), None),
            (What::Expired, Some(second), None),
            (What::Login, None, ana),
            (What::Refused, None, None),
        ]
    );
    for happened in rig.approvals.happened().await.unwrap() {
        rig.approvals.entered(&happened).await.unwrap();
    }
    assert!(rig.approvals.happened().await.unwrap().is_empty());
}

#[test]
fn ids_are_checked() {
    let id = ApprovalId::random().unwrap();
    assert_eq!(ApprovalId::parse(id.as_str()), Some(id));
    for bad in [
        "",
        "abc",
        "ABCDEFGHIJKL",
        "abcdefghijk1",
        "abcdefghijklm",
        "abcdefghijk\n",
    ] {
        assert_eq!(ApprovalId::parse(bad), None);
    }
}
