//! The witness protocol (C2SP tlog-witness): what a log sends, what a witness decides, what it answers.

mod client;
mod request;
mod state;
#[cfg(test)]
mod tests;

pub use client::{Answer, AnswerError, read_answer};
pub use request::{AddCheckpoint, REQUEST_BYTES_MAX, RequestError};
pub use state::{Cosigned, NotAWitness, Refusal, WitnessState};

use sha2::{Digest as _, Sha256};

/// The type of the body that comes with status 409.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// Where a witness shows the last checkpoint that it cosigned for a log, under its monitoring prefix.
#[must_use]
pub fn monitoring_path(origin: &str) -> String {
    format!("{:x}/checkpoint", Sha256::digest(origin))
}
