//! Versions by number, for clients that know versions as 1, 2, 3: in the order in which statements name them first.
//!
//! A chain of statements only grows, and a shorter or another one is refused, so that a number never means another
//! version. What nobody has stated anything about has no number.

use std::collections::BTreeMap;

use super::names::VersionId;
use super::statement::{Standing, Statement};

/// A version that statements name.
#[derive(Debug, Clone, Copy)]
pub struct Numbered<'s> {
    /// Counted from 1.
    pub number: u64,
    pub version: VersionId,
    /// The first statement that names it.
    pub first: &'s Statement,
    /// The last one.
    pub last: &'s Statement,
}

impl Standing {
    /// Every version that a statement names, by number.
    #[must_use]
    pub fn numbered(&self) -> Vec<Numbered<'_>> {
        let mut found: Vec<Numbered<'_>> = Vec::new();
        let mut places: BTreeMap<VersionId, usize> = BTreeMap::new();
        for statement in self.statements() {
            let at = places.get(&statement.version).copied();
            match at.and_then(|at| found.get_mut(at)) {
                Some(known) => known.last = statement,
                None => {
                    places.insert(statement.version, found.len());
                    found.push(Numbered {
                        number: u64::try_from(found.len()).unwrap_or(u64::MAX).saturating_add(1),
                        version: statement.version,
                        first: statement,
                        last: statement,
                    });
                }
            }
        }
        found
    }
}
