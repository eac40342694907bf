//! The store's format, one step per version; steps are only ever appended.

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

/// The format this program writes.
pub(super) const LATEST: i64 = 1;

/// Step `n` (from 1) leads from format `n - 1` to `n` and sets `user_version`.
const STEPS: [(i64, &str); 1] = [(1, include_str!("migrations/1.sql"))];

/// Brings the file to the latest format; `Some(found)` when it is newer than this program.
pub(super) async fn run(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    // The write lock comes first, so that two processes that start at once take turns.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await?;
    if found > LATEST {
        return Ok(Some(found));
    }
    for (_, step) in STEPS.iter().filter(|(version, _)| *version > found) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(None)
}

/// Ties the file to the pepper on first use; says whether the pepper is the one it is tied to.
pub(super) async fn claim(connection: &mut SqliteConnection, fingerprint: &[u8]) -> Result<bool, sqlx::Error> {
    sqlx::query("INSERT INTO facts (name, value) VALUES ('pepper', ?1) ON CONFLICT (name) DO NOTHING")
        .bind(fingerprint)
        .execute(&mut *connection)
        .await?;
    let tied: Vec<u8> = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'pepper'")
        .fetch_one(connection)
        .await?;
    Ok(tied == fingerprint)
}
