//! HTTP/1.1 messages read from bytes as they arrive; just enough for measuring and comparing.

/// What a reader found; data comes without its chunk framing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Start line and headers, with their line ends.
    Head(&'a str),
    Data(&'a [u8]),
    End,
}

/// The bytes are not a message that this reader understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Reads one message after another.
#[derive(Debug)]
pub(crate) struct MessageReader {
    state: State,
    line: Vec<u8>,
    /// A response without a length lasts until the connection closes; a request has no body then.
    is_response: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Length(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailer,
    UntilClose,
}

const HEAD_BYTES_MAX: usize = 64 << 10;

impl MessageReader {
    pub(crate) fn responses() -> Self {
        Self::new(true)
    }

    pub(crate) fn requests() -> Self {
        Self::new(false)
    }

    fn new(is_response: bool) -> Self {
        Self {
            state: State::Head,
            line: Vec::new(),
            is_response,
        }
    }

    /// Takes bytes; `found` sees every part in order. After `End` the next message begins.
    ///
    /// # Errors
    /// On framing that is not HTTP/1.1; the reader is then of no further use.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], found: &mut impl FnMut(Part<'_>)) -> Result<(), Unreadable> {
        while !bytes.is_empty() {
            match self.state {
                State::Head => {
                    if let Some(text) = self.take_line(&mut bytes, b"\r\n\r\n")? {
                        self.state = self.after_head(&text, found)?;
                    }
                }
                State::Length(left) => {
                    let left = take_data(&mut bytes, left, found);
                    self.state = if left == 0 { end(found) } else { State::Length(left) };
                }
                State::ChunkSize => {
                    if let Some(text) = self.take_line(&mut bytes, b"\r\n")? {
                        let digits = text.trim_end().split(';').next().unwrap_or("");
                        self.state = match usize::from_str_radix(digits, 16).map_err(|_| Unreadable)? {
                            0 => State::Trailer,
                            size => State::Chunk(size),
                        };
                    }
                }
                State::Chunk(left) => {
                    let left = take_data(&mut bytes, left, found);
                    self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                }
                State::ChunkEnd => {
                    if self.take_line(&mut bytes, b"\r\n")?.is_some() {
                        self.state = State::ChunkSize;
                    }
                }
                State::Trailer => {
                    if let Some(text) = self.take_line(&mut bytes, b"\r\n")?
                        && text.trim_end().is_empty()
                    {
                        self.state = end(found);
                    }
                }
                State::UntilClose => {
                    found(Part::Data(bytes));
                    bytes = &[];
                }
            }
        }
        Ok(())
    }

    /// The connection closed; whether that is a proper end.
    pub(crate) fn close(&mut self, found: &mut impl FnMut(Part<'_>)) -> bool {
        match self.state {
            State::UntilClose => {
                self.state = end(found);
                true
            }
            State::Head => self.line.is_empty(),
            _ => false,
        }
    }

    fn take_line(&mut self, bytes: &mut &[u8], ending: &[u8]) -> Result<Option<String>, Unreadable> {
        while let Some((first, rest)) = bytes.split_first() {
            self.line.push(*first);
            *bytes = rest;
            if self.line.ends_with(ending) {
                let line = std::mem::take(&mut self.line);
                return String::from_utf8(line).map(Some).map_err(|_| Unreadable);
            }
            if self.line.len() > HEAD_BYTES_MAX {
                return Err(Unreadable);
            }
        }
        Ok(None)
    }

    fn after_head(&self, head: &str, found: &mut impl FnMut(Part<'_>)) -> Result<State, Unreadable> {
        found(Part::Head(head));
        let header = |name: &str| {
            head.lines().skip(1).find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        if header("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
            return Ok(State::ChunkSize);
        }
        match header("content-length") {
            Some(length) => match length.parse().map_err(|_| Unreadable)? {
                0 => Ok(end(found)),
                length => Ok(State::Length(length)),
            },
            None if self.is_response && !is_bodiless(head) => Ok(State::UntilClose),
            None => Ok(end(found)),
        }
    }
}

/// The status in a response's head.
pub(crate) fn status(head: &str) -> Option<u16> {
    head.split(' ').nth(1)?.parse().ok()
}

fn is_bodiless(head: &str) -> bool {
    matches!(status(head), Some(100..=199 | 204 | 304))
}

fn take_data(bytes: &mut &[u8], left: usize, found: &mut impl FnMut(Part<'_>)) -> usize {
    let (data, rest) = bytes.split_at_checked(left).unwrap_or((bytes, &[]));
    found(Part::Data(data));
    *bytes = rest;
    left.saturating_sub(data.len())
}

fn end(found: &mut impl FnMut(Part<'_>)) -> State {
    found(Part::End);
    State::Head
}

#[cfg(test)]
mod tests {
    use super::{MessageReader, Part};

    fn read(mut reader: MessageReader, bytes: &[u8], cut: usize) -> Vec<String> {
        let mut out = vec![String::new()];
        for piece in bytes.chunks(cut) {
            reader
                .feed(piece, &mut |part| match part {
                    Part::Head(_) => {}
                    Part::Data(data) => out.last_mut().unwrap().push_str(std::str::from_utf8(data).unwrap()),
                    Part::End => out.push(String::new()),
                })
                .unwrap();
        }
        reader.close(&mut |_| out.push(String::new()));
        out.pop();
        out
    }

    #[test]
    fn bodies_survive_any_cut() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
            3\r\nabc\r\na;x=1\r\n0123456789\r\n0\r\n\r\nHTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\nrest";
        for cut in 1..bytes.len() {
            assert_eq!(
                read(MessageReader::responses(), bytes, cut),
                ["hi", "abc0123456789", "", "rest"]
            );
        }
    }

    #[test]
    fn requests_without_a_length_have_no_body() {
        let bytes = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nPOST / HTTP/1.1\r\ncontent-length: 1\r\n\r\nx";
        assert_eq!(read(MessageReader::requests(), bytes, 7), ["", "x"]);
    }

    #[test]
    fn nonsense_is_unreadable() {
        for bytes in [
            &b"HTTP/1.1 200\r\ncontent-length: x\r\n\r\n"[..],
            b"HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(MessageReader::responses().feed(bytes, &mut |_| {}).is_err());
        }
        assert!(MessageReader::responses().feed(&[b'a'; 70_000], &mut |_| {}).is_err());
    }

    #[test]
    fn an_early_close_is_no_end() {
        let mut reader = MessageReader::responses();
        reader
            .feed(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab", &mut |_| {})
            .unwrap();
        assert!(!reader.close(&mut |_| {}));
    }
}
