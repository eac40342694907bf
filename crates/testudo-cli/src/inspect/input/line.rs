//! One JSON object as an input: a text with its origin, or a conversation as a provider's interface takes it.

use std::borrow::Cow;

use serde_json::Value;
use testudo_bounded::json::{Document, Kind, Limits, Node};
use testudo_dialects::{Family, Form, Operation, RequestView, Span, read_request};
use testudo_types::Origin;

use super::bytes::text as decoded;
use super::{Event, Gap, INPUT_BYTES_MAX, Input, Part, Place};
use crate::config::document::shown;
use crate::config::suggest::did_you_mean;
use crate::lines::count;

const LIMITS: Limits = Limits {
    bytes_max: INPUT_BYTES_MAX,
    ..Limits::DEFAULT
};
/// Shorter numbers identify nobody and open nothing.
const NUMBER_BYTES_MIN: usize = 7;
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Whether a file whose first line this is holds one input a line.
pub(super) fn is_input(line: &[u8]) -> bool {
    let line = line.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(line);
    let Ok(document) = Document::parse(line, &LIMITS) else {
        return false;
    };
    let root = document.root();
    root.get("text").is_some_and(|text| text.kind() == Kind::String) || body(&document).is_some()
}

/// The input that a line holds, or what is wrong with it.
pub(super) fn parse(line: Vec<u8>, place: &Place) -> Event {
    let (mut raw, gaps) = decoded(line, '?', false);
    let mut place = place.clone();
    if raw.starts_with(BYTE_ORDER_MARK) {
        raw.drain(..BYTE_ORDER_MARK.len());
        place.offset = place.offset.saturating_add(count(BYTE_ORDER_MARK.len()));
    }
    match read(&raw, &place) {
        Ok(read) => Event::Input(Box::new(read.into_input(raw, place, gaps))),
        Err(what) => Event::Bad(format!("{}:{}: {what}", place.file, place.line)),
    }
}

/// A file that is one conversation, over as many lines as it likes.
pub(super) fn conversation(text: &str, place: &Place) -> Option<Input> {
    let document = Document::parse(text.as_bytes(), &LIMITS).ok()?;
    let body = body(&document)?;
    let (parts, gaps) = strings(&body).ok()?;
    let read = Read {
        id: Value::from(&*place.file),
        parts,
        gaps,
    };
    Some(read.into_input(text.to_owned(), place.clone(), Vec::new()))
}

/// The texts of a request's body and who wrote each; `None` when a gateway would refuse the body.
pub(crate) fn request_texts(operation: Operation, bytes: &[u8]) -> Option<Vec<(Origin, String)>> {
    let body = Body {
        operation,
        bytes,
        is_root: true,
    };
    let (parts, _) = strings(&body).ok()?;
    let texts = parts
        .into_iter()
        .map(|part| (part.origin.unwrap_or(Origin::Unknown), part.text));
    Some(texts.collect())
}

/// What an input is called that has no name of its own.
pub(super) fn place_id(place: &Place) -> Value {
    Value::from(format!("{}:{}", place.file, place.line))
}

/// What was taken from an object.
struct Read {
    id: Value,
    parts: Vec<Part>,
    gaps: Vec<Gap>,
}

impl Read {
    fn into_input(self, raw: String, place: Place, mut gaps: Vec<Gap>) -> Input {
        gaps.extend(self.gaps);
        Input {
            id: self.id,
            place,
            parts: self.parts,
            gaps,
            raw: Some(raw),
            converted: false,
        }
    }
}

fn read(raw: &str, place: &Place) -> Result<Read, String> {
    let document = Document::parse(raw.as_bytes(), &LIMITS).map_err(|error| format!("is not strict JSON ({error})"))?;
    let root = document.root();
    if root.kind() != Kind::Object {
        return Err("is not an object; write {\"id\": …, \"text\": …}".to_owned());
    }
    let id = id(root)?.unwrap_or_else(|| place_id(place));
    if let Some(text) = root.get("text").and_then(|text| text.as_str()) {
        let part = Part {
            path: None,
            origin: origin(root)?,
            text: text.into_owned(),
            literal: root.get("text").and_then(|text| text.literal()),
            nested: false,
        };
        return Ok(Read {
            id,
            parts: vec![part],
            gaps: Vec::new(),
        });
    }
    let Some(body) = body(&document) else {
        return Err("has no `text` that is a string, and is no conversation with `messages` or `input`".to_owned());
    };
    let (parts, gaps) = strings(&body)?;
    Ok(Read { id, parts, gaps })
}

fn id(root: Node<'_>) -> Result<Option<Value>, String> {
    let Some(id) = root
        .get("id")
        .or_else(|| root.get("custom_id"))
        .filter(|id| !id.is_null())
    else {
        return Ok(None);
    };
    match (id.kind(), serde_json::from_slice(id.raw())) {
        (Kind::String | Kind::Number, Ok(id)) => Ok(Some(id)),
        _ => Err("has an `id` that is neither a string nor a number".to_owned()),
    }
}

fn origin(root: Node<'_>) -> Result<Option<Origin>, String> {
    let Some(origin) = root.get("origin").filter(|origin| !origin.is_null()) else {
        return Ok(None);
    };
    let name = origin.as_str().ok_or("has an `origin` that is not a string")?;
    match Origin::from_name(&name) {
        Some(origin) => Ok(Some(origin)),
        None => {
            let remedy = did_you_mean(&name, Origin::ALL.iter().map(Origin::as_str));
            Err(format!("has the unknown origin `{}`; {remedy}", shown(&name)))
        }
    }
}

/// A request's body within an object.
struct Body<'d> {
    operation: Operation,
    bytes: &'d [u8],
    /// It is the object itself, so that places in it are places in the line.
    is_root: bool,
}

/// Finds the request that an object is (also a line of a file for fine-tuning), or that a line of a batch wraps.
fn body<'d>(document: &'d Document<'_>) -> Option<Body<'d>> {
    let root = document.root();
    if root.kind() != Kind::Object {
        return None;
    }
    if let Some(operation) = operation(root) {
        return Some(Body {
            operation,
            bytes: document.bytes(),
            is_root: true,
        });
    }
    let (operation, node) = if let Some(params) = root.get("params") {
        (operation(params).map(|_| Operation::Messages)?, params)
    } else {
        let body = root.get("body")?;
        let url = root.get("url").and_then(|url| url.as_str()).unwrap_or_default();
        let named = Operation::route(Family::OpenAi, "POST", &url);
        (named.or_else(|| operation(body))?, body)
    };
    Some(Body {
        operation,
        bytes: node.raw(),
        is_root: false,
    })
}

/// Which call takes such a body.
fn operation(root: Node<'_>) -> Option<Operation> {
    let is = |key: &str, kind: Kind| root.get(key).is_some_and(|node| node.kind() == kind);
    if is("messages", Kind::Array) {
        let anthropic = root.get("system").is_some() || root.get("anthropic_version").is_some() || has_blocks(root);
        return Some(if anthropic {
            Operation::Messages
        } else {
            Operation::ChatCompletions
        });
    }
    let input = is("input", Kind::Array) || is("input", Kind::String);
    (input && is("model", Kind::String)).then_some(Operation::Responses)
}

/// Whether a message has content blocks that only one family has.
fn has_blocks(root: Node<'_>) -> bool {
    let messages = root.get("messages").into_iter().flat_map(|list| list.items());
    let mut blocks = messages.flat_map(|message| message.get("content").into_iter().flat_map(|list| list.items()));
    blocks.any(|block| {
        let kind = block.get("type").and_then(|kind| kind.as_str());
        matches!(
            kind.as_deref(),
            Some("tool_use" | "tool_result" | "thinking" | "document")
        )
    })
}

/// Every string of a body that the gateway would scan.
fn strings(body: &Body<'_>) -> Result<(Vec<Part>, Vec<Gap>), String> {
    let view: RequestView<'_> = read_request(body.operation, body.bytes, &LIMITS)
        .map_err(|refused| format!("is a conversation that a gateway would refuse ({refused})"))?;
    let mut parts = Vec::with_capacity(view.spans.len());
    let mut gaps = Vec::new();
    for span in &view.spans {
        match span.form {
            Form::Media => {}
            Form::JsonText => nested(span, body.is_root, &mut parts, &mut gaps),
            Form::Text | Form::Key | Form::Number | Form::LogprobBytes => {
                parts.push(part(span, span.text.clone().into_owned(), body.is_root, false));
            }
        }
    }
    Ok((parts, gaps))
}

fn part(span: &Span<'_>, text: String, is_root: bool, nested: bool) -> Part {
    Part {
        path: Some(span.path.as_str().to_owned()),
        origin: Some(span.origin.clone()),
        text,
        literal: is_root.then_some(span.literal),
        nested,
    }
}

/// The strings inside a string that holds JSON, so that an escape hides nothing.
fn nested(span: &Span<'_>, is_root: bool, parts: &mut Vec<Part>, gaps: &mut Vec<Gap>) {
    if span.text.trim().is_empty() {
        return;
    }
    let bytes = span.text.as_bytes();
    let Ok(document) = Document::parse(bytes, &LIMITS) else {
        gaps.push(Gap {
            rule: "guard.arguments-not-json",
            what: "holds arguments of a tool that are not JSON; they were scanned as text".to_owned(),
            part: Some(parts.len()),
            range: 0..bytes.len(),
        });
        parts.push(part(span, span.text.clone().into_owned(), is_root, false));
        return;
    };
    let keys = document.root().keys().map(|key| key.decode(bytes).into_owned());
    parts.extend(keys.map(|key| part(span, key, is_root, true)));
    for node in document.root().descendants() {
        let text = match node.kind() {
            Kind::Number if node.range().len() >= NUMBER_BYTES_MIN => span.text.get(node.range()).map(str::to_owned),
            _ => node.as_str().map(Cow::into_owned),
        };
        parts.extend(text.map(|text| part(span, text, is_root, true)));
    }
}
