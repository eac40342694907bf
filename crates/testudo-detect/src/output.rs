//! Checks of answers that need to know where an answer goes and what the exchange was about.
//!
//! [`Declared`] says where the answers of a route go; rules that are about such a
//! place ([`Sink`]) are chosen only then. [`Context`] is what one exchange is
//! about: what links may not carry away and what an answer is compared with.
//! [`LinkPolicy`] and [`LinkJudge`] decide about links, in streams as in whole
//! texts; [`review`] looks at a whole answer.

mod besides;
mod citations;
mod code;
mod context;
mod encodings;
mod hosts;
mod language;
mod links;
mod numbers;
mod pattern;
mod redirects;
mod review;
mod sink;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use self::context::{Context, Source};
pub use self::hosts::{HostList, HostProblem};
pub use self::language::{Guess, Language, identify, languages};
pub use self::links::{LinkForm, LinkJudge, LinkPolicy};
pub use self::pattern::pattern_matches;
pub use self::review::{Review, review};
pub use self::sink::Sink;

pub(crate) use self::besides::Besides;
pub(crate) use self::context::fold;
pub(crate) use self::encodings::{rot13, sextet};

/// What a route says about its answers; nothing of it is on by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// Where answers go as they are.
    pub sinks: BTreeSet<Sink>,
    /// Whether refusals are noted.
    pub refusals: bool,
    /// Whether links are collected for a [`LinkJudge`].
    pub links: bool,
}
