//! Names to pseudonyms and keys: looked up, and made when they are new.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use testudo_ledger::entry::{PrincipalPseudonym, SubjectPseudonym, TenantPseudonym};
use testudo_types::{Clock, TenantId};
use zeroize::Zeroizing;

use super::cipher::{CipherError, KeyBytes, random};
use super::encryption::{KekError, KeyEncryption};
use super::named::{Subject, SubjectKind, Tag, Tenant, open_name, seal_name};
use super::recent::Recent;
use super::rows::{SubjectRow, TenantRow};
use super::store::{self, StoreError};

/// Tenants whose keys stay in memory.
const TENANTS_MAX: usize = 4_096;
/// Subjects whose keys stay in memory; about 1 KiB each.
const SUBJECTS_MAX: usize = 65_536;

/// Why the vault could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the key of tenant `{tenant}` is of no use")]
    Tenant {
        tenant: TenantPseudonym,
        #[source]
        source: KekError,
    },
    #[error(
        "the key of subject `{subject}` does not open under its tenant's key; bring the key store back from a backup"
    )]
    Subject {
        subject: SubjectPseudonym,
        #[source]
        source: CipherError,
    },
    #[error("the key-encryption keys are of no use")]
    Kek(#[from] KekError),
    #[error("the cipher is of no use")]
    Cipher(#[from] CipherError),
}

impl VaultError {
    /// Whether it is about one tenant or one subject, so that it says nothing about any other.
    pub(crate) fn is_of_one(&self) -> bool {
        match self {
            Self::Subject { source, .. } | Self::Cipher(source) => *source != CipherError::Random,
            Self::Tenant { source, .. } => matches!(source, KekError::Refused(_) | KekError::Unknown(_)),
            Self::Store(error) => matches!(error, StoreError::Unsound { .. }),
            Self::Kek(_) => false,
        }
    }
}

impl From<sqlx::Error> for VaultError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The keys of one ledger; clones share them.
#[derive(Debug, Clone)]
pub struct Vault(pub(crate) Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) keks: Arc<dyn KeyEncryption>,
    clock: Arc<dyn Clock>,
    /// Caches change only while this is held, so that nothing erased comes back into them.
    pub(crate) connection: tokio::sync::Mutex<SqliteConnection>,
    cached: Mutex<Cached>,
}

#[derive(Debug)]
struct Cached {
    /// The tenant without a name is for what belongs to no tenant.
    tenants: Recent<Option<TenantId>, Arc<Tenant>>,
    subjects: Recent<(TenantPseudonym, SubjectKind, Tag), Arc<Subject>>,
}

/// Somebody, by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who<'a> {
    pub(crate) tenant: Option<&'a TenantId>,
    pub(crate) kind: SubjectKind,
    pub(crate) name: &'a str,
}

/// Tenants and subjects of one batch.
#[derive(Default)]
pub(crate) struct Known<'a> {
    pub(crate) tenants: BTreeMap<Option<&'a TenantId>, Arc<Tenant>>,
    pub(crate) subjects: BTreeMap<Who<'a>, Arc<Subject>>,
    /// Those whose keys are of no use; what concerns the others goes on.
    lost_tenants: BTreeMap<Option<&'a TenantId>, VaultError>,
    lost_subjects: BTreeMap<Who<'a>, VaultError>,
}

impl<'a> Known<'a> {
    /// The tenant, or why its key is of no use.
    pub(crate) fn tenant(&self, name: Option<&'a TenantId>) -> Result<&Tenant, Option<&VaultError>> {
        let found = self.tenants.get(&name).map(Arc::as_ref);
        found.ok_or_else(|| self.lost_tenants.get(&name))
    }

    /// The subject, or why its key or its tenant's is of no use.
    pub(crate) fn subject(&self, who: Who<'a>) -> Result<&Subject, Option<&VaultError>> {
        let found = self.subjects.get(&who).map(Arc::as_ref);
        found.ok_or_else(|| {
            let lost = self.lost_subjects.get(&who);
            lost.or_else(|| self.lost_tenants.get(&who.tenant))
        })
    }
}

impl Vault {
    /// Opens the key store in a ledger's folder, which exists, and makes it when absent.
    ///
    /// # Errors
    /// When the file is of no use, or a key-encryption key that is in use is missing or opens none
    /// of the tenants' keys under it.
    pub async fn open(folder: &Path, keks: Arc<dyn KeyEncryption>, clock: Arc<dyn Clock>) -> Result<Self, VaultError> {
        let mut connection = store::open(folder).await?;
        for row in TenantRow::one_for_each_kek(&mut connection).await? {
            if let Err(error) = unwrap_tenant(keks.as_ref(), &row).await {
                look_at_others(&mut connection, keks.as_ref(), &row, error).await?;
            }
        }
        Ok(Self(Arc::new(Shared {
            keks,
            clock,
            connection: tokio::sync::Mutex::new(connection),
            cached: Mutex::new(Cached {
                tenants: Recent::new(TENANTS_MAX),
                subjects: Recent::new(SUBJECTS_MAX),
            }),
        })))
    }

    /// The pseudonym of a tenant; `None` when the ledger has never seen it.
    ///
    /// # Errors
    /// When the key store cannot be read.
    pub async fn find_tenant(&self, tenant: &TenantId) -> Result<Option<TenantPseudonym>, VaultError> {
        let mut connection = self.0.connection.lock().await;
        let row = TenantRow::by_name(&mut connection, tenant.as_str()).await?;
        Ok(row.map(|row| row.pseudonym))
    }

    /// The name of a tenant; `None` when there is none, and for what belongs to no tenant.
    ///
    /// # Errors
    /// When the key store cannot be read.
    pub async fn tenant_name(&self, tenant: TenantPseudonym) -> Result<Option<String>, VaultError> {
        let mut connection = self.0.connection.lock().await;
        let row = TenantRow::by_pseudonym(&mut connection, tenant).await?;
        Ok(row.map(|row| row.name).filter(|name| !name.is_empty()))
    }

    /// The pseudonym of a subject, looked up without making one.
    ///
    /// # Errors
    /// When the key store cannot be read or the tenant's key is of no use.
    pub async fn find_subject(
        &self,
        tenant: Option<&TenantId>,
        kind: SubjectKind,
        name: &str,
    ) -> Result<Option<SubjectPseudonym>, VaultError> {
        let mut connection = self.0.connection.lock().await;
        let Some(row) = TenantRow::by_name(&mut connection, name_of(tenant)).await? else {
            return Ok(None);
        };
        let tenant = unwrap_tenant(self.0.keks.as_ref(), &row).await?;
        let found = SubjectRow::by_tag(&mut connection, tenant.pseudonym, kind, &tenant.tag(kind, name)).await?;
        Ok(found.map(|row| row.pseudonym))
    }

    /// The pseudonyms of a subject in every tenant, looked up without making one.
    ///
    /// # Errors
    /// When the key store cannot be read or a tenant's key is of no use.
    pub async fn find_subject_anywhere(
        &self,
        kind: SubjectKind,
        name: &str,
    ) -> Result<Vec<SubjectPseudonym>, VaultError> {
        let mut connection = self.0.connection.lock().await;
        let mut found = Vec::new();
        for row in TenantRow::all(&mut connection).await? {
            let tenant = unwrap_tenant(self.0.keks.as_ref(), &row).await?;
            let tag = tenant.tag(kind, name);
            let row = SubjectRow::by_tag(&mut connection, tenant.pseudonym, kind, &tag).await?;
            found.extend(row.map(|row| row.pseudonym));
        }
        Ok(found)
    }

    /// What a subject is called; `None` when it was erased or never was.
    ///
    /// # Errors
    /// When the key store cannot be read or a key is of no use.
    pub async fn subject_name(&self, subject: SubjectPseudonym) -> Result<Option<Zeroizing<String>>, VaultError> {
        let mut connection = self.0.connection.lock().await;
        let Some(row) = SubjectRow::by_pseudonym(&mut connection, subject).await? else {
            return Ok(None);
        };
        let key = self.unwrap_subject(&mut connection, &row).await?;
        let name = open_name(row.tenant, row.pseudonym, &key, &row.name)
            .map_err(|source| VaultError::Subject { subject, source })?;
        Ok(Some(name))
    }

    /// The pseudonym of a caller or an administrator, made when it is new; for entries that name
    /// approvers and readers.
    ///
    /// # Errors
    /// When the key store cannot be written or a key is of no use.
    pub async fn principal(&self, tenant: Option<&TenantId>, name: &str) -> Result<PrincipalPseudonym, VaultError> {
        let who = Who {
            tenant,
            kind: SubjectKind::Principal,
            name,
        };
        let mut known = self.know(BTreeSet::new(), BTreeSet::from([who])).await?;
        if let Some(subject) = known.subjects.get(&who) {
            return Ok(subject.principal());
        }
        let lost = known.lost_subjects.remove(&who);
        let lost = lost.or_else(|| known.lost_tenants.remove(&tenant));
        Err(lost.unwrap_or(VaultError::Store(StoreError::Unsound { what: "a subject" })))
    }

    /// Finds tenants and subjects; those that are new are in the store for good when this returns.
    ///
    /// # Errors
    /// When nobody can be looked up now. Those whose own keys are of no use are told one by one.
    pub(crate) async fn know<'a>(
        &self,
        mut tenants: BTreeSet<Option<&'a TenantId>>,
        subjects: BTreeSet<Who<'a>>,
    ) -> Result<Known<'a>, VaultError> {
        tenants.extend(subjects.iter().map(|who| who.tenant));
        let mut known = Known::default();
        if self.recall(&tenants, &subjects, &mut known) {
            return Ok(known);
        }
        let mut connection = self.0.connection.lock().await;
        // While this waited, a tenant's key may have been replaced or a subject erased.
        let mut known = Known::default();
        if self.recall(&tenants, &subjects, &mut known) {
            return Ok(known);
        }
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for name in tenants {
            if let Entry::Vacant(unknown) = known.tenants.entry(name) {
                match Box::pin(self.find_or_make_tenant(&mut transaction, name)).await {
                    Ok(tenant) => drop(unknown.insert(tenant)),
                    Err(error) if error.is_of_one() => drop(known.lost_tenants.insert(name, error)),
                    Err(error) => return Err(error),
                }
            }
        }
        let mut fresh = Vec::new();
        for who in subjects {
            if known.subjects.contains_key(&who) {
                continue;
            }
            let Some(tenant) = known.tenants.get(&who.tenant) else {
                continue;
            };
            match Box::pin(self.find_or_make_subject(&mut transaction, tenant, who)).await {
                Ok((tag, subject)) => {
                    fresh.push(((tenant.pseudonym, who.kind, tag), Arc::clone(&subject)));
                    known.subjects.insert(who, subject);
                }
                Err(error) if error.is_of_one() => drop(known.lost_subjects.insert(who, error)),
                Err(error) => return Err(error),
            }
        }
        transaction.commit().await?;
        self.with_cached(|cached| {
            for (name, tenant) in &known.tenants {
                cached.tenants.insert(name.cloned(), Arc::clone(tenant));
            }
            for (key, subject) in fresh {
                cached.subjects.insert(key, subject);
            }
        });
        drop(connection);
        Ok(known)
    }

    /// What is in memory; says whether that is everything.
    fn recall<'a>(
        &self,
        tenants: &BTreeSet<Option<&'a TenantId>>,
        subjects: &BTreeSet<Who<'a>>,
        known: &mut Known<'a>,
    ) -> bool {
        self.with_cached(|cached| {
            for name in tenants {
                if let Some(tenant) = cached.tenants.find(&name.cloned()) {
                    known.tenants.insert(*name, Arc::clone(tenant));
                }
            }
            for who in subjects {
                let Some(tenant) = known.tenants.get(&who.tenant) else {
                    continue;
                };
                let key = (tenant.pseudonym, who.kind, tenant.tag(who.kind, who.name));
                if let Some(subject) = cached.subjects.find(&key) {
                    known.subjects.insert(*who, Arc::clone(subject));
                }
            }
        });
        known.tenants.len() == tenants.len() && known.subjects.len() == subjects.len()
    }

    async fn find_or_make_tenant(
        &self,
        connection: &mut SqliteConnection,
        name: Option<&TenantId>,
    ) -> Result<Arc<Tenant>, VaultError> {
        if let Some(row) = TenantRow::by_name(connection, name_of(name)).await? {
            return Ok(Arc::new(unwrap_tenant(self.0.keks.as_ref(), &row).await?));
        }
        let pseudonym = TenantPseudonym::from_bytes(random()?);
        let key = KeyBytes::random()?;
        let row = TenantRow {
            pseudonym,
            name: name_of(name).to_owned(),
            key: self.0.keks.wrap(key.expose(), &Tenant::aad(pseudonym)).await?,
        };
        row.insert(connection).await?;
        Ok(Arc::new(Tenant::new(pseudonym, &key)?))
    }

    async fn find_or_make_subject(
        &self,
        connection: &mut SqliteConnection,
        tenant: &Tenant,
        who: Who<'_>,
    ) -> Result<(Tag, Arc<Subject>), VaultError> {
        let tag = tenant.tag(who.kind, who.name);
        let of = tenant.pseudonym;
        if let Some(row) = SubjectRow::by_tag(connection, of, who.kind, &tag).await? {
            let subject = row.pseudonym;
            let key = tenant
                .unwrap(subject, &row.wrapped)
                .map_err(|source| VaultError::Subject { subject, source })?;
            return Ok((tag, Arc::new(Subject::new(subject, of, &key)?)));
        }
        let pseudonym = SubjectPseudonym::from_bytes(random()?);
        let key = KeyBytes::random()?;
        let row = SubjectRow {
            pseudonym,
            tenant: of,
            kind: who.kind,
            tag,
            wrapped: tenant.wrap(pseudonym, &key)?,
            name: seal_name(of, pseudonym, &key, who.name)?,
            created_at: self.0.clock.wall(),
        };
        row.insert(connection).await?;
        Ok((tag, Arc::new(Subject::new(pseudonym, of, &key)?)))
    }

    /// The key in a subject's row.
    pub(super) async fn unwrap_subject(
        &self,
        connection: &mut SqliteConnection,
        row: &SubjectRow,
    ) -> Result<KeyBytes, VaultError> {
        let tenant = TenantRow::by_pseudonym(connection, row.tenant)
            .await?
            .ok_or(StoreError::Unsound {
                what: "a subject without tenant",
            })?;
        unwrap_tenant(self.0.keks.as_ref(), &tenant)
            .await?
            .unwrap(row.pseudonym, &row.wrapped)
            .map_err(|source| VaultError::Subject {
                subject: row.pseudonym,
                source,
            })
    }

    /// A subject with its key; `None` when it was erased or never was.
    pub(crate) async fn subject(&self, subject: SubjectPseudonym) -> Result<Option<Subject>, VaultError> {
        let mut connection = self.0.connection.lock().await;
        let Some(row) = SubjectRow::by_pseudonym(&mut connection, subject).await? else {
            return Ok(None);
        };
        let key = self.unwrap_subject(&mut connection, &row).await?;
        Ok(Some(Subject::new(subject, row.tenant, &key)?))
    }

    /// Forgets a subject's key; the connection is held by the caller.
    pub(crate) fn forget_subject(&self, subject: SubjectPseudonym) {
        self.with_cached(|cached| cached.subjects.retain(|_, it| it.pseudonym != subject));
    }

    /// Forgets every key; the connection is held by the caller.
    pub(super) fn forget_all(&self) {
        self.with_cached(|cached| {
            cached.tenants.clear();
            cached.subjects.clear();
        });
    }

    fn with_cached<T>(&self, act: impl FnOnce(&mut Cached) -> T) -> T {
        act(&mut self.0.cached.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A key-encryption key is sound when it opens any tenant's key; then only the one in `row` is lost.
async fn look_at_others(
    connection: &mut SqliteConnection,
    keks: &dyn KeyEncryption,
    row: &TenantRow,
    error: VaultError,
) -> Result<(), VaultError> {
    if !error.is_of_one() {
        return Err(error);
    }
    for other in TenantRow::all_under(connection, &row.key.kek).await? {
        if unwrap_tenant(keks, &other).await.is_ok() {
            tracing::error!(%error, "nothing can be recorded for one tenant; bring the key store back from a backup");
            return Ok(());
        }
    }
    Err(error)
}

/// The tenant's key in a row.
pub(super) async fn unwrap_tenant(keks: &dyn KeyEncryption, row: &TenantRow) -> Result<Tenant, VaultError> {
    let key = tenant_key(keks, row).await?;
    Ok(Tenant::new(row.pseudonym, &key)?)
}

/// The bytes of the tenant's key in a row.
pub(super) async fn tenant_key(keks: &dyn KeyEncryption, row: &TenantRow) -> Result<KeyBytes, VaultError> {
    let bytes = keks
        .unwrap(&row.key, &Tenant::aad(row.pseudonym))
        .await
        .map_err(|source| VaultError::Tenant {
            tenant: row.pseudonym,
            source,
        })?;
    Ok(KeyBytes::from_slice(&bytes)?)
}

/// The name in the store; empty for what belongs to no tenant, which no tenant can be called.
fn name_of(tenant: Option<&TenantId>) -> &str {
    tenant.map_or("", TenantId::as_str)
}

#[cfg(test)]
mod tests;
