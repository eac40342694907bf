//! Signs models and verifies what was signed; keeps models sealed, versioned and revocable.

#![forbid(unsafe_code)]

pub mod attest;
pub mod bill;
mod hex;
pub mod oci;
pub mod sealing;
pub mod signing;
pub mod vault;
