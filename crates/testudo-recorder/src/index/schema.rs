//! The file of the index: its tables, how it is opened, and whose it is.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

/// The format this program writes; a file of any other is made anew.
pub(crate) const FORMAT: i64 = 2;

/// `sets` and `names` are by chunk first, so that what is written together lies together.
const TABLES: &str = "
CREATE TABLE facts (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE words (
    word INTEGER PRIMARY KEY,
    facet INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX words_by_text ON words (facet, text);
CREATE TABLE entries (
    idx INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    id TEXT,
    kind INTEGER,
    route INTEGER,
    model INTEGER,
    principal INTEGER,
    tenant INTEGER,
    verdict INTEGER,
    action INTEGER,
    outcome INTEGER
) STRICT;
-- The entries of one chunk with one word: place = chunk * 2^32 + word.
CREATE TABLE sets (place INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
-- The ids in one chunk with the same first bits: place = chunk * 2^6 + those bits.
CREATE TABLE names (place INTEGER PRIMARY KEY, prints BLOB NOT NULL) STRICT;
";

/// How long to wait for another process that is writing.
const BUSY_MS: u64 = 5_000;
/// Memory for pages, in KiB; negative is how SQLite is told that it is not a number of pages.
const CACHE_KIB: &str = "-16384";
/// One set of the largest kind fits a page.
const PAGE_BYTES: u32 = 8_192;
/// The write-ahead file is cut back to this.
const JOURNAL_BYTES: &str = "16777216";

/// Connects for writing and makes the tables; the file is 0600.
pub(crate) async fn open(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    make_private(path)?;
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        // It is rebuilt from the log when the last transactions are gone.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_millis(BUSY_MS))
        .pragma("cache_size", CACHE_KIB)
        .pragma("journal_size_limit", JOURNAL_BYTES)
        .disable_statement_logging()
        .connect()
        .await?;
    if format(&mut connection).await? == 0 {
        sqlx::raw_sql(TABLES).execute(&mut connection).await?;
        // Last, so that a file with a format has all tables.
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {FORMAT}")))
            .execute(&mut connection)
            .await?;
    }
    Ok(connection)
}

/// Connects for reading only.
pub(crate) async fn open_read_only(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(Duration::from_millis(BUSY_MS))
        .pragma("cache_size", CACHE_KIB)
        .pragma("query_only", "ON")
        .disable_statement_logging()
        .connect()
        .await
}

pub(crate) async fn format(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await
}

/// Removes the file and what SQLite keeps beside it.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(PathBuf::from(name)) {
            Err(problem) if problem.kind() != io::ErrorKind::NotFound => return Err(problem),
            _ => {}
        }
    }
    Ok(())
}

/// Whose index this is and how far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) origin: String,
    /// The first entry that is not in it.
    pub(crate) next: u64,
    /// The leaf hash of the entry before that one; empty when there is none.
    pub(crate) last: Vec<u8>,
}

impl Standing {
    /// Nothing when the file says nothing yet.
    pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Option<Self>, sqlx::Error> {
        let row: Option<(String, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT a.value, b.value, c.value FROM facts a, facts b, facts c \
             WHERE a.name = 'origin' AND b.name = 'next' AND c.name = 'last'",
        )
        .fetch_optional(connection)
        .await?;
        Ok(row.map(|(origin, next, last)| Self {
            origin,
            next: from_sql(next),
            last,
        }))
    }

    pub(crate) async fn store(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT OR REPLACE INTO facts (name, value) VALUES ('origin', ?1), ('next', ?2), ('last', ?3)")
            .bind(&self.origin)
            .bind(to_sql(self.next))
            .bind(&self.last)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// SQLite's integers are signed; what does not fit is larger than any log.
pub(crate) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Makes the file before SQLite does; the files that SQLite puts beside it inherit the mode.
fn make_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        }
        Err(problem) => Err(problem),
    }
}
