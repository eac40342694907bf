//! Legal holds: while a subject has one, it cannot be erased and its payloads do not age.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteConnection;
use testudo_ledger::entry::{LegalHold, LegalHoldAction, SubjectPseudonym};
use testudo_types::UnixMillis;

use crate::code::Code;
use crate::keys::{StoreError, Vault, VaultError, sixteen};

/// Why a hold was not set or released.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    #[error("there is no subject `{0}`; it was erased, or never was")]
    Unknown(SubjectPseudonym),
    #[error("subject `{subject}` has no hold `{reason}`; `testudo ledger hold list` shows all")]
    NotHeld { subject: SubjectPseudonym, reason: Code },
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<sqlx::Error> for HoldError {
    fn from(error: sqlx::Error) -> Self {
        Self::Vault(error.into())
    }
}

/// One hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSubject {
    pub subject: SubjectPseudonym,
    pub reason: Code,
    pub since: UnixMillis,
}

impl Vault {
    /// Sets a hold and returns what is to be appended about it. A hold that is set already stays.
    ///
    /// The hold stands when this returns; the entry comes after, so that a crash leaves too much and
    /// never too little.
    ///
    /// # Errors
    /// When there is no such subject, or the key store cannot be written.
    pub async fn set_hold(
        &self,
        subject: SubjectPseudonym,
        reason: &Code,
        now: UnixMillis,
    ) -> Result<LegalHold, HoldError> {
        let mut connection = self.0.connection.lock().await;
        let set = sqlx::query(
            "INSERT INTO holds (subject, reason, set_at) \
             SELECT pseudonym, ?2, ?3 FROM subjects WHERE pseudonym = ?1 \
             ON CONFLICT (subject, reason) DO UPDATE SET set_at = set_at",
        )
        .bind(subject.as_bytes().as_slice())
        .bind(reason.as_str())
        .bind(i64::try_from(now.0).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await?;
        if set.rows_affected() == 0 {
            return Err(HoldError::Unknown(subject));
        }
        Ok(hold_body(LegalHoldAction::Set, subject, reason))
    }

    /// What is to be appended before a hold is released.
    ///
    /// # Errors
    /// When there is no such hold, or the key store cannot be read.
    pub async fn plan_release(&self, subject: SubjectPseudonym, reason: &Code) -> Result<LegalHold, HoldError> {
        let mut connection = self.0.connection.lock().await;
        let held: Option<i64> = sqlx::query_scalar("SELECT set_at FROM holds WHERE subject = ?1 AND reason = ?2")
            .bind(subject.as_bytes().as_slice())
            .bind(reason.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        match held {
            Some(_) => Ok(hold_body(LegalHoldAction::Release, subject, reason)),
            None => Err(HoldError::NotHeld {
                subject,
                reason: reason.clone(),
            }),
        }
    }

    /// Releases a hold, after the entry about it is on the disk.
    ///
    /// # Errors
    /// When there is no such hold, or the key store cannot be written.
    pub async fn release_hold(&self, subject: SubjectPseudonym, reason: &Code) -> Result<(), HoldError> {
        let mut connection = self.0.connection.lock().await;
        let released = sqlx::query("DELETE FROM holds WHERE subject = ?1 AND reason = ?2")
            .bind(subject.as_bytes().as_slice())
            .bind(reason.as_str())
            .execute(&mut *connection)
            .await?;
        if released.rows_affected() == 0 {
            return Err(HoldError::NotHeld {
                subject,
                reason: reason.clone(),
            });
        }
        Ok(())
    }

    /// Every hold, by subject.
    ///
    /// # Errors
    /// When the key store cannot be read.
    pub async fn holds(&self) -> Result<Vec<HeldSubject>, HoldError> {
        let mut connection = self.0.connection.lock().await;
        let rows: Vec<(Vec<u8>, String, i64)> =
            sqlx::query_as("SELECT subject, reason, set_at FROM holds ORDER BY subject, reason")
                .fetch_all(&mut *connection)
                .await?;
        rows.into_iter()
            .map(|(subject, reason, since)| {
                Ok(HeldSubject {
                    subject: SubjectPseudonym::from_bytes(sixteen(&subject).map_err(VaultError::Store)?),
                    reason: sound_code(&reason)?,
                    since: UnixMillis(u64::try_from(since).unwrap_or_default()),
                })
            })
            .collect()
    }

    /// Every subject with a hold.
    ///
    /// # Errors
    /// When the key store cannot be read.
    pub async fn held_subjects(&self) -> Result<BTreeSet<SubjectPseudonym>, HoldError> {
        Ok(self.holds().await?.into_iter().map(|held| held.subject).collect())
    }
}

/// The reason of a hold on a subject, if there is one.
pub(crate) async fn reason_of_hold(
    connection: &mut SqliteConnection,
    subject: SubjectPseudonym,
) -> Result<Option<Code>, VaultError> {
    let reason: Option<String> =
        sqlx::query_scalar("SELECT reason FROM holds WHERE subject = ?1 ORDER BY set_at, reason LIMIT 1")
            .bind(subject.as_bytes().as_slice())
            .fetch_optional(connection)
            .await?;
    reason.map(|reason| sound_code(&reason)).transpose()
}

/// A code from the store, which only ever took sound ones.
pub(crate) fn sound_code(text: &str) -> Result<Code, VaultError> {
    Code::parse(text).map_err(|_| VaultError::Store(StoreError::Unsound { what: "a code" }))
}

fn hold_body(action: LegalHoldAction, subject: SubjectPseudonym, reason: &Code) -> LegalHold {
    LegalHold {
        action,
        reason: reason.as_str().to_owned(),
        subject,
    }
}
