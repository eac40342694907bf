//! A copy of the ledger in an object store: tiles, entries and sealed payloads, then the checkpoint.
//!
//! The copy always verifies: what a checkpoint covers is in the store before the checkpoint is.
//! What never changes is uploaded once, and an interrupted run goes on where it stopped. Payloads
//! that erasure or retention rewrote go first ([`Dirty`]). A copy that is ahead of this ledger, or
//! another history, stops shipping with an alarm: one of the two is not what it should be.
//!
//! Keys stay behind. A copy proves everything and opens nothing.
//!
//! A bucket that keeps old versions of objects keeps erased payloads too, sealed with keys that are
//! gone. Let it expire old versions and unfinished uploads.

mod alarm;
mod dirty;
mod fetch;
mod remote;
mod shipper;
mod source;
mod state;
mod store;

pub use alarm::Alarm;
pub use dirty::{Dirty, Marks};
pub use fetch::{FetchError, Fetched, fetch};
pub use remote::RemoteError;
pub use shipper::{Options, Passed, ShipError, Shipper, Watch};
pub use source::LocalError;
pub(crate) use source::Source;
pub use state::StateError;
pub use store::{S3, Store, StoreError};

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |it| it.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
pub(crate) mod tests;
