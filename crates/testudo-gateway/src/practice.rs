//! The stand-in for a model in practice mode: it obeys whatever it is told, and says in every answer that it is one.
//!
//! Nothing leaves the process, and the same request always gets the same answer.

mod anthropic;
mod obey;
mod openai;
mod prompt;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body::{Frame, SizeHint};
use serde_json::{Value, json};
use testudo_dialects::{Family, Operation};

/// The only model there is.
pub const MODEL: &str = "testudo-practice";
/// What every text begins with.
pub const LABEL: &str = "[practice upstream] ";
/// Answers are cut after this many words.
const WORDS_MAX: usize = 4096;
/// 2026-01-01T00:00:00Z: answers carry no clock.
const CREATED: u64 = 1_767_225_600;

/// The pieces of an answer in order: one for a plain body, one per event for a stream.
#[derive(Debug)]
pub struct PracticeBody {
    pieces: VecDeque<Bytes>,
    bytes_left: u64,
}

/// Answers one request of `family` whose path is `path`, with or without a leading `/v1`.
pub fn answer(family: Family, method: &Method, path: &str, body: &[u8]) -> Response<PracticeBody> {
    let Some(operation) = Operation::route(family, method.as_str(), path) else {
        return problem(
            family,
            StatusCode::NOT_FOUND,
            "the practice upstream does not know that path",
        );
    };
    if matches!(operation, Operation::Models | Operation::AnthropicModels) {
        return models(family, path);
    }
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        return problem(family, StatusCode::BAD_REQUEST, "the request body is not JSON");
    };
    let id = identify(body);
    match operation {
        Operation::ChatCompletions => openai::chat(&request, &id),
        Operation::Responses => openai::responses(&request, &id),
        Operation::Completions => openai::completions(&request, &id),
        Operation::Embeddings => openai::embeddings(&request),
        Operation::Messages => anthropic::messages(&request, &id),
        Operation::CountTokens => anthropic::count_tokens(&request),
        Operation::Models | Operation::AnthropicModels => models(family, path),
    }
}

fn models(family: Family, path: &str) -> Response<PracticeBody> {
    let model = match family {
        Family::OpenAi => {
            json!({"id": MODEL, "object": "model", "created": CREATED, "owned_by": "testudo"})
        }
        Family::Anthropic => json!({
            "type": "model", "id": MODEL, "display_name": "Testudo practice upstream",
            "created_at": "2026-01-01T00:00:00Z",
        }),
    };
    let named = path
        .trim_start_matches("/v1")
        .trim_start_matches("/models")
        .trim_start_matches('/');
    match (named, family) {
        (MODEL, _) => whole(&model),
        ("", Family::OpenAi) => whole(&json!({"object": "list", "data": [model]})),
        ("", Family::Anthropic) => {
            whole(&json!({"data": [model], "has_more": false, "first_id": MODEL, "last_id": MODEL}))
        }
        _ => problem(
            family,
            StatusCode::NOT_FOUND,
            "the practice upstream has one model, testudo-practice",
        ),
    }
}

/// An error in the shape of the provider.
fn problem(family: Family, status: StatusCode, message: &str) -> Response<PracticeBody> {
    let kind = if status == StatusCode::NOT_FOUND {
        "not_found_error"
    } else {
        "invalid_request_error"
    };
    let message = format!("{LABEL}{message}");
    let body = match family {
        Family::OpenAi => {
            json!({"error": {"message": message, "type": kind, "param": null, "code": null}})
        }
        Family::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}),
    };
    let mut response = whole(&body);
    *response.status_mut() = status;
    response
}

/// A plain JSON answer.
fn whole(body: &Value) -> Response<PracticeBody> {
    respond("application/json", vec![Bytes::from(body.to_string())])
}

/// A stream of server-sent events, one piece each.
fn stream(events: Vec<Bytes>) -> Response<PracticeBody> {
    respond("text/event-stream; charset=utf-8", events)
}

fn respond(content_type: &'static str, pieces: Vec<Bytes>) -> Response<PracticeBody> {
    let mut response = Response::new(PracticeBody::new(pieces));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        HeaderName::from_static("x-request-id"),
        HeaderValue::from_static("req_practice"),
    );
    response
}

/// A name for the answer that depends on the request alone.
fn identify(body: &[u8]) -> String {
    use std::fmt::Write as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    let mut id = String::from("practice");
    for byte in digest.as_ref().iter().take(8) {
        // Writing to a string cannot fail.
        let _written = write!(id, "{byte:02x}");
    }
    id
}

/// One event with a JSON payload, named when `name` is given.
fn event(name: Option<&str>, data: &Value) -> Bytes {
    Bytes::from(match name {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    })
}

/// Splits after each space, so that the pieces joined are the text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

/// Words of a text as a number: what this upstream calls tokens.
fn count(text: &str) -> u64 {
    u64::try_from(words(text).count()).unwrap_or(u64::MAX)
}

impl PracticeBody {
    fn new(pieces: Vec<Bytes>) -> Self {
        let bytes = pieces
            .iter()
            .fold(0_usize, |sum, piece| sum.saturating_add(piece.len()));
        Self {
            pieces: pieces.into(),
            bytes_left: u64::try_from(bytes).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn next_frame(&mut self) -> Option<Frame<Bytes>> {
        let piece = self.pieces.pop_front()?;
        self.bytes_left = self
            .bytes_left
            .saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        Some(Frame::data(piece))
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes_left)
    }
}
