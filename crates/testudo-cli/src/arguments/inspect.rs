//! The command line of `testudo inspect`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Profiled;

const EXIT_CODES: &str = "Exit codes:
  0  nothing was found (with --fail-on block: nothing that would be stopped)
  1  something was found, or could not be scanned and the profile says so
  2  a file or line could not be read, or the command line is wrong

Examples:
  testudo inspect notes.md
  testudo inspect --origin document --format sarif docs > testudo.sarif
  testudo inspect --sink html,markdown answer.txt
  git show | testudo inspect --fail-on block -";

/// Shows what the guards find in texts
///
/// A file is one text; a conversation, when it is JSON as the OpenAI or Anthropic interface takes it;
/// or JSON Lines, when its name ends in .jsonl or its first line is such an object. A line is
/// {"id", "text", "origin"}, a conversation, or a line of a batch. A folder stands for all its files;
/// binary files, links and what version control keeps are left out and counted.
///
/// Each text gets a verdict: `block` when the profile would stop it, `flag` when anything was found,
/// otherwise `allow`. What cannot be scanned (bytes that are not UTF-8, a line over 32 MiB) is a
/// finding, too, and the profile's `unscannable` says what follows.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Inspect {
    /// Files and folders, or - for standard input
    #[arg(value_name = "FILE", required_unless_present = "rules")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) profile: Profiled,
    /// Where texts come from that do not say so: system, user, assistant, tool_result, document,
    /// tool_definition, model or unknown [default: user, with --sink: model]
    #[arg(long)]
    pub(crate) origin: Option<String>,
    /// Where answers go as they are: html, markdown, sql, sql_value, shell, shell_value, csv, terminal;
    /// texts of the model are read for code that would run there
    #[arg(long = "sink", value_name = "SINK", value_delimiter = ',')]
    pub(crate) sinks: Vec<String>,
    #[arg(long, value_enum, default_value_t = InspectFormat::Table)]
    pub(crate) format: InspectFormat,
    /// Which verdict makes the exit code 1
    #[arg(long, value_enum, default_value_t = FailOn::Flag)]
    pub(crate) fail_on: FailOn,
    /// Lists the rules instead
    #[arg(long, conflicts_with_all = ["files", "profile", "config", "origin", "sinks"])]
    pub(crate) rules: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InspectFormat {
    /// For people
    Table,
    /// For programs: one JSON object for each text
    Json,
    /// For code scanners and editors: one SARIF 2.1.0 document
    Sarif,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Anything was found
    Flag,
    /// The profile would stop the text
    Block,
}
