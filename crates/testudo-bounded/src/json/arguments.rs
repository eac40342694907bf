//! JSON text that arrives in pieces, such as a streamed tool call's arguments.

use super::Limits;
use super::error::{JsonError, JsonErrorKind};
use super::literal::{hex_value, is_high_surrogate, is_low_surrogate, plain_len};

/// Collects the pieces of one JSON text and refuses it at the first byte that no JSON text could
/// have there.
///
/// It accepts a complete text exactly when [`Document::parse`](super::Document::parse) does, but
/// for duplicate keys and the node limit: parse [`Self::text`] once it is complete. The result is
/// the same for every way of cutting the text into pieces.
#[derive(Clone)]
pub struct ArgumentBuffer {
    text: String,
    bytes_max: usize,
    depth_max: usize,
    /// The open containers, outermost first.
    open: Vec<Container>,
    state: State,
    /// The string being read is a key.
    in_key: bool,
    refused: Option<JsonError>,
}

/// How far a text has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More must follow for this to be a JSON value.
    Partial,
    /// This is one JSON value. White space may follow, and digits if it is a bare number.
    Complete,
}

impl ArgumentBuffer {
    /// An empty buffer for at most `bytes_max` bytes and [`Limits::DEFAULT`]'s depth.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self::with_limits(&Limits {
            bytes_max,
            ..Limits::DEFAULT
        })
    }

    /// An empty buffer with limits on bytes and depth; there are no nodes here to limit.
    #[must_use]
    pub fn with_limits(limits: &Limits) -> Self {
        Self {
            text: String::new(),
            bytes_max: limits.bytes_max,
            depth_max: limits.depth_max,
            open: Vec::new(),
            state: State::Value,
            in_key: false,
            refused: None,
        }
    }

    /// Appends the next piece.
    ///
    /// # Errors
    /// The text so far cannot become JSON, or passes a limit. Every later push gives the same
    /// error; [`Self::text`] keeps what stood before the offending byte.
    pub fn push(&mut self, piece: &str) -> Result<Progress, JsonError> {
        if let Some(error) = &self.refused {
            return Err(error.clone());
        }
        let before = self.text.len();
        let room = self.bytes_max.saturating_sub(before);
        let taken = piece.floor_char_boundary(room);
        let fits = piece.get(..taken).unwrap_or_default();
        let read = self.read(fits.as_bytes());
        let too_large = JsonErrorKind::TooLarge {
            bytes_max: self.bytes_max,
        };
        let result = match read {
            Err((at, kind)) => Err((at, kind)),
            Ok(()) if fits.len() < piece.len() => Err((fits.len(), too_large)),
            Ok(()) => Ok(()),
        };
        match result {
            Ok(()) => {
                self.text.push_str(piece);
                Ok(self.progress())
            }
            Err((at, kind)) => {
                self.text
                    .push_str(piece.get(..piece.floor_char_boundary(at)).unwrap_or_default());
                let error = JsonError::new(kind, before.saturating_add(at));
                self.refused = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Whether the text is one whole JSON value. An empty text is not.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.progress() == Progress::Complete
    }

    /// The pieces so far, joined.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The pieces so far, joined, without copying them.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn progress(&self) -> Progress {
        let ended = self.state == State::After || self.state.number_may_end();
        if ended && self.open.is_empty() && self.refused.is_none() {
            Progress::Complete
        } else {
            Progress::Partial
        }
    }

    /// Runs the machine over `bytes`; on refusal says at which of them.
    fn read(&mut self, bytes: &[u8]) -> Result<(), (usize, JsonErrorKind)> {
        let mut at: usize = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if self.state == State::InString {
                at = at.saturating_add(plain_len(rest));
            }
            let Some(&byte) = bytes.get(at) else {
                return Ok(());
            };
            match self.step(byte) {
                Ok(Step::Taken) => at = at.saturating_add(1),
                Ok(Step::NumberEnded) => self.state = State::After,
                Err(kind) => return Err((at, kind)),
            }
        }
    }

    fn step(&mut self, byte: u8) -> Result<Step, JsonErrorKind> {
        self.state = match self.state {
            State::InString | State::Escape => self.string_step(byte)?,
            State::Hex { .. } | State::LowBackslash | State::LowU => unicode_step(self.state, byte)?,
            State::Word { rest } => word_step(rest, byte)?,
            State::Number(part) => match part.step(byte)? {
                Some(part) => State::Number(part),
                None => return Ok(Step::NumberEnded),
            },
            state if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => state,
            State::Value => self.value_step(byte)?,
            State::ItemOrClose if byte == b']' => self.close(),
            State::ItemOrClose => self.value_step(byte)?,
            State::KeyOrClose if byte == b'}' => self.close(),
            State::KeyOrClose | State::Key if byte == b'"' => {
                self.in_key = true;
                State::InString
            }
            State::KeyOrClose | State::Key => {
                return Err(unexpected(byte, "a key in double quotes"));
            }
            State::Colon if byte == b':' => State::Value,
            State::Colon => return Err(unexpected(byte, "`:`")),
            State::After => self.after_step(byte)?,
        };
        Ok(Step::Taken)
    }

    fn value_step(&mut self, byte: u8) -> Result<State, JsonErrorKind> {
        Ok(match byte {
            b'"' => {
                self.in_key = false;
                State::InString
            }
            b'{' => self.open(Container::Object, State::KeyOrClose)?,
            b'[' => self.open(Container::Array, State::ItemOrClose)?,
            b'-' => State::Number(NumberPart::Minus),
            b'0' => State::Number(NumberPart::Zero),
            b'1'..=b'9' => State::Number(NumberPart::Integer),
            b't' => State::Word { rest: b"rue" },
            b'f' => State::Word { rest: b"alse" },
            b'n' => State::Word { rest: b"ull" },
            b'a'..=b'z' | b'A'..=b'Z' => return Err(JsonErrorKind::InvalidLiteral),
            _ => return Err(unexpected(byte, "a value")),
        })
    }

    fn after_step(&mut self, byte: u8) -> Result<State, JsonErrorKind> {
        match (self.open.last(), byte) {
            (None, _) => Err(JsonErrorKind::TrailingData),
            (Some(Container::Object), b',') => Ok(State::Key),
            (Some(Container::Array), b',') => Ok(State::Value),
            (Some(Container::Object), b'}') | (Some(Container::Array), b']') => Ok(self.close()),
            (Some(Container::Object), _) => Err(unexpected(byte, "`,` or `}`")),
            (Some(Container::Array), _) => Err(unexpected(byte, "`,` or `]`")),
        }
    }

    fn string_step(&self, byte: u8) -> Result<State, JsonErrorKind> {
        match (self.state, byte) {
            (State::Escape, b'u') => Ok(State::Hex {
                digits: 0,
                unit: 0,
                low: false,
            }),
            (State::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(State::InString),
            (State::Escape, _) => Err(JsonErrorKind::InvalidEscape),
            (_, b'"') => Ok(if self.in_key { State::Colon } else { State::After }),
            (_, b'\\') => Ok(State::Escape),
            (_, 0..0x20) => Err(JsonErrorKind::ControlCharacter { byte }),
            (_, _) => Ok(State::InString),
        }
    }

    fn open(&mut self, container: Container, inside: State) -> Result<State, JsonErrorKind> {
        if self.open.len() >= self.depth_max {
            return Err(JsonErrorKind::TooDeep {
                depth_max: self.depth_max,
            });
        }
        self.open.push(container);
        Ok(inside)
    }

    fn close(&mut self) -> State {
        self.open.pop();
        State::After
    }
}

impl std::fmt::Debug for ArgumentBuffer {
    /// Sizes only: the text may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.text.len();
        f.debug_struct("ArgumentBuffer")
            .field("bytes", &bytes)
            .field("progress", &self.progress())
            .finish()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Array,
    Object,
}

/// Where the machine stands between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    ItemOrClose,
    Key,
    KeyOrClose,
    Colon,
    /// A value has ended.
    After,
    InString,
    Escape,
    /// Inside `\uXXXX`; `low` when it must be the second half of a pair.
    Hex {
        digits: u8,
        unit: u16,
        low: bool,
    },
    LowBackslash,
    LowU,
    Word {
        rest: &'static [u8],
    },
    Number(NumberPart),
}

impl State {
    fn number_may_end(self) -> bool {
        match self {
            Self::Number(part) => part.may_end(),
            _ => false,
        }
    }
}

enum Step {
    Taken,
    /// The byte does not belong to the number before it and is still to be read.
    NumberEnded,
}

fn unicode_step(state: State, byte: u8) -> Result<State, JsonErrorKind> {
    match state {
        State::LowBackslash if byte == b'\\' => Ok(State::LowU),
        State::LowU if byte == b'u' => Ok(State::Hex {
            digits: 0,
            unit: 0,
            low: true,
        }),
        State::Hex { digits, unit, low } => {
            let digit = hex_value(byte).ok_or(JsonErrorKind::InvalidEscape)?;
            let (digits, unit) = (digits.saturating_add(1), (unit << 4) | u16::from(digit));
            match (digits, low) {
                (0..4, _) => Ok(State::Hex { digits, unit, low }),
                (_, true) if is_low_surrogate(unit) => Ok(State::InString),
                (_, false) if is_high_surrogate(unit) => Ok(State::LowBackslash),
                (_, false) if !is_low_surrogate(unit) => Ok(State::InString),
                (_, _) => Err(JsonErrorKind::LoneSurrogate),
            }
        }
        _ => Err(JsonErrorKind::LoneSurrogate),
    }
}

fn word_step(rest: &'static [u8], byte: u8) -> Result<State, JsonErrorKind> {
    match rest.split_first() {
        Some((&first, [])) if first == byte => Ok(State::After),
        Some((&first, rest)) if first == byte => Ok(State::Word { rest }),
        _ => Err(JsonErrorKind::InvalidLiteral),
    }
}

fn unexpected(byte: u8, expected: &'static str) -> JsonErrorKind {
    JsonErrorKind::UnexpectedByte { byte, expected }
}

/// The last thing read of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberPart {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl NumberPart {
    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::ExponentDigits)
    }

    /// The part after `byte`, or `None` when the number ended before it.
    fn step(self, byte: u8) -> Result<Option<Self>, JsonErrorKind> {
        match (self, byte) {
            (Self::Minus, b'0') => Ok(Some(Self::Zero)),
            (Self::Minus, b'1'..=b'9') | (Self::Integer, b'0'..=b'9') => Ok(Some(Self::Integer)),
            (Self::Zero | Self::Integer, b'.') => Ok(Some(Self::Point)),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Ok(Some(Self::Fraction)),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Ok(Some(Self::Exponent)),
            (Self::Exponent, b'+' | b'-') => Ok(Some(Self::ExponentSign)),
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => Ok(Some(Self::ExponentDigits)),
            (_, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-') => Err(JsonErrorKind::InvalidNumber),
            (part, _) if part.may_end() => Ok(None),
            (_, _) => Err(JsonErrorKind::InvalidNumber),
        }
    }
}
