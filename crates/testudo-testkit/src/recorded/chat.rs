//! OpenAI chat completions: chunks and bodies.

use super::{Answer, CREATED, INPUT_TOKENS, Recording, Script, ToolCall, as_u64, output_tokens};
use crate::json_writer::{Object, array, quoted};

const ID: &str = "chatcmpl-mock00000000000000000001";

/// The script as chat completion chunks, choices interleaved, ended by `[DONE]`.
#[must_use]
pub fn chat_stream(script: &Script) -> Recording {
    let mut out = Recording::new();
    let deltas: Vec<Vec<Delta>> = script.answers.iter().map(|it| deltas(it, script.logprobs)).collect();
    let longest = deltas.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..longest {
        for (index, list) in deltas.iter().enumerate() {
            if let Some(delta) = list.get(at) {
                out.data(&chunk(script, &array([choice(script, index, delta, "null")]), "null"));
            }
        }
    }
    if let Some(message) = &script.error {
        out.data(&error(message));
        return out;
    }
    for (index, answer) in script.answers.iter().enumerate() {
        let end = choice(script, index, &Delta::empty(), &quoted(finish(answer)));
        out.data(&chunk(script, &array([end]), "null"));
    }
    if script.usage {
        out.data(&chunk(script, "[]", &usage(script)));
    }
    out.data("[DONE]");
    out
}

/// The script as one chat completion, or the error body when the script has an error.
#[must_use]
pub fn chat_body(script: &Script) -> Vec<u8> {
    if let Some(message) = &script.error {
        return error(message).into_bytes();
    }
    let choices = array(script.answers.iter().enumerate().map(|(index, answer)| {
        let logprobs = if script.logprobs {
            logprobs_of(answer)
        } else {
            "null".to_owned()
        };
        Object::new()
            .number("index", as_u64(index))
            .raw("message", &message(script, answer))
            .raw("logprobs", &logprobs)
            .string("finish_reason", finish(answer))
            .end()
    }));
    envelope(script, "chat.completion")
        .raw("choices", &choices)
        .raw("usage", &usage(script))
        .string("service_tier", "default")
        .string("system_fingerprint", "fp_mock0001")
        .end()
        .into_bytes()
}

struct Delta {
    json: Object,
    logprobs: String,
}

impl Delta {
    fn of(json: Object) -> Self {
        Self {
            json,
            logprobs: "null".to_owned(),
        }
    }

    fn empty() -> Self {
        Self::of(Object::new())
    }
}

fn deltas(answer: &Answer, logprobs: bool) -> Vec<Delta> {
    let mut out = vec![Delta::of(
        Object::new()
            .string("role", "assistant")
            .raw("content", if answer.text.is_empty() { "null" } else { "\"\"" })
            .raw("refusal", "null"),
    )];
    for piece in &answer.reasoning {
        out.push(Delta::of(Object::new().string("reasoning_content", piece)));
    }
    for piece in &answer.text {
        let mut delta = Delta::of(Object::new().string("content", piece));
        if logprobs {
            delta.logprobs = logprobs_json(&token(piece), "[]");
        }
        out.push(delta);
    }
    for piece in &answer.refusal {
        let mut delta = Delta::of(Object::new().string("refusal", piece));
        if logprobs {
            delta.logprobs = logprobs_json("[]", &token(piece));
        }
        out.push(delta);
    }
    out.extend(tool_deltas(&answer.tools));
    out
}

/// Heads first, then the arguments of all calls interleaved, as parallel calls may arrive.
fn tool_deltas(calls: &[ToolCall]) -> Vec<Delta> {
    let one = |json: String| Delta::of(Object::new().raw("tool_calls", &array([json])));
    let mut out = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let function = Object::new().string("name", &call.name).string("arguments", "").end();
        out.push(one(Object::new()
            .number("index", as_u64(index))
            .string("id", &call.id)
            .string("type", "function")
            .raw("function", &function)
            .end()));
    }
    let longest = calls.iter().map(|call| call.arguments.len()).max().unwrap_or(0);
    for at in 0..longest {
        for (index, call) in calls.iter().enumerate() {
            if let Some(piece) = call.arguments.get(at) {
                let function = Object::new().string("arguments", piece).end();
                out.push(one(Object::new()
                    .number("index", as_u64(index))
                    .raw("function", &function)
                    .end()));
            }
        }
    }
    out
}

fn choice(script: &Script, index: usize, delta: &Delta, finish: &str) -> String {
    let inner = delta.json.clone().extras(&script.unknown).end();
    Object::new()
        .number("index", as_u64(index))
        .raw("delta", &inner)
        .raw("logprobs", &delta.logprobs)
        .raw("finish_reason", finish)
        .end()
}

fn chunk(script: &Script, choices: &str, usage: &str) -> String {
    let chunk = envelope(script, "chat.completion.chunk")
        .string("service_tier", "default")
        .string("system_fingerprint", "fp_mock0001")
        .raw("choices", choices);
    if script.usage { chunk.raw("usage", usage) } else { chunk }.end()
}

fn envelope(script: &Script, object: &str) -> Object {
    Object::new()
        .string("id", ID)
        .string("object", object)
        .number("created", CREATED)
        .string("model", &script.model)
}

fn message(script: &Script, answer: &Answer) -> String {
    let content = if answer.text.is_empty() {
        "null".to_owned()
    } else {
        quoted(&answer.text.concat())
    };
    let refusal = if answer.refusal.is_empty() {
        "null".to_owned()
    } else {
        quoted(&answer.refusal.concat())
    };
    let mut out = Object::new()
        .string("role", "assistant")
        .raw("content", &content)
        .raw("refusal", &refusal);
    if !answer.reasoning.is_empty() {
        out = out.string("reasoning_content", &answer.reasoning.concat());
    }
    if !answer.tools.is_empty() {
        out = out.raw("tool_calls", &array(answer.tools.iter().map(call)));
    }
    if let Some(citation) = &answer.citation {
        let inner = Object::new()
            .number("start_index", 0)
            .number("end_index", 4)
            .string("title", &citation.title)
            .string("url", &citation.url)
            .end();
        let one = Object::new()
            .string("type", "url_citation")
            .raw("url_citation", &inner)
            .end();
        out = out.raw("annotations", &array([one]));
    }
    out.extras(&script.unknown).end()
}

fn call(call: &ToolCall) -> String {
    let function = Object::new()
        .string("name", &call.name)
        .string("arguments", &call.arguments.concat())
        .end();
    Object::new()
        .string("id", &call.id)
        .string("type", "function")
        .raw("function", &function)
        .end()
}

fn finish(answer: &Answer) -> &'static str {
    if answer.tools.is_empty() { "stop" } else { "tool_calls" }
}

fn logprobs_of(answer: &Answer) -> String {
    let content = array(answer.text.iter().map(|piece| entry(piece)));
    let refusal = array(answer.refusal.iter().map(|piece| entry(piece)));
    logprobs_json(&content, &refusal)
}

fn logprobs_json(content: &str, refusal: &str) -> String {
    Object::new().raw("content", content).raw("refusal", refusal).end()
}

fn token(piece: &str) -> String {
    array([entry(piece)])
}

/// One token's entry with the token's own alternatives, as `bytes` and as text.
fn entry(piece: &str) -> String {
    let bytes = array(piece.bytes().map(|byte| byte.to_string()));
    let plain = || {
        Object::new()
            .string("token", piece)
            .raw("logprob", "-0.0125")
            .raw("bytes", &bytes)
    };
    plain().raw("top_logprobs", &array([plain().end()])).end()
}

fn usage(script: &Script) -> String {
    let output = output_tokens(&script.answers);
    Object::new()
        .number("prompt_tokens", INPUT_TOKENS)
        .number("completion_tokens", output)
        .number("total_tokens", INPUT_TOKENS.saturating_add(output))
        .raw("prompt_tokens_details", "{\"cached_tokens\":0,\"audio_tokens\":0}")
        .raw(
            "completion_tokens_details",
            "{\"reasoning_tokens\":0,\"audio_tokens\":0}",
        )
        .end()
}

/// OpenAI's error body, which is also what a chat stream carries when it breaks.
pub(super) fn error(message: &str) -> String {
    let inner = Object::new()
        .string("message", message)
        .string("type", "server_error")
        .raw("param", "null")
        .raw("code", "null")
        .end();
    Object::new().raw("error", &inner).end()
}
