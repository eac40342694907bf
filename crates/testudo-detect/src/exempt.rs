//! What a rule may find without it being a finding: allowed values, and stand-ins that this exchange made itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::pseudonym::Restorer;
use crate::{AllowList, RuleIndex};

/// Values that are passed over; empty by default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exempt {
    pub(crate) allowed: Option<Arc<AllowList>>,
    pub(crate) own: Option<Restorer>,
    /// How often a value was allowed.
    pub(crate) tally: Tally,
}

impl Exempt {
    /// Whether a value that a rule found is no finding.
    pub(crate) fn holds(&self, rule: RuleIndex, value: &str) -> bool {
        self.own.as_ref().is_some_and(|own| own.stands_for_a_value(value))
            || self.allowed.as_ref().is_some_and(|list| {
                let allowed = list.allows(rule, value);
                self.tally.0.fetch_add(u64::from(allowed), Ordering::Relaxed);
                allowed
            })
    }
}

/// Counts the allowed values that one exchange's scans pass over; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<AtomicU64>);

impl Tally {
    /// Allowed values so far.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
