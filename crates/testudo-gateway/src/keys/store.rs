//! Keys on disk: one SQLite file, bound parameters only, hashes and never tokens.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, SqlitePool};
use testudo_types::{KeyId, UnixMillis};

use super::pepper::{PepperError, pepper};
use super::record::{KeyRecord, NewKey, NewKeyError};
use super::token::{KeyHash, KeyHasher, KeyToken, RANDOM_BYTES};
use crate::sqlite::{self, Problem};

mod row;

use row::KeyRow;

/// More keys are neither made nor loaded.
pub(super) const KEYS_MAX: usize = 1_000_000;
const PAGE_ROWS: i64 = 10_000;
const FILE_NAME: &str = "keys.db";
const STEPS: sqlite::Steps = &[(1, include_str!("store/migrations/1.sql"))];
/// Why the key store did not open.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    #[error("the key store has no pepper")]
    Pepper(#[from] PepperError),
    #[error("cannot create or open `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` is open to others (mode {mode:03o}); run `chmod 600` on it", path.display())]
    Permissions { path: PathBuf, mode: u32 },
    #[error("cannot use `{}` as a key store", path.display())]
    Database {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("`{}` was written by a newer testudo (format {found}, this one knows {known}); update testudo", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the keys in `{}` were made with another pepper; restore the `pepper` file that belongs to it", path.display())]
    OtherPepper { path: PathBuf },
}

impl StoreOpenError {
    pub(crate) fn of(path: PathBuf, problem: Problem) -> Self {
        match problem {
            Problem::File(source) => Self::File { path, source },
            Problem::Permissions { mode } => Self::Permissions { path, mode },
            Problem::Database(source) => Self::Database { path, source },
            Problem::Newer { found, known } => Self::Newer { path, found, known },
            Problem::OtherPepper => Self::OtherPepper { path },
        }
    }
}

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    #[error(transparent)]
    Invalid(#[from] NewKeyError),
    #[error("the store holds {KEYS_MAX} keys already; start a new data folder")]
    Full,
    #[error("the system gave no random bytes; try again")]
    Random,
    #[error("the key store could not be written")]
    Database(#[from] sqlx::Error),
}

/// Why a key was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeKeyError {
    #[error("there is no key `{0}`; `testudo key list` shows all ids")]
    NotFound(KeyId),
    #[error("the key store could not be written")]
    Database(#[from] sqlx::Error),
}

/// Why keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadKeysError {
    #[error("the key store could not be read")]
    Database(#[from] sqlx::Error),
    #[error("the key store holds more than {KEYS_MAX} keys")]
    TooMany,
}

/// A new key: its record, and the token that is shown once.
#[derive(Debug)]
pub struct CreatedKey {
    pub record: KeyRecord,
    pub token: KeyToken,
}

/// The keys of one data folder.
#[derive(Debug, Clone)]
pub struct KeyStore {
    pool: SqlitePool,
    options: SqliteConnectOptions,
    hasher: KeyHasher,
}

impl KeyStore {
    /// Opens the store in a data folder, making folder, pepper and file (0700, 0600, 0600) when absent.
    ///
    /// # Errors
    /// When a file is missing rights or open to others, is no key store, is of a newer
    /// format, or belongs to another pepper.
    pub async fn open(dir: &Path) -> Result<Self, StoreOpenError> {
        let hasher = KeyHasher::new(&pepper(dir)?);
        let path = dir.join(FILE_NAME);
        let options = sqlite::options(&path);
        let pool = sqlite::open(&path, &options, STEPS, hasher.fingerprint().bytes())
            .await
            .map_err(|problem| StoreOpenError::of(path, problem))?;
        Ok(Self { pool, options, hasher })
    }

    /// Makes a key.
    ///
    /// # Errors
    /// When the description is not sound, the store is full, or it cannot be written.
    pub async fn create(&self, new: NewKey, now: UnixMillis) -> Result<CreatedKey, CreateKeyError> {
        new.check(now)?;
        let mut random = [0; RANDOM_BYTES];
        rand::fill(&mut random).map_err(|_| CreateKeyError::Random)?;
        let token = KeyToken::from_random(&random).map_err(|_| CreateKeyError::Random)?;
        zeroize::Zeroize::zeroize(&mut random);
        let record = KeyRecord {
            id: token.id().clone(),
            name: new.name.into(),
            tenant: new.tenant,
            kind: new.kind,
            roles: new.roles,
            routes: new.routes,
            models: new.models,
            limits: new.limits,
            created: now,
            expires: new.expires,
            revoked: None,
        };
        let row = KeyRow::from_record(&record, &self.hasher.hash(&token))?;
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM keys")
            .fetch_one(&mut *transaction)
            .await?;
        if usize::try_from(count).map_or(true, |count| count >= KEYS_MAX) {
            return Err(CreateKeyError::Full);
        }
        row.insert(&mut transaction).await?;
        transaction.commit().await?;
        Ok(CreatedKey { record, token })
    }

    /// Every key, oldest first; rows that are not sound are left out and logged.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self) -> Result<Vec<KeyRecord>, ReadKeysError> {
        let mut connection = self.pool.acquire().await?;
        let mut records: Vec<KeyRecord> = changes_since(&mut connection, 0)
            .await?
            .into_iter()
            .filter_map(|change| change.key.map(|(record, _)| record))
            .collect();
        records.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(records)
    }

    /// Revokes a key for good and returns since when it is revoked; the first revocation counts.
    ///
    /// # Errors
    /// When there is no such key, or the store cannot be written.
    pub async fn revoke(&self, id: &KeyId, now: UnixMillis) -> Result<UnixMillis, RevokeKeyError> {
        let since: Option<i64> =
            sqlx::query_scalar("UPDATE keys SET revoked = coalesce(revoked, ?2) WHERE id = ?1 RETURNING revoked")
                .bind(id.as_str())
                .bind(i64::try_from(now.0).unwrap_or(i64::MAX))
                .fetch_optional(&self.pool)
                .await?;
        since
            .map(|since| UnixMillis(u64::try_from(since).unwrap_or_default()))
            .ok_or_else(|| RevokeKeyError::NotFound(id.clone()))
    }

    /// Finishes what runs and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// A connection of its own that can only read; `PRAGMA data_version` counts the writes of others.
    pub(super) async fn watch(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.options
            .clone()
            .create_if_missing(false)
            .pragma("query_only", "ON")
            .connect()
            .await
    }
}

/// What became of one key.
#[derive(Debug)]
pub(super) struct KeyChange {
    pub(super) id: String,
    /// Grows with every write to the table.
    pub(super) sequence: i64,
    /// `None` when the row is not sound: such a key opens nothing.
    pub(super) key: Option<(KeyRecord, KeyHash)>,
}

/// Which write of others this connection sees.
pub(super) async fn data_version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await
}

/// Every key written after the given sequence number, in the order of writing.
pub(super) async fn changes_since(
    connection: &mut SqliteConnection,
    sequence: i64,
) -> Result<Vec<KeyChange>, ReadKeysError> {
    let mut changes: Vec<KeyChange> = Vec::new();
    let mut after = sequence;
    loop {
        let page = KeyRow::page(connection, after, PAGE_ROWS).await?;
        let full = i64::try_from(page.len()).is_ok_and(|rows| rows >= PAGE_ROWS);
        if changes.len().saturating_add(page.len()) > KEYS_MAX {
            return Err(ReadKeysError::TooMany);
        }
        changes.extend(page.into_iter().map(KeyRow::into_change));
        match changes.last() {
            Some(last) if full => after = last.sequence,
            _ => return Ok(changes),
        }
    }
}
