//! `cargo xtask s3`: the shipping of the ledger, and vaults, against an S3 server.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context as _, bail};

use crate::{output, python, shell};

/// An S3 server in memory, from PyPI.
const SERVER: &str = "moto[server]==5.2.5";
/// What the tests look for.
const VARIABLE: &str = "TESTUDO_TEST_S3";

/// Installs and starts the server, and runs the tests of the feature `s3`.
pub(crate) fn s3(arguments: &[String]) -> anyhow::Result<()> {
    if !arguments.is_empty() {
        bail!("`s3` takes nothing");
    }
    let server = Server::start(&python::environment(&shell::target().join("s3/venv"), &[SERVER])?)?;
    output::step("testing against the S3 server");
    shell::run(
        shell::cargo()
            .args(["nextest", "run", "-p", "testudo-recorder", "--features", "s3"])
            .args(["-E", "test(/^ship::/)"])
            .env(VARIABLE, &server.address),
    )?;
    // Built as for `cargo xtask hsm`, so that one build serves both.
    shell::run(
        shell::cargo()
            .args(["nextest", "run", "-p", "testudo-cli", "--features", "s3,pkcs11"])
            .args(["--test", "it", "-E", "test(/^vault_s3::/)"])
            .env(VARIABLE, &server.address),
    )
}

/// The server's process; stopped when dropped.
struct Server {
    address: String,
    child: Child,
    /// Reads what it says until it ends, so that it never waits for us.
    reader: Option<JoinHandle<()>>,
}

impl Server {
    fn start(python: &Path) -> anyhow::Result<Self> {
        let child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the S3 server cannot be started")?;
        // Made before the first failure can return, so that the process is stopped then too.
        let mut server = Self {
            address: String::new(),
            child,
            reader: None,
        };
        let mut log = server.child.stderr.take().map(BufReader::new);
        while let Some(reader) = &mut log {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                break;
            }
            if let Some((_, address)) = line.split_once("Running on ") {
                address.trim().clone_into(&mut server.address);
                server.reader = log.take().map(|it| std::thread::spawn(move || drain(it)));
                return Ok(server);
            }
        }
        bail!("the S3 server ended before it was ready")
    }
}

fn drain(mut log: BufReader<ChildStderr>) {
    let mut line = String::new();
    while log.read_line(&mut line).is_ok_and(|read| read > 0) {
        line.clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good as stopped.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
        let _read = self.reader.take().map(JoinHandle::join);
    }
}
