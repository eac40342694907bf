//! `testudo model` as typed.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use self::keys::{SignAs, Trusting};
use super::{Format, vault};

pub(crate) mod attest;
pub(crate) mod bom;
pub(crate) mod exchange;
pub(crate) mod keys;
pub(crate) mod scan;
pub(crate) mod weights;

const VERIFY_EXIT_CODES: &str = "Exit codes:
   0  the model is the one that was signed, by whom you trust
   1  it could not be found out, and the message says why
   2  the command line is wrong, or a key or certificate cannot be used
  20  the signature is not by whom you trust, or does not fit its statement
  21  files are missing, changed, or were never signed
  22  the signature file is not a bundle or not about a model
  23  the signature asks for what you did not allow: links followed, or loadable files left out";

/// Scans, signs, verifies, compares and keeps models
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    Scan(Box<scan::Scan>),
    Sign(Box<Sign>),
    Verify(Box<Verify>),
    Digest(Digest),
    Bom(Box<bom::Bom>),
    Attest(Box<attest::Attest>),
    VerifyAttestation(Box<attest::VerifyAttestation>),
    Weights(Box<weights::Weights>),
    Export(Box<exchange::Export>),
    Import(Box<exchange::Import>),
    Push(Box<vault::Push>),
    Pull(Box<vault::Pull>),
    Open(Box<vault::Open>),
    List(Box<vault::List>),
    Show(Box<vault::Show>),
    Diff(Box<vault::Diff>),
    Promote(Box<vault::Promote>),
    Rollback(Box<vault::Rollback>),
    Approve(Box<vault::Approve>),
    Revoke(Box<vault::Revoke>),
    Hold(Box<vault::Hold>),
    Release(Box<vault::Release>),
    Gc(Box<vault::Gc>),
    #[command(hide = true, name = "sign-model")]
    SignAsAdapter(Box<SignModel>),
    #[command(hide = true, name = "verify-model")]
    VerifyAsAdapter(Box<VerifyModel>),
    #[command(hide = true, name = "verify-bundle")]
    VerifyFileAsAdapter(Box<VerifyBundle>),
}

/// Signs every file of a model (OpenSSF Model Signing 1.0)
///
/// The signature is a file of its own, a Sigstore bundle, which the Python `model-signing` reads too. Files are
/// hashed on all cores. `.git`, `.gitignore`, `.gitattributes` and `.github` at the top, the signature file and what
/// `--ignore-paths` names are left out, and the signature says so.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// A folder, or a single file
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Where the signature goes
    #[arg(long, value_name = "FILE", default_value = "model.sig")]
    pub(crate) signature: PathBuf,
    #[command(flatten)]
    pub(crate) by: SignAs,
    #[command(flatten)]
    pub(crate) measured: MeasuredAs,
    /// Names pieces and single files as release 1.1 of the Python implementation does, which then verifies them; the
    /// specification has other names
    #[arg(long)]
    pub(crate) reference_names: bool,
    /// Also keeps beside the signature (as FILE.seen) how each file looked, for --reuse
    #[arg(long)]
    pub(crate) remember: bool,
    /// An earlier signature by the same key: files that look as they did when it was made with --remember are not
    /// read again
    #[arg(long, value_name = "FILE")]
    pub(crate) reuse: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// How files are found and hashed
#[derive(Debug, Args)]
pub(crate) struct MeasuredAs {
    /// A file or folder that is left out; relative to the model, or a path to it; may be repeated
    #[arg(long, value_name = "PATH", alias = "ignore_paths")]
    pub(crate) ignore_paths: Vec<PathBuf>,
    /// Takes `.git` and the like at the top of the model as files like all others
    #[arg(long, alias = "no-ignore_git_paths")]
    pub(crate) no_ignore_git_paths: bool,
    /// Reads the files behind symbolic links; otherwise a link is an error
    #[arg(long, alias = "allow_symlinks")]
    pub(crate) allow_symlinks: bool,
    #[arg(long, value_enum, default_value_t = Hash::Sha256)]
    pub(crate) hash: Hash,
    /// Hashes each so many bytes of a file apart, so that one large file keeps all cores busy
    #[arg(long, value_name = "BYTES", num_args = 0..=1, default_missing_value = "1000000000")]
    pub(crate) shards: Option<NonZeroU64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hash {
    Sha256,
    Blake2b,
    Blake3,
}

/// Finds out whether a model is the one that was signed
///
/// Give a public key, or the roots that may vouch for certificates, or, for a signature through Sigstore, a trusted
/// root and whom you expect. No service is asked.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXIT_CODES)]
pub(crate) struct Verify {
    /// A folder, or a single file
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    #[arg(long, value_name = "FILE", default_value = "model.sig")]
    pub(crate) signature: PathBuf,
    #[command(flatten)]
    pub(crate) trusting: Trusting,
    /// A file or folder that need not be signed; relative to the model, or a path to it; may be repeated
    #[arg(long, value_name = "PATH", alias = "ignore_paths")]
    pub(crate) ignore_paths: Vec<PathBuf>,
    /// Takes `.git` and the like at the top of the model as files like all others
    #[arg(long, alias = "no-ignore_git_paths")]
    pub(crate) no_ignore_git_paths: bool,
    /// Accepts a signature for which links were followed
    #[arg(long, alias = "allow_symlinks")]
    pub(crate) allow_symlinks: bool,
    /// Looks at signed files only; others may be there
    #[arg(long, alias = "ignore_unsigned_files")]
    pub(crate) ignore_unsigned_files: bool,
    /// Accepts signatures of release 0.2 of the Python implementation
    #[arg(long)]
    pub(crate) allow_legacy_v02: bool,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Shows the root digest of a model: SHA-256 over the digests of its files
#[derive(Debug, Args)]
pub(crate) struct Digest {
    /// A folder, or a single file
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) measured: MeasuredAs,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AdapterMethod {
    Key,
    Certificate,
    Sigstore,
}

/// Signs as the conformance suite of OpenSSF Model Signing asks for it
#[derive(Debug, Args)]
pub(crate) struct SignModel {
    #[arg(long, value_enum)]
    pub(crate) method: AdapterMethod,
    #[arg(long)]
    pub(crate) model_path: PathBuf,
    #[arg(long)]
    pub(crate) output_bundle: PathBuf,
    #[arg(long)]
    pub(crate) private_key: Option<PathBuf>,
    #[arg(long)]
    pub(crate) signing_cert: Option<PathBuf>,
    #[arg(long, num_args = 1..)]
    pub(crate) cert_chain: Vec<PathBuf>,
    #[arg(long, num_args = 1..)]
    pub(crate) ignore_paths: Vec<PathBuf>,
    #[arg(long)]
    pub(crate) identity_token: Option<String>,
}

/// Verifies as the conformance suite of OpenSSF Model Signing asks for it
#[derive(Debug, Args)]
pub(crate) struct VerifyModel {
    #[arg(long, value_enum)]
    pub(crate) method: AdapterMethod,
    #[arg(long)]
    pub(crate) model_path: PathBuf,
    #[arg(long)]
    pub(crate) bundle: PathBuf,
    #[arg(long)]
    pub(crate) public_key: Option<PathBuf>,
    #[arg(long, num_args = 1..)]
    pub(crate) cert_chain: Vec<PathBuf>,
    #[arg(long, num_args = 1..)]
    pub(crate) ignore_paths: Vec<PathBuf>,
    #[arg(long)]
    pub(crate) ignore_unsigned_files: bool,
    #[arg(long)]
    pub(crate) identity: Option<String>,
    #[arg(long)]
    pub(crate) identity_provider: Option<String>,
    /// Ours alone: the suite knows the services of Sigstore, which are not asked here
    #[arg(long)]
    pub(crate) trust_root: Option<PathBuf>,
}

/// Verifies as the conformance suite of Sigstore asks for it
#[derive(Debug, Args)]
pub(crate) struct VerifyBundle {
    #[arg(long)]
    pub(crate) bundle: PathBuf,
    #[arg(long)]
    pub(crate) certificate_identity: String,
    #[arg(long)]
    pub(crate) certificate_oidc_issuer: String,
    #[arg(long)]
    pub(crate) trusted_root: PathBuf,
    /// A file, or `sha256:` and its digest
    pub(crate) file: String,
}
