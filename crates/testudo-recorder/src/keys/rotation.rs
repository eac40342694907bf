//! New keys in the place of old ones: everything under the old is wrapped again, in one transaction.
//!
//! The same transaction notes what is to be said in the log, so that no crash leaves a rotation that
//! nothing tells of.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use testudo_ledger::entry::{PrincipalPseudonym, Rotation, RotationOf, SubjectPseudonym, TenantPseudonym};

use super::cipher::KeyBytes;
use super::encryption::KekId;
use super::named::{Tenant, open_name};
use super::rows::{SubjectRow, TenantRow, sixteen};
use super::store::{self, StoreError};
use super::vault::{Vault, VaultError, tenant_key};

/// Subjects that are wrapped again before the next are read.
const PAGE_ROWS: i64 = 1_000;

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrapped {
    /// What is to be appended about it; at least one.
    pub bodies: Vec<Rotation>,
    /// How many keys lie under the new key now.
    pub keys: u64,
}

/// A rotation that is done, and whose entry may not be in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PendingRotation {
    number: i64,
    pub(crate) body: Rotation,
    /// Whose key it was.
    pub(crate) tenant: Option<TenantPseudonym>,
    pub(crate) approver: Option<PrincipalPseudonym>,
}

impl Vault {
    /// Makes a new key-encryption key and wraps every tenant's key under it. Old
    /// key-encryption keys stay until [`Self::retire_keks`].
    ///
    /// A crash leaves every tenant under its old key or every tenant under the new one. The rotation is
    /// pending, and the old keys' bytes are in the file, until [`Self::finish_rotations`].
    ///
    /// # Errors
    /// When a key is of no use or the key store cannot be written; then nothing has changed.
    pub(crate) async fn rotate_kek(&self, approver: Option<PrincipalPseudonym>) -> Result<Rewrapped, VaultError> {
        let keks = self.0.keks.as_ref();
        let mut connection = self.0.connection.lock().await;
        let before = keks.list().await?.pop();
        let newest = keks.renew().await?;
        let mut moved: BTreeMap<KekId, KekId> = before.map(|before| (before, newest.clone())).into_iter().collect();
        let mut keys = 0_u64;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for mut row in TenantRow::all(&mut transaction).await? {
            if row.key.kek == newest {
                continue;
            }
            let key = tenant_key(keks, &row).await?;
            let wrapped = keks.wrap(key.expose(), &Tenant::aad(row.pseudonym)).await?;
            let old = std::mem::replace(&mut row.key, wrapped);
            row.update_key(&mut transaction).await?;
            moved.insert(old.kek, row.key.kek);
            keys = keys.saturating_add(1);
        }
        let mut bodies: Vec<Rotation> = moved
            .into_iter()
            .map(|(from, to)| rotation(RotationOf::EncryptionKey, from.as_str(), to.as_str()))
            .collect();
        if bodies.is_empty() {
            bodies.push(rotation(RotationOf::EncryptionKey, "none", newest.as_str()));
        }
        for body in &bodies {
            note(&mut transaction, body, None, approver).await?;
        }
        transaction.commit().await?;
        Ok(Rewrapped { bodies, keys })
    }

    /// Destroys the key-encryption keys that nothing lies under any more, except the newest.
    ///
    /// After this, copies of the key store from before the rotation open nothing.
    ///
    /// # Errors
    /// When the key store cannot be read, or a key cannot be destroyed.
    pub async fn retire_keks(&self) -> Result<Vec<KekId>, VaultError> {
        let mut connection = self.0.connection.lock().await;
        let used: BTreeSet<KekId> = TenantRow::one_for_each_kek(&mut connection)
            .await?
            .into_iter()
            .map(|row| row.key.kek)
            .collect();
        let mut unused = self.0.keks.list().await?;
        let newest = unused.pop();
        unused.retain(|id| !used.contains(id) && Some(id) != newest.as_ref());
        for id in &unused {
            self.0.keks.destroy(id).await?;
        }
        Ok(unused)
    }

    /// Gives a tenant a new key, under the newest key-encryption key, and wraps its subjects' keys
    /// and tags again; `None` when there is no such tenant. The rotation is pending, and the old keys'
    /// bytes are in the file, until [`Self::finish_rotations`].
    ///
    /// # Errors
    /// When a key is of no use or the key store cannot be written; then nothing has changed.
    pub(crate) async fn rotate_tenant(
        &self,
        tenant: TenantPseudonym,
        approver: Option<PrincipalPseudonym>,
    ) -> Result<Option<Rewrapped>, VaultError> {
        let keks = self.0.keks.as_ref();
        let mut connection = self.0.connection.lock().await;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let Some(mut row) = TenantRow::by_pseudonym(&mut transaction, tenant).await? else {
            return Ok(None);
        };
        let old_key = tenant_key(keks, &row).await?;
        let new_key = KeyBytes::random()?;
        row.key = keks.wrap(new_key.expose(), &Tenant::aad(tenant)).await?;
        row.update_key(&mut transaction).await?;
        let old = Tenant::new(tenant, &old_key)?;
        let new = Tenant::new(tenant, &new_key)?;
        let mut after: Option<SubjectPseudonym> = None;
        let mut keys = 0_u64;
        loop {
            let page = SubjectRow::page(&mut transaction, tenant, after, PAGE_ROWS).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.pseudonym);
            for subject in page {
                move_subject(&mut transaction, &old, &new, subject).await?;
                keys = keys.saturating_add(1);
            }
        }
        let body = rotation(RotationOf::TenantKey, &key_id(&old_key)?, &key_id(&new_key)?);
        note(&mut transaction, &body, Some(tenant), approver).await?;
        // Before the commit, which may go through although nobody waits for it any more.
        self.forget_all();
        transaction.commit().await?;
        Ok(Some(Rewrapped {
            bodies: vec![body],
            keys,
        }))
    }

    /// Rotations whose entry may not be in the log, in their order.
    pub(crate) async fn pending_rotations(&self) -> Result<Vec<PendingRotation>, VaultError> {
        let mut connection = self.0.connection.lock().await;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT number, what, old_key, new_key, tenant, approver FROM rotations WHERE noted = 0 ORDER BY number",
        )
        .fetch_all(&mut *connection)
        .await?;
        rows.into_iter().map(|row| Ok(from_row(row)?)).collect()
    }

    /// Remembers that the entry about a rotation is in the log for good.
    pub(crate) async fn rotation_is_noted(&self, pending: &PendingRotation) -> Result<(), VaultError> {
        let mut connection = self.0.connection.lock().await;
        sqlx::query("UPDATE rotations SET noted = 1 WHERE number = ?1")
            .bind(pending.number)
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    /// Overwrites the keys that rotations have replaced, and forgets the rotations whose entries are in the log.
    ///
    /// # Errors
    /// When the key store cannot be written, or another process has it open; then it is still to be done.
    pub(crate) async fn finish_rotations(&self) -> Result<(), VaultError> {
        let mut connection = self.0.connection.lock().await;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM rotations")
            .fetch_one(&mut *connection)
            .await?;
        if count == 0 {
            return Ok(());
        }
        store::scrub(&mut connection).await?;
        sqlx::query("DELETE FROM rotations WHERE noted = 1")
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    /// The pseudonyms of all tenants.
    ///
    /// # Errors
    /// When the key store cannot be read.
    pub async fn tenants(&self) -> Result<Vec<TenantPseudonym>, VaultError> {
        let mut connection = self.0.connection.lock().await;
        let rows = TenantRow::all(&mut connection).await?;
        Ok(rows.into_iter().map(|row| row.pseudonym).collect())
    }

    /// Overwrites what was deleted from the key store.
    ///
    /// # Errors
    /// When the key store cannot be written, or another process has it open.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        let mut connection = self.0.connection.lock().await;
        store::scrub(&mut connection).await
    }
}

async fn move_subject(
    connection: &mut SqliteConnection,
    old: &Tenant,
    new: &Tenant,
    mut row: SubjectRow,
) -> Result<(), VaultError> {
    let subject = row.pseudonym;
    let failed = |source| VaultError::Subject { subject, source };
    let key = old.unwrap(subject, &row.wrapped).map_err(failed)?;
    let name = open_name(row.tenant, subject, &key, &row.name).map_err(failed)?;
    row.tag = new.tag(row.kind, &name);
    row.wrapped = new.wrap(subject, &key)?;
    Ok(row.update_key(connection).await?)
}

type Row = (i64, String, String, String, Option<Vec<u8>>, Option<Vec<u8>>);

fn from_row((number, what, from, to, tenant, approver): Row) -> Result<PendingRotation, StoreError> {
    let unsound = StoreError::Unsound { what: "a rotation" };
    let tenant = tenant.as_deref().map(sixteen).transpose()?;
    let approver = approver.as_deref().map(sixteen).transpose()?;
    Ok(PendingRotation {
        number,
        body: Rotation {
            from,
            to,
            what: RotationOf::from_name(&what).ok_or(unsound)?,
        },
        tenant: tenant.map(TenantPseudonym::from_bytes),
        approver: approver.map(PrincipalPseudonym::from_bytes),
    })
}

/// Stores what is to be said about a rotation.
async fn note(
    connection: &mut SqliteConnection,
    body: &Rotation,
    tenant: Option<TenantPseudonym>,
    approver: Option<PrincipalPseudonym>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO rotations (what, old_key, new_key, tenant, approver, noted) VALUES (?1, ?2, ?3, ?4, ?5, 0)",
    )
    .bind(body.what.as_str())
    .bind(&body.from)
    .bind(&body.to)
    .bind(tenant.as_ref().map(|it| it.as_bytes().as_slice()))
    .bind(approver.as_ref().map(|it| it.as_bytes().as_slice()))
    .execute(connection)
    .await?;
    Ok(())
}

/// What a tenant's key is called in entries; says nothing about the key.
fn key_id(key: &KeyBytes) -> Result<String, VaultError> {
    let derived = key.derive("testudo/tenant-key-id/v1")?;
    let hex: String = derived
        .expose()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("tnk_{hex}"))
}

fn rotation(what: RotationOf, from: &str, to: &str) -> Rotation {
    Rotation {
        from: from.to_owned(),
        to: to.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests;
