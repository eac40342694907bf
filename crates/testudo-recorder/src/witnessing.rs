//! Asking others to sign this log's checkpoints.

use std::future::Future;
use std::pin::Pin;

use testudo_ledger::{Signature, SignedCheckpoint};
use tokio::sync::{mpsc, watch};

use crate::integrate::Task;

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
    /// What a witness says that cannot be if this log never lost or changed anything, for example that it has seen
    /// more of it.
    pub contradiction: Option<String>,
}

/// Asks for cosignatures on each newest checkpoint until the integrator has ended.
pub(crate) async fn ask(
    witnessing: std::sync::Arc<dyn Witnessing>,
    mut newest: watch::Receiver<Option<SignedCheckpoint>>,
    integrator: mpsc::WeakUnboundedSender<Task>,
) {
    while newest.changed().await.is_ok() {
        let Some(checkpoint) = newest.borrow_and_update().clone() else {
            continue;
        };
        // A checkpoint over nothing is not worth anybody's signature.
        if checkpoint.checkpoint().size() == 0 {
            continue;
        }
        let cosigned = witnessing.cosign(&checkpoint).await;
        // Holding on to the sender would keep the integrator from ending.
        let Some(integrator) = integrator.upgrade() else { return };
        let _gone = integrator.send(Task::Cosigned { checkpoint, cosigned });
    }
}
