//! The knobs of the mock, as a struct and as `key=value` text.

use bytes::Bytes;

/// How the mock answers. Every knob can also be set per request by a header `x-mock-<key>` (with `-` for `_`)
/// or by a top-level body field `"x_mock": {"<key>": value}`, which survives a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockSettings {
    /// From the whole request to the response head, in milliseconds.
    pub ttft_ms: u64,
    /// Text deltas per choice of a stream.
    pub chunks: usize,
    /// Between two frames of a stream, in milliseconds.
    pub interval_ms: u64,
    /// Text bytes per delta of a stream.
    pub chunk_bytes: usize,
    /// Text bytes of an answer that is not streamed.
    pub body_bytes: usize,
    /// How a stream's bytes are cut into writes.
    pub split: Split,
    /// Choices when the request has no `n`.
    pub choices: usize,
    /// Parallel tool calls in the answer, whatever the request offers.
    pub tools: usize,
    pub reasoning: bool,
    pub refusal: bool,
    pub logprobs: bool,
    pub usage: UsageChunk,
    pub fault: Option<Fault>,
    /// Sent for every request instead of a made answer; `MockUpstream::reply_next` sends one once.
    pub reply: Option<Reply>,
    /// Requests remembered with their bodies; 0 remembers none (for load).
    pub record_max: usize,
}

impl Default for MockSettings {
    fn default() -> Self {
        Self {
            ttft_ms: 0,
            chunks: 4,
            interval_ms: 0,
            chunk_bytes: 16,
            body_bytes: 64,
            split: Split::Frames,
            choices: 1,
            tools: 0,
            reasoning: false,
            refusal: false,
            logprobs: false,
            usage: UsageChunk::AsAsked,
            fault: None,
            reply: None,
            record_max: 1024,
        }
    }
}

/// How a stream's bytes are cut into separate HTTP chunks, each flushed by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// One frame a write.
    Frames,
    /// Pieces of 1 to `max` bytes, cut anywhere, inside characters too; the same `seed` cuts the same way.
    Bytes { max: usize, seed: u64 },
    /// Everything in one write.
    Whole,
}

/// When a chat or completions stream ends with a usage chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageChunk {
    /// When the request says `stream_options.include_usage`.
    AsAsked,
    Always,
    Never,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed as soon as it is accepted.
    CloseOnAccept,
    /// The request is read and nothing is ever answered.
    HangBeforeHead,
    /// Half of the body is sent, then nothing.
    HangMidBody,
    /// The connection is cut in the middle of a frame (or of the body).
    CutMidFrame,
    /// The stream's second frame is one event with this many bytes of data.
    HugeEvent { bytes: usize },
    /// A frame in the middle (or the body) is not JSON.
    MalformedJson,
    /// This status with the dialect's own error body; 429 and 503 carry `retry-after: 1`.
    Status(u16),
    /// The right body labelled `text/html`.
    WrongContentType,
    /// The right body, gzip-encoded and labelled so.
    Gzip,
    /// 307 to another path of this mock.
    Redirect,
}

/// An answer to the byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// The body in the pieces in which it is to be written.
    pub pieces: Vec<Bytes>,
}

impl Reply {
    /// 200 with one JSON body.
    #[must_use]
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::of(200, "application/json", vec![body.into()])
    }

    /// 200 with an event stream in these writes.
    #[must_use]
    pub fn stream(pieces: Vec<Bytes>) -> Self {
        Self::of(200, "text/event-stream; charset=utf-8", pieces)
    }

    /// Any status and content type.
    #[must_use]
    pub fn of(status: u16, content_type: &str, pieces: Vec<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            pieces,
        }
    }
}

/// A knob that does not exist or a value that it cannot take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    pub key: String,
    pub value: String,
}

impl std::fmt::Display for SettingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "mock setting `{}` does not exist or cannot be `{}`",
            self.key, self.value
        )
    }
}

impl std::error::Error for SettingError {}

impl MockSettings {
    /// Sets one knob from text: `chunks=50`, `split=bytes:7:1`, `fault=status:429`, `fault=huge_event:1048576`.
    ///
    /// # Errors
    /// When the key is unknown or the value does not fit it.
    pub fn apply(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        match self.applied(&key.replace('-', "_"), value) {
            Some(()) => Ok(()),
            None => Err(SettingError {
                key: key.to_owned(),
                value: value.to_owned(),
            }),
        }
    }

    fn applied(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "ttft_ms" => self.ttft_ms = value.parse().ok()?,
            "chunks" => self.chunks = value.parse().ok()?,
            "interval_ms" => self.interval_ms = value.parse().ok()?,
            "chunk_bytes" => self.chunk_bytes = value.parse().ok()?,
            "body_bytes" => self.body_bytes = value.parse().ok()?,
            "split" => self.split = split(value)?,
            "choices" => self.choices = value.parse().ok()?,
            "tools" => self.tools = value.parse().ok()?,
            "reasoning" => self.reasoning = value.parse().ok()?,
            "refusal" => self.refusal = value.parse().ok()?,
            "logprobs" => self.logprobs = value.parse().ok()?,
            "usage" => {
                self.usage = match value {
                    "as_asked" => UsageChunk::AsAsked,
                    "always" => UsageChunk::Always,
                    "never" => UsageChunk::Never,
                    _ => return None,
                }
            }
            "fault" => self.fault = fault(value)?,
            "record_max" => self.record_max = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

fn split(value: &str) -> Option<Split> {
    match value {
        "frames" => Some(Split::Frames),
        "whole" => Some(Split::Whole),
        _ => {
            let (max, seed) = value.strip_prefix("bytes:")?.split_once(':')?;
            Some(Split::Bytes {
                max: max.parse().ok()?,
                seed: seed.parse().ok()?,
            })
        }
    }
}

fn fault(value: &str) -> Option<Option<Fault>> {
    let (name, argument) = value.split_once(':').unwrap_or((value, ""));
    Some(Some(match name {
        "none" => return Some(None),
        "close_on_accept" => Fault::CloseOnAccept,
        "hang_before_head" => Fault::HangBeforeHead,
        "hang_mid_body" => Fault::HangMidBody,
        "cut_mid_frame" => Fault::CutMidFrame,
        "huge_event" => Fault::HugeEvent {
            bytes: argument.parse().ok()?,
        },
        "malformed_json" => Fault::MalformedJson,
        "status" => Fault::Status(argument.parse().ok()?),
        "wrong_content_type" => Fault::WrongContentType,
        "gzip" => Fault::Gzip,
        "redirect" => Fault::Redirect,
        _ => return None,
    }))
}
