//! The keeper as what other processes may ask, with names and codes as they come from people.

use futures_util::future::{BoxFuture, FutureExt as _};
use testudo_ledger::entry::PrincipalPseudonym;
use testudo_types::TenantId;

use super::{Custody, CustodyError, Noted, pseudonym};
use crate::code::{Code, CodeError};
use crate::control::{
    Added, Addition, Custodian, Erased, Erasure, Failure, FailureKind, Flushed, LegalHold, Opened, Opening, Retained,
    Retention, Rotated, Rotation, Status,
};
use crate::draft::{AppendError, Draft, Level, Receipt, SubjectName, SubjectNameError};
use crate::erase::{EraseError, ErasureRequest, PendingErasure};
use crate::hold::HoldError;
use crate::keys::{StoreError, VaultError};
use crate::reading::ReadLogError;
use crate::seal::OpenPayloadError;

/// Whose content it is when an addition names nobody.
const TENANTS_OWN: &str = "(the tenant's own)";

impl Custodian for Custody {
    fn append(&self, addition: Addition) -> BoxFuture<'_, Result<Added, Failure>> {
        async move { Ok(added(self.add(addition).await?)) }.boxed()
    }

    fn erase(&self, erasure: Erasure) -> BoxFuture<'_, Result<Erased, Failure>> {
        async move {
            let wanted = self.wanted(&erasure).await?;
            let erased = Custody::erase(self, &wanted).await?;
            Ok(Erased {
                index: erased.noted.index,
                payloads: erased.payloads,
            })
        }
        .boxed()
    }

    fn hold(&self, hold: LegalHold) -> BoxFuture<'_, Result<Added, Failure>> {
        async move {
            let reason = code(&hold.reason)?;
            let subject = self.subject(&hold.tenant, &hold.subject).await?;
            let by = self.somebody(Some(&hold.tenant), &hold.approver).await?;
            let noted = Custody::hold(self, subject, &reason, Some(hold.tenant), Some(by)).await?;
            Ok(added(noted))
        }
        .boxed()
    }

    fn release(&self, hold: LegalHold) -> BoxFuture<'_, Result<Added, Failure>> {
        async move {
            let reason = code(&hold.reason)?;
            let subject = self.subject(&hold.tenant, &hold.subject).await?;
            let by = self.somebody(Some(&hold.tenant), &hold.approver).await?;
            let noted = Custody::release(self, subject, &reason, Some(hold.tenant), Some(by)).await?;
            Ok(added(noted))
        }
        .boxed()
    }

    fn retain(&self, retention: Retention) -> BoxFuture<'_, Result<Retained, Failure>> {
        async move {
            let by = self.somebody(None, &retention.approver).await?;
            let retained = Custody::retain(self, Some(by)).await?;
            Ok(Retained {
                index: retained.noted.first().map(|noted| noted.index),
                deleted: retained.deleted,
                held: retained.held,
            })
        }
        .boxed()
    }

    fn rotate(&self, rotation: Rotation) -> BoxFuture<'_, Result<Rotated, Failure>> {
        async move {
            let (noted, rewrapped) = match &rotation.tenant {
                Some(tenant) => {
                    // Naming somebody would make the tenant when there is none.
                    self.tenant(tenant).await?;
                    let by = self.somebody(Some(tenant), &rotation.approver).await?;
                    self.rotate_tenant(tenant, Some(by)).await?
                }
                None => {
                    let by = self.somebody(None, &rotation.approver).await?;
                    self.rotate_kek(Some(by)).await?
                }
            };
            Ok(Rotated {
                index: noted.index,
                wrapped: rewrapped.keys,
            })
        }
        .boxed()
    }

    fn open(&self, opening: Opening) -> BoxFuture<'_, Result<Opened, Failure>> {
        async move {
            let purpose = code(&opening.purpose)?;
            let reader = self.somebody(None, &opening.reader).await?;
            let shown = self.show_payload(opening.index, reader, &purpose).await?;
            Ok(Opened {
                index: shown.noted,
                content: shown.content,
            })
        }
        .boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<Flushed, Failure>> {
        async move {
            self.kept.recorder.flush().await.map_err(CustodyError::Append)?;
            let size = self.kept.log.size().map_err(CustodyError::Read)?;
            Ok(Flushed { size })
        }
        .boxed()
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, Failure>> {
        async move {
            let health = self.kept.recorder.health();
            Ok(Status {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                origin: self.kept.origin.clone(),
                writable: health.writable,
                size: health.size,
                queue: u64::try_from(health.queue_entries).unwrap_or(u64::MAX),
                checkpoint_age_ms: health.checkpoint_age_ms,
                last_error: health.last_error,
                ..Status::default()
            })
        }
        .boxed()
    }
}

impl Custody {
    async fn add(&self, addition: Addition) -> Result<Noted, Failure> {
        let owner = addition.subject.as_deref().unwrap_or(TENANTS_OWN);
        let by = match &addition.by {
            Some(name) => Some(self.somebody(None, name).await?),
            None => None,
        };
        let draft = Draft {
            by,
            subject: Some(SubjectName::parse(owner)?),
            tenant: addition.tenant,
            content: addition.content,
            ..Draft::new(addition.body)
        };
        let appended = self.kept.recorder.append(draft, Level::Durable).await;
        match appended.map_err(CustodyError::Append)? {
            Receipt::Written { index, at } => Ok(Noted { index, at }),
            Receipt::Queued => Err(CustodyError::BrokenOff.into()),
        }
    }

    /// The request, or the one of the same id that was broken off and whose subject is no longer found by name.
    async fn wanted(&self, erasure: &Erasure) -> Result<ErasureRequest, Failure> {
        let request = code(&erasure.request)?;
        let basis = code(&erasure.basis)?;
        let pending = self.kept.vault.pending_erasures().await.map_err(CustodyError::Erase)?;
        if let Some(begun) = pending.into_iter().find(|it| it.wanted.request == request) {
            if begun.wanted.basis != basis || !self.is_of(&begun, erasure).await? {
                return Err(CustodyError::Erase(EraseError::OtherRequest(request)).into());
            }
            return Ok(begun.wanted);
        }
        Ok(ErasureRequest {
            request,
            subject: self.subject(&erasure.tenant, &erasure.subject).await?,
            basis,
            approver: self.somebody(Some(&erasure.tenant), &erasure.approver).await?,
        })
    }

    /// Whether what is asked for can be what was begun. Its subject's name is gone, so that anybody who
    /// is still found, or is given by another pseudonym, is somebody else.
    async fn is_of(&self, begun: &PendingErasure, erasure: &Erasure) -> Result<bool, CustodyError> {
        if self.kept.vault.find_tenant(&erasure.tenant).await? != Some(begun.tenant) {
            return Ok(false);
        }
        if let Some(subject) = pseudonym(&erasure.subject) {
            return Ok(subject == begun.wanted.subject);
        }
        match self.subject(&erasure.tenant, &erasure.subject).await {
            Err(CustodyError::Subject) => Ok(true),
            Ok(_) | Err(CustodyError::Ambiguous) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The pseudonym of an administrator, whose name stands sealed in the key store only.
    async fn somebody(&self, tenant: Option<&TenantId>, name: &str) -> Result<PrincipalPseudonym, Failure> {
        let name = SubjectName::parse(name)?;
        let found = self.kept.vault.principal(tenant, name.as_str()).await;
        Ok(found.map_err(CustodyError::Vault)?)
    }
}

fn code(text: &str) -> Result<Code, Failure> {
    Ok(Code::parse(text)?)
}

fn added(noted: Noted) -> Added {
    Added {
        index: noted.index,
        at_ms: noted.at.0,
    }
}

impl From<CodeError> for Failure {
    fn from(error: CodeError) -> Self {
        Self::new(FailureKind::Refused, error.to_string(), "give a short code")
    }
}

impl From<SubjectNameError> for Failure {
    fn from(error: SubjectNameError) -> Self {
        Self::new(FailureKind::Refused, error.to_string(), "give a name")
    }
}

impl From<CustodyError> for Failure {
    fn from(error: CustodyError) -> Self {
        let (kind, remedy) = kind(&error);
        // The cause is what says what to do about the keys or the disk.
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(deeper) = cause {
            message = format!("{message}: {deeper}");
            cause = deeper.source();
        }
        Self::new(kind, message, remedy)
    }
}

fn kind(error: &CustodyError) -> (FailureKind, &'static str) {
    const RETRY: (FailureKind, &str) = (FailureKind::Unavailable, "try again");
    match error {
        CustodyError::Tenant(_) => (FailureKind::Missing, "check the tenant's name"),
        CustodyError::Subject
        | CustodyError::Erase(EraseError::Unknown)
        | CustodyError::Hold(HoldError::Unknown(_)) => (FailureKind::Missing, "check tenant and name"),
        CustodyError::Hold(HoldError::NotHeld { .. }) => (FailureKind::Missing, "check the reason"),
        CustodyError::Ambiguous => (FailureKind::Refused, "give the pseudonym"),
        CustodyError::Erase(EraseError::Held { .. }) => (FailureKind::Refused, "release the hold first"),
        CustodyError::Erase(EraseError::OtherRequest(_)) => (FailureKind::Refused, "give another request id"),
        CustodyError::Deleted(_)
        | CustodyError::Open(OpenPayloadError::Absent { .. } | OpenPayloadError::Erased { .. })
        | CustodyError::Read(ReadLogError::Beyond { .. }) => (FailureKind::Missing, "check the index"),
        CustodyError::Entry(_) => (FailureKind::Refused, "update testudo"),
        CustodyError::Append(
            AppendError::Invalid(_)
            | AppendError::ContentTooLarge { .. }
            | AppendError::NobodysContent
            | AppendError::Refused { .. },
        ) => (FailureKind::Refused, "change what is to be added"),
        CustodyError::Vault(VaultError::Store(StoreError::Busy))
        | CustodyError::Erase(EraseError::Vault(VaultError::Store(StoreError::Busy))) => (
            FailureKind::Unavailable,
            "stop what else reads `keys.sqlite`, and try again",
        ),
        CustodyError::Mark(_)
        | CustodyError::Open(OpenPayloadError::Vault(_))
        | CustodyError::Append(_)
        | CustodyError::BrokenOff => RETRY,
        CustodyError::Open(_) => (FailureKind::Refused, "run `testudo ledger verify`"),
        CustodyError::Erase(_) | CustodyError::Hold(_) | CustodyError::Vault(_) => RETRY,
        CustodyError::Read(_) => (FailureKind::Unavailable, "run `testudo ledger verify`"),
    }
}
