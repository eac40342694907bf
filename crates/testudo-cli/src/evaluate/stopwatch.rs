//! How long one scan takes: the wall clock of the machine, which nothing but a measurement may read.

/// Started with the work.
#[expect(
    clippy::disallowed_types,
    reason = "measures its own speed, and nothing depends on it"
)]
#[derive(Debug)]
pub(super) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_types,
        reason = "measures its own speed, and nothing depends on it"
    )]
    pub(super) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Since the start.
    pub(super) fn nanos(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
