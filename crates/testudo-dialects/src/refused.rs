//! Why a body or an event was refused, in words that may be shown to the client.

use testudo_bounded::json::{JsonError, JsonErrorKind};

/// Why no view of a body or event was made; nothing of it may be forwarded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the body is not strict JSON: {0}")]
    Json(#[from] JsonError),
    #[error("the body must be a JSON object; send one object with the fields of this operation")]
    NotAnObject,
    #[error("the field `{pointer}` must be {expected}")]
    Shape { pointer: Box<str>, expected: &'static str },
    #[error("the field `{pointer}` resembles `{meant}` but is spelt differently; spell it `{meant}` or remove it")]
    KeyVariant { pointer: Box<str>, meant: &'static str },
    #[error("the field `{pointer}` is nested more than {max} levels deep; send a flatter body")]
    Depth { pointer: Box<str>, max: usize },
    #[error("the body has more than {max} strings; send less at once")]
    TooManyStrings { max: usize },
    #[error("this operation takes no body; send the request without one")]
    UnexpectedBody,
    #[error("the event's name and its `type` differ; both must name the same event")]
    EventName,
    #[error("the stream sent {what} after it had closed")]
    AfterClose { what: &'static str },
    #[error("the stream has more than {max} open texts")]
    TooManyChannels { max: usize },
}

impl Refused {
    /// The HTTP status for a request refused so.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Json(error) if matches!(error.kind(), JsonErrorKind::TooLarge { .. }) => 413,
            _ => 400,
        }
    }

    /// The field at fault as a JSON Pointer, where one field is.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        match self {
            Self::Json(error) => error.pointer(),
            Self::Shape { pointer, .. } | Self::KeyVariant { pointer, .. } | Self::Depth { pointer, .. } => {
                Some(pointer)
            }
            Self::NotAnObject
            | Self::TooManyStrings { .. }
            | Self::UnexpectedBody
            | Self::EventName
            | Self::AfterClose { .. }
            | Self::TooManyChannels { .. } => None,
        }
    }
}
