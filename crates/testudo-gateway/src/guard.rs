//! The guards of one exchange: what is scanned, what is decided about it, and the edits that follow.
//!
//! Everything here is sans-I/O: bodies and stream bytes in, bodies and stream
//! bytes out, so that the same code is driven by the service, by property
//! tests and by the fuzzer.

mod body;
mod channel;
mod cover;
mod findings;
mod inspection;
mod judged;
pub mod model;
mod plan;
mod restore;
mod schema;
mod stream;
mod structure;

pub use body::{BodyOutcome, guard_request, guard_response};
pub(crate) use body::{Site, plan_span};
pub use cover::{Edit, EditKind};
pub use findings::{FindingLog, Seen};
pub use inspection::{Answer, Exchanger, Inspection, Judge, Leaks, broken_token};
pub use plan::GuardPlan;
pub use schema::{Conformance, Schema};
pub use stream::{StreamBounds, StreamGuard, StreamStep};
pub use structure::Structuring;
