//! What entries can be filtered by, and the dictionary of the values seen.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite};

use super::schema::from_sql;

/// What entries can be filtered by and counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facet {
    /// The type of entry, as `exchange`.
    Kind,
    Route,
    Model,
    /// The pseudonym of the principal.
    Principal,
    /// The pseudonym of the tenant.
    Tenant,
    Verdict,
    Action,
    Outcome,
    /// A rule that found something; an entry may have several.
    Rule,
    /// A chain of statements whose state the entry tells.
    Chain,
}

impl Facet {
    /// Those with a column of their own, in the order of the columns.
    pub(crate) const COLUMNS: [Self; 8] = [
        Self::Kind,
        Self::Route,
        Self::Model,
        Self::Principal,
        Self::Tenant,
        Self::Verdict,
        Self::Action,
        Self::Outcome,
    ];

    /// The number in the file; never changed.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Kind => 0,
            Self::Route => 1,
            Self::Model => 2,
            Self::Principal => 3,
            Self::Tenant => 4,
            Self::Verdict => 5,
            Self::Action => 6,
            Self::Outcome => 7,
            Self::Rule => 8,
            Self::Chain => 9,
        }
    }
}

/// More words than this are not kept in memory at once.
const KNOWN_MAX: usize = 1 << 16;

/// The number of each value, looked up or given out.
#[derive(Debug, Default)]
pub(crate) struct Words {
    known: BTreeMap<(Facet, String), u32>,
    next: u32,
}

impl Words {
    /// Knows nothing yet but which number is free.
    pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let last: Option<i64> = sqlx::query_scalar("SELECT max(word) FROM words")
            .fetch_one(connection)
            .await?;
        let next = last
            .map(from_sql)
            .and_then(|it| u32::try_from(it).ok())
            .unwrap_or_default()
            .saturating_add(1);
        Ok(Self {
            known: BTreeMap::new(),
            next,
        })
    }

    /// The number of a value, new if it was never seen; belongs into the transaction that uses it.
    pub(crate) async fn number(
        &mut self,
        connection: &mut SqliteConnection,
        facet: Facet,
        text: &str,
    ) -> Result<u32, sqlx::Error> {
        let key = (facet, text.to_owned());
        if let Some(number) = self.known.get(&key) {
            return Ok(*number);
        }
        let number = match find(connection, facet, text).await? {
            Some(number) => number,
            None => self.add(connection, facet, text).await?,
        };
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(key, number);
        Ok(number)
    }

    async fn add(&mut self, connection: &mut SqliteConnection, facet: Facet, text: &str) -> Result<u32, sqlx::Error> {
        let number = self.next;
        self.next = number.checked_add(1).ok_or_else(|| {
            sqlx::Error::Protocol("the index has no number left for another value; its log has too many".to_owned())
        })?;
        sqlx::query("INSERT INTO words (word, facet, text) VALUES (?1, ?2, ?3)")
            .bind(i64::from(number))
            .bind(facet.number())
            .bind(text)
            .execute(connection)
            .await?;
        Ok(number)
    }
}

pub(crate) const TEXTS: &str = "SELECT word, text FROM words WHERE word IN (";
pub(crate) const VALUES: &str = "SELECT word, text FROM words WHERE facet = ?1 ORDER BY text LIMIT ?2";
pub(crate) const FIND_WORD: &str = "SELECT word FROM words WHERE facet = ?1 AND text = ?2";

/// The number of a value; none when no entry has it.
pub(crate) async fn find(
    connection: &mut SqliteConnection,
    facet: Facet,
    text: &str,
) -> Result<Option<u32>, sqlx::Error> {
    let number: Option<i64> = sqlx::query_scalar(FIND_WORD)
        .bind(facet.number())
        .bind(text)
        .fetch_optional(connection)
        .await?;
    Ok(number.and_then(|it| u32::try_from(it).ok()))
}

/// The values of a facet in order, at most `max`.
pub(crate) async fn values(
    connection: &mut SqliteConnection,
    facet: Facet,
    max: usize,
) -> Result<Vec<(u32, String)>, sqlx::Error> {
    let rows: Vec<(i64, String)> = sqlx::query_as(VALUES)
        .bind(facet.number())
        .bind(i64::try_from(max).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    let numbered = rows
        .into_iter()
        .filter_map(|(word, text)| Some((u32::try_from(word).ok()?, text)));
    Ok(numbered.collect())
}

/// The texts of some words.
pub(crate) async fn texts(
    connection: &mut SqliteConnection,
    words: impl Iterator<Item = i64>,
) -> Result<BTreeMap<i64, String>, sqlx::Error> {
    let mut wanted: Vec<i64> = words.collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut found = BTreeMap::new();
    for part in wanted.chunks(500) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(TEXTS);
        let mut list = query.separated(",");
        for word in part {
            list.push_bind(*word);
        }
        query.push(")");
        let rows: Vec<(i64, String)> = query
            .build_query_as()
            .persistent(false)
            .fetch_all(&mut *connection)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}
