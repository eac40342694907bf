//! Approvals on disk: one SQLite file, bound parameters only; every change of a state is one `UPDATE` from that state.

use std::path::Path;

use sqlx::SqlitePool;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Sqlite, Transaction};
use testudo_types::{ExchangeId, KeyId, RouteName, TenantId, UnixMillis};

use super::error::ApprovalsOpenError;
use super::record::{ApprovalId, ApprovalState, Binding, Decider, HumanVerdict, Summary, Vote};
use crate::sqlite;

mod row;

pub(super) use self::row::Row;

const FILE_NAME: &str = "approvals.db";
const STEPS: sqlite::Steps = &[
    (1, include_str!("store/migrations/1.sql")),
    (2, include_str!("store/migrations/2.sql")),
];
/// Lines of a list at most.
const LIST_MAX: i64 = 1000;
/// What is settled is listed for so long.
const REMEMBERED_MS: i64 = 30 * 24 * 3_600_000;
/// And so many at most.
const REMEMBERED_MAX: i64 = 10_000;

/// What the ledger was not told yet; where none is kept, the oldest go.
const EVENTS_MAX: i64 = 100_000;
const EVENTS_AT_ONCE: i64 = 100;

/// A tool and the digest of its arguments.
type Call = (String, [u8; 32]);

/// The file.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pool: SqlitePool,
}

/// What the ledger is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Opened,
    Approve,
    Deny,
    Expired,
    Used,
    /// Somebody has signed in to decide.
    Login,
    /// Somebody tried to.
    Refused,
}

impl Event {
    const ALL: [Self; 7] = [
        Self::Opened,
        Self::Approve,
        Self::Deny,
        Self::Expired,
        Self::Used,
        Self::Login,
        Self::Refused,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::Login => "login",
            Self::Refused => "refused",
        }
    }
}

/// Something that the ledger is to be told.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(super) sequence: i64,
    pub(crate) what: Event,
    /// Whose doing it was.
    pub(crate) by: Option<String>,
    /// What it happened to, while that is known.
    pub(crate) of: Option<Summary>,
}

/// A hold that is to be added.
#[derive(Debug)]
pub(super) struct Fresh<'a> {
    pub(super) binding: [u8; 32],
    pub(super) row: &'a Row,
    pub(super) calls: &'a [(&'a str, [u8; 32])],
}

/// How much is open.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) of_key: i64,
    pub(super) open: i64,
    pub(super) bytes: i64,
}

/// A call that was looked up, and where it stands in its approval.
#[derive(Debug)]
pub(super) struct FoundCall {
    pub(super) row: Row,
    pub(super) position: i64,
}

impl Store {
    pub(super) async fn open(dir: &Path, fingerprint: &[u8]) -> Result<Self, ApprovalsOpenError> {
        let path = dir.join(FILE_NAME);
        // What was deleted is overwritten.
        let options = sqlite::options(&path).foreign_keys(true).pragma("secure_delete", "ON");
        let pool = sqlite::open(&path, &options, STEPS, fingerprint)
            .await
            .map_err(|problem| ApprovalsOpenError::of(path, problem))?;
        Ok(Self { pool })
    }

    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    async fn connection(&self) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
        self.pool.acquire().await
    }

    /// The latest approval of a request that still means something.
    pub(super) async fn by_request(
        &self,
        key: &KeyId,
        route: &RouteName,
        request: &[u8; 32],
        now: i64,
    ) -> Result<Option<Row>, sqlx::Error> {
        sqlx::query_as(
            "SELECT * FROM approvals WHERE key = ?1 AND route = ?2 AND request = ?3 AND expires > ?4 \
             AND state IN ('waiting', 'approved', 'denied') \
             AND (answer IS NOT NULL OR state = 'denied') ORDER BY opened DESC, id LIMIT 1",
        )
        .bind(key.as_str())
        .bind(route.as_str())
        .bind(request.as_slice())
        .bind(now)
        .fetch_optional(&self.pool)
        .await
    }

    /// The approval of exactly this call that says most for it: approved, then waiting, then denied.
    pub(super) async fn by_call(&self, binding: &Binding<'_>, now: i64) -> Result<Option<FoundCall>, sqlx::Error> {
        let mut connection = self.connection().await?;
        let found: Option<(String, i64)> = sqlx::query_as(
            "SELECT c.approval, c.position FROM calls c JOIN approvals a ON a.id = c.approval \
             WHERE c.digest = ?1 AND c.tool = ?2 AND c.used IS NULL AND a.key = ?3 AND a.route = ?4 \
             AND a.policy = ?5 AND a.expires > ?6 AND a.state IN ('waiting', 'approved', 'denied') \
             ORDER BY CASE a.state WHEN 'approved' THEN 0 WHEN 'waiting' THEN 1 ELSE 2 END, a.opened DESC, c.position \
             LIMIT 1",
        )
        .bind(binding.arguments.as_slice())
        .bind(binding.tool)
        .bind(binding.key.as_str())
        .bind(binding.route.as_str())
        .bind(binding.policy.as_slice())
        .bind(now)
        .fetch_optional(&mut *connection)
        .await?;
        let Some((id, position)) = found else { return Ok(None) };
        let row = row(&mut connection, &id).await?;
        Ok(row.map(|row| FoundCall { row, position }))
    }

    pub(super) async fn row(&self, id: &str) -> Result<Option<Row>, sqlx::Error> {
        row(&mut *self.connection().await?, id).await
    }

    pub(super) async fn calls(&self, id: &str) -> Result<Vec<Call>, sqlx::Error> {
        calls(&mut *self.connection().await?, id).await
    }

    /// Approvals without their texts; rows that are not sound are left out.
    pub(super) async fn list(&self) -> Result<Vec<Summary>, sqlx::Error> {
        let mut connection = self.connection().await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, state, key, tenant, route, exchange, request, policy, quorum, approvers, use_within, opened, \
             expires, NULL AS texts, NULL AS answer FROM approvals \
             ORDER BY CASE state WHEN 'waiting' THEN 0 WHEN 'approved' THEN 1 ELSE 2 END, opened DESC, id LIMIT ?1",
        )
        .bind(LIST_MAX)
        .fetch_all(&mut *connection)
        .await?;
        let mut summaries = Vec::with_capacity(rows.len());
        for row in &rows {
            match summary(&mut connection, row).await? {
                Some(summary) => summaries.push(summary),
                None => tracing::warn!(id = row.id, "a row of the store of approvals is not sound"),
            }
        }
        Ok(summaries)
    }

    /// What the ledger is to be told, the oldest first; not all at once.
    pub(super) async fn happened(&self) -> Result<Vec<Happened>, sqlx::Error> {
        let mut connection = self.connection().await?;
        let rows: Vec<(i64, String, String, Option<String>)> =
            sqlx::query_as("SELECT sequence, approval, what, voter FROM events ORDER BY sequence LIMIT ?1")
                .bind(EVENTS_AT_ONCE)
                .fetch_all(&mut *connection)
                .await?;
        let mut all = Vec::with_capacity(rows.len());
        for (sequence, id, what, by) in rows {
            let of = match row(&mut connection, &id).await? {
                Some(row) => summary(&mut connection, &row).await?,
                None => None,
            };
            let what = Event::ALL.into_iter().find(|it| it.as_str() == what);
            // The table takes no other words.
            all.extend(what.map(|what| Happened { sequence, what, by, of }));
        }
        Ok(all)
    }

    pub(super) async fn entered(&self, sequence: i64) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM events WHERE sequence = ?1")
            .bind(sequence)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(super) async fn summary(&self, row: &Row) -> Result<Option<Summary>, sqlx::Error> {
        summary(&mut *self.connection().await?, row).await
    }

    /// Whether something is to be ended or forgotten; asked without the write lock.
    pub(super) async fn is_due(&self, now: i64) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM approvals WHERE state IN ('waiting', 'approved') AND expires <= ?1) \
             OR EXISTS (SELECT 1 FROM approvals WHERE state NOT IN ('waiting', 'approved') AND settled <= ?2) \
             OR (SELECT count(*) FROM approvals) > ?3 \
             OR coalesce((SELECT max(sequence) FROM events) - (SELECT min(sequence) FROM events), 0) > ?4",
        )
        .bind(now)
        .bind(now.saturating_sub(REMEMBERED_MS))
        .bind(REMEMBERED_MAX.saturating_mul(2))
        .bind(EVENTS_MAX.saturating_mul(2))
        .fetch_one(&self.pool)
        .await
    }
}

async fn summary(connection: &mut SqliteConnection, row: &Row) -> Result<Option<Summary>, sqlx::Error> {
    let calls = calls(connection, &row.id).await?;
    let votes = votes(connection, &row.id).await?;
    let time = |at: i64| u64::try_from(at).ok().map(UnixMillis);
    let sound = || {
        Some(Summary {
            id: ApprovalId::parse(&row.id)?,
            state: ApprovalState::from_name(&row.state)?,
            key: KeyId::parse(&row.key).ok()?,
            tenant: TenantId::parse(&row.tenant).ok()?,
            route: RouteName::parse(&row.route).ok()?,
            exchange: ExchangeId::parse(&row.exchange).ok()?,
            calls,
            policy: row.policy.as_slice().try_into().ok()?,
            opened: time(row.opened)?,
            expires: time(row.expires)?,
            quorum: u16::try_from(row.quorum).ok()?,
            approvers: row.groups(),
            votes,
        })
    };
    Ok(sound())
}

pub(super) async fn votes(connection: &mut SqliteConnection, id: &str) -> Result<Vec<Vote>, sqlx::Error> {
    let rows: Vec<(String, String, i64, String)> =
        sqlx::query_as("SELECT voter, verdict, at, groups FROM votes WHERE approval = ?1 ORDER BY at, voter")
            .bind(id)
            .fetch_all(connection)
            .await?;
    let vote = |(by, verdict, at, groups): (String, String, i64, String)| {
        Some(Vote {
            by,
            verdict: HumanVerdict::from_name(&verdict)?,
            at: UnixMillis(u64::try_from(at).ok()?),
            groups: groups.split_whitespace().map(str::to_owned).collect(),
        })
    };
    Ok(rows.into_iter().filter_map(vote).collect())
}

pub(super) async fn row(connection: &mut SqliteConnection, id: &str) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM approvals WHERE id = ?1")
        .bind(id)
        .fetch_optional(connection)
        .await
}

pub(super) async fn calls(connection: &mut SqliteConnection, id: &str) -> Result<Vec<Call>, sqlx::Error> {
    let rows: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT tool, digest FROM calls WHERE approval = ?1 ORDER BY position")
            .bind(id)
            .fetch_all(connection)
            .await?;
    let call = |(tool, digest): (String, Vec<u8>)| Some((tool, digest.try_into().ok()?));
    // A damaged digest makes the list another one, which no texts belong to.
    Ok(rows.into_iter().filter_map(call).collect())
}

/// The hold with this binding that is still open.
pub(super) async fn same(connection: &mut SqliteConnection, binding: &[u8; 32]) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM approvals WHERE binding = ?1 AND state IN ('waiting', 'approved')")
        .bind(binding.as_slice())
        .fetch_optional(connection)
        .await
}

pub(super) async fn load(connection: &mut SqliteConnection, key: &str) -> Result<Load, sqlx::Error> {
    let (of_key, open, bytes): (Option<i64>, i64, Option<i64>) = sqlx::query_as(
        "SELECT sum(key = ?1), count(*), \
         sum(coalesce(length(texts), 0) + coalesce(length(answer), 0)) \
         FROM approvals WHERE state IN ('waiting', 'approved')",
    )
    .bind(key)
    .fetch_one(connection)
    .await?;
    Ok(Load {
        of_key: of_key.unwrap_or(0),
        open,
        bytes: bytes.unwrap_or(0),
    })
}

pub(super) async fn insert(connection: &mut SqliteConnection, fresh: &Fresh<'_>) -> Result<(), sqlx::Error> {
    let row = fresh.row;
    sqlx::query(
        "INSERT INTO approvals (id, state, key, tenant, route, exchange, request, binding, policy, quorum, \
         use_within, opened, expires, texts, answer, approvers) \
         VALUES (?1, 'waiting', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )
    .bind(&row.id)
    .bind(&row.key)
    .bind(&row.tenant)
    .bind(&row.route)
    .bind(&row.exchange)
    .bind(&row.request)
    .bind(fresh.binding.as_slice())
    .bind(&row.policy)
    .bind(row.quorum)
    .bind(row.use_within)
    .bind(row.opened)
    .bind(row.expires)
    .bind(&row.texts)
    .bind(&row.answer)
    .bind(&row.approvers)
    .execute(&mut *connection)
    .await?;
    for (position, (tool, digest)) in (0_i64..).zip(fresh.calls) {
        sqlx::query("INSERT INTO calls (approval, position, tool, digest) VALUES (?1, ?2, ?3, ?4)")
            .bind(&row.id)
            .bind(position)
            .bind(*tool)
            .bind(digest.as_slice())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Ends what nobody decided or used in time.
pub(super) async fn sweep(connection: &mut SqliteConnection, now: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO events (approval, what, at) SELECT id, 'expired', ?1 FROM approvals \
         WHERE state IN ('waiting', 'approved') AND expires <= ?1",
    )
    .bind(now)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE approvals SET state = 'expired', settled = ?1, texts = NULL, answer = NULL \
         WHERE state IN ('waiting', 'approved') AND expires <= ?1",
    )
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets what was settled long ago, and the oldest of too many.
pub(super) async fn forget(connection: &mut SqliteConnection, now: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM approvals WHERE state NOT IN ('waiting', 'approved') AND (settled <= ?1 OR id NOT IN \
         (SELECT id FROM approvals ORDER BY opened DESC LIMIT ?2))",
    )
    .bind(now.saturating_sub(REMEMBERED_MS))
    .bind(REMEMBERED_MAX)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM events WHERE sequence <= (SELECT max(sequence) FROM events) - ?1")
        .bind(EVENTS_MAX)
        .execute(connection)
        .await?;
    Ok(())
}

/// What the ledger is to be told; in the same transaction as what it is about.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    id: &str,
    event: Event,
    by: Option<&str>,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO events (approval, what, voter, at) VALUES (?1, ?2, ?3, ?4)")
        .bind(id)
        .bind(event.as_str())
        .bind(by)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Counts a person once; false when an approval of theirs was counted already.
pub(super) async fn vote(
    connection: &mut SqliteConnection,
    id: &str,
    by: &Decider,
    verdict: HumanVerdict,
    now: i64,
) -> Result<bool, sqlx::Error> {
    if verdict == HumanVerdict::Deny {
        // Who has approved may think better of it.
        sqlx::query("DELETE FROM votes WHERE approval = ?1 AND (voter = ?2 OR uid = ?3)")
            .bind(id)
            .bind(&by.name)
            .bind(by.uid)
            .execute(&mut *connection)
            .await?;
    }
    let counted = sqlx::query(
        "INSERT INTO votes (approval, voter, uid, verdict, at, groups) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(&by.name)
    .bind(by.uid)
    .bind(verdict.as_str())
    .bind(now)
    .bind(by.groups.join(" "))
    .execute(connection)
    .await?;
    Ok(counted.rows_affected() == 1)
}

/// How many people have approved.
pub(super) async fn approvals(connection: &mut SqliteConnection, id: &str) -> Result<u16, sqlx::Error> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM votes WHERE approval = ?1 AND verdict = 'approve'")
        .bind(id)
        .fetch_one(connection)
        .await?;
    Ok(u16::try_from(count).unwrap_or(u16::MAX))
}

/// From waiting to approved, when enough people have approved.
pub(super) async fn approve(connection: &mut SqliteConnection, id: &str, now: i64) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query(
        "UPDATE approvals SET state = 'approved', settled = ?2, expires = ?2 + use_within \
         WHERE id = ?1 AND state = 'waiting' AND expires > ?2 \
         AND (SELECT count(*) FROM votes WHERE approval = ?1 AND verdict = 'approve') >= quorum",
    )
    .bind(id)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// From waiting to denied.
pub(super) async fn deny(connection: &mut SqliteConnection, id: &str, now: i64) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query(
        "UPDATE approvals SET state = 'denied', settled = ?2, texts = NULL, answer = NULL \
         WHERE id = ?1 AND state = 'waiting' AND expires > ?2",
    )
    .bind(id)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// From waiting or approved to expired.
pub(super) async fn expire(connection: &mut SqliteConnection, id: &str, now: i64) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query(
        "UPDATE approvals SET state = 'expired', settled = ?2, texts = NULL, answer = NULL \
         WHERE id = ?1 AND state IN ('waiting', 'approved')",
    )
    .bind(id)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// From approved to used, with the answer and all calls; false when somebody was faster.
pub(super) async fn use_answer(connection: &mut SqliteConnection, id: &str, now: i64) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query(
        "UPDATE approvals SET state = 'used', settled = ?2, texts = NULL, answer = NULL \
         WHERE id = ?1 AND state = 'approved' AND expires > ?2 AND answer IS NOT NULL",
    )
    .bind(id)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    if changed.rows_affected() != 1 {
        return Ok(false);
    }
    sqlx::query("UPDATE calls SET used = ?2 WHERE approval = ?1 AND used IS NULL")
        .bind(id)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(true)
}

/// Uses up one call of an approval, and with the last one the approval; false when somebody was faster.
pub(super) async fn use_call(
    connection: &mut SqliteConnection,
    id: &str,
    position: i64,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query(
        "UPDATE calls SET used = ?3 WHERE approval = ?1 AND position = ?2 AND used IS NULL \
         AND EXISTS (SELECT 1 FROM approvals WHERE id = ?1 AND state = 'approved' AND expires > ?3)",
    )
    .bind(id)
    .bind(position)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    if changed.rows_affected() != 1 {
        return Ok(false);
    }
    // A call that was made apart is not made again by the answer that holds it.
    sqlx::query("UPDATE approvals SET answer = NULL WHERE id = ?1 AND state = 'approved'")
        .bind(id)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE approvals SET state = 'used', settled = ?2, texts = NULL, answer = NULL \
         WHERE id = ?1 AND state = 'approved' AND NOT EXISTS \
         (SELECT 1 FROM calls WHERE approval = ?1 AND used IS NULL)",
    )
    .bind(id)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(true)
}
