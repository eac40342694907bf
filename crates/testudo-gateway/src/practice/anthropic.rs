//! Anthropic's shapes of the practice upstream's answers.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::obey::{Reply, obey};
use super::prompt::Prompt;
use super::{MODEL, PracticeBody, count, event, stream, whole, words};

/// `POST /v1/messages`.
pub(super) fn messages(request: &Value, id: &str) -> Response<PracticeBody> {
    let prompt = Prompt::of_messages(request);
    let reply = obey(&prompt);
    if request["stream"] == Value::Bool(true) {
        return stream(events(&reply, prompt.words, id));
    }
    let mut content = vec![json!({"type": "text", "text": reply.text, "citations": null})];
    if let Some(call) = &reply.call {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        content.push(json!({"type": "tool_use", "id": format!("toolu_{id}"), "name": call.tool, "input": input}));
    }
    whole(&json!({
        "id": format!("msg_{id}"), "type": "message", "role": "assistant", "model": MODEL, "content": content,
        "stop_reason": stop_reason(&reply), "stop_sequence": null,
        "usage": {"input_tokens": prompt.words, "output_tokens": count(&reply.text)},
    }))
}

/// `POST /v1/messages/count_tokens`.
pub(super) fn count_tokens(request: &Value) -> Response<PracticeBody> {
    whole(&json!({"input_tokens": Prompt::of_messages(request).words}))
}

fn stop_reason(reply: &Reply) -> &'static str {
    match (&reply.call, reply.cut) {
        (Some(_), _) => "tool_use",
        (None, true) => "max_tokens",
        (None, false) => "end_turn",
    }
}

fn events(reply: &Reply, input_words: u64, id: &str) -> Vec<Bytes> {
    let named = |data: Value| {
        let name = data.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        event(Some(&name), &data)
    };
    let mut events = vec![
        named(json!({"type": "message_start", "message": {
            "id": format!("msg_{id}"), "type": "message", "role": "assistant", "model": MODEL, "content": [],
            "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": input_words, "output_tokens": 1},
        }})),
        named(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
        named(json!({"type": "ping"})),
    ];
    for word in words(&reply.text) {
        events.push(named(
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}),
        ));
    }
    events.push(named(json!({"type": "content_block_stop", "index": 0})));
    if let Some(call) = &reply.call {
        let block = json!({"type": "tool_use", "id": format!("toolu_{id}"), "name": call.tool, "input": {}});
        events.push(named(
            json!({"type": "content_block_start", "index": 1, "content_block": block}),
        ));
        for piece in words(&call.arguments) {
            let delta = json!({"type": "input_json_delta", "partial_json": piece});
            events.push(named(
                json!({"type": "content_block_delta", "index": 1, "delta": delta}),
            ));
        }
        events.push(named(json!({"type": "content_block_stop", "index": 1})));
    }
    events.push(named(json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(reply), "stop_sequence": null},
        "usage": {"output_tokens": count(&reply.text)},
    })));
    events.push(named(json!({"type": "message_stop"})));
    events
}
