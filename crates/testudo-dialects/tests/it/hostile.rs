//! Bodies made to confuse or exhaust a reader.

use testudo_bounded::json::Limits;
use testudo_dialects::{Operation, Refused, read_request, read_response};
use testudo_types::Origin;

use crate::render::LIMITS;

#[test]
fn ambiguous_requests_are_refused_with_a_remedy() {
    for body in [
        &b""[..],
        b"{",
        b"{}x",
        b"\xef\xbb\xbf{}",
        b"{\"a\":\"\xff\"}",
        b"{\"model\":\"a\",\"model\":\"b\"}",
        b"{\"model\":\"a\",\"mod\\u0065l\":\"b\"}",
        b"{\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"content\":\"b\"}]}",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":NaN}",
        b"{'a':1}",
        b"{\"a\":1,}",
        b"{/**/}",
    ] {
        let refusal = read_request(Operation::ChatCompletions, body, &LIMITS).expect_err("refused");
        assert!(matches!(refusal, Refused::Json(_)), "{refusal}");
        assert!(
            refusal.to_string().starts_with("the body is not strict JSON: "),
            "{refusal}"
        );
        assert_eq!(refusal.status(), 400);
    }
}

#[test]
fn a_request_is_an_object() {
    for body in ["[]", "null", "7", "\"text\"", "[{\"model\":\"m\"}]"] {
        assert_eq!(
            read_request(Operation::Messages, body.as_bytes(), &LIMITS).expect_err(body),
            Refused::NotAnObject
        );
    }
    assert_eq!(
        read_request(Operation::Models, b"{}", &LIMITS).expect_err("no body"),
        Refused::UnexpectedBody
    );
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = format!("{{\"messages\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert!(matches!(
        read_request(Operation::ChatCompletions, deep.as_bytes(), &LIMITS),
        Err(Refused::Json(_))
    ));
    let lenient = Limits {
        depth_max: 10_000,
        ..LIMITS
    };
    let deeper = format!("{{\"messages\":{}{}}}", "[".repeat(9_000), "]".repeat(9_000));
    let refusal = read_request(Operation::ChatCompletions, deeper.as_bytes(), &lenient).expect_err("deep");
    assert!(matches!(refusal, Refused::Depth { .. }), "{refusal}");
    assert!(refusal.to_string().len() < 600, "a message stays short");
    let small = Limits {
        bytes_max: 10,
        ..LIMITS
    };
    let refusal = read_request(Operation::ChatCompletions, b"{\"messages\":[]}", &small).expect_err("large");
    assert_eq!(refusal.status(), 413);
}

#[test]
fn strings_are_counted_and_paths_stay_short() {
    let many = format!("{{\"messages\":[{}\"a b\"]}}", "\"a b\",".repeat(120_000));
    let refusal = read_request(Operation::ChatCompletions, many.as_bytes(), &LIMITS).expect_err("many");
    assert!(matches!(refusal, Refused::TooManyStrings { .. }), "{refusal}");
    let key = "k".repeat(1_000_000);
    let long = format!("{{\"{key}\":[{}\"a b\"]}}", "\"a b\",".repeat(50_000));
    let view = read_request(Operation::ChatCompletions, long.as_bytes(), &LIMITS).expect("read");
    assert!(view.spans.iter().all(|span| span.path.as_str().len() < 300));
    assert_eq!(view.spans.len(), 50_002);
}

#[test]
fn characters_that_pointers_escape_do_not_lengthen_paths() {
    for key in ["~".repeat(200), "/".repeat(250)] {
        let body = format!("{{\"{key}\":{{\"{key}\":\"a b\"}}}}");
        let view = read_request(Operation::ChatCompletions, body.as_bytes(), &LIMITS).expect("read");
        assert_eq!(view.spans.len(), 3);
        assert!(view.spans.iter().all(|span| span.path.as_str().len() < 300));
    }
}

#[test]
fn strings_in_places_of_other_types_are_read() {
    for (operation, body) in [
        (Operation::ChatCompletions, r#"{"messages":"so there"}"#),
        (
            Operation::ChatCompletions,
            r#"{"messages":{"a":{"role":"user","content":"so there"}}}"#,
        ),
        (Operation::ChatCompletions, r#"{"messages":[["so there"]]}"#),
        (
            Operation::ChatCompletions,
            r#"{"messages":[{"role":["user"],"content":{"text":"so there"}}]}"#,
        ),
        (Operation::ChatCompletions, r#"{"messages":[{"role":"so there"}]}"#),
        (
            Operation::ChatCompletions,
            r#"{"messages":[{"content":[[{"text":"so there"}]]}]}"#,
        ),
        (
            Operation::ChatCompletions,
            r#"{"messages":[{"content":[{"type":"so there"}]}]}"#,
        ),
        (
            Operation::ChatCompletions,
            r#"{"messages":[{"tool_call_id":"so there"}]}"#,
        ),
        (
            Operation::ChatCompletions,
            r#"{"messages":[{"content":[{"type":"image_url","image_url":"so there"}]}]}"#,
        ),
        (Operation::ChatCompletions, r#"{"stream_options":{"x":"so there"}}"#),
        (Operation::Responses, r#"{"input":{"content":"so there"}}"#),
        (Operation::Responses, r#"{"input":[{"type":"so there"}]}"#),
        (
            Operation::Responses,
            r#"{"input":[{"type":"reasoning","encrypted_content":"so there"}]}"#,
        ),
        (
            Operation::Responses,
            r#"{"input":[{"type":"function_call","arguments":{"a":"so there"}}]}"#,
        ),
        (Operation::Messages, r#"{"system":{"text":"so there"}}"#),
        (
            Operation::Messages,
            r#"{"messages":[{"role":"user","content":[{"type":"thinking","signature":"so there"}]}]}"#,
        ),
        (
            Operation::Messages,
            r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"so there"}}]}]}"#,
        ),
        (Operation::Completions, r#"{"prompt":{"a":"so there"}}"#),
        (Operation::Embeddings, r#"{"input":[["so there"]]}"#),
    ] {
        let view = read_request(operation, body.as_bytes(), &LIMITS).expect(body);
        assert!(view.spans.iter().any(|span| span.text == "so there"), "{body}");
    }
}

#[test]
fn hosted_tools_cannot_hide_among_many() {
    let many: Vec<_> = (0..300).map(|n| serde_json::json!({"type": format!("a{n}")})).collect();
    let body = serde_json::json!({"tools": many}).to_string();
    let refusal = read_request(Operation::Responses, body.as_bytes(), &LIMITS).expect_err("too many");
    assert_eq!(refusal.pointer(), Some("/tools"));
}

#[test]
fn a_tools_name_is_short_or_none() {
    for (name, shown) in [
        ("look_up", true),
        ("a b", false),
        ("", false),
        (&*"n".repeat(129), false),
    ] {
        let body = serde_json::json!({"messages": [
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": name}}]},
            {"role": "tool", "tool_call_id": "c", "content": "so there"}]})
        .to_string();
        let view = read_request(Operation::ChatCompletions, body.as_bytes(), &LIMITS).expect("read");
        let result = view.spans.iter().find(|span| span.text == "so there").expect("seen");
        let tool = shown.then(|| name.into());
        assert_eq!(result.origin, Origin::ToolResult { tool }, "{name}");
    }
    let twice = r#"{"messages":[
        {"role":"assistant","tool_calls":[{"id":"c","function":{"name":"safe"}},{"id":"c","function":{"name":"web"}}]},
        {"role":"tool","tool_call_id":"c","content":"so there"}]}"#;
    let view = read_request(Operation::ChatCompletions, twice.as_bytes(), &LIMITS).expect("read");
    assert!(
        view.spans
            .iter()
            .any(|span| span.origin == Origin::ToolResult { tool: None })
    );
}

#[test]
fn keys_and_texts_stay_out_of_records() {
    let body = r#"{"novel":{"4111 1111 1111 1111":{"Hunter2":"hunter two"}},"user":"hunter two"}"#;
    let view = read_request(Operation::ChatCompletions, body.as_bytes(), &LIMITS).expect("read");
    assert_eq!(view.spans.len(), 4);
    for span in &view.spans {
        let record = format!("{span:?}").to_lowercase();
        assert!(!record.contains("hunter") && !record.contains("4111"), "{record}");
    }
}

#[test]
fn refusals_repeat_no_control_characters() {
    let refusal = read_request(Operation::ChatCompletions, b"{\"MODEL\\u001b[31m\":1}", &LIMITS);
    if let Err(refusal) = refusal {
        assert!(!refusal.to_string().contains('\u{1b}'), "{refusal}");
    }
    let refusal = read_request(Operation::ChatCompletions, b"{\"MO\\u001bDEL\":1}", &LIMITS).expect_err("variant");
    assert!(!refusal.to_string().contains('\u{1b}'), "{refusal}");
}

#[test]
fn wrong_answers_do_not_panic() {
    for operation in Operation::all() {
        for body in [
            "null",
            "[]",
            "7",
            "\"a b\"",
            "[[[[\"a b\"]]]]",
            "{\"\":{\"\":[]}}",
            "{\"usage\":[1],\"choices\":7}",
        ] {
            let view = read_response(*operation, 500, body.as_bytes(), &LIMITS).expect(body);
            assert_eq!(
                view.spans.len(),
                usize::from(body.contains("a b")),
                "{operation:?} {body}"
            );
        }
    }
}
