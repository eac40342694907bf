//! `cargo xtask hsm`: the tests that need a PKCS#11 token, with one made in software.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{output, shell};

const TOKEN: &str = "testudo-test";
/// Of a token that is made here and thrown away.
const PIN: &str = "1234";
/// The keyring itself.
const RECORDER: [&str; 6] = [
    "--package",
    "testudo-recorder",
    "--features",
    "pkcs11",
    "--lib",
    "keys::pkcs11",
];
/// Keys that sign models.
const SIGNER: [&str; 6] = [
    "--package",
    "testudo-vault",
    "--features",
    "pkcs11",
    "--lib",
    "signing::token::held",
];
/// The vault and signing through the binary; built as for `cargo xtask s3`, so that one build serves both.
const BINARY: [&str; 6] = ["--package", "testudo-cli", "--features", "s3,pkcs11", "--test", "it"];
/// Of these; cargo itself takes one name only.
const OF_BINARY: [&str; 2] = ["vault_token::", "token_signer::"];
/// Where distributions put the module.
const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/// `hsm`: takes nothing.
pub(crate) fn hsm(arguments: &[String]) -> anyhow::Result<()> {
    if !arguments.is_empty() {
        bail!("`hsm` takes no arguments");
    }
    let module = module()?;
    let folder = shell::target().join("hsm");
    let configuration = make_token(&folder)?;
    let run = |arguments: &[&str], names: &[&str]| {
        shell::run(
            shell::cargo()
                .args(["test", "--quiet", "--locked"])
                .args(arguments)
                .arg("--")
                .args(names)
                .args(["--test-threads", "1"])
                .env("SOFTHSM2_CONF", &configuration)
                .env("TESTUDO_HSM_MODULE", &module)
                .env("TESTUDO_HSM_TOKEN", TOKEN)
                .env("TESTUDO_HSM_PIN", PIN),
        )
    };
    let tests = run(&RECORDER, &[])
        .and_then(|()| run(&SIGNER, &[]))
        .and_then(|()| run(&BINARY, &OF_BINARY));
    fs::remove_dir_all(&folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    tests
}

/// The software token's module; installs it when it is missing.
fn module() -> anyhow::Result<PathBuf> {
    let found = || MODULES.iter().map(PathBuf::from).find(|path| path.exists());
    if let Some(module) = found() {
        return Ok(module);
    }
    output::line("installing softhsm2");
    shell::run(Command::new("apt-get").args(["install", "--yes", "--quiet", "softhsm2"]))
        .context("install SoftHSM 2 with your system's package manager")?;
    found().context("SoftHSM 2 is installed and its module is not where it was looked for")
}

/// Makes an empty token in a folder and returns the path of its configuration.
fn make_token(folder: &Path) -> anyhow::Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    let tokens = folder.join("tokens");
    fs::create_dir_all(&tokens).with_context(|| format!("{} cannot be made", tokens.display()))?;
    let configuration = folder.join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    fs::write(&configuration, text).with_context(|| format!("{} cannot be written", configuration.display()))?;
    shell::read(
        Command::new("softhsm2-util")
            .args([
                "--init-token",
                "--free",
                "--label",
                TOKEN,
                "--pin",
                PIN,
                "--so-pin",
                PIN,
            ])
            .env("SOFTHSM2_CONF", &configuration),
    )?;
    Ok(configuration)
}
