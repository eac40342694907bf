//! The machine's own clock, and a hand-moved one for tests.

use testudo_types::{Clock, Millis, UnixMillis};

/// Reads the operating system's clocks.
#[derive(Debug)]
#[expect(
    clippy::disallowed_types,
    reason = "this is the one place behind `Clock` that reads the machine's time"
)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic readings count from now.
    #[must_use]
    #[expect(
        clippy::disallowed_types,
        reason = "this is the one place behind `Clock` that reads the machine's time"
    )]
    pub fn new() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Millis {
        Millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place behind `Clock` that reads the machine's time"
    )]
    fn wall(&self) -> UnixMillis {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A clock that stands still until a test moves it.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct ManualClock {
    monotonic: std::sync::atomic::AtomicU64,
    wall: std::sync::atomic::AtomicU64,
}

#[cfg(test)]
impl ManualClock {
    /// A clock at the given calendar time, with a monotonic reading of zero.
    pub(crate) fn at(wall: UnixMillis) -> Self {
        Self {
            monotonic: 0.into(),
            wall: wall.0.into(),
        }
    }

    /// Moves both readings on.
    pub(crate) fn advance_ms(&self, ms: u64) {
        self.monotonic.fetch_add(ms, std::sync::atomic::Ordering::SeqCst);
        self.wall.fetch_add(ms, std::sync::atomic::Ordering::SeqCst);
    }

    /// Moves the calendar alone, as an operator or a time server may.
    pub(crate) fn set_wall(&self, wall: UnixMillis) {
        self.wall.store(wall.0, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
impl Clock for ManualClock {
    fn monotonic(&self) -> Millis {
        Millis(self.monotonic.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(self.wall.load(std::sync::atomic::Ordering::SeqCst))
    }
}
