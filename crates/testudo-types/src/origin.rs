//! Where a piece of text in an exchange came from.

use std::fmt;

/// Which way text travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client towards the model.
    Request,
    /// From the model towards the client.
    Response,
}

impl Direction {
    /// The name used in logs, metrics and policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// Who put a piece of text into an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// System or developer instructions.
    System,
    /// The user's own turn.
    User,
    /// An earlier answer of the model, sent back by the client.
    Assistant,
    /// What a tool returned; the tool's name when the dialect gives one.
    ToolResult { tool: Option<Box<str>> },
    /// A retrieved or attached document.
    Document,
    /// The description of a tool that the client offers to the model.
    ToolDefinition,
    /// Fresh output of the model.
    Model,
    /// Text in a field that the dialect table does not know.
    Unknown,
}

impl Origin {
    /// Every origin, tools without their name.
    pub const ALL: [Self; 8] = [
        Self::System,
        Self::User,
        Self::Assistant,
        Self::ToolResult { tool: None },
        Self::Document,
        Self::ToolDefinition,
        Self::Model,
        Self::Unknown,
    ];

    /// The name used in logs, metrics and policies, and read by `testudo inspect`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::ToolResult { .. } => "tool_result",
            Self::Document => "document",
            Self::ToolDefinition => "tool_definition",
            Self::Model => "model",
            Self::Unknown => "unknown",
        }
    }

    /// The origin that a name stands for; `None` when the name is not one of ours.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "system" => Self::System,
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "tool_result" | "tool" => Self::ToolResult { tool: None },
            "document" => Self::Document,
            "tool_definition" | "tool_description" => Self::ToolDefinition,
            "model" => Self::Model,
            "unknown" => Self::Unknown,
            _ => return None,
        })
    }

    /// Whether a stranger may have written the text.
    #[must_use]
    pub fn is_untrusted(&self) -> bool {
        match self {
            Self::ToolResult { .. } | Self::Document | Self::ToolDefinition | Self::Unknown => true,
            Self::System | Self::User | Self::Assistant | Self::Model => false,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for origin in Origin::ALL {
            assert_eq!(Origin::from_name(origin.as_str()), Some(origin));
        }
        assert_eq!(Origin::from_name("tool_description"), Some(Origin::ToolDefinition));
        assert_eq!(Origin::from_name("root"), None);
    }
}
