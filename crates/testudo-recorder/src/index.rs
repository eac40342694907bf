//! The query index of one log: a cache in SQLite, fed in order, made anew whenever it is in doubt.
//!
//! Entries are cut into chunks of 32,768. For each chunk and each value that occurs in it, the
//! index keeps the set of entries with that value, as a list or as one bit for each entry. A query
//! meets the sets of its values chunk by chunk, so that its cost does not depend on how the values
//! are distributed, and no combination of filters reads the table of entries from end to end.

mod bits;
mod chunk;
mod facet;
mod feed;
mod folder;
mod line;
mod schema;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, QueryBuilder, Sqlite};
use testudo_ledger::Hash;
use testudo_ledger::entry::Entry;

pub(crate) use self::bits::{Bits, CHUNK, Posting, place};
use self::chunk::OpenChunk;
pub(crate) use self::chunk::{Print, name_place, set_place};
pub use self::facet::Facet;
use self::facet::Words;
#[cfg(test)]
pub(crate) use self::facet::{FIND_WORD, TEXTS, VALUES};
pub(crate) use self::facet::{find, texts, values};
pub use self::feed::{FILE_NAME, Feed};
pub use self::folder::FolderSource;
use self::line::Line;
pub(crate) use self::line::chain_word;
use self::schema::Standing;
#[cfg(test)]
pub(crate) use self::schema::open as open_for_test;
pub(crate) use self::schema::{FORMAT, format, from_sql, open_read_only, to_sql};

/// Entries that are read and written in one step while catching up.
const STEP: usize = 4_096;
/// Rows in one statement; 11 values each.
const ROWS: usize = 256;

/// The entries of a log as they are in its files, from which the index catches up.
pub trait LeafSource {
    /// Why entries could not be read.
    type Error: std::error::Error + Send + Sync + 'static;

    /// How many entries the log has.
    fn size(&self) -> u64;

    /// The bytes of entries from `first` on in order, at least one and at most `max` of them.
    ///
    /// # Errors
    /// When they cannot be read.
    fn leaves(&mut self, first: u64, max: usize) -> Result<Vec<Vec<u8>>, Self::Error>;
}

/// Why the index was not opened or fed. The log is not touched by any of these.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the query index `{}` cannot be used; it will be made anew", path.display())]
    Database {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("the query index `{}` is damaged; it will be made anew", path.display())]
    Damaged { path: PathBuf },
    #[error("the query index `{}` cannot be removed; remove it by hand", path.display())]
    Remove {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the query index has {next} entries and was given entry {first}; it has to catch up first")]
    Ahead { first: u64, next: u64 },
    #[error("the query index cannot read the log's entries from {first} on")]
    Source {
        first: u64,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The index of one log, for its one writer.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    origin: String,
    connection: SqliteConnection,
    standing: Standing,
    /// Absent after a failed write, until what is on disk was read again.
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    words: Words,
    chunk: OpenChunk,
}

impl Index {
    /// Opens the index at `path` (mode 0600) for the log named `origin`; one that is missing,
    /// damaged, of another format or of another log is made anew, empty.
    ///
    /// # Errors
    /// When no index can be made there.
    pub async fn open(path: &Path, origin: &str) -> Result<Self, IndexError> {
        if let Ok(Some(index)) = Self::existing(path, origin).await {
            return Ok(index);
        }
        Self::anew(path, origin).await
    }

    /// How many entries are in it: the index of the first that is not.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.standing.next
    }

    /// Adds entries, of which the first has the index `first`; those that are in it already are passed
    /// over. `last` is the leaf hash of the last of them.
    ///
    /// All or none of them are in the index afterwards.
    ///
    /// # Errors
    /// When entries before `first` are missing, or the file cannot be written. Then
    /// [`Index::catch_up`] is what helps.
    pub async fn append(&mut self, first: u64, entries: &[Entry], last: &Hash) -> Result<(), IndexError> {
        let lines = entries.iter().map(|it| Some(Line::of(it)));
        self.append_lines(first, lines.collect(), last).await
    }

    /// Brings the index to the log's size; one that is not of this log, is ahead of it or fails is
    /// made anew. `progress` is told how many entries are in it, of how many, and may break off there.
    ///
    /// # Errors
    /// When the log cannot be read, or the index fails again right after it was made.
    pub async fn catch_up<S: LeafSource>(
        &mut self,
        source: &mut S,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        if !self.fits(source)? {
            self.clear().await?;
        }
        match self.follow(source, &mut progress).await {
            Err(IndexError::Database { .. } | IndexError::Damaged { .. }) => {
                self.clear().await?;
                self.follow(source, &mut progress).await
            }
            settled => settled,
        }
    }

    /// Empties the index, as if it had never been.
    ///
    /// # Errors
    /// When the old file cannot be removed or a new one cannot be made.
    pub async fn clear(&mut self) -> Result<(), IndexError> {
        *self = Self::anew(&self.path, &self.origin).await?;
        Ok(())
    }

    /// Closes the file.
    pub async fn close(self) {
        // It is a cache: what a failed close loses is read from the log again.
        let _closed = self.connection.close().await;
    }

    async fn existing(path: &Path, origin: &str) -> Result<Option<Self>, sqlx::Error> {
        let mut connection = schema::open(path).await?;
        if format(&mut connection).await? != FORMAT {
            return Ok(None);
        }
        let standing = match Standing::load(&mut connection).await? {
            Some(standing) if standing.origin != origin => return Ok(None),
            Some(standing) => standing,
            None => Standing {
                origin: origin.to_owned(),
                ..Standing::default()
            },
        };
        let Some(state) = State::load(&mut connection, standing.next).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            path: path.to_owned(),
            origin: origin.to_owned(),
            connection,
            standing,
            state: Some(state),
        }))
    }

    async fn anew(path: &Path, origin: &str) -> Result<Self, IndexError> {
        schema::remove(path).map_err(|source| IndexError::Remove {
            path: path.to_owned(),
            source,
        })?;
        let made = Self::existing(path, origin).await;
        made.map_err(|source| IndexError::Database {
            path: path.to_owned(),
            source,
        })?
        .ok_or_else(|| IndexError::Damaged { path: path.to_owned() })
    }

    /// Whether what is in the index is the beginning of this log.
    fn fits<S: LeafSource>(&self, source: &mut S) -> Result<bool, IndexError> {
        let Some(last) = self.standing.next.checked_sub(1) else {
            return Ok(true);
        };
        if self.standing.next > source.size() {
            return Ok(false);
        }
        let leaves = read(source, last, 1)?;
        let hash = leaves.first().map(|leaf| Hash::leaf(leaf));
        Ok(hash.is_some_and(|hash| hash.as_bytes().as_slice() == self.standing.last))
    }

    async fn follow<S: LeafSource>(
        &mut self,
        source: &mut S,
        progress: &mut impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        while self.standing.next < source.size() {
            let first = self.standing.next;
            let leaves = read(source, first, STEP)?;
            let Some(last) = leaves.last() else {
                return Ok(());
            };
            let hash = Hash::leaf(last);
            // An entry of a newer program has its place, and is found by nothing but its time.
            let lines = leaves
                .iter()
                .map(|leaf| Entry::decode(leaf).ok().map(|it| Line::of(&it)));
            self.append_lines(first, lines.collect(), &hash).await?;
            if progress(self.standing.next, source.size()).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn append_lines(&mut self, first: u64, lines: Vec<Option<Line>>, last: &Hash) -> Result<(), IndexError> {
        if first > self.standing.next && !lines.is_empty() {
            return Err(IndexError::Ahead {
                first,
                next: self.standing.next,
            });
        }
        let known = usize::try_from(self.standing.next.saturating_sub(first)).unwrap_or(usize::MAX);
        let new: Vec<(u64, Option<Line>)> = (first..).zip(lines).skip(known).collect();
        let Some((end, _)) = new.last() else {
            return Ok(());
        };
        let standing = Standing {
            origin: self.origin.clone(),
            next: end.saturating_add(1),
            last: last.as_bytes().to_vec(),
        };
        let path = self.path.clone();
        self.write(&new, standing).await.map_err(|source| match source {
            Failure::Database(source) => IndexError::Database { path, source },
            Failure::Damaged => IndexError::Damaged { path },
        })
    }

    /// One transaction; what is in memory follows only when it is through.
    async fn write(&mut self, new: &[(u64, Option<Line>)], standing: Standing) -> Result<(), Failure> {
        let mut state = match self.state.take() {
            Some(state) => state,
            None => State::load(&mut self.connection, self.standing.next)
                .await?
                .ok_or(Failure::Damaged)?,
        };
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut at = last_at(&mut transaction, self.standing.next).await?;
        for part in new.chunks(ROWS) {
            let mut rows = Vec::with_capacity(part.len());
            for (index, line) in part {
                let row = state.take(&mut transaction, *index, line.as_ref(), at).await?;
                at = row.at;
                rows.push(row);
            }
            insert(&mut transaction, &rows).await?;
        }
        state.chunk.store(&mut transaction).await?;
        standing.store(&mut transaction).await?;
        transaction.commit().await?;
        self.state = Some(state);
        self.standing = standing;
        Ok(())
    }
}

#[derive(Debug)]
enum Failure {
    Database(sqlx::Error),
    Damaged,
}

impl From<sqlx::Error> for Failure {
    fn from(source: sqlx::Error) -> Self {
        Self::Database(source)
    }
}

impl State {
    async fn load(connection: &mut SqliteConnection, next: u64) -> Result<Option<Self>, sqlx::Error> {
        let words = Words::load(connection).await?;
        let chunk = OpenChunk::load(connection, place(next).0).await?;
        Ok(chunk.map(|chunk| Self { words, chunk }))
    }

    /// Puts an entry into the sets of its chunk and says what its row is.
    async fn take<'a>(
        &mut self,
        connection: &mut SqliteConnection,
        index: u64,
        line: Option<&'a Line>,
        earliest: u64,
    ) -> Result<Row<'a>, Failure> {
        let (chunk, offset) = place(index);
        if chunk != self.chunk.number() {
            self.chunk.store(connection).await?;
            self.chunk = OpenChunk::load(connection, chunk).await?.ok_or(Failure::Damaged)?;
        }
        let mut row = Row {
            index,
            at: earliest,
            id: None,
            words: [None; Facet::COLUMNS.len()],
        };
        let Some(line) = line else {
            return Ok(row);
        };
        // Time ranges are found by halving, so the times must not fall.
        row.at = line.at.max(earliest);
        row.id = line.ids.first().map(String::as_str);
        for id in &line.ids {
            self.chunk.name(id, offset);
        }
        for (facet, text) in &line.words {
            let word = self.words.number(connection, *facet, text).await?;
            self.chunk.mark(word, offset);
            let columns = row.words.iter_mut().zip(Facet::COLUMNS);
            let column = columns.filter(|(_, of)| of == facet).map(|(column, _)| column).next();
            if let Some(column @ None) = column {
                *column = Some(word);
            }
        }
        Ok(row)
    }
}

/// A row of the table of entries.
#[derive(Debug)]
struct Row<'a> {
    index: u64,
    at: u64,
    id: Option<&'a str>,
    words: [Option<u32>; Facet::COLUMNS.len()],
}

async fn insert(connection: &mut SqliteConnection, rows: &[Row<'_>]) -> Result<(), sqlx::Error> {
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
        "INSERT INTO entries (idx, at, id, kind, route, model, principal, tenant, verdict, action, outcome) ",
    );
    query.push_values(rows, |mut values, row| {
        values
            .push_bind(to_sql(row.index))
            .push_bind(to_sql(row.at))
            .push_bind(row.id);
        for word in row.words {
            values.push_bind(word.map(i64::from));
        }
    });
    query.build().execute(connection).await?;
    Ok(())
}

/// The time of the entry before `next`.
async fn last_at(connection: &mut SqliteConnection, next: u64) -> Result<u64, sqlx::Error> {
    let Some(last) = next.checked_sub(1) else {
        return Ok(0);
    };
    let at: Option<i64> = sqlx::query_scalar("SELECT at FROM entries WHERE idx = ?1")
        .bind(to_sql(last))
        .fetch_optional(connection)
        .await?;
    Ok(at.map(from_sql).unwrap_or_default())
}

fn read<S: LeafSource>(source: &mut S, first: u64, max: usize) -> Result<Vec<Vec<u8>>, IndexError> {
    source.leaves(first, max).map_err(|problem| IndexError::Source {
        first,
        source: Box::new(problem),
    })
}
