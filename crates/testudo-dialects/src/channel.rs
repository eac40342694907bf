//! The channels of a stream: which texts belong together across frames.

use std::fmt;

use crate::Span;

/// What kind of text a channel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelKind {
    /// The answer.
    Text,
    /// Thinking shown to the client.
    Reasoning,
    /// A summary of thinking.
    ReasoningSummary,
    Refusal,
    /// What a spoken answer says.
    Transcript,
    ToolName,
    /// Arguments of a tool call: JSON text, acted upon when complete.
    Arguments,
    /// Input of a free-form tool call: plain text, acted upon when complete.
    CustomInput,
    /// Program text that a hosted tool runs.
    Code,
    /// Strings inside tool input or output that arrives as JSON, not as text of JSON.
    ToolData,
    /// Tokens beside their log probabilities; `part` is the rank, 0 for the chosen one.
    LogprobTokens,
    /// The same tokens spelt as bytes; `part` is the rank.
    LogprobBytes,
    /// As `LogprobTokens`, of a refusal.
    RefusalLogprobTokens,
    /// As `LogprobBytes`, of a refusal.
    RefusalLogprobBytes,
    /// Citations and other notes attached to text.
    Annotation,
    /// What an error says.
    Error,
    /// A field that the dialect table does not know; the number stands for its path without indexes.
    Unknown(u64),
}

impl ChannelKind {
    /// The name used in logs and findings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Reasoning => "reasoning",
            Self::ReasoningSummary => "reasoning_summary",
            Self::Refusal => "refusal",
            Self::Transcript => "transcript",
            Self::ToolName => "tool_name",
            Self::Arguments => "arguments",
            Self::CustomInput => "custom_input",
            Self::Code => "code",
            Self::ToolData => "tool_data",
            Self::LogprobTokens => "logprob_tokens",
            Self::LogprobBytes => "logprob_bytes",
            Self::RefusalLogprobTokens => "refusal_logprob_tokens",
            Self::RefusalLogprobBytes => "refusal_logprob_bytes",
            Self::Annotation => "annotation",
            Self::Error => "error",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether the text is part of a tool call, which must be withheld until the call is decided.
    #[must_use]
    pub fn is_tool_call(self) -> bool {
        matches!(self, Self::ToolName | Self::Arguments | Self::CustomInput)
    }
}

/// One growing text of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    /// Choice (chat, completions) or output item (Responses); 0 for Anthropic;
    /// [`Channel::OUTSIDE`] for what belongs to none.
    pub output: u32,
    /// Tool call (chat), content or summary part (Responses), content block (Anthropic), rank (log probabilities).
    pub part: u32,
    pub kind: ChannelKind,
}

impl Channel {
    /// The `output` of text that belongs to no choice or item.
    pub const OUTSIDE: u32 = u32::MAX;
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.output == Self::OUTSIDE {
            write!(f, "stream/{}", self.kind.as_str())
        } else {
            write!(f, "stream/{}/{}/{}", self.output, self.part, self.kind.as_str())
        }
    }
}

/// How a piece joins its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PieceKind {
    /// Appended to the channel's text.
    Delta,
    /// A complete text at once: snapshots, `.done` events, annotations, keys.
    Whole,
    /// JSON text of a tool call, appended.
    ArgumentsDelta,
    /// The complete JSON text of a tool call.
    ArgumentsWhole,
}

/// One string of a stream's event.
#[derive(Debug, Clone)]
pub struct Piece<'e> {
    pub channel: Channel,
    pub kind: PieceKind,
    /// Ranges are within the bytes of the event's data.
    pub span: Span<'e>,
}

/// Tokens that the provider counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
}

impl Usage {
    /// This count with what `later` says in place of what it repeats (streams count cumulatively).
    #[must_use]
    pub fn updated_by(self, later: Self) -> Self {
        Self {
            input_tokens: later.input_tokens.or(self.input_tokens),
            output_tokens: later.output_tokens.or(self.output_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_reads_as_a_place() {
        let channel = Channel {
            output: 1,
            part: 2,
            kind: ChannelKind::Arguments,
        };
        assert_eq!(channel.to_string(), "stream/1/2/arguments");
        let outside = Channel {
            output: Channel::OUTSIDE,
            part: 0,
            kind: ChannelKind::Error,
        };
        assert_eq!(outside.to_string(), "stream/error");
    }

    #[test]
    fn later_counts_replace_earlier_ones() {
        let first = Usage {
            input_tokens: Some(7),
            output_tokens: Some(1),
        };
        let last = Usage {
            input_tokens: None,
            output_tokens: Some(9),
        };
        assert_eq!(
            first.updated_by(last),
            Usage {
                input_tokens: Some(7),
                output_tokens: Some(9)
            }
        );
    }
}
