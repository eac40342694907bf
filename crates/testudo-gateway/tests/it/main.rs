//! Tests of the gateway from outside: the guards on recorded traffic, then whole exchanges.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "tests may overflow: they then panic, which fails them"
)]

// The attribute tells the lints that helpers in these files are tests too.
#[cfg(test)]
mod agents;
#[cfg(test)]
mod baits;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod exchanges;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod models;
#[cfg(test)]
mod notebook;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod structure;
