//! Whether a bundle was signed by whom the verifier trusts.

use super::bundle::{Bundle, Material, MethodKind};
use super::certificates::{CertificateError, Expiry, Roots};
use super::envelope::{PAYLOAD_TYPE, pae};
use super::keys::{SignatureHash, VerifyingKey};
use super::legacy;
use super::manifest::Manifest;
use super::sigstore::{Content, SigstoreError, SigstoreTrust};
use super::stamped::{StampAuthorities, StampError};
use super::statement::{self, StatementError};
use testudo_types::UnixMillis;

/// Whom the verifier trusts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// One key.
    Key(VerifyingKey),
    /// Whoever holds a certificate under one of these roots.
    Roots(Roots, Expiry),
    /// Whoever Sigstore's services knew under a name.
    Sigstore(Box<SigstoreTrust>),
}

/// Whether signatures of version 0.2 are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Legacy {
    Refuse,
    /// Its statements, which lack a root digest, and the encoding that it signed by mistake.
    AcceptV02,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// The holder of the key with this hint.
    Key { hint: String, curve: &'static str },
    /// The holder of a certificate with this subject.
    Certificate { subject: String, curve: &'static str },
    /// Who was known to a provider under this name; the time is when the signature was there at the latest.
    Sigstore {
        identity: String,
        provider: String,
        time: UnixMillis,
        curve: &'static str,
    },
}

/// Why a bundle is not believed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("the bundle is to be verified by {}; give what that takes", method.as_str())]
    OtherMethod { method: MethodKind },
    #[error("the evidence of Sigstore in the bundle does not hold")]
    Sigstore(#[from] SigstoreError),
    #[error("no time stamp shows when the signature was made")]
    Stamp(#[from] StampError),
    #[error("the bundle was signed with key {found}, and the given key is {given}")]
    OtherKey { found: String, given: String },
    #[error("the signature does not fit: the statement was changed, or another key signed it")]
    Signature,
    #[error("the certificates do not vouch for the key")]
    Certificate(#[from] CertificateError),
    #[error("what was signed cannot be used")]
    Statement(#[from] StatementError),
}

/// A manifest that someone trusted has signed.
#[derive(Debug, Clone)]
pub struct Verified {
    pub(crate) manifest: Manifest,
    pub(crate) by: SignedBy,
    pub(crate) stamped: Option<UnixMillis>,
}

impl Verified {
    /// What was signed.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Who signed it.
    #[must_use]
    pub fn by(&self) -> &SignedBy {
        &self.by
    }

    /// The earliest time at which trusted time stamps show the signature, when they were asked for.
    #[must_use]
    pub fn stamped(&self) -> Option<UnixMillis> {
        self.stamped
    }
}

impl Bundle {
    /// Checks who signed, then reads what was signed.
    ///
    /// # Errors
    /// When the signature is not by whom `trust` names, or the statement is not one about a model.
    pub fn verify(&self, trust: &Trust, legacy: Legacy) -> Result<Verified, VerifyError> {
        let (key, by) = self.signer(trust)?;
        let sound = key.verifies(
            &pae(PAYLOAD_TYPE, &self.payload),
            &self.signature,
            SignatureHash::OfTheCurve,
        );
        let accepted = sound || (legacy == Legacy::AcceptV02 && self.verifies_as_v02(&key));
        if !accepted {
            return Err(VerifyError::Signature);
        }
        let manifest = match legacy {
            Legacy::Refuse => statement::read(&self.payload)?,
            Legacy::AcceptV02 => legacy::read(&self.payload)?,
        };
        Ok(Verified {
            manifest,
            by,
            stamped: None,
        })
    }

    /// As [`Self::verify`], when one of `authorities` shows when the signature was made; certificates are judged at
    /// that time, and not at the one in `trust`.
    ///
    /// # Errors
    /// As [`Self::verify`], and when no time stamp of the signature is by one of the authorities.
    pub fn verify_stamped(
        &self,
        trust: &Trust,
        legacy: Legacy,
        authorities: &StampAuthorities,
    ) -> Result<Verified, VerifyError> {
        let (then, time) = self.at_its_stamp(trust, authorities)?;
        let verified = self.verify(&then, legacy)?;
        Ok(Verified {
            stamped: Some(time),
            ..verified
        })
    }

    /// Whom to trust when certificates are judged at the time that an authority stamped, and that time.
    pub(super) fn at_its_stamp(
        &self,
        trust: &Trust,
        authorities: &StampAuthorities,
    ) -> Result<(Trust, UnixMillis), VerifyError> {
        let time = authorities.earliest(&self.stamps, &self.signature)?;
        let then = match trust {
            Trust::Roots(roots, _) => Trust::Roots(roots.clone(), Expiry::At(time)),
            Trust::Key(_) | Trust::Sigstore(_) => trust.clone(),
        };
        Ok((then, time))
    }

    /// What a bundle claims to have signed, whoever made it: to be shown, never to be relied on.
    ///
    /// # Errors
    /// When the statement is not one about a model.
    pub fn dangerous_unverified_manifest(&self) -> Result<Manifest, StatementError> {
        legacy::read(&self.payload)
    }

    pub(super) fn signer(&self, trust: &Trust) -> Result<(VerifyingKey, SignedBy), VerifyError> {
        match (&self.material, trust) {
            (Material::Sigstore(evidence), Trust::Sigstore(trust)) => {
                let signed = pae(PAYLOAD_TYPE, &self.payload);
                let content = Content::Envelope {
                    payload: &self.payload,
                    signed: &signed,
                };
                let shown = evidence.check(content, &self.signature, &self.stamps, trust)?;
                let by = SignedBy::Sigstore {
                    identity: trust.identity.clone(),
                    provider: trust.provider.clone(),
                    time: shown.time,
                    curve: shown.key.curve(),
                };
                Ok((shown.key, by))
            }
            (Material::Key { hint }, Trust::Key(key)) => {
                let given = key.hint();
                if let Some(found) = hint.as_ref().filter(|found| **found != given) {
                    return Err(VerifyError::OtherKey {
                        found: found.chars().take(200).collect(),
                        given,
                    });
                }
                let by = SignedBy::Key {
                    hint: given,
                    curve: key.curve(),
                };
                Ok((key.clone(), by))
            }
            (Material::Chain(chain), Trust::Roots(roots, expiry)) => {
                let (key, subject) = chain.verify(roots, *expiry)?;
                let by = SignedBy::Certificate {
                    subject,
                    curve: key.curve(),
                };
                Ok((key, by))
            }
            _ => Err(VerifyError::OtherMethod { method: self.method() }),
        }
    }

    /// By certificate, 0.2 signed with SHA-256 whatever the curve.
    fn verifies_as_v02(&self, key: &VerifyingKey) -> bool {
        let hash = match self.material {
            Material::Chain(_) => SignatureHash::AlwaysSha256,
            Material::Key { .. } | Material::Sigstore(_) => SignatureHash::OfTheCurve,
        };
        key.verifies(&legacy::pae(&self.payload), &self.signature, hash)
    }
}
