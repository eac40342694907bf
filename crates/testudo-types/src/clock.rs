//! Time as an argument, so that tests never sleep.

/// Milliseconds since an arbitrary start; only differences mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// How long after `earlier` this is, in milliseconds; zero when it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub u64);

/// The only way to learn the time.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// A reading that never goes backwards.
    fn monotonic(&self) -> Millis;
    /// The calendar's time.
    fn wall(&self) -> UnixMillis;
}
