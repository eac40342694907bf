//! Approvals from the command line: what is shown, what counts, and who decides.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use testudo_gateway::approvals::{ApprovalId, Approvals, Binding, EvidenceLine, Held, HeldCall, TakenCall};
use testudo_gateway::settings::ApprovalSettings;
use testudo_gateway::system_clock::SystemClock;
use testudo_types::{ExchangeId, KeyId, RouteName, TenantId};

use crate::program::{said, testudo};
use crate::serve::Served;

fn refused(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn call() -> HeldCall {
    let mut call = HeldCall::new("send_money", "{\"to\":\"DE89\u{202e}\",\"amount\":100}".as_bytes()).unwrap();
    call.reason = "the recipient was named by a file".to_owned();
    call.evidence.push(EvidenceLine {
        path: "/to".to_owned(),
        value: "DE89\u{1b}[2J".to_owned(),
        label: "text".to_owned(),
        where_from: "bill-december.txt, not from you".to_owned(),
    });
    call
}

/// As a gateway that runs: it keeps the store open.
async fn gateway(dir: &Path, settings: ApprovalSettings) -> Approvals {
    let data = dir.join("testudo-data");
    Approvals::load(&data, settings, Arc::new(SystemClock::new()))
        .await
        .unwrap()
}

async fn hold(approvals: &Approvals) -> ApprovalId {
    let held = Held {
        key: KeyId::parse("abcdefghijkl").unwrap(),
        principal: "billing-agent".into(),
        tenant: TenantId::parse("acme").unwrap(),
        subject: None,
        route: RouteName::parse("agent").unwrap(),
        exchange: ExchangeId::parse("ex_1").unwrap(),
        calls: vec![call()],
        read: vec!["bill-december.txt".to_owned()],
        policy: [7; 32],
        approvers: std::collections::BTreeSet::new(),
    };
    approvals.open(&held, None).await.unwrap()
}

async fn take(approvals: &Approvals) -> TakenCall {
    let (key, route) = (
        KeyId::parse("abcdefghijkl").unwrap(),
        RouteName::parse("agent").unwrap(),
    );
    let binding = Binding {
        key: &key,
        route: &route,
        tool: "send_money",
        arguments: call().digest(),
        policy: [7; 32],
    };
    approvals.take_call(&binding).await.unwrap()
}

#[tokio::test]
async fn a_call_is_shown_and_decided_while_a_gateway_runs() {
    let dir = tempfile::tempdir().unwrap();
    let approvals = gateway(dir.path(), ApprovalSettings::none()).await;
    assert!(said(&testudo(dir.path(), &["approvals", "list"])).contains("nothing waits"));
    let id = hold(&approvals).await;
    let listed = said(&testudo(dir.path(), &["approvals", "list"]));
    assert!(
        listed.contains(id.as_str()) && listed.contains("waiting") && listed.contains("send_money"),
        "{listed}"
    );
    for format in ["table", "json"] {
        let shown = said(&testudo(
            dir.path(),
            &["approvals", "show", id.as_str(), "--format", format],
        ));
        for part in [
            "billing-agent",
            "DE89",
            "bill-december.txt, not from you",
            "the recipient was named by a file",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    }
    assert!(matches!(take(&approvals).await, TakenCall::Waiting(_)));
    let approved = said(&testudo(dir.path(), &["approve", id.as_str()]));
    assert!(approved.contains("approved by uid:"), "{approved}");
    assert_eq!(take(&approvals).await, TakenCall::Released);
    assert_eq!(take(&approvals).await, TakenCall::Nothing);
    let again = refused(&testudo(dir.path(), &["approve", id.as_str()]));
    assert!(again.contains("used already"), "{again}");
    let shown = said(&testudo(dir.path(), &["approvals", "show", id.as_str()]));
    assert!(!shown.contains("DE89") && shown.contains("no longer kept"), "{shown}");

    let id = hold(&approvals).await;
    said(&testudo(dir.path(), &["deny", id.as_str()]));
    assert!(matches!(take(&approvals).await, TakenCall::Denied(_)));
}

#[tokio::test]
async fn the_configuration_says_who_may_decide() {
    let dir = tempfile::tempdir().unwrap();
    let settings = ApprovalSettings {
        quorum: 2,
        ..ApprovalSettings::none()
    };
    let approvals = gateway(dir.path(), settings).await;
    let id = hold(&approvals).await;
    let configuration = "[approvals]\nquorum = 2\n[[approvals.approver]]\nname = \"ana\"\n\
        principals = [\"billing-agent\"]\n[[approvals.approver]]\nname = \"bob\"\n";
    let path = dir.path().join("testudo.toml");
    std::fs::write(&path, configuration).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let decide = |arguments: &[&str]| {
        let all: Vec<&str> = ["approve", id.as_str()].iter().chain(arguments).copied().collect();
        testudo(dir.path(), &all)
    };
    assert!(refused(&decide(&["--as", "eve"])).contains("names no approver"));
    assert!(refused(&decide(&["--as", "ana"])).contains("whoever asked"));
    assert!(said(&decide(&["--as", "bob"])).contains("1 of 2 people"));
    // The same person at the same keyboard, under no name.
    assert!(refused(&decide(&[])).contains("has approved"));
    assert!(matches!(take(&approvals).await, TakenCall::Waiting(_)));
}

#[tokio::test]
async fn what_becomes_of_a_held_call_is_entered_without_its_texts() {
    let dir = tempfile::tempdir().unwrap();
    let configuration = "[listen]\naddress = \"127.0.0.1:0\"\n\
        [upstreams.u]\nfamily = \"openai\"\nbase_url = \"practice\"\n[routes.r]\nupstream = \"u\"\n\
        [ledger]\ncheckpoint_interval = \"20ms\"\n";
    std::fs::write(dir.path().join("testudo.toml"), configuration).unwrap();
    // Held before there is a gateway, and decided while it runs.
    let approvals = gateway(dir.path(), ApprovalSettings::none()).await;
    let first = hold(&approvals).await;
    let mut served = Served::start(dir.path());
    served.wait_for("listening");
    crate::ledger::said(dir.path(), &["approve", first.as_str()]);
    assert_eq!(take(&approvals).await, TakenCall::Released);
    let second = hold(&approvals).await;
    crate::ledger::said(dir.path(), &["deny", second.as_str()]);
    served.signal("-TERM");
    served.wait_for("stopped");
    assert!(served.child.wait().unwrap().success());
    let tail = crate::ledger::said(dir.path(), &["ledger", "tail", "-n", "50", "--format", "json"]);
    let count = |what: &str| tail.matches(what).count();
    for (what, times) in [
        ("send_money", 2),
        ("\"approve\"", 1),
        ("\"deny\"", 1),
        ("approval_used", 1),
    ] {
        assert_eq!(count(what), times, "{what}: {tail}");
    }
    assert!(count(first.as_str()) >= 3 && count(second.as_str()) >= 2, "{tail}");
    for text in ["DE89", "billing-agent", "bill-december", "uid:"] {
        assert_eq!(count(text), 0, "{text}: {tail}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(refused(&testudo(dir.path(), &["approvals", "list"])).contains("there is no data folder"));
    assert!(refused(&testudo(dir.path(), &["approve", "x"])).contains("give the id alone"));
    std::fs::create_dir(dir.path().join("testudo-data")).unwrap();
    let unknown = refused(&testudo(dir.path(), &["deny", "aaaaaaaaaaaa"]));
    assert!(unknown.contains("there is no approval"), "{unknown}");
}
