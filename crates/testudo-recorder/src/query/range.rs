//! From times to a range of entries, by halving: times never fall.

use std::ops::Range;

use sqlx::sqlite::SqliteConnection;

use super::{Cursor, Failure, Filter, Order};
use crate::index::{from_sql, to_sql};

pub(super) const AT: &str = "SELECT at FROM entries WHERE idx = ?1";

/// How many entries are in the index.
pub(super) async fn size(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let next: Option<i64> = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'next'")
        .fetch_optional(connection)
        .await?;
    Ok(next.map(from_sql).unwrap_or_default())
}

/// The entries whose time is asked for.
pub(super) async fn of(connection: &mut SqliteConnection, filter: &Filter) -> Result<Range<u64>, Failure> {
    let size = size(connection).await?;
    let first = match filter.since {
        Some(since) => first_from(connection, since.0, 0..size).await?,
        None => 0,
    };
    let end = match filter.until {
        Some(until) => first_from(connection, until.0, first..size).await?,
        None => size,
    };
    Ok(first..end)
}

/// What is left of a range after an earlier page.
pub(super) fn after(range: Range<u64>, order: Order, cursor: Option<Cursor>) -> Range<u64> {
    match (cursor, order) {
        (None, _) => range,
        (Some(Cursor(last)), Order::NewestFirst) => range.start..range.end.min(last),
        (Some(Cursor(last)), Order::OldestFirst) => range.start.max(last.saturating_add(1))..range.end,
    }
}

/// The first entry in the range with this time or a later one; the range's end when there is none.
async fn first_from(connection: &mut SqliteConnection, at: u64, range: Range<u64>) -> Result<u64, Failure> {
    let Range { mut start, mut end } = range;
    while start < end {
        let middle = start.midpoint(end);
        let found: Option<i64> = sqlx::query_scalar(AT)
            .bind(to_sql(middle))
            .fetch_optional(&mut *connection)
            .await?;
        if from_sql(found.ok_or(Failure::Damaged)?) < at {
            start = middle.saturating_add(1);
        } else {
            end = middle;
        }
    }
    Ok(start)
}
