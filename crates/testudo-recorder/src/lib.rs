//! Appends ledger entries durably and in order; seals their payloads; keeps, erases and exports them.

#![forbid(unsafe_code)]

pub mod control;
