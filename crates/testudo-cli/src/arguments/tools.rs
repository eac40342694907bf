//! The command line of `testudo tools`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, Store};

/// Drafts and checks the specifications by which calls of tools are judged
#[derive(Debug, Subcommand)]
pub(crate) enum Tools {
    Draft(ToolsDraft),
    Check(ToolsCheck),
}

/// Proposes specifications from definitions of tools, for you to review
///
/// Takes a list of tools as OpenAI, Anthropic, Gemini or MCP write it, or a request that carries one. Effects and roles
/// are told by names, descriptions and schemas; where those leave it open the more dangerous is proposed, and a comment
/// says why. Everything is unreviewed until you write `reviewed = true`.
#[derive(Debug, Args)]
pub(crate) struct ToolsDraft {
    /// The definitions, as JSON; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "mcp")]
    pub(crate) file: Option<PathBuf>,
    /// The tools of this MCP server that were approved with `testudo mcp approve`
    #[arg(long, value_name = "SERVER", conflicts_with = "file")]
    pub(crate) mcp: Option<String>,
    #[command(flatten)]
    pub(crate) store: Store,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Finds mistakes in specifications, and lists what nobody has reviewed
#[derive(Debug, Args)]
pub(crate) struct ToolsCheck {
    /// The specifications, in TOML
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}
