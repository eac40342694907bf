//! The third question: may this caller see or call this tool of an MCP server?

use testudo_types::{Principal, RouteName};

use crate::RouteScope;

/// Routes of MCP servers have names that begin so.
pub const MCP_PREFIX: &str = "mcp.";

/// A tool that is listed or called.
#[derive(Debug, Clone, Copy)]
pub struct CallFacts<'a> {
    pub principal: &'a Principal,
    /// The server's route.
    pub route: &'a RouteName,
    /// The routes that the caller's key is limited to.
    pub key_routes: &'a RouteScope,
    pub server: &'a str,
    /// As the server names it.
    pub tool: &'a str,
    /// Whether the caller asks for the list of tools, and not for the call.
    pub listing: bool,
    /// Whether the server's own list in the configuration has it.
    pub allowed: bool,
    /// What the server says of its tool; it may lie.
    pub hints: CallHints,
}

/// What a server says of the effects of its tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallHints {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}
