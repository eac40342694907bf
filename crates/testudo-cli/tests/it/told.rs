//! The vault and the ledger of a machine: who acted, and what holds when the marks of what was seen are gone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::ledger::{ended, lines, said};
use crate::serve::Served;
use crate::vault::{Rig, copy};

const GATEWAY: &str = "[listen]\naddress = \"127.0.0.1:0\"\n\
    [upstreams.u]\nfamily = \"openai\"\nbase_url = \"practice\"\n[routes.r]\nupstream = \"u\"\n";

fn moved(rig: &Rig, act: &[&str], by: &str) {
    let key = format!("{by}.pem");
    let of = ["--private-key", &key, "--reason", "because"];
    said(rig.dir(), &[&["model"], act, &of].concat());
}

fn push(rig: &Rig, folder: &str) -> String {
    let pushed = said(
        rig.dir(),
        &["model", "push", folder, "m", "--unsigned", "--format", "json"],
    );
    let pushed: Value = serde_json::from_str(&pushed).unwrap();
    pushed["version"].as_str().unwrap().to_owned()
}

fn entries(rig: &Rig, filter: &[&str]) -> Vec<Value> {
    let found = said(
        rig.dir(),
        &[&["ledger", "query", "--type", "artifact", "--format", "json"], filter].concat(),
    );
    lines(&found)
}

fn action(row: &Value) -> String {
    row["entry"]["body"]["action"].as_str().unwrap().to_owned()
}

fn stop(served: &mut Served) {
    served.signal("-TERM");
    assert!(served.child.wait().unwrap().success());
}

/// Two promotions, and the vault as it was between them.
fn promoted_twice(rig: &Rig) {
    rig.write("one/w", b"one");
    rig.write("two/w", b"two");
    let (one, two) = (push(rig, "one"), push(rig, "two"));
    moved(rig, &["promote", "m", &one, "--alias", "prod"], "alice");
    copy(&rig.path("testudo-data/vault"), &rig.path("yesterday"));
    moved(rig, &["promote", "m", &two, "--alias", "prod"], "bob");
}

fn put_yesterday_back(rig: &Rig) {
    fs::remove_dir_all(rig.path("testudo-data/vault")).unwrap();
    copy(&rig.path("yesterday"), &rig.path("testudo-data/vault"));
    fs::remove_file(rig.path("testudo-data/vault-seen.json")).unwrap();
}

const PULL: [&str; 6] = ["model", "pull", "m", "to", "--alias", "prod"];

#[test]
fn an_old_state_is_refused_when_the_marks_are_gone_too() {
    let rig = Rig::new(GATEWAY);
    let mut served = Served::start(rig.dir());
    served.wait_for("listening");
    promoted_twice(&rig);
    put_yesterday_back(&rig);
    let old = |rig: &Rig, arguments: &[&str]| {
        let (code, error) = ended(rig.dir(), arguments);
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(error.contains("somebody put an older state back"), "{error}");
        assert!(!rig.path("testudo-data/vault-seen.json").exists());
    };
    // Beside the gateway that writes the ledger, and when this process is the writer.
    old(&rig, &PULL);
    old(&rig, &["model", "list", "m"]);
    stop(&mut served);
    old(&rig, &PULL);
    // The index is a cache: without it the entries themselves are read.
    fs::remove_file(rig.path("testudo-data/ledger/index.sqlite")).unwrap();
    old(&rig, &PULL);
    // Who makes no entries is told by those that are there.
    assert!(rig.pull_prod("alone").unwrap_err().contains("an older state back"));
    fs::remove_dir_all(rig.path("testudo-data/ledger")).unwrap();
    assert_eq!(rig.pull_prod("alone").unwrap(), b"one");
}

#[test]
fn marks_that_were_put_back_are_raised_by_the_ledger() {
    let rig = Rig::new(GATEWAY);
    let mut served = Served::start(rig.dir());
    served.wait_for("listening");
    rig.write("one/w", b"one");
    rig.write("two/w", b"two");
    let (one, two) = (push(&rig, "one"), push(&rig, "two"));
    moved(&rig, &["promote", "m", &one, "--alias", "prod"], "alice");
    copy(&rig.path("testudo-data/vault"), &rig.path("yesterday"));
    let marks = testudo_bounded::read_text(rig.path("testudo-data/vault-seen.json"), 1 << 20).unwrap();
    // Another machine promotes; this one only looks.
    let elsewhere = [
        "--data-dir",
        "elsewhere",
        "--approver-key",
        "bob.pub",
        "--approver-key",
        "alice.pub",
    ];
    let vault = format!("file://{}", rig.path("testudo-data/vault").display());
    let keys = rig.path("elsewhere/vault-kek");
    copy(&rig.path("testudo-data/vault-kek"), &keys);
    fs::set_permissions(keys, fs::Permissions::from_mode(0o700)).unwrap();
    rig.say(
        &[
            &[
                "promote",
                "m",
                &two,
                "--alias",
                "prod",
                "--private-key",
                "bob.pem",
                "--reason",
                "x",
                "--approver",
                "bob",
            ][..],
            &["--vault", &vault],
            &elsewhere,
        ]
        .concat(),
    );
    said(rig.dir(), &["model", "list", "m"]);
    stop(&mut served);
    let actions: Vec<_> = entries(&rig, &[]).iter().map(action).collect();
    assert_eq!(actions, ["follow", "promote:prod", "push", "push"]);
    fs::remove_dir_all(rig.path("testudo-data/vault")).unwrap();
    copy(&rig.path("yesterday"), &rig.path("testudo-data/vault"));
    fs::write(rig.path("testudo-data/vault-seen.json"), marks).unwrap();
    let (code, error) = ended(rig.dir(), &PULL);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("shows 1 statements about `m`, and 2 were there before"),
        "{error}"
    );
}

#[test]
fn entries_say_who_acted_and_how_that_is_known() {
    let rig = Rig::new(GATEWAY);
    let mut served = Served::start(rig.dir());
    served.wait_for("listening");
    promoted_twice(&rig);
    said(rig.dir(), &PULL);
    stop(&mut served);
    let own = format!("uid-{}", rustix::process::getuid().as_raw());
    for (who, proof, actions) in [
        ("alice", "key", &["promote:prod"][..]),
        ("bob", "key", &["promote:prod"]),
        (&own, "user", &["pull:prod", "push", "push"]),
    ] {
        let found = entries(&rig, &["--key", who]);
        let named: Vec<_> = found.iter().map(action).collect();
        assert_eq!(named, actions, "{who}");
        for row in &found {
            assert_eq!(row["entry"]["body"]["proof"], proof);
            // Only the key store knows names.
            assert!(!row.to_string().contains(who), "{row}");
        }
    }
    assert_eq!(entries(&rig, &["--key", "mallory"]).len(), 0);
    let events = lines(&said(
        rig.dir(),
        &["ledger", "export", "--type", "artifact", "--format", "ocsf"],
    ));
    assert_eq!(events.len(), 5);
    for event in &events {
        assert!(event["actor"]["user"]["uid"].as_str().unwrap().starts_with("prn_"));
        assert!(event["unmapped"]["actor_proof"].is_string());
    }
}
