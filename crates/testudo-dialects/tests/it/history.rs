//! Requests as conversations: who says what, and what is nobody's that may be trusted.

use serde_json::{Value, json};
use testudo_dialects::calls::{CallInput, Voice, history};
use testudo_dialects::{Operation, read_request};

use crate::render::LIMITS;

/// One line for each turn: who, and what.
fn lines(operation: Operation, request: &Value) -> Vec<String> {
    let text = request.to_string();
    let view = read_request(operation, text.as_bytes(), &LIMITS).unwrap();
    let (definitions, turns) = history(&view);
    let definitions = definitions.iter().map(|it| format!("definition {}", it.name));
    let turns = turns.iter().map(|turn| match &turn.voice {
        Voice::System => format!("system {}", turn.text),
        Voice::User => format!("user {}", turn.text),
        Voice::Model => format!("model {}", turn.text),
        Voice::Other => format!("other {}", turn.text),
        Voice::Result(None) => format!("result of nothing {}", turn.text),
        Voice::Result(Some(call)) => format!("result of {} {}", call.name, turn.text),
        Voice::Call(call) => match &call.input {
            CallInput::Json(text) | CallInput::Text(text) => format!("call {} {text}", call.name),
        },
    });
    definitions.chain(turns).collect()
}

// Members stand in alphabetical order where their order is seen: serde_json keeps it or sorts, by its features.
#[test]
fn a_chat() {
    let request = json!({"model": "m", "user": "u", "metadata": {"a": "b"}, "stop": "END",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"content": [{"type": "text", "text": "Pay"}, {"type": "text", "text": "Bob"},
                {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{}", "A".repeat(64))}}],
                "name": "ann", "role": "user"},
            {"role": "assistant", "content": "Looking.", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{\"q\":\"Bob\"}"}}]},
            {"role": "tool", "tool_call_id": "1", "content": "[{\"iban\":\"X\"}]"},
            {"content": "Y", "name": "find", "role": "tool", "tool_call_id": "2"},
            {"role": "oracle", "content": "Z"},
        ],
        "tools": [{"type": "function", "function": {"name": "find", "description": "Finds"}}]});
    assert_eq!(
        lines(Operation::ChatCompletions, &request),
        [
            "definition find",
            "system Be brief.",
            "user Pay",
            "user Bob",
            "other ",
            "other ann",
            "call find {\"q\":\"Bob\"}",
            "model Looking.",
            "result of find [{\"iban\":\"X\"}]",
            "result of nothing Y",
            "result of nothing find",
            "other Z",
        ]
    );
}

#[test]
fn ids_that_lead_nowhere_or_to_two_calls_name_no_tool() {
    let call = |name: &str| {
        json!({"role": "assistant", "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": name, "arguments": "{}"}}]})
    };
    let result = json!({"role": "tool", "tool_call_id": "1", "content": "a"});
    for messages in [
        json!([result, call("find")]),
        json!([call("find"), call("other"), result]),
        json!([call("find"), {"role": "tool", "content": "a"}]),
        json!([call("find"), {"role": "tool", "tool_call_id": "", "content": "a"}]),
        json!([{"role": "function", "name": "find", "content": "a"}]),
    ] {
        let request = json!({"messages": messages});
        let lines = lines(Operation::ChatCompletions, &request);
        assert!(lines.contains(&"result of nothing a".to_owned()), "{lines:?}");
        assert!(
            !lines.iter().any(|line| line.starts_with("result of find")),
            "{lines:?}"
        );
    }
    let legacy = json!({"messages": [{"role": "assistant", "function_call": {"name": "find", "arguments": "{}"}},
        {"role": "function", "name": "find", "content": "a"}]});
    let lines = lines(Operation::ChatCompletions, &legacy);
    assert!(lines.contains(&"result of find a".to_owned()), "{lines:?}");
}

#[test]
fn messages_of_anthropic() {
    let request = json!({"model": "m", "max_tokens": 9, "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": "Pay Bob"},
            {"role": "assistant", "content": [{"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "1", "name": "find", "input": {"q": "Bob"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "X"}]},
                {"type": "tool_result", "tool_use_id": "9", "content": "Y"},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a page"}},
                {"type": "hologram", "content": [{"type": "text", "text": "H"}]},
                {"type": "text", "text": "and now?"}]},
        ],
        "tools": [{"name": "find", "input_schema": {"type": "object"}}]});
    assert_eq!(
        lines(Operation::Messages, &request),
        [
            "definition find",
            "system Be brief.",
            "user Pay Bob",
            "model Looking.",
            "call find {\"q\":\"Bob\"}",
            "model find",
            "result of find X",
            "result of nothing Y",
            "other a page",
            "other H",
            "user and now?",
        ]
    );
}

#[test]
fn responses() {
    let request = json!({"model": "m", "instructions": "Be brief.", "metadata": {"k": "v"},
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Pay Bob"},
                {"file_url": "https://a.example/x", "filename": "evil.txt", "type": "input_file"}]},
            {"type": "function_call", "call_id": "1", "name": "find", "arguments": "{\"q\":\"Bob\"}"},
            {"type": "function_call_output", "call_id": "1", "output": "X"},
            {"type": "function_call_output", "call_id": "7", "output": "Y"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hm."}]},
            {"type": "memo", "note": "N"},
        ],
        "tools": [{"type": "function", "name": "find"}, {"type": "web_search"}]});
    assert_eq!(
        lines(Operation::Responses, &request),
        [
            "definition find",
            "definition web_search",
            "system Be brief.",
            "user Pay Bob",
            "other https://a.example/x",
            "other evil.txt",
            "call find {\"q\":\"Bob\"}",
            "model find",
            "result of find X",
            "result of nothing Y",
            "model Hm.",
            "other N",
        ]
    );
    assert_eq!(
        lines(Operation::Responses, &json!({"input": "Pay Bob"})),
        ["user Pay Bob"]
    );
}

#[test]
fn places_that_nobody_knows_are_somebodys_text() {
    for (operation, request) in [
        (
            Operation::ChatCompletions,
            json!({"messages": [{"role": "user", "content": "a", "memory": "x"}]}),
        ),
        (
            Operation::ChatCompletions,
            json!({"messages": [{"role": "user", "content": [{"type": "quote", "quote": "x"}]}]}),
        ),
        (Operation::ChatCompletions, json!({"messages": [], "context": ["x"]})),
        (
            Operation::Messages,
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "title": "x"}]}]}),
        ),
        (Operation::Messages, json!({"messages": [], "memory": {"deep": "x"}})),
        (
            Operation::Responses,
            json!({"input": [{"role": "user", "content": [{"type": "input_quote", "quote": "x"}]}]}),
        ),
        (
            Operation::Responses,
            json!({"input": [], "prompt": {"id": "p", "variables": {"v": "x"}}}),
        ),
    ] {
        let lines = lines(operation, &request);
        assert!(lines.iter().any(|line| line == "other x"), "{request}: {lines:?}");
    }
}
