//! The only way to read hostile bytes: capped readers, and a strict JSON reader that keeps the original bytes.
//!
//! Everything here takes its limits as arguments and returns an error that
//! names the limit and what to do. Nothing here can be made to panic, recurse
//! or allocate beyond its limits by the bytes it reads.

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]

pub mod json;
mod read;

pub use read::{ReadError, ReaderError, read_file, read_text, read_to_end};
