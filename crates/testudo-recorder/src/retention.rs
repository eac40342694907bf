//! Retention: which payloads are kept for how long, by record class, and which are due.
//!
//! Rules are about payloads. Entries hold no personal data and stay: the tree stands on them.

mod due;
mod regime;
mod rules;

pub use testudo_ledger::entry::RecordClass;

pub(crate) use due::{Judge, Judged};
pub use regime::{Floor, Regime};
pub use rules::{Period, RuleError, RuleWarning, Rules, Wanted};

#[cfg(test)]
mod tests;
