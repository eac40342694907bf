//! Output checks over texts that must and must not be found.

mod codes;
mod grounding;
mod languages;
mod leaks;
mod linking;
mod sinks;
