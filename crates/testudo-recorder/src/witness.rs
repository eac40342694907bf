//! Witnesses: asking others to vouch for this log's history, and vouching for others' (C2SP tlog-witness).
//!
//! [`Witnesses`] asks after each checkpoint. [`Witness`] is the other side, for a second machine: it
//! remembers one checkpoint per log and cosigns only what continues it, so that a log which shows
//! different histories to different people cannot get both cosigned.

mod client;
mod peer;
mod server;
mod vault;

pub use client::{Settings, Witnesses};
pub use peer::{Peer, PeerError};
pub use server::{GenerateError, Options, Witness, generate_key};
pub use vault::VaultError;

#[cfg(test)]
mod tests;
