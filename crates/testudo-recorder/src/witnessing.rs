//! Asking others to sign this log's checkpoints.

use std::future::Future;
use std::pin::Pin;

use testudo_ledger::{Signature, SignedCheckpoint};

/// Collects cosignatures; called with one checkpoint at a time, the newest, on a thread of its own inside a
/// current-thread tokio runtime.
pub trait Witnessing: Send + Sync {
    /// Asks for cosignatures on a checkpoint that this log has just published.
    ///
    /// Takes as long as it wants; newer checkpoints wait for it, and all but the newest are skipped.
    fn cosign<'a>(&'a self, checkpoint: &'a SignedCheckpoint) -> Pin<Box<dyn Future<Output = Cosigned> + Send + 'a>>;
}

/// What the witnesses answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// Checked already; they are added to the note. None when nobody signed.
    pub signatures: Vec<Signature>,
    /// Whether they satisfy the policy's quorum.
    pub quorum: bool,
    /// When they do not: why, for those who wait.
    pub reason: String,
}
