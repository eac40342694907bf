//! Every string of a message, with whoever wrote it.

use std::borrow::Cow;

use testudo_bounded::json::{Document, Kind, Node, StringLiteral};
use testudo_types::Origin;

use crate::shape::{Shape, is_media, is_plain_key};
use crate::{Form, Span, SpanPath};

const PATH_BYTES_MAX: usize = 256;
/// Shorter numbers identify nobody and open nothing.
const NUMBER_BYTES_MIN: usize = 7;

/// Which side of a hop wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Caller,
    Server,
}

/// Every string below `node` that is scanned, in document order.
///
/// Left out are the words of the protocol where they look as they should, and `except`, which was checked apart.
#[must_use]
pub fn texts<'d>(
    document: &'d Document<'_>,
    node: Node<'d>,
    origin: &Origin,
    whose: Whose,
    except: &[&str],
) -> Vec<Span<'d>> {
    let mut spans = Vec::new();
    for at in node.descendants() {
        let mut path = None;
        let mut span = |literal: StringLiteral, text: Cow<'d, str>, form: Form, splice: bool| {
            let pointer: &String = path.get_or_insert_with(|| at.pointer());
            if text.is_empty() || except.contains(&pointer.as_str()) {
                return;
            }
            spans.push(Span {
                path: safe(pointer),
                origin: origin.clone(),
                literal,
                text,
                form,
                null_on_edit: None,
                splice,
            });
        };
        let key = at.key_text();
        if let (Some(key), Some(literal)) = (&key, at.key())
            && at.id() != node.id()
            && !is_known(key)
            && !is_plain_key(key)
        {
            span(literal, key.clone(), Form::Key, false);
        }
        match (at.kind(), at.literal()) {
            (Kind::String, Some(literal)) => {
                let text = at.as_str().unwrap_or_default();
                let word = key.as_deref().map_or("", |it| it);
                if is_exempt(word, &text, whose) {
                    continue;
                }
                let payload = matches!(word, "data" | "blob") && is_media(&text);
                let form = if payload { Form::Media } else { Form::Text };
                span(literal, text, form, !is_address(word));
            }
            (Kind::Number, _) if at.range().len() >= NUMBER_BYTES_MIN => {
                let Some(literal) = nearest_key(at) else { continue };
                let digits = document.text().get(at.range()).unwrap_or_default();
                if word_of(key.as_deref()) != "progressToken" {
                    span(literal, Cow::Borrowed(digits), Form::Number, false);
                }
            }
            _ => {}
        }
    }
    spans
}

fn word_of(key: Option<&str>) -> &str {
    key.unwrap_or_default()
}

/// Addresses are scanned and never rewritten: a different address is a different thing.
fn is_address(key: &str) -> bool {
    matches!(key, "uri" | "uriTemplate" | "url")
}

/// Words of the protocol that are as they should be.
fn is_exempt(key: &str, text: &str, whose: Whose) -> bool {
    match key {
        "type" | "role" | "jsonrpc" | "method" | "resultType" | "cacheScope" | "level" | "action" | "mode"
        | "stopReason" | "taskSupport" | "includeContext" => words(text),
        "mimeType" => text.len() <= 128 && Shape::Token.fits(&text.replace([';', ' '], "")),
        "nextCursor" | "cursor" | "lastModified" | "protocolVersion" | "progressToken" => Shape::Token.fits(text),
        "requestState" => whose == Whose::Server && Shape::Opaque.fits(text),
        "traceparent" => text.len() <= 64 && Shape::Token.fits(text),
        _ => false,
    }
}

/// A word of the protocol: letters with `/`, `_` and `-`, at most 64.
fn words(text: &str) -> bool {
    text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'_' | b'-' | b'.') || b.is_ascii_digit())
        && text.bytes().filter(u8::is_ascii_digit).count() <= 4
}

/// Keys of the protocol with a capital letter or a stroke in them, and of JSON Schema.
fn is_known(key: &str) -> bool {
    const KEYS: &[&str] = &[
        "inputSchema",
        "outputSchema",
        "structuredContent",
        "isError",
        "mimeType",
        "readOnlyHint",
        "destructiveHint",
        "idempotentHint",
        "openWorldHint",
        "nextCursor",
        "resultType",
        "ttlMs",
        "cacheScope",
        "inputRequests",
        "inputResponses",
        "requestState",
        "progressToken",
        "requestedSchema",
        "uriTemplate",
        "lastModified",
        "additionalProperties",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "anyOf",
        "oneOf",
        "allOf",
        "enumNames",
        "systemPrompt",
        "maxTokens",
        "modelPreferences",
        "stopReason",
        "hasMore",
        "$schema",
        "$ref",
        "$defs",
        "x-mcp-header",
    ];
    KEYS.contains(&key) || key.starts_with(super::META_PREFIX)
}

fn nearest_key(node: Node<'_>) -> Option<StringLiteral> {
    let mut at = node;
    // As deep as the document at most.
    loop {
        if let Some(key) = at.key() {
            return Some(key);
        }
        at = at.parent()?;
    }
}

/// A pointer of which only known and plain keys are left.
fn safe(pointer: &str) -> SpanPath {
    let mut path = String::new();
    for segment in pointer.split('/').skip(1) {
        let known = is_plain_key(segment) || is_known(segment) || segment.bytes().all(|b| b.is_ascii_digit());
        if path.len().saturating_add(segment.len()) > PATH_BYTES_MAX {
            path.push('…');
            break;
        }
        path.push('/');
        path.push_str(if known { segment } else { "?" });
    }
    SpanPath::new(&path)
}
