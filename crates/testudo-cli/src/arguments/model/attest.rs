//! `testudo model attest` and `verify-attestation` as typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::keys::{SignAs, Trusting};
use crate::arguments::Format;
use crate::arguments::vault::VaultPlace;

const EXIT_CODES: &str = "Exit codes:
   0  somebody trusted attests these files, and says what was expected
   1  it could not be found out, and the message says why
   2  the command line is wrong, or a key or certificate cannot be used
  20  the attestation is not by whom you trust, or does not fit its signature
  21  files are missing, changed, or not attested
  22  the file is not an attestation
  23  the attestation says something else than was expected";

/// Signs where a model comes from: SLSA provenance v1 of a training run
///
/// Data sets, base models and code that go in are named with their digests, the files of the model that came out are
/// the subjects. With -- and a command, that command is run: what goes in is measured before, the model after, and
/// nothing is attested when it fails. The attestation is a Sigstore bundle like a signature.
#[derive(Debug, Args)]
pub(crate) struct Attest {
    /// What came out: a folder, or a single file
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Where the attestation goes
    #[arg(long, value_name = "FILE", default_value = "model.intoto.sigstore.json")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) by: SignAs,
    /// A data set that goes in, a folder or a file; may be repeated
    #[arg(long = "dataset", value_name = "NAME=PATH", value_parser = named_path)]
    pub(crate) datasets: Vec<(String, PathBuf)>,
    /// A model that goes in, a folder or a file; may be repeated
    #[arg(long = "base-model", value_name = "NAME=PATH", value_parser = named_path)]
    pub(crate) base_models: Vec<(String, PathBuf)>,
    /// Anything else that goes in; may be repeated
    #[arg(long = "input", value_name = "NAME=PATH", value_parser = named_path)]
    pub(crate) inputs: Vec<(String, PathBuf)>,
    /// What goes in by its signature, which is verified with --input-key or the like; its files are not read; may be
    /// repeated
    #[arg(long = "signed-input", value_name = "NAME=SIGNATURE", value_parser = named_path, requires = "input_signer")]
    pub(crate) signed_inputs: Vec<(String, PathBuf)>,
    /// The public key of whoever signed what goes in, as PEM
    #[arg(long, value_name = "FILE", group = "input_signer")]
    pub(crate) input_key: Option<PathBuf>,
    /// Root certificates for whoever signed what goes in, and those between; may be repeated
    #[arg(long, value_name = "FILE", group = "input_signer")]
    pub(crate) input_certificate_chain: Vec<PathBuf>,
    /// What goes in was signed through this Sigstore: its `trusted_root.json`
    #[arg(long, value_name = "FILE", group = "input_signer", requires_all = ["input_identity", "input_identity_provider"])]
    pub(crate) input_trust_root: Option<PathBuf>,
    /// The mail address or link that must have signed what goes in, exactly
    #[arg(long, value_name = "NAME", requires = "input_trust_root")]
    pub(crate) input_identity: Option<String>,
    /// The link of who must have vouched for that identity, exactly
    #[arg(long, value_name = "URL", requires = "input_trust_root")]
    pub(crate) input_identity_provider: Option<String>,
    /// What goes in from the vault: ARTIFACT@VERSION or ARTIFACT@ALIAS; may be repeated
    #[arg(long = "artifact", value_name = "ARTIFACT@VERSION")]
    pub(crate) artifacts: Vec<String>,
    /// A git checkout of the code, without changes that are not committed; may be repeated
    #[arg(long, value_name = "FOLDER")]
    pub(crate) code: Vec<PathBuf>,
    /// Accepts a checkout with changes that are not committed; the attestation says so
    #[arg(long, requires = "code")]
    pub(crate) allow_dirty: bool,
    /// External parameters as a JSON object, or as TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) parameters: Option<PathBuf>,
    /// One external parameter; JSON, or else a text; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = named_value)]
    pub(crate) parameter: Vec<(String, Value)>,
    /// How the model is made, as an address; otherwise the type that docs/models.md describes
    #[arg(long, value_name = "URI")]
    pub(crate) build_type: Option<String>,
    /// What made it, as an address that verifiers know
    #[arg(long, value_name = "URI")]
    pub(crate) builder: Option<String>,
    /// What the builder calls this run
    #[arg(long, value_name = "ID")]
    pub(crate) invocation: Option<String>,
    /// When the run began; with a command it is known
    #[arg(long, value_name = "TIME", conflicts_with = "command")]
    pub(crate) started: Option<jiff::Timestamp>,
    /// When the run ended; with a command it is known
    #[arg(long, value_name = "TIME", conflicts_with = "command")]
    pub(crate) finished: Option<jiff::Timestamp>,
    /// A file or folder of the model that is left out; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) ignore_paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) place: VaultPlace,
    /// The training run itself
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Finds out whether somebody trusted attests the files of a model, and what they say about them
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct VerifyAttestation {
    /// A folder, or a single file
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    #[arg(long, value_name = "FILE", default_value = "model.intoto.sigstore.json")]
    pub(crate) attestation: PathBuf,
    #[command(flatten)]
    pub(crate) trusting: Trusting,
    /// The builder that it must name
    #[arg(long, value_name = "URI")]
    pub(crate) builder: Option<String>,
    /// The type of build that it must name
    #[arg(long, value_name = "URI")]
    pub(crate) build_type: Option<String>,
    /// An external parameter that it must name, parts of its name joined by dots; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = named_value)]
    pub(crate) parameter: Vec<(String, Value)>,
    /// A digest that something that went in must have, in hexadecimal digits; may be repeated
    #[arg(long = "dependency", value_name = "DIGEST")]
    pub(crate) dependencies: Vec<String>,
    /// A file or folder that need not be attested; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) ignore_paths: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

fn named_path(text: &str) -> Result<(String, PathBuf), &'static str> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.into())),
        _ => Err("say it as NAME=PATH"),
    }
}

fn named_value(text: &str) -> Result<(String, Value), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            Ok((name.to_owned(), value))
        }
        _ => Err("say it as NAME=VALUE"),
    }
}
