//! OpenAI's shapes of the practice upstream's answers.

mod responses;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::obey::{Reply, obey};
use super::prompt::Prompt;
use super::{CREATED, MODEL, PracticeBody, count, event, stream, whole, words};

pub(super) use self::responses::responses;

/// Choices of one answer at most.
const CHOICES_MAX: u64 = 8;
const DIMENSIONS: u64 = 16;
const DIMENSIONS_MAX: u64 = 3072;
const INPUTS_MAX: usize = 2048;

/// `POST /v1/chat/completions`.
pub(super) fn chat(request: &Value, id: &str) -> Response<PracticeBody> {
    let prompt = Prompt::of_messages(request);
    let reply = obey(&prompt);
    let choices = choices(request);
    if request["stream"] == Value::Bool(true) {
        return stream(chat_events(request, &reply, prompt.words, id, choices));
    }
    let mut message = json!({"role": "assistant", "content": reply.text, "refusal": null, "annotations": []});
    if let (Some(call), Some(message)) = (tool_call(&reply, id), message.as_object_mut()) {
        message.insert("tool_calls".to_owned(), json!([call]));
    }
    let choice =
        |index| json!({"index": index, "message": message, "logprobs": null, "finish_reason": finish_reason(&reply)});
    whole(&json!({
        "id": format!("chatcmpl-{id}"), "object": "chat.completion", "created": CREATED, "model": MODEL,
        "choices": (0..choices).map(choice).collect::<Vec<_>>(),
        "usage": usage(prompt.words, &reply, choices),
        "system_fingerprint": "fp_practice",
    }))
}

fn chat_events(request: &Value, reply: &Reply, prompt_words: u64, id: &str, choices: u64) -> Vec<Bytes> {
    let chunk = |index: u64, delta: Value, finish: Value| {
        event(
            None,
            &json!({
                "id": format!("chatcmpl-{id}"), "object": "chat.completion.chunk", "created": CREATED, "model": MODEL,
                "system_fingerprint": "fp_practice",
                "choices": [{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish}],
            }),
        )
    };
    let mut events = Vec::new();
    for index in 0..choices {
        events.push(chunk(
            index,
            json!({"role": "assistant", "content": "", "refusal": null}),
            Value::Null,
        ));
    }
    // Choices interleave, as they do at the provider.
    for word in words(&reply.text) {
        for index in 0..choices {
            events.push(chunk(index, json!({"content": word}), Value::Null));
        }
    }
    for index in 0..choices {
        for delta in call_deltas(reply, id) {
            events.push(chunk(index, delta, Value::Null));
        }
        events.push(chunk(index, json!({}), json!(finish_reason(reply))));
    }
    if wants_usage(request) {
        events.push(event(
            None,
            &json!({
                "id": format!("chatcmpl-{id}"), "object": "chat.completion.chunk", "created": CREATED, "model": MODEL,
                "system_fingerprint": "fp_practice", "choices": [], "usage": usage(prompt_words, reply, choices),
            }),
        ));
    }
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

fn call_deltas(reply: &Reply, id: &str) -> Vec<Value> {
    let Some(call) = &reply.call else {
        return Vec::new();
    };
    let mut deltas = vec![json!({"tool_calls": [{
        "index": 0, "id": format!("call_{id}"), "type": "function", "function": {"name": call.tool, "arguments": ""},
    }]})];
    for piece in words(&call.arguments) {
        deltas.push(json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}));
    }
    deltas
}

fn tool_call(reply: &Reply, id: &str) -> Option<Value> {
    let call = reply.call.as_ref()?;
    Some(json!({
        "id": format!("call_{id}"), "type": "function",
        "function": {"name": call.tool, "arguments": call.arguments},
    }))
}

/// `POST /v1/completions`.
pub(super) fn completions(request: &Value, id: &str) -> Response<PracticeBody> {
    let prompt = Prompt::of_completion(request);
    let reply = obey(&prompt);
    let choices = choices(request);
    let shape = |choices: Value, usage: Value| {
        json!({
            "id": format!("cmpl-{id}"), "object": "text_completion", "created": CREATED, "model": MODEL,
            "choices": choices, "usage": usage,
        })
    };
    let choice = |index: u64, text: &str, finish: Value| json!({"text": text, "index": index, "logprobs": null, "finish_reason": finish});
    let finish = || json!(finish_reason(&reply));
    let used = usage(prompt.words, &reply, choices);
    if request["stream"] != Value::Bool(true) {
        let all: Vec<Value> = (0..choices).map(|index| choice(index, &reply.text, finish())).collect();
        return whole(&shape(json!(all), used));
    }
    let mut events = Vec::new();
    for word in words(&reply.text) {
        for index in 0..choices {
            events.push(event(
                None,
                &shape(json!([choice(index, word, Value::Null)]), Value::Null),
            ));
        }
    }
    for index in 0..choices {
        events.push(event(None, &shape(json!([choice(index, "", finish())]), Value::Null)));
    }
    if wants_usage(request) {
        events.push(event(None, &shape(json!([]), used)));
    }
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    stream(events)
}

/// `POST /v1/embeddings`: vectors that depend on the text alone and mean nothing.
pub(super) fn embeddings(request: &Value) -> Response<PracticeBody> {
    let inputs = match &request["input"] {
        // An array of numbers is one text given as tokens.
        Value::Array(items) if !items.iter().all(Value::is_number) => items.iter().take(INPUTS_MAX).cloned().collect(),
        other => vec![other.clone()],
    };
    let dimensions = request["dimensions"]
        .as_u64()
        .unwrap_or(DIMENSIONS)
        .clamp(1, DIMENSIONS_MAX);
    let packed = request["encoding_format"] == "base64";
    let mut total: u64 = 0;
    let mut data = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        let text = input.as_str().map_or_else(|| input.to_string(), str::to_owned);
        total = total.saturating_add(count(&text));
        let vector = vector(&text, dimensions);
        let embedding = if packed { json!(base64(&vector)) } else { json!(vector) };
        data.push(json!({"object": "embedding", "index": index, "embedding": embedding}));
    }
    whole(&json!({
        "object": "list", "data": data, "model": MODEL,
        "usage": {"prompt_tokens": total, "total_tokens": total},
    }))
}

/// Numbers between -1 and 1 from repeated hashing.
fn vector(text: &str, dimensions: u64) -> Vec<f32> {
    let mut numbers = Vec::new();
    let mut digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    while u64::try_from(numbers.len()).is_ok_and(|len| len < dimensions) {
        numbers.extend(digest.as_ref().iter().map(|&byte| (f32::from(byte) - 127.5) / 127.5));
        digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, digest.as_ref());
    }
    numbers.truncate(usize::try_from(dimensions).unwrap_or(0));
    numbers
}

/// Little-endian floats in base64, which the official libraries ask for by default.
fn base64(vector: &[f32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut padded = [0_u8; 4];
        for (slot, byte) in padded.iter_mut().skip(1).zip(group) {
            *slot = *byte;
        }
        let bits = u32::from_be_bytes(padded);
        for (position, shift) in [18_u32, 12, 6, 0].into_iter().enumerate() {
            let digit = usize::try_from((bits >> shift) & 63)
                .ok()
                .and_then(|i| ALPHABET.get(i))
                .copied();
            text.push(if position > group.len() {
                '='
            } else {
                digit.map_or('=', char::from)
            });
        }
    }
    text
}

fn wants_usage(request: &Value) -> bool {
    request.pointer("/stream_options/include_usage") == Some(&Value::Bool(true))
}

fn choices(request: &Value) -> u64 {
    request["n"].as_u64().unwrap_or(1).clamp(1, CHOICES_MAX)
}

fn finish_reason(reply: &Reply) -> &'static str {
    match (&reply.call, reply.cut) {
        (Some(_), _) => "tool_calls",
        (None, true) => "length",
        (None, false) => "stop",
    }
}

fn usage(prompt_words: u64, reply: &Reply, choices: u64) -> Value {
    let completion = count(&reply.text).saturating_mul(choices);
    json!({
        "prompt_tokens": prompt_words, "completion_tokens": completion,
        "total_tokens": prompt_words.saturating_add(completion),
    })
}
