//! The commands through which the conformance suites of OpenSSF Model Signing and of Sigstore test an implementation.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use testudo_vault::signing::{HashKind, SigstoreTrust, TrustedRoot, sha256_of, verify_file as verify_signed};

use super::{SIGNATURE_BYTES_MAX, complain, key_file, sign as signing, verify as verifying};
use crate::arguments::Format;
use crate::arguments::model::keys::{PrivateKey, SignAs, Trusting};
use crate::arguments::model::{AdapterMethod, Hash, MeasuredAs, Sign, SignModel, Verify, VerifyBundle, VerifyModel};
use crate::exit::{Exit, SignatureFault};

pub(super) fn sign(arguments: &SignModel, out: &mut impl Write) -> anyhow::Result<Exit> {
    let certificate = match arguments.method {
        AdapterMethod::Key => None,
        AdapterMethod::Certificate => Some(arguments.signing_cert.clone().context("--signing-cert is missing")?),
        AdapterMethod::Sigstore => bail!("signing through Sigstore needs its services and is not done here"),
    };
    let sign = Sign {
        model: arguments.model_path.clone(),
        signature: arguments.output_bundle.clone(),
        by: SignAs {
            key: PrivateKey {
                private_key: Some(arguments.private_key.clone().context("--private-key is missing")?),
                pkcs11_uri: None,
                password_file: None,
            },
            certificate_chain: if certificate.is_some() {
                arguments.cert_chain.clone()
            } else {
                Vec::new()
            },
            signing_certificate: certificate,
        },
        measured: MeasuredAs {
            ignore_paths: inside(&arguments.model_path, &arguments.ignore_paths),
            no_ignore_git_paths: false,
            allow_symlinks: false,
            hash: Hash::Sha256,
            shards: None,
        },
        reference_names: false,
        remember: false,
        reuse: None,
        format: Format::Table,
    };
    signing::run(&sign, out)
}

pub(super) fn verify(arguments: &VerifyModel, out: &mut impl Write) -> anyhow::Result<Exit> {
    let (public_key, certificate_chain) = match arguments.method {
        AdapterMethod::Key => (
            Some(arguments.public_key.clone().context("--public-key is missing")?),
            Vec::new(),
        ),
        AdapterMethod::Certificate if arguments.cert_chain.is_empty() => bail!("--cert-chain is missing"),
        AdapterMethod::Certificate => (None, arguments.cert_chain.clone()),
        AdapterMethod::Sigstore => (None, Vec::new()),
    };
    let sigstore = arguments.method == AdapterMethod::Sigstore;
    if sigstore && (arguments.identity.is_none() || arguments.identity_provider.is_none()) {
        bail!("--identity or --identity-provider is missing");
    }
    if sigstore && arguments.trust_root.is_none() {
        bail!("--trust-root is missing: no service of Sigstore is asked for it");
    }
    let verify = Verify {
        model: arguments.model_path.clone(),
        signature: arguments.bundle.clone(),
        trusting: Trusting {
            public_key,
            certificate_chain,
            sigstore,
            trust_root: arguments.trust_root.clone(),
            identity: arguments.identity.clone(),
            identity_provider: arguments.identity_provider.clone(),
            ..Trusting::default()
        },
        ignore_paths: inside(&arguments.model_path, &arguments.ignore_paths),
        no_ignore_git_paths: false,
        allow_symlinks: false,
        ignore_unsigned_files: arguments.ignore_unsigned_files,
        // The suite has a signature of that release, which is to be verified.
        allow_legacy_v02: true,
        format: Format::Table,
    };
    verifying::run(&verify, out)
}

pub(super) fn verify_file(arguments: &VerifyBundle) -> anyhow::Result<Exit> {
    let trust = SigstoreTrust {
        root: TrustedRoot::parse(&key_file(&arguments.trusted_root)?)?,
        identity: arguments.certificate_identity.clone(),
        provider: arguments.certificate_oidc_issuer.clone(),
    };
    let digest = match arguments.file.strip_prefix("sha256:") {
        Some(digits) => testudo_vault::signing::Digest::from_hex(HashKind::Sha256, digits)
            .and_then(|it| it.as_bytes().try_into().ok())
            .context("it is not the SHA-256 of a file")?,
        None => sha256_of(&testudo_bounded::read_file(
            Path::new(&arguments.file),
            SIGNATURE_BYTES_MAX,
        )?),
    };
    let bundle = testudo_bounded::read_file(&arguments.bundle, SIGNATURE_BYTES_MAX)?;
    match verify_signed(&bundle, &digest, &trust) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => complain(&error.into(), Exit::NotSigned(SignatureFault::Untrusted)),
    }
}

/// The suite also names files outside of the model, which are never signed.
fn inside(model: &Path, paths: &[PathBuf]) -> Vec<PathBuf> {
    let root = model.canonicalize().unwrap_or_else(|_| model.to_owned());
    let outside = |path: &PathBuf| path.is_absolute() && !path.starts_with(&root) && !path.starts_with(model);
    paths.iter().filter(|path| !outside(path)).cloned().collect()
}
