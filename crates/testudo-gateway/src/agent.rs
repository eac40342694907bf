//! The gate before the client: every call of a tool that a model asks for is judged by who named its arguments.
//!
//! Sans-I/O, as the guards are. It stands behind them, where the answer is as the client would get it, and judges by
//! the client's own request, before anything was masked in it. What is not held leaves byte for byte.

mod approval;
mod bait;
mod case;
mod code;
mod counted;
mod direct;
mod gate;
mod held;
mod tally;
mod untrusted;
mod wording;

pub(crate) use approval::Waiting;
pub(crate) use case::{Case, Suspicious};
pub(crate) use code::Coder;
pub(crate) use counted::Counted;
pub(crate) use direct::{Direct, DirectCall, Earlier, Ruled};
pub(crate) use gate::{CallGate, GateBounds};
pub(crate) use held::{Gated, gate_answer};
pub(crate) use tally::CallTally;
pub use untrusted::UNTRUSTED_HEADER;
pub(crate) use untrusted::Untrusted;

#[cfg(test)]
mod tests;
