//! Strict JSON over the original bytes: a flat tape of positions, and edits spliced back.
//!
//! [`Document`] never copies or rewrites what it reads; it notes where each
//! value lies. [`Edits`] replaces byte ranges and leaves every other byte as
//! it was. [`ArgumentBuffer`] checks JSON text that arrives in pieces.
//!
//! Stricter than RFC 8259 where two readers could understand two documents:
//! duplicate keys, lone surrogate escapes, a byte order mark and invalid UTF-8
//! are refused.

mod arguments;
mod canonical;
mod document;
mod edits;
mod error;
mod keys;
mod literal;
mod scan;

pub use arguments::{ArgumentBuffer, Progress};
pub use canonical::CanonicalError;
pub use document::{Descendants, Document, Entries, Items, Keys, Kind, Node, NodeId, Strings};
pub use edits::{EditError, Edits};
pub use error::{JsonError, JsonErrorKind};
pub use literal::{StringLiteral, escape_into};

/// How much one document may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of the document in bytes; never more than 4 GiB whatever is set here.
    pub bytes_max: usize,
    /// Arrays and objects within each other; a bare scalar has depth 0, `[]` has depth 1.
    pub depth_max: usize,
    /// Values of every kind, containers included, keys not; each costs 32 bytes of memory.
    pub nodes_max: usize,
}

impl Limits {
    /// 8 MiB, 128 levels, a million values.
    pub const DEFAULT: Self = Self {
        bytes_max: 8 << 20,
        depth_max: 128,
        nodes_max: 1_000_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests;
