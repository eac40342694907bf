//! `testudo model scan` as typed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

const EXIT_CODES: &str = "Exit codes:
  0  every file is below --fail-on
  1  a file is malicious, or suspicious with --fail-on suspicious
  2  the command line is wrong, or a named path cannot be read
  3  nothing is malicious, but a file is unknown: it could not be read to its end, or names what nobody vouches for

Examples:
  testudo model scan model.safetensors
  testudo model scan --format sarif models/ > testudo.sarif
  testudo model scan ~/.cache/huggingface/hub
  curl -s https://example.org/model.pkl | testudo model scan -";

/// Says what loading model files would do, without loading them
///
/// What a file is, is told by its content: pickles in every wrapping, archives by each of their directories, and
/// whatever they hold. A folder stands for all its files; links to files are followed once, and `.git` is left out.
///
/// Each file gets a verdict: `allowed` when everything in it was read and is known to be harmless; `suspicious` when it
/// is not what a saver writes; `unknown` when it cannot be read to its end or names something that nobody vouches for;
/// `malicious` when loading it would do what no model needs. Treat `unknown` as malicious.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Scan {
    /// Files and folders, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t = ScanFormat::Table)]
    pub(crate) format: ScanFormat,
    /// Which verdict makes the exit code something else than 0
    #[arg(long, value_enum, default_value_t = FailOn::Unknown)]
    pub(crate) fail_on: FailOn,
    /// A class of your own that pickles may hold, as module.Name; may be repeated. What is known to be dangerous
    /// cannot be allowed
    #[arg(long = "allow", value_name = "NAME", value_parser = name)]
    pub(crate) allowed: Vec<(String, String)>,
    /// Files at the same time; without it as many as there are cores
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Lists files in the table in which nothing was found, too
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScanFormat {
    /// For people
    Table,
    /// For programs: one JSON object for each file
    Json,
    /// For code scanners and editors: one SARIF 2.1.0 document
    Sarif,
    /// For inventories: one CycloneDX 1.6 document, with hashes
    Cyclonedx,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Suspicious,
    Unknown,
    Malicious,
}

pub(super) fn name(text: &str) -> Result<(String, String), &'static str> {
    match text.rsplit_once('.') {
        Some((module, name)) if !module.is_empty() && !name.is_empty() => Ok((module.to_owned(), name.to_owned())),
        _ => Err("say it as module.Name, for example my_models.Net"),
    }
}
