//! `testudo model export` and `import` as typed.

use std::path::PathBuf;

use clap::Args;

use super::bom::Said;
use super::keys::Trusting;
use super::scan::name;
use crate::arguments::vault::{Asked, VaultPlace};

/// Writes a version as an OCI artifact into a layout folder (CNCF ModelPack)
///
/// Each file is a layer of its own. The signature that the version was pushed with, its bill of materials and the report
/// of a scan are manifests whose subject is the model's. Tools such as skopeo or oras copy a layout to a registry.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: String,
    /// The folder to make
    #[arg(long, value_name = "FOLDER")]
    pub(crate) oci_layout: PathBuf,
    /// A version, or how its id begins
    #[arg(
        long,
        value_name = "VERSION",
        conflicts_with = "alias",
        required_unless_present = "alias"
    )]
    pub(crate) version: Option<String>,
    /// The version that this alias means
    #[arg(long, value_name = "ALIAS")]
    pub(crate) alias: Option<String>,
    /// What the model is called in the layout; otherwise the alias, or the first digits of the version
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// A class of your own that pickles may hold, as module.Name; may be repeated
    #[arg(long = "allow", value_name = "NAME", value_parser = name)]
    pub(crate) allowed: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) said: Said,
    #[command(flatten)]
    pub(crate) place: VaultPlace,
}

/// Takes a model out of an OCI layout folder into the vault
///
/// Every blob is held against its digest and size, files are taken under plain names only, then the signature that lies
/// beside the model is verified, and a bill of materials that lies there must list exactly these files. Then the model is
/// pushed like any other.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// What it is called in the vault
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: String,
    #[arg(long, value_name = "FOLDER")]
    pub(crate) oci_layout: PathBuf,
    /// Which model of the layout, by tag or digest; without it the only one
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    #[command(flatten)]
    pub(crate) trusting: Trusting,
    /// Takes a model that nobody signed
    #[arg(long, conflicts_with_all = ["public_key", "certificate_chain", "sigstore"])]
    pub(crate) unsigned: bool,
    /// An evaluation report, where the vault asks for one: JSON with a number for each metric, or with `metrics`
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// The most bytes that may come out of the layout
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 40)]
    pub(crate) bytes_max: u64,
    #[command(flatten)]
    pub(crate) asked: Asked,
}
