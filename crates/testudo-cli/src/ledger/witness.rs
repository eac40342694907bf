//! `testudo ledger witness` and `witness-key`: a second machine that vouches for logs.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use testudo_gateway::system_clock::SystemClock;
use testudo_ledger::{Policy, SigningKey, VerifierKey};
use testudo_recorder::witness::{Options, Witness as Running, generate_key};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::arguments::ledger::{Witness, WitnessKey};
use crate::exit::Exit;

const KEY: &str = "witness.key";
const SMALL_BYTES_MAX: usize = 1 << 20;

/// Runs until it is told to stop.
pub(super) async fn run(arguments: &Witness, out: &mut impl Write) -> anyhow::Result<Exit> {
    let key = signing_key(&arguments.folder, &arguments.name)?;
    let verifier = key.verifier().clone();
    let mut logs: Vec<VerifierKey> = Vec::new();
    for path in &arguments.logs {
        logs.extend(log_keys(path)?);
    }
    let origins: Vec<String> = logs.iter().map(|key| key.name().to_string()).collect();
    let witness = Running::open(Options {
        folder: arguments.folder.join("seen"),
        keys: vec![key],
        logs,
        clock: Arc::new(SystemClock::new()),
    })?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("the address {} cannot be listened on", arguments.listen))?;
    let address = listener.local_addr()?;
    writeln!(out, "{verifier}")?;
    writeln!(
        out,
        "witnesses {} at http://{address}/; stop with Ctrl-C",
        origins.join(", ")
    )?;
    out.flush()?;
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stopping = stop.clone();
    let signals = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    };
    tokio::join!(witness.serve(listener, stop), signals);
    Ok(Exit::Done)
}

/// Prints the key that logs name their witness by.
pub(super) fn key(arguments: &WitnessKey, out: &mut impl Write) -> anyhow::Result<Exit> {
    let key = signing_key(&arguments.folder, &arguments.name)?;
    writeln!(out, "{}", key.verifier())?;
    Ok(Exit::Done)
}

fn log_keys(path: &Path) -> anyhow::Result<Vec<VerifierKey>> {
    let bytes = testudo_bounded::read_file(path, SMALL_BYTES_MAX)?;
    let policy = Policy::parse(&bytes).with_context(|| format!("`{}` is no policy", path.display()))?;
    Ok(policy.logs().iter().map(|log| log.key.clone()).collect())
}

/// The witness's key, made when there is none.
fn signing_key(folder: &Path, name: &str) -> anyhow::Result<SigningKey> {
    let path = folder.join(KEY);
    if path.try_exists()? {
        let text = testudo_bounded::read_text(&path, SMALL_BYTES_MAX)?;
        return SigningKey::parse(text.trim_end()).with_context(|| format!("`{}` is no key", path.display()));
    }
    let key = generate_key(name)?;
    write_key(folder, &path, &key).with_context(|| format!("cannot make `{}`", path.display()))?;
    Ok(key)
}

fn write_key(folder: &Path, path: &PathBuf, key: &SigningKey) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(key.to_text().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}
