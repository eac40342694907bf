//! The two commands through which the conformance suite of OpenSSF Model Signing tests an implementation.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::{sign as signing, verify as verifying};
use crate::arguments::Format;
use crate::arguments::model::{AdapterMethod, Hash, MeasuredAs, Sign, SignModel, Verify, VerifyModel};
use crate::exit::Exit;

pub(super) fn sign(arguments: &SignModel, out: &mut impl Write) -> anyhow::Result<Exit> {
    let certificate = match arguments.method {
        AdapterMethod::Key => None,
        AdapterMethod::Certificate => Some(arguments.signing_cert.clone().context("--signing-cert is missing")?),
        AdapterMethod::Sigstore => bail!("signing through Sigstore needs its services and is not done here"),
    };
    let sign = Sign {
        model: arguments.model_path.clone(),
        signature: arguments.output_bundle.clone(),
        private_key: arguments.private_key.clone().context("--private-key is missing")?,
        certificate_chain: if certificate.is_some() {
            arguments.cert_chain.clone()
        } else {
            Vec::new()
        },
        signing_certificate: certificate,
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
        AdapterMethod::Sigstore => bail!("bundles signed through Sigstore cannot be verified here yet"),
    };
    let verify = Verify {
        model: arguments.model_path.clone(),
        signature: arguments.bundle.clone(),
        public_key,
        certificate_chain,
        accept_expired_certificate: false,
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

/// The suite also names files outside of the model, which are never signed.
fn inside(model: &Path, paths: &[PathBuf]) -> Vec<PathBuf> {
    let root = model.canonicalize().unwrap_or_else(|_| model.to_owned());
    let outside = |path: &PathBuf| path.is_absolute() && !path.starts_with(&root) && !path.starts_with(model);
    paths.iter().filter(|path| !outside(path)).cloned().collect()
}
