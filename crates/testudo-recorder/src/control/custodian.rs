//! The operations of a ledger's custodian, as values.

use futures_util::future::BoxFuture;
use testudo_ledger::entry::{Artifact, Body, Evidence, Incident};
use testudo_types::TenantId;
use zeroize::Zeroizing;

/// The entries that a person may add; everything else is written by what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddedBody {
    Artifact(Artifact),
    Evidence(Evidence),
    Incident(Incident),
}

impl From<AddedBody> for Body {
    fn from(body: AddedBody) -> Self {
        match body {
            AddedBody::Artifact(artifact) => Self::Artifact(artifact),
            AddedBody::Evidence(evidence) => Self::Evidence(evidence),
            AddedBody::Incident(incident) => Self::Incident(incident),
        }
    }
}

/// Something a person adds to the ledger.
#[derive(Clone, PartialEq, Eq)]
pub struct Addition {
    pub body: AddedBody,
    /// Who acted, by name; the entry bears a pseudonym, and the name stands sealed in the key store only.
    pub by: Option<String>,
    pub tenant: Option<TenantId>,
    /// Whose key seals the content; the tenant's own when there is none.
    pub subject: Option<String>,
    /// What is sealed beside the entry.
    pub content: Option<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Addition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Addition")
            .field("body", &self.body)
            .field("tenant", &self.tenant)
            .field("content_bytes", &self.content.as_ref().map(|it| it.len()))
            .finish_non_exhaustive()
    }
}

/// Where an addition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    pub index: u64,
    /// Unix time in milliseconds.
    pub at_ms: u64,
}

/// Whose payloads are erased, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    pub tenant: TenantId,
    pub subject: String,
    /// A code, for example `gdpr_17_1_b`.
    pub basis: String,
    /// The id under which it was asked for.
    pub request: String,
    pub approver: String,
}

/// What an erasure did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// The first tombstone's index.
    pub index: u64,
    pub payloads: u64,
}

/// Whose payloads must not be deleted until the hold is released, and the case that asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegalHold {
    pub tenant: TenantId,
    pub subject: String,
    /// A code, for example the name of a case; releasing names it again.
    pub reason: String,
    pub approver: String,
}

/// Runs the retention rules now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    pub approver: String,
}

/// What retention did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    /// The entry that says so; none when nothing was due.
    pub index: Option<u64>,
    pub deleted: u64,
    /// Due, and kept because of a legal hold.
    pub held: u64,
}

/// Renews keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// One tenant's key; the key-encryption key above all tenants when there is none.
    pub tenant: Option<TenantId>,
    pub approver: String,
}

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    pub index: u64,
    /// Keys that are wrapped by the new key now.
    pub wrapped: u64,
}

/// Asks for the content of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    pub index: u64,
    pub reader: String,
    /// A code, for example `incident` or `subject_access`.
    pub purpose: String,
}

/// The content of one entry.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The entry that says who read it.
    pub index: u64,
    pub content: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("index", &self.index)
            .field("content_bytes", &self.content.len())
            .finish()
    }
}

/// Everything accepted so far is in the tree and under a checkpoint of this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flushed {
    pub size: u64,
}

/// How the ledger is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The serving program's version.
    pub version: String,
    pub origin: String,
    pub writable: bool,
    /// Entries under the latest checkpoint.
    pub size: u64,
    /// Entries accepted and not yet durable.
    pub queue: u64,
    pub checkpoint_age_ms: Option<u64>,
    pub last_error: Option<String>,
    pub witnesses: Vec<WitnessStatus>,
    pub shipping: Option<ShippingStatus>,
}

/// What one witness has vouched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessStatus {
    pub name: String,
    /// The size that it cosigned last.
    pub size: u64,
    /// Since that cosignature; none before the first.
    pub age_ms: Option<u64>,
    pub error: Option<String>,
}

/// How far the copy in the object store is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippingStatus {
    /// The size of the checkpoint in the store.
    pub size: u64,
    pub lag_entries: u64,
    /// Since the oldest entry that is not in the store.
    pub lag_ms: u64,
    /// Shipping has stopped and needs a person.
    pub alarm: Option<String>,
    pub error: Option<String>,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The request is not allowed or makes no sense.
    Refused,
    /// What it names does not exist.
    Missing,
    /// The ledger cannot do it now; trying again may help.
    Unavailable,
    /// It takes longer than the deadline, and may still be carried out.
    Late,
    /// Nobody serves the ledger's socket.
    Unserved,
    /// The two sides do not speak the same language.
    Protocol,
}

/// Why a custodian did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {remedy}")]
pub struct Failure {
    pub kind: FailureKind,
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Failure {
    /// A failure of `kind` with what was wrong and what to do.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

/// What the writer of a ledger does for people.
///
/// Each operation records itself in the ledger before it returns. Dropping a future does not
/// undo what it began.
///
/// # Errors
/// Every operation fails with a [`Failure`] whose kind says whose fault it is.
pub trait Custodian: Send + Sync {
    /// Appends evidence or a step of an incident; returns when it is durable.
    fn append(&self, addition: Addition) -> BoxFuture<'_, Result<Added, Failure>>;
    /// Destroys a subject's keys and payloads.
    fn erase(&self, erasure: Erasure) -> BoxFuture<'_, Result<Erased, Failure>>;
    /// Forbids deletion until it is released.
    fn hold(&self, hold: LegalHold) -> BoxFuture<'_, Result<Added, Failure>>;
    /// Ends a legal hold.
    fn release(&self, hold: LegalHold) -> BoxFuture<'_, Result<Added, Failure>>;
    /// Deletes what the retention rules say is due.
    fn retain(&self, retention: Retention) -> BoxFuture<'_, Result<Retained, Failure>>;
    /// Makes a new key and wraps what the old one wrapped.
    fn rotate(&self, rotation: Rotation) -> BoxFuture<'_, Result<Rotated, Failure>>;
    /// Records who reads, then opens the payload.
    fn open(&self, opening: Opening) -> BoxFuture<'_, Result<Opened, Failure>>;
    /// Puts everything accepted so far under a checkpoint.
    fn flush(&self) -> BoxFuture<'_, Result<Flushed, Failure>>;
    /// How the ledger is doing.
    fn status(&self) -> BoxFuture<'_, Result<Status, Failure>>;
}
