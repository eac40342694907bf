//! The Merkle tree of RFC 6962: roots and proofs from stored hashes of complete subtrees.

mod check;
mod frontier;
#[cfg(test)]
mod tests;

pub use check::{ProofError, check_consistency, check_inclusion};
pub use frontier::Frontier;

use crate::Hash;

/// Where the hashes of complete subtrees come from.
pub trait HashSource {
    /// Why a hash could not be had.
    type Error;

    /// The hash over leaves `index << level .. (index + 1) << level`. Only asked for inside the tree.
    ///
    /// # Errors
    /// When the hash cannot be had.
    fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    #[error("entry {index} is not in a tree of {size}; the first is 0")]
    IndexBeyondTree { index: u64, size: u64 },
    #[error("a tree of {new} cannot be a later state of one of {old}")]
    OldBeyondNew { old: u64, new: u64 },
    #[error("a hash of the tree cannot be had")]
    Source(#[source] E),
}

/// The root of the tree of the first `size` leaves.
///
/// # Errors
/// When the source fails.
pub fn root<S: HashSource>(size: u64, source: &S) -> Result<Hash, S::Error> {
    match size {
        0 => Ok(Hash::EMPTY),
        _ => range(0, size, source),
    }
}

/// The inclusion proof of leaf `index` in the tree of `size` leaves, from the leaf's sibling upwards.
///
/// # Errors
/// When the leaf is not in the tree, or the source fails.
pub fn inclusion<S: HashSource>(index: u64, size: u64, source: &S) -> Result<Vec<Hash>, ProveError<S::Error>> {
    if index >= size {
        return Err(ProveError::IndexBeyondTree { index, size });
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while let Some(middle) = middle(start, end) {
        let sibling = if index < middle {
            (middle, std::mem::replace(&mut end, middle))
        } else {
            (std::mem::replace(&mut start, middle), middle)
        };
        proof.push(range(sibling.0, sibling.1, source).map_err(ProveError::Source)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves; empty when one is empty or both
/// are the same.
///
/// # Errors
/// When `old` is larger than `new`, or the source fails.
pub fn consistency<S: HashSource>(old: u64, new: u64, source: &S) -> Result<Vec<Hash>, ProveError<S::Error>> {
    if old > new {
        return Err(ProveError::OldBeyondNew { old, new });
    }
    let (mut start, mut end) = (0, new);
    let mut proof = Vec::new();
    if old == 0 {
        return Ok(proof);
    }
    while let Some(middle) = middle(start, end).filter(|_| old != end) {
        let sibling = if old <= middle {
            (middle, std::mem::replace(&mut end, middle))
        } else {
            (std::mem::replace(&mut start, middle), middle)
        };
        proof.push(range(sibling.0, sibling.1, source).map_err(ProveError::Source)?);
    }
    // The old tree itself, when it is a subtree of the new one, is known to whoever checks.
    if start != 0 {
        proof.push(range(start, end, source).map_err(ProveError::Source)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root over leaves `start..end`, a subtree of some tree, so that at least `start` is where a complete subtree
/// of that many leaves may begin.
fn range<S: HashSource>(start: u64, end: u64, source: &S) -> Result<Hash, S::Error> {
    let len = end.saturating_sub(start);
    match middle(start, end) {
        Some(middle) if !len.is_power_of_two() => {
            Ok(Hash::node(&range(start, middle, source)?, &range(middle, end, source)?))
        }
        _ => {
            let level = len.trailing_zeros();
            let index = start.checked_shr(level).unwrap_or(0);
            source.hash(u8::try_from(level).unwrap_or(u8::MAX), index)
        }
    }
}

/// Where the subtree over `start..end` splits: after the largest power of two leaves that leaves some for the right.
fn middle(start: u64, end: u64) -> Option<u64> {
    let last = end.checked_sub(start)?.checked_sub(1)?;
    start.checked_add(1_u64.checked_shl(last.checked_ilog2()?)?)
}
