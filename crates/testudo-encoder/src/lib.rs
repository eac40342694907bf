//! The second opinion on injected instructions: a small transformer that runs in process, on one core.
//!
//! The weights are int8 and part of the program; nothing is fetched. A text is
//! cut into pieces, the pieces into windows that overlap by a quarter, and the
//! highest score of any window counts. How sure a score is for which origin is
//! for the calibration of `testudo-detect` to say.
//!
//! **Invariant:** nothing of a text is left out: a text that is too long is an error.
//!
//! **Invariant:** no clock, no file, no socket. Threads are used to bound a call to one core.

#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;
mod tokenizer;
mod transformer;
mod vocabulary;
mod windows;

#[cfg(feature = "weights")]
pub use transformer::CALIBRATION;
pub use transformer::{LoadProblem, TEXT_BYTES_MAX, Transformer, Weights};
pub use windows::WINDOW_PIECES_MAX;
