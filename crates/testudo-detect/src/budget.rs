//! Work that one scan may cost, counted deterministically instead of timed.

/// Work units left: about one for each byte that a pattern or an automaton reads.
///
/// Ordinary text costs 2 to 20 units a byte. A text that would cost more than
/// its caller granted is not scanned to the end, and the result says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    left: u64,
}

impl Budget {
    /// Grants `work_units`.
    #[must_use]
    pub fn new(work_units: u64) -> Self {
        Self { left: work_units }
    }

    /// No limit, for tests and for texts that the operator supplies.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { left: u64::MAX }
    }

    /// Units left; zero when exhausted.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// Takes `units`, or all that is left; false once nothing is left.
    pub(crate) fn spend(&mut self, units: usize) -> bool {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(units);
        self.left > 0
    }
}
