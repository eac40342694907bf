//! Output checks over texts that must and must not be found.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "small numbers and known texts in tests"
)]

mod codes;
mod grounding;
mod languages;
mod leaks;
mod linking;
mod sinks;
