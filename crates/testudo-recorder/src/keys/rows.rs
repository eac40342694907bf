//! The statements of the key store's tenants and subjects, each with its row as a type.

use sqlx::sqlite::SqliteConnection;
use testudo_ledger::entry::{SubjectPseudonym, TenantPseudonym};
use testudo_types::UnixMillis;

use super::encryption::{KekId, WrappedKey};
use super::named::{SubjectKind, Tag};
use super::store::StoreError;

/// One tenant.
#[derive(Debug)]
pub(super) struct TenantRow {
    pub(super) pseudonym: TenantPseudonym,
    /// Empty for what belongs to no tenant.
    pub(super) name: String,
    pub(super) key: WrappedKey,
}

type RawTenant = (Vec<u8>, String, String, Vec<u8>);

macro_rules! tenants {
    ($rest:literal) => {
        concat!("SELECT pseudonym, name, kek, wrapped FROM tenants ", $rest)
    };
}

impl TenantRow {
    pub(super) async fn by_name(connection: &mut SqliteConnection, name: &str) -> Result<Option<Self>, StoreError> {
        let raw: Option<RawTenant> = sqlx::query_as(tenants!("WHERE name = ?1"))
            .bind(name)
            .fetch_optional(connection)
            .await?;
        raw.map(Self::from_raw).transpose()
    }

    pub(super) async fn by_pseudonym(
        connection: &mut SqliteConnection,
        pseudonym: TenantPseudonym,
    ) -> Result<Option<Self>, StoreError> {
        let raw: Option<RawTenant> = sqlx::query_as(tenants!("WHERE pseudonym = ?1"))
            .bind(pseudonym.as_bytes().as_slice())
            .fetch_optional(connection)
            .await?;
        raw.map(Self::from_raw).transpose()
    }

    pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Self>, StoreError> {
        let raw: Vec<RawTenant> = sqlx::query_as(tenants!("ORDER BY pseudonym"))
            .fetch_all(connection)
            .await?;
        raw.into_iter().map(Self::from_raw).collect()
    }

    /// Every tenant under one key-encryption key.
    pub(super) async fn all_under(connection: &mut SqliteConnection, kek: &KekId) -> Result<Vec<Self>, StoreError> {
        let raw: Vec<RawTenant> = sqlx::query_as(tenants!("WHERE kek = ?1 ORDER BY pseudonym"))
            .bind(kek.as_str())
            .fetch_all(connection)
            .await?;
        raw.into_iter().map(Self::from_raw).collect()
    }

    /// One tenant under each key-encryption key that is in use.
    pub(super) async fn one_for_each_kek(connection: &mut SqliteConnection) -> Result<Vec<Self>, StoreError> {
        let raw: Vec<RawTenant> = sqlx::query_as(tenants!("GROUP BY kek HAVING pseudonym = min(pseudonym)"))
            .fetch_all(connection)
            .await?;
        raw.into_iter().map(Self::from_raw).collect()
    }

    pub(super) async fn insert(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO tenants (pseudonym, name, kek, wrapped) VALUES (?1, ?2, ?3, ?4)")
            .bind(self.pseudonym.as_bytes().as_slice())
            .bind(&self.name)
            .bind(self.key.kek.as_str())
            .bind(&self.key.bytes)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Puts the key in the place of the one in the store.
    pub(super) async fn update_key(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query("UPDATE tenants SET kek = ?2, wrapped = ?3 WHERE pseudonym = ?1")
            .bind(self.pseudonym.as_bytes().as_slice())
            .bind(self.key.kek.as_str())
            .bind(&self.key.bytes)
            .execute(connection)
            .await?;
        Ok(())
    }

    fn from_raw((pseudonym, name, kek, wrapped): RawTenant) -> Result<Self, StoreError> {
        let unsound = |_| StoreError::Unsound { what: "a tenant" };
        Ok(Self {
            pseudonym: TenantPseudonym::from_bytes(sixteen(&pseudonym)?),
            name,
            key: WrappedKey {
                kek: KekId::parse(&kek).map_err(unsound)?,
                bytes: wrapped,
            },
        })
    }
}

/// One subject.
#[derive(Debug)]
pub(super) struct SubjectRow {
    pub(super) pseudonym: SubjectPseudonym,
    pub(super) tenant: TenantPseudonym,
    pub(super) kind: SubjectKind,
    pub(super) tag: Tag,
    pub(super) wrapped: Vec<u8>,
    /// Sealed under the subject's own key.
    pub(super) name: Vec<u8>,
    pub(super) created_at: UnixMillis,
}

type RawSubject = (Vec<u8>, Vec<u8>, String, Vec<u8>, Vec<u8>, Vec<u8>, i64);

macro_rules! subjects {
    ($rest:literal) => {
        concat!(
            "SELECT pseudonym, tenant, kind, tag, wrapped, name, created_at FROM subjects ",
            $rest
        )
    };
}

impl SubjectRow {
    pub(super) async fn by_tag(
        connection: &mut SqliteConnection,
        tenant: TenantPseudonym,
        kind: SubjectKind,
        tag: &Tag,
    ) -> Result<Option<Self>, StoreError> {
        let raw: Option<RawSubject> = sqlx::query_as(subjects!("WHERE tenant = ?1 AND kind = ?2 AND tag = ?3"))
            .bind(tenant.as_bytes().as_slice())
            .bind(kind.as_str())
            .bind(tag.as_slice())
            .fetch_optional(connection)
            .await?;
        raw.map(Self::from_raw).transpose()
    }

    pub(super) async fn by_pseudonym(
        connection: &mut SqliteConnection,
        pseudonym: SubjectPseudonym,
    ) -> Result<Option<Self>, StoreError> {
        let raw: Option<RawSubject> = sqlx::query_as(subjects!("WHERE pseudonym = ?1"))
            .bind(pseudonym.as_bytes().as_slice())
            .fetch_optional(connection)
            .await?;
        raw.map(Self::from_raw).transpose()
    }

    /// Up to `limit` subjects of a tenant whose pseudonyms come after `after`, in their order.
    pub(super) async fn page(
        connection: &mut SqliteConnection,
        tenant: TenantPseudonym,
        after: Option<SubjectPseudonym>,
        limit: i64,
    ) -> Result<Vec<Self>, StoreError> {
        let raw: Vec<RawSubject> = sqlx::query_as(subjects!(
            "WHERE tenant = ?1 AND pseudonym > ?2 ORDER BY pseudonym LIMIT ?3"
        ))
        .bind(tenant.as_bytes().as_slice())
        .bind(after.as_ref().map_or(&[][..], |it| it.as_bytes()))
        .bind(limit)
        .fetch_all(connection)
        .await?;
        raw.into_iter().map(Self::from_raw).collect()
    }

    pub(super) async fn insert(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO subjects (pseudonym, tenant, kind, tag, wrapped, name, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(self.pseudonym.as_bytes().as_slice())
        .bind(self.tenant.as_bytes().as_slice())
        .bind(self.kind.as_str())
        .bind(self.tag.as_slice())
        .bind(&self.wrapped)
        .bind(&self.name)
        .bind(i64::try_from(self.created_at.0).unwrap_or(i64::MAX))
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Puts key and tag in the place of those in the store.
    pub(super) async fn update_key(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query("UPDATE subjects SET tag = ?2, wrapped = ?3 WHERE pseudonym = ?1")
            .bind(self.pseudonym.as_bytes().as_slice())
            .bind(self.tag.as_slice())
            .bind(&self.wrapped)
            .execute(connection)
            .await?;
        Ok(())
    }

    fn from_raw(raw: RawSubject) -> Result<Self, StoreError> {
        let (pseudonym, tenant, kind, tag, wrapped, name, created_at) = raw;
        let unsound = StoreError::Unsound { what: "a subject" };
        Ok(Self {
            pseudonym: SubjectPseudonym::from_bytes(sixteen(&pseudonym)?),
            tenant: TenantPseudonym::from_bytes(sixteen(&tenant)?),
            kind: SubjectKind::from_name(&kind).ok_or(unsound)?,
            tag: tag.try_into().map_err(|_| StoreError::Unsound { what: "a tag" })?,
            wrapped,
            name,
            created_at: UnixMillis(u64::try_from(created_at).unwrap_or_default()),
        })
    }
}

/// The bytes of a pseudonym.
pub(crate) fn sixteen(bytes: &[u8]) -> Result<[u8; 16], StoreError> {
    bytes
        .try_into()
        .map_err(|_| StoreError::Unsound { what: "a pseudonym" })
}
