//! WHATWG event streams: bytes in, cut anywhere; blocks out, byte for byte.
//!
//! A block is everything up to and including a blank line. Each [`Event`] is one block with its
//! original bytes, so the joined `raw` of all events is always the input. Blocks without data
//! (comments that keep a connection alive, single blank lines, the byte order mark) are events
//! too, with `data: None`: they are to be forwarded at once.
//!
//! # `\r` at a cut
//! `\r` ends a line, and a `\n` behind it belongs to the same line end. Where a blank line ends in
//! `\r` and the line before it ended in a bare `\r`, the stream writes `\r` alone: the event is
//! given out at once, and should a `\n` follow after all it is an empty block of its own, which
//! means nothing to a client. Otherwise the event waits for one more byte (or the end), which a
//! stream that writes `\r\n` sends in any case. The rule looks at bytes only, never at where they
//! were cut, so every cut gives the same events.

use std::ops::Range;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One block of an event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Every original byte of the block: comments, unknown fields and the blank line included.
    pub raw: Vec<u8>,
    /// The last `event` field, if it is not empty.
    pub name: Option<String>,
    /// The `data` fields joined by `\n`; `None` when there is none.
    pub data: Option<String>,
    /// Whether the blank line came. Clients drop a block that the stream's end cut short.
    pub complete: bool,
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SseError {
    /// One block is longer than the decoder accepts.
    #[error("an event of the stream is larger than the limit of {event_bytes_max} bytes; raise the limit of the route")]
    TooLarge { event_bytes_max: usize },
    /// A block is not text.
    #[error("the stream is not UTF-8 at byte {offset}; the sender must encode it as UTF-8")]
    InvalidUtf8 {
        /// From the start of the stream.
        offset: u64,
    },
}

/// Cuts a stream of bytes into blocks.
///
/// [`Self::push`] bytes as they come, then call [`Self::next`] until it gives `None`; at the end
/// call [`Self::finish`] until it gives `None`. Each byte is looked at once to find the block and
/// once to read it, however small the pushes. It holds at most one push and one event.
#[derive(Debug)]
pub struct Decoder {
    event_bytes_max: usize,
    buffer: Vec<u8>,
    /// Where in `buffer` the current block, its current line, and the unread bytes begin.
    block: usize,
    line: usize,
    at: usize,
    /// Length of everything dropped from `buffer`.
    dropped: u64,
    /// The last line of the stream ended in `\r` alone.
    bare_cr: bool,
    started: bool,
    ended: bool,
    failed: Option<SseError>,
}

impl Decoder {
    /// A decoder that refuses blocks of more than `event_bytes_max` bytes.
    #[must_use]
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            event_bytes_max,
            buffer: Vec::new(),
            block: 0,
            line: 0,
            at: 0,
            dropped: 0,
            bare_cr: false,
            started: false,
            ended: false,
            failed: None,
        }
    }

    /// Adds the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole block, or `None` until more bytes are pushed.
    ///
    /// # Errors
    /// The block is too large or not UTF-8. The stream ends there: every later call gives the same
    /// error, and [`Self::take_rest`] the bytes not given out.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end: more may be pushed")]
    pub fn next(&mut self) -> Result<Option<Event>, SseError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let event = self.block();
        if let Err(error) = &event {
            self.failed = Some(error.clone());
        }
        event
    }

    /// Says that no more bytes come, and gives what is left: whole blocks, then the unfinished one
    /// with `complete: false`, then `None`.
    ///
    /// # Errors
    /// As [`Self::next`]. A character that the end cut short is no error: `data` stops before it.
    pub fn finish(&mut self) -> Result<Option<Event>, SseError> {
        self.ended = true;
        self.next()
    }

    /// Takes the bytes that were pushed and not given out in an event, oldest first.
    pub fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buffer.get(self.block..).unwrap_or_default().to_vec();
        self.block = self.buffer.len();
        (self.line, self.at) = (self.block, self.block);
        rest
    }

    fn block(&mut self) -> Result<Option<Event>, SseError> {
        if !self.started {
            match self.byte_order_mark() {
                Some(true) => return Ok(Some(self.take_block(BYTE_ORDER_MARK.len(), None, true))),
                Some(false) => {}
                None => return Ok(None),
            }
        }
        while let Some(end) = self.line_end() {
            let blank = self.at == self.line;
            let cr = self.buffer.get(self.at) == Some(&b'\r');
            self.bare_cr = cr && end.saturating_sub(self.at) == 1;
            (self.line, self.at) = (end, end);
            if blank {
                return self.event(end, true).map(Some);
            }
            self.check_size()?;
        }
        self.check_size()?;
        if self.ended && self.block < self.buffer.len() {
            return self.event(self.buffer.len(), false).map(Some);
        }
        Ok(None)
    }

    /// Whether the stream starts with a byte order mark, once that is certain.
    fn byte_order_mark(&mut self) -> Option<bool> {
        let present = self.buffer.starts_with(BYTE_ORDER_MARK);
        if !present && !self.ended && BYTE_ORDER_MARK.starts_with(&self.buffer) {
            return None;
        }
        self.started = true;
        Some(present)
    }

    /// Moves to the end of the current line and says where the next one starts; `None` when that
    /// is not in the buffer yet.
    fn line_end(&mut self) -> Option<usize> {
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let Some(ahead) = rest.iter().position(|&byte| byte == b'\n' || byte == b'\r') else {
            self.at = self.buffer.len();
            return None;
        };
        self.at = self.at.saturating_add(ahead);
        let next = self.at.saturating_add(1);
        if rest.get(ahead) == Some(&b'\n') {
            return Some(next);
        }
        let alone = self.at == self.line && self.bare_cr;
        match self.buffer.get(next) {
            _ if alone => Some(next),
            Some(b'\n') => Some(next.saturating_add(1)),
            Some(_) => Some(next),
            None if self.ended => Some(next),
            None => None,
        }
    }

    /// The bytes of the block that have been looked at are all its own.
    fn check_size(&self) -> Result<(), SseError> {
        if self.at.saturating_sub(self.block) > self.event_bytes_max {
            return Err(SseError::TooLarge {
                event_bytes_max: self.event_bytes_max,
            });
        }
        Ok(())
    }

    fn event(&mut self, end: usize, complete: bool) -> Result<Event, SseError> {
        let raw = self.buffer.get(self.block..end).unwrap_or_default();
        if raw.len() > self.event_bytes_max {
            return Err(SseError::TooLarge {
                event_bytes_max: self.event_bytes_max,
            });
        }
        let text = match std::str::from_utf8(raw) {
            Ok(text) => Some(text),
            Err(error) if !complete && error.error_len().is_none() => raw
                .get(..error.valid_up_to())
                .and_then(|valid| std::str::from_utf8(valid).ok()),
            Err(error) => {
                let in_buffer = self.block.saturating_add(error.valid_up_to());
                let offset = self
                    .dropped
                    .saturating_add(u64::try_from(in_buffer).unwrap_or(u64::MAX));
                return Err(SseError::InvalidUtf8 { offset });
            }
        };
        let fields = Fields::read(text.unwrap_or_default());
        Ok(self.take_block(end, Some(fields), complete))
    }

    fn take_block(&mut self, end: usize, fields: Option<Fields>, complete: bool) -> Event {
        let raw = self.buffer.get(self.block..end).unwrap_or_default().to_vec();
        (self.block, self.line, self.at) = (end, end, end);
        let Fields { name, data } = fields.unwrap_or_default();
        Event {
            raw,
            name,
            data,
            complete,
        }
    }

    /// Drops what was given out, when that is at least half of the buffer: linear over all pushes.
    fn compact(&mut self) {
        if self.block.saturating_mul(2) < self.buffer.len() {
            return;
        }
        self.dropped = self
            .dropped
            .saturating_add(u64::try_from(self.block).unwrap_or(u64::MAX));
        self.buffer.drain(..self.block.min(self.buffer.len()));
        self.line = self.line.saturating_sub(self.block);
        self.at = self.at.saturating_sub(self.block);
        self.block = 0;
    }
}

impl Event {
    /// The same block with its data replaced and every other byte kept: the new lines stand where
    /// the first `data` line stood, the other `data` lines go. A block without data gets them
    /// before its blank line. Each line break in `new_data` (`\n`, `\r\n` or `\r`, which data
    /// cannot carry otherwise) starts a new `data` line.
    #[must_use]
    pub fn with_data(&self, new_data: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.raw.len().saturating_add(new_data.len()));
        let mut written = false;
        for line in lines(&self.raw) {
            let content = self.raw.get(line.content.clone()).unwrap_or_default();
            let ending = self.raw.get(line.content.end..line.end).unwrap_or_default();
            let is_data = field(content).is_some_and(|(name, _)| name == b"data");
            if !written && (is_data || (self.data.is_none() && content.is_empty())) {
                let spaced = !is_data || content.get(5) == Some(&b' ');
                write_data(
                    new_data,
                    spaced,
                    if ending.is_empty() { b"\n" } else { ending },
                    &mut out,
                );
                written = true;
            }
            if !is_data {
                // A data line that went may have stood between a `\r` and this `\n`.
                if content.is_empty() && ending == b"\n" && out.last() == Some(&b'\r') {
                    out.push(b'\n');
                }
                out.extend_from_slice(content);
                out.extend_from_slice(ending);
            }
        }
        if !written {
            write_data(new_data, true, b"\n", &mut out);
        }
        out
    }

    /// The lines that are neither data nor the event's name, without their line ends: comments,
    /// `id`, `retry` and unknown fields. A client can see them.
    pub fn extras(&self) -> impl Iterator<Item = &[u8]> {
        let content = lines(&self.raw).map(|line| self.raw.get(line.content).unwrap_or_default());
        content.filter(|content| match field(content) {
            Some((name, _)) => name != b"data" && name != b"event",
            None => !content.is_empty() && *content != BYTE_ORDER_MARK,
        })
    }
}

/// Appends one block with this event name and these data; line breaks in `data` become several
/// `data` lines, line breaks in `name` are left out.
pub fn write(name: Option<&str>, data: &str, out: &mut Vec<u8>) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend(name.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
        out.push(b'\n');
    }
    write_data(data, true, b"\n", out);
    out.push(b'\n');
}

fn write_data(data: &str, spaced: bool, ending: &[u8], out: &mut Vec<u8>) {
    let mut write_line = |line: &[u8]| {
        out.extend_from_slice(b"data:");
        if spaced || line.first() == Some(&b' ') {
            out.push(b' ');
        }
        out.extend_from_slice(line);
        out.extend_from_slice(ending);
    };
    let bytes = data.as_bytes();
    // What follows the last line end is a line too, even if empty.
    let mut more = true;
    for line in lines(bytes) {
        write_line(bytes.get(line.content.clone()).unwrap_or_default());
        more = line.content.end < line.end;
    }
    if more {
        write_line(b"");
    }
}

#[derive(Debug, Default)]
struct Fields {
    name: Option<String>,
    data: Option<String>,
}

impl Fields {
    fn read(block: &str) -> Self {
        let mut fields = Self::default();
        for line in lines(block.as_bytes()) {
            let content = block.get(line.content).unwrap_or_default();
            match field(content.as_bytes()) {
                Some((b"event", value_at)) => {
                    let name = content.get(value_at..).unwrap_or_default();
                    fields.name = (!name.is_empty()).then(|| name.to_owned());
                }
                Some((b"data", value_at)) => {
                    let value = content.get(value_at..).unwrap_or_default();
                    match &mut fields.data {
                        None => fields.data = Some(value.to_owned()),
                        Some(data) => {
                            data.push('\n');
                            data.push_str(value);
                        }
                    }
                }
                _ => {}
            }
        }
        fields
    }
}

/// Name of the field in a line and where its value starts; `None` for comments and blank lines.
fn field(line: &[u8]) -> Option<(&[u8], usize)> {
    match line.iter().position(|&byte| byte == b':') {
        None => (!line.is_empty()).then_some((line, line.len())),
        Some(0) => None,
        Some(colon) => {
            let space = usize::from(line.get(colon.saturating_add(1)) == Some(&b' '));
            Some((line.get(..colon)?, colon.saturating_add(1).saturating_add(space)))
        }
    }
}

/// A line: its content, and where its line end stops.
struct Line {
    content: Range<usize>,
    end: usize,
}

/// The lines of `bytes`, the last one perhaps without a line end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Line> {
    let mut start: usize = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest
            .iter()
            .position(|&byte| byte == b'\n' || byte == b'\r')
            .unwrap_or(rest.len());
        let content = start..start.saturating_add(length);
        let ending = match (rest.get(length), rest.get(length.saturating_add(1))) {
            (Some(b'\r'), Some(b'\n')) => 2,
            (Some(_), _) => 1,
            (None, _) => 0,
        };
        start = content.end.saturating_add(ending);
        Some(Line { content, end: start })
    })
}

#[cfg(test)]
mod tests;
