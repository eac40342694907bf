//! The command line of `testudo policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

const TEST_EXAMPLES: &str = "Exit codes:
  0  every case came out as expected
  1  some did not, or it could not be done
  2  a case, a policy or a specification is wrong

Examples:
  testudo policy test cases.toml --policies policies/
  testudo policy test cases/*.toml --config testudo.toml --format json";

const EXPLAIN_EXAMPLES: &str = "Examples:
  testudo policy explain cases.toml \"an account that only the mail names\" --policies policies/
  testudo policy explain ex_6f1c2a... --config testudo.toml
  testudo policy explain 4711 --config testudo.toml --by ann --reason ticket-4711";

/// Tries policies on cases that you write, and shows why they decide as they do
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Test(PolicyTest),
    Explain(PolicyExplain),
}

/// Which policies decide
#[derive(Debug, Args)]
pub(crate) struct Deciding {
    /// The configuration whose policies and routes are used; without it ./testudo.toml, if there is one
    #[arg(long, value_name = "FILE", conflicts_with = "policies")]
    pub(crate) config: Option<PathBuf>,
    /// The shipped policies and all .cedar files of this folder, on the routes that the cases name
    #[arg(long, value_name = "FOLDER")]
    pub(crate) policies: Option<PathBuf>,
    /// The specifications of tools, for cases whose file names none
    #[arg(long, value_name = "FILE")]
    pub(crate) specs: Option<PathBuf>,
}

/// Runs cases: a conversation, the call a model then asks for, and what policies have to say
///
/// docs/agents.md has the format. Nothing is sent anywhere.
#[derive(Debug, Args)]
#[command(after_help = TEST_EXAMPLES)]
pub(crate) struct PolicyTest {
    /// Files of cases in TOML
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) deciding: Deciding,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Shows one decision in full: which policies decided, what they saw, and who named which value
///
/// Of a case, everything. Of an exchange in the ledger, what was decided about its calls then; what waits or waited for
/// a person; and, where the route keeps content and you say who reads it and why, what the policies of now say of the
/// calls that the client got.
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(crate) struct PolicyExplain {
    /// A file of cases in TOML, or alone the id of an exchange (header `x-testudo-exchange`) or an entry's number
    #[arg(value_name = "FILE_OR_ID")]
    pub(crate) file: PathBuf,
    /// The case's name
    #[arg(value_name = "CASE")]
    pub(crate) case: Option<String>,
    /// The data folder with the ledger; without it that of the configuration
    #[arg(long, value_name = "FOLDER", conflicts_with = "case")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Who reads the content of the exchange; that is entered into the ledger
    #[arg(long, value_name = "NAME", requires = "reason", conflicts_with = "case")]
    pub(crate) by: Option<String>,
    /// Why it is read, as a code that names no person
    #[arg(long, value_name = "CODE", requires = "by")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) deciding: Deciding,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}
