//! Long work on an async thread: the runtime is told, so that other exchanges go on elsewhere.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Bodies from this size on are scanned for milliseconds rather than microseconds.
const HEAVY_BYTES_MIN: usize = 128 << 10;

/// Runs work that takes milliseconds at least, whatever the size of its body.
pub(crate) fn long<T>(work: impl FnOnce() -> T) -> T {
    run(usize::MAX, work)
}

/// Runs `work` over a body of `bytes` bytes; a large one does not hold up other exchanges.
pub(crate) fn run<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let threads = Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes >= HEAVY_BYTES_MIN && threads {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_runtime_of_one_thread_runs_it_in_place() {
        assert_eq!(run(1 << 20, || 7), 7);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_go_on_meanwhile() {
        let (send, receive) = std::sync::mpsc::channel();
        let other = tokio::spawn(async move { send.send(()) });
        // Would wait for ever if the only worker were taken.
        run(1 << 20, || receive.recv()).unwrap();
        other.await.unwrap().unwrap();
    }
}
