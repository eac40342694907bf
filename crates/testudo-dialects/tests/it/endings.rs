//! Streams that are cut short, as clients see them.

use serde_json::{Value, json};
use testudo_dialects::{BlockNotice, Operation, StreamReader};

use crate::render::{LIMITS, events};

/// Reads a stream, delivers its first `delivered` events, and gives what ends it.
fn ending(operation: Operation, stream: &str, delivered: usize) -> Vec<(Option<String>, Value)> {
    let mut reader = StreamReader::new(operation);
    for (number, event) in events(stream).iter().enumerate() {
        let progress = reader.frame(event, &LIMITS).expect("read").progress;
        if number < delivered {
            reader.delivered(&progress);
        }
    }
    let mut out = Vec::new();
    reader.block(
        &BlockNotice {
            message: "held a \"secret\"".to_owned(),
        },
        &mut out,
    );
    events(std::str::from_utf8(&out).expect("text"))
        .into_iter()
        .map(|event| {
            let data = event.data.expect("an ending has data");
            let value = serde_json::from_str(&data).unwrap_or(Value::String(data));
            (event.name, value)
        })
        .collect()
}

fn names(ending: &[(Option<String>, Value)]) -> Vec<&str> {
    ending.iter().filter_map(|(name, _)| name.as_deref()).collect()
}

const CHAT: &str = include_str!("golden/chat.sse");
const ANTHROPIC: &str = include_str!("golden/anthropic.sse");
const RESPONSES: &str = include_str!("golden/responses.sse");

#[test]
fn a_chat_ends_each_open_choice() {
    let cut = ending(Operation::ChatCompletions, CHAT, 3);
    assert_eq!(
        cut,
        [
            (
                None,
                json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "model-a",
                "choices": [{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "content_filter"}]})
            ),
            (
                None,
                json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "model-a",
                "choices": [{"index": 1, "delta": {}, "logprobs": null, "finish_reason": "content_filter"}]})
            ),
            (None, json!("[DONE]")),
        ]
    );
    let one_left = ending(Operation::ChatCompletions, CHAT, 6);
    assert_eq!(one_left.len(), 2);
    assert_eq!(one_left[0].1["choices"][0]["index"], 1);
    let none_left = ending(Operation::ChatCompletions, CHAT, 9);
    assert_eq!(none_left, [(None, json!("[DONE]"))]);
    assert_eq!(ending(Operation::ChatCompletions, CHAT, 10), []);
}

#[test]
fn nothing_sent_yet_ends_well_too() {
    let chat = ending(Operation::ChatCompletions, "", 0);
    assert_eq!(
        chat[0].1["choices"][0],
        json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": "content_filter"})
    );
    let completions = ending(Operation::Completions, "", 0);
    assert_eq!(completions[0].1["choices"][0]["text"], "");
    assert_eq!(completions[0].1["object"], "text_completion");
    assert_eq!(
        names(&ending(Operation::Messages, ANTHROPIC, 0)),
        ["message_start", "message_delta", "message_stop"]
    );
    assert_eq!(
        names(&ending(Operation::Responses, RESPONSES, 0)),
        ["response.created", "response.incomplete"]
    );
}

#[test]
fn a_message_ends_its_open_blocks_with_a_refusal() {
    let cut = ending(Operation::Messages, ANTHROPIC, 8);
    assert_eq!(names(&cut), ["content_block_stop", "message_delta", "message_stop"]);
    assert_eq!(cut[0].1, json!({"type": "content_block_stop", "index": 1}));
    assert_eq!(
        cut[1].1["delta"],
        json!({"stop_reason": "refusal", "stop_sequence": null,
            "stop_details": {"type": "refusal", "category": null, "explanation": "held a \"secret\""}})
    );
    // A block that was read but never sent is not ended.
    assert_eq!(
        names(&ending(Operation::Messages, ANTHROPIC, 6)),
        ["message_delta", "message_stop"]
    );
    assert_eq!(names(&ending(Operation::Messages, ANTHROPIC, 17)), Vec::<&str>::new());
}

#[test]
fn a_response_ends_incomplete_in_sequence() {
    let cut = ending(Operation::Responses, RESPONSES, 12);
    assert_eq!(names(&cut), ["response.incomplete"]);
    let event = &cut[0].1;
    assert_eq!(event["sequence_number"], 12);
    assert_eq!(event["response"]["id"], "resp_1");
    assert_eq!(event["response"]["status"], "incomplete");
    assert_eq!(
        event["response"]["incomplete_details"],
        json!({"reason": "content_filter"})
    );
    assert_eq!(ending(Operation::Responses, RESPONSES, 23), []);
}

#[test]
fn an_ending_repeats_no_text_of_the_stream() {
    let stream = "data: {\"id\":\"a secret text\",\"model\":\"another secret\",\"choices\":[]}\n\n";
    let cut = ending(Operation::ChatCompletions, stream, 1);
    let text = format!("{cut:?}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn every_cut_of_every_stream_ends_in_a_readable_way() {
    for (operation, stream, last) in [
        (Operation::ChatCompletions, CHAT, "[DONE]"),
        (
            Operation::ChatCompletions,
            include_str!("golden/chat_tools.sse"),
            "[DONE]",
        ),
        (Operation::Completions, include_str!("golden/completions.sse"), "[DONE]"),
        (Operation::Messages, ANTHROPIC, "message_stop"),
        (
            Operation::Messages,
            include_str!("golden/anthropic_rare.sse"),
            "message_stop",
        ),
        (Operation::Responses, RESPONSES, "response.incomplete"),
        (
            Operation::Responses,
            include_str!("golden/responses_rare.sse"),
            "response.incomplete",
        ),
    ] {
        let count = events(stream).len();
        for delivered in 0..count {
            let cut = ending(operation, stream, delivered);
            let Some((name, value)) = cut.last() else {
                continue;
            };
            let shown = name.as_deref().or(value.as_str());
            assert_eq!(shown, Some(last), "{operation:?} after {delivered}");
        }
    }
}
