//! What is measured side by side: the recorder, SQLite, the bare disk, and the cost of queueing.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use testudo_ledger::entry::{Digest, Exchange};
use testudo_recorder::{Draft, Level, Limits};
use testudo_types::{Action, KeyId, TenantId, Verdict};
use tokio::time::Instant;

use super::Window;
use crate::ledger_setup;

const CONTENT_BYTES: usize = 1024;
/// What SQLite and the disk get: about what an entry and its sealed content take together.
const ROW_BYTES: usize = 2048;

/// Durable entries by so many tasks, each of which waits for one before the next.
pub(super) async fn ledger(folder: &Path, writers: usize, window: Duration) -> anyhow::Result<Window> {
    let recorder = ledger_setup::open(&folder.join("ledger")).await?;
    // The first entry makes the tenant's keys.
    recorder.append(draft()?, Level::Durable).await?;
    let draft = draft()?;
    let outcome = side_by_side(writers, window, {
        let recorder = recorder.clone();
        move || {
            let (recorder, draft) = (recorder.clone(), draft.clone());
            async move {
                recorder.append(draft, Level::Durable).await?;
                Ok(())
            }
        }
    });
    let outcome = outcome.await?;
    recorder.close().await?;
    Ok(outcome)
}

/// One insert a transaction. One connection: more of them only wait for each other's locks.
pub(super) async fn sqlite(folder: &Path, writers: usize, window: Duration) -> anyhow::Result<Window> {
    let options = SqliteConnectOptions::new()
        .filename(folder.join("bench.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await?;
    let create = "create table entry (id integer primary key, bytes blob not null)";
    sqlx::query(create).execute(&pool).await?;
    let row = Arc::new(vec![7_u8; ROW_BYTES]);
    let outcome = side_by_side(writers, window, {
        let pool = pool.clone();
        move || {
            let (pool, row) = (pool.clone(), Arc::clone(&row));
            async move {
                let insert = sqlx::query("insert into entry (bytes) values (?)").bind(row.as_slice());
                insert.execute(&pool).await?;
                Ok(())
            }
        }
    });
    let outcome = outcome.await?;
    pool.close().await;
    Ok(outcome)
}

/// Appends and syncs without anything else: what the disk can do.
pub(super) fn disk(folder: &Path, window: Duration) -> anyhow::Result<Window> {
    let mut file = std::fs::File::create(folder.join("bench.raw"))?;
    let row = vec![7_u8; ROW_BYTES];
    let mut latency_ns = histogram()?;
    let start = Instant::now();
    while start.elapsed() < window {
        let before = Instant::now();
        file.write_all(&row)?;
        file.sync_data()?;
        latency_ns.saturating_record(nanos(before.elapsed()));
    }
    Ok(finished(latency_ns, start.elapsed()))
}

/// What queueing adds to an exchange, at a rate that the disk keeps up with.
pub(super) async fn queued(folder: &Path, window: Duration) -> anyhow::Result<Window> {
    let limits = Limits {
        queue_entries: 1 << 16,
        queue_bytes: 1 << 30,
        ..Limits::default()
    };
    let recorder = ledger_setup::open_with(&folder.join("ledger"), limits).await?;
    recorder.append(draft()?, Level::Durable).await?;
    let draft = draft()?;
    let mut latency_ns = histogram()?;
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let start = Instant::now();
    while start.elapsed() < window {
        tick.tick().await;
        for _ in 0..5 {
            let own = draft.clone();
            let before = Instant::now();
            let pending = recorder.slot()?.append(own, Level::Queued);
            latency_ns.saturating_record(nanos(before.elapsed()));
            pending.await?;
        }
    }
    let elapsed = start.elapsed();
    recorder.close().await?;
    Ok(finished(latency_ns, elapsed))
}

/// So many tasks, each doing the same again and again for as long as the window is open.
async fn side_by_side<W, F>(writers: usize, window: Duration, work: W) -> anyhow::Result<Window>
where
    W: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let start = Instant::now();
    let tasks = (0..writers).map(|_| {
        let work = work.clone();
        tokio::spawn(async move {
            let mut latency_ns = histogram()?;
            while start.elapsed() < window {
                let before = Instant::now();
                work().await?;
                latency_ns.saturating_record(nanos(before.elapsed()));
            }
            anyhow::Ok(latency_ns)
        })
    });
    let mut latency_ns = histogram()?;
    for task in tasks.collect::<Vec<_>>() {
        latency_ns.add(task.await??)?;
    }
    Ok(finished(latency_ns, start.elapsed()))
}

fn draft() -> anyhow::Result<Draft> {
    let mut draft = Draft::new(Exchange {
        action: Action::Pass,
        detail: String::new(),
        duration_ms: 812,
        edited: false,
        findings: Vec::new(),
        findings_omitted: None,
        first_byte_ms: Some(210),
        forwarded: true,
        id: "ex_0123456789abcdef0123456789abcdef".to_owned(),
        input_tokens: Some(812),
        model: Some("gpt-4o-mini".to_owned()),
        model_version: None,
        operation: "chat.completions".to_owned(),
        outcome: "completed".to_owned(),
        output_tokens: Some(210),
        policies: vec!["default.pass".to_owned()],
        policy_digest: Digest::from_bytes([7; 32]),
        request_bytes: 2048,
        response_bytes: 1024,
        route: "openai".to_owned(),
        scanned_request: vec!["injection".to_owned(), "secret".to_owned()],
        scanned_response: vec!["secret".to_owned()],
        status: 200,
        streamed: false,
        upstream: "openai".to_owned(),
        verdict: Verdict::Allow,
    });
    draft.tenant = Some(TenantId::parse("acme")?);
    draft.principal = Some(KeyId::parse("k1")?);
    draft.content = Some(vec![b'x'; CONTENT_BYTES].into());
    Ok(draft)
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).context("a histogram")
}

fn finished(latency_ns: Histogram<u64>, elapsed: Duration) -> Window {
    #[expect(clippy::cast_precision_loss, reason = "a window has far fewer than 2^53 calls")]
    let count = latency_ns.len() as f64;
    Window {
        per_second: count / elapsed.as_secs_f64(),
        latency_ns,
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
