//! OpenAI Responses: events and bodies.

use super::chat::error as error_body;
use super::{Answer, CREATED, Citation, INPUT_TOKENS, Recording, Script, ToolCall, output_tokens};
use crate::json_writer::{Object, array, quoted};

const ID: &str = "resp_mock000000000000000001";
const MESSAGE_ID: &str = "msg_mock000000000000000001";
const REASONING_ID: &str = "rs_mock0000000000000000001";

/// The first answer as Responses events; an error ends it with an `error` event.
#[must_use]
pub fn responses_stream(script: &Script) -> Recording {
    let answer = script.answers.first().cloned().unwrap_or_default();
    let mut out = Writer {
        script,
        recording: Recording::new(),
        sequence: 0,
    };
    let empty = response(script, "in_progress", "[]", "null");
    out.event("response.created", |it| it.raw("response", &empty));
    out.event("response.in_progress", |it| it.raw("response", &empty));
    let mut output: u64 = 0;
    if !answer.reasoning.is_empty() {
        out.reasoning(output, &answer.reasoning);
        output = output.saturating_add(1);
    }
    if !answer.text.is_empty() || !answer.refusal.is_empty() {
        out.message(output, &answer);
        output = output.saturating_add(1);
    }
    for call in &answer.tools {
        out.call(output, call);
        output = output.saturating_add(1);
    }
    if let Some(message) = &script.error {
        out.event("error", |it| {
            it.string("code", "server_error")
                .string("message", message)
                .raw("param", "null")
        });
    } else {
        let whole = response(script, "completed", &items(script, &answer), &usage(script));
        out.event("response.completed", |it| it.raw("response", &whole));
    }
    out.recording
}

/// The first answer as one response, or the error body when the script has an error.
#[must_use]
pub fn responses_body(script: &Script) -> Vec<u8> {
    if let Some(message) = &script.error {
        return error_body(message).into_bytes();
    }
    let answer = script.answers.first().cloned().unwrap_or_default();
    response(script, "completed", &items(script, &answer), &usage(script)).into_bytes()
}

struct Writer<'a> {
    script: &'a Script,
    recording: Recording,
    sequence: u64,
}

impl Writer<'_> {
    fn event(&mut self, name: &str, fill: impl FnOnce(Object) -> Object) {
        let head = Object::new()
            .string("type", name)
            .number("sequence_number", self.sequence);
        self.sequence = self.sequence.saturating_add(1);
        let json = fill(head).end();
        self.recording.event(name, &json);
    }

    fn reasoning(&mut self, output: u64, pieces: &[String]) {
        let at = |it: Object| {
            it.string("item_id", REASONING_ID)
                .number("output_index", output)
                .number("summary_index", 0)
        };
        let empty = reasoning_item("[]");
        let text = pieces.concat();
        let script = self.script;
        self.event("response.output_item.added", |it| {
            it.number("output_index", output).raw("item", &empty)
        });
        self.event("response.reasoning_summary_part.added", |it| {
            at(it).raw("part", &summary_part(""))
        });
        for piece in pieces {
            self.event("response.reasoning_summary_text.delta", |it| {
                at(it).string("delta", piece).extras(&script.unknown)
            });
        }
        self.event("response.reasoning_summary_text.done", |it| {
            at(it).string("text", &text)
        });
        self.event("response.reasoning_summary_part.done", |it| {
            at(it).raw("part", &summary_part(&text))
        });
        let item = reasoning_item(&array([summary_part(&text)]));
        self.event("response.output_item.done", |it| {
            it.number("output_index", output).raw("item", &item)
        });
    }

    fn message(&mut self, output: u64, answer: &Answer) {
        let empty = message_item("in_progress", "[]");
        self.event("response.output_item.added", |it| {
            it.number("output_index", output).raw("item", &empty)
        });
        let mut content: u64 = 0;
        if !answer.text.is_empty() {
            self.text(output, answer);
            content = content.saturating_add(1);
        }
        if !answer.refusal.is_empty() {
            self.refusal(output, content, answer);
        }
        let item = message_item("completed", &parts(self.script, answer));
        self.event("response.output_item.done", |it| {
            it.number("output_index", output).raw("item", &item)
        });
    }

    fn text(&mut self, output: u64, answer: &Answer) {
        let at = |it: Object| {
            it.string("item_id", MESSAGE_ID)
                .number("output_index", output)
                .number("content_index", 0)
        };
        let script = self.script;
        let empty = text_part("", "[]", "[]");
        self.event("response.content_part.added", |it| at(it).raw("part", &empty));
        for piece in &answer.text {
            let logprobs = logprobs(script, std::slice::from_ref(piece));
            self.event("response.output_text.delta", |it| {
                at(it)
                    .string("delta", piece)
                    .raw("logprobs", &logprobs)
                    .extras(&script.unknown)
            });
        }
        if let Some(source) = &answer.citation {
            let json = annotation(source);
            self.event("response.output_text.annotation.added", |it| {
                at(it).number("annotation_index", 0).raw("annotation", &json)
            });
        }
        let text = answer.text.concat();
        let logprobs = logprobs(script, &answer.text);
        self.event("response.output_text.done", |it| {
            at(it).string("text", &text).raw("logprobs", &logprobs)
        });
        let part = whole_text_part(script, answer);
        self.event("response.content_part.done", |it| at(it).raw("part", &part));
    }

    fn refusal(&mut self, output: u64, content: u64, answer: &Answer) {
        let at = |it: Object| {
            it.string("item_id", MESSAGE_ID)
                .number("output_index", output)
                .number("content_index", content)
        };
        let text = answer.refusal.concat();
        self.event("response.content_part.added", |it| {
            at(it).raw("part", &refusal_part(""))
        });
        for piece in &answer.refusal {
            self.event("response.refusal.delta", |it| at(it).string("delta", piece));
        }
        self.event("response.refusal.done", |it| at(it).string("refusal", &text));
        self.event("response.content_part.done", |it| {
            at(it).raw("part", &refusal_part(&text))
        });
    }

    fn call(&mut self, output: u64, call: &ToolCall) {
        let id = call_item_id(call);
        let at = |it: Object| it.string("item_id", &id).number("output_index", output);
        let empty = call_item(call, "in_progress", "");
        let arguments = call.arguments.concat();
        self.event("response.output_item.added", |it| {
            it.number("output_index", output).raw("item", &empty)
        });
        for piece in &call.arguments {
            self.event("response.function_call_arguments.delta", |it| {
                at(it).string("delta", piece)
            });
        }
        self.event("response.function_call_arguments.done", |it| {
            at(it).string("name", &call.name).string("arguments", &arguments)
        });
        let item = call_item(call, "completed", &arguments);
        self.event("response.output_item.done", |it| {
            it.number("output_index", output).raw("item", &item)
        });
    }
}

fn response(script: &Script, status: &str, output: &str, usage: &str) -> String {
    Object::new()
        .string("id", ID)
        .string("object", "response")
        .number("created_at", CREATED)
        .string("status", status)
        .raw("error", "null")
        .raw("incomplete_details", "null")
        .raw("instructions", "null")
        .raw("max_output_tokens", "null")
        .string("model", &script.model)
        .raw("output", output)
        .raw("parallel_tool_calls", "true")
        .raw("previous_response_id", "null")
        .raw("reasoning", "{\"effort\":null,\"summary\":null}")
        .raw("store", "false")
        .raw("temperature", "1.0")
        .raw("text", "{\"format\":{\"type\":\"text\"}}")
        .string("tool_choice", "auto")
        .raw("tools", "[]")
        .raw("top_p", "1.0")
        .string("truncation", "disabled")
        .raw("usage", usage)
        .raw("user", "null")
        .raw("metadata", "{}")
        .end()
}

fn items(script: &Script, answer: &Answer) -> String {
    let mut list = Vec::new();
    if !answer.reasoning.is_empty() {
        list.push(reasoning_item(&array([summary_part(&answer.reasoning.concat())])));
    }
    if !answer.text.is_empty() || !answer.refusal.is_empty() {
        list.push(message_item("completed", &parts(script, answer)));
    }
    list.extend(
        answer
            .tools
            .iter()
            .map(|call| call_item(call, "completed", &call.arguments.concat())),
    );
    array(list)
}

fn parts(script: &Script, answer: &Answer) -> String {
    let mut list = Vec::new();
    if !answer.text.is_empty() {
        list.push(whole_text_part(script, answer));
    }
    if !answer.refusal.is_empty() {
        list.push(refusal_part(&answer.refusal.concat()));
    }
    array(list)
}

fn whole_text_part(script: &Script, answer: &Answer) -> String {
    let annotations = array(answer.citation.iter().map(annotation));
    text_part(&answer.text.concat(), &annotations, &logprobs(script, &answer.text))
}

fn text_part(text: &str, annotations: &str, logprobs: &str) -> String {
    Object::new()
        .string("type", "output_text")
        .raw("annotations", annotations)
        .raw("logprobs", logprobs)
        .string("text", text)
        .end()
}

fn refusal_part(text: &str) -> String {
    Object::new().string("type", "refusal").string("refusal", text).end()
}

fn summary_part(text: &str) -> String {
    Object::new().string("type", "summary_text").string("text", text).end()
}

fn reasoning_item(summary: &str) -> String {
    Object::new()
        .string("id", REASONING_ID)
        .string("type", "reasoning")
        .raw("summary", summary)
        .string("encrypted_content", "bW9jay1yZWFzb25pbmctY29udGVudA==")
        .end()
}

fn message_item(status: &str, content: &str) -> String {
    Object::new()
        .string("id", MESSAGE_ID)
        .string("type", "message")
        .string("status", status)
        .raw("content", content)
        .string("role", "assistant")
        .end()
}

fn call_item(call: &ToolCall, status: &str, arguments: &str) -> String {
    Object::new()
        .string("id", &call_item_id(call))
        .string("type", "function_call")
        .string("status", status)
        .string("arguments", arguments)
        .string("call_id", &call.id)
        .string("name", &call.name)
        .end()
}

fn call_item_id(call: &ToolCall) -> String {
    format!("fc_{}", call.id)
}

fn annotation(source: &Citation) -> String {
    Object::new()
        .string("type", "url_citation")
        .number("start_index", 0)
        .number("end_index", 4)
        .string("title", &source.title)
        .string("url", &source.url)
        .end()
}

fn logprobs(script: &Script, tokens: &[String]) -> String {
    if !script.logprobs {
        return "[]".to_owned();
    }
    array(tokens.iter().map(|token| {
        let bytes = array(token.bytes().map(|byte| byte.to_string()));
        let plain = || {
            Object::new()
                .raw("token", &quoted(token))
                .raw("logprob", "-0.0125")
                .raw("bytes", &bytes)
        };
        plain().raw("top_logprobs", &array([plain().end()])).end()
    }))
}

fn usage(script: &Script) -> String {
    let output = output_tokens(script.answers.get(..1).unwrap_or_default());
    Object::new()
        .number("input_tokens", INPUT_TOKENS)
        .raw("input_tokens_details", "{\"cached_tokens\":0}")
        .number("output_tokens", output)
        .raw("output_tokens_details", "{\"reasoning_tokens\":0}")
        .number("total_tokens", INPUT_TOKENS.saturating_add(output))
        .end()
}
