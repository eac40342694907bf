//! The key store's file: SQLite with `secure_delete`, one connection, wrapped keys only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::private_file::{self, Found};

/// The file's name in the ledger's folder.
pub(crate) const FILE_NAME: &str = "keys.sqlite";
/// The format this program writes.
const LATEST: i64 = 2;
/// Step `n` (from 1) leads from format `n - 1` to `n`; steps are only ever appended.
const STEPS: [(i64, &str); 2] = [
    (1, include_str!("store/migrations/1.sql")),
    (2, include_str!("store/migrations/2.sql")),
];
/// How long to wait for another process that has the file, in milliseconds.
const BUSY_MS: u64 = 5_000;

/// Why the key store's file was of no use.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot create or open `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` is open to others (mode {mode:03o}); run `chmod 600` on it, and rotate the keys if it may have been read", path.display())]
    Permissions { path: PathBuf, mode: u32 },
    #[error("`{}` is no regular file; bring the key store back from a backup", path.display())]
    Shape { path: PathBuf },
    #[error("`{}` was written by a newer testudo (format {found}, this one knows {known}); update testudo", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the key store could not be read or written")]
    Database(#[from] sqlx::Error),
    #[error(
        "another process has the key store open, so that erased bytes cannot be overwritten; stop it and try again"
    )]
    Busy,
    #[error("the key store holds a row that is not sound ({what}); bring it back from a backup")]
    Unsound { what: &'static str },
}

/// Opens the file in `folder`, which exists; makes it (0600) when absent.
pub(super) async fn open(folder: &Path) -> Result<SqliteConnection, StoreError> {
    let path = folder.join(FILE_NAME);
    make_private(&path)?;
    let mut connection = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_millis(BUSY_MS))
        .pragma("secure_delete", "ON")
        // Copies made by VACUUM stay in memory.
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
        .connect()
        .await?;
    migrate(&mut connection, path).await?;
    Ok(connection)
}

/// Overwrites what was deleted: rebuilds the file from its live rows and empties the write-ahead log.
///
/// `secure_delete` zeroes deleted cells, but cells that move between pages leave copies; the rebuild
/// leaves none.
pub(super) async fn scrub(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    truncate_log(connection).await?;
    sqlx::query("VACUUM").execute(&mut *connection).await?;
    truncate_log(connection).await
}

async fn truncate_log(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(connection)
        .await?;
    if busy == 0 { Ok(()) } else { Err(StoreError::Busy) }
}

/// Brings the file to the latest format.
async fn migrate(connection: &mut SqliteConnection, path: PathBuf) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await?;
    if found > LATEST {
        return Err(StoreError::Newer {
            path,
            found,
            known: LATEST,
        });
    }
    for (_, step) in STEPS.iter().filter(|(version, _)| *version > found) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Makes the file 0600 before SQLite does; its side files inherit the mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::File {
        path: path.to_owned(),
        source,
    };
    match private_file::create(path, &[]) {
        Ok(()) => return Ok(()),
        Err(problem) if problem.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(problem) => return Err(failed(problem)),
    }
    match private_file::look_at_file(path).map_err(failed)? {
        Found::Private => Ok(()),
        Found::Open(mode) => Err(StoreError::Permissions {
            path: path.to_owned(),
            mode,
        }),
        Found::Other => Err(StoreError::Shape { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn the_file_is_private_and_refused_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        drop(open(folder.path()).await.unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = open(folder.path()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Permissions { mode: 0o640, .. }));
    }

    #[tokio::test]
    async fn a_newer_format_and_a_foreign_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open(folder.path()).await.unwrap();
        sqlx::query("PRAGMA user_version = 99")
            .execute(&mut connection)
            .await
            .unwrap();
        drop(connection);
        let refused = open(folder.path()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Newer { found: 99, .. }));
        let other = tempfile::tempdir().unwrap();
        private_file::create(&other.path().join(FILE_NAME), &[b'x'; 4096]).unwrap();
        assert!(matches!(open(other.path()).await, Err(StoreError::Database(_))));
    }
}
