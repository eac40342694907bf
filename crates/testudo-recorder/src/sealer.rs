//! The seam to the key store: pseudonyms for names, sealed records for content.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use testudo_ledger::entry::{Commitment, PrincipalPseudonym, SubjectPseudonym, TenantPseudonym};

use crate::draft::Draft;

/// Turns names into pseudonyms and content into sealed records.
///
/// Called from the writer's thread only, inside a current-thread tokio runtime, with one batch at
/// a time. Whatever new pseudonyms and keys a batch needs must be durable before the future
/// resolves, because the batch becomes durable right after.
pub trait Sealer: Send {
    /// Seals a batch, one outcome for each draft in their order.
    ///
    /// A batch may come again with other indices, when the one before could not be written.
    ///
    /// # Errors
    /// When nothing can be sealed now; the whole batch fails and the recorder tries later.
    fn seal<'a>(&'a mut self, batch: Batch<'a>) -> Sealing<'a>;
}

/// What [`Sealer::seal`] returns.
pub type Sealing<'a> = Pin<Box<dyn Future<Output = Result<Vec<Result<Sealed, Refusal>>, SealError>> + Send + 'a>>;

/// Drafts that get consecutive places in a log.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The log's name, which the records are bound to.
    pub origin: &'a str,
    /// The place of the first draft.
    pub first_index: u64,
    pub drafts: &'a [&'a Draft],
}

/// What stands in the entry for a draft's names and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub tenant: Option<TenantPseudonym>,
    pub principal: Option<PrincipalPseudonym>,
    /// For a draft with content.
    pub payload: Option<SealedPayload>,
}

/// A payload, sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedPayload {
    pub subject: SubjectPseudonym,
    /// Size of the content in bytes.
    pub bytes: u64,
    pub commitment: Commitment,
    /// The record as it stands in a payload file, without its length.
    pub record: Vec<u8>,
}

impl fmt::Debug for SealedPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedPayload")
            .field("subject", &self.subject)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// This draft can never be sealed; says why, without naming anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// Nothing can be sealed now.
#[derive(Debug, thiserror::Error)]
#[error("the key store failed: {0}")]
pub struct SealError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
