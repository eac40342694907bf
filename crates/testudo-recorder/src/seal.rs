//! Sealing content into payload records, and opening them, which takes the proof that the reading is recorded.

use std::collections::BTreeSet;

use testudo_ledger::entry::{Entry, SubjectPseudonym, TenantPseudonym};
use testudo_ledger::payload::{self, Record, RecordError};
use zeroize::Zeroizing;

use crate::draft::{Draft, Receipt};
use crate::keys::cipher::{CipherError, KeyBytes, random};
use crate::keys::{Known, Subject, SubjectKind, Vault, VaultError, Who};
use crate::sealer::{Batch, Refusal, SealError, Sealed, SealedPayload, Sealer, Sealing};

/// Where a record belongs; its seal covers all of it.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    origin: &'a str,
    index: u64,
    kind: &'a str,
    tenant: TenantPseudonym,
    subject: SubjectPseudonym,
}

impl Place<'_> {
    fn associated_data(&self) -> Vec<u8> {
        payload::associated_data(self.origin, self.index, self.kind, &self.tenant, &self.subject)
    }
}

impl Sealer for Vault {
    fn seal<'a>(&'a mut self, batch: Batch<'a>) -> Sealing<'a> {
        Box::pin(async move {
            let wanted = wanted(batch.drafts);
            let known = self.know(wanted.tenants, wanted.subjects).await.map_err(failed)?;
            let places = batch.first_index..;
            batch
                .drafts
                .iter()
                .zip(places)
                .map(|(draft, index)| seal_draft(&known, batch.origin, index, draft).map_err(failed))
                .collect()
        })
    }
}

fn failed(error: impl Into<VaultError>) -> SealError {
    SealError(Box::new(error.into()))
}

#[derive(Default)]
struct Wanted<'a> {
    tenants: BTreeSet<Option<&'a testudo_types::TenantId>>,
    subjects: BTreeSet<Who<'a>>,
}

fn wanted<'a>(drafts: &[&'a Draft]) -> Wanted<'a> {
    let mut wanted = Wanted::default();
    for draft in drafts {
        if draft.tenant.is_some() {
            wanted.tenants.insert(draft.tenant.as_ref());
        }
        wanted.subjects.extend(principal(draft));
        wanted.subjects.extend(owner(draft));
    }
    wanted
}

/// Who called.
fn principal(draft: &Draft) -> Option<Who<'_>> {
    draft.principal.as_ref().map(|key| Who {
        tenant: draft.tenant.as_ref(),
        kind: SubjectKind::Principal,
        name: key.as_str(),
    })
}

/// Whose content it is, if there is any.
fn owner(draft: &Draft) -> Option<Who<'_>> {
    draft.content.as_ref()?;
    match &draft.subject {
        Some(name) => Some(Who {
            tenant: draft.tenant.as_ref(),
            kind: SubjectKind::Person,
            name: name.as_str(),
        }),
        None => principal(draft),
    }
}

/// Seals one draft. What is of no use for this draft alone is its refusal; an error is everybody's.
fn seal_draft<'a>(
    known: &Known<'a>,
    origin: &str,
    index: u64,
    draft: &'a Draft,
) -> Result<Result<Sealed, Refusal>, CipherError> {
    match seal_parts(known, origin, index, draft) {
        Ok(sealed) => Ok(Ok(sealed)),
        Err(Unsealed::Cipher(CipherError::Random)) => Err(CipherError::Random),
        Err(unsealed) => Ok(Err(Refusal(told(&unsealed)))),
    }
}

/// Why one draft is not sealed; no variant names anybody.
#[derive(Debug, thiserror::Error)]
enum Unsealed<'a> {
    #[error("content needs a tenant, and a subject or a principal of it")]
    NobodysContent,
    #[error("the key store does not answer for everybody in it")]
    Unanswered,
    #[error(transparent)]
    Lost(&'a VaultError),
    #[error("the cipher is of no use")]
    Cipher(#[from] CipherError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl<'a> From<Option<&'a VaultError>> for Unsealed<'a> {
    fn from(lost: Option<&'a VaultError>) -> Self {
        lost.map_or(Self::Unanswered, Self::Lost)
    }
}

/// The error with its causes, which say what to do about a key.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}

fn seal_parts<'k, 'a>(
    known: &'k Known<'a>,
    origin: &str,
    index: u64,
    draft: &'a Draft,
) -> Result<Sealed, Unsealed<'k>> {
    let tenant = match &draft.tenant {
        Some(name) => Some(known.tenant(Some(name))?.pseudonym()),
        None => None,
    };
    let principal = match principal(draft) {
        Some(who) => Some(known.subject(who)?.principal()),
        None => draft.by,
    };
    let payload = match &draft.content {
        Some(content) => {
            let owner = owner(draft).ok_or(Unsealed::NobodysContent)?;
            let subject = known.subject(owner)?;
            let place = Place {
                origin,
                index,
                kind: draft.body.kind(),
                tenant: tenant.ok_or(Unsealed::NobodysContent)?,
                subject: subject.pseudonym,
            };
            Some(seal_content(subject, place, content)?)
        }
        None => None,
    };
    Ok(Sealed {
        tenant,
        principal,
        payload,
    })
}

fn seal_content<'k>(subject: &Subject, place: Place<'_>, content: &[u8]) -> Result<SealedPayload, Unsealed<'k>> {
    let key = KeyBytes::random()?;
    let wrapped_key = subject.wrap(&key)?;
    let (salt, nonce) = (random::<32>()?, random::<12>()?);
    let mut sealed = Vec::with_capacity(content.len().saturating_add(16));
    sealed.extend_from_slice(content);
    key.cipher()?
        .seal_in_place(nonce, &mut sealed, &place.associated_data())?;
    let record = Record {
        index: place.index,
        salt: &salt,
        wrapped_key: &wrapped_key,
        nonce: &nonce,
        sealed: &sealed,
    };
    Ok(SealedPayload {
        subject: subject.pseudonym,
        bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
        commitment: record.commitment(),
        record: record.encode()?,
    })
}

/// Proof that the entry about reading one payload is in the log; nothing opens without it.
#[derive(Debug)]
pub struct ReadReceipt {
    of: u64,
    entry: u64,
}

impl ReadReceipt {
    /// From the receipt of the `payload_read` entry for the payload of entry `of`; `None` when that
    /// entry has no place in the log yet.
    pub(crate) fn new(of: u64, appended: &Receipt) -> Option<Self> {
        appended.index().map(|entry| Self { of, entry })
    }

    /// Where the entry about the reading stands.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.entry
    }
}

/// Why a payload did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenPayloadError {
    #[error("entry {index} has no payload")]
    Absent { index: u64 },
    #[error("the receipt is for reading entry {of}, and this is entry {index}")]
    OtherReceipt { of: u64, index: u64 },
    #[error("the key of subject `{subject}` is destroyed; its payloads can never be read again")]
    Erased { subject: SubjectPseudonym },
    #[error("the payload record of entry {index} is damaged")]
    Damaged {
        index: u64,
        #[source]
        source: RecordError,
    },
    #[error("the record at the place of entry {index} belongs to entry {found}")]
    Elsewhere { index: u64, found: u64 },
    #[error("the payload record of entry {index} is not the one that the entry commits to")]
    Changed { index: u64 },
    #[error("entry {index} is of another tenant than its subject")]
    OtherTenant { index: u64 },
    #[error("the data key of entry {index} does not open under its subject's key")]
    OtherSubject { index: u64 },
    #[error("the content of entry {index} was sealed for another log, place, type of entry, tenant or subject")]
    Refused { index: u64 },
    #[error("the keys are of no use")]
    Vault(#[from] VaultError),
}

impl Vault {
    /// Opens the payload of the entry at `index` of the log `origin`.
    ///
    /// # Errors
    /// When the subject was erased, or anything at all about the record, the entry or the keys does
    /// not fit; each in its own way.
    pub async fn open_payload(
        &self,
        receipt: &ReadReceipt,
        origin: &str,
        index: u64,
        entry: &Entry,
        record: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenPayloadError> {
        if receipt.of != index {
            return Err(OpenPayloadError::OtherReceipt { of: receipt.of, index });
        }
        let (Some(told), Some(tenant)) = (&entry.payload, entry.tenant) else {
            return Err(OpenPayloadError::Absent { index });
        };
        let record = Record::decode(record).map_err(|source| OpenPayloadError::Damaged { index, source })?;
        if record.index != index {
            let found = record.index;
            return Err(OpenPayloadError::Elsewhere { index, found });
        }
        if record.commitment() != told.commitment {
            return Err(OpenPayloadError::Changed { index });
        }
        let subject = told.subject;
        let known = self
            .subject(subject)
            .await?
            .ok_or(OpenPayloadError::Erased { subject })?;
        if known.tenant != tenant {
            return Err(OpenPayloadError::OtherTenant { index });
        }
        let key = known
            .unwrap(record.wrapped_key)
            .map_err(|_| OpenPayloadError::OtherSubject { index })?;
        let place = Place {
            origin,
            index,
            kind: entry.body.kind(),
            tenant,
            subject,
        };
        key.cipher()
            .and_then(|cipher| cipher.open_parts(record.nonce, record.sealed, &place.associated_data()))
            .map_err(|_| OpenPayloadError::Refused { index })
    }
}

#[cfg(test)]
mod tests;
