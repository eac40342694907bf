//! Requests: who wrote which string, and what is asked for.

use serde_json::{Value, json};
use testudo_dialects::{Operation, Refused, RequestView, read_request};

use crate::render::{LIMITS, check, span};

fn lines(view: &RequestView<'_>) -> Vec<String> {
    view.spans
        .iter()
        .map(|one| format!("{} {}", one.path, span(one)))
        .collect()
}

fn reads(operation: Operation, body: &Value, expected: &str) {
    let bytes = body.to_string();
    let view = read_request(operation, bytes.as_bytes(), &LIMITS).expect("the request is read");
    check("the request", &lines(&view), expected);
}

fn refused(operation: Operation, body: &str) -> Refused {
    read_request(operation, body.as_bytes(), &LIMITS).expect_err("the request is refused")
}

#[test]
fn chat_roles_become_origins() {
    reads(
        Operation::ChatCompletions,
        &json!({"model": "gpt-4o", "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "developer", "content": [{"type": "text", "text": "be short"}]},
            {"role": "user", "name": "Ann Lee", "content": [
                {"type": "text", "text": "see this"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/?a b"}},
                {"type": "file", "file": {"file_id": "file-1", "filename": "my file.pdf"}},
                {"type": "novel", "novel": "a new kind"}]},
            {"role": "assistant", "content": null, "refusal": "not that", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": "{\"p\": 1}"}},
                {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "file text"},
            {"role": "tool", "tool_call_id": "c9", "content": [{"type": "text", "text": "from nowhere"}]},
            {"role": "function", "name": "old", "content": "old text"},
            {"role": "critic", "content": "who am I"},
            {"content": "nobody"},
            "bare string"
        ]}),
        r#"
/messages/0/content "be kind" by system
/messages/1/content/0/text "be short" by system
/messages/2/content/0/text "see this" by user
/messages/2/content/1/image_url/url (34 bytes) by user Media
/messages/2/content/2/image_url/url "https://example.com/?a b" by user
/messages/2/content/3/file/filename "my file.pdf" by document
/messages/2/content/4/novel "a new kind" by unknown
/messages/2/name "Ann Lee" by user
/messages/3/refusal "not that" by assistant
/messages/3/tool_calls/0/function/arguments "{\"p\": 1}" by assistant
/messages/3/tool_calls/0/function/name "read_file" by assistant
/messages/3/tool_calls/1/custom/input "select 1" by assistant
/messages/3/tool_calls/1/custom/name "sql" by assistant
/messages/4/content "file text" by tool read_file
/messages/5/content/0/text "from nowhere" by tool_result
/messages/6/content "old text" by tool old
/messages/6/name "old" by tool old
/messages/7/content "who am I" by unknown
/messages/8/content "nobody" by unknown
/messages/9 "bare string" by unknown"#
            .trim_start(),
    );
}

#[test]
fn chat_settings_are_read_too() {
    reads(
        Operation::ChatCompletions,
        &json!({
            "model": "gpt-4o", "messages": [],
            "tools": [{"type": "function", "function": {"name": "f", "description": "does it",
                "parameters": {"type": "object", "properties": {"filePath": {"type": "string", "enum": ["a b"]}}}}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"description": "shape"}}},
            "stop": ["the end"], "user": "ann@example.com", "metadata": {"note": "a note", "Some Key": "v"},
            "prediction": {"type": "content", "content": "likely text"},
            "logit_bias": {"50256": -100, "a token": 1},
            "temperature": "a text", "novel": {"deep": ["unknown text"]},
            "reasoning_effort": "low", "service_tier": "auto", "safety_identifier": "abc123",
        }),
        r#"
/logit_bias/? "50256" by unknown Key fixed
/logit_bias/? "a token" by unknown Key fixed
/metadata/? "Some Key" by user Key fixed
/metadata/? "v" by user
/metadata/note "a note" by user
/novel/deep/0 "unknown text" by unknown
/prediction/content "likely text" by assistant
/response_format/json_schema/name "n" by tool_definition
/response_format/json_schema/schema/description "shape" by tool_definition
/stop/0 "the end" by user
/temperature "a text" by unknown
/tool_choice/function/name "f" by tool_definition
/tools/0/function/description "does it" by tool_definition
/tools/0/function/name "f" by tool_definition
/tools/0/function/parameters/properties/? "filePath" by tool_definition Key fixed
/tools/0/function/parameters/properties/?/enum/0 "a b" by tool_definition
/tools/0/function/parameters/properties/?/type "string" by tool_definition
/tools/0/function/parameters/type "object" by tool_definition
/user "ann@example.com" by user"#
            .trim_start(),
    );
}

#[test]
fn responses_items_become_origins() {
    reads(
        Operation::Responses,
        &json!({
            "model": "gpt-4o", "instructions": "be kind", "input": [
                {"role": "user", "content": "a question"},
                {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "be short"}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "an answer", "annotations": []}]},
                {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "found it"},
                {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "from nowhere"}]},
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a thought"}], "encrypted_content": "gAAA+/="},
                {"type": "mcp_call", "id": "m", "server_label": "s", "name": "go", "arguments": "{}", "output": "it went"},
                {"type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "n", "description": "says what", "input_schema": {}}]},
                {"type": "local_shell_call", "call_id": "c3", "action": {"type": "exec", "command": ["ls", "a b"]}},
                {"type": "local_shell_call_output", "id": "x", "output": "listing here"},
                {"type": "file_search_call", "id": "f", "queries": ["q q"], "results": [{"text": "r r"}]},
                {"type": "novel_thing", "field": "strange text"}
            ]
        }),
        r#"
/input/0/content "a question" by user
/input/1/content/0/text "be short" by system
/input/2/content/0/text "an answer" by assistant
/input/3/arguments "{}" by assistant
/input/3/name "look_up" by assistant
/input/4/output "found it" by tool look_up
/input/5/output/0/text "from nowhere" by tool_result
/input/6/summary/0/text "a thought" by assistant
/input/7/arguments "{}" by assistant
/input/7/name "go" by assistant
/input/7/output "it went" by tool go
/input/8/tools/0/description "says what" by tool_definition
/input/8/tools/0/name "n" by tool_definition
/input/9/action/command/0 "ls" by assistant
/input/9/action/command/1 "a b" by assistant
/input/10/output "listing here" by tool_result
/input/11/queries/0 "q q" by assistant
/input/11/results/0/text "r r" by tool file_search_call
/input/12/field "strange text" by unknown
/instructions "be kind" by system"#
            .trim_start(),
    );
    reads(
        Operation::Responses,
        &json!({"input": "just text", "text": {"format": {"type": "json_schema", "schema": {"title": "a b"}}}}),
        "/input \"just text\" by user\n/text/format/schema/title \"a b\" by tool_definition",
    );
}

#[test]
fn anthropic_blocks_become_origins() {
    reads(
        Operation::Messages,
        &json!({
            "model": "claude-x", "max_tokens": 10,
            "system": [{"type": "text", "text": "be kind", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "messages": [
                {"role": "user", "content": "hello there"},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "signed thought", "signature": "EqQ+/="},
                    {"type": "thinking", "thinking": "free thought", "signature": ""},
                    {"type": "tool_use", "id": "t1", "name": "look_up", "input": {"q": "a b", "n": [{"card": 4_111_111_111u64}], "Odd Key": true}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [
                        {"type": "text", "text": "result text"},
                        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "AbCd"}},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD".repeat(80)}}]},
                    {"type": "tool_result", "tool_use_id": "t9", "content": "from nowhere"},
                    {"type": "document", "title": "a title", "context": "a context", "citations": {"enabled": true},
                        "source": {"type": "content", "content": [{"type": "text", "text": "page one"}]}},
                    {"type": "document", "source": {"type": "text", "data": "AbCdAbCd"}},
                    {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "title": "on cats", "url": "u u", "encrypted_content": "Eq="}]},
                    {"type": "search_result", "source": "a source", "title": "t t", "content": [{"type": "text", "text": "s s"}]},
                    {"type": "code_execution_tool_result", "tool_use_id": "s2", "content": {"type": "code_execution_result", "stdout": "out put", "return_code": 0, "content": [{"type": "code_execution_output", "file_id": "f f"}]}},
                    {"type": "novel", "novel": {"x": ["strange text"]}}]}
            ],
            "tools": [{"name": "look_up", "description": "finds", "input_schema": {"type": "object"}}],
            "metadata": {"user_id": "u 1"}, "stop_sequences": ["the end"],
            "mcp_servers": [{"type": "url", "url": "https://m.example.com", "name": "m", "authorization_token": "a token"}],
        }),
        r#"
/mcp_servers/0/authorization_token "a token" by user
/mcp_servers/0/name "m" by user
/mcp_servers/0/url "https://m.example.com" by user
/messages/0/content "hello there" by user
/messages/1/content/0/thinking "signed thought" by assistant fixed
/messages/1/content/1/thinking "free thought" by assistant
/messages/1/content/2/input/? "Odd Key" by assistant Key fixed
/messages/1/content/2/input/n/0/card "4111111111" by assistant Number or null fixed
/messages/1/content/2/input/q "a b" by assistant
/messages/1/content/2/name "look_up" by assistant
/messages/2/content/0/content/0/text "result text" by tool look_up
/messages/2/content/0/content/1/source/data "AbCd" by tool look_up
/messages/2/content/0/content/2/source/data (320 bytes) by tool look_up Media
/messages/2/content/1/content "from nowhere" by tool_result
/messages/2/content/2/context "a context" by document
/messages/2/content/2/source/content/0/text "page one" by document
/messages/2/content/2/title "a title" by document
/messages/2/content/3/source/data "AbCdAbCd" by document
/messages/2/content/4/content/0/title "on cats" by tool web_search
/messages/2/content/4/content/0/url "u u" by tool web_search
/messages/2/content/5/content/0/text "s s" by document
/messages/2/content/5/source "a source" by document
/messages/2/content/5/title "t t" by document
/messages/2/content/6/content/content/0/file_id "f f" by tool code_execution
/messages/2/content/6/content/content/0/type "code_execution_output" by tool code_execution
/messages/2/content/6/content/stdout "out put" by tool code_execution
/messages/2/content/7/novel/x/0 "strange text" by unknown
/metadata/user_id "u 1" by user
/stop_sequences/0 "the end" by user
/system/0/text "be kind" by system
/tools/0/description "finds" by tool_definition
/tools/0/input_schema/type "object" by tool_definition
/tools/0/name "look_up" by tool_definition"#
            .trim_start(),
    );
}

#[test]
fn plain_prompts_are_the_users() {
    reads(
        Operation::Completions,
        &json!({"model": "m", "prompt": ["one prompt", "two"], "suffix": "after it"}),
        "/prompt/0 \"one prompt\" by user\n/prompt/1 \"two\" by user\n/suffix \"after it\" by user",
    );
    reads(
        Operation::Embeddings,
        &json!({"input": "embed me", "encoding_format": "base64"}),
        "/input \"embed me\" by user",
    );
}

fn view<'a>(operation: Operation, body: &'a str) -> RequestView<'a> {
    read_request(operation, body.as_bytes(), &LIMITS).expect("the request is read")
}

#[test]
fn what_is_asked_for_is_known() {
    let body = r#"{"model":"m","stream":true,"n":3,"max_tokens":5,"max_completion_tokens":9}"#;
    let asked = view(Operation::ChatCompletions, body);
    assert_eq!(
        (
            asked.model.as_deref(),
            asked.stream,
            asked.choices,
            asked.output_tokens_max
        ),
        (Some("m"), true, 3, Some(9))
    );
    let nothing = view(
        Operation::ChatCompletions,
        r#"{"model":null,"stream":null,"n":null,"max_tokens":null}"#,
    );
    assert_eq!(
        (
            nothing.model,
            nothing.stream,
            nothing.choices,
            nothing.output_tokens_max
        ),
        (None, false, 1, None)
    );
    let many = view(Operation::Completions, r#"{"prompt":["a","b"],"n":2,"best_of":4}"#);
    assert_eq!(many.choices, 8);
    assert_eq!(
        view(Operation::Responses, r#"{"max_output_tokens":7}"#).output_tokens_max,
        Some(7)
    );
    assert_eq!(
        view(Operation::Messages, r#"{"max_tokens":7}"#).output_tokens_max,
        Some(7)
    );
    assert!(view(Operation::Models, "").spans.is_empty());
}

#[test]
fn token_numbers_are_reported() {
    for (operation, body, tokens) in [
        (Operation::Completions, r#"{"prompt":[1,2,3]}"#, true),
        (Operation::Completions, r#"{"prompt":[[1],[2]]}"#, true),
        (Operation::Completions, r#"{"prompt":["a"]}"#, false),
        (Operation::Embeddings, r#"{"input":[["a",1]]}"#, true),
        (Operation::Embeddings, r#"{"input":"a"}"#, false),
    ] {
        assert_eq!(view(operation, body).token_prompt, tokens, "{body}");
    }
}

#[test]
fn tools_that_run_elsewhere_are_named() {
    for (operation, body, hosted) in [
        (
            Operation::Responses,
            r#"{"tools":[{"type":"function"},{"type":"custom"},{"type":"local_shell"}]}"#,
            &[][..],
        ),
        (
            Operation::Responses,
            r#"{"tools":[{"type":"web_search_preview"},{"type":"mcp"},{"type":"mcp"},{"type":"code_interpreter"}]}"#,
            &["code_interpreter", "mcp", "web_search_preview"],
        ),
        (
            Operation::Responses,
            r#"{"tools":[{"type":"unheard_of"},{"type":7},{}]}"#,
            &["unheard_of", "unknown"],
        ),
        (
            Operation::ChatCompletions,
            r#"{"tools":[{"function":{}}],"web_search_options":{}}"#,
            &["web_search"],
        ),
        (Operation::ChatCompletions, r#"{"web_search_options":null}"#, &[]),
        (
            Operation::Messages,
            r#"{"tools":[{"name":"a"},{"type":"custom"},{"type":"bash_20250124"}]}"#,
            &[],
        ),
        (
            Operation::Messages,
            r#"{"tools":[{"type":"web_search_20250305"}],"mcp_servers":[{}],"container":"c"}"#,
            &["container", "mcp", "web_search_20250305"],
        ),
        (Operation::Messages, r#"{"mcp_servers":[]}"#, &[]),
    ] {
        assert_eq!(view(operation, body).hosted_tools, hosted, "{body}");
    }
}

#[test]
fn history_held_upstream_is_reported() {
    for (body, held) in [
        (r#"{"input":"a"}"#, false),
        (r#"{"input":"a","store":false,"previous_response_id":null}"#, false),
        (r#"{"input":"a","store":true}"#, true),
        (r#"{"input":"a","background":true}"#, true),
        (r#"{"input":"a","previous_response_id":"resp_1"}"#, true),
        (r#"{"input":"a","conversation":{"id":"c"}}"#, true),
        (r#"{"prompt":{"id":"p"}}"#, true),
        (r#"{"input":[{"type":"item_reference","id":"m"}]}"#, true),
        (r#"{"input":[{"id":"m"}]}"#, true),
        (r#"{"input":[{"role":"user","content":"a"}]}"#, false),
    ] {
        assert_eq!(view(Operation::Responses, body).server_history, held, "{body}");
    }
}

#[test]
fn look_alike_keys_are_refused() {
    for (operation, body, field) in [
        (Operation::ChatCompletions, r#"{"Model":"m"}"#, "/Model"),
        (Operation::ChatCompletions, r#"{"model":"a","MODEL":"b"}"#, "/MODEL"),
        (Operation::ChatCompletions, r#"{"mes-sages":[]}"#, "/mes-sages"),
        (Operation::ChatCompletions, r#"{"messages ":[]}"#, "/messages "),
        (
            Operation::ChatCompletions,
            r#"{"m\u006fdel":"a","mo_del":"b"}"#,
            "/mo_del",
        ),
        (Operation::ChatCompletions, r#"{"maxTokens":1}"#, "/maxTokens"),
        (
            Operation::ChatCompletions,
            r#"{"\u212Aey":1,"meſſages":[]}"#,
            "/meſſages",
        ),
        (
            Operation::ChatCompletions,
            r#"{"messages":[{"Role":"system","role":"user","content":"x"}]}"#,
            "/messages/0/Role",
        ),
        (
            Operation::Responses,
            r#"{"input":[{"type":"message","Content":"x"}]}"#,
            "/input/0/Content",
        ),
        (
            Operation::Messages,
            r#"{"messages":[{"role":"user","content":[{"type":"text","TEXT":"x"}]}]}"#,
            "/messages/0/content/0/TEXT",
        ),
        (Operation::Messages, r#"{"System":"x"}"#, "/System"),
        (Operation::Embeddings, r#"{"INPUT":"x"}"#, "/INPUT"),
    ] {
        let refusal = refused(operation, body);
        assert!(matches!(refusal, Refused::KeyVariant { .. }), "{body}: {refusal}");
        assert_eq!(refusal.pointer(), Some(field), "{body}");
        assert_eq!(refusal.status(), 400);
    }
}

#[test]
fn fields_of_the_wrong_type_are_refused() {
    for (operation, body, field) in [
        (Operation::ChatCompletions, r#"{"model":7}"#, "/model"),
        (Operation::ChatCompletions, r#"{"model":["a"]}"#, "/model"),
        (Operation::ChatCompletions, r#"{"stream":"true"}"#, "/stream"),
        (Operation::ChatCompletions, r#"{"stream":1}"#, "/stream"),
        (Operation::ChatCompletions, r#"{"n":"2"}"#, "/n"),
        (Operation::ChatCompletions, r#"{"n":2.0}"#, "/n"),
        (Operation::ChatCompletions, r#"{"n":-1}"#, "/n"),
        (Operation::ChatCompletions, r#"{"n":0}"#, "/n"),
        (Operation::ChatCompletions, r#"{"n":1e3}"#, "/n"),
        (
            Operation::ChatCompletions,
            r#"{"max_tokens":99999999999999999999999}"#,
            "/max_tokens",
        ),
        (Operation::Completions, r#"{"best_of":[1]}"#, "/best_of"),
        (
            Operation::Responses,
            r#"{"max_output_tokens":"many"}"#,
            "/max_output_tokens",
        ),
        (Operation::Responses, r#"{"background":"yes"}"#, "/background"),
        (Operation::Messages, r#"{"max_tokens":true}"#, "/max_tokens"),
    ] {
        let refusal = refused(operation, body);
        assert!(matches!(refusal, Refused::Shape { .. }), "{body}: {refusal}");
        assert_eq!(refusal.pointer(), Some(field), "{body}");
    }
}
