//! The one spelling of values: what is written, and a reader that takes nothing else.

use std::fmt::Write as _;

use testudo_types::{Action, Severity, Verdict};

use super::error::{DecodeError, EncodeError, Flaw, Misread};
use super::{LIST_ITEMS_MAX, NUMBER_MAX, TEXT_BYTES_MAX};

/// Something that stands in an entry.
pub(super) trait Value: Sized {
    /// Appends the value's spelling.
    fn write(&self, out: &mut String) -> Result<(), EncodeError>;

    /// Takes the value from the front.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Makes the value one that can be written, with lists of at most `items_max` items.
    fn clip(&mut self, _items_max: usize) {}

    /// Whether the member is left out.
    fn is_absent(&self) -> bool {
        false
    }

    /// What a member is that was left out; `None` when it has to be there.
    fn absent() -> Option<Self> {
        None
    }
}

/// What is still to be read. Each `take` moves on only when it succeeds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a str,
    /// Where the whole text ends, counted in bytes from its start.
    end: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            end: text.len(),
        }
    }

    /// An error at the place where reading stands.
    pub(super) fn error(&self, problem: Misread) -> DecodeError {
        DecodeError {
            at: self.end.saturating_sub(self.rest.len()),
            problem,
        }
    }

    pub(super) fn take(&mut self, token: &str) -> bool {
        self.rest.strip_prefix(token).map(|rest| self.rest = rest).is_some()
    }

    pub(super) fn expect(&mut self, token: &'static str) -> Result<(), DecodeError> {
        if self.take(token) {
            Ok(())
        } else {
            Err(self.error(Misread::Expected(token)))
        }
    }

    /// Takes the name of a member with what stands around it.
    pub(super) fn take_name(&mut self, name: &str, first: bool) -> bool {
        let mut ahead = *self;
        let found = (first || ahead.take(",")) && ahead.take("\"") && ahead.take(name) && ahead.take("\":");
        if found {
            *self = ahead;
        }
        found
    }

    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error(Misread::Expected("the end")))
        }
    }

    fn split(&mut self, bytes: usize) -> Option<&'a str> {
        let (front, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(front)
    }

    /// Takes an object unread, for whoever knows its type; only its end is looked for.
    pub(super) fn take_object(&mut self) -> Result<Self, DecodeError> {
        let start = *self;
        if !self.rest.starts_with('{') {
            return Err(self.error(Misread::Expected("an object")));
        }
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        for (at, byte) in self.rest.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                _ if in_text => {}
                b'{' => depth = depth.saturating_add(1),
                b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && !in_text {
                let Some(object) = self.split(at.saturating_add(1)) else {
                    break;
                };
                let end = start.end.saturating_sub(self.rest.len());
                return Ok(Self { rest: object, end });
            }
        }
        Err(start.error(Misread::Expected("an object that ends")))
    }

    /// A whole number in its only spelling.
    fn digits(&mut self) -> Result<u64, DecodeError> {
        let start = *self;
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let digits = self.split(count).unwrap_or_default();
        if digits.is_empty() || (digits.starts_with('0') && digits.len() > 1) {
            return Err(start.error(Misread::Number));
        }
        match digits.parse() {
            Ok(number) if number <= NUMBER_MAX => Ok(number),
            _ => Err(start.error(Misread::NumberTooGreat)),
        }
    }

    /// A text; borrowed parts between escapes are handed to `part`.
    fn text(&mut self, mut part: impl FnMut(&'a str)) -> Result<(), DecodeError> {
        self.expect("\"")?;
        loop {
            let Some(stop) = self.rest.bytes().position(|byte| byte == b'"' || byte == b'\\') else {
                return Err(self.error(Misread::Expected("a text that ends")));
            };
            part(self.split(stop).unwrap_or_default());
            if self.take("\"") {
                return Ok(());
            }
            // No text of an entry has control characters, so these two are all there is to escape.
            match self.rest.as_bytes() {
                [_, b'"' | b'\\', ..] => {
                    self.take("\\");
                    part(self.split(1).unwrap_or_default());
                }
                _ => return Err(self.error(Misread::Escape)),
            }
        }
    }

    /// A text without escapes: ids, digests and names are such.
    pub(super) fn plain(&mut self) -> Result<&'a str, DecodeError> {
        let start = *self;
        let mut parts = 0_usize;
        let mut whole = "";
        self.text(|part| {
            parts = parts.saturating_add(1);
            whole = part;
        })?;
        if parts > 1 {
            return Err(start.error(Misread::Escape));
        }
        Ok(whole)
    }
}

impl Reader<'_> {
    /// One of a few names.
    pub(super) fn name<T>(&mut self, what: &'static str, find: fn(&str) -> Option<T>) -> Result<T, DecodeError> {
        let start = *self;
        find(self.plain()?).ok_or_else(|| start.error(Misread::Expected(what)))
    }
}

/// Writes a text that is known to need no escapes.
pub(super) fn write_plain(text: impl std::fmt::Display, out: &mut String) {
    // Writing to a `String` cannot fail.
    let _ = write!(out, "\"{text}\"");
}

impl Value for String {
    fn write(&self, out: &mut String) -> Result<(), EncodeError> {
        check_text(self).map_err(EncodeError::from)?;
        out.push('"');
        let mut rest = self.as_str();
        while let Some((plain, escaped)) = rest.find(['"', '\\']).and_then(|stop| rest.split_at_checked(stop)) {
            out.push_str(plain);
            out.push('\\');
            let mut characters = escaped.chars();
            out.extend(characters.next());
            rest = characters.as_str();
        }
        out.push_str(rest);
        out.push('"');
        Ok(())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        let mut text = Self::new();
        reader.text(|part| text.push_str(part))?;
        check_text(&text).map_err(|flaw| start.error(flaw.into()))?;
        Ok(text)
    }

    fn clip(&mut self, _items_max: usize) {
        if self.chars().any(char::is_control) {
            *self = self.replace(char::is_control, "\u{fffd}");
        }
        self.truncate(self.floor_char_boundary(TEXT_BYTES_MAX));
    }
}

fn check_text(text: &str) -> Result<(), Flaw> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Flaw::TextTooLong { bytes: text.len() });
    }
    // Nearly all texts are ASCII; the others have further control characters.
    let suspect = text.bytes().any(|byte| !(b' '..0x7f).contains(&byte));
    if suspect && text.chars().any(char::is_control) {
        return Err(Flaw::Control);
    }
    Ok(())
}

impl Value for u64 {
    fn write(&self, out: &mut String) -> Result<(), EncodeError> {
        if *self > NUMBER_MAX {
            return Err(Flaw::NumberTooGreat.into());
        }
        let _ = write!(out, "{self}");
        Ok(())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.digits()
    }

    fn clip(&mut self, _items_max: usize) {
        *self = NUMBER_MAX.min(*self);
    }
}

impl Value for u16 {
    fn write(&self, out: &mut String) -> Result<(), EncodeError> {
        u64::from(*self).write(out)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        let number = reader.digits()?;
        Self::try_from(number).map_err(|_| start.error(Misread::NumberTooGreat))
    }
}

impl Value for i64 {
    fn write(&self, out: &mut String) -> Result<(), EncodeError> {
        if *self < 0 {
            out.push('-');
        }
        self.unsigned_abs().write(out)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        let negative = reader.take("-");
        let number = Self::try_from(reader.digits()?).map_err(|_| start.error(Misread::NumberTooGreat))?;
        match (negative, number.checked_neg()) {
            (false, _) => Ok(number),
            (true, Some(negated)) if number > 0 => Ok(negated),
            (true, _) => Err(start.error(Misread::Number)),
        }
    }

    fn clip(&mut self, _items_max: usize) {
        let most = Self::try_from(NUMBER_MAX).unwrap_or(Self::MAX);
        *self = (*self).clamp(most.saturating_neg(), most);
    }
}

impl Value for bool {
    fn write(&self, out: &mut String) -> Result<(), EncodeError> {
        out.push_str(if *self { "true" } else { "false" });
        Ok(())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.take("true") {
            return Ok(true);
        }
        reader.expect("false").map(|()| false)
    }
}

impl<T: Value> Value for Option<T> {
    fn write(&self, out: &mut String) -> Result<(), EncodeError> {
        self.as_ref().map_or(Ok(()), |value| value.write(out))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read(reader).map(Some)
    }

    fn clip(&mut self, items_max: usize) {
        if let Some(value) = self {
            value.clip(items_max);
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Value> Value for Vec<T> {
    fn write(&self, out: &mut String) -> Result<(), EncodeError> {
        if self.len() > LIST_ITEMS_MAX {
            return Err(Flaw::ListTooLong { items: self.len() }.into());
        }
        out.push('[');
        for (at, item) in self.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            item.write(out)?;
        }
        out.push(']');
        Ok(())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_list(reader, LIST_ITEMS_MAX)
    }

    fn clip(&mut self, items_max: usize) {
        self.truncate(items_max);
        for item in self {
            item.clip(items_max);
        }
    }
}

/// A list of at most `items_max` items.
pub(super) fn read_list<T: Value>(reader: &mut Reader<'_>, items_max: usize) -> Result<Vec<T>, DecodeError> {
    reader.expect("[")?;
    let mut items = Vec::new();
    if reader.take("]") {
        return Ok(items);
    }
    loop {
        if items.len() == items_max {
            return Err(reader.error(Misread::ListTooLong { items_max }));
        }
        items.push(T::read(reader)?);
        if reader.take("]") {
            return Ok(items);
        }
        reader.expect(",")?;
    }
}

/// A value spelled as one of a few names.
macro_rules! named {
    ($($type:ty, $what:expr, $from_name:expr;)*) => {
        $(impl $crate::entry::canonical::Value for $type {
            fn write(&self, out: &mut String) -> Result<(), $crate::entry::EncodeError> {
                $crate::entry::canonical::write_plain(self.as_str(), out);
                Ok(())
            }

            fn read(
                reader: &mut $crate::entry::canonical::Reader<'_>,
            ) -> Result<Self, $crate::entry::DecodeError> {
                reader.name($what, $from_name)
            }
        })*
    };
}

pub(super) use named;

named! {
    Verdict, "the name of a verdict", verdict;
    Action, "the name of an action", Action::from_name;
    Severity, "the name of a severity", Severity::from_name;
}

fn verdict(name: &str) -> Option<Verdict> {
    [
        Verdict::Allow,
        Verdict::Warn,
        Verdict::Modify,
        Verdict::Escalate,
        Verdict::Deny,
    ]
    .into_iter()
    .find(|verdict| verdict.as_str() == name)
}
