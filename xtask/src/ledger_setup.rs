//! A recorder as the gateway has it: keys in a file keyring, the machine's clock.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use testudo_recorder::{FileKeyring, Folder, Limits, Options, Recorder, Vault};
use testudo_types::{Clock, Millis, UnixMillis};

/// Opens the ledger in `folder`, which is made when it is not there.
pub(crate) async fn open(folder: &Path) -> anyhow::Result<Recorder> {
    open_with(folder, Limits::default()).await
}

/// As [`open`], with limits of one's own.
pub(crate) async fn open_with(folder: &Path, limits: Limits) -> anyhow::Result<Recorder> {
    let clock: Arc<dyn Clock> = Arc::new(MachineClock::new());
    let prepared = Folder::prepare(folder).context("the ledger's folder")?;
    let keyring = FileKeyring::open(folder.join("kek")).context("the keyring")?;
    let vault = Vault::open(folder, Arc::new(keyring), Arc::clone(&clock)).await;
    let mut options = Options::new(clock, Box::new(vault.context("the key store")?), "xtask");
    options.limits = limits;
    Recorder::open(prepared, options).await.context("the ledger")
}

#[derive(Debug)]
struct MachineClock {
    start: std::time::SystemTime,
}

impl MachineClock {
    #[expect(clippy::disallowed_methods, reason = "a tool measures the machine's time")]
    fn new() -> Self {
        Self {
            start: std::time::SystemTime::now(),
        }
    }
}

impl Clock for MachineClock {
    fn monotonic(&self) -> Millis {
        Millis(u64::try_from(self.start.elapsed().unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "a tool measures the machine's time")]
    fn wall(&self) -> UnixMillis {
        let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
        UnixMillis(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
    }
}

/// Small and predictable; good enough to choose moments and sizes.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        mixed.checked_rem(end).unwrap_or(0)
    }
}
