//! The record of what was done, in a form that outsiders can check: entries, Merkle tree, checkpoints, proofs.
//!
//! Values in, values out: no file, clock, socket or randomness. Formats are those of C2SP
//! (tlog-tiles, signed-note, tlog-checkpoint, tlog-cosignature, tlog-witness, tlog-proof,
//! tlog-policy) over the hashes of RFC 6962.

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]

pub mod checkpoint;
pub mod entry;
mod hash;
pub mod key;
pub mod note;
pub mod payload;
pub mod policy;
pub mod proof;
pub mod tile;
pub mod tree;
pub mod verify;
pub mod witness;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use hash::{Hash, HashError};
pub use key::{KeyHash, KeyKind, KeyName, SigningKey, VerifierKey};
pub use note::{Note, Signature};
pub use policy::Policy;
pub use proof::Proof;
pub use tile::{Tile, TileLevel};
pub use tree::{Frontier, HashSource, ProofError};
