//! What people ask of a ledger's keeper: erase, hold, release, retain, rotate, show a payload.
//!
//! Every operation has its entry in the log, and the order of its steps is such that a crash
//! between any two leaves a log that says no less than what was done: nothing is missing that an
//! entry does not explain, and what was begun is finished at the next start.

mod asked;
mod scan;

use std::collections::BTreeSet;
use std::sync::Arc;

use testudo_ledger::entry::{Body, Entry, PayloadRead, PrincipalPseudonym, SubjectPseudonym, TenantPseudonym};
use testudo_types::{Clock, TenantId, UnixMillis};
use zeroize::Zeroizing;

use crate::code::Code;
use crate::draft::{AppendError, Draft, Level, Receipt};
use crate::erase::{EraseError, ErasureRequest, PendingErasure};
use crate::hold::HoldError;
use crate::keys::{KekId, Rewrapped, StoreError, SubjectKind, Vault, VaultError};
use crate::reading::{LogFolder, ReadLogError};
use crate::recorder::Recorder;
use crate::retention::{Judged, Rules};
use crate::seal::{OpenPayloadError, ReadReceipt};
use crate::ship::{Dirty, Marks};

/// What a keeper works with: all of one ledger.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// The writer, which seals with `vault`.
    pub recorder: Recorder,
    pub vault: Vault,
    pub log: LogFolder,
    /// The log's name, which payloads are bound to.
    pub origin: String,
    pub rules: Rules,
    pub clock: Arc<dyn Clock>,
    /// Which payload files are to be shipped again; none when the ledger never shipped.
    pub dirty: Option<Dirty>,
}

/// Keeps one ledger: its writer, its keys and its files.
#[derive(Debug)]
pub struct Custody {
    kept: Keeping,
    /// One operation at a time.
    turn: tokio::sync::Mutex<()>,
}

/// Why an operation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    #[error("the ledger knows no tenant `{0}`")]
    Tenant(TenantId),
    /// The name is not repeated: it may be a person's.
    #[error("the tenant has no such subject; it was erased, or never was")]
    Subject,
    #[error("a person and a caller of the tenant have this name; give the pseudonym (`sub_…` or `prn_…`) instead")]
    Ambiguous,
    #[error("the payload of entry {0} is deleted; an `erasure` or `retention` entry says why")]
    Deleted(u64),
    #[error("entry {0} is of a kind that this program does not know; update testudo")]
    Entry(u64),
    #[error(transparent)]
    Erase(#[from] EraseError),
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(transparent)]
    Open(#[from] OpenPayloadError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Read(#[from] ReadLogError),
    #[error("payload files cannot be marked for the object store")]
    Mark(#[source] std::io::Error),
    #[error("the work was broken off")]
    BrokenOff,
}

/// Where an entry came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    pub index: u64,
    pub at: UnixMillis,
}

/// What an erasure did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedSubject {
    /// The first tombstone.
    pub noted: Noted,
    /// How many entries had a payload of the subject.
    pub payloads: u64,
}

/// What retention did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetainedPayloads {
    /// The entries that say so; none when nothing was due.
    pub noted: Vec<Noted>,
    pub deleted: u64,
    /// Due, and kept because of a legal hold.
    pub held: u64,
}

/// A payload, and where the entry about reading it stands.
#[derive(Debug)]
pub struct ShownPayload {
    pub noted: u64,
    pub content: Zeroizing<Vec<u8>>,
}

impl Custody {
    /// The keeper of a ledger; finishes the erasures and rotations that a crash has interrupted.
    ///
    /// # Errors
    /// When one of them cannot be finished.
    pub async fn start(kept: Keeping) -> Result<Self, CustodyError> {
        let custody = Self {
            kept,
            turn: tokio::sync::Mutex::new(()),
        };
        custody.finish_erasures().await?;
        match custody.finish_rotations().await {
            // Their entries are in the log; the next rotation or start overwrites the old keys.
            Err(CustodyError::Vault(VaultError::Store(StoreError::Busy))) => {
                tracing::warn!("another process has the key store open, so that replaced keys are not overwritten yet");
            }
            outcome => drop(outcome?),
        }
        Ok(custody)
    }

    /// Finishes what was begun and broken off.
    async fn finish_erasures(&self) -> Result<(), CustodyError> {
        for pending in self.kept.vault.pending_erasures().await? {
            // It may have been broken off before the bytes were overwritten.
            self.kept
                .vault
                .begin_erasure(&pending.wanted, self.kept.clock.wall())
                .await?;
            self.carry_out(&pending).await?;
        }
        Ok(())
    }

    /// The keys, for looking up names.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.kept.vault
    }

    /// Destroys a subject's keys and payloads. The same request again goes on where it was broken off.
    ///
    /// # Errors
    /// When there is a legal hold or no such subject, or something cannot be written. After the
    /// latter the subject's key may be gone already; ask again, or start again.
    pub async fn erase(&self, wanted: &ErasureRequest) -> Result<ErasedSubject, CustodyError> {
        let _turn = self.turn.lock().await;
        let pending = self.kept.vault.begin_erasure(wanted, self.kept.clock.wall()).await?;
        self.carry_out(&pending).await
    }

    /// Everything after the destruction of the key.
    async fn carry_out(&self, pending: &PendingErasure) -> Result<ErasedSubject, CustodyError> {
        // What was sealed before the key went is in the tree after this, and nothing comes after it.
        self.kept.recorder.flush().await?;
        let (log, subject) = (self.kept.log.clone(), pending.wanted.subject);
        let indexes = blocking(move || scan::payloads_of(&log, subject)).await?;
        let payloads = u64::try_from(indexes.len()).unwrap_or(u64::MAX);
        let tenant = self.tenant_named(Some(pending.tenant)).await?;
        let mut first = None;
        for tombstone in pending.wanted.tombstones(indexes.iter().copied()) {
            let noted = self.note(tenant.clone(), None, tombstone).await?;
            first.get_or_insert(noted);
        }
        // Brings the tombstones under a checkpoint first: no payload is missing without one.
        self.drop_payloads(indexes).await?;
        self.kept.vault.finish_erasure(&pending.wanted.request).await?;
        let noted = first.ok_or(CustodyError::BrokenOff)?;
        Ok(ErasedSubject { noted, payloads })
    }

    async fn drop_payloads(&self, indexes: BTreeSet<u64>) -> Result<(), CustodyError> {
        let windows: BTreeSet<u64> = indexes.iter().map(|index| index / 256).collect();
        let marks = match &self.kept.dirty {
            Some(dirty) => Some(dirty.begin(windows).map_err(CustodyError::Mark)?),
            None => None,
        };
        self.kept.recorder.drop_payloads(indexes).await?;
        marks.map_or(Ok(()), Marks::ready).map_err(CustodyError::Mark)
    }

    /// Forbids erasure and aging of a subject's payloads until the hold is released.
    ///
    /// # Errors
    /// When there is no such subject, or it cannot be written.
    pub async fn hold(
        &self,
        subject: SubjectPseudonym,
        reason: &Code,
        tenant: Option<TenantId>,
        by: Option<PrincipalPseudonym>,
    ) -> Result<Noted, CustodyError> {
        let _turn = self.turn.lock().await;
        let body = self
            .kept
            .vault
            .set_hold(subject, reason, self.kept.clock.wall())
            .await?;
        self.note(tenant, by, body).await
    }

    /// Ends a hold.
    ///
    /// # Errors
    /// When there is no such hold, or it cannot be written.
    pub async fn release(
        &self,
        subject: SubjectPseudonym,
        reason: &Code,
        tenant: Option<TenantId>,
        by: Option<PrincipalPseudonym>,
    ) -> Result<Noted, CustodyError> {
        let _turn = self.turn.lock().await;
        let body = self.kept.vault.plan_release(subject, reason).await?;
        let noted = self.note(tenant, by, body).await?;
        self.kept.vault.release_hold(subject, reason).await?;
        Ok(noted)
    }

    /// Deletes the payloads whose time is over and that nobody holds, after finishing what erasures were
    /// broken off.
    ///
    /// # Errors
    /// When something cannot be read or written; what was not deleted is due again the next time.
    pub async fn retain(&self, by: Option<PrincipalPseudonym>) -> Result<RetainedPayloads, CustodyError> {
        let _turn = self.turn.lock().await;
        self.finish_erasures().await?;
        let now = self.kept.clock.wall();
        let held = self.kept.vault.held_subjects().await?;
        self.kept.recorder.flush().await?;
        let (log, rules) = (self.kept.log.clone(), self.kept.rules.clone());
        let judged: Judged = blocking(move || scan::judge(&log, &rules, now, &held)).await?;
        let mut noted = Vec::new();
        for body in judged.bodies(&self.kept.rules, now) {
            noted.push(self.note(None, by, body).await?);
        }
        let indexes = judged.indexes();
        let deleted = u64::try_from(indexes.len()).unwrap_or(u64::MAX);
        if deleted > 0 {
            self.drop_payloads(indexes).await?;
        }
        Ok(RetainedPayloads {
            noted,
            deleted,
            held: judged.held,
        })
    }

    /// Makes a new key-encryption key and wraps every tenant's key under it.
    ///
    /// # Errors
    /// When a key is of no use, or something cannot be written. After [`crate::StoreError::Busy`] the
    /// rotation is done and is in the log, and only the old keys' bytes are still to be overwritten:
    /// the next rotation or start does it.
    pub async fn rotate_kek(&self, by: Option<PrincipalPseudonym>) -> Result<(Noted, Rewrapped), CustodyError> {
        let _turn = self.turn.lock().await;
        self.finish_rotations().await?;
        let rotated = self.kept.vault.rotate_kek(by).await;
        // Even when it failed: the store may have taken it all the same.
        let noted = self.finish_rotations().await?;
        let rewrapped = rotated?;
        Ok((noted.ok_or(CustodyError::BrokenOff)?, rewrapped))
    }

    /// Gives a tenant a new key and wraps its subjects' keys under it.
    ///
    /// # Errors
    /// When there is no such tenant, a key is of no use, or something cannot be written. After
    /// [`crate::StoreError::Busy`] as [`Self::rotate_kek`].
    pub async fn rotate_tenant(
        &self,
        tenant: &TenantId,
        by: Option<PrincipalPseudonym>,
    ) -> Result<(Noted, Rewrapped), CustodyError> {
        let _turn = self.turn.lock().await;
        self.finish_rotations().await?;
        let pseudonym = self.tenant(tenant).await?;
        let rotated = self.kept.vault.rotate_tenant(pseudonym, by).await;
        let noted = self.finish_rotations().await?;
        let rewrapped = rotated?.ok_or_else(|| CustodyError::Tenant(tenant.clone()))?;
        Ok((noted.ok_or(CustodyError::BrokenOff)?, rewrapped))
    }

    /// Appends what pending rotations have to say, then overwrites the old keys; the first entry, if there is one.
    async fn finish_rotations(&self) -> Result<Option<Noted>, CustodyError> {
        let mut first = None;
        for pending in self.kept.vault.pending_rotations().await? {
            let tenant = self.tenant_named(pending.tenant).await?;
            let noted = self.note(tenant, pending.approver, pending.body.clone()).await?;
            self.kept.vault.rotation_is_noted(&pending).await?;
            first.get_or_insert(noted);
        }
        self.kept.vault.finish_rotations().await?;
        Ok(first)
    }

    /// Destroys the key-encryption keys that nothing lies under any more. Copies of the key store
    /// from before the rotation open nothing after this.
    ///
    /// # Errors
    /// When a key cannot be destroyed.
    pub async fn retire_keks(&self) -> Result<Vec<KekId>, CustodyError> {
        let _turn = self.turn.lock().await;
        Ok(self.kept.vault.retire_keks().await?)
    }

    /// Records that a payload is read, and opens it.
    ///
    /// # Errors
    /// When there is no such entry, it has no payload any more, or the payload does not open; the
    /// entry about reading it may stand in the log all the same.
    pub async fn show_payload(
        &self,
        index: u64,
        reader: PrincipalPseudonym,
        purpose: &Code,
    ) -> Result<ShownPayload, CustodyError> {
        let _turn = self.turn.lock().await;
        if index >= self.kept.log.size()? {
            self.kept.recorder.flush().await?;
        }
        let log = self.kept.log.clone();
        let (bytes, record) = blocking(move || Ok((log.entry(index)?, log.payload(index)?))).await?;
        let entry = Entry::decode(&bytes).map_err(|_| CustodyError::Entry(index))?;
        if entry.payload.is_none() {
            return Err(OpenPayloadError::Absent { index }.into());
        }
        let record = record.ok_or(CustodyError::Deleted(index))?;
        let reading = PayloadRead {
            index,
            purpose: purpose.as_str().to_owned(),
            reader: reader.to_string(),
        };
        let draft = Draft {
            tenant: self.tenant_named(entry.tenant).await?,
            ..Draft::new(reading)
        };
        let appended = self.kept.recorder.append(draft, Level::Durable).await?;
        let receipt = ReadReceipt::new(index, &appended).ok_or(CustodyError::BrokenOff)?;
        let opened = self
            .kept
            .vault
            .open_payload(&receipt, &self.kept.origin, index, &entry, &record);
        Ok(ShownPayload {
            noted: receipt.entry(),
            content: opened.await?,
        })
    }

    /// The pseudonym of a tenant that the ledger knows.
    async fn tenant(&self, tenant: &TenantId) -> Result<TenantPseudonym, CustodyError> {
        let found = self.kept.vault.find_tenant(tenant).await?;
        found.ok_or_else(|| CustodyError::Tenant(tenant.clone()))
    }

    async fn tenant_named(&self, tenant: Option<TenantPseudonym>) -> Result<Option<TenantId>, CustodyError> {
        let Some(tenant) = tenant else { return Ok(None) };
        let name = self.kept.vault.tenant_name(tenant).await?;
        Ok(name.and_then(|name| TenantId::parse(&name).ok()))
    }

    /// Finds a subject of a tenant by pseudonym, by the person's name or by the caller's key id.
    ///
    /// # Errors
    /// When there is none, or a person and a caller have the name.
    pub async fn subject(&self, tenant: &TenantId, name: &str) -> Result<SubjectPseudonym, CustodyError> {
        let of = self.tenant(tenant).await?;
        if let Some(subject) = pseudonym(name) {
            let known = self.kept.vault.subject(subject).await?;
            return known
                .filter(|known| known.tenant == of)
                .map(|known| known.pseudonym)
                .ok_or(CustodyError::Subject);
        }
        let person = self
            .kept
            .vault
            .find_subject(Some(tenant), SubjectKind::Person, name)
            .await?;
        let caller = self
            .kept
            .vault
            .find_subject(Some(tenant), SubjectKind::Principal, name)
            .await?;
        match (person, caller) {
            (Some(_), Some(_)) => Err(CustodyError::Ambiguous),
            (Some(subject), None) | (None, Some(subject)) => Ok(subject),
            (None, None) => Err(CustodyError::Subject),
        }
    }

    async fn note(
        &self,
        tenant: Option<TenantId>,
        by: Option<PrincipalPseudonym>,
        body: impl Into<Body>,
    ) -> Result<Noted, CustodyError> {
        let draft = Draft {
            tenant,
            by,
            ..Draft::new(body)
        };
        match self.kept.recorder.append(draft, Level::Durable).await? {
            Receipt::Written { index, at } => Ok(Noted { index, at }),
            Receipt::Queued => Err(CustodyError::BrokenOff),
        }
    }
}

/// A subject by the pseudonym in the log, as a subject or as a caller.
fn pseudonym(text: &str) -> Option<SubjectPseudonym> {
    let caller = PrincipalPseudonym::parse(text).map(|caller| SubjectPseudonym::from_bytes(*caller.as_bytes()));
    SubjectPseudonym::parse(text).or(caller).ok()
}

/// Reads many files without holding up the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadLogError> + Send + 'static,
) -> Result<T, CustodyError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| CustodyError::BrokenOff)??)
}

#[cfg(test)]
mod tests;
