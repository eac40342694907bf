//! Calls of tools: the same whole and streamed however a stream is cut, and nothing that could be one passed over.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "small numbers, and tables of cases"
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use testudo_bounded::json::Document;
use testudo_dialects::calls::{CallInput, CallReader, Readings, ToolCall, replaced};
use testudo_dialects::sse::{Decoder, write};
use testudo_dialects::{Operation, Saying, StreamReader};

use crate::render::{LIMITS, events};

const OPERATIONS: [Operation; 3] = [Operation::ChatCompletions, Operation::Responses, Operation::Messages];

/// A name, and arguments in the pieces in which they are streamed.
type Asked = (String, Vec<String>);

fn body(operation: Operation, asked: &[Asked]) -> Value {
    let each = asked.iter().enumerate();
    match operation {
        Operation::ChatCompletions => {
            let calls: Vec<Value> = each
                .map(|(at, (name, pieces))| {
                    json!({"id": format!("call_{at}"), "type": "function",
                        "function": {"name": name, "arguments": pieces.concat()}})
                })
                .collect();
            json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0,
                "message": {"role": "assistant", "content": "So:", "tool_calls": calls},
                "finish_reason": "tool_calls"}]})
        }
        Operation::Responses => {
            let mut output = vec![
                json!({"id": "m1", "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "annotations": [], "text": "So:"}]}),
            ];
            output.extend(each.map(|(at, asked)| item(at, asked)));
            json!({"id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "m",
                "output": output})
        }
        _ => {
            let mut content = vec![json!({"type": "text", "text": "So:"})];
            content.extend(each.map(|(at, (name, pieces))| {
                let input: Value = serde_json::from_str(&pieces.concat()).unwrap();
                json!({"type": "tool_use", "id": format!("t{at}"), "name": name, "input": input})
            }));
            json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content,
                "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}})
        }
    }
}

fn item(at: usize, (name, pieces): &Asked) -> Value {
    json!({"id": format!("f{at}"), "type": "function_call", "status": "completed", "call_id": format!("call_{at}"),
        "name": name, "arguments": pieces.concat()})
}

fn stream(operation: Operation, asked: &[Asked]) -> String {
    let mut out = Vec::new();
    match operation {
        Operation::ChatCompletions => chat_stream(asked, &mut out),
        Operation::Responses => responses_stream(asked, &mut out),
        _ => messages_stream(asked, &mut out),
    }
    String::from_utf8(out).unwrap()
}

fn chat_stream(asked: &[Asked], out: &mut Vec<u8>) {
    let mut chunk = |delta: Value, reason: Value| {
        let data = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]});
        write(None, &data.to_string(), out);
    };
    chunk(json!({"role": "assistant", "content": "So:"}), Value::Null);
    for (at, (name, pieces)) in asked.iter().enumerate() {
        chunk(
            json!({"tool_calls": [{"index": at, "id": format!("call_{at}"), "type": "function",
                "function": {"name": name, "arguments": ""}}]}),
            Value::Null,
        );
        for piece in pieces {
            chunk(
                json!({"tool_calls": [{"index": at, "function": {"arguments": piece}}]}),
                Value::Null,
            );
        }
    }
    chunk(json!({}), json!("tool_calls"));
    write(None, "[DONE]", out);
}

fn responses_stream(asked: &[Asked], out: &mut Vec<u8>) {
    let mut sequence = 0;
    let mut event = |kind: &str, mut data: Value| {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(sequence);
        sequence += 1;
        write(Some(kind), &data.to_string(), out);
    };
    let whole = body(Operation::Responses, asked);
    let mut empty = whole.clone();
    empty["output"] = json!([]);
    empty["status"] = json!("in_progress");
    event("response.created", json!({"response": empty}));
    let message = whole["output"][0].clone();
    event(
        "response.output_item.added",
        json!({"output_index": 0, "item":
        {"id": "m1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}}),
    );
    event(
        "response.output_text.delta",
        json!({"output_index": 0, "item_id": "m1", "content_index": 0, "delta": "So:"}),
    );
    event(
        "response.output_text.done",
        json!({"output_index": 0, "item_id": "m1", "content_index": 0, "text": "So:"}),
    );
    event("response.output_item.done", json!({"output_index": 0, "item": message}));
    for (at, one) in asked.iter().enumerate() {
        let place = at + 1;
        let mut begun = item(at, one);
        begun["arguments"] = json!("");
        begun["status"] = json!("in_progress");
        event(
            "response.output_item.added",
            json!({"output_index": place, "item": begun}),
        );
        for piece in &one.1 {
            event(
                "response.function_call_arguments.delta",
                json!({"output_index": place, "delta": piece}),
            );
        }
        event(
            "response.function_call_arguments.done",
            json!({"output_index": place, "arguments": one.1.concat()}),
        );
        event(
            "response.output_item.done",
            json!({"output_index": place, "item": item(at, one)}),
        );
    }
    event("response.completed", json!({"response": whole}));
}

fn messages_stream(asked: &[Asked], out: &mut Vec<u8>) {
    let mut event = |kind: &str, mut data: Value| {
        data["type"] = json!(kind);
        write(Some(kind), &data.to_string(), out);
    };
    event(
        "message_start",
        json!({"message": {"id": "m", "type": "message", "role": "assistant", "model": "m",
        "content": [], "stop_reason": null, "usage": {"input_tokens": 1, "output_tokens": 1}}}),
    );
    event(
        "content_block_start",
        json!({"index": 0, "content_block": {"type": "text", "text": ""}}),
    );
    event(
        "content_block_delta",
        json!({"index": 0, "delta": {"type": "text_delta", "text": "So:"}}),
    );
    event("content_block_stop", json!({"index": 0}));
    for (at, (name, pieces)) in asked.iter().enumerate() {
        let place = at + 1;
        event(
            "content_block_start",
            json!({"index": place, "content_block":
            {"type": "tool_use", "id": format!("t{at}"), "name": name, "input": {}}}),
        );
        for piece in pieces {
            event(
                "content_block_delta",
                json!({"index": place, "delta":
                {"type": "input_json_delta", "partial_json": piece}}),
            );
        }
        event("content_block_stop", json!({"index": place}));
    }
    event(
        "message_delta",
        json!({"delta": {"stop_reason": "tool_use", "stop_sequence": null},
        "usage": {"output_tokens": 1}}),
    );
    event("message_stop", json!({}));
}

/// The readings of each call, arguments as values.
fn read(readings: &Readings) -> Vec<Vec<(String, Value)>> {
    let calls = readings.calls();
    calls
        .iter()
        .map(|call| call.readings.iter().map(value).collect())
        .collect()
}

fn value(call: &ToolCall) -> (String, Value) {
    let input = match &call.input {
        CallInput::Json(text) if text.is_empty() => json!({}),
        CallInput::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(["unreadable", text])),
        CallInput::Text(text) => json!(["text", text]),
    };
    (call.name.clone(), input)
}

fn of_body(operation: Operation, body: &Value) -> Vec<Vec<(String, Value)>> {
    let text = body.to_string();
    let document = Document::parse(text.as_bytes(), &LIMITS).unwrap();
    read(&Readings::of_answer(operation, document.root()))
}

/// The readings, whether the answer is complete, and which events carry calls.
fn of_stream(operation: Operation, pieces: &[&[u8]]) -> (Vec<Vec<(String, Value)>>, bool, Vec<bool>) {
    let mut decoder = Decoder::new(1 << 20);
    let mut reader = CallReader::new(operation);
    let mut carried = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        while let Some(event) = decoder.next().unwrap() {
            carried.push(reader.event(&event, &LIMITS));
        }
    }
    (read(reader.readings()), reader.is_complete(), carried)
}

fn one(operation: Operation, stream: &str) -> (Vec<Vec<(String, Value)>>, bool, Vec<bool>) {
    of_stream(operation, &[stream.as_bytes()])
}

/// Names, and arguments whose text is cut anywhere.
fn asked() -> impl Strategy<Value = Vec<Asked>> {
    let arguments = prop::collection::btree_map("[a-z]{1,6}", "[ -~äß\u{1F600}]{0,12}", 0..4);
    let one = (
        "[a-z_]{1,10}",
        arguments,
        prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    );
    prop::collection::vec(
        one.prop_map(|(name, arguments, cuts)| {
            let text: Vec<char> = json!(arguments).to_string().chars().collect();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let pieces = at
                .windows(2)
                .map(|pair| text[pair[0]..pair[1]].iter().collect())
                .collect();
            (name, pieces)
        }),
        0..4,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whole_and_streamed_and_cut_anywhere_the_same_calls_come_out(asked in asked(), size in 1_usize..90) {
        for operation in OPERATIONS {
            let expected: Vec<Vec<(String, Value)>> = asked
                .iter()
                .map(|(name, pieces)| vec![(name.clone(), serde_json::from_str(&pieces.concat()).unwrap())])
                .collect();
            prop_assert_eq!(&of_body(operation, &body(operation, &asked)), &expected);
            let stream = stream(operation, &asked);
            let whole = one(operation, &stream);
            prop_assert_eq!(&whole.0, &expected, "{:?}", operation);
            prop_assert!(whole.1);
            let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            prop_assert_eq!(of_stream(operation, &pieces), whole);
        }
    }

    #[test]
    fn a_stream_that_ends_early_is_not_complete(asked in asked(), keep in any::<prop::sample::Index>()) {
        prop_assume!(!asked.is_empty());
        for operation in OPERATIONS {
            let stream = stream(operation, &asked);
            let all = events(&stream);
            let (last, ends) = match operation {
                // The reason to stop, and `[DONE]`.
                Operation::ChatCompletions => (all.len() - 2, 2),
                Operation::Messages => (all.len() - 1, 1),
                _ => (all.len() - 1, 1),
            };
            let kept = keep.index(last + 1);
            let early: Vec<u8> = all[..kept].iter().flat_map(|event| event.raw.clone()).collect();
            prop_assert!(!of_stream(operation, &[&early]).1, "{:?}: {} of {} and {}", operation, kept, last, ends);
        }
    }
}

#[test]
fn text_before_the_first_call_carries_none() {
    let asked = [("send".to_owned(), vec!["{\"to\":".to_owned(), "\"a\"}".to_owned()])];
    for (operation, before) in [
        (Operation::ChatCompletions, 1),
        (Operation::Responses, 5),
        (Operation::Messages, 4),
    ] {
        let carried = one(operation, &stream(operation, &asked)).2;
        assert!(
            carried[..before].iter().all(|carried| !carried),
            "{operation:?} {carried:?}"
        );
        assert!(carried[before], "{operation:?} {carried:?}");
        let silent = one(operation, &stream(operation, &[]));
        assert_eq!(silent.0, Vec::<Vec<(String, Value)>>::new());
        assert!(silent.2.iter().all(|carried| !carried), "{operation:?}");
    }
}

#[test]
fn what_could_be_a_call_is_one() {
    let message = |message: Value| json!({"choices": [{"index": 0, "message": message}]});
    let output = |item: Value| json!({"output": [{"type": "message", "content": []}, item]});
    let content = |block: Value| json!({"content": [{"type": "text", "text": "a"}, block]});
    for (operation, body, name) in [
        (
            Operation::ChatCompletions,
            message(json!({"function_call": {"name": "pay", "arguments": "{}"}})),
            "pay",
        ),
        (Operation::ChatCompletions, message(json!({"function_call": "pay"})), ""),
        (
            Operation::ChatCompletions,
            message(json!({"tool_calls": {"name": "pay"}})),
            "",
        ),
        (
            Operation::ChatCompletions,
            message(json!({"tool_calls": [{"name": "pay"}]})),
            "",
        ),
        (Operation::ChatCompletions, message(json!({"tool_calls": ["pay"]})), ""),
        (
            Operation::ChatCompletions,
            message(json!({"tool_calls": [{"custom": {"name": "sql", "input": "DROP"}}]})),
            "sql",
        ),
        (
            Operation::ChatCompletions,
            json!({"choices": [{"tool_calls": [{"function": {"name": "pay"}}]}]}),
            "pay",
        ),
        (
            Operation::Responses,
            output(json!({"type": "custom_tool_call", "name": "sql", "input": "DROP"})),
            "sql",
        ),
        (
            Operation::Responses,
            output(json!({"type": "local_shell_call", "action": {"command": ["rm"]}})),
            "local_shell",
        ),
        (
            Operation::Responses,
            output(json!({"type": "shell_call", "action": {"commands": ["rm"]}})),
            "shell",
        ),
        (
            Operation::Responses,
            output(json!({"type": "apply_patch_call", "operation": {"path": "a"}})),
            "apply_patch",
        ),
        (
            Operation::Responses,
            output(json!({"type": "computer_call", "action": {"type": "click"}})),
            "computer",
        ),
        (
            Operation::Responses,
            output(json!({"type": "mcp_approval_request", "server_label": "bank", "name": "pay", "arguments": "{}"})),
            "bank__pay",
        ),
        (
            Operation::Responses,
            output(json!({"type": "teleport", "name": "pay"})),
            "",
        ),
        (Operation::Responses, output(json!({"name": "pay"})), ""),
        (Operation::Responses, output(json!("pay")), ""),
        (
            Operation::Messages,
            content(json!({"type": "tool_use", "name": "pay", "input": {"to": "a"}})),
            "pay",
        ),
        (
            Operation::Messages,
            content(json!({"type": "teleport_use", "name": "pay"})),
            "",
        ),
        (Operation::Messages, content(json!({"name": "pay"})), ""),
    ] {
        let calls = of_body(operation, &body);
        assert_eq!(calls.len(), 1, "{body}");
        assert_eq!(calls[0][0].0, name, "{body}");
    }
}

#[test]
fn what_ran_upstream_and_what_is_said_is_none() {
    let message = |message: Value| json!({"choices": [{"index": 0, "message": message}]});
    for (operation, body) in [
        (
            Operation::ChatCompletions,
            message(json!({"content": "a", "tool_calls": null, "function_call": null})),
        ),
        (
            Operation::ChatCompletions,
            message(json!({"content": "a", "tool_calls": []})),
        ),
        (
            Operation::Responses,
            json!({"output": [{"type": "reasoning"}, {"type": "web_search_call"}, {"type": "mcp_call"}]}),
        ),
        (
            Operation::Messages,
            json!({"content": [{"type": "thinking"}, {"type": "server_tool_use", "name": "web_search"},
            {"type": "web_search_tool_result"}]}),
        ),
        (Operation::Completions, json!({"choices": [{"text": "a"}]})),
    ] {
        assert_eq!(of_body(operation, &body), Vec::<Vec<(String, Value)>>::new(), "{body}");
    }
}

fn chunks(deltas: &[Value]) -> String {
    let chunk = |delta: &Value| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta}]}));
    deltas.iter().map(chunk).collect()
}

#[test]
fn each_way_to_read_a_stream_is_a_reading() {
    // A client may join pieces of a name, keep the first or the last.
    let split = chunks(&[
        json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "read", "arguments": "{\"to\""}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"name": "_pay", "arguments": ":1}"}}]}),
    ]);
    let names: Vec<String> = one(Operation::ChatCompletions, &split).0[0]
        .iter()
        .map(|it| it.0.clone())
        .collect();
    assert_eq!(names, ["read_pay", "read", "_pay"]);
    // Another id in the same place is another call, or the same.
    let two = chunks(&[
        json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "read", "arguments": ""}}]}),
        json!({"tool_calls": [{"index": 0, "id": "b", "function": {"name": "pay", "arguments": "{\"to\":1}"}}]}),
    ]);
    let calls = one(Operation::ChatCompletions, &two).0;
    for reading in [
        ("read", json!({})),
        ("pay", json!({"to": 1})),
        ("read", json!({"to": 1})),
    ] {
        assert!(
            calls[0].contains(&(reading.0.to_owned(), reading.1.clone())),
            "{reading:?} {calls:?}"
        );
    }
    // What is said at the end may differ from the pieces.
    let differs = "data: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"function_call\",\"name\":\"pay\",\"arguments\":\"\"}}\n\n\
         data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":0,\"delta\":\"{\\\"to\\\":1}\"}\n\n\
         data: {\"type\":\"response.function_call_arguments.done\",\"output_index\":0,\"arguments\":\"{\\\"to\\\":2}\"}\n\n\
         data: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"function_call\",\"name\":\"pay\",\"arguments\":\"{\\\"to\\\":3}\"}}\n\n\
         data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"type\":\"function_call\",\"name\":\"pay\",\"arguments\":\"{\\\"to\\\":4}\"}]}}\n\n";
    let (calls, complete, _) = one(Operation::Responses, differs);
    assert!(complete);
    for to in 1..=4 {
        assert!(
            calls[0].contains(&("pay".to_owned(), json!({"to": to}))),
            "{to} {calls:?}"
        );
    }
    // A block whose input stands at its start and in pieces.
    let twice = "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"name\":\"pay\",\"input\":{\"to\":1}}}\n\n\
         data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"to\\\":2}\"}}\n\n";
    let calls = one(Operation::Messages, twice).0;
    for to in 1..=2 {
        assert!(
            calls[0].contains(&("pay".to_owned(), json!({"to": to}))),
            "{to} {calls:?}"
        );
    }
}

#[test]
fn what_cannot_be_read_may_be_a_call() {
    for data in [
        "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"choices\":[]}",
        "{\"choices\":",
        "not json",
    ] {
        let mut reader = CallReader::new(Operation::ChatCompletions);
        let carried: Vec<bool> = events(&format!("data: {data}\n\n"))
            .iter()
            .map(|event| reader.event(event, &LIMITS))
            .collect();
        assert_eq!(carried, [true], "{data}");
        assert!(
            reader.readings().is_excessive() && !reader.readings().is_empty(),
            "{data}"
        );
    }
    let mut reader = CallReader::new(Operation::ChatCompletions);
    for at in 0..300 {
        let delta = json!({"tool_calls": [{"index": at, "function": {"name": "a", "arguments": "{}"}}]});
        for event in events(&chunks(&[delta])) {
            reader.event(&event, &LIMITS);
        }
    }
    assert!(reader.readings().is_excessive());
    assert_eq!(reader.readings().calls().len(), 256);
}

#[test]
fn a_text_takes_the_place_of_calls_in_a_whole_answer() {
    let asked = [("pay".to_owned(), vec!["{}".to_owned()])];
    for operation in OPERATIONS {
        let body = body(operation, &asked).to_string();
        let document = Document::parse(body.as_bytes(), &LIMITS).unwrap();
        let out = replaced(operation, &document, "not \"this\"").unwrap();
        let out: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(of_body(operation, &out), Vec::<Vec<(String, Value)>>::new(), "{out}");
        let text = out.to_string();
        assert!(
            text.contains("So:") && text.contains("not \\\"this\\\"") && !text.contains("pay"),
            "{text}"
        );
        let reason = match operation {
            Operation::ChatCompletions => &out["choices"][0]["finish_reason"],
            Operation::Responses => &out["status"],
            _ => &out["stop_reason"],
        };
        assert!(
            ["stop", "completed", "end_turn"].contains(&reason.as_str().unwrap()),
            "{out}"
        );
    }
}

#[test]
fn a_stream_ends_with_a_text_in_the_place_of_calls() {
    let asked = [("pay".to_owned(), vec!["{}".to_owned()])];
    for operation in OPERATIONS {
        let stream = stream(operation, &asked);
        let mut reader = StreamReader::new(operation);
        let mut calls = CallReader::new(operation);
        let mut kept = false;
        let mut back: Vec<String> = Vec::new();
        let mut out = Vec::new();
        for event in events(&stream) {
            let progress = reader.frame(&event, &LIMITS).unwrap().progress;
            kept |= calls.event(&event, &LIMITS);
            if kept {
                back.extend(event.data.clone());
            } else {
                reader.delivered(&progress);
                out.extend_from_slice(&event.raw);
            }
        }
        let back: Vec<&str> = back.iter().map(String::as_str).collect();
        let saying = Saying {
            text: "not \"this\"",
            kept: &back,
            limits: &LIMITS,
        };
        reader.say(&saying, &mut out);
        let out = String::from_utf8(out).unwrap();
        let (calls, complete, _) = one(operation, &out);
        assert_eq!(calls, Vec::<Vec<(String, Value)>>::new(), "{out}");
        assert!(
            complete && out.contains("So:") && out.contains("not \\\"this\\\"") && !out.contains("pay"),
            "{out}"
        );
        // The client's kit sees a stream that is in order, and joins what is said twice.
        let mut reader = StreamReader::new(operation);
        let mut sequence = 0;
        let mut roles = 0;
        for event in events(&out) {
            reader.frame(&event, &LIMITS).unwrap();
            let data: Value = serde_json::from_str(event.data.as_deref().unwrap()).unwrap_or_default();
            roles += usize::from(data["choices"][0]["delta"]["role"].is_string());
            if operation == Operation::Responses {
                assert_eq!(data["sequence_number"], sequence, "{data}");
                sequence += 1;
                if data["type"] == "response.completed" {
                    assert_eq!(data["response"]["output"][0]["id"], "m1");
                    assert_eq!(data["response"]["output"][1]["content"][0]["text"], "not \"this\"");
                }
            }
        }
        assert_eq!(roles, usize::from(operation == Operation::ChatCompletions), "{out}");
    }
}
