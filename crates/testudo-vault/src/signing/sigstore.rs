//! Signatures through Sigstore, verified without its services: a certificate for a moment, issued to a name by an
//! authority of the trusted root and seen by a log of certificates, and an entry about the signature in a log.
//!
//! When the signature was made is known from the log's promise or from time stamps; all of them must lie within the
//! certificate's time, and there must be one. Everything that a bundle brings must hold, not just enough of it.

mod body;
mod entry;
mod file;
mod identity;
mod root;
mod sct;

use rustls_pki_types::CertificateDer;
use testudo_ledger::checkpoint::CheckpointError;
use testudo_ledger::tree::ProofError;
use testudo_types::UnixMillis;
use x509_parser::prelude::X509Certificate;

pub(crate) use body::{Claim, Content};
pub(crate) use entry::Entry;
pub use file::{FileSignatureError, verify_file};
pub use root::{TrustedRoot, TrustedRootError};

use super::certificates::{CertificateError, parse};
use super::keys::{KeyError, VerifyingKey};
use super::stamped::{STAMPS_MAX, StampError};

/// Entries of one bundle.
pub(crate) const ENTRIES_MAX: usize = 8;

/// Why a signature through Sigstore is not believed.
#[derive(Debug, thiserror::Error)]
pub enum SigstoreError {
    #[error("the certificate is made out to `{found}`")]
    Identity { found: String },
    #[error("the name in the certificate was vouched for by `{found}`")]
    Issuer { found: String },
    #[error("the certificate does not say in one way for whom it was made, and who vouched for that")]
    Nameless,
    #[error("the entry is in a log that the trusted root does not have")]
    UnknownLog,
    #[error("the bundle brings no proof that its entry is in the log")]
    NoProof,
    #[error("the log's promise does not fit the entry")]
    Promise,
    #[error("the log was not trusted at that time")]
    LogSpan,
    #[error("the checkpoint is none")]
    CheckpointShape(#[source] CheckpointError),
    #[error("the checkpoint is not signed by the log")]
    Checkpoint,
    #[error("the proof is for another state of the log than the checkpoint")]
    OtherCheckpoint,
    #[error("the entry is not in the log")]
    Proof(#[source] ProofError),
    #[error("the entry is about another signature, another content or another certificate")]
    OtherEntry,
    #[error("nothing shows when the signature was made: neither a promise of the log nor a time stamp")]
    NoTime,
    #[error("a time stamp shows nothing")]
    Stamp(#[from] StampError),
    #[error("no authority of the trusted root was trusted at that time")]
    NoAuthority,
    #[error("the certificate is not vouched for at the time when the signature was made")]
    Certificate(#[source] CertificateError),
    #[error("no log of certificates has promised to show the certificate")]
    NoCertificatePromise,
    #[error("the promise in the certificate is by no log of the trusted root, or is of another certificate")]
    CertificatePromise,
    #[error("the bundle has more entries or time stamps than make sense: at most {ENTRIES_MAX} and {STAMPS_MAX}")]
    TooMany,
    #[error("the key of the certificate cannot be used")]
    Key(#[from] KeyError),
}

/// Whom a verifier expects, and whose word it takes.
#[derive(Debug, Clone)]
pub struct SigstoreTrust {
    pub root: TrustedRoot,
    /// The mail address or link that the certificate must be made out to, exactly.
    pub identity: String,
    /// The link of who must have vouched for that, exactly.
    pub provider: String,
}

/// What a bundle brings beside the signature; nothing of it is believed.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    pub(crate) leaf: CertificateDer<'static>,
    /// Certificates that may stand between; only bundles before 0.3 have them.
    pub(crate) between: Vec<CertificateDer<'static>>,
    pub(crate) entries: Vec<Entry>,
    /// Whether a promise of the log alone will not do.
    pub(crate) needs_proof: bool,
}

/// What the evidence shows.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) key: VerifyingKey,
    /// The earliest time at which the signature was there.
    pub(crate) time: UnixMillis,
}

impl Evidence {
    /// Checks everything but the signature itself, which is for the key that is returned.
    pub(crate) fn check(
        &self,
        content: Content<'_>,
        signature: &[u8],
        stamps: &[Vec<u8>],
        trust: &SigstoreTrust,
    ) -> Result<Shown, SigstoreError> {
        if self.entries.len() > ENTRIES_MAX || stamps.len() > STAMPS_MAX {
            return Err(SigstoreError::TooMany);
        }
        let claim = Claim {
            content,
            signature,
            certificate: &self.leaf,
        };
        let times = self.times(&claim, stamps, &trust.root)?;
        let certificate = parse(&self.leaf).map_err(SigstoreError::Certificate)?;
        for time in &times {
            self.vouched(&trust.root, *time)?;
        }
        let issuers = issuers(&trust.root, &certificate);
        sct::check(&trust.root, &self.leaf, &certificate, &issuers)?;
        expect(&certificate, trust)?;
        Ok(Shown {
            key: VerifyingKey::from_spki(certificate.public_key().raw)?,
            time: times.iter().min().copied().ok_or(SigstoreError::NoTime)?,
        })
    }

    /// Every time at which the signature is shown to have existed; the entries are checked on the way.
    fn times(
        &self,
        claim: &Claim<'_>,
        stamps: &[Vec<u8>],
        root: &TrustedRoot,
    ) -> Result<Vec<UnixMillis>, SigstoreError> {
        let mut times = Vec::new();
        for stamp in stamps {
            times.push(root.stamps.time(stamp, claim.signature)?);
        }
        let mut logs = Vec::new();
        for entry in &self.entries {
            let (log, time) = entry.logged(root, self.needs_proof)?;
            if !claim.is_in(entry) {
                return Err(SigstoreError::OtherEntry);
            }
            times.extend(time);
            logs.push(log);
        }
        if logs.is_empty() {
            return Err(SigstoreError::NoProof);
        }
        if times.is_empty() {
            return Err(SigstoreError::NoTime);
        }
        let trusted = |time: &UnixMillis| logs.iter().all(|log| log.span.holds(*time));
        if times.iter().all(trusted) {
            Ok(times)
        } else {
            Err(SigstoreError::LogSpan)
        }
    }

    /// That an authority which was trusted at `time` vouches for the certificate at that time.
    fn vouched(&self, root: &TrustedRoot, time: UnixMillis) -> Result<(), SigstoreError> {
        let mut refused = SigstoreError::NoAuthority;
        for authority in root.authorities.iter().filter(|it| it.span.holds(time)) {
            let signs_code = |certificate: &X509Certificate<'_>| {
                let purposes = certificate.extended_key_usage().ok().flatten();
                purposes.is_some_and(|it| it.value.code_signing)
            };
            match authority.roots.vouch(&self.leaf, &self.between, time, signs_code) {
                Ok(()) => return Ok(()),
                Err(error) => refused = SigstoreError::Certificate(error),
            }
        }
        Err(refused)
    }
}

/// The keys of those authorities that bear the name of the certificate's issuer.
fn issuers(root: &TrustedRoot, certificate: &X509Certificate<'_>) -> Vec<Vec<u8>> {
    let all = root.authorities.iter().flat_map(|it| it.roots.all());
    all.filter_map(|der| {
        let issuer = parse(der).ok()?;
        let named = issuer.subject().as_raw() == certificate.issuer().as_raw();
        named.then(|| issuer.public_key().raw.to_vec())
    })
    .collect()
}

fn expect(certificate: &X509Certificate<'_>, trust: &SigstoreTrust) -> Result<(), SigstoreError> {
    let shown = |text: &str| text.chars().take(500).collect::<String>().escape_debug().to_string();
    let name = identity::name(certificate).ok_or(SigstoreError::Nameless)?;
    let issuer = identity::issuer(certificate).ok_or(SigstoreError::Nameless)?;
    if name != trust.identity {
        return Err(SigstoreError::Identity { found: shown(&name) });
    }
    if issuer != trust.provider {
        return Err(SigstoreError::Issuer { found: shown(&issuer) });
    }
    Ok(())
}
