//! The commands of `testudo model` that keep models, as typed.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::model::keys::{PrivateKey, Trusting};
use super::{Format, Store, quantity};
use crate::config::quantity::{NotThis, bytes, duration_ms};

/// Which vault, and who is believed there
#[derive(Debug, Clone, Args)]
pub(crate) struct VaultPlace {
    #[command(flatten)]
    pub(crate) store: Store,
    /// Where the vault lies, `file:///folder` or `s3://bucket/prefix`; without it as the configuration says, else
    /// `vault` in the data folder
    #[arg(long, value_name = "URL")]
    pub(crate) vault: Option<url::Url>,
    /// The public key of somebody who may promote, roll back and revoke, as PEM; may be repeated; without it those
    /// that the configuration names
    #[arg(long = "approver-key", value_name = "FILE")]
    pub(crate) approver_keys: Vec<PathBuf>,
    /// Who works with the vault, for policies; without it the operator whose user this is, or the holder of the key
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) operator: Option<String>,
    /// Makes no entries in a ledger; for a machine that has none
    #[arg(long)]
    pub(crate) without_ledger: bool,
}

/// Which vault, and how the answer is printed
#[derive(Debug, Clone, Args)]
pub(crate) struct Asked {
    #[command(flatten)]
    pub(crate) place: VaultPlace,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// A version of an artifact
#[derive(Debug, Args)]
pub(crate) struct Which {
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: String,
    /// A version, or how its id begins
    #[arg(value_name = "VERSION")]
    pub(crate) version: String,
}

/// Who makes a statement, and why
#[derive(Debug, Args)]
pub(crate) struct Stating {
    #[command(flatten)]
    pub(crate) key: PrivateKey,
    /// The approver's name, as it will stand in the statement; without it the name that the configuration has for the key
    #[arg(long, value_name = "NAME")]
    pub(crate) approver: Option<String>,
    /// Why, in a sentence; it stays in the statement
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) place: VaultPlace,
}

/// Seals a model into the vault as a version that never changes
///
/// Every file is sealed under the artifact's key, each content once. The version becomes visible when all of it is
/// there; pushing again goes on where an earlier push stopped. A signature is verified first, unless --unsigned.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("signed").args(["signature", "unsigned"]).required(true)))]
pub(crate) struct Push {
    /// A folder, or a single file
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// What it is called in the vault
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: String,
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trusting: Trusting,
    /// A bill of materials in CycloneDX; without it one in the model (bom.json, bom.cdx.json) counts where one is asked for
    #[arg(long, value_name = "FILE")]
    pub(crate) bom: Option<PathBuf>,
    /// An evaluation report: JSON with a number for each metric, or with `metrics`
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Takes a model that nobody signed
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// A file or folder that is left out; relative to the model, or a path to it; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) ignore_paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// Opens a version into a folder that is not there yet
///
/// Every byte is verified. The folder gets its name when all is there; until then it is `.NAME.part`, where another
/// attempt goes on. Revoked versions, and statements older than those that this machine has seen, are refused.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: String,
    /// The folder to make
    #[arg(value_name = "FOLDER")]
    pub(crate) to: PathBuf,
    /// The version that this alias means
    #[arg(long, value_name = "ALIAS", required_unless_present = "version")]
    pub(crate) alias: Option<String>,
    /// A version, or how its id begins
    #[arg(long, value_name = "VERSION", conflicts_with = "alias")]
    pub(crate) version: Option<String>,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// Runs a command that reads files of a version, without their lying anywhere under a name
///
/// Each file is verified and handed over open, in memory that the kernel has sealed, or, when it is larger than
/// --memory-max, in a file of --scratch that no folder lists: what was verified is what is loaded. In the command `{}`
/// stands for the path of the only file, `{NAME}` for that of one of several. The command's exit code is this one's.
#[derive(Debug, Args)]
pub(crate) struct Open {
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: String,
    /// The version that this alias means
    #[arg(long, value_name = "ALIAS", required_unless_present = "version")]
    pub(crate) alias: Option<String>,
    /// A version, or how its id begins
    #[arg(long, value_name = "VERSION", conflicts_with = "alias")]
    pub(crate) version: Option<String>,
    /// A file of the version, by its path in the model; may be repeated
    #[arg(long = "file", value_name = "NAME", required = true)]
    pub(crate) files: Vec<String>,
    /// Larger files than this lie in --scratch instead of memory
    #[arg(long, value_name = "SIZE", default_value = "4 GiB", value_parser = memory)]
    pub(crate) memory_max: u64,
    /// Where those lie; by default the folder for temporary files
    #[arg(long, value_name = "FOLDER")]
    pub(crate) scratch: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: VaultPlace,
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

fn memory(text: &str) -> Result<u64, &'static str> {
    let bytes = bytes(text).map_err(|NotThis(remedy)| remedy)?;
    u64::try_from(bytes).map_err(|_| "write a smaller size")
}

/// Shows all artifacts, or the versions and aliases of one
#[derive(Debug, Args)]
pub(crate) struct List {
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: Option<String>,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// Shows what a version is made of, and every statement about its artifact
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: String,
    /// A version, how its id begins, or an alias
    #[arg(value_name = "VERSION")]
    pub(crate) version: String,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// Shows which files differ between two versions
#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: String,
    /// A version, how its id begins, or an alias
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// A version, how its id begins, or an alias
    #[arg(value_name = "TO")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// States that an alias means a version from now on
#[derive(Debug, Args)]
pub(crate) struct Promote {
    #[command(flatten)]
    pub(crate) which: Which,
    #[arg(long, value_name = "ALIAS")]
    pub(crate) alias: String,
    #[command(flatten)]
    pub(crate) stating: Stating,
}

/// States that an alias means what it meant before
///
/// A new statement: nothing is undone, and whoever plays an old statement again is refused.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: String,
    #[arg(long, value_name = "ALIAS")]
    pub(crate) alias: String,
    /// Back to this version, which the alias once meant; without it to the one before the present one
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) stating: Stating,
}

/// Agrees to a promotion that waits for a second approver
#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: String,
    /// The version that was looked at; agreement to another one is refused
    #[arg(value_name = "VERSION")]
    pub(crate) version: String,
    #[arg(long, value_name = "ALIAS")]
    pub(crate) alias: String,
    #[command(flatten)]
    pub(crate) stating: Stating,
}

/// States that nothing of a version is deleted, revoked or not
#[derive(Debug, Args)]
pub(crate) struct Hold {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) stating: Stating,
}

/// States that a version that was held may be deleted again
#[derive(Debug, Args)]
pub(crate) struct Release {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) stating: Stating,
}

/// States that nobody gets a version any more
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Deletes it, too, unless it is held, too young or an alias means it; its content goes with `gc`
    #[arg(long)]
    pub(crate) delete: bool,
    #[command(flatten)]
    pub(crate) stating: Stating,
}

/// Deletes content that no version needs, and with --revoked the revoked versions that no alias means
#[derive(Debug, Args)]
pub(crate) struct Gc {
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: String,
    #[arg(long)]
    pub(crate) revoked: bool,
    /// Content younger than this stays: a push may be under way
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = quantity(duration_ms))]
    pub(crate) older_than: u64,
    /// Only tells
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) place: VaultPlace,
}
