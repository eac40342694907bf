//! The right edge of the tree: enough to append leaves and to know the root.

use super::HashSource;
use crate::Hash;

/// The roots of the complete subtrees that a tree consists of, from left (largest) to right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// Of the tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of the tree of the first `size` leaves, from its stored hashes.
    ///
    /// # Errors
    /// When the source fails.
    pub fn load<S: HashSource>(size: u64, source: &S) -> Result<Self, S::Error> {
        let mut roots = Vec::new();
        for level in (0..64_u8).rev() {
            let index = size.checked_shr(u32::from(level)).unwrap_or(0);
            if index & 1 == 1 {
                // The subtree before the one that would come next at this level.
                roots.push(source.hash(level, index.saturating_sub(1))?);
            }
        }
        Ok(Self { size, roots })
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_each(leaf, |_, _, _| {});
    }

    /// Appends a leaf and tells each hash that is thereby complete, the leaf's first: `told(level, index, hash)`
    /// is what a [`HashSource`] must answer from then on.
    pub fn push_each(&mut self, leaf: Hash, mut told: impl FnMut(u8, u64, Hash)) {
        let (mut level, mut index, mut hash) = (0_u8, self.size, leaf);
        told(level, index, hash);
        while index & 1 == 1 {
            let Some(left) = self.roots.pop() else { break };
            (level, index, hash) = (level.saturating_add(1), index >> 1, Hash::node(&left, &hash));
            told(level, index, hash);
        }
        self.roots.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let right_to_left = self.roots.iter().rev().copied();
        right_to_left
            .reduce(|right, left| Hash::node(&left, &right))
            .unwrap_or(Hash::EMPTY)
    }
}
