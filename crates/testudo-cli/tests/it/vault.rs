//! The vault from outside: what is pushed, moved and pulled by the settings of a configuration, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::program::said;

/// A folder with a configuration that names two approvers, whose keys are there.
pub(crate) struct Rig {
    dir: tempfile::TempDir,
    /// All that the binary finds in its environment.
    variables: Vec<(&'static str, String)>,
}

impl Rig {
    pub(crate) fn new(more: &str) -> Self {
        Self::with_variables(more, Vec::new())
    }

    pub(crate) fn with_variables(more: &str, variables: Vec<(&'static str, String)>) -> Self {
        let rig = Self {
            dir: tempfile::tempdir().unwrap(),
            variables,
        };
        for name in ["alice", "bob", "mallory"] {
            rig.make_key(name);
        }
        rig.configure(more);
        rig
    }

    fn make_key(&self, name: &str) {
        let key = rcgen::KeyPair::generate().unwrap();
        fs::write(self.path(&format!("{name}.pem")), key.serialize_pem()).unwrap();
        fs::write(self.path(&format!("{name}.pub")), key.public_key_pem()).unwrap();
    }

    /// Without routes: the vault's commands need none.
    pub(crate) fn configure(&self, more: &str) {
        let text = format!("[vault.approvers]\nalice = \"alice.pub\"\nbob = \"bob.pub\"\n{more}\n");
        fs::write(self.path("testudo.toml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, path: &str, content: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A file that nobody else may read.
    #[cfg_attr(
        not(any(feature = "s3", feature = "pkcs11")),
        expect(dead_code, reason = "for stores with secrets")
    )]
    pub(crate) fn private(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A vault command without a ledger.
    pub(crate) fn say(&self, arguments: &[&str]) -> String {
        let output = self.begin(arguments).wait_with_output().unwrap();
        said(&output)
    }

    pub(crate) fn end(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.begin(arguments).wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), error)
    }

    /// As [`Self::say`], and does not wait for it.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Child {
        self.command(&[arguments, &["--without-ledger"]].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// A vault command as it stands.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testudo"));
        command.arg("model").args(arguments).current_dir(self.dir());
        command
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }

    /// Pushes a folder as `m` and returns the version.
    pub(crate) fn push(&self, folder: &str) -> String {
        let answer = self.say(&["push", folder, "m", "--unsigned", "--format", "json"]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["version"].as_str().unwrap().to_owned()
    }

    pub(crate) fn promote(&self, version: &str, by: &str) -> (Option<i32>, String) {
        let key = format!("{by}.pem");
        let of = ["--private-key", &key, "--reason", "because"];
        self.end(&[&["promote", "m", version, "--alias", "prod"][..], &of].concat())
    }

    /// What `prod` is on this machine.
    pub(crate) fn pull_prod(&self, to: &str) -> Result<Vec<u8>, String> {
        match self.end(&["pull", "m", to, "--alias", "prod"]) {
            (Some(0), _) => Ok(fs::read_dir(self.path(to))
                .unwrap()
                .flat_map(|it| testudo_bounded::read_file(it.unwrap().path(), 1 << 20).unwrap())
                .collect()),
            (_, error) => Err(error),
        }
    }
}

/// Everything below a folder, as it is.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

#[test]
fn what_the_configuration_names_needs_no_flags() {
    let rig = Rig::new("");
    rig.write("one/w", b"one");
    rig.write("two/w", b"two");
    let (one, two) = (rig.push("one"), rig.push("two"));
    assert_eq!(rig.promote(&one, "alice").0, Some(0));
    assert_eq!(rig.promote(two.split_at(12).0, "bob").0, Some(0));
    assert_eq!(rig.pull_prod("a").unwrap(), b"two");
    rig.say(&[
        "rollback",
        "m",
        "--alias",
        "prod",
        "--private-key",
        "alice.pem",
        "--reason",
        "worse",
    ]);
    assert_eq!(rig.pull_prod("serving/m/b").unwrap(), b"one");
    let below_a_file = rig.pull_prod("testudo.toml/m").unwrap_err();
    assert!(below_a_file.contains("Not a directory"), "{below_a_file}");
    let shown: Value = serde_json::from_str(&rig.say(&["show", "m", "prod", "--format", "json"])).unwrap();
    let by: Vec<_> = shown["statements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["approver"])
        .collect();
    assert_eq!(by, ["alice", "bob", "alice"]);
    assert_eq!(rig.end(&["diff", "m", &one, &two]).0, Some(1));
}

#[test]
fn only_those_whom_the_configuration_names_make_statements() {
    let rig = Rig::new("");
    rig.write("one/w", b"one");
    let one = rig.push("one");
    let (code, error) = rig.promote(&one, "mallory");
    assert_eq!(code, Some(1));
    assert!(error.contains("is of none of [vault.approvers]"), "{error}");
    let of = ["--private-key", "alice.pem", "--approver", "bob", "--reason", "x"];
    let (code, error) = rig.end(&[&["promote", "m", &one, "--alias", "prod"][..], &of].concat());
    assert_eq!(code, Some(1));
    assert!(error.contains("is of `alice`, not of `bob`"), "{error}");
    // A statement that mallory makes all the same is believed by nobody else.
    let of = [
        "--private-key",
        "mallory.pem",
        "--approver",
        "alice",
        "--reason",
        "x",
        "--data-dir",
        "testudo-data",
    ];
    rig.say(&[&["promote", "m", &one, "--alias", "prod"][..], &of].concat());
    let error = rig.pull_prod("a").unwrap_err();
    assert!(error.contains("none of the approvers'"), "{error}");
}

#[test]
fn yesterdays_statements_are_refused_today() {
    let rig = Rig::new("");
    rig.write("one/w", b"one");
    rig.write("two/w", b"two");
    let (one, two) = (rig.push("one"), rig.push("two"));
    rig.promote(&one, "alice");
    let vault = rig.path("testudo-data/vault");
    copy(&vault, &rig.path("yesterday"));
    rig.promote(&two, "alice");
    fs::remove_dir_all(&vault).unwrap();
    copy(&rig.path("yesterday"), &vault);
    let error = rig.pull_prod("a").unwrap_err();
    assert!(error.contains("somebody put an older state back"), "{error}");
    let (code, error) = rig.promote(&one, "bob");
    assert_eq!(code, Some(1));
    assert!(error.contains("somebody put an older state back"), "{error}");
}

#[test]
fn a_vault_that_is_set_wrongly_is_not_another_one() {
    let rig = Rig::new("[vault]\nurl = 5");
    rig.write("one/w", b"one");
    let (code, error) = rig.end(&["push", "one", "m", "--unsigned"]);
    assert_eq!(code, Some(1), "{error}");
    assert!(!rig.path("testudo-data").exists());
    rig.configure(&format!(
        "[vault]\nurl = \"file://{}\"",
        rig.path("elsewhere").display()
    ));
    let (code, error) = rig.end(&["push", "one", "m", "--unsigned"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(rig.path("elsewhere/vault.json").exists());
}

#[test]
fn of_many_who_promote_at_once_each_wins_or_is_told() {
    let rig = Rig::new("");
    rig.write("one/w", b"one");
    let one = rig.push("one");
    let mut won = 0_u64;
    let mut told = 0_u64;
    for _ in 0..4 {
        let racing: Vec<_> = (0..6)
            .map(|_| {
                let of = ["--private-key", "alice.pem", "--reason", "race"];
                rig.begin(&[&["promote", "m", &one, "--alias", "prod"][..], &of].concat())
            })
            .collect();
        for child in racing {
            let output = child.wait_with_output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                won += 1;
            } else {
                assert!(
                    error.contains("somebody else made a statement about `m` meanwhile"),
                    "{error}"
                );
                told += 1;
            }
        }
    }
    let shown: Value = serde_json::from_str(&rig.say(&["show", "m", "prod", "--format", "json"])).unwrap();
    assert_eq!(shown["statements"].as_array().unwrap().len() as u64, won);
    assert_eq!(won + told, 24);
    assert!(won >= 4);
}

#[test]
fn prod_moves_when_two_agree() {
    let rig = Rig::new("[vault]\ntwo_people = [\"prod\"]");
    rig.write("one/w", b"one");
    let one = rig.push("one");
    let approve = |by: &str| {
        let key = format!("{by}.pem");
        rig.end(&[
            "approve",
            "m",
            &one,
            "--alias",
            "prod",
            "--private-key",
            &key,
            "--reason",
            "seen",
        ])
    };
    assert!(approve("bob").1.contains("no promotion of version"));
    assert_eq!(rig.promote(&one, "alice").0, Some(0));
    assert!(rig.pull_prod("a").unwrap_err().contains("means nothing yet"));
    let (code, error) = approve("alice");
    assert_eq!(code, Some(1));
    assert!(error.contains("by the same key"), "{error}");
    assert_eq!(approve("bob").0, Some(0));
    assert_eq!(rig.pull_prod("a").unwrap(), b"one");
}

#[test]
fn what_is_held_or_kept_is_not_deleted() {
    let rig = Rig::new("");
    rig.write("one/w", b"one");
    let one = rig.push("one");
    let by = ["--private-key", "alice.pem", "--reason", "case 9"];
    rig.say(&[&["hold", "m", &one][..], &by].concat());
    let (code, error) = rig.end(&[&["revoke", "m", &one, "--delete"][..], &by].concat());
    assert_eq!(code, Some(1));
    assert!(error.contains("it is revoked and stays"), "{error}");
    let said = rig.say(&["gc", "m", "--revoked", "--older-than", "0s"]);
    assert_eq!(
        said,
        "gone: 0 versions, 0 pieces of content (0 B)\nheld or kept for now: 1 revoked version\n"
    );
    rig.say(&[&["release", "m", &one][..], &by].concat());
    rig.configure("[vault.artifacts.m]\nkeep = \"30d\"");
    let said = rig.say(&["gc", "m", "--revoked"]);
    assert!(said.contains("held or kept for now: 1 revoked version"), "{said}");
    rig.configure("");
    let said = rig.say(&["gc", "m", "--revoked"]);
    assert!(said.starts_with("gone: 1 version"), "{said}");
}

#[test]
fn gates_let_in_and_promote_only_what_shows_what_is_asked() {
    let rig = Rig::new("");
    rig.write("card/README.md", b"---\nlicense: apache-2.0\n---\n# A model\n");
    rig.write("card/config.json", b"{\"hidden_size\": 8}");
    let before = rig.push("card");
    let gates = "[vault.gates]\nscan = \"suspicious\"\nbom = true\nlicences = [\"Apache-2.0\"]\nmetrics = [\"accuracy >= 0.9\"]";
    rig.configure(gates);
    let (code, error) = rig.promote(&before, "alice");
    assert_eq!(code, Some(1));
    for says in [
        "it was not scanned",
        "no bill of materials",
        "under which licence",
        "no report measured `accuracy`",
    ] {
        assert!(error.contains(says), "{says}: {error}");
    }
    rig.write("bom.json", br#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"licenses":[{"license":{"id":"Apache-2.0"}}]}]}"#);
    rig.write(
        "gpl.json",
        br#"{"bomFormat":"CycloneDX","components":[{"licenses":[{"expression":"GPL-3.0-only"}]}]}"#,
    );
    rig.write("good.json", br#"{"metrics":{"accuracy":0.93,"note":"x"}}"#);
    rig.write("bad.json", br#"{"accuracy":0.7}"#);
    rig.write("evil/README.md", b"---\nlicense: apache-2.0\n---\n");
    rig.write("evil/model.pkl", b"cos\nsystem\n(S'id'\ntR.");
    for (model, bom, report, says) in [
        (
            "card",
            "gpl.json",
            "good.json",
            "the licence `GPL-3.0-only` is not allowed",
        ),
        ("card", "bom.json", "bad.json", "`accuracy` is 0.7"),
        ("card", "good.json", "good.json", "is no bill of materials"),
        ("evil", "bom.json", "good.json", "its scan says `malicious`"),
    ] {
        let (code, error) = rig.end(&["push", model, "m", "--unsigned", "--bom", bom, "--report", report]);
        assert_eq!(code, Some(1), "{says}");
        assert!(error.contains(says), "{says}: {error}");
    }
    let pushed = rig.say(&[
        "push",
        "card",
        "m",
        "--unsigned",
        "--bom",
        "bom.json",
        "--report",
        "good.json",
        "--format",
        "json",
    ]);
    let pushed: Value = serde_json::from_str(&pushed).unwrap();
    let version = pushed["version"].as_str().unwrap();
    assert_ne!(version, before);
    assert_eq!(rig.promote(version, "alice").0, Some(0));
    let shown: Value = serde_json::from_str(&rig.say(&["show", "m", "prod", "--format", "json"])).unwrap();
    assert_eq!(shown["evidence"]["scan"]["verdict"], "allowed");
    assert_eq!(shown["evidence"]["metrics"]["accuracy"], 0.93);
    assert!(rig.say(&["show", "m", "prod"]).contains("bill of materials"));
    // Gates of its own stand in the place of the shared ones.
    rig.configure(&format!(
        "{gates}\n[vault.artifacts.m.gates]\nsigned_by = [\"bob.pub\"]"
    ));
    let (_, error) = rig.promote(version, "alice");
    assert!(error.contains("signed by none of those who have to"), "{error}");
}

const SEPARATED: &str = r#"
@id("trainers")
permit(principal in Group::"training", action in [Action::"push", Action::"read"], resource in Label::"training");
@id("release")
permit(principal in Group::"release", action, resource) when { context.proof == Proof::"key" };
@id("servers")
permit(principal in Group::"serving", action == Action::"read", resource) when { context.stages.contains("prod") };
@id("not-prod")
@reason("training does not read what is in production")
forbid(principal in Group::"training", action == Action::"read", resource) when { context.stages.contains("prod") };
"#;

const OPERATORS: &str = "[vault]\npolicies = [\"own.cedar\"]\n\
    [vault.operators]\ntrainer = { groups = [\"training\"] }\nserver = { groups = [\"serving\"] }\n\
    alice = { groups = [\"release\"] }\nother = { uid = 4000000000, groups = [\"release\"] }\n\
    [vault.artifacts.m]\nlabels = [\"training\"]";

#[test]
fn policies_separate_training_from_production() {
    let rig = Rig::new(OPERATORS);
    rig.write("own.cedar", SEPARATED.as_bytes());
    rig.write("one/w", b"one");
    let refused = |arguments: &[&str], says: &str| {
        let (code, error) = rig.end(arguments);
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    };
    // Nobody is anybody by running a program, and some are not who they say.
    refused(&["push", "one", "m", "--unsigned"], "no policy permits this");
    refused(
        &["push", "one", "m", "--unsigned", "--as", "other"],
        "is the user 4000000000",
    );
    refused(
        &["push", "one", "m", "--unsigned", "--as", "nobody"],
        "none of [vault.operators]",
    );
    refused(
        &["push", "one", "n", "--unsigned", "--as", "trainer"],
        "no policy permits this",
    );
    let pushed = rig.say(&["push", "one", "m", "--unsigned", "--as", "trainer", "--format", "json"]);
    let pushed: Value = serde_json::from_str(&pushed).unwrap();
    let one = pushed["version"].as_str().unwrap();
    rig.say(&["pull", "m", "t", "--version", one, "--as", "trainer"]);
    refused(
        &["pull", "m", "s", "--version", one, "--as", "server"],
        "no policy permits this",
    );
    // Bob approves, and is not in the group.
    let (code, error) = rig.promote(one, "bob");
    assert_eq!(code, Some(1));
    assert!(error.contains("`bob` may not promote `m`"), "{error}");
    assert_eq!(rig.promote(one, "alice").0, Some(0));
    rig.say(&["pull", "m", "s", "--alias", "prod", "--as", "server"]);
    refused(
        &["pull", "m", "t2", "--version", one, "--as", "trainer"],
        "training does not read what is in production",
    );
    refused(&["gc", "m", "--as", "server"], "`server` may not delete `m`");
    assert_eq!(rig.say(&["list", "--as", "trainer"]), "m\n");
}

#[test]
fn a_promotion_by_somebody_who_might_not_is_followed_by_nobody() {
    let rig = Rig::new(OPERATORS);
    rig.write("own.cedar", SEPARATED.as_bytes());
    rig.write("one/w", b"one");
    // Bob has a program that asks no policy.
    let all = "@id(\"all\") permit(principal, action, resource);";
    rig.write("own.cedar", all.as_bytes());
    let one = rig.push("one");
    assert_eq!(rig.promote(&one, "bob").0, Some(0));
    rig.write("own.cedar", SEPARATED.as_bytes());
    let (code, error) = rig.end(&["pull", "m", "s", "--alias", "prod", "--as", "server"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("`bob` may not promote `m`"), "{error}");
    assert!(!rig.path("s").exists());
}
