//! Whom a command trusts, with what it signs, and who signed, in words.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use testudo_gateway::system_clock::SystemClock;
use testudo_types::Clock as _;
use testudo_vault::attest::{Attested, AttestedError};
use testudo_vault::signing::{
    Bundle, Chain, Expiry, Legacy, Roots, SignedBy, Signer, SigningKey, SigstoreTrust, StampAuthorities, TokenUri,
    Trust, TrustedRoot, Verified, VerifyError, VerifyingKey,
};
use zeroize::Zeroizing;

use super::{SIGNATURE_BYTES_MAX, key_file};
use crate::arguments::model::keys::{PrivateKey, SignAs, Trusting};

/// Whose signatures are believed, and whose time stamps they must bear.
pub(super) struct Trusted {
    by: Trust,
    stamped: Option<StampAuthorities>,
}

impl Trusted {
    pub(super) fn of(arguments: &Trusting) -> anyhow::Result<Self> {
        let stamped = match arguments.timestamp_chain.as_slice() {
            [] => None,
            paths => Some(
                StampAuthorities::from_pems(&pems(paths)?)
                    .context("the given certificates cannot be used for time stamps")?,
            ),
        };
        Ok(Self {
            by: signers(arguments)?,
            stamped,
        })
    }

    pub(super) fn verify(&self, bundle: &Bundle, legacy: Legacy) -> Result<Verified, VerifyError> {
        match &self.stamped {
            None => bundle.verify(&self.by, legacy),
            Some(authorities) => bundle.verify_stamped(&self.by, legacy, authorities),
        }
    }

    /// A signature over a model, and its bytes.
    pub(super) fn signature(&self, path: &Path) -> anyhow::Result<(Vec<u8>, Verified)> {
        let bytes = testudo_bounded::read_file(path, SIGNATURE_BYTES_MAX)?;
        let verified = Bundle::parse(&bytes)
            .map_err(anyhow::Error::new)
            .and_then(|bundle| Ok(self.verify(&bundle, Legacy::Refuse)?))
            .with_context(|| format!("the signature `{}` is refused", path.display()))?;
        Ok((bytes, verified))
    }

    pub(super) fn attestation(&self, bytes: &[u8]) -> Result<Attested, AttestedError> {
        match &self.stamped {
            None => Attested::verify(bytes, &self.by),
            Some(authorities) => Attested::verify_stamped(bytes, &self.by, authorities),
        }
    }
}

fn signers(arguments: &Trusting) -> anyhow::Result<Trust> {
    if let Some(path) = &arguments.public_key {
        return public(path);
    }
    if let (Some(path), Some(identity), Some(provider)) =
        (&arguments.trust_root, &arguments.identity, &arguments.identity_provider)
    {
        let root = TrustedRoot::parse(&key_file(path)?)
            .with_context(|| format!("the trusted root in `{}` cannot be used", path.display()))?;
        return Ok(Trust::Sigstore(Box::new(SigstoreTrust {
            root,
            identity: identity.clone(),
            provider: provider.clone(),
        })));
    }
    if arguments.certificate_chain.is_empty() {
        bail!("say whom you trust: --public-key, --certificate-chain, or --sigstore with --trust-root and --identity");
    }
    let expiry = if arguments.accept_expired_certificate {
        Expiry::Ignored
    } else {
        Expiry::Now(SystemClock::new().wall())
    };
    let roots = Roots::from_pems(&pems(&arguments.certificate_chain)?)
        .context("the given certificates cannot be used as roots")?;
    Ok(Trust::Roots(roots, expiry))
}

fn public(path: &Path) -> anyhow::Result<Trust> {
    let key = VerifyingKey::from_pem(&key_file(path)?)
        .with_context(|| format!("the public key in `{}` cannot be used", path.display()))?;
    Ok(Trust::Key(key))
}

fn pems(paths: &[PathBuf]) -> anyhow::Result<Vec<Vec<u8>>> {
    paths.iter().map(|path| key_file(path)).collect()
}

/// Who signed.
pub(super) fn by(signed: &SignedBy) -> String {
    match signed {
        SignedBy::Key { hint, curve } => format!("key {hint} ({curve})"),
        SignedBy::Certificate { subject, curve } => format!("certificate {subject} ({curve})"),
        SignedBy::Sigstore { identity, provider, .. } => format!("{identity}, known to {provider}"),
    }
}

/// A private key in a file, perhaps under a password, or in a token.
pub(super) fn private(arguments: &PrivateKey) -> anyhow::Result<SigningKey> {
    let secret = match &arguments.password_file {
        None => None,
        Some(path) => {
            let text = Zeroizing::new(key_file(path)?);
            let line = text.split(|byte| matches!(byte, b'\r' | b'\n')).next();
            Some(Zeroizing::new(line.unwrap_or_default().to_vec()))
        }
    };
    let secret = secret.as_ref().map(|it| it.as_slice());
    if let Some(uri) = &arguments.pkcs11_uri {
        // What is wrong with it may have a PIN in it and is not repeated.
        let uri = TokenUri::parse(uri).context("--pkcs11-uri cannot be used")?;
        return SigningKey::from_token(&uri, secret).context("the key of --pkcs11-uri cannot be used");
    }
    let path = arguments.private_key.as_deref();
    let path = path.context("give --private-key or --pkcs11-uri to sign with")?;
    let pem = Zeroizing::new(key_file(path)?);
    let key = match secret {
        None => SigningKey::from_pem(&pem),
        Some(password) => SigningKey::from_encrypted_pem(&pem, password),
    };
    key.with_context(|| format!("the private key in `{}` cannot be used", path.display()))
}

/// Where a private key is, in words.
pub(super) fn place(arguments: &PrivateKey) -> String {
    match &arguments.private_key {
        Some(path) => format!("`{}`", path.display()),
        None => "the token".to_owned(),
    }
}

/// A private key, with a certificate for it if there is one.
pub(super) fn signer(arguments: &SignAs) -> anyhow::Result<Signer> {
    let key = private(&arguments.key)?;
    let Some(path) = &arguments.signing_certificate else {
        return Ok(Signer::Key(key));
    };
    let chain = Chain::for_key(&key_file(path)?, &pems(&arguments.certificate_chain)?, key.public())
        .with_context(|| format!("the certificate in `{}` cannot be used", path.display()))?;
    Ok(Signer::Certificate(key, chain))
}
