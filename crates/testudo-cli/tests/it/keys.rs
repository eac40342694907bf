//! Keys from the command line: shown once, listed without secrets, revoked for good.

use crate::program::{said, testudo};
use std::fs;

#[test]
fn a_key_is_shown_once_and_never_again() {
    let dir = tempfile::tempdir().unwrap();
    let made = said(&testudo(
        dir.path(),
        &[
            "key",
            "create",
            "--name",
            "shop",
            "--kind",
            "agent",
            "--route",
            "openai",
            "--model",
            "gpt-4o*",
            "--cost-per-day",
            "2.5 USD",
            "--expires",
            "90d",
        ],
    ));
    let token = made.lines().next().unwrap();
    let mut parts = token.splitn(3, '_');
    let (prefix, id, secret) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    assert_eq!((prefix, id.len(), secret.len()), ("tsk", 12, 52));
    for format in ["table", "json"] {
        let listed = said(&testudo(dir.path(), &["key", "list", "--format", format]));
        assert!(
            listed.contains(id) && listed.contains("shop") && listed.contains("valid"),
            "{listed}"
        );
        assert!(!listed.contains(secret), "{listed}");
    }
    let revoked = said(&testudo(dir.path(), &["key", "revoke", id]));
    assert!(revoked.contains("revoked since"));
    assert!(said(&testudo(dir.path(), &["key", "list"])).contains("revoked"));
    for entry in fs::read_dir(dir.path().join("testudo-data")).unwrap() {
        let bytes = testudo_bounded::read_file(entry.unwrap().path(), 64 << 20).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, code, why) in [
        (&["key", "create"][..], 2, "--name"),
        (&["key", "create", "--name", ""], 1, "name must have"),
        (&["key", "create", "--name", "n", "--expires", "90"], 2, "with a unit"),
        (&["key", "create", "--name", "n", "--route", "a b"], 1, "route name"),
        (
            &["key", "create", "--name", "n", "--model", "a*b"],
            1,
            "`*` before its end",
        ),
        (&["key", "create", "--name", "n", "--tenant", "ü"], 1, "tenant"),
        (
            &["key", "create", "--name", "n", "--requests-per-minute", "0"],
            2,
            "above 0",
        ),
        (&["key", "list", "--data-dir", "elsewhere"], 1, "no data folder"),
        (&["key", "revoke", "abc"], 1, "there is no key `abc`"),
        (&["key", "revoke", "tsk_a_b"], 1, "give the id alone"),
        (
            &["key", "list", "--config", "absent.toml"],
            1,
            "cannot open `absent.toml`",
        ),
    ] {
        let output = testudo(dir.path(), arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(why), "{arguments:?}: {error}");
    }
    assert!(!dir.path().join("elsewhere").exists());
}
