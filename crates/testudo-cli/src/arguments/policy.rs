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

/// Shows one case in full: which policies decided, what they saw, and who named which value
#[derive(Debug, Args)]
pub(crate) struct PolicyExplain {
    /// A file of cases in TOML
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The case's name
    #[arg(value_name = "CASE")]
    pub(crate) case: String,
    #[command(flatten)]
    pub(crate) deciding: Deciding,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}
