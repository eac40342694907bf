//! Finds secrets, personal data, hidden text and injected instructions, in whole texts and in streams.
//!
//! Rules are data: TOML packs that [`Detector::new`] checks and compiles. A
//! [`Selection`] is the part of them that applies to one direction and origin.
//! [`Selection::scan`] reads a whole text, [`StreamScanner`] a text that
//! arrives in pieces, and [`GuardScanner`] adds the leak of a known system
//! prompt and of canaries. [`bait`] finds canaries in whatever dress. [`output`]
//! compares answers with their exchange.
//!
//! **Invariant:** for every text and every cut into pieces a stream reports
//! the hits of the whole text, in the same order; text below the `safe` offset
//! of a [`Progress`] never becomes part of a hit that is reported later.
//!
//! **Invariant:** nothing here reads a clock or a file. Work is counted in a
//! [`Budget`]; when it runs out the result says so and the caller must treat
//! the text as unscannable.

#![forbid(unsafe_code)]

mod allow;
mod automaton;
pub mod bait;
mod budget;
mod canary;
mod cases;
mod context;
mod detector;
mod digits;
mod exempt;
mod guard;
mod hit;
mod kinds;
mod leak;
mod load;
mod look;
mod matching;
pub mod model;
pub mod output;
mod prefix;
pub mod pseudonym;
mod reported;
mod required;
mod rescan;
mod rule;
mod scan;
mod search;
mod stream;
pub mod structure;
mod suffix_automaton;
#[cfg(test)]
mod tests;
mod tracker;
mod validators;
pub mod views;

pub use allow::{AllowEntry, AllowFault, AllowList, AllowProblem, Allowed, hmac_sha256};
pub use budget::Budget;
pub use canary::{CANARY_BYTES_MAX, CANARY_COUNT_MAX, Canaries, CanaryProblem};
pub use cases::{CaseFailure, check_cases};
pub use detector::{Detector, Scope, Selection};
pub use exempt::Tally;
pub use guard::{GuardScanner, scan_all, scan_all_with_views};
pub use hit::{Hit, Progress, Scan, resolve};
pub use leak::{FINGERPRINT_BYTES_MAX, Fingerprint, LEAK_BYTES_MIN, LeakScanner};
pub use load::{RuleFault, RuleProblem};
pub use rule::{PATTERN_BYTES_MAX, Rule, RuleIndex, RuleSource, builtin_packs};
pub use stream::StreamScanner;
