//! A vault in an S3-compatible store, through the binary; `cargo xtask s3` installs and starts a server and runs these.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::Value;

use crate::vault::Rig;

/// The server's address, for example `http://127.0.0.1:5000`.
const VARIABLE: &str = "TESTUDO_TEST_S3";

/// A bucket of its own, reached past the vault, as whoever keeps the store can.
struct Bucket {
    host: String,
    name: String,
}

impl Bucket {
    #[expect(
        clippy::disallowed_methods,
        reason = "the server is started by whoever runs the tests"
    )]
    fn new(name: &str) -> Self {
        let server = std::env::var(VARIABLE).expect("run `cargo xtask s3`, which starts a server for these tests");
        let bucket = Self {
            host: server.trim_start_matches("http://").trim_end_matches('/').to_owned(),
            name: format!("{name}-{}", std::process::id()),
        };
        bucket.ask("PUT", "", b"");
        bucket
    }

    fn ask(&self, method: &str, below: &str, body: &[u8]) -> Vec<u8> {
        let (host, name) = (&self.host, &self.name);
        let mut stream = TcpStream::connect(host).unwrap();
        let head = format!(
            "{method} /{name}{below} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = testudo_bounded::read_to_end(stream, 1 << 24).unwrap();
        let at = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..at]).into_owned();
        assert!(head.starts_with("HTTP/1.1 20"), "{method} {below}: {head}");
        answer.split_off(at.saturating_add(4))
    }

    /// The names of all objects that begin like this.
    fn names(&self, beginning: &str) -> Vec<String> {
        let answer = self.ask("GET", &format!("?list-type=2&prefix={beginning}"), b"");
        let text = String::from_utf8(answer).unwrap();
        let keys = text.split("<Key>").skip(1);
        keys.map(|it| it.split("</Key>").next().unwrap().to_owned()).collect()
    }

    fn settings(&self) -> String {
        let (host, name) = (&self.host, &self.name);
        format!(
            "[vault]\nurl = \"s3://{name}/models\"\nendpoint = \"http://{host}\"\nregion = \"us-east-1\"\n\
             access_key_id = {{ file = \"id\" }}\nsecret_access_key = {{ file = \"secret\" }}"
        )
    }

    fn rig(&self) -> Rig {
        let rig = Rig::new(&self.settings());
        rig.private("id", "testing");
        rig.private("secret", "testing");
        rig
    }
}

/// Nothing in it repeats within a piece.
fn noise(bytes: u32, seed: u32) -> Vec<u8> {
    let of = |at: u32| (at.wrapping_mul(2_654_435_761) ^ seed).wrapping_mul(2_246_822_519);
    (0..bytes).map(|at| (of(at) >> 24) as u8).collect()
}

#[test]
fn a_model_in_s3_is_pushed_promoted_pulled_rolled_back_revoked_and_deleted() {
    let bucket = Bucket::new("walk");
    let rig = bucket.rig();
    // Larger than two parts of an upload.
    let large = noise(20_000_000, 1);
    rig.write("one/w", &large);
    rig.write("two/w", b"two");
    let (one, two) = (rig.push("one"), rig.push("two"));
    assert_eq!(rig.promote(&one, "alice").0, Some(0));
    assert_eq!(rig.promote(&two, "bob").0, Some(0));
    assert_eq!(rig.pull_prod("a").unwrap(), b"two");
    let by = ["--private-key", "alice.pem", "--reason", "tested"];
    rig.say(&[&["rollback", "m", "--alias", "prod"][..], &by].concat());
    rig.say(&["pull", "m", "b", "--alias", "prod"]);
    assert!(testudo_bounded::read_file(rig.path("b/w"), 1 << 25).unwrap() == large);
    rig.say(&[&["revoke", "m", &two][..], &by].concat());
    assert_eq!(bucket.names("models/artifacts/m/objects/").len(), 2);
    let swept = rig.say(&["gc", "m", "--revoked", "--older-than", "0s"]);
    assert!(swept.starts_with("gone: 1 version, 1 piece"), "{swept}");
    assert_eq!(bucket.names("models/artifacts/m/objects/").len(), 1);
    assert_eq!(bucket.names("models/artifacts/m/versions/").len(), 1);
    assert!(rig.end(&["pull", "m", "c", "--version", &two]).1.contains("is revoked"));
    // Everything is in the bucket, under the prefix, and nothing of it beside the configuration.
    assert_eq!(bucket.names("").len(), bucket.names("models/").len());
    assert!(!rig.path("testudo-data/vault").exists());
}

#[test]
fn a_push_into_s3_that_died_shows_nothing_and_is_gone_on_with() {
    let bucket = Bucket::new("died");
    let rig = bucket.rig();
    for number in 0..120 {
        rig.write(&format!("model/{number}"), &noise(3000, number));
    }
    let mut push = rig.begin(&["push", "model", "m", "--unsigned"]);
    while bucket.names("models/artifacts/m/objects/").len() < 5 {
        assert!(push.try_wait().unwrap().is_none(), "the push was done too soon");
    }
    push.kill().unwrap();
    push.wait().unwrap();
    assert!(bucket.names("models/artifacts/m/versions/").is_empty());
    let listed: Value = serde_json::from_str(&rig.say(&["list", "m", "--format", "json"])).unwrap();
    assert!(listed["versions"].as_array().unwrap().is_empty(), "{listed}");
    let pushed = rig.say(&["push", "model", "m", "--unsigned", "--format", "json"]);
    let pushed: Value = serde_json::from_str(&pushed).unwrap();
    let known = pushed["bytes_known"].as_u64().unwrap();
    assert!((5 * 3000..120 * 3000).contains(&known), "{known}");
    rig.say(&["pull", "m", "back", "--version", pushed["version"].as_str().unwrap()]);
    for number in 0..120 {
        let back = testudo_bounded::read_file(rig.path(&format!("back/{number}")), 4000).unwrap();
        assert_eq!(back, noise(3000, number));
    }
}

#[test]
fn many_who_make_one_vault_in_s3_at_once_have_one_vault_with_one_key() {
    let rig = Bucket::new("first").rig();
    for number in 0..3 {
        rig.write(&format!("model-{number}/w"), &noise(50_000, number));
    }
    let pushes = (0..6).map(|number| {
        let folder = format!("model-{}", number % 3);
        rig.begin(&["push", &folder, "m", "--unsigned", "--format", "json"])
    });
    let mut versions = std::collections::BTreeSet::new();
    for push in pushes.collect::<Vec<_>>() {
        let output = push.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let pushed: Value = serde_json::from_slice(&output.stdout).unwrap();
        versions.insert(pushed["version"].as_str().unwrap().to_owned());
    }
    assert_eq!(versions.len(), 3);
    for version in &versions {
        rig.say(&["pull", "m", version, "--version", version]);
    }
}

#[test]
fn of_many_who_promote_in_s3_at_once_each_wins_or_is_told() {
    let rig = Bucket::new("race").rig();
    rig.write("one/w", b"one");
    let one = rig.push("one");
    let (mut won, mut told) = (0, 0);
    for _ in 0..4 {
        let of = ["--alias", "prod", "--private-key", "alice.pem", "--reason", "race"];
        let racing = (0..6).map(|_| rig.begin(&[&["promote", "m", &one][..], &of].concat()));
        for child in racing.collect::<Vec<_>>() {
            let output = child.wait_with_output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                won += 1;
            } else {
                assert!(error.contains("somebody else made a statement about `m`"), "{error}");
                told += 1;
            }
        }
    }
    let shown: Value = serde_json::from_str(&rig.say(&["show", "m", "prod", "--format", "json"])).unwrap();
    assert_eq!(shown["statements"].as_array().unwrap().len(), won);
    assert_eq!((won + told, won >= 4, told > 0), (24, true, true), "{won} won");
}

#[test]
fn an_old_state_put_back_in_s3_is_refused() {
    let bucket = Bucket::new("old");
    let rig = bucket.rig();
    rig.write("one/w", b"one");
    rig.write("two/w", b"two");
    let (one, two) = (rig.push("one"), rig.push("two"));
    assert_eq!(rig.promote(&one, "alice").0, Some(0));
    assert_eq!(rig.promote(&two, "alice").0, Some(0));
    let statements = bucket.names("models/artifacts/m/statements/");
    let [first, second] = statements.as_slice() else {
        panic!("{statements:?}");
    };
    let [first, second] = [first, second].map(|name| format!("/{name}"));
    let (old, new) = (bucket.ask("GET", &first, b""), bucket.ask("GET", &second, b""));
    // Yesterday there was no second statement.
    bucket.ask("DELETE", &second, b"");
    let error = rig.pull_prod("a").unwrap_err();
    assert!(error.contains("somebody put an older state back"), "{error}");
    let (code, error) = rig.promote(&one, "bob");
    assert_eq!(code, Some(1));
    assert!(error.contains("somebody put an older state back"), "{error}");
    // Nor does yesterday's say again what it said.
    bucket.ask("PUT", &second, &old);
    let error = rig.pull_prod("a").unwrap_err();
    assert!(error.contains("cannot be believed"), "{error}");
    bucket.ask("PUT", &second, &new);
    assert_eq!(rig.pull_prod("a").unwrap(), b"two");
}

#[test]
fn what_was_changed_in_s3_does_not_open_and_what_is_missing_is_pushed_again() {
    let bucket = Bucket::new("changed");
    let rig = bucket.rig();
    rig.write("one/w", &noise(100_000, 3));
    let one = rig.push("one");
    assert_eq!(rig.promote(&one, "alice").0, Some(0));
    let name = format!("/{}", bucket.names("models/artifacts/m/objects/")[0]);
    let whole = bucket.ask("GET", &name, b"");
    let mut flipped = whole.clone();
    flipped[50_000] ^= 1;
    for (bytes, says) in [
        (flipped.as_slice(), "it was changed after it was sealed"),
        (&whole[..60_000], "its end is missing"),
    ] {
        bucket.ask("PUT", &name, bytes);
        let error = rig.pull_prod("a").unwrap_err();
        assert!(error.contains(says), "{error}");
        assert!(!rig.path("a").exists());
    }
    // What is cut is seen by a push, which seals it anew.
    assert_eq!(rig.push("one"), one);
    assert_eq!(rig.pull_prod("a").unwrap(), noise(100_000, 3));
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let bucket = Bucket::new("there");
    let rig = bucket.rig();
    rig.configure(&bucket.settings().replace("s3://there-", "s3://absent-"));
    rig.write("one/w", b"one");
    let (code, error) = rig.end(&["push", "one", "m", "--unsigned"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("the store failed at `vault.json`"), "{error}");
    assert!(error.contains("bucket"), "{error}");
}
