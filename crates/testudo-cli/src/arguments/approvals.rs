//! The command line of `testudo approvals`, `testudo approve` and `testudo deny`.

use clap::{Args, Subcommand};

use super::{Format, Store};

/// Shows the calls of tools that wait for a person
#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    List(ApprovalsList),
    Show(ApprovalsShow),
}

/// Shows every call that waits, and those that were decided lately
#[derive(Debug, Args)]
pub(crate) struct ApprovalsList {
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Shows what exactly is to be done, where each value came from, and what the agent had read
#[derive(Debug, Args)]
pub(crate) struct ApprovalsShow {
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// A person's decision about a call that waits
#[derive(Debug, Args)]
pub(crate) struct Decide {
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Decides as this approver of the configuration
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) store: Store,
}
