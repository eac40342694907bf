//! HTML as far as it matters here: what a reader of the page sees, and what stands in it besides.

pub(crate) mod entities;
mod families;
mod look;
mod parts;
mod sheet;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;

pub use self::parts::{Hiding, Part, PartKind, Piece, parts};
pub(super) use self::tokens::position;
