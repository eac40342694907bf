//! A vault whose key-encryption keys are in a PKCS#11 token, through the binary; run by `cargo xtask hsm`, which makes
//! a token in software.

use crate::vault::Rig;

#[expect(clippy::disallowed_methods, reason = "the token is made by whoever runs the tests")]
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).expect("run `cargo xtask hsm`, which makes a token for these tests")
}

/// A folder with a model, and with the settings of the token as a user would write them.
fn rig(label: &str) -> Rig {
    // Where the software token keeps its tokens, which it learns from its environment and our tests give none.
    let rig = Rig::with_variables(&settings(label), vec![("SOFTHSM2_CONF", variable("SOFTHSM2_CONF"))]);
    rig.private("pin", &variable("TESTUDO_HSM_PIN"));
    rig.write("one/w", b"one");
    rig
}

/// Labels of their own keep tests apart that share a token.
fn settings(label: &str) -> String {
    format!(
        "[vault.keys]\nmodule = \"{}\"\ntoken = \"{}\"\npin = {{ file = \"pin\" }}\nlabel = \"{label}-{}\"",
        variable("TESTUDO_HSM_MODULE"),
        variable("TESTUDO_HSM_TOKEN"),
        std::process::id()
    )
}

#[test]
fn a_model_is_kept_under_keys_that_stay_in_the_token() {
    let rig = rig("walk");
    let one = rig.push("one");
    assert_eq!(rig.promote(&one, "alice").0, Some(0));
    assert_eq!(rig.pull_prod("a").unwrap(), b"one");
    // Another program finds the same key.
    rig.write("two/w", b"two");
    let two = rig.push("two");
    assert_eq!(rig.promote(&two, "bob").0, Some(0));
    assert_eq!(rig.pull_prod("b").unwrap(), b"two");
    assert!(!rig.path("testudo-data/vault-kek").exists());
}

#[test]
fn without_token_or_pin_nothing_opens() {
    let rig = rig("shut");
    let one = rig.push("one");
    assert_eq!(rig.promote(&one, "alice").0, Some(0));
    let refused = |says: &str| {
        let error = rig.pull_prod("a").unwrap_err();
        assert!(error.contains(says), "{error}");
        assert!(!rig.path("a").exists());
    };
    rig.private("pin", "0000");
    refused("key-encryption keys cannot be used");
    rig.private("pin", &variable("TESTUDO_HSM_PIN"));
    rig.configure(&settings("shut").replace(&variable("TESTUDO_HSM_TOKEN"), "another"));
    refused("key-encryption keys cannot be used");
    rig.configure(&settings("stranger"));
    refused("the key of the artifact cannot be opened");
    rig.configure("");
    refused("the key of the artifact cannot be opened");
    rig.configure(&settings("shut"));
    assert_eq!(rig.pull_prod("a").unwrap(), b"one");
}

#[test]
fn many_who_begin_a_vault_under_one_token_can_all_open_it() {
    let rig = rig("many");
    let names = ["m-0", "m-1", "m-2", "m-3"];
    let pushes = names.map(|name| rig.begin(&["push", "one", name, "--unsigned", "--format", "json"]));
    for (name, push) in names.into_iter().zip(pushes) {
        let output = push.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        let printed = if output.status.success() {
            String::from_utf8(output.stdout).unwrap()
        } else {
            // SoftHSM overlooks a token that another process writes to just while it starts.
            assert!(error.contains("there is no token"), "{error}");
            rig.say(&["push", "one", name, "--unsigned", "--format", "json"])
        };
        let pushed: serde_json::Value = serde_json::from_str(&printed).unwrap();
        rig.say(&["pull", name, name, "--version", pushed["version"].as_str().unwrap()]);
        assert_eq!(testudo_bounded::read_file(rig.path(name).join("w"), 9).unwrap(), b"one");
    }
}
