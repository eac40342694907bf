//! The Responses dialect of the practice upstream's answers.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use crate::practice::obey::{Reply, obey};
use crate::practice::prompt::Prompt;
use crate::practice::{CREATED, MODEL, PracticeBody, count, event, stream, whole, words};

/// `POST /v1/responses`.
pub(crate) fn responses(request: &Value, id: &str) -> Response<PracticeBody> {
    let prompt = Prompt::of_responses(request);
    let reply = obey(&prompt);
    let answer = Answer {
        request,
        reply: &reply,
        prompt_words: prompt.words,
        id,
    };
    if request["stream"] == Value::Bool(true) {
        return stream(answer.events());
    }
    whole(&answer.response("completed", answer.items()))
}

struct Answer<'a> {
    request: &'a Value,
    reply: &'a Reply,
    prompt_words: u64,
    id: &'a str,
}

impl Answer<'_> {
    fn response(&self, status: &str, output: Vec<Value>) -> Value {
        let words = count(&self.reply.text);
        let done = status == "completed";
        let status = if done && self.reply.cut { "incomplete" } else { status };
        let reason = if status == "incomplete" {
            json!({"reason": "max_output_tokens"})
        } else {
            Value::Null
        };
        let usage = json!({
            "input_tokens": self.prompt_words, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": words, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.prompt_words.saturating_add(words),
        });
        let tools = if self.request["tools"].is_array() {
            self.request["tools"].clone()
        } else {
            json!([])
        };
        json!({
            "id": format!("resp_{}", self.id), "object": "response", "created_at": CREATED, "status": status,
            "background": false, "error": null, "incomplete_details": reason,
            "instructions": self.request["instructions"], "max_output_tokens": self.request["max_output_tokens"],
            "model": MODEL, "output": output, "parallel_tool_calls": true, "previous_response_id": null,
            "store": false, "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto",
            "tools": tools, "top_p": 1.0, "truncation": "disabled",
            "usage": if done { usage } else { Value::Null }, "metadata": {},
        })
    }

    fn items(&self) -> Vec<Value> {
        let mut items = vec![self.message("completed", vec![self.part(&self.reply.text)])];
        items.extend(self.call("completed", None));
        items
    }

    fn message(&self, status: &str, content: Vec<Value>) -> Value {
        json!({"id": self.message_id(), "type": "message", "status": status, "role": "assistant", "content": content})
    }

    fn message_id(&self) -> String {
        format!("msg_{}", self.id)
    }

    fn part(&self, text: &str) -> Value {
        json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
    }

    /// The function call item, with other arguments when `arguments` is given.
    fn call(&self, status: &str, arguments: Option<&str>) -> Option<Value> {
        let call = self.reply.call.as_ref()?;
        Some(json!({
            "id": format!("fc_{}", self.id), "type": "function_call", "status": status,
            "call_id": format!("call_{}", self.id), "name": call.tool,
            "arguments": arguments.unwrap_or(&call.arguments),
        }))
    }

    fn events(&self) -> Vec<Bytes> {
        let item_id = self.message_id();
        let place = json!({"item_id": item_id, "output_index": 0, "content_index": 0});
        let mut log = Log::default();
        log.add(
            "response.created",
            json!({"response": self.response("in_progress", vec![])}),
        );
        log.add(
            "response.in_progress",
            json!({"response": self.response("in_progress", vec![])}),
        );
        log.add(
            "response.output_item.added",
            json!({"output_index": 0, "item": self.message("in_progress", vec![])}),
        );
        log.add("response.content_part.added", with(&place, "part", self.part("")));
        for word in words(&self.reply.text) {
            log.add(
                "response.output_text.delta",
                with(&with(&place, "delta", json!(word)), "logprobs", json!([])),
            );
        }
        let text = json!(self.reply.text);
        log.add(
            "response.output_text.done",
            with(&with(&place, "text", text), "logprobs", json!([])),
        );
        log.add(
            "response.content_part.done",
            with(&place, "part", self.part(&self.reply.text)),
        );
        let message = self.message("completed", vec![self.part(&self.reply.text)]);
        log.add("response.output_item.done", json!({"output_index": 0, "item": message}));
        self.call_events(&mut log);
        let terminal = if self.reply.cut {
            "response.incomplete"
        } else {
            "response.completed"
        };
        log.add(terminal, json!({"response": self.response("completed", self.items())}));
        log.events
    }

    fn call_events(&self, log: &mut Log) {
        let Some(call) = &self.reply.call else { return };
        let place = json!({"item_id": format!("fc_{}", self.id), "output_index": 1});
        log.add(
            "response.output_item.added",
            json!({"output_index": 1, "item": self.call("in_progress", Some(""))}),
        );
        for piece in words(&call.arguments) {
            log.add(
                "response.function_call_arguments.delta",
                with(&place, "delta", json!(piece)),
            );
        }
        let done = with(
            &with(&place, "name", json!(call.tool)),
            "arguments",
            json!(call.arguments),
        );
        log.add("response.function_call_arguments.done", done);
        log.add(
            "response.output_item.done",
            json!({"output_index": 1, "item": self.call("completed", None)}),
        );
    }
}

/// Events in order, numbered from 0.
#[derive(Debug, Default)]
struct Log {
    events: Vec<Bytes>,
}

impl Log {
    fn add(&mut self, kind: &str, fields: Value) {
        let numbered = with(
            &with(&fields, "type", json!(kind)),
            "sequence_number",
            json!(self.events.len()),
        );
        self.events.push(event(Some(kind), &numbered));
    }
}

fn with(object: &Value, key: &str, value: Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
    object
}
