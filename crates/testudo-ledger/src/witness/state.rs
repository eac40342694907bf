//! What a witness remembers and how it decides.

use std::collections::BTreeMap;

use super::{AddCheckpoint, SIZE_TYPE};
use crate::Hash;
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::key::{KeyKind, SigningKey, VerifierKey};
use crate::note::{NoteError, Signature, VerifyError, lines};
use crate::tree::{ProofError, check_consistency};

/// The witness's keys, the logs that it watches, and the last checkpoint that it cosigned for each.
#[derive(Debug)]
pub struct WitnessState {
    keys: Vec<SigningKey>,
    logs: BTreeMap<String, Log>,
}

#[derive(Debug, Default)]
struct Log {
    keys: Vec<VerifierKey>,
    latest: Option<SignedCheckpoint>,
}

/// A key cannot be used for what was asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAWitness {
    #[error("a witness needs at least one key, and all of kind cosignature/v1 (0x04)")]
    OwnKey,
    #[error("a log is watched by a key of kind Ed25519 (0x01)")]
    LogKey,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the request cannot be read")]
    Malformed(#[from] super::RequestError),
    #[error("the log `{origin}` is not watched by this witness")]
    UnknownLog { origin: String },
    #[error("the log has not signed the checkpoint")]
    NotSigned(#[source] VerifyError),
    #[error("the old size {old} is above the checkpoint's {new}")]
    OldBeyondNew { old: u64, new: u64 },
    #[error("the last checkpoint cosigned was of size {latest}")]
    Conflict { latest: u64 },
    #[error("the checkpoint is not shown to continue the last one")]
    NotConsistent(#[from] ProofError),
    #[error("the cosignatures do not fit into the note")]
    Note(#[from] NoteError),
}

/// A decision to cosign: to be stored, then applied with [`WitnessState::advance`], then sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    signed: SignedCheckpoint,
    cosignatures: Vec<Signature>,
}

impl Cosigned {
    /// The checkpoint with the log's and the witness's signatures: what to store and to show to monitors.
    #[must_use]
    pub fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// The body of the answer, status 200.
    #[must_use]
    pub fn body(&self) -> String {
        lines(&self.cosignatures)
    }
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::OldBeyondNew { .. } => 400,
            Self::NotSigned(_) => 403,
            Self::UnknownLog { .. } => 404,
            Self::Conflict { .. } => 409,
            Self::NotConsistent(_) | Self::Note(_) => 422,
        }
    }

    /// The type and the body of the answer.
    #[must_use]
    pub fn body(&self) -> (&'static str, String) {
        match self {
            Self::Conflict { latest } => (SIZE_TYPE, format!("{latest}\n")),
            other => ("text/plain; charset=utf-8", format!("{other}\n")),
        }
    }
}

impl WitnessState {
    /// A witness that watches no log yet.
    ///
    /// # Errors
    /// When there is no key, or one that does not make cosignatures.
    pub fn new(keys: Vec<SigningKey>) -> Result<Self, NotAWitness> {
        let fit = |key: &SigningKey| key.verifier().kind() == KeyKind::Cosignature;
        if keys.is_empty() || !keys.iter().all(fit) {
            return Err(NotAWitness::OwnKey);
        }
        Ok(Self {
            keys,
            logs: BTreeMap::new(),
        })
    }

    /// Watches the log of this key; its name is the log's origin.
    ///
    /// # Errors
    /// When the key is not one that logs sign with.
    pub fn watch(&mut self, key: VerifierKey) -> Result<(), NotAWitness> {
        if key.kind() != KeyKind::Ed25519 {
            return Err(NotAWitness::LogKey);
        }
        let log = self.logs.entry(key.name().as_str().to_owned()).or_default();
        if !log.keys.contains(&key) {
            log.keys.push(key);
        }
        Ok(())
    }

    /// Takes back what [`Cosigned::signed`] gave and was stored, after a restart.
    ///
    /// # Errors
    /// When the log is not watched, or the log or this witness has not signed it.
    pub fn restore(&mut self, signed: SignedCheckpoint) -> Result<(), Refusal> {
        self.log_of(signed.checkpoint(), &signed)?;
        let own = self.keys.iter().map(SigningKey::verifier);
        signed.note().verify(own).map_err(Refusal::NotSigned)?;
        self.keep(signed);
        Ok(())
    }

    /// The last checkpoint cosigned for a log.
    #[must_use]
    pub fn latest(&self, origin: &str) -> Option<&SignedCheckpoint> {
        self.logs.get(origin)?.latest.as_ref()
    }

    /// Decides about a request at a time in seconds since 1970, in the order of the specification.
    ///
    /// Between this and [`WitnessState::advance`] no other request for the same log may be decided.
    ///
    /// # Errors
    /// With the answer to give, when the witness must not cosign.
    pub fn decide(&self, request: &AddCheckpoint, time_s: u64) -> Result<Cosigned, Refusal> {
        let checkpoint = request.checkpoint.checkpoint();
        let log = self.log_of(checkpoint, &request.checkpoint)?;
        let (old, new) = (request.old_size, checkpoint.size());
        if old > new {
            return Err(Refusal::OldBeyondNew { old, new });
        }
        let latest = log.latest.as_ref().map(SignedCheckpoint::checkpoint);
        let (latest, latest_root) = latest.map_or((0, &Hash::EMPTY), |it| (it.size(), it.root()));
        if old != latest {
            return Err(Refusal::Conflict { latest });
        }
        check_consistency(old, latest_root, new, checkpoint.root(), &request.proof)?;
        self.cosign(&request.checkpoint, log, time_s)
    }

    /// Remembers a decision, once it is stored.
    pub fn advance(&mut self, cosigned: &Cosigned) {
        self.keep(cosigned.signed.clone());
    }

    /// The watched log that has signed this checkpoint.
    fn log_of(&self, checkpoint: &Checkpoint, signed: &SignedCheckpoint) -> Result<&Log, Refusal> {
        let origin = checkpoint.origin();
        let log = self.logs.get(origin).ok_or_else(|| Refusal::UnknownLog {
            origin: origin.to_owned(),
        })?;
        signed.verify_log(&log.keys).map_err(Refusal::NotSigned)?;
        Ok(log)
    }

    /// Signatures of others are left out: nobody has checked them.
    fn cosign(&self, asked: &SignedCheckpoint, log: &Log, time_s: u64) -> Result<Cosigned, Refusal> {
        let own = |signature: &&Signature| log.keys.iter().any(|key| signature.is_by(key));
        let mut signatures: Vec<Signature> = asked.note().signatures().iter().filter(own).cloned().collect();
        // A cosignature without a time would say less than a witness has to say.
        let time_s = time_s.max(1);
        let text = asked.note().text();
        let cosignatures: Vec<_> = self.keys.iter().map(|key| Signature::new(key, text, time_s)).collect();
        signatures.extend_from_slice(&cosignatures);
        Ok(Cosigned {
            signed: asked.with_signatures(signatures)?,
            cosignatures,
        })
    }

    fn keep(&mut self, signed: SignedCheckpoint) {
        if let Some(log) = self.logs.get_mut(signed.checkpoint().origin()) {
            log.latest = Some(signed);
        }
    }
}
