//! Who must have signed what is in the vault.

use testudo_types::UnixMillis;

use super::VaultError;
use super::artifact::Artifact;
use super::record::Record;
use crate::signing::{
    Bundle, Digest, Expiry, HashKind, Legacy, Manifest, Method, Place, Resource, ResourceName, Roots, SignedBy,
    SignedPieces, StampAuthorities, Trust, Verified,
};

/// The largest signature of a version that is read.
const SIGNATURE_BYTES_MAX: u64 = 256 << 20;

/// Somebody whose signature is asked for.
#[derive(Debug, Clone)]
pub struct Signer {
    /// One key, roots of certificates, or an identity of a Sigstore.
    pub trust: Trust,
    /// The name in the certificate, exactly; anybody's under the roots when there is none.
    pub subject: Option<String>,
    /// Whose time stamps must show when it was signed.
    pub stamps: Option<StampAuthorities>,
}

impl Signer {
    /// What they have signed, if this signature is theirs; certificates must be valid at `now`, or when stamped.
    #[must_use]
    pub fn verify(&self, bundle: &Bundle, now: UnixMillis) -> Option<Verified> {
        let trust = match &self.trust {
            Trust::Roots(roots, Expiry::Now(_)) => Trust::Roots(Roots::clone(roots), Expiry::Now(now)),
            other => other.clone(),
        };
        let verified = match &self.stamps {
            None => bundle.verify(&trust, Legacy::Refuse),
            Some(stamps) => bundle.verify_stamped(&trust, Legacy::Refuse, stamps),
        };
        let verified = verified.ok()?;
        let named = match (verified.by(), &self.subject) {
            (SignedBy::Certificate { subject, .. }, Some(wanted)) => subject == wanted,
            (_, Some(_)) => false,
            (_, None) => true,
        };
        named.then_some(verified)
    }
}

impl Artifact {
    /// Whether one of those who have to has signed the files of a version. Verifies the signature that it was pushed
    /// with again, and holds it against the files; where it has another hash than SHA-256, or pieces, all are read.
    ///
    /// # Errors
    /// When the store fails, or what is in it was changed.
    pub async fn is_signed_by(&self, signers: &[Signer], record: &Record, now: UnixMillis) -> Result<bool, VaultError> {
        let Some(file) = record.signature() else {
            return Ok(false);
        };
        if file.bytes() > SIGNATURE_BYTES_MAX {
            return Err(VaultError::TooLarge {
                name: file.name().to_owned(),
            });
        }
        let mut bytes = Vec::new();
        let mut reading = self.reading(file).await?;
        while let Some(block) = reading.next().await? {
            bytes.extend_from_slice(&block);
        }
        let Ok(bundle) = Bundle::parse(&bytes) else {
            return Ok(false);
        };
        let Some(verified) = signers.iter().find_map(|signer| signer.verify(&bundle, now)) else {
            return Ok(false);
        };
        let Some(files) = manifest(record) else {
            return Ok(false);
        };
        let signed = verified.manifest().called_as(&files);
        if signed.hash == HashKind::Sha256 && signed.method == Method::Files {
            return Ok(signed.difference(&files).is_same());
        }
        self.fits(record, &signed).await
    }

    async fn fits(&self, record: &Record, signed: &Manifest) -> Result<bool, VaultError> {
        let pieces = SignedPieces::of(signed);
        let there = |name: &ResourceName| record.files().iter().any(|it| it.name() == name.as_str());
        if !pieces.files().all(there) {
            return Ok(false);
        }
        for file in record.files() {
            let Ok(name) = ResourceName::parse(file.name()) else {
                return Ok(false);
            };
            let Some(mut checker) = pieces.checker(&name, file.bytes()) else {
                return Ok(false);
            };
            let mut reading = self.reading(file).await?;
            while let Some(block) = reading.next().await? {
                checker.update(&block);
            }
            if !checker.finish() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The files of a version as they would be measured.
fn manifest(record: &Record) -> Option<Manifest> {
    let resources = record.files().iter().map(|file| {
        let place = Place::File(ResourceName::parse(file.name()).ok()?);
        let digest = Digest::from_hex(HashKind::Sha256, file.digest())?;
        Some(Resource { place, digest })
    });
    Some(Manifest {
        name: String::new(),
        method: Method::Files,
        hash: HashKind::Sha256,
        follows_links: false,
        ignored: Vec::new(),
        is_nameless: false,
        resources: resources.collect::<Option<_>>()?,
    })
}
