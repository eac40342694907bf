//! One string of a body: where it stands, who wrote it, what it holds.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use testudo_bounded::json::StringLiteral;
use testudo_types::Origin;

/// Where a string stands in its body, as a JSON Pointer (RFC 6901) that is safe to record: a key
/// that is neither known nor plain stands as `?`, and a path of more than 256 bytes ends in `…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanPath(Box<str>);

impl SpanPath {
    pub(crate) fn new(pointer: &str) -> Self {
        Self(pointer.into())
    }

    /// The pointer's text; the empty string for the whole document.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpanPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a string holds, and so how it is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// Plain text.
    Text,
    /// JSON written into a string: the arguments of a tool call. Scan the decoded values and keys.
    JsonText,
    /// An object's key.
    Key,
    /// A number inside free-form JSON (tool input), as written. `literal` is the
    /// nearest key above it, never the number itself.
    Number,
    /// Base64 or a base64 `data:` URI. Nothing here reads it; policy sees that it is there.
    Media,
    /// Text spelt by an array of byte values beside a log probability. `literal` is the array's key.
    LogprobBytes,
}

/// One client-visible or model-visible string. `Debug` shows where it is, not what it says.
#[derive(Clone)]
pub struct Span<'a> {
    pub path: SpanPath,
    pub origin: Origin,
    /// Where in the bytes of the document.
    pub literal: StringLiteral,
    /// The decoded text; borrowed unless it has escapes.
    pub text: Cow<'a, str>,
    pub form: Form,
    /// Raw range to be replaced by `null` when this span or another with the same range is edited:
    /// the log probabilities of the same choice, which repeat its text.
    pub null_on_edit: Option<Range<usize>>,
    /// Whether the literal may be rewritten. When false, only nulling (`null_on_edit`) or blocking
    /// removes the text: keys, log probabilities, thinking text under a signature.
    pub splice: bool,
}

impl fmt::Debug for Span<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("path", &self.path)
            .field("origin", &self.origin.as_str())
            .field("form", &self.form)
            .field("range", &self.literal.range())
            .field("text_bytes", &self.text.len())
            .field("null_on_edit", &self.null_on_edit)
            .field("splice", &self.splice)
            .finish()
    }
}
