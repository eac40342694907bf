//! The conformance suites of OpenSSF Model Signing and of Sigstore, run against ours.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{output, python, shell};

const PACKAGES: [&str; 4] = [
    "pytest==8.4.2",
    "pytest-json-report==1.5.0",
    "jsonschema==4.25.1",
    "referencing==0.36.2",
];

/// Who signed the vectors and the old releases, and who knew that.
pub(super) const SIGNER: (&str, &str) = ("stefanb@us.ibm.com", "https://sigstore.verify.ibm.com/oauth2");
/// Who signed the bundles of Sigstore's suite unless they say otherwise.
const BEACON: (&str, &str) = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main",
    "https://token.actions.githubusercontent.com",
);

/// Runs the suite that lies in `suite`, with the schemas of `specification` and the trusted root `trusted`; says how
/// many cases passed, were skipped and failed, and returns the last. Cases that sign through Sigstore are left out.
pub(super) fn run(
    ours: &Path,
    work: &Path,
    suite: &Path,
    specification: &Path,
    trusted: &Path,
) -> anyhow::Result<usize> {
    let python = python::environment(&python::cache("testudo-peers")?.join("conformance"), &PACKAGES)?;
    let packages = work.join("packages");
    fs::create_dir_all(&packages)?;
    let schemas = specification.join("schemas").canonicalize()?;
    symlink(schemas, packages.join("oms_schemas"))?;
    let adapter = work.join("adapter");
    let script = format!(
        "#!/bin/sh\ncommand=$1; shift\ntest $command = sign-model || set -- --trust-root '{}' \"$@\"\n\
         exec '{}' model $command \"$@\"\n",
        trusted.display(),
        ours.display()
    );
    fs::write(&adapter, script)?;
    fs::set_permissions(&adapter, fs::Permissions::from_mode(0o755))?;
    let report = work.join("conformance.json");
    output::step("running the conformance suite");
    // It ends with a failure when a case fails, which the report says, too.
    Command::new(&python)
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "test", "--json-report"])
        .args(["-k", "not test_roundtrip or not sigstore-"])
        .arg(format!("--json-report-file={}", report.display()))
        .arg(format!("--entrypoint={}", adapter.display()))
        .current_dir(suite)
        .env("PYTHONPATH", &packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Cases that verify what was signed through Sigstore are skipped without one; nobody looks at it.
        .env("SIGSTORE_ID_TOKEN", "none")
        .stdout(Stdio::null())
        .status()?;
    let failed = tell(&serde_json::from_str(&shell::read_file(&report)?)?)?;
    Ok(failed.saturating_add(vectors(ours, work, suite, specification, trusted)?))
}

/// The vectors of the specification, sound and broken; returns how many were told from each other wrongly.
fn vectors(ours: &Path, work: &Path, suite: &Path, specification: &Path, trusted: &Path) -> anyhow::Result<usize> {
    let model = work.join("vector");
    let assets = suite.join("test/assets");
    fs::create_dir_all(&model)?;
    for name in ["signme-1", "signme-2"] {
        fs::copy(assets.join("models/simple").join(name), model.join(name))?;
    }
    let keys = assets.join("keys/certificate");
    let folder = specification.join("test-vectors/v1.0");
    let mut wrong = 0usize;
    let mut all = 0usize;
    for part in ["valid", "invalid", "invalid-payload"] {
        for entry in fs::read_dir(folder.join(part))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            let mut command = Command::new(ours);
            command
                .args(["model", "verify"])
                .arg(&model)
                .arg("--signature")
                .arg(&path);
            if name.starts_with("sigstore") {
                // It is of another model, without the ends of lines.
                command = Command::new(ours);
                let other = "test/test-cases/verify/historical/historical-v1.1.0-sigstore/model";
                command.args(["model", "verify"]).arg(suite.join(other));
                command.arg("--signature").arg(&path);
                command.args(["--sigstore", "--identity", SIGNER.0, "--identity-provider", SIGNER.1]);
                command.arg("--trust-root").arg(trusted);
            } else if name.starts_with("certificate") {
                command.arg("--certificate-chain").arg(keys.join("ca-cert.pem"));
            } else {
                command.arg("--public-key").arg(keys.join("signing-key-pub.pem"));
            }
            all = all.saturating_add(1);
            if super::passes(&mut command)? != (part == "valid") {
                wrong = wrong.saturating_add(1);
                output::line(&format!("WRONG: {part}/{name}"));
            }
        }
    }
    output::line(&format!(
        "vectors of the specification: {} of {all} told apart",
        all.saturating_sub(wrong)
    ));
    Ok(wrong)
}

fn tell(report: &Value) -> anyhow::Result<usize> {
    let tests = report["tests"].as_array().context("the report has no tests")?;
    if tests.is_empty() {
        bail!("the suite has no tests");
    }
    let mut counts = [0usize; 3];
    for test in tests {
        let (at, told) = match test["outcome"].as_str() {
            Some("passed") => (0, None),
            Some("skipped") => (1, Some("skipped")),
            _ => (2, Some("FAILED")),
        };
        if let Some(count) = counts.get_mut(at) {
            *count = count.saturating_add(1);
        }
        if let Some(told) = told {
            let name = test["nodeid"].as_str().unwrap_or_default();
            output::line(&format!("{told}: {name}"));
        }
    }
    let [passed, skipped, failed] = counts;
    output::line(&format!(
        "conformance: {passed} of {} passed, {skipped} skipped, {failed} failed",
        tests.len()
    ));
    Ok(failed)
}

/// The bundles of Sigstore's own suite; those by a key are not for us. Returns how many were taken for what they are
/// not.
pub(super) fn bundles(ours: &Path, suite: &Path, trusted: &Path) -> anyhow::Result<usize> {
    let folder = suite.join("test/assets/bundle-verify");
    let mut counts = [0usize; 3];
    for entry in fs::read_dir(&folder)? {
        let case = entry?.path();
        let name = case.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        if !case.is_dir() {
            continue;
        }
        let or = |own: &str, else_at: &Path| Some(case.join(own)).filter(|it| it.exists()).unwrap_or(else_at.into());
        let text = |own: &str, otherwise: &str| match shell::read_file(&case.join(own)) {
            Ok(text) => text.trim().to_owned(),
            Err(_) => otherwise.to_owned(),
        };
        let sound = !name.ends_with("_fail");
        let status = Command::new(ours)
            .args(["model", "verify-bundle", "--bundle"])
            .arg(case.join("bundle.sigstore.json"))
            .args(["--certificate-identity", &text("identity", BEACON.0)])
            .args(["--certificate-oidc-issuer", &text("issuer", BEACON.1)])
            .arg("--trusted-root")
            .arg(or("trusted_root.json", trusted))
            .arg(or("artifact", &folder.join("a.txt")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        let at = match (status.success() == sound, case.join("key.pub").exists()) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        match at {
            1 => output::line(&format!("by a key: {name}")),
            2 => output::line(&format!("WRONG: {name}")),
            _ => {}
        }
        if let Some(count) = counts.get_mut(at) {
            *count = count.saturating_add(1);
        }
    }
    let [right, by_key, wrong] = counts;
    output::line(&format!(
        "bundles of Sigstore's suite: {right} told apart, {by_key} by a key and not read, {wrong} wrong"
    ));
    Ok(wrong)
}
