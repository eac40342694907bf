//! Whom a command trusts, and who signed, in words.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use testudo_gateway::system_clock::SystemClock;
use testudo_types::Clock as _;
use testudo_vault::signing::{
    Bundle, Chain, Expiry, Legacy, Roots, SignedBy, Signer, SigningKey, Trust, Verified, VerifyingKey,
};

use super::{SIGNATURE_BYTES_MAX, key_file};

/// One key, or whoever holds a certificate under one of the roots.
pub(super) fn trust(public_key: Option<&PathBuf>, certificate_chain: &[PathBuf]) -> anyhow::Result<Trust> {
    match (public_key, certificate_chain) {
        (Some(path), _) => Ok(Trust::Key(
            VerifyingKey::from_pem(&key_file(path)?)
                .with_context(|| format!("the public key in `{}` cannot be used", path.display()))?,
        )),
        (None, []) => bail!("give --public-key or --certificate-chain to verify with"),
        (None, paths) => {
            let pems = paths
                .iter()
                .map(|path| key_file(path))
                .collect::<anyhow::Result<Vec<_>>>()?;
            let roots = Roots::from_pems(&pems).context("the given certificates cannot be used as roots")?;
            Ok(Trust::Roots(roots, Expiry::Now(SystemClock::new().wall())))
        }
    }
}

/// A signature over a model, and its bytes.
pub(super) fn signature(path: &Path, trust: &Trust) -> anyhow::Result<(Vec<u8>, Verified)> {
    let bytes = testudo_bounded::read_file(path, SIGNATURE_BYTES_MAX)?;
    let verified = Bundle::parse(&bytes)
        .map_err(anyhow::Error::new)
        .and_then(|bundle| Ok(bundle.verify(trust, Legacy::Refuse)?))
        .with_context(|| format!("the signature `{}` is refused", path.display()))?;
    Ok((bytes, verified))
}

/// Who signed.
pub(super) fn by(signed: &SignedBy) -> String {
    match signed {
        SignedBy::Key { hint, curve } => format!("key {hint} ({curve})"),
        SignedBy::Certificate { subject, curve } => format!("certificate {subject} ({curve})"),
        SignedBy::Sigstore { identity, provider, .. } => format!("{identity}, known to {provider}"),
    }
}

/// A private key, with a certificate for it if there is one.
pub(super) fn signer(key: &Path, certificate: Option<&PathBuf>, chain: &[PathBuf]) -> anyhow::Result<Signer> {
    let private = SigningKey::from_pem(&key_file(key)?)
        .with_context(|| format!("the private key in `{}` cannot be used", key.display()))?;
    let Some(path) = certificate else {
        return Ok(Signer::Key(private));
    };
    let others = chain
        .iter()
        .map(|path| key_file(path))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let chain = Chain::for_key(&key_file(path)?, &others, private.public())
        .with_context(|| format!("the certificate in `{}` cannot be used", path.display()))?;
    Ok(Signer::Certificate(private, chain))
}
