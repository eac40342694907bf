//! The checkpoint: by whom, how new, and whether it continues earlier ones.

use super::fault::{Fault, FaultKind, Faults, Place};
use super::files::LogFiles;
use super::{CHECKPOINT, Freshness, Known, KnownCheckpoint, Report};
use crate::note::{NOTE_BYTES_MAX, Verified, VerifyError};
use crate::policy::Refused;
use crate::{Policy, SignedCheckpoint};

/// A checkpoint that could be read, and who cosigned it.
pub(super) struct Head<'a> {
    pub(super) signed: SignedCheckpoint,
    pub(super) cosigned: Vec<Verified<'a>>,
}

/// Reads the log's checkpoint. Without the log's own signature it is nothing to compare the files with; one that
/// only lacks witnesses is a fault, and still tells what the log claims.
pub(super) fn read<'a, F: LogFiles>(files: &F, policy: &'a Policy, faults: &mut Faults) -> Option<Head<'a>> {
    let kind = match files.read(CHECKPOINT, NOTE_BYTES_MAX) {
        Ok(Some(bytes)) => match SignedCheckpoint::parse(&bytes) {
            Ok(signed) => {
                let refused = match policy.check(&signed) {
                    Ok(accepted) => {
                        let cosigned = accepted.witnesses;
                        return Some(Head { signed, cosigned });
                    }
                    Err(refused) => refused,
                };
                faults.add(refusal(policy, &refused), CHECKPOINT, None, None);
                let cosigned = Vec::new();
                return (!matches!(refused, Refused::Log { .. })).then_some(Head { signed, cosigned });
            }
            Err(error) => FaultKind::Malformed { reason: told(&error) },
        },
        Ok(None) => FaultKind::Missing,
        Err(error) => FaultKind::Unreadable {
            reason: error.to_string(),
        },
    };
    faults.add(kind, CHECKPOINT, None, None);
    None
}

/// What a checkpoint that is refused suffers from.
pub(super) fn refusal(policy: &Policy, refused: &Refused) -> FaultKind {
    let reason = told(refused);
    match refused {
        Refused::Log {
            origin,
            source: VerifyError::Unknown,
        } if !policy.logs().iter().any(|it| it.key.name().as_str() == origin) => FaultKind::UnknownLog { reason },
        Refused::Log { .. } | Refused::Witness(_) => FaultKind::BadSignature { reason },
        Refused::Quorum { .. } => FaultKind::Quorum { reason },
    }
}

/// Compares with earlier checkpoints; what only the tree can tell is returned, ascending by size.
pub(super) fn known(
    head: &Head<'_>,
    policy: &Policy,
    known: &[KnownCheckpoint<'_>],
    faults: &mut Faults,
    report: &mut Report,
) -> Vec<Known> {
    let mut states = Vec::new();
    let (origin, size, root) = {
        let now = head.signed.checkpoint();
        (now.origin(), now.size(), *now.root())
    };
    for given in known {
        let earlier = match read_known(origin, policy, given.note) {
            Ok(earlier) => earlier,
            Err(kind) => {
                faults.add(kind, given.name, None, None);
                continue;
            }
        };
        let state = Known {
            name: given.name.to_owned(),
            size: earlier.checkpoint().size(),
            root: *earlier.checkpoint().root(),
        };
        if state.size > size {
            let known = state.size;
            faults.add(FaultKind::RolledBack { known, size }, CHECKPOINT, None, None);
        } else if state.size < size {
            states.push(state);
        } else if state.root == root {
            report.known = report.known.saturating_add(1);
        } else {
            let (known, found) = (state.root, root);
            faults.add(FaultKind::Fork { size, known, found }, given.name, None, None);
        }
    }
    states.sort_by_key(|it| it.size);
    states
}

/// An earlier checkpoint by the same log. Witnesses are not asked for: the log's own signature binds it.
fn read_known(origin: &str, policy: &Policy, note: &[u8]) -> Result<SignedCheckpoint, FaultKind> {
    let signed = SignedCheckpoint::parse(note).map_err(|error| FaultKind::Malformed { reason: told(&error) })?;
    if signed.checkpoint().origin() != origin {
        let reason = format!("it is a checkpoint of `{}`", signed.checkpoint().origin());
        return Err(FaultKind::UnknownLog { reason });
    }
    match signed.verify_log(policy.logs().iter().map(|it| &it.key)) {
        Ok(_) => Ok(signed),
        Err(error) => Err(FaultKind::BadSignature { reason: told(&error) }),
    }
}

/// Checks how new the checkpoint is: by the cosignatures of a quorum, or by its last entry when none is needed.
pub(super) fn check_age(
    head: &Head<'_>,
    policy: &Policy,
    last_at: Option<u64>,
    freshness: Freshness,
    faults: &mut Faults,
) {
    let Freshness { now_ms, age_ms_max } = freshness;
    let (seen_at, since) = if policy.needs_witnesses() {
        (quorum_at(head, policy), "a quorum of witnesses cosigned")
    } else if head.signed.checkpoint().size() == 0 {
        // Nothing says how old it is, and a log that was put back to its beginning looks the same.
        (Some(0), "1970, for it has no entry")
    } else {
        (last_at, "its last entry")
    };
    // A log that cannot be read, or is without a quorum, has been told already.
    let age_ms = seen_at.map_or(0, |at| now_ms.saturating_sub(at));
    if age_ms > age_ms_max {
        let kind = FaultKind::Stale {
            age_ms,
            age_ms_max,
            since,
        };
        faults.add(kind, CHECKPOINT, None, None);
    }
}

/// The latest time at which the witnesses that had cosigned were enough, in milliseconds since 1970.
fn quorum_at(head: &Head<'_>, policy: &Policy) -> Option<u64> {
    let mut newest_first = head.cosigned.clone();
    newest_first.sort_by_key(|it| std::cmp::Reverse(it.time_s));
    let enough = (1..=newest_first.len()).find_map(|count| {
        let some = newest_first.get(..count)?;
        policy.is_quorum(some).then_some(some.last()?.time_s?)
    });
    enough.map(|time_s| time_s.saturating_mul(1000))
}

/// An error with its causes.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What a log without anything suffers from.
pub(super) fn missing() -> Fault {
    Fault {
        kind: FaultKind::Missing,
        place: Place {
            file: CHECKPOINT.to_owned(),
            entry: None,
            byte: None,
        },
    }
}
