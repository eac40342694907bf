//! A SQLite file of the data folder: private, durable, of a format this program knows, and tied to one pepper.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqlitePool};

/// How long to wait for another process that is writing.
const BUSY_MS: u64 = 5_000;
/// Between two attempts to connect to a file that is locked.
const BUSY_PAUSE_MS: u64 = 20;

/// A file's format: step `n` (from 1) leads from format `n - 1` to `n` and sets `user_version`; steps are only ever
/// appended. The first makes the table `facts (name, value)`.
pub(crate) type Steps = &'static [(i64, &'static str)];

/// Why a file did not open.
#[derive(Debug)]
pub(crate) enum Problem {
    File(io::Error),
    /// It is open to others.
    Permissions {
        mode: u32,
    },
    Database(sqlx::Error),
    Newer {
        found: i64,
        known: i64,
    },
    OtherPepper,
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// How every file of the data folder is used.
pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_millis(BUSY_MS))
        .disable_statement_logging()
}

/// Opens a file, making it (0600) when absent, and brings it to the latest format.
pub(crate) async fn open(
    path: &Path,
    options: &SqliteConnectOptions,
    steps: Steps,
    fingerprint: &[u8],
) -> Result<SqlitePool, Problem> {
    make_private(path)?;
    let pool = connect(options).await?;
    let mut connection = pool.acquire().await?;
    migrate(&mut connection, steps).await?;
    if claim(&mut connection, fingerprint).await? {
        drop(connection);
        Ok(pool)
    } else {
        Err(Problem::OtherPepper)
    }
}

/// Makes the file 0600 before SQLite does; its side files inherit the mode.
fn make_private(path: &Path) -> Result<(), Problem> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path).map_err(Problem::File)?.permissions().mode() & 0o777;
            if mode & 0o077 == 0 {
                Ok(())
            } else {
                Err(Problem::Permissions { mode })
            }
        }
        Err(problem) => Err(Problem::File(problem)),
    }
}

/// Connects; a file that another process is just switching to write-ahead logging is tried again.
///
/// SQLite waits for locks by itself (`busy_timeout`), but not for the one that this switch takes.
async fn connect(options: &SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let pool = SqlitePoolOptions::new().max_connections(2);
    for _ in 0..BUSY_MS / BUSY_PAUSE_MS {
        match pool.clone().connect_with(options.clone()).await {
            Err(error) if is_busy(&error) => tokio::time::sleep(Duration::from_millis(BUSY_PAUSE_MS)).await,
            settled => return settled,
        }
    }
    pool.connect_with(options.clone()).await
}

/// `SQLITE_BUSY` and its extended codes, whose low byte is 5.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == 5)
}

/// Brings the file to the latest format.
async fn migrate(connection: &mut SqliteConnection, steps: Steps) -> Result<(), Problem> {
    let known = steps.last().map_or(0, |(version, _)| *version);
    // The write lock comes first, so that two processes that start at once take turns.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await?;
    if found > known {
        return Err(Problem::Newer { found, known });
    }
    for (_, step) in steps.iter().filter(|(version, _)| *version > found) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Ties the file to the pepper on first use; says whether the pepper is the one it is tied to.
async fn claim(connection: &mut SqliteConnection, fingerprint: &[u8]) -> Result<bool, sqlx::Error> {
    sqlx::query("INSERT INTO facts (name, value) VALUES ('pepper', ?1) ON CONFLICT (name) DO NOTHING")
        .bind(fingerprint)
        .execute(&mut *connection)
        .await?;
    let tied: Vec<u8> = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'pepper'")
        .fetch_one(connection)
        .await?;
    Ok(tied == fingerprint)
}
