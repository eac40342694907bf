//! Asking others to sign this log's checkpoints.

use std::future::Future;
use std::pin::Pin;

/// Collects cosignatures; called with one checkpoint at a time, the newest, from a thread of its own that runs a
/// current-thread tokio runtime.
pub trait Witnessing: Send + Sync {
    /// Asks for cosignatures on a checkpoint of this log.
    ///
    /// Takes as long as it wants; newer checkpoints wait for it and all but the newest are skipped.
    fn cosign<'a>(&'a self, published: &'a Published) -> Pin<Box<dyn Future<Output = Cosigned> + Send + 'a>>;
}

/// A checkpoint that this log has just published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The signed note, as in the file `checkpoint`.
    pub note: String,
    /// How many entries it covers.
    pub size: u64,
}

/// What the witnesses answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// Signature lines to add to the note, each with its line end; none when nobody signed.
    pub lines: String,
    /// Whether they satisfy the policy's quorum.
    pub quorum: bool,
    /// When not: why, for those who wait.
    pub reason: String,
}
