//! `testudo model bom` as typed.

use std::path::PathBuf;

use clap::Args;

use super::keys::Trusting;
use super::scan::name;
use crate::arguments::vault::VaultPlace;

/// Writes what a model is made of: a CycloneDX 1.6 bill of materials with its model card
///
/// Every file with its hash and the verdict of a scan; architecture, sizes, precision, task, data sets, licence, base
/// model and limits as far as the model's card, configuration and weights tell them. Nothing is loaded or run, and what
/// a model says about itself is repeated, not vouched for. The same model gives the same bill.
///
/// With --version or --alias the name is one of an artifact in the vault, which is read there.
#[derive(Debug, Args)]
pub(crate) struct Bom {
    /// A folder or a single file; or an artifact of the vault
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Where the bill goes; without it to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// A signature over the model: it is verified, and the bill names it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["version", "alias"])]
    pub(crate) signature: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trusting: Trusting,
    /// A file or folder that is left out; relative to the model, or a path to it; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) ignore_paths: Vec<PathBuf>,
    /// A class of your own that pickles may hold, as module.Name; may be repeated
    #[arg(long = "allow", value_name = "NAME", value_parser = name)]
    pub(crate) allowed: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) said: Said,
    /// The version of an artifact, or how its id begins
    #[arg(long, value_name = "VERSION", conflicts_with = "alias")]
    pub(crate) version: Option<String>,
    /// The version that this alias of an artifact means
    #[arg(long, value_name = "ALIAS")]
    pub(crate) alias: Option<String>,
    #[command(flatten)]
    pub(crate) place: VaultPlace,
}

/// What is known beside what the model says
#[derive(Debug, Clone, Args)]
pub(crate) struct Said {
    /// What the model is called; otherwise as it calls itself, or its folder
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[arg(long, value_name = "VERSION")]
    pub(crate) model_version: Option<String>,
    #[arg(long, value_name = "NAME")]
    pub(crate) supplier: Option<String>,
    /// Instead of what the card says: an SPDX id, an expression of ids, or a name; may be repeated
    #[arg(long = "license", value_name = "LICENSE")]
    pub(crate) licences: Vec<String>,
    /// A model that it was made from, as owner/name or otherwise; may be repeated
    #[arg(long = "base-model", value_name = "NAME")]
    pub(crate) base_models: Vec<String>,
    /// A data set that it was trained on; may be repeated
    #[arg(long = "dataset", value_name = "NAME")]
    pub(crate) datasets: Vec<String>,
    /// When the bill was made, such as 2026-11-27T10:00:00Z; without it the bill tells no time
    #[arg(long, value_name = "TIME")]
    pub(crate) timestamp: Option<jiff::Timestamp>,
}
