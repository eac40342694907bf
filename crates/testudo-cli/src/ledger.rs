//! `testudo ledger`: reads, proves, verifies and administers the record of what was done.

mod begin;
pub(crate) mod content;
mod entries;
mod export;
mod filter;
mod health;
mod keeping;
mod prove;
mod show;
mod verify;
mod witness;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use testudo_gateway::server::{LEDGER_FOLDER, OpenLedger, open_ledger};
use testudo_gateway::settings::LedgerSettings;
use testudo_gateway::system_clock::SystemClock;
use testudo_recorder::control::{Client, Custodian, FailureKind};
use testudo_recorder::query::Reader;
use testudo_recorder::{LogFolder, index};

use crate::arguments::Store;
use crate::arguments::ledger::Ledger;
use crate::environment::Variables;
use crate::exit::Exit;

/// How long a running gateway may take for what a command asks.
const ASKED_S: u64 = 600;

/// Entries with one id that are looked at.
const OF_ONE_ID_MAX: usize = 256;

pub(crate) async fn run(command: &Ledger, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        Ledger::Begin(arguments) => begin::run(arguments, variables, out).await,
        Ledger::Tail(arguments) => entries::tail(arguments, out).await,
        Ledger::Query(arguments) => entries::query(arguments, out).await,
        Ledger::Show(arguments) => show::run(arguments, variables, out).await,
        Ledger::Prove(arguments) => prove::run(arguments, variables, out).await,
        Ledger::Verify(arguments) => verify::run(arguments, out),
        Ledger::Export(arguments) => export::run(arguments, out).await,
        Ledger::Erase(arguments) => keeping::erase(arguments, variables, out).await,
        Ledger::Hold(arguments) => keeping::hold(arguments, variables, out).await,
        Ledger::Release(arguments) => keeping::release(arguments, variables, out).await,
        Ledger::Retain(arguments) => keeping::retain(arguments, variables, out).await,
        Ledger::Rotate(arguments) => keeping::rotate(arguments, variables, out).await,
        Ledger::Fsck(arguments) => health::fsck(arguments, variables, out).await,
        Ledger::Status(arguments) => health::status(arguments, out).await,
        Ledger::Witness(arguments) => witness::run(arguments, out).await,
        Ledger::WitnessKey(arguments) => witness::key(arguments, out),
    }
}

/// The ledger's folder, which has to be there: a wrong path would look like an empty ledger.
pub(crate) fn folder(store: &Store) -> anyhow::Result<PathBuf> {
    let folder = crate::key::data_dir(store)?.join(LEDGER_FOLDER);
    if !folder.join(testudo_ledger::verify::CHECKPOINT).is_file() {
        bail!(
            "there is no ledger in `{}`; `testudo serve` makes one at its first start, `testudo ledger begin` without a gateway, and --data-dir or --config names another place",
            folder.display()
        );
    }
    Ok(folder)
}

/// A ledger to read from, beside whoever writes it.
pub(crate) fn log(store: &Store) -> anyhow::Result<LogFolder> {
    Ok(LogFolder::new(&folder(store)?))
}

/// Answers questions about entries.
async fn reader(log: &LogFolder) -> anyhow::Result<Reader> {
    let path = log.root().join(index::FILE_NAME);
    if !path.is_file() {
        bail!(
            "there is no query index `{}`; start the gateway, or run `testudo ledger fsck --rebuild-index`",
            path.display()
        );
    }
    Ok(Reader::open(&path).await?)
}

/// Whoever may write the ledger.
pub(crate) enum Keeper {
    /// The running gateway.
    Asked(Client),
    /// This process, for as long as the command takes.
    Held(OpenLedger),
}

impl Keeper {
    /// Asks a running gateway, and takes the ledger where there is none.
    pub(crate) async fn find(store: &Store, variables: &dyn Variables) -> anyhow::Result<Self> {
        let folder = folder(store)?;
        let client = Client::new(&folder, Duration::from_secs(ASKED_S));
        match client.status().await {
            Ok(_) => return Ok(Self::Asked(client)),
            Err(failure) if failure.kind == FailureKind::Unserved => {}
            Err(failure) => return Err(failure.into()),
        }
        let data_dir = crate::key::data_dir(store)?;
        let settings = settings(store, variables)?;
        let held = open_ledger(&data_dir, &settings, Arc::new(SystemClock::new())).await;
        let held = held.with_context(|| format!("the ledger in `{}` cannot be written", folder.display()))?;
        Ok(Self::Held(held))
    }

    pub(crate) fn custodian(&self) -> anyhow::Result<&dyn Custodian> {
        match self {
            Self::Asked(client) => Ok(client),
            Self::Held(ledger) => ledger.custodian().context("the ledger has no keeper"),
        }
    }

    /// Lets the ledger go; what was done is under a checkpoint then.
    pub(crate) async fn close(self) {
        if let Self::Held(ledger) = self {
            ledger.close().await;
        }
    }
}

/// How the ledger is kept, as the configuration says; as when nothing is configured without one.
fn settings(store: &Store, variables: &dyn Variables) -> anyhow::Result<LedgerSettings> {
    if store.data_dir.is_some() {
        return Ok(LedgerSettings::default());
    }
    match crate::configuration(store.config.as_ref()) {
        None => Ok(LedgerSettings::default()),
        Some(path) => match crate::config::ledger(&path, variables) {
            Ok(settings) => Ok(settings),
            Err(problems) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                bail!("{}", lines.join("\n"))
            }
        },
    }
}

/// The place of an entry in the log: its number, or found by its id.
async fn index_of(log: &LogFolder, id: &str) -> anyhow::Result<Option<u64>> {
    if !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) {
        let index: u64 = id.parse().context("an entry's number is smaller")?;
        return Ok((index < log.size()?).then_some(index));
    }
    let mut reader = reader(log).await?;
    let filter = testudo_recorder::query::Filter {
        id: Some(id.to_owned()),
        ..Default::default()
    };
    let order = testudo_recorder::query::Order::NewestFirst;
    // The newest is the exchange itself; a stream's beginning stands before it.
    let page = reader.find(&filter, order, 1, None).await?;
    Ok(page.rows.first().map(|row| row.index))
}

/// The place of the entry of an exchange: others about it, as of a call that is held, carry the same id.
pub(crate) async fn exchange(log: &LogFolder, id: &str) -> anyhow::Result<u64> {
    let newest = require(log, id).await?;
    if id.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(newest);
    }
    let filter = testudo_recorder::query::Filter {
        id: Some(id.to_owned()),
        ..Default::default()
    };
    let order = testudo_recorder::query::Order::NewestFirst;
    let page = reader(log).await?.find(&filter, order, OF_ONE_ID_MAX, None).await?;
    for row in &page.rows {
        let entry: serde_json::Value = serde_json::from_slice(&log.entry(row.index)?)?;
        if entry.pointer("/body/findings").is_some() {
            return Ok(row.index);
        }
    }
    Ok(newest)
}

/// As [`index_of`], but an entry that is not there is an error for people.
pub(crate) async fn require(log: &LogFolder, id: &str) -> anyhow::Result<u64> {
    match index_of(log, id).await? {
        Some(index) => Ok(index),
        None => bail!(
            "there is no entry `{id}`; give the id from the header x-testudo-exchange or a number below {}, and wait a second after the exchange",
            log.size()?
        ),
    }
}
