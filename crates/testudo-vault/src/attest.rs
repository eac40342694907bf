//! Where a model comes from, signed: SLSA provenance v1 of a training run as an in-toto statement.
//!
//! [`Provenance::sign`] writes and signs one with the keys that sign models. [`Attested::verify`] gives one back only
//! when somebody trusted signed it; [`Attested::compare`] holds its subjects against the files of a model, and
//! [`Attested::expects`] what it says against what the verifier wants.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{Attested, AttestedError, Differences, Expected, Unexpected};
pub use write::{AttestError, Dependency, Provenance, Subject};

/// The type of the predicate.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// How a model comes about by a command, as `docs/models.md` describes it.
pub const TRAINING_RUN: &str = "tag:testudo.invalid,2026:model/training-run/v1";
/// The builder that is written when nobody names one: a machine that nobody vouches for.
pub const BUILDER: &str = "tag:testudo.invalid,2026:model/attest";
/// What a byproduct is called that holds the root digest of OpenSSF Model Signing.
pub const ROOT: &str = "openssf-model-signing-root";
