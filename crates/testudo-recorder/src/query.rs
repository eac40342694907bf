//! Questions to the index: which entries, by time and by what they say, a page at a time; and how many.

mod count;
mod range;
mod row;
mod scan;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use testudo_types::UnixMillis;

pub use self::row::Found;
use crate::index::{self, Facet};

/// More rows are not returned at once.
pub const PAGE_ROWS_MAX: usize = 10_000;

/// Which entries are asked for: those to which everything that is set applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The earliest time, itself included.
    pub since: Option<UnixMillis>,
    /// The time before which entries are asked for.
    pub until: Option<UnixMillis>,
    /// An id that the entry has or names: of an exchange, a hold, an incident or an erasure request.
    pub id: Option<String>,
    /// The type of entry, as `exchange`.
    pub kind: Option<String>,
    pub route: Option<String>,
    pub model: Option<String>,
    /// The pseudonym of the caller, or of another person that the entry is about.
    pub principal: Option<String>,
    /// The pseudonym of the tenant.
    pub tenant: Option<String>,
    /// A rule that found something.
    pub rule: Option<String>,
    pub verdict: Option<String>,
    pub action: Option<String>,
    pub outcome: Option<String>,
    /// A chain of statements whose state the entry tells: digest of the address and artifact.
    pub chain: Option<String>,
}

impl Filter {
    fn words(&self) -> impl Iterator<Item = (Facet, &str)> {
        let all = [
            (Facet::Kind, &self.kind),
            (Facet::Route, &self.route),
            (Facet::Model, &self.model),
            (Facet::Principal, &self.principal),
            (Facet::Tenant, &self.tenant),
            (Facet::Rule, &self.rule),
            (Facet::Verdict, &self.verdict),
            (Facet::Action, &self.action),
            (Facet::Outcome, &self.outcome),
            (Facet::Chain, &self.chain),
        ];
        all.into_iter()
            .filter_map(|(facet, value)| Some((facet, value.as_deref()?)))
    }
}

/// Which end of the log comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
}

/// The entry after which the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub u64);

/// Some of the entries that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    pub rows: Vec<Found>,
    /// Where the next page begins; absent when there are no more.
    pub next: Option<Cursor>,
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("the query index `{}` cannot be read; it is made anew when the log is opened", path.display())]
    Database {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("the query index `{}` has another format; it is made anew when the log is opened", path.display())]
    Format { path: PathBuf },
    #[error("the query index `{}` is damaged; it is made anew when the log is opened", path.display())]
    Damaged { path: PathBuf },
    #[error("there are more than {max} values to count by; count by something else")]
    TooManyValues { max: usize },
}

/// What can go wrong below, before the file's name is added.
#[derive(Debug)]
enum Failure {
    Database(sqlx::Error),
    Damaged,
    TooManyValues(usize),
}

impl From<sqlx::Error> for Failure {
    fn from(source: sqlx::Error) -> Self {
        Self::Database(source)
    }
}

/// A reader of the index, beside its writer and other readers; to be opened when needed, since an
/// index that was made anew is another file.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    connection: SqliteConnection,
}

impl Reader {
    /// Opens the index at `path` for reading.
    ///
    /// # Errors
    /// When there is none, or it is of another format.
    pub async fn open(path: &Path) -> Result<Self, QueryError> {
        let failed = |source| QueryError::Database {
            path: path.to_owned(),
            source,
        };
        let mut connection = index::open_read_only(path).await.map_err(failed)?;
        let found = index::format(&mut connection).await.map_err(failed)?;
        if found != index::FORMAT {
            return Err(QueryError::Format { path: path.to_owned() });
        }
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// How many entries of the log are in the index.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn size(&mut self) -> Result<u64, QueryError> {
        let size = range::size(&mut self.connection).await;
        size.map_err(|source| self.explain(source.into()))
    }

    /// At most `limit` (and [`PAGE_ROWS_MAX`]) entries that the filter names, from one end or from where
    /// an earlier page ended.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub async fn find(
        &mut self,
        filter: &Filter,
        order: Order,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page, QueryError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let found = self.page(filter, order, limit, after).await;
        found.map_err(|failure| self.explain(failure))
    }

    /// How many of the entries that the filter names have each value of a facet, in the order of the
    /// values; values that none has are left out.
    ///
    /// # Errors
    /// When the facet has more than 1,000 values, or the file cannot be read or is damaged.
    pub async fn count(&mut self, filter: &Filter, facet: Facet) -> Result<Vec<(String, u64)>, QueryError> {
        let counted = self.counts(filter, facet).await;
        counted.map_err(|failure| self.explain(failure))
    }

    async fn page(
        &mut self,
        filter: &Filter,
        order: Order,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page, Failure> {
        // One transaction, so that the answer is of one moment.
        let mut transaction = self.connection.begin().await?;
        let range = range::of(&mut transaction, filter).await?;
        let range = range::after(range, order, after);
        let wanted = limit.saturating_add(1);
        let mut indexes = scan::indexes(&mut transaction, filter, range, order, wanted).await?;
        let more = indexes.len() > limit;
        indexes.truncate(limit);
        let rows = row::rows(&mut transaction, &indexes).await?;
        transaction.rollback().await?;
        let next = indexes.last().filter(|_| more).map(|last| Cursor(*last));
        Ok(Page { rows, next })
    }

    async fn counts(&mut self, filter: &Filter, facet: Facet) -> Result<Vec<(String, u64)>, Failure> {
        let mut transaction = self.connection.begin().await?;
        let range = range::of(&mut transaction, filter).await?;
        let counted = count::by(&mut transaction, filter, range, facet).await?;
        transaction.rollback().await?;
        Ok(counted)
    }

    fn explain(&self, failure: Failure) -> QueryError {
        let path = self.path.clone();
        match failure {
            Failure::Database(source) => QueryError::Database { path, source },
            Failure::Damaged => QueryError::Damaged { path },
            Failure::TooManyValues(max) => QueryError::TooManyValues { max },
        }
    }
}
