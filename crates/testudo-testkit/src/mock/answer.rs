//! From a request to the pieces of its answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::body::After;
use super::settings::{Fault, MockSettings, Reply, Split, UsageChunk};
use super::{gzip, lock};
use crate::recorded::{self, Answer, Script, ToolCall};

/// What the answer looks like on the wire.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) pieces: Arc<[Bytes]>,
    /// Announced length; `None` sends chunks.
    pub(super) length: Option<usize>,
    pub(super) after: After,
    /// Each piece is flushed before the next is handed over.
    pub(super) apart: bool,
}

/// The operations that the mock knows, by the end of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    ChatCompletions,
    Completions,
    Responses,
    Embeddings,
    Models,
    Messages,
    CountTokens,
}

impl Operation {
    pub(super) fn of(path: &str) -> Option<Self> {
        let ends = |end: &str| path.trim_end_matches('/').ends_with(end);
        if ends("/chat/completions") {
            Some(Self::ChatCompletions)
        } else if ends("/completions") {
            Some(Self::Completions)
        } else if ends("/responses") {
            Some(Self::Responses)
        } else if ends("/embeddings") {
            Some(Self::Embeddings)
        } else if ends("/messages/count_tokens") {
            Some(Self::CountTokens)
        } else if ends("/messages") {
            Some(Self::Messages)
        } else if ends("/models") || path.contains("/models/") {
            Some(Self::Models)
        } else {
            None
        }
    }

    fn is_anthropic(self) -> bool {
        matches!(self, Self::Messages | Self::CountTokens)
    }
}

/// The part of a request body that steers the answer.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    model: String,
    stream: bool,
    n: Option<usize>,
    stream_options: Option<StreamOptions>,
    pub(super) x_mock: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: bool,
}

/// Answers already made, so that load measures the gateway and not the mock's formatting.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Vec<(Key, Prepared)>>);

const CACHED_MAX: usize = 32;

#[derive(Debug, Clone, PartialEq)]
struct Key {
    operation: Operation,
    asked: Asked,
    settings: MockSettings,
}

impl Cache {
    pub(super) fn prepare(&self, operation: Operation, asked: &Asked, settings: &MockSettings) -> Prepared {
        let mut cached = lock(&self.0);
        let hit = |key: &Key| key.operation == operation && key.asked == *asked && key.settings == *settings;
        if let Some((_, prepared)) = cached.iter().find(|(key, _)| hit(key)) {
            return prepared.clone();
        }
        let prepared = make(operation, asked, settings);
        if cached.len() >= CACHED_MAX {
            cached.clear();
        }
        let key = Key {
            operation,
            asked: asked.clone(),
            settings: settings.clone(),
        };
        cached.push((key, prepared.clone()));
        prepared
    }
}

/// The answer that `reply` spells out.
pub(super) fn exact(reply: &Reply) -> Prepared {
    let streamed = reply.pieces.len() > 1
        || reply
            .headers
            .iter()
            .any(|(name, value)| name == "content-type" && value.starts_with("text/event-stream"));
    Prepared {
        status: reply.status,
        headers: Vec::new(),
        length: (!streamed).then(|| reply.pieces.iter().map(Bytes::len).fold(0, usize::saturating_add)),
        pieces: reply.pieces.clone().into(),
        after: After::End,
        apart: true,
    }
}

/// An error in the dialect's own shape.
pub(super) fn failure(operation: Option<Operation>, status: u16, message: &str) -> Prepared {
    let mut script = Script::of(&[]);
    script.error = Some(message.to_owned());
    let body = match operation {
        Some(it) if it.is_anthropic() => recorded::messages_body(&script),
        _ => recorded::chat_body(&script),
    };
    let mut prepared = whole(body);
    prepared.status = status;
    if matches!(status, 429 | 503) {
        prepared.headers.push(("retry-after", "1".to_owned()));
    }
    prepared
}

fn make(operation: Operation, asked: &Asked, settings: &MockSettings) -> Prepared {
    match settings.fault {
        Some(Fault::Status(status)) => {
            return failure(Some(operation), status, "the mock was told to fail");
        }
        Some(Fault::Redirect) => {
            let mut prepared = failure(Some(operation), 307, "the mock was told to redirect");
            prepared.headers.push(("location", "/elsewhere/v1/models".to_owned()));
            return prepared;
        }
        _ => {}
    }
    let streams = !matches!(
        operation,
        Operation::Embeddings | Operation::Models | Operation::CountTokens
    );
    let mut prepared = if asked.stream && streams {
        stream(operation, asked, settings)
    } else {
        body(operation, asked, settings)
    };
    if settings.fault == Some(Fault::WrongContentType) {
        for (name, value) in &mut prepared.headers {
            if *name == "content-type" {
                "text/html; charset=utf-8".clone_into(value);
            }
        }
    }
    prepared
}

fn body(operation: Operation, asked: &Asked, settings: &MockSettings) -> Prepared {
    let script = script(asked, settings, &[prose(settings.body_bytes, 0)]);
    let mut bytes = match operation {
        Operation::ChatCompletions => recorded::chat_body(&script),
        Operation::Completions => recorded::completions_body(&script),
        Operation::Responses => recorded::responses_body(&script),
        Operation::Messages => recorded::messages_body(&script),
        Operation::CountTokens => recorded::count_tokens_body(25),
        Operation::Models => recorded::models_body(&["mock-1", "mock-1-mini"]),
        Operation::Embeddings => recorded::embeddings_body(&script.model, 1, 256),
    };
    match settings.fault {
        Some(Fault::MalformedJson) => {
            bytes.pop();
        }
        Some(Fault::Gzip) => {
            let mut prepared = whole(gzip::gzip_stored(&bytes));
            prepared.headers.push(("content-encoding", "gzip".to_owned()));
            return prepared;
        }
        _ => {}
    }
    let length = bytes.len();
    let mut prepared = whole(bytes);
    let (after, cut) = cut(settings.fault, length);
    if let Some(at) = cut {
        let all = prepared.pieces.concat();
        prepared.pieces = Arc::from([Bytes::from(all.get(..at).unwrap_or_default().to_vec())]);
    }
    prepared.after = after;
    prepared
}

fn stream(operation: Operation, asked: &Asked, settings: &MockSettings) -> Prepared {
    let deltas: Vec<String> = (0..settings.chunks).map(|at| prose(settings.chunk_bytes, at)).collect();
    let script = script(asked, settings, &deltas);
    let mut recording = match operation {
        Operation::Completions => recorded::completions_stream(&script),
        Operation::Responses => recorded::responses_stream(&script),
        Operation::Messages => recorded::messages_stream(&script),
        _ => recorded::chat_stream(&script),
    };
    let middle = recording.frames.len().wrapping_div(2);
    match settings.fault {
        Some(Fault::HugeEvent { bytes }) => {
            let at = recording.frames.len().min(1);
            recording
                .frames
                .insert(at, format!("data: {{\"x\":\"{}\"}}\n\n", "a".repeat(bytes)));
        }
        Some(Fault::MalformedJson) => recording.frames.insert(middle, "data: {\"choices\":[{\n\n".to_owned()),
        _ => {}
    }
    let total = recording.frames.iter().map(String::len).fold(0, usize::saturating_add);
    let (after, cut) = cut(settings.fault, total);
    let mut pieces = split(recording.frames, settings.split);
    if let Some(at) = cut {
        shorten(&mut pieces, at);
    }
    let mut headers = vec![("content-type", "text/event-stream; charset=utf-8".to_owned())];
    if settings.fault == Some(Fault::Gzip) {
        pieces = vec![Bytes::from(gzip::gzip_stored(&pieces.concat()))];
        headers.push(("content-encoding", "gzip".to_owned()));
    }
    Prepared {
        status: 200,
        headers,
        pieces: pieces.into(),
        length: None,
        after,
        apart: matches!(settings.split, Split::Bytes { .. }),
    }
}

/// How the body ends, and after how many of its bytes if early: in the middle, at an odd place.
fn cut(fault: Option<Fault>, total: usize) -> (After, Option<usize>) {
    let middle = total.wrapping_div(2) | 1;
    match fault {
        Some(Fault::HangMidBody) => (After::Hang, Some(middle)),
        Some(Fault::CutMidFrame) => (After::Cut, Some(middle)),
        _ => (After::End, None),
    }
}

fn shorten(pieces: &mut Vec<Bytes>, mut left: usize) {
    for piece in pieces.iter_mut() {
        piece.truncate(left);
        left = left.saturating_sub(piece.len());
    }
    pieces.retain(|piece| !piece.is_empty());
}

fn split(frames: Vec<String>, split: Split) -> Vec<Bytes> {
    match split {
        Split::Frames => frames.into_iter().map(Bytes::from).collect(),
        Split::Whole => vec![Bytes::from(frames.concat())],
        Split::Bytes { max, seed } => {
            let mut rest = Bytes::from(frames.concat());
            let mut pieces = Vec::new();
            let mut state = seed;
            while !rest.is_empty() {
                let size = usize::try_from(random(&mut state))
                    .unwrap_or(0)
                    .checked_rem(max)
                    .unwrap_or(0);
                pieces.push(rest.split_to(size.saturating_add(1).min(rest.len())));
            }
            pieces
        }
    }
}

/// `SplitMix64`: the next number of the sequence that a seed determines.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // The top bit is dropped, so that the number fits every integer type in use.
    (mixed ^ (mixed >> 31)) >> 33
}

fn script(asked: &Asked, settings: &MockSettings, deltas: &[String]) -> Script {
    let count = asked.n.unwrap_or(settings.choices).clamp(1, 128);
    let mut answer = Answer {
        text: deltas.to_vec(),
        ..Answer::default()
    };
    if settings.reasoning {
        answer.reasoning = vec![prose(24, 1), prose(24, 2)];
    }
    if settings.refusal {
        answer.refusal = vec!["I cannot".to_owned(), " help with that.".to_owned()];
    }
    answer.tools = (0..settings.tools)
        .map(|at| {
            ToolCall::of(
                &format!("call_mock{at}"),
                "get_weather",
                &["{\"city\":\"", "Ulm", "\",\"days\":", "3}"],
            )
        })
        .collect();
    let model = if asked.model.is_empty() { "mock-1" } else { &asked.model };
    Script {
        model: model.to_owned(),
        answers: vec![answer; count],
        usage: match settings.usage {
            UsageChunk::AsAsked => asked.stream_options.as_ref().is_some_and(|it| it.include_usage),
            UsageChunk::Always => true,
            UsageChunk::Never => false,
        },
        logprobs: settings.logprobs,
        error: None,
        unknown: Vec::new(),
    }
}

/// Words with characters of one to four bytes; about `bytes` long, never cut inside a character.
const WORDS: &str = "the shields close over the column and nothing falls between them; \u{fc}ber die Br\u{fc}cke \u{2014} \u{4e9b}\u{8bdd} \u{1f422} ";

fn prose(bytes: usize, from: usize) -> String {
    let mut out = String::with_capacity(bytes);
    for c in WORDS.chars().cycle().skip(from.wrapping_mul(5) & 63) {
        if out.len().saturating_add(c.len_utf8()) > bytes {
            break;
        }
        out.push(c);
    }
    out
}

fn whole(body: Vec<u8>) -> Prepared {
    Prepared {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned())],
        length: Some(body.len()),
        pieces: Arc::from([Bytes::from(body)]),
        after: After::End,
        apart: false,
    }
}

impl Prepared {
    pub(super) fn queue(&self) -> VecDeque<Bytes> {
        self.pieces.iter().cloned().collect()
    }
}
