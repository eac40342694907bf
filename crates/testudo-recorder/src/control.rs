//! What only the holder of a ledger's lock may do, and how other processes ask it to.
//!
//! A ledger has one writer. [`Custodian`] is what the writer does for people: it appends what a
//! person may add, erases, holds, retains, rotates, opens payloads. The process that holds the
//! lock serves it on `control.sock` in the ledger's folder with [`Server`]; [`Client`] has the
//! same trait, so that a command is written once whether it holds the lock itself or asks.

mod client;
mod custodian;
mod members;
mod server;
mod socket;
mod watched;
mod wire;

pub use client::Client;
pub use custodian::{
    Added, AddedBody, Addition, Custodian, Erased, Erasure, Failure, FailureKind, Flushed, LegalHold, Opened, Opening,
    Retained, Retention, Rotated, Rotation, ShippingStatus, Status, WitnessStatus,
};
pub use server::Server;
pub use socket::{SOCKET_NAME, SocketError};
pub use watched::Watched;

#[cfg(test)]
mod tests;
