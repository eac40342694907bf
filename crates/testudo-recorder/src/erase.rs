//! Erasure of a subject: its row and key are destroyed, then the tombstone is written, then its payloads are deleted.
//!
//! What is asked for is stored in the same transaction that destroys the key, without the name, so
//! that an erasure that a crash interrupts is finished at the next start.

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use testudo_ledger::entry::{Erasure, PrincipalPseudonym, Ranges, SubjectPseudonym, TenantPseudonym};
use testudo_types::UnixMillis;

use crate::code::Code;
use crate::hold::{reason_of_hold, sound_code};
use crate::keys::{Vault, VaultError, sixteen};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureRequest {
    /// The id under which it was asked for; the same id again is the same erasure.
    pub request: Code,
    pub subject: SubjectPseudonym,
    /// A code, for example `gdpr_17_1_b`.
    pub basis: Code,
    pub approver: PrincipalPseudonym,
}

impl ErasureRequest {
    /// The tombstones, for payloads that stood at these places, ascending. There is always one.
    #[must_use]
    pub fn tombstones(&self, indexes: impl IntoIterator<Item = u64>) -> Vec<Erasure> {
        let mut pieces = Ranges::join(indexes);
        if pieces.is_empty() {
            pieces.push(Ranges::default());
        }
        pieces
            .into_iter()
            .map(|ranges| Erasure {
                approver: self.approver,
                basis: self.basis.as_str().to_owned(),
                payloads: ranges.count(),
                ranges,
                request: self.request.as_str().to_owned(),
                subject: self.subject,
            })
            .collect()
    }
}

/// An erasure whose tombstone may not be in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingErasure {
    pub wanted: ErasureRequest,
    /// Whose subject it was.
    pub tenant: TenantPseudonym,
}

/// Why a subject was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error("subject `{subject}` is under the legal hold `{reason}`; release it first (`testudo ledger hold release`)")]
    Held { subject: SubjectPseudonym, reason: Code },
    #[error("there is no such subject; it was erased, or never was")]
    Unknown,
    #[error(
        "request `{0}` is already being carried out for another subject or on another basis; give this one an id of its own"
    )]
    OtherRequest(Code),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<sqlx::Error> for EraseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Vault(error.into())
    }
}

impl Vault {
    /// Destroys a subject's key, name and tag, and notes that its payloads are to be deleted.
    ///
    /// From then on nothing of it opens, and the same name is a new pseudonym. What was being sealed
    /// at this moment is in the log once the recorder is flushed.
    ///
    /// # Errors
    /// When there is a hold, there is no such subject, the request's id is another's, or the key store
    /// cannot be written; then nothing has changed. After [`crate::StoreError::Busy`] the key is gone, and only its erased bytes
    /// are still to be overwritten: ask again.
    pub async fn begin_erasure(&self, wanted: &ErasureRequest, now: UnixMillis) -> Result<PendingErasure, EraseError> {
        let mut connection = self.0.connection.lock().await;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        if let Some(reason) = reason_of_hold(&mut transaction, wanted.subject).await? {
            return Err(EraseError::Held {
                subject: wanted.subject,
                reason,
            });
        }
        let begun = match pending(&mut transaction, &wanted.request).await? {
            Some(begun) if begun.wanted.subject == wanted.subject && begun.wanted.basis == wanted.basis => begun,
            Some(_) => return Err(EraseError::OtherRequest(wanted.request.clone())),
            None => note(&mut transaction, wanted, now).await?,
        };
        // Before the commit, which may go through although nobody waits for it any more.
        self.forget_subject(wanted.subject);
        transaction.commit().await?;
        drop(connection);
        self.scrub().await.map_err(VaultError::Store)?;
        Ok(begun)
    }

    /// Erasures that were begun and whose tombstone may not be in the log.
    ///
    /// # Errors
    /// When the key store cannot be read.
    pub async fn pending_erasures(&self) -> Result<Vec<PendingErasure>, EraseError> {
        let mut connection = self.0.connection.lock().await;
        let rows: Vec<Row> =
            sqlx::query_as("SELECT request, subject, tenant, basis, approver FROM erasures ORDER BY asked_at, request")
                .fetch_all(&mut *connection)
                .await?;
        rows.into_iter().map(from_row).collect()
    }

    /// Forgets an erasure whose tombstone is in the log for good.
    ///
    /// # Errors
    /// When the key store cannot be written; the tombstone will be written again then.
    pub async fn finish_erasure(&self, request: &Code) -> Result<(), EraseError> {
        let mut connection = self.0.connection.lock().await;
        sqlx::query("DELETE FROM erasures WHERE request = ?1")
            .bind(request.as_str())
            .execute(&mut *connection)
            .await?;
        Ok(())
    }
}

type Row = (String, Vec<u8>, Vec<u8>, String, Vec<u8>);

fn from_row((request, subject, tenant, basis, approver): Row) -> Result<PendingErasure, EraseError> {
    let sixteen = |bytes: &[u8]| sixteen(bytes).map_err(VaultError::Store);
    Ok(PendingErasure {
        wanted: ErasureRequest {
            request: sound_code(&request)?,
            subject: SubjectPseudonym::from_bytes(sixteen(&subject)?),
            basis: sound_code(&basis)?,
            approver: PrincipalPseudonym::from_bytes(sixteen(&approver)?),
        },
        tenant: TenantPseudonym::from_bytes(sixteen(&tenant)?),
    })
}

async fn pending(connection: &mut SqliteConnection, request: &Code) -> Result<Option<PendingErasure>, EraseError> {
    let row: Option<Row> =
        sqlx::query_as("SELECT request, subject, tenant, basis, approver FROM erasures WHERE request = ?1")
            .bind(request.as_str())
            .fetch_optional(connection)
            .await?;
    row.map(from_row).transpose()
}

/// Stores what is asked for and deletes the subject's row.
async fn note(
    connection: &mut SqliteConnection,
    wanted: &ErasureRequest,
    now: UnixMillis,
) -> Result<PendingErasure, EraseError> {
    let tenant: Option<Vec<u8>> = sqlx::query_scalar("DELETE FROM subjects WHERE pseudonym = ?1 RETURNING tenant")
        .bind(wanted.subject.as_bytes().as_slice())
        .fetch_optional(&mut *connection)
        .await?;
    let tenant = tenant.ok_or(EraseError::Unknown)?;
    sqlx::query(
        "INSERT INTO erasures (request, subject, tenant, basis, approver, asked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(wanted.request.as_str())
    .bind(wanted.subject.as_bytes().as_slice())
    .bind(&tenant)
    .bind(wanted.basis.as_str())
    .bind(wanted.approver.as_bytes().as_slice())
    .bind(i64::try_from(now.0).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(PendingErasure {
        wanted: wanted.clone(),
        tenant: TenantPseudonym::from_bytes(sixteen(&tenant).map_err(VaultError::Store)?),
    })
}

#[cfg(test)]
mod tests;
