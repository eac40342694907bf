//! Zstandard in several frames, with frames between them that readers go over.

use std::io::{self, Read};

use ruzstd::decoding::StreamingDecoder;

/// Frames that hold what readers go over.
const SKIPPED: [u8; 3] = [0x2a, 0x4d, 0x18];

/// What is left of a stream, with bytes that were read of it already.
struct Rest<R> {
    again: Vec<u8>,
    from: R,
}

impl<R: Read> Read for Rest<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.again.is_empty() {
            return self.from.read(into);
        }
        let count = self.again.as_slice().read(into)?;
        self.again.drain(..count);
        Ok(count)
    }
}

type Decoder<R> = StreamingDecoder<Rest<R>, ruzstd::decoding::FrameDecoder>;

enum State<R: Read> {
    /// Before a frame, or at the end.
    Between(Rest<R>),
    Within(Box<Decoder<R>>),
    Ended,
}

/// All frames of a stream, one after the other.
pub(super) struct Frames<R: Read> {
    state: State<R>,
    window_bytes: u64,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(packed: R, window_bytes: u64) -> Self {
        let again = Vec::new();
        Self {
            state: State::Between(Rest { again, from: packed }),
            window_bytes,
        }
    }

    /// Goes over what is skipped, up to the next frame.
    fn begin(&self, mut rest: Rest<R>) -> io::Result<State<R>> {
        loop {
            let head = testudo_bounded::read_to_end((&mut rest).take(4), 4).map_err(io::Error::other)?;
            match head.as_slice() {
                [] => return Ok(State::Ended),
                [0x50..=0x5f, magic @ ..] if magic == SKIPPED => {
                    let mut bytes = [0; 4];
                    rest.read_exact(&mut bytes)?;
                    let bytes = u64::from(u32::from_le_bytes(bytes));
                    if io::copy(&mut (&mut rest).take(bytes), &mut io::sink())? < bytes {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                _ => {
                    rest.again = head;
                    let decoder = StreamingDecoder::new_with_max_window_size(rest, self.window_bytes);
                    let decoder = decoder.map_err(|error| io::Error::other(error.to_string()))?;
                    return Ok(State::Within(Box::new(decoder)));
                }
            }
        }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(rest) => self.begin(rest)?,
                State::Within(mut decoder) => match decoder.read(into)? {
                    0 => State::Between(decoder.into_inner()),
                    count => {
                        self.state = State::Within(decoder);
                        return Ok(count);
                    }
                },
            };
        }
    }
}
