//! Work that waits for a disk or keeps a processor busy, beside the tasks that wait for others.

use std::panic;

use tokio::task::{JoinHandle, spawn_blocking};

/// Does it on a thread of its own.
pub(super) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(spawn_blocking(work)).await
}

/// What comes of work that was begun.
pub(super) async fn joined<T>(work: JoinHandle<T>) -> T {
    match work.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            // The runtime is going down, and whoever waits for us goes with it.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}
