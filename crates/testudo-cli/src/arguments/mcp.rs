//! The command line of `testudo mcp`.

use clap::{Args, Subcommand};

use super::{Format, Store};

/// Shows and approves the tools of MCP servers
///
/// The gateway lists and calls a tool only with exactly the definition that was approved here. A running gateway
/// notices at once.
#[derive(Debug, Subcommand)]
pub(crate) enum Mcp {
    List(McpList),
    Show(McpShow),
    Approve(McpApprove),
    Withdraw(McpWithdraw),
}

/// Shows every tool that was seen, and whether it is approved, new, changed or refused
#[derive(Debug, Args)]
pub(crate) struct McpList {
    /// One server; without it all
    #[arg(value_name = "SERVER")]
    pub(crate) server: Option<String>,
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Shows the definition of a tool as it was last seen, and its digest
#[derive(Debug, Args)]
pub(crate) struct McpShow {
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    #[arg(value_name = "TOOL")]
    pub(crate) tool: String,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// Approves the definition of a tool as it was last seen
#[derive(Debug, Args)]
pub(crate) struct McpApprove {
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    /// One tool of it
    #[arg(value_name = "TOOL", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) tool: Option<String>,
    /// Every tool of it that is not refused
    #[arg(long)]
    pub(crate) all: bool,
    /// Only when it is this definition, as `testudo mcp show` names it
    #[arg(long, value_name = "DIGEST", conflicts_with = "all")]
    pub(crate) digest: Option<String>,
    #[command(flatten)]
    pub(crate) store: Store,
}

/// Takes the approval of a tool back
#[derive(Debug, Args)]
pub(crate) struct McpWithdraw {
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    #[arg(value_name = "TOOL")]
    pub(crate) tool: String,
    #[command(flatten)]
    pub(crate) store: Store,
}
