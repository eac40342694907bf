//! Measures how long a ledger takes to tell how far a chain of statements had come: `cargo xtask bench-query`, or with a
//! folder and a number of entries as arguments.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a measurement prints its table and reads the clock"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use hdrhistogram::Histogram;
use testudo_ledger::entry::{Artifact, Chain, Configuration, ConfigurationAction, Digest};
use testudo_recorder::index::{FILE_NAME, Feed};
use testudo_recorder::query::Reader;
use testudo_recorder::{
    Batch, Draft, Folder, Level, LogFolder, Options, Recorder, Sealed, Sealer, Sealing, ToldChainError, told_chain,
};
use testudo_types::{Clock, Millis, UnixMillis};

const PLACE: [u8; 32] = [1; 32];
/// One entry in so many is about the artifact `busy`.
const BUSY: u64 = 10;
const ASKED: u64 = 100;
/// As many entries as may be in no index.
const UNINDEXED: u64 = 65_000;

type Failed = Box<dyn Error>;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    let entries: u64 = arguments.next().ok_or("how many entries?")?.parse()?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let whole = folder.join("indexed");
        let began = Instant::now();
        write(&whole, entries, true).await?;
        println!("wrote {entries} entries in {:.1} s", began.elapsed().as_secs_f64());
        index(&whole).await?;
        println!("and indexed them in {:.1} s", began.elapsed().as_secs_f64());
        println!();
        println!("| asked about | p50 ms | p99 ms | most ms |");
        println!("| --- | ---: | ---: | ---: |");
        ask(&whole, "first", "one that the first entry is about").await?;
        ask(&whole, "busy", "one that every tenth is about").await?;
        ask(&whole, "never", "one that none is about").await?;
        let recent = folder.join("not-indexed");
        write(&recent, UNINDEXED, false).await?;
        ask(&recent, "first", "65,000 entries that are in no index").await?;
        std::fs::remove_file(whole.join(FILE_NAME))?;
        let began = Instant::now();
        let refused = told_chain(&LogFolder::new(&whole), &Digest::from_bytes(PLACE), "busy").await;
        if entries > 1 << 16 && !matches!(refused, Err(ToldChainError::Behind { .. })) {
            return Err("a ledger without an index is read whole".into());
        }
        println!(
            "| all of them, in no index: refused | {0} | {0} | {0} |",
            milliseconds(began.elapsed().as_micros())
        );
        Ok(())
    })
}

async fn open(home: &Path, indexed: bool) -> Result<Recorder, Failed> {
    let folder = Folder::prepare(home)?;
    let mut options = Options::new(Arc::new(Still), Box::new(Nothing), "bench");
    if indexed {
        options.observer = Some(Box::new(Feed::open(folder.root(), folder.origin())?));
    }
    Ok(Recorder::open(folder, options).await?)
}

/// Waits until the index, which follows on its own, has everything.
async fn index(home: &Path) -> Result<(), Failed> {
    let recorder = open(home, true).await?;
    let size = LogFolder::new(home).size()?;
    while Reader::open(&home.join(FILE_NAME)).await?.size().await? < size {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    recorder.close().await?;
    Ok(())
}

async fn write(home: &Path, entries: u64, indexed: bool) -> Result<(), Failed> {
    std::fs::create_dir_all(home)?;
    let recorder = open(home, indexed).await?;
    for number in 0..entries {
        let draft = match number {
            0 => about("first", 1),
            number if number % BUSY == 0 => about("busy", number / BUSY),
            _ => other(),
        };
        // A window of entries waits for the disk together.
        let level = if number % 1_000 == 0 {
            Level::Durable
        } else {
            Level::Queued
        };
        recorder.append(draft, level).await?;
    }
    recorder.close().await?;
    Ok(())
}

fn about(artifact: &str, statements: u64) -> Draft {
    Draft::new(Artifact {
        action: "promote:prod".to_owned(),
        chain: Some(Chain {
            hash: Digest::from_bytes([3; 32]),
            place: Digest::from_bytes(PLACE),
            statements,
        }),
        digest: Digest::from_bytes([7; 32]),
        name: Some(artifact.to_owned()),
        proof: None,
        version: None,
    })
}

fn other() -> Draft {
    Draft::new(Configuration {
        action: ConfigurationAction::Load,
        digest: Digest::from_bytes([9; 32]),
        problems: 0,
    })
}

async fn ask(home: &Path, artifact: &str, name: &str) -> Result<(), Failed> {
    let log = LogFolder::new(home);
    let mut times = Histogram::<u64>::new(3)?;
    for _ in 0..ASKED {
        let began = Instant::now();
        let told = told_chain(&log, &Digest::from_bytes(PLACE), artifact).await?;
        times.record(u64::try_from(began.elapsed().as_micros())?)?;
        if told.is_some() != (artifact != "never") {
            return Err(format!("the ledger tells something else of `{artifact}`").into());
        }
    }
    println!(
        "| {name} | {} | {} | {} |",
        milliseconds(times.value_at_quantile(0.5).into()),
        milliseconds(times.value_at_quantile(0.99).into()),
        milliseconds(times.max().into())
    );
    Ok(())
}

fn milliseconds(micros: u128) -> String {
    format!("{}.{:01}", micros / 1_000, micros % 1_000 / 100)
}

/// Seals nothing: no entry has content.
#[derive(Debug)]
struct Nothing;

impl Sealer for Nothing {
    fn seal<'a>(&'a mut self, batch: Batch<'a>) -> Sealing<'a> {
        let nothing = || {
            Ok(Sealed {
                tenant: None,
                principal: None,
                payload: None,
            })
        };
        Box::pin(async move { Ok(batch.drafts.iter().map(|_| nothing()).collect()) })
    }
}

/// Entries bear any time.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn monotonic(&self) -> Millis {
        Millis(1)
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(1_800_000_000_000)
    }
}
