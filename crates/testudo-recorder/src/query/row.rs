//! The rows of the entries that were found, with words as text.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{FromRow, QueryBuilder, Row as _, Sqlite};
use testudo_types::UnixMillis;

use super::Failure;
use crate::index::{self, Facet, from_sql, to_sql};

/// What the index knows of an entry; the rest is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub index: u64,
    pub at: UnixMillis,
    pub id: Option<String>,
    pub kind: Option<String>,
    pub route: Option<String>,
    pub model: Option<String>,
    pub principal: Option<String>,
    pub tenant: Option<String>,
    pub verdict: Option<String>,
    pub action: Option<String>,
    pub outcome: Option<String>,
}

/// A row as it is stored; words are numbers, in the order of [`Facet::COLUMNS`].
#[derive(Debug)]
struct Stored {
    idx: i64,
    at: i64,
    id: Option<String>,
    words: [Option<i64>; Facet::COLUMNS.len()],
}

impl FromRow<'_, SqliteRow> for Stored {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let mut words = [None; Facet::COLUMNS.len()];
        for (word, column) in words.iter_mut().zip(3..) {
            *word = row.try_get::<Option<i64>, usize>(column)?;
        }
        Ok(Self {
            idx: row.try_get(0)?,
            at: row.try_get(1)?,
            id: row.try_get(2)?,
            words,
        })
    }
}

pub(super) const ROWS: &str = "SELECT idx, at, id, kind, route, model, principal, tenant, verdict, action, outcome \
     FROM entries WHERE idx IN (";

/// The rows of some entries, in the order of the entries.
pub(super) async fn rows(connection: &mut SqliteConnection, indexes: &[u64]) -> Result<Vec<Found>, Failure> {
    let mut stored: Vec<Stored> = Vec::with_capacity(indexes.len());
    for part in indexes.chunks(500) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(ROWS);
        let mut list = query.separated(",");
        for index in part {
            list.push_bind(to_sql(*index));
        }
        query.push(")");
        let found: Vec<Stored> = query.build_query_as().fetch_all(&mut *connection).await?;
        if found.len() != part.len() {
            return Err(Failure::Damaged);
        }
        stored.extend(found);
    }
    stored.sort_unstable_by_key(|it| it.idx);
    if indexes.first() > indexes.last() {
        stored.reverse();
    }
    let texts = index::texts(connection, stored.iter().flat_map(|it| it.words.into_iter().flatten())).await?;
    let rows = stored.into_iter().map(|it| {
        let [kind, route, model, principal, tenant, verdict, action, outcome] =
            it.words.map(|word| word.and_then(|it| texts.get(&it).cloned()));
        Found {
            index: from_sql(it.idx),
            at: UnixMillis(from_sql(it.at)),
            id: it.id,
            kind,
            route,
            model,
            principal,
            tenant,
            verdict,
            action,
            outcome,
        }
    });
    Ok(rows.collect())
}
