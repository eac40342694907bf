//! Whole answers and error bodies.

use serde_json::{Value, json};
use testudo_bounded::json::Edits;
use testudo_dialects::{Operation, Refused, ResponseView, read_response};

use crate::render::{LIMITS, check, span};

fn view(operation: Operation, status: u16, body: &str) -> ResponseView<'_> {
    read_response(operation, status, body.as_bytes(), &LIMITS).expect("the answer is read")
}

fn reads(operation: Operation, body: &Value, expected: &str) {
    let body = body.to_string();
    let view = view(operation, 200, &body);
    let lines: Vec<String> = view
        .spans
        .iter()
        .map(|one| format!("{} {}", one.path, span(one)))
        .collect();
    check("the answer", &lines, expected.trim_start());
}

#[test]
fn every_text_of_a_chat_is_read() {
    let token = |text: &str| json!({"token": text, "logprob": -0.1, "bytes": text.as_bytes(), "top_logprobs": []});
    reads(
        Operation::ChatCompletions,
        &json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "finish_reason": "stop", "logprobs": {"content": [token("so")], "refusal": null},
             "message": {"role": "assistant", "content": "so it is", "refusal": null,
                "annotations": [{"type": "url_citation", "url_citation": {"title": "a page", "url": "u u"}}]}},
            {"index": 1, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null,
                "reasoning_content": "a thought", "audio": {"id": "a", "data": "QUJD".repeat(80), "transcript": "said so"},
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"b c\"}"}}]}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
        r#"
/choices/0/logprobs/content/0/bytes "so" LogprobBytes or null fixed
/choices/0/logprobs/content/0/token "so" or null fixed
/choices/0/message/annotations/0/url_citation/title "a page" or null
/choices/0/message/annotations/0/url_citation/url "u u" or null
/choices/0/message/content "so it is" or null
/choices/1/message/audio/data (320 bytes) Media
/choices/1/message/audio/transcript "said so"
/choices/1/message/reasoning_content "a thought"
/choices/1/message/tool_calls/0/function/arguments "{\"a\":\"b c\"}"
/choices/1/message/tool_calls/0/function/name "f""#,
    );
}

#[test]
fn every_text_of_a_message_is_read() {
    reads(
        Operation::Messages,
        &json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": "end_turn",
            "stop_sequence": null, "content": [
                {"type": "thinking", "thinking": "a thought", "signature": "Eq+/="},
                {"type": "text", "text": "an answer", "citations": [{"type": "char_location", "cited_text": "the source"}]},
                {"type": "tool_use", "id": "t", "name": "pay", "input": {"to": "a b", "iban_no": 370_400_440_532u64, "x": 12}},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q q"}},
                {"type": "mcp_tool_result", "tool_use_id": "q", "content": [{"type": "text", "text": "from afar"}]},
                {"type": "novel", "words": "strange text"}]}),
        r#"
/content/0/thinking "a thought"
/content/1/citations/0/cited_text "the source"
/content/1/text "an answer"
/content/2/input/iban_no "370400440532" Number or null fixed
/content/2/input/to "a b"
/content/2/name "pay"
/content/3/input/query "q q"
/content/3/name "web_search"
/content/4/content/0/text "from afar" by tool mcp
/content/5/words "strange text""#,
    );
}

#[test]
fn errors_of_any_status_are_read() {
    for (operation, body) in [
        (
            Operation::ChatCompletions,
            json!({"error": {"message": "bad key sk-so so", "type": "invalid_request_error", "code": null}}),
        ),
        (Operation::ChatCompletions, json!({"error": "bad key sk-so so"})),
        (
            Operation::ChatCompletions,
            json!({"detail": [{"msg": "bad key sk-so so"}]}),
        ),
        (
            Operation::Responses,
            json!({"error": {"message": "bad key sk-so so", "metadata": {"raw": "x"}}}),
        ),
        (
            Operation::Messages,
            json!({"type": "error", "error": {"type": "api_error", "message": "bad key sk-so so"}}),
        ),
        (Operation::Models, json!({"error": {"message": "bad key sk-so so"}})),
        (
            Operation::CountTokens,
            json!({"novel": {"message": "bad key sk-so so"}}),
        ),
    ] {
        let text = body.to_string();
        let view = view(operation, 401, &text);
        assert!(view.error);
        assert!(view.spans.iter().any(|span| span.text == "bad key sk-so so"), "{text}");
    }
    assert!(view(Operation::ChatCompletions, 200, r#"{"error":{"message":"x"}}"#).error);
    assert!(!view(Operation::Responses, 200, r#"{"error":null}"#).error);
}

#[test]
fn lists_of_models_and_embeddings_are_quiet() {
    for (operation, body) in [
        (
            Operation::Models,
            json!({"object": "list", "data": [{"id": "org/m-1", "object": "model", "created": 1, "owned_by": "org"}]}),
        ),
        (
            Operation::AnthropicModels,
            json!({"data": [{"id": "c-1", "type": "model", "created_at": "2026-01-01T00:00:00Z"}], "has_more": false, "first_id": "c-1", "last_id": "c-1"}),
        ),
        (
            Operation::Embeddings,
            json!({"object": "list", "model": "e", "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}, {"object": "embedding", "index": 1, "embedding": "AAECAwQ="}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}),
        ),
        (Operation::CountTokens, json!({"input_tokens": 12})),
    ] {
        let text = body.to_string();
        assert!(view(operation, 200, &text).spans.is_empty(), "{text}");
    }
}

#[test]
fn usage_is_found_in_every_dialect() {
    for (operation, body, input, output) in [
        (
            Operation::ChatCompletions,
            json!({"usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
            Some(1),
            Some(2),
        ),
        (
            Operation::Responses,
            json!({"usage": {"input_tokens": 1, "output_tokens": 2}}),
            Some(1),
            Some(2),
        ),
        (
            Operation::Messages,
            json!({"usage": {"input_tokens": 1, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 100, "output_tokens": 2}}),
            Some(111),
            Some(2),
        ),
        (Operation::CountTokens, json!({"input_tokens": 7}), Some(7), None),
        (
            Operation::Embeddings,
            json!({"usage": {"prompt_tokens": 5, "total_tokens": 5}}),
            Some(5),
            None,
        ),
    ] {
        let text = body.to_string();
        let usage = view(operation, 200, &text).usage.expect("counted");
        assert_eq!((usage.input_tokens, usage.output_tokens), (input, output), "{text}");
    }
    for body in [
        "{}",
        r#"{"usage":null}"#,
        r#"{"usage":{"prompt_tokens":-1}}"#,
        r#"{"usage":"9"}"#,
    ] {
        assert_eq!(view(Operation::ChatCompletions, 200, body).usage, None, "{body}");
    }
}

#[test]
fn an_edit_changes_its_string_and_no_other_byte() {
    let body = "{ \"id\":\"x\",\n\t\"n\":1e3, \"choices\" : [{\"index\":0,\"logprobs\":{\"content\":[{\"token\":\"key\"}]},\
                \"message\":{\"content\":\"the \\u006bey\",\"z\":null}}]}";
    let view = view(Operation::ChatCompletions, 200, body);
    let content = view
        .spans
        .iter()
        .find(|span| span.text == "the key")
        .expect("the text is found");
    let mut edits = Edits::new();
    edits
        .replace_in_string(body.as_bytes(), &content.literal, 4..7, "***")
        .expect("the text can be edited");
    edits.replace(content.null_on_edit.clone().expect("tokens repeat the text"), "null");
    let edited = String::from_utf8(edits.apply(body.as_bytes()).expect("edits apply")).expect("text");
    assert_eq!(
        edited,
        "{ \"id\":\"x\",\n\t\"n\":1e3, \"choices\" : [{\"index\":0,\"logprobs\":null,\
         \"message\":{\"content\":\"the ***\",\"z\":null}}]}"
    );
}

#[test]
fn answers_that_cannot_be_read_are_refused() {
    for body in [
        "",
        "<html>",
        "{\"a\":1",
        "{\"a\":1,\"a\":2}",
        "\u{feff}{}",
        "{} {}",
        "nul",
        "{\"choices\":[{\"index\":\"a\"}]}",
    ] {
        let refusal = read_response(Operation::ChatCompletions, 200, body.as_bytes(), &LIMITS).expect_err(body);
        assert!(matches!(refusal, Refused::Json(_) | Refused::Shape { .. }), "{body}");
    }
}
