//! A log and its witnesses against each other, honest and not.

mod asking;
mod vouching;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use testudo_ledger::{SigningKey, VerifierKey};
use testudo_types::{Clock, Millis, UnixMillis};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Options, Witness, generate_key};

/// Ten seconds pass between two readings, so that nobody waits for anybody.
#[derive(Debug, Default)]
struct Hasty(AtomicU64);

impl Clock for Hasty {
    fn monotonic(&self) -> Millis {
        Millis(self.0.fetch_add(10_000, Ordering::SeqCst))
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(1_700_000_000_000)
    }
}

fn copy(key: &SigningKey) -> SigningKey {
    SigningKey::parse(&key.to_text()).unwrap()
}

fn options(folder: &Path, key: &SigningKey, log: VerifierKey) -> Options {
    Options {
        folder: folder.to_owned(),
        keys: vec![copy(key)],
        logs: vec![log],
        clock: Arc::new(Hasty::default()),
    }
}

/// A witness that answers on a port of its own.
struct Served {
    key: SigningKey,
    folder: tempfile::TempDir,
    url: Url,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(name: &str, log: VerifierKey) -> Self {
        let key = generate_key(name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let witness = Witness::open(options(folder.path(), &key, log)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let stop = CancellationToken::new();
        let until = stop.clone();
        let task = tokio::spawn(async move { witness.serve(listener, until).await });
        Self {
            key,
            folder,
            url,
            stop,
            task,
        }
    }

    async fn stop(self) -> (SigningKey, tempfile::TempDir) {
        self.stop.cancel();
        self.task.await.unwrap();
        (self.key, self.folder)
    }
}
