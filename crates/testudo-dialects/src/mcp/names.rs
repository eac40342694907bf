//! Names of servers, and of their tools and resources where several servers share one door.

use std::fmt;
use std::sync::Arc;

/// Between a server's name and the name of its tool or prompt.
const SEPARATOR: &str = "__";
const SERVER_BYTES_MAX: usize = 32;

/// An MCP server, from configuration: lower-case letters, digits and single hyphens.
///
/// So a name is also the beginning of a URI scheme, and never holds the separator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName(Arc<str>);

/// Why a server's name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server's name has 1 to 32 lower-case letters, digits and single hyphens, and begins with a letter")]
pub struct ServerNameError;

impl ServerName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// When it has another form.
    pub fn parse(text: &str) -> Result<Self, ServerNameError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let sound = (1..=SERVER_BYTES_MAX).contains(&text.len())
            && text.bytes().all(plain)
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && !text.contains("--");
        if sound {
            Ok(Self(text.into()))
        } else {
            Err(ServerNameError)
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tool's or prompt's name with its server's.
#[must_use]
pub fn join_tool(server: &ServerName, name: &str) -> String {
    [server.as_str(), SEPARATOR, name].concat()
}

/// Server and own name of a joined name.
#[must_use]
pub fn split_tool(joined: &str) -> Option<(ServerName, &str)> {
    let (server, name) = joined.split_once(SEPARATOR)?;
    let server = ServerName::parse(server).ok()?;
    (!name.is_empty()).then_some((server, name))
}

/// A resource's URI, or a template of URIs, with its server's name in the scheme.
#[must_use]
pub fn join_uri(server: &ServerName, uri: &str) -> String {
    [server.as_str(), "+", uri].concat()
}

/// Server and own URI of a joined one.
#[must_use]
pub fn split_uri(joined: &str) -> Option<(ServerName, &str)> {
    let (server, uri) = joined.split_once('+')?;
    let server = ServerName::parse(server).ok()?;
    (!uri.is_empty()).then_some((server, uri))
}
