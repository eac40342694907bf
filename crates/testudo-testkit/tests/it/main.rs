//! The mock and the recordings, as their users see them.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "tests may overflow: they then panic, which fails them"
)]

// The attribute tells the lints that helpers in these files are tests too.
#[cfg(test)]
mod load;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tee;
