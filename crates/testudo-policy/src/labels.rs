//! Labels that follow content: what tools and documents said is known again wherever it is pasted.
//!
//! An application puts notes, files and search results into user and system messages. There they have the rank of the
//! user's own words. A [`LabelStore`] remembers what was read, as keyed hashes of overlapping pieces and never as text,
//! and [`LabelStore::copied`] marks what of a message was read before, in this conversation or in another one.
//! [`super::provenance::Conversation::push_message`] takes those spans; they only lower trust.
//!
//! - *Letters.* White space, case, punctuation, accents, unseen characters, quoting, and the escapes of JSON and HTML
//!   take no part; what is left are letters and digits.
//! - *Pieces.* Every run of [`PIECE_LETTERS`] letters has a hash: a polynomial at a secret point modulo 2⁶¹ − 1, so that
//!   two given runs collide with a chance of less than 2⁻⁵⁶ for whoever does not know the key.
//! - *Winnowing* (Schleimer, Wilkerson, Aiken: Winnowing, SIGMOD 2003). Of each [`WINDOW_PIECES`] pieces in a row the one
//!   with the least hash is kept. So of a copy of [`COPY_LETTERS_MIN`] letters one piece at least is found, and from there
//!   the copy is followed letter by letter to both ends, by eight bits that are kept of each.
//! - *First come.* What the user or the application said before a tool said it stays theirs.

mod letters;
mod pieces;
mod shelf;
mod store;
#[cfg(test)]
mod tests;

pub use self::pieces::{COPY_LETTERS_MIN, LabelKey, PIECE_LETTERS, WINDOW_PIECES};
pub use self::shelf::{Copied, Speaker};
pub use self::store::{LabelLimits, LabelStore};
