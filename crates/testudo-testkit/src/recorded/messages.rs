//! Anthropic messages: events and bodies.

use super::{Answer, Citation, INPUT_TOKENS, Recording, Script, as_u64, output_tokens};
use crate::json_writer::{Object, array, quoted};

const ID: &str = "msg_mock000000000000000001";
/// What a thinking block is signed with here; opaque to everyone.
const SIGNATURE: &str = "bW9jay1zaWduYXR1cmUtb2YtdGhlLXRoaW5raW5nLWJsb2Nr";

/// The first answer as message events, with a `ping`; an error ends it with `event: error`.
#[must_use]
pub fn messages_stream(script: &Script) -> Recording {
    let mut out = Recording::new();
    let answer = script.answers.first().cloned().unwrap_or_default();
    let head = message(script, "[]", "null", 1);
    out.event("message_start", &typed("message_start").raw("message", &head).end());
    for (index, block) in blocks(&answer).iter().enumerate() {
        write_block(&mut out, script, as_u64(index), block);
        if index == 0 {
            out.event("ping", &typed("ping").end());
        }
    }
    if let Some(text) = &script.error {
        out.event("error", &error(text));
        return out;
    }
    let delta = Object::new()
        .string("stop_reason", stop_reason(&answer))
        .raw("stop_sequence", "null")
        .end();
    let usage = Object::new()
        .number("output_tokens", output_tokens(&script.answers))
        .end();
    out.event(
        "message_delta",
        &typed("message_delta").raw("delta", &delta).raw("usage", &usage).end(),
    );
    out.event("message_stop", &typed("message_stop").end());
    out
}

/// The first answer as one message, or the error body when the script has an error.
#[must_use]
pub fn messages_body(script: &Script) -> Vec<u8> {
    if let Some(text) = &script.error {
        return error(text).into_bytes();
    }
    let answer = script.answers.first().cloned().unwrap_or_default();
    let content = array(blocks(&answer).iter().map(|block| whole_block(script, block)));
    message(
        script,
        &content,
        &quoted(stop_reason(&answer)),
        output_tokens(&script.answers),
    )
    .into_bytes()
}

/// The answer to `count_tokens`.
#[must_use]
pub fn count_tokens_body(input_tokens: u64) -> Vec<u8> {
    Object::new().number("input_tokens", input_tokens).end().into_bytes()
}

enum Block<'a> {
    Thinking(&'a [String]),
    Text(&'a [String], Option<&'a Citation>),
    ToolUse(&'a super::ToolCall),
}

/// Thinking, text, refusal (text here), tool calls, in that order.
fn blocks(answer: &Answer) -> Vec<Block<'_>> {
    let mut out = Vec::new();
    if !answer.reasoning.is_empty() {
        out.push(Block::Thinking(&answer.reasoning));
    }
    if !answer.text.is_empty() {
        out.push(Block::Text(&answer.text, answer.citation.as_ref()));
    }
    if !answer.refusal.is_empty() {
        out.push(Block::Text(&answer.refusal, None));
    }
    out.extend(answer.tools.iter().map(Block::ToolUse));
    out
}

fn write_block(out: &mut Recording, script: &Script, index: u64, block: &Block<'_>) {
    let start = typed("content_block_start")
        .number("index", index)
        .raw("content_block", &opening(block))
        .end();
    out.event("content_block_start", &start);
    let mut delta = |kind: &str, key: &str, json: &str| {
        let inner = typed(kind).raw(key, json).extras(&script.unknown).end();
        let event = typed("content_block_delta")
            .number("index", index)
            .raw("delta", &inner)
            .end();
        out.event("content_block_delta", &event);
    };
    match block {
        Block::Thinking(pieces) => {
            for piece in *pieces {
                delta("thinking_delta", "thinking", &quoted(piece));
            }
            delta("signature_delta", "signature", &quoted(SIGNATURE));
        }
        Block::Text(pieces, source) => {
            for piece in *pieces {
                delta("text_delta", "text", &quoted(piece));
            }
            if let Some(source) = source {
                delta("citations_delta", "citation", &citation(source));
            }
        }
        Block::ToolUse(call) => {
            delta("input_json_delta", "partial_json", "\"\"");
            for piece in &call.arguments {
                delta("input_json_delta", "partial_json", &quoted(piece));
            }
        }
    }
    out.event(
        "content_block_stop",
        &typed("content_block_stop").number("index", index).end(),
    );
}

fn opening(block: &Block<'_>) -> String {
    match block {
        Block::Thinking(_) => typed("thinking").string("thinking", "").string("signature", "").end(),
        Block::Text(..) => typed("text").string("text", "").end(),
        Block::ToolUse(call) => typed("tool_use")
            .string("id", &call.id)
            .string("name", &call.name)
            .raw("input", "{}")
            .end(),
    }
}

fn whole_block(script: &Script, block: &Block<'_>) -> String {
    match block {
        Block::Thinking(pieces) => typed("thinking")
            .string("thinking", &pieces.concat())
            .string("signature", SIGNATURE),
        Block::Text(pieces, source) => {
            let text = typed("text").string("text", &pieces.concat());
            match source {
                Some(source) => text.raw("citations", &array([citation(source)])),
                None => text,
            }
        }
        Block::ToolUse(call) => {
            let joined = call.arguments.concat();
            typed("tool_use")
                .string("id", &call.id)
                .string("name", &call.name)
                .raw("input", if joined.is_empty() { "{}" } else { &joined })
        }
    }
    .extras(&script.unknown)
    .end()
}

fn citation(source: &Citation) -> String {
    typed("web_search_result_location")
        .string("cited_text", &source.quote)
        .string("url", &source.url)
        .string("title", &source.title)
        .string("encrypted_index", "bW9jay1pbmRleA==")
        .end()
}

fn message(script: &Script, content: &str, stop_reason: &str, output: u64) -> String {
    let usage = Object::new()
        .number("input_tokens", INPUT_TOKENS)
        .number("cache_creation_input_tokens", 0)
        .number("cache_read_input_tokens", 0)
        .number("output_tokens", output)
        .string("service_tier", "standard")
        .end();
    Object::new()
        .string("id", ID)
        .string("type", "message")
        .string("role", "assistant")
        .string("model", &script.model)
        .raw("content", content)
        .raw("stop_reason", stop_reason)
        .raw("stop_sequence", "null")
        .raw("usage", &usage)
        .end()
}

fn stop_reason(answer: &Answer) -> &'static str {
    if !answer.tools.is_empty() {
        "tool_use"
    } else if answer.refusal.is_empty() {
        "end_turn"
    } else {
        "refusal"
    }
}

/// Anthropic's error body, which is also the payload of `event: error`.
fn error(message: &str) -> String {
    let inner = typed("overloaded_error").string("message", message).end();
    typed("error").raw("error", &inner).end()
}

fn typed(kind: &str) -> Object {
    Object::new().string("type", kind)
}
