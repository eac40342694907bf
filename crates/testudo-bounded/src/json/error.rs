//! Why JSON was refused: kind, byte and place.

use std::fmt;

/// Longest part of a hostile key or pointer that a message repeats, in characters.
const SHOWN_CHARS_MAX: usize = 64;

/// A refusal: what was wrong, at which byte, and inside which value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct JsonError {
    kind: JsonErrorKind,
    offset: usize,
    pointer: Option<String>,
}

/// What was wrong with the text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// More bytes than [`Limits::bytes_max`](super::Limits::bytes_max).
    TooLarge {
        bytes_max: usize,
    },
    /// More nesting than [`Limits::depth_max`](super::Limits::depth_max).
    TooDeep {
        depth_max: usize,
    },
    /// More values than [`Limits::nodes_max`](super::Limits::nodes_max).
    TooManyNodes {
        nodes_max: usize,
    },
    /// Nothing, or nothing but white space.
    Empty,
    /// The text starts with U+FEFF.
    ByteOrderMark,
    InvalidUtf8,
    /// An object holds this (decoded) key twice.
    DuplicateKey {
        key: String,
    },
    /// `\ud800` to `\udfff` that is not one half of a pair.
    LoneSurrogate,
    /// A raw byte below 0x20 inside a string.
    ControlCharacter {
        byte: u8,
    },
    /// A backslash followed by something that is no escape.
    InvalidEscape,
    /// Leading zeros, a bare sign, missing digits.
    InvalidNumber,
    /// A bare word that is not `true`, `false` or `null`, such as `NaN`.
    InvalidLiteral,
    /// A byte that cannot stand here.
    UnexpectedByte {
        byte: u8,
        expected: &'static str,
    },
    /// The text stops inside a value.
    UnexpectedEnd,
    /// Something follows the value.
    TrailingData,
}

impl JsonError {
    pub(super) fn new(kind: JsonErrorKind, offset: usize) -> Self {
        Self {
            kind,
            offset,
            pointer: None,
        }
    }

    pub(super) fn within(mut self, pointer: String) -> Self {
        self.pointer = Some(pointer);
        self
    }

    #[must_use]
    pub fn kind(&self) -> &JsonErrorKind {
        &self.kind
    }

    /// Position of the offending byte from the start of the text; for a duplicate key, of the
    /// opening quote of its second appearance.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// JSON Pointer (RFC 6901) of the array or object that holds the offending byte, where known.
    /// It is made of keys as the sender wrote them: show it to the sender, do not log it.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }
}

impl JsonErrorKind {
    /// A stable short name without any text of the sender, fit for logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::TooDeep { .. } => "too_deep",
            Self::TooManyNodes { .. } => "too_many_nodes",
            Self::Empty => "empty",
            Self::ByteOrderMark => "byte_order_mark",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::DuplicateKey { .. } => "duplicate_key",
            Self::LoneSurrogate => "lone_surrogate",
            Self::ControlCharacter { .. } => "control_character",
            Self::InvalidEscape => "invalid_escape",
            Self::InvalidNumber => "invalid_number",
            Self::InvalidLiteral => "invalid_literal",
            Self::UnexpectedByte { .. } => "unexpected_byte",
            Self::UnexpectedEnd => "unexpected_end",
            Self::TrailingData => "trailing_data",
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "send less or raise the limit",
            Self::TooDeep { .. } => "nest less",
            Self::TooManyNodes { .. } => "send fewer values",
            Self::Empty => "send one JSON value",
            Self::ByteOrderMark => "send UTF-8 without one",
            Self::InvalidUtf8 => "encode the text as UTF-8",
            Self::DuplicateKey { .. } => "send each key once",
            Self::LoneSurrogate => "escape a character beyond U+FFFF as a pair, or send it as UTF-8",
            Self::ControlCharacter { .. } => "escape it",
            Self::InvalidEscape => r#"use one of \" \\ \/ \b \f \n \r \t or \u and four hex digits"#,
            Self::InvalidNumber => "write numbers as RFC 8259 does, such as `0`, `-1.5` or `1e3`",
            Self::InvalidLiteral => "the only bare words are `true`, `false` and `null`",
            Self::UnexpectedByte { byte: b'\'', .. } => "use double quotes",
            Self::UnexpectedByte { byte: b'/', .. } => "JSON has no comments",
            Self::UnexpectedByte { byte: b']' | b'}', .. } => "remove the comma before it or close what is open",
            Self::UnexpectedByte { .. } => "correct the syntax",
            Self::UnexpectedEnd => "send the whole document",
            Self::TrailingData => "send one value and nothing after it",
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            JsonErrorKind::TooLarge { bytes_max } => write!(f, "more than {bytes_max} bytes")?,
            JsonErrorKind::TooDeep { depth_max } => write!(f, "more than {depth_max} levels of nesting")?,
            JsonErrorKind::TooManyNodes { nodes_max } => write!(f, "more than {nodes_max} values")?,
            JsonErrorKind::Empty => f.write_str("empty text")?,
            JsonErrorKind::ByteOrderMark => f.write_str("byte order mark")?,
            JsonErrorKind::InvalidUtf8 => f.write_str("invalid UTF-8")?,
            JsonErrorKind::DuplicateKey { key } => write!(f, "duplicate key `{}`", Shown(key))?,
            JsonErrorKind::LoneSurrogate => f.write_str("lone surrogate escape")?,
            JsonErrorKind::ControlCharacter { byte } => write!(f, "raw control character 0x{byte:02x} in a string")?,
            JsonErrorKind::InvalidEscape => f.write_str("invalid escape")?,
            JsonErrorKind::InvalidNumber => f.write_str("invalid number")?,
            JsonErrorKind::InvalidLiteral => f.write_str("invalid literal")?,
            JsonErrorKind::UnexpectedByte { byte, expected } => {
                match byte {
                    b'!'..=b'~' => write!(f, "unexpected `{}`", char::from(*byte))?,
                    _ => write!(f, "unexpected byte 0x{byte:02x}")?,
                }
                write!(f, " where {expected} was expected")?;
            }
            JsonErrorKind::UnexpectedEnd => f.write_str("unexpected end")?,
            JsonErrorKind::TrailingData => f.write_str("trailing data")?,
        }
        write!(f, " at byte {}", self.offset)?;
        match self.pointer.as_deref() {
            Some(pointer) if !pointer.is_empty() => write!(f, " in `{}`", Shown(pointer))?,
            _ => {}
        }
        write!(f, "; {}", self.kind.remedy())
    }
}

/// Hostile text cut short and made printable.
struct Shown<'t>(&'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for c in chars.by_ref().take(SHOWN_CHARS_MAX) {
            match c {
                '`' => f.write_str("\\`")?,
                _ => write!(f, "{}", c.escape_debug())?,
            }
        }
        if chars.next().is_some() {
            f.write_str("…")
        } else {
            Ok(())
        }
    }
}
