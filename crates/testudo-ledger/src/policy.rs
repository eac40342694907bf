//! Trust policies (C2SP tlog-policy): which logs are believed, and how many witnesses must agree.

mod parse;
#[cfg(test)]
mod tests;

pub use parse::{PolicyError, Problem};

use crate::checkpoint::SignedCheckpoint;
use crate::key::VerifierKey;
use crate::note::{Verified, VerifyError};

/// More bytes are not looked at.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// Logs, witnesses and the rule that says which of the witnesses are enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Party>,
    witnesses: Vec<Party>,
    /// Members of a group stand before it.
    groups: Vec<Group>,
    /// Nothing when no witness is required.
    quorum: Option<Member>,
}

/// A log or a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its key.
    pub key: VerifierKey,
    /// Where it answers, as written in the policy; mostly not given.
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    needed: usize,
    members: Vec<Member>,
}

/// By its place in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// A checkpoint that satisfies a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// The log that signed it.
    pub log: &'a VerifierKey,
    /// The witnesses of the policy that cosigned it, with their times.
    pub witnesses: Vec<Verified<'a>>,
}

/// Why a checkpoint does not satisfy a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no log of the policy has signed the checkpoint of `{origin}`")]
    Log {
        origin: String,
        #[source]
        source: VerifyError,
    },
    #[error("a witness's signature is wrong")]
    Witness(#[source] VerifyError),
    #[error("the witnesses that cosigned ({cosigned} of {known} known) are not enough for the quorum")]
    Quorum { cosigned: usize, known: usize },
}

impl Policy {
    /// The logs, in the order of the file.
    #[must_use]
    pub fn logs(&self) -> &[Party] {
        &self.logs
    }

    /// The witnesses, in the order of the file.
    #[must_use]
    pub fn witnesses(&self) -> &[Party] {
        &self.witnesses
    }

    /// Whether a checkpoint must be cosigned at all.
    #[must_use]
    pub fn needs_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Checks a checkpoint: a log's signature, no wrong signature of a witness, and the quorum.
    ///
    /// # Errors
    /// When one of them does not hold.
    pub fn check(&self, signed: &SignedCheckpoint) -> Result<Accepted<'_>, Refused> {
        let log = signed.verify_log(self.logs.iter().map(|it| &it.key));
        let log = log.map_err(|source| Refused::Log {
            origin: signed.checkpoint().origin().to_owned(),
            source,
        })?;
        let witnesses = match signed.note().verify(self.witnesses.iter().map(|it| &it.key)) {
            Ok(verified) => verified,
            Err(VerifyError::Unknown) => Vec::new(),
            Err(wrong @ VerifyError::Wrong { .. }) => return Err(Refused::Witness(wrong)),
        };
        if !self.is_quorum(&witnesses) {
            return Err(Refused::Quorum {
                cosigned: witnesses.len(),
                known: self.witnesses.len(),
            });
        }
        Ok(Accepted { log, witnesses })
    }

    pub(crate) fn is_quorum(&self, cosigned: &[Verified<'_>]) -> bool {
        let by = |witness: &Party| cosigned.iter().any(|it| *it.key == witness.key);
        let witnesses: Vec<bool> = self.witnesses.iter().map(by).collect();
        let mut groups: Vec<bool> = Vec::new();
        for group in &self.groups {
            let agreeing = group.members.iter().filter(|it| it.agrees(&witnesses, &groups));
            groups.push(agreeing.count() >= group.needed);
        }
        self.quorum.is_none_or(|it| it.agrees(&witnesses, &groups))
    }
}

impl Member {
    fn agrees(self, witnesses: &[bool], groups: &[bool]) -> bool {
        let found = match self {
            Self::Witness(at) => witnesses.get(at),
            Self::Group(at) => groups.get(at),
        };
        found.copied().unwrap_or(false)
    }
}
