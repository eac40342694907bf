//! Traces of what went through the gateway: recorded exchanges whose content was opened.
//!
//! A request carries its whole conversation, and the answer the calls that the model asked for; so each exchange whose
//! answer asks for calls is one trace. Calls of earlier turns were judged in their own exchanges.

use serde_json::{Map, Value};
use testudo_bounded::json::{Document, Limits};
use testudo_dialects::calls::{CallInput, CallReader, Readings, ToolCall, Voice, can_call, history};
use testudo_dialects::sse::Decoder;
use testudo_dialects::{Form, Operation, RequestView, read_request, read_response};

use super::trace::{Call, Event, Kind, Trace};

const LIMITS: Limits = Limits {
    bytes_max: 32 << 20,
    depth_max: 128,
    nodes_max: 1 << 20,
};

/// Reads a line of `testudo ledger show ID --content --format json`; `None` when the answer asks for no call.
///
/// # Errors
/// What is missing or wrong, for people.
pub(crate) fn read(line: &[u8]) -> Result<Option<Trace>, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("is not JSON ({error})"))?;
    let body = value.pointer("/entry/body").ok_or("is no entry of the ledger")?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let operation = Operation::all().iter().find(|it| it.as_str() == text("operation"));
    let Some(operation) = operation.copied().filter(|it| can_call(*it)) else {
        return Ok(None);
    };
    let content = value.get("content").ok_or(
        "has no content; print it with `testudo ledger show ID --content --by NAME --reason CODE --format json`",
    )?;
    let (request, answer) = (part(content, "request")?, part(content, "answer")?);
    let calls = calls(operation, answer)?;
    if calls.is_empty() {
        return Ok(None);
    }
    let view = read_request(operation, request.as_bytes(), &LIMITS)
        .map_err(|problem| format!("its request cannot be read ({problem})"))?;
    let (extra_tools, mut events) = said(&view);
    events.extend(calls.into_iter().map(|call| Event::Call(Box::new(asked(call)))));
    Ok(Some(Trace {
        id: text("id").to_owned(),
        suite: text("route").to_owned(),
        class: None,
        kind: Kind::Benign,
        recorded: true,
        extra_tools,
        events,
    }))
}

/// A part of the content that was kept whole.
fn part<'v>(content: &'v Value, name: &str) -> Result<&'v str, String> {
    let part = content.get(name).ok_or_else(|| format!("has no {name}"))?;
    let number = |key: &str| part.get(key).and_then(Value::as_u64).unwrap_or_default();
    let (bytes, of) = (number("bytes"), number("of"));
    if bytes < of {
        return Err(format!(
            "its {name} was cut after {bytes} of {of} bytes; raise `content_bytes_max` of the ledger"
        ));
    }
    part.get("text")
        .and_then(Value::as_str)
        .ok_or_else(|| format!("has no text of its {name}"))
}

/// Definitions and conversation of a request.
fn said(view: &RequestView<'_>) -> (Vec<Value>, Vec<Event>) {
    let (definitions, turns) = history(view);
    let definitions = definitions
        .iter()
        .filter_map(|definition| serde_json::from_slice(definition.json).ok())
        .collect();
    let events = turns.into_iter().filter_map(|turn| {
        let text = turn.text.to_owned();
        match turn.voice {
            Voice::System => Some(Event::System(text)),
            Voice::User => Some(Event::User {
                content: text,
                pasted: Vec::new(),
            }),
            // What the model said names nothing, and a call comes again with its result.
            Voice::Model | Voice::Call(_) => None,
            Voice::Result(call) => Some(Event::Read(Box::new(read_by(call, text)))),
            Voice::Other => Some(Event::Read(Box::new(read_by(None, text)))),
        }
    });
    (definitions, events.collect())
}

/// The text of a whole answer as the client got it; `None` of a stream, or where nothing was kept.
pub(crate) fn answer_text(body: &Value, content: &Value) -> Option<String> {
    let operation = body.get("operation").and_then(Value::as_str)?;
    let operation = Operation::all().iter().find(|it| it.as_str() == operation)?;
    let answer = part(content, "answer").ok()?;
    let view = read_response(*operation, 200, answer.as_bytes(), &LIMITS).ok()?;
    let texts = view.spans.iter().filter(|span| {
        let path = span.path.as_str();
        span.form == Form::Text && (path.ends_with("/content") || path.ends_with("/text"))
    });
    let texts: Vec<&str> = texts.map(|span| &*span.text).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// Every reading of every call that an answer asks for.
fn calls(operation: Operation, answer: &str) -> Result<Vec<ToolCall>, String> {
    let all = |readings: &Readings| -> Vec<ToolCall> {
        let calls = readings.calls();
        calls.into_iter().flat_map(|call| call.readings).collect()
    };
    if answer.trim_start().starts_with('{') {
        let document = Document::parse(answer.as_bytes(), &LIMITS)
            .map_err(|problem| format!("its answer cannot be read ({problem})"))?;
        return Ok(all(&Readings::of_answer(operation, document.root())));
    }
    let mut decoder = Decoder::new(LIMITS.bytes_max);
    decoder.push(answer.as_bytes());
    let mut reader = CallReader::new(operation);
    let broken = |problem| format!("its answer is no stream of events ({problem})");
    while let Some(event) = decoder.next().map_err(broken)? {
        reader.event(&event, &LIMITS);
    }
    while let Some(event) = decoder.finish().map_err(broken)? {
        reader.event(&event, &LIMITS);
    }
    Ok(all(reader.readings()))
}

fn asked(call: ToolCall) -> Call {
    Call {
        tool: call.name,
        arguments: arguments(&call.input),
        by_injection: false,
        consequential: true,
        result: None,
    }
}

/// A result, with the call that it answers where that is known.
fn read_by(call: Option<ToolCall>, text: String) -> Call {
    let (tool, arguments) = match call {
        Some(call) => (call.name, arguments(&call.input)),
        None => (String::new(), Value::Null),
    };
    Call {
        tool,
        arguments,
        by_injection: false,
        consequential: false,
        result: Some(text),
    }
}

/// Arguments that are no JSON are one text.
fn arguments(input: &CallInput) -> Value {
    match input {
        CallInput::Json(text) if text.trim().is_empty() => Value::Object(Map::new()),
        CallInput::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        CallInput::Text(text) => Value::String(text.clone()),
    }
}
