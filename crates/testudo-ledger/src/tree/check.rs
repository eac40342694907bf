//! Proofs checked against roots, with the algorithms of RFC 9162 sections 2.1.3.2 and 2.1.4.2.

use crate::Hash;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("the proof is for a position that the tree does not have")]
    Outside,
    #[error("the proof has too few or too many hashes for these tree sizes")]
    Length,
    #[error("the proof leads to another root than the tree's")]
    Root,
    #[error("the proof leads to another root than the older tree's")]
    OldRoot,
}

/// Checks that `leaf` is leaf number `index` of the tree of `size` leaves with this root.
///
/// The root alone does not fix the size: both must come from one signed checkpoint.
///
/// # Errors
/// When the proof does not show that.
pub fn check_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    let mut climb = Climb::new(index, size).ok_or(ProofError::Outside)?;
    let mut found = *leaf;
    for sibling in proof {
        found = match climb.step().ok_or(ProofError::Length)? {
            Side::Left => Hash::node(sibling, &found),
            Side::Right => Hash::node(&found, sibling),
        };
    }
    if climb.last != 0 {
        return Err(ProofError::Length);
    }
    if found == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of `new` leaves with `new_root` begins with the tree of `old` leaves with `old_root`.
///
/// # Errors
/// When the proof does not show that.
pub fn check_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Outside);
    }
    if new == 0 && *new_root != Hash::EMPTY {
        return Err(ProofError::Root);
    }
    if old == 0 && *old_root != Hash::EMPTY {
        return Err(ProofError::OldRoot);
    }
    if old == 0 || old == new {
        return match proof {
            [_, ..] => Err(ProofError::Length),
            [] if old == new && old_root != new_root => Err(ProofError::OldRoot),
            [] => Ok(()),
        };
    }
    // When the old tree is a subtree of the new one, its root is where the climb begins and is left out of the proof.
    let (first, rest) = match proof.split_first() {
        _ if old.is_power_of_two() => (old_root, proof),
        Some(split) => split,
        None => return Err(ProofError::Length),
    };
    let mut climb = Climb::new(old.saturating_sub(1), new).ok_or(ProofError::Outside)?;
    climb.skip_while(|position| position & 1 == 1);
    let (mut found_old, mut found_new) = (*first, *first);
    for sibling in rest {
        match climb.step().ok_or(ProofError::Length)? {
            Side::Left => {
                found_old = Hash::node(sibling, &found_old);
                found_new = Hash::node(sibling, &found_new);
            }
            Side::Right => found_new = Hash::node(&found_new, sibling),
        }
    }
    match () {
        () if climb.last != 0 => Err(ProofError::Length),
        () if found_old != *old_root => Err(ProofError::OldRoot),
        () if found_new != *new_root => Err(ProofError::Root),
        () => Ok(()),
    }
}

/// On which side of the climber the next sibling lies.
enum Side {
    Left,
    Right,
}

/// The way from a leaf to the root: the position at each level, and the last position there.
struct Climb {
    position: u64,
    last: u64,
}

impl Climb {
    fn new(index: u64, size: u64) -> Option<Self> {
        let last = size.checked_sub(1)?;
        (index <= last).then_some(Self { position: index, last })
    }

    /// One sibling upwards; nothing at the root.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.position & 1 == 1 || self.position == self.last {
            // At the right edge, levels where nothing stands to the left have no node of their own.
            self.skip_while(|position| position & 1 == 0 && position != 0);
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Some(side)
    }

    fn skip_while(&mut self, condition: impl Fn(u64) -> bool) {
        while condition(self.position) {
            self.up();
        }
    }

    fn up(&mut self) {
        self.position >>= 1;
        self.last >>= 1;
    }
}
