//! One pass over the bytes that checks the grammar and notes where each value lies.

use super::document::{Entry, Kind, NONE};
use super::error::{JsonError, JsonErrorKind};
use super::keys::{Key, first_duplicate};
use super::literal::{self, StringLiteral, widen};
use super::{Limits, document};

/// The tape of `bytes`: values in document order, each knowing where its subtree ends.
///
/// # Errors
/// The first refusal met; see [`JsonErrorKind`].
pub(super) fn scan<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(&'a str, Vec<Entry>), JsonError> {
    let bytes_max = limits.bytes_max.min(widen(u32::MAX).saturating_sub(1));
    if bytes.len() > bytes_max {
        return Err(JsonError::new(JsonErrorKind::TooLarge { bytes_max }, bytes_max));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError::new(JsonErrorKind::ByteOrderMark, 0));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| JsonError::new(JsonErrorKind::InvalidUtf8, error.valid_up_to()))?;
    // A guess that spares short documents the growing and large ones nothing much.
    let nodes = (bytes.len() >> 4).clamp(1, 4096).min(limits.nodes_max);
    let tape = Vec::with_capacity(nodes);
    let mut scanner = Scanner {
        text,
        bytes,
        limits,
        at: 0,
        tape,
        open: NONE,
        depth: 0,
        keys: Vec::new(),
    };
    match scanner.run() {
        Ok(()) => Ok((text, scanner.tape)),
        Err(error) => Err(scanner.place(error)),
    }
}

struct Scanner<'a, 'l> {
    text: &'a str,
    bytes: &'a [u8],
    limits: &'l Limits,
    at: usize,
    tape: Vec<Entry>,
    /// The innermost container not yet closed, or [`NONE`]. Until it closes, the `skip` of its
    /// entry counts its children.
    open: u32,
    depth: usize,
    /// The keys of the object that closes, kept to reuse the memory.
    keys: Vec<Key<'a>>,
}

/// What the grammar allows next.
#[derive(Clone, Copy)]
enum Next {
    Value,
    ItemOrClose,
    Key,
    KeyOrClose,
    CommaOrClose,
}

impl<'a> Scanner<'a, '_> {
    fn run(&mut self) -> Result<(), JsonError> {
        self.skip_white_space();
        if self.peek().is_none() {
            return Err(self.refuse(JsonErrorKind::Empty));
        }
        let mut next = Next::Value;
        let mut key = None;
        loop {
            self.skip_white_space();
            next = match (next, self.peek()) {
                (Next::ItemOrClose, Some(b']')) | (Next::KeyOrClose, Some(b'}')) => self.close()?,
                (Next::Value | Next::ItemOrClose, _) => self.value(key.take())?,
                (Next::Key | Next::KeyOrClose, _) => {
                    key = Some(self.key()?);
                    Next::Value
                }
                (Next::CommaOrClose, byte) if self.open == NONE => {
                    return if byte.is_none() {
                        Ok(())
                    } else {
                        Err(self.refuse(JsonErrorKind::TrailingData))
                    };
                }
                (Next::CommaOrClose, byte) => self.comma_or_close(byte)?,
            };
        }
    }

    fn comma_or_close(&mut self, byte: Option<u8>) -> Result<Next, JsonError> {
        match (self.open_kind(), byte) {
            (Kind::Object, Some(b',')) => {
                self.step();
                Ok(Next::Key)
            }
            (_, Some(b',')) => {
                self.step();
                Ok(Next::Value)
            }
            (Kind::Object, Some(b'}')) | (Kind::Array, Some(b']')) => self.close(),
            (Kind::Object, _) => Err(self.unexpected("`,` or `}`")),
            (_, _) => Err(self.unexpected("`,` or `]`")),
        }
    }

    fn value(&mut self, key: Option<StringLiteral>) -> Result<Next, JsonError> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => {
                let literal = self.string()?;
                self.push(Kind::String, start, literal.is_escaped(), key)?;
            }
            Some(b'{') => return self.open(Kind::Object, key),
            Some(b'[') => return self.open(Kind::Array, key),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                self.push(Kind::Number, start, false, key)?;
            }
            Some(b't') => self.word(b"true", Kind::Bool, key)?,
            Some(b'f') => self.word(b"false", Kind::Bool, key)?,
            Some(b'n') => self.word(b"null", Kind::Null, key)?,
            Some(b'a'..=b'z' | b'A'..=b'Z') => {
                return Err(self.refuse(JsonErrorKind::InvalidLiteral));
            }
            _ => return Err(self.unexpected("a value")),
        }
        Ok(Next::CommaOrClose)
    }

    fn key(&mut self) -> Result<StringLiteral, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let key = self.string()?;
        self.skip_white_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.step();
        Ok(key)
    }

    fn open(&mut self, kind: Kind, key: Option<StringLiteral>) -> Result<Next, JsonError> {
        if self.depth >= self.limits.depth_max {
            return Err(self.refuse(JsonErrorKind::TooDeep {
                depth_max: self.limits.depth_max,
            }));
        }
        let start = self.at;
        self.step();
        let id = self.push(kind, start, false, key)?;
        if let Some(entry) = self.entry_mut(id) {
            entry.skip = 0;
        }
        self.open = id;
        self.depth = self.depth.saturating_add(1);
        Ok(if kind == Kind::Object {
            Next::KeyOrClose
        } else {
            Next::ItemOrClose
        })
    }

    /// Ends the innermost container at the bracket that stands here.
    fn close(&mut self) -> Result<Next, JsonError> {
        self.step();
        let (id, end, skip) = (self.open, self.offset(), self.tape_len());
        let mut children = 0;
        let mut kind = Kind::Array;
        let mut parent = NONE;
        if let Some(entry) = self.entry_mut(id) {
            (children, kind, parent) = (entry.skip, entry.kind, entry.parent);
            entry.skip = skip;
            entry.end = end;
        }
        if kind == Kind::Object && children > 1 {
            self.refuse_duplicate(id)?;
        }
        self.open = parent;
        self.depth = self.depth.saturating_sub(1);
        Ok(Next::CommaOrClose)
    }

    fn refuse_duplicate(&mut self, object: u32) -> Result<(), JsonError> {
        self.keys.clear();
        let mut child = object.saturating_add(1);
        while let Some(entry) = self.tape.get(widen(child)) {
            let text = entry.key().decode_str(self.text);
            self.keys.push(Key::new(text, entry.key_start));
            child = entry.skip;
        }
        match first_duplicate(&mut self.keys) {
            None => Ok(()),
            Some(key) => {
                let kind = JsonErrorKind::DuplicateKey {
                    key: key.text.clone().into_owned(),
                };
                Err(JsonError::new(kind, widen(key.start)))
            }
        }
    }

    fn push(&mut self, kind: Kind, start: usize, escaped: bool, key: Option<StringLiteral>) -> Result<u32, JsonError> {
        let nodes_max = self.limits.nodes_max.min(widen(NONE).saturating_sub(1));
        if self.tape.len() >= nodes_max {
            return Err(JsonError::new(JsonErrorKind::TooManyNodes { nodes_max }, start));
        }
        let (id, parent, end) = (self.tape_len(), self.open, self.offset());
        let mut ordinal = 0;
        if let Some(container) = self.entry_mut(parent) {
            ordinal = container.skip;
            container.skip = container.skip.saturating_add(1);
        }
        let start = narrow(start);
        let skip = id.saturating_add(1);
        self.tape.push(
            Entry::new(kind, start, end, escaped)
                .under(parent, ordinal, key)
                .skipping_to(skip),
        );
        Ok(id)
    }

    /// Reads a string literal from its opening quote past its closing one.
    fn string(&mut self) -> Result<StringLiteral, JsonError> {
        let start = self.offset();
        let mut escaped = false;
        self.step();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at = self.at.saturating_add(literal::plain_len(rest));
            match self.peek() {
                Some(b'"') => {
                    self.step();
                    return Ok(StringLiteral::new(start, self.offset(), escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(byte) => return Err(self.refuse(JsonErrorKind::ControlCharacter { byte })),
                None => return Err(self.refuse(JsonErrorKind::UnexpectedEnd)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len: usize = match rest.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => self.unicode_escape_len(rest)?,
            Some(_) => return Err(self.refuse(JsonErrorKind::InvalidEscape)),
            None => return Err(self.end()),
        };
        self.at = self.at.saturating_add(len);
        Ok(())
    }

    fn unicode_escape_len(&self, rest: &[u8]) -> Result<usize, JsonError> {
        let unit = |at: usize| match rest.get(at..).and_then(literal::hex4) {
            Some(unit) => Ok(unit),
            None if rest.get(at..).unwrap_or_default().iter().all(u8::is_ascii_hexdigit) => Err(self.end()),
            None => Err(self.refuse(JsonErrorKind::InvalidEscape)),
        };
        let first = unit(2)?;
        if literal::is_low_surrogate(first) {
            return Err(self.refuse(JsonErrorKind::LoneSurrogate));
        }
        if !literal::is_high_surrogate(first) {
            return Ok(6);
        }
        if rest.get(6..8) != Some(b"\\u") || !literal::is_low_surrogate(unit(8)?) {
            return Err(self.refuse(JsonErrorKind::LoneSurrogate));
        }
        Ok(12)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.step();
        }
        match self.peek() {
            Some(b'0') => self.step(),
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.step();
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.step();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.step();
            }
            self.digits()?;
        }
        match self.peek() {
            Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-') => {
                Err(self.refuse(JsonErrorKind::InvalidNumber))
            }
            _ => Ok(()),
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            let ended = rest.is_empty();
            return Err(if ended {
                self.end()
            } else {
                self.refuse(JsonErrorKind::InvalidNumber)
            });
        }
        self.at = self.at.saturating_add(count);
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: Kind, key: Option<StringLiteral>) -> Result<(), JsonError> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let after = rest.get(word.len()..).and_then(|after| after.first());
        if !rest.starts_with(word) || after.is_some_and(u8::is_ascii_alphanumeric) {
            let cut = word.starts_with(rest);
            return Err(if cut {
                self.end()
            } else {
                self.refuse(JsonErrorKind::InvalidLiteral)
            });
        }
        self.at = start.saturating_add(word.len());
        self.push(kind, start, false, key)?;
        Ok(())
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.step();
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn offset(&self) -> u32 {
        narrow(self.at)
    }

    fn tape_len(&self) -> u32 {
        narrow(self.tape.len())
    }

    fn entry_mut(&mut self, id: u32) -> Option<&mut Entry> {
        self.tape.get_mut(widen(id))
    }

    fn open_kind(&self) -> Kind {
        self.tape.get(widen(self.open)).map_or(Kind::Null, |entry| entry.kind)
    }

    fn unexpected(&self, expected: &'static str) -> JsonError {
        match self.peek() {
            Some(byte) => self.refuse(JsonErrorKind::UnexpectedByte { byte, expected }),
            None => self.refuse(JsonErrorKind::UnexpectedEnd),
        }
    }

    fn refuse(&self, kind: JsonErrorKind) -> JsonError {
        JsonError::new(kind, self.at)
    }

    fn end(&self) -> JsonError {
        JsonError::new(JsonErrorKind::UnexpectedEnd, self.bytes.len())
    }

    /// Adds the pointer of the container that the scanner stood in.
    fn place(&self, error: JsonError) -> JsonError {
        if self.tape.is_empty() {
            return error;
        }
        error.within(document::pointer(self.text, &self.tape, self.open))
    }
}

/// Lengths were checked against `u32::MAX` before the scan began.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
