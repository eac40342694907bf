//! The command line of `testudo evaluate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, Profiled};

/// Measures how well the guards do on texts with labels
#[derive(Debug, Subcommand)]
pub(crate) enum Evaluate {
    Detect(Detect),
}

const EXAMPLES: &str = "Exit codes:
  0  measured
  1  it could not be done
  2  a file or line could not be read, or the command line is wrong

Examples:
  testudo evaluate detect dev.jsonl
  testudo evaluate detect --profile strict --errors 20 mine.jsonl";

/// Measures the detection of injections
///
/// Each line of a file is {"id", "text", "label", "kind", "source", "meta"}. A label is benign, injection or
/// jailbreak. `meta.family` (else `source`) names the group in the tables, `meta.lang` the language.
///
/// The score of a text is that of its most certain injection finding, or of the trained models where
/// they are surer. Where a text comes from is taken from `origin` or `meta.origin`; else kind indirect is tool_result, kind direct
/// is user, and a benign text is what its family is: documents are document, tool output is
/// tool_result, everything else is user.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Detect {
    /// Files of labelled texts, or - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) profile: Profiled,
    /// Where all texts come from, whatever they say: system, user, assistant, tool_result, document,
    /// tool_definition, model or unknown
    #[arg(long)]
    pub(crate) origin: Option<String>,
    /// How many texts are scanned at once; without it one for each processor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Shows the worst false positives and false negatives, so many of each
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) errors: u16,
    /// Shows the beginning of their texts, too
    #[arg(long, requires = "errors")]
    pub(crate) show_text: bool,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}
