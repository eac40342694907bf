//! One row of the `keys` table, and its conversion to and from a record.

use sqlx::FromRow;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use testudo_policy::{ModelPattern, ModelScope, RouteScope};
use testudo_types::{KeyId, PrincipalKind, Role, RouteName, TenantId, UnixMillis};

use super::KeyChange;
use crate::keys::record::{KeyRecord, NewKeyError};
use crate::keys::token::KeyHash;
use crate::settings::Limits;

/// A row as SQLite has it.
#[derive(Debug)]
pub(super) struct KeyRow {
    id: String,
    hash: Vec<u8>,
    name: String,
    tenant: String,
    kind: String,
    roles: String,
    routes: Option<String>,
    models: Option<String>,
    requests_per_minute: Option<i64>,
    tokens_per_minute: Option<i64>,
    cost_micros_per_day: Option<i64>,
    concurrent: Option<i64>,
    created: i64,
    expires: Option<i64>,
    revoked: Option<i64>,
    sequence: i64,
}

impl<'r> FromRow<'r, SqliteRow> for KeyRow {
    fn from_row(row: &'r SqliteRow) -> Result<Self, sqlx::Error> {
        use sqlx::Row;
        Ok(Self {
            id: row.try_get("id")?,
            hash: row.try_get("hash")?,
            name: row.try_get("name")?,
            tenant: row.try_get("tenant")?,
            kind: row.try_get("kind")?,
            roles: row.try_get("roles")?,
            routes: row.try_get("routes")?,
            models: row.try_get("models")?,
            requests_per_minute: row.try_get("requests_per_minute")?,
            tokens_per_minute: row.try_get("tokens_per_minute")?,
            cost_micros_per_day: row.try_get("cost_micros_per_day")?,
            concurrent: row.try_get("concurrent")?,
            created: row.try_get("created")?,
            expires: row.try_get("expires")?,
            revoked: row.try_get("revoked")?,
            sequence: row.try_get("sequence")?,
        })
    }
}

impl KeyRow {
    /// The row that stores a record.
    pub(super) fn from_record(record: &KeyRecord, hash: &KeyHash) -> Result<Self, NewKeyError> {
        let optional = |value: Option<u64>| value.map(number).transpose();
        let routes = match &record.routes {
            RouteScope::All => None,
            RouteScope::Only(routes) => Some(list(routes.iter().map(RouteName::as_str))),
        };
        let models = match &record.models {
            ModelScope::All => None,
            ModelScope::Only(models) => Some(list(models.iter().map(ModelPattern::as_str))),
        };
        Ok(Self {
            id: record.id.as_str().to_owned(),
            hash: hash.bytes().to_vec(),
            name: (*record.name).to_owned(),
            tenant: record.tenant.as_str().to_owned(),
            kind: record.kind.as_str().to_owned(),
            roles: list(record.roles.iter().map(|role| &*role.0)),
            routes,
            models,
            requests_per_minute: optional(record.limits.requests_per_minute)?,
            tokens_per_minute: optional(record.limits.tokens_per_minute)?,
            cost_micros_per_day: optional(record.limits.cost_micros_per_day)?,
            concurrent: optional(record.limits.concurrent)?,
            created: number(record.created.0)?,
            expires: optional(record.expires.map(|at| at.0))?,
            revoked: optional(record.revoked.map(|at| at.0))?,
            sequence: 0,
        })
    }

    /// Adds the row; the sequence number is the table's own.
    pub(super) async fn insert(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO keys (id, hash, name, tenant, kind, roles, routes, models, requests_per_minute, \
             tokens_per_minute, cost_micros_per_day, concurrent, created, expires, revoked) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )
        .bind(self.id)
        .bind(self.hash)
        .bind(self.name)
        .bind(self.tenant)
        .bind(self.kind)
        .bind(self.roles)
        .bind(self.routes)
        .bind(self.models)
        .bind(self.requests_per_minute)
        .bind(self.tokens_per_minute)
        .bind(self.cost_micros_per_day)
        .bind(self.concurrent)
        .bind(self.created)
        .bind(self.expires)
        .bind(self.revoked)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// At most `rows` rows written after a sequence number, in the order of writing.
    pub(super) async fn page(
        connection: &mut SqliteConnection,
        after: i64,
        rows: i64,
    ) -> Result<Vec<Self>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM keys WHERE sequence > ?1 ORDER BY sequence LIMIT ?2")
            .bind(after)
            .bind(rows)
            .fetch_all(connection)
            .await
    }

    /// The row as a change; a row that is not sound becomes a key that opens nothing.
    pub(super) fn into_change(self) -> KeyChange {
        let key = self.record().zip(KeyHash::from_stored(&self.hash));
        if key.is_none() {
            tracing::warn!(
                sequence = self.sequence,
                "a row of the key store is not sound; its key is refused"
            );
        }
        KeyChange {
            id: self.id,
            sequence: self.sequence,
            key,
        }
    }

    fn record(&self) -> Option<KeyRecord> {
        let routes = match &self.routes {
            None => RouteScope::All,
            Some(text) => RouteScope::Only(parse_each(text, |name| RouteName::parse(name).ok())?),
        };
        let models = match &self.models {
            None => ModelScope::All,
            Some(text) => ModelScope::Only(parse_each(text, |name| ModelPattern::parse(name).ok())?),
        };
        let roles: Vec<Role> = parse_each(&self.roles, |name| Some(Role(name.into())))?;
        Some(KeyRecord {
            id: KeyId::parse(&self.id).ok()?,
            name: self.name.as_str().into(),
            tenant: TenantId::parse(&self.tenant).ok()?,
            kind: PrincipalKind::from_name(&self.kind)?,
            roles,
            routes,
            models,
            limits: Limits {
                requests_per_minute: unsigned(self.requests_per_minute)?,
                tokens_per_minute: unsigned(self.tokens_per_minute)?,
                cost_micros_per_day: unsigned(self.cost_micros_per_day)?,
                concurrent: unsigned(self.concurrent)?,
            },
            created: UnixMillis(u64::try_from(self.created).ok()?),
            expires: unsigned(self.expires)?.map(UnixMillis),
            revoked: unsigned(self.revoked)?.map(UnixMillis),
        })
    }
}

fn number(value: u64) -> Result<i64, NewKeyError> {
    i64::try_from(value).map_err(|_| NewKeyError::Number)
}

/// An absent number stays absent; a negative one makes the row unsound.
fn unsigned(value: Option<i64>) -> Option<Option<u64>> {
    value.map(u64::try_from).transpose().ok()
}

fn list<T: Into<String>>(names: impl Iterator<Item = T>) -> String {
    serde_json::Value::from(names.map(Into::into).collect::<Vec<String>>()).to_string()
}

fn parse_each<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value
        .as_array()?
        .iter()
        .map(|item| item.as_str().and_then(&parse))
        .collect()
}
