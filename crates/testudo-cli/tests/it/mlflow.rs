//! The door for MLflow clients from outside, by its wire format: what is told and given to which key, and what is not.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;

use serde_json::Value;

use crate::ledger::said;
use crate::serve::{Served, address};
use crate::vault::{Rig, copy};

const MORE: &str = r#"
[listen]
address = "127.0.0.1:0"
[upstreams.u]
family = "openai"
base_url = "practice"
[routes.r]
upstream = "u"
[vault]
policies = ["artifacts.cedar"]
[vault.artifacts.m]
labels = ["shared"]
[vault.mlflow]
roles = ["reader", "canary"]
"#;
const POLICIES: &str = r#"
@id("operator") permit(principal, action, resource) when { context.proof == Proof::"user" };
@id("approver") permit(principal, action, resource) when { context.proof == Proof::"key" };
@id("reader") permit(principal in Group::"reader", action == Action::"read", resource in Label::"shared")
  when { context.proof == Proof::"token" };
@id("canary") permit(principal in Group::"canary", action == Action::"read", resource)
  when { context.proof == Proof::"token" && context.stages.contains("canary") };
@id("alice") forbid(principal == Operator::"bob", action == Action::"promote", resource)
  when { context.stage == "canary" };
"#;
const REGISTRY: &str = "/mlflow/api/2.0/mlflow";
const FILES: &str = "/mlflow/api/2.0/mlflow-artifacts/artifacts";

/// A vault in which `m` has versions 1 to 4: `one`, `two` which is `prod`, `three` which is revoked and `bad`, and
/// `four` which bob has made `canary` though he may not.
fn rig() -> (Rig, Vec<String>) {
    let rig = Rig::new(MORE);
    rig.write("artifacts.cedar", POLICIES.as_bytes());
    // Larger than a block, and than a piece.
    let big: Vec<u8> = (0..2_500_000_u32)
        .map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    rig.write("one/w", b"one");
    rig.write("two/w", b"two");
    rig.write("two/sub/big.bin", &big);
    rig.write("two/sub/a b+c.txt", b"a name");
    rig.write("three/w", b"three");
    rig.write("four/w", b"four");
    let versions: Vec<String> = ["one", "two", "three", "four"].map(|it| rig.push(it)).into();
    for (act, alias, version, by) in [
        ("promote", Some("prod"), 0, "alice"),
        ("promote", Some("prod"), 1, "bob"),
        ("promote", Some("bad"), 2, "alice"),
        ("revoke", None, 2, "alice"),
    ] {
        state(&rig, act, "m", alias, &versions[version], by);
    }
    rig.write("secret/w", b"secret");
    let pushed = rig.say(&["push", "secret", "secret", "--unsigned", "--format", "json"]);
    let pushed: Value = serde_json::from_str(&pushed).unwrap();
    state(
        &rig,
        "promote",
        "secret",
        Some("prod"),
        pushed["version"].as_str().unwrap(),
        "alice",
    );
    (rig, versions)
}

fn state(rig: &Rig, act: &str, name: &str, alias: Option<&str>, version: &str, by: &str) {
    let key = format!("{by}.pem");
    let mut words = vec![act, name, version];
    words.extend(alias.iter().flat_map(|alias| ["--alias", alias]));
    words.extend(["--private-key", &key, "--reason", "because"]);
    rig.say(&words);
}

fn key(rig: &Rig, more: &[&str]) -> String {
    let words = [&["key", "create", "--name", "k"], more].concat();
    said(rig.dir(), &words).lines().next().unwrap().to_owned()
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
    /// Whether the body came to its end.
    whole: bool,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn code(&self) -> String {
        format!(
            "{} {}",
            self.status,
            self.json()["error_code"].as_str().unwrap_or("none")
        )
    }
}

struct Door {
    served: Served,
    address: String,
}

impl Door {
    fn open(rig: &Rig) -> Self {
        let mut served = Served::start(rig.dir());
        let address = address(&served.wait_for("listening"), "address");
        Self { served, address }
    }

    /// Stops the gateway, after which all entries are under a checkpoint.
    fn close(mut self) {
        self.served.signal("-TERM");
        self.served.wait_for("stopped");
    }

    fn get(&self, key: &str, target: &str) -> Answer {
        self.ask("GET", key, target, "")
    }

    fn ask(&self, method: &str, key: &str, target: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let credential = if key.is_empty() {
            String::new()
        } else {
            format!("authorization: Bearer {key}\r\n")
        };
        let length = body.len();
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nhost: localhost\r\n{credential}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let bytes = testudo_bounded::read_to_end(stream, 16 << 20).unwrap();
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let (head, rest) = bytes.split_at(end.strict_add(4));
        let head = String::from_utf8(head.to_vec()).unwrap().to_lowercase();
        let (body, whole) = if head.contains("transfer-encoding: chunked") {
            unchunked(rest)
        } else {
            (rest.to_vec(), true)
        };
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body,
            whole,
        }
    }
}

fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|it| it == b"\r\n") {
        let (size, after) = rest.split_at(line);
        let size = usize::from_str_radix(std::str::from_utf8(size).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let Some((chunk, after)) = after[2..].split_at_checked(size) else {
            break;
        };
        body.extend_from_slice(chunk);
        rest = &after[2..];
    }
    (body, false)
}

#[test]
fn a_key_that_may_read_resolves_and_downloads_what_was_pushed() {
    let (rig, versions) = rig();
    let reader = key(&rig, &["--role", "reader"]);
    let door = Door::open(&rig);
    let found = door.get(
        &reader,
        &format!("{REGISTRY}/registered-models/alias?name=m&alias=prod"),
    );
    let found = &found.json()["model_version"];
    assert_eq!((&found["version"], &found["user_id"]), (&"2".into(), &"bob".into()));
    assert_eq!(found["source"], format!("testudo-vault:m@{}", versions[1]));
    let uri = door.get(
        &reader,
        &format!("{REGISTRY}/model-versions/get-download-uri?name=m&version=2"),
    );
    assert_eq!(uri.json()["artifact_uri"], "mlflow-artifacts:/m/2");
    let listed = door.get(&reader, &format!("{FILES}?path=m/2")).json();
    assert_eq!(
        listed["files"],
        serde_json::json!([{"path": "sub", "is_dir": true}, {"path": "w", "is_dir": false, "file_size": 3}])
    );
    let file = door.get(&reader, &format!("{FILES}?path=m/2/w")).json();
    assert_eq!(file["files"], serde_json::json!([]));
    for (place, file) in [
        ("m/1/w", "one/w"),
        ("m/2/sub/big.bin", "two/sub/big.bin"),
        ("m/2/sub/a%20b+c.txt", "two/sub/a b+c.txt"),
        ("m/4/w", "four/w"),
    ] {
        if place == "m/4/w" {
            state(&rig, "hold", "m", None, &versions[3], "alice");
        }
        let got = door.get(&reader, &format!("{FILES}/{place}"));
        assert_eq!((got.status, got.whole), (200, true), "{place}");
        assert!(
            got.body == testudo_bounded::read_file(rig.path(file), 4 << 20).unwrap(),
            "{place}"
        );
        assert!(
            !got.head.contains("content-length"),
            "a body that breaks off is an error to every client"
        );
    }
}

#[test]
fn searches_find_what_the_key_may_read() {
    let (rig, versions) = rig();
    let reader = key(&rig, &["--role", "reader"]);
    state(&rig, "hold", "m", None, &versions[3], "alice");
    let door = Door::open(&rig);
    let numbers = |query: &str| {
        let found = door
            .get(&reader, &format!("{REGISTRY}/model-versions/search?{query}"))
            .json();
        let all = found["model_versions"].as_array().unwrap();
        all.iter()
            .map(|it| it["version"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // The third is revoked.
    assert_eq!(numbers("filter=name%3D'm'"), ["4", "2", "1"]);
    assert_eq!(numbers("filter=name%3D'secret'"), [""; 0]);
    let models = door
        .get(&reader, &format!("{REGISTRY}/registered-models/search"))
        .json();
    let names: Vec<&Value> = models["registered_models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["m"]);
    let latest = r#"{"name": "m"}"#;
    let latest = door.ask(
        "POST",
        &reader,
        &format!("{REGISTRY}/registered-models/get-latest-versions"),
        latest,
    );
    assert_eq!(latest.json()["model_versions"][0]["version"], "4");
    assert_eq!(door.get(&reader, "/mlflow/health").body, b"OK");
}

/// Who asks for what, and the answer; `R` is the registry and `F` the files.
const DENIED: [(&str, &str, &str); 25] = [
    ("", "R/registered-models/alias?name=m&alias=prod", "401 UNAUTHENTICATED"),
    ("", "/mlflow/health", "401 UNAUTHENTICATED"),
    (
        "tsk_x",
        "R/registered-models/alias?name=m&alias=prod",
        "401 UNAUTHENTICATED",
    ),
    (
        "none",
        "R/registered-models/alias?name=m&alias=prod",
        "403 PERMISSION_DENIED",
    ),
    (
        "elsewhere",
        "R/registered-models/alias?name=m&alias=prod",
        "403 PERMISSION_DENIED",
    ),
    (
        "reader",
        "R/registered-models/alias?name=m&alias=blue",
        "404 RESOURCE_DOES_NOT_EXIST",
    ),
    (
        "reader",
        "R/registered-models/alias?name=m&alias=bad",
        "403 PERMISSION_DENIED",
    ),
    (
        "reader",
        "R/registered-models/alias?name=m&alias=canary",
        "403 PERMISSION_DENIED",
    ),
    (
        "canary",
        "R/registered-models/alias?name=m&alias=prod",
        "403 PERMISSION_DENIED",
    ),
    (
        "reader",
        "R/model-versions/get?name=m&version=3",
        "403 PERMISSION_DENIED",
    ),
    (
        "reader",
        "R/model-versions/get-download-uri?name=m&version=3",
        "403 PERMISSION_DENIED",
    ),
    (
        "reader",
        "R/model-versions/get?name=m&version=9",
        "404 RESOURCE_DOES_NOT_EXIST",
    ),
    ("reader", "R/registered-models/get?name=secret", "403 PERMISSION_DENIED"),
    // Whoever may not read a model is not told whether there is one.
    (
        "reader",
        "R/registered-models/get?name=nothing",
        "403 PERMISSION_DENIED",
    ),
    (
        "reader",
        "R/registered-models/get?name=N%2F..%2Fx",
        "404 RESOURCE_DOES_NOT_EXIST",
    ),
    ("reader", "F/m/3/w", "403 PERMISSION_DENIED"),
    ("reader", "F?path=m/3", "403 PERMISSION_DENIED"),
    ("reader", "F/secret/1/w", "403 PERMISSION_DENIED"),
    ("reader", "F/m/2/none", "404 RESOURCE_DOES_NOT_EXIST"),
    ("reader", "F/m/2/sub", "404 RESOURCE_DOES_NOT_EXIST"),
    ("reader", "F/m/2/../../secret/1/w", "400 INVALID_PARAMETER_VALUE"),
    (
        "reader",
        "F/m/2/%2e%2e/%2e%2e/secret/1/w",
        "400 INVALID_PARAMETER_VALUE",
    ),
    ("reader", "F/m/2/sub%2fbig.bin", "400 INVALID_PARAMETER_VALUE"),
    ("reader", "F/m/2/%252e%252e/w", "404 RESOURCE_DOES_NOT_EXIST"),
    ("reader", "/mlflow/api/2.0/mlflow/runs/search", "404 ENDPOINT_NOT_FOUND"),
];

#[test]
fn what_may_not_be_had_is_refused_and_entered() {
    let (rig, versions) = rig();
    let (reader, none) = (key(&rig, &["--role", "reader"]), key(&rig, &[]));
    let elsewhere = key(&rig, &["--role", "reader", "--route", "r"]);
    let canary = key(&rig, &["--role", "canary"]);
    // Past the policies, by somebody who does not ask them: what they may not promote is followed by nobody.
    let past = [
        "--data-dir",
        "testudo-data",
        "--approver-key",
        "alice.pub",
        "--approver-key",
        "bob.pub",
    ];
    let of = [
        "promote",
        "m",
        &versions[3],
        "--alias",
        "canary",
        "--private-key",
        "bob.pem",
        "--approver",
        "bob",
    ];
    rig.say(&[&of[..], &["--reason", "past"], &past].concat());
    let door = Door::open(&rig);
    for (who, target, wanted) in DENIED {
        let key = match who {
            "reader" => &reader,
            "none" => &none,
            "elsewhere" => &elsewhere,
            "canary" => &canary,
            other => other,
        };
        let target = target
            .replacen("R/", &format!("{REGISTRY}/"), 1)
            .replacen("F/", &format!("{FILES}/"), 1);
        let target = target.replacen("F?", &format!("{FILES}?"), 1);
        assert_eq!(door.get(key, &target).code(), wanted, "{target}");
    }
    let moved = door.ask("POST", &reader, &format!("{REGISTRY}/registered-models/alias"), "{}");
    assert_eq!(moved.code(), "403 PERMISSION_DENIED");
    assert!(
        moved.json()["message"]
            .as_str()
            .unwrap()
            .contains("testudo model promote")
    );
    door.get(&reader, &format!("{FILES}/m/2/w"));
    door.close();
    let said = said(
        rig.dir(),
        &[
            "ledger", "query", "--type", "artifact", "--format", "json", "--limit", "500",
        ],
    );
    for action in ["refuse:key", "refuse:read", "refuse:promote", "refuse\"", "download"] {
        assert!(said.contains(&format!("\"{action}")), "{action} is not in\n{said}");
    }
    assert!(!said.contains("nothing"), "the name is the client's");
}

#[test]
fn changed_content_and_old_statements_are_refused() {
    let (rig, versions) = rig();
    let reader = key(&rig, &["--role", "reader"]);
    let vault = rig.path("testudo-data/vault");
    copy(&vault, &rig.path("yesterday"));
    state(&rig, "hold", "m", None, &versions[3], "alice");
    let door = Door::open(&rig);
    let target = format!("{FILES}/m/2/sub/big.bin");
    assert_eq!(door.get(&reader, &target).status, 200);
    let objects = vault.join("artifacts/m/objects");
    let all = fs::read_dir(&objects)
        .unwrap()
        .flat_map(|it| fs::read_dir(it.unwrap().path()).unwrap());
    let big = all
        .map(|it| it.unwrap().path())
        .max_by_key(|it| it.metadata().unwrap().len())
        .unwrap();
    let sound = testudo_bounded::read_file(&big, 4 << 20).unwrap();
    for (at, begins) in [(5, false), (300, false), (1 << 21, true), (sound.len() - 1, true)] {
        let mut changed = sound.clone();
        changed[at] ^= 1;
        fs::write(&big, &changed).unwrap();
        let got = door.get(&reader, &target);
        if begins {
            // What came is sound, and everybody sees that it is not all.
            assert!(!got.whole, "{at}");
            let wanted = testudo_bounded::read_file(rig.path("two/sub/big.bin"), 4 << 20).unwrap();
            assert!(got.body.len() < wanted.len() && wanted.starts_with(&got.body), "{at}");
        } else {
            assert_eq!(got.code(), "403 PERMISSION_DENIED", "{at}");
        }
    }
    fs::write(&big, &sound).unwrap();
    assert!(door.get(&reader, &target).whole);
    fs::remove_dir_all(&vault).unwrap();
    copy(&rig.path("yesterday"), &vault);
    for target in [
        target,
        format!("{REGISTRY}/registered-models/alias?name=m&alias=prod"),
        format!("{REGISTRY}/model-versions/get-download-uri?name=m&version=1"),
    ] {
        assert_eq!(door.get(&reader, &target).code(), "403 PERMISSION_DENIED", "{target}");
    }
    fs::remove_dir_all(&vault).unwrap();
    let gone = door.get(
        &reader,
        &format!("{REGISTRY}/registered-models/alias?name=m&alias=prod"),
    );
    assert!(gone.status >= 400, "{}", gone.head);
}

#[test]
fn without_its_section_there_is_no_door() {
    let rig = Rig::new(
        &MORE
            .split("[vault.mlflow]")
            .next()
            .unwrap()
            .replace("policies = ", "# "),
    );
    let reader = key(&rig, &["--role", "reader"]);
    let door = Door::open(&rig);
    let asked = door.get(&reader, "/mlflow/health");
    assert_eq!(asked.status, 404, "{}", asked.head);
}
