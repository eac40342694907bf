//! MCP: messages, the headers that repeat them, definitions of tools, and every string in them.
//!
//! Sans-I/O, as the rest of this crate. Three revisions are spoken: `2025-06-18` and `2025-11-25`, which begin a
//! session with `initialize`, and `2026-07-28`, in which every request says all that is needed to answer it.

mod definition;
mod headers;
mod message;
mod names;
mod texts;

pub use definition::{Definition, Flaw, Hints, Mirrored, TOOL_NAME_BYTES_MAX, definition};
pub use headers::{HeaderMismatch, Presented, check_mirrors, check_parameters, parameter_value, sentinel};
pub use message::{Malformed, Message, MessageKind, RequestId, Revision, read_message};
pub use names::{ServerName, ServerNameError, join_tool, join_uri, split_tool, split_uri};
pub use texts::{Whose, texts};

/// Members of `_meta` that only the two ends of one hop understand.
pub const META_PREFIX: &str = "io.modelcontextprotocol/";
/// The revision that a request is made in.
pub const META_REVISION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the caller can do.
pub const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Who calls, as it says itself.
pub const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
/// The request whose stream a notification belongs to.
pub const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Codes of JSON-RPC and of the protocol.
pub mod code {
    pub const PARSE: i64 = -32700;
    pub const INVALID_REQUEST: i64 = -32600;
    pub const METHOD_NOT_FOUND: i64 = -32601;
    pub const INVALID_PARAMS: i64 = -32602;
    pub const INTERNAL: i64 = -32603;
    pub const HEADER_MISMATCH: i64 = -32020;
    pub const UNSUPPORTED_REVISION: i64 = -32022;
}

#[cfg(test)]
mod tests;
