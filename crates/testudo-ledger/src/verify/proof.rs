//! A proof file, checked without the log.

use super::checkpoint::{refusal, told};
use super::fault::{Fault, FaultKind, Place};
use crate::entry::Entry;
use crate::proof::VerifyProofError;
use crate::{Hash, Policy, Proof};

/// An entry that a proof shows to be in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenEntry {
    pub origin: String,
    pub index: u64,
    /// The size of the log in the checkpoint that proves it.
    pub size: u64,
    pub entry: Entry,
    /// Witnesses of the policy that cosigned, with their times in seconds since 1970.
    pub cosigned: Vec<(String, u64)>,
}

/// Checks that an entry is in a log, from a proof file, the entry's bytes and a policy. Without `entry`, the bytes
/// that the proof carries beside itself are taken, as `testudo ledger prove` puts them there.
///
/// # Errors
/// When the proof cannot be read, does not satisfy the policy or is of other bytes, or when those are no entry.
pub fn verify_proof(
    name: &str,
    proof: &[u8],
    entry: Option<&[u8]>,
    policy: &Policy,
) -> Result<ProvenEntry, Box<Fault>> {
    let fault = |kind, entry, byte| {
        let file = name.to_owned();
        Box::new(Fault {
            kind,
            place: Place { file, entry, byte },
        })
    };
    let proof =
        Proof::parse(proof).map_err(|error| fault(FaultKind::Malformed { reason: told(&error) }, None, None))?;
    let index = Some(proof.index());
    // What is not authenticated by itself is so by the proof, when its hash is the leaf.
    let bytes = entry.unwrap_or_else(|| proof.unauthenticated_extra());
    let accepted = proof.verify(&Hash::leaf(bytes), policy).map_err(|error| match error {
        VerifyProofError::Checkpoint(refused) => fault(refusal(policy, &refused), index, None),
        VerifyProofError::Inclusion(_) => fault(FaultKind::ProofWrong { reason: told(&error) }, index, None),
    })?;
    let decoded = Entry::decode(bytes).map_err(|error| {
        let byte = u64::try_from(error.at).ok();
        fault(FaultKind::EntryMalformed(error), index, byte)
    })?;
    let checkpoint = proof.checkpoint().checkpoint();
    let cosigned = accepted.witnesses.iter();
    Ok(ProvenEntry {
        origin: checkpoint.origin().to_owned(),
        index: proof.index(),
        size: checkpoint.size(),
        entry: decoded,
        cosigned: cosigned
            .map(|it| (it.key.name().as_str().to_owned(), it.time_s.unwrap_or(0)))
            .collect(),
    })
}
