//! How far a reader has come: the high-water marks by which yesterday's statements are told from today's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::names::VaultName;
use super::statement::Standing;
use crate::hex;

/// Why statements that are signed and linked are refused all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeenError {
    #[error(
        "the vault shows {found} statements about `{artifact}`, and {seen} were there before: somebody put an older state back"
    )]
    RolledBack { artifact: String, seen: u64, found: u64 },
    #[error("statement {sequence} about `{artifact}` is another one than before: there are two histories")]
    Forked { artifact: String, sequence: u64 },
    #[error("the file of what was seen is not one")]
    Shape,
}

/// What one reader has seen; kept on the reader's own machine, outside of every vault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    marks: BTreeMap<String, Mark>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    sequence: u64,
    hash: String,
}

impl Seen {
    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, SeenError> {
        serde_json::from_slice(bytes).map_err(|_| SeenError::Shape)
    }

    /// To be kept.
    ///
    /// # Errors
    /// Never in practice: texts and numbers always become JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SeenError> {
        serde_json::to_vec(self).map_err(|_| SeenError::Shape)
    }

    /// Whether `standing` goes on from what was seen; if so it is seen from now on. The vault must be named as its
    /// reader knows it, by its address, and not as it calls itself.
    ///
    /// # Errors
    /// When it is older, or another history.
    pub(crate) fn follow(&mut self, vault: &str, artifact: &VaultName, standing: &Standing) -> Result<(), SeenError> {
        let place = format!("{vault} {artifact}");
        let head = standing.head();
        if let Some(mark) = self.marks.get(&place) {
            let found = head.map_or(0, |(sequence, _)| sequence);
            if found < mark.sequence {
                return Err(SeenError::RolledBack {
                    artifact: artifact.to_string(),
                    seen: mark.sequence,
                    found,
                });
            }
            if standing.hash_at(mark.sequence).map(|it| hex::encode(&it)).as_ref() != Some(&mark.hash) {
                return Err(SeenError::Forked {
                    artifact: artifact.to_string(),
                    sequence: mark.sequence,
                });
            }
        }
        if let Some((sequence, hash)) = head {
            let hash = hex::encode(&hash);
            self.marks.insert(place, Mark { sequence, hash });
        }
        Ok(())
    }
}
