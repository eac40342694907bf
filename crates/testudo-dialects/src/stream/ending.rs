//! Ends a stream in the dialect's own way, from any state.

use std::collections::BTreeSet;

use testudo_bounded::json::Node;

use super::{BlockNotice, Mark, Progress};
use crate::problem::write_string;
use crate::response::model;
use crate::shape::Shape;
use crate::{Operation, Usage, sse};

/// What the answer's first event says of it, as far as it looks as it should.
#[derive(Debug, Default)]
pub(super) struct Head {
    id: Option<String>,
    model: Option<String>,
    created: Option<u64>,
    /// Tokens that the provider counted so far.
    output_tokens: u64,
}

impl Head {
    pub(super) fn count(&mut self, usage: Option<Usage>) {
        self.output_tokens = usage
            .and_then(|usage| usage.output_tokens)
            .unwrap_or(self.output_tokens);
    }

    /// Keeps what the first body says.
    pub(super) fn learn(&mut self, body: Node<'_>, created: &str) {
        if self.id.is_none() {
            self.id = body
                .get("id")
                .and_then(|id| id.as_str())
                .filter(|id| Shape::Token.fits(id) && !id.is_empty())
                .map(std::borrow::Cow::into_owned);
        }
        if self.model.is_none() {
            self.model = model(body);
        }
        if self.created.is_none() {
            self.created = body.get(created).and_then(|time| time.as_u64());
        }
    }

    fn id<'h>(&'h self, otherwise: &'h str) -> &'h str {
        self.id.as_deref().unwrap_or(otherwise)
    }

    fn model(&self) -> &str {
        self.model.as_deref().unwrap_or("unknown")
    }
}

/// What the client knows.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    started: bool,
    ended: bool,
    open: BTreeSet<u32>,
    any: bool,
    sequence: Option<u64>,
}

impl Delivered {
    pub(super) fn take(&mut self, progress: &Progress) {
        for mark in &progress.marks {
            match *mark {
                Mark::Started => self.started = true,
                Mark::Opened(index) => {
                    self.any = true;
                    self.open.insert(index);
                }
                Mark::Closed(index) => {
                    self.open.remove(&index);
                }
                Mark::Ended => self.ended = true,
            }
        }
        self.sequence = self.sequence.max(progress.sequence);
    }
}

pub(super) fn write(operation: Operation, head: &Head, delivered: &Delivered, notice: &BlockNotice, out: &mut Vec<u8>) {
    if delivered.ended {
        return;
    }
    match operation {
        Operation::Responses => responses(head, delivered, out),
        Operation::Messages => anthropic(head, delivered, notice, out),
        Operation::Completions => choices(head, delivered, &COMPLETIONS, out),
        Operation::ChatCompletions
        | Operation::Embeddings
        | Operation::Models
        | Operation::CountTokens
        | Operation::AnthropicModels => choices(head, delivered, &CHAT, out),
    }
}

/// What differs between chat and legacy completions.
struct ChoiceDialect {
    id: &'static str,
    object: &'static str,
    empty: &'static str,
}

const CHAT: ChoiceDialect = ChoiceDialect {
    id: "chatcmpl-blocked",
    object: "chat.completion.chunk",
    empty: "\"delta\":{}",
};
const COMPLETIONS: ChoiceDialect = ChoiceDialect {
    id: "cmpl-blocked",
    object: "text_completion",
    empty: "\"text\":\"\"",
};

/// One chunk that finishes each open choice, then `[DONE]`.
fn choices(head: &Head, delivered: &Delivered, dialect: &ChoiceDialect, out: &mut Vec<u8>) {
    let first = BTreeSet::from([0]);
    let open = if delivered.any { &delivered.open } else { &first };
    for index in open {
        let mut data = Json::new("{\"id\":");
        data.string(head.id(dialect.id));
        data.raw(",\"object\":").string(dialect.object);
        data.raw(",\"created\":").number(head.created.unwrap_or_default());
        data.raw(",\"model\":").string(head.model());
        data.raw(",\"choices\":[{\"index\":").number(u64::from(*index));
        data.raw(",").raw(dialect.empty);
        data.raw(",\"logprobs\":null,\"finish_reason\":\"content_filter\"}]}");
        data.event(None, out);
    }
    sse::write(None, "[DONE]", out);
}

/// `response.incomplete`, after a `response.created` if none was sent.
fn responses(head: &Head, delivered: &Delivered, out: &mut Vec<u8>) {
    let mut sequence = delivered.sequence.map_or(0, |last| last.saturating_add(1));
    let mut event = |kind: &str, status: &str, details: &str| {
        let mut data = Json::new("{\"type\":");
        data.string(kind);
        data.raw(",\"sequence_number\":").number(sequence);
        data.raw(",\"response\":{\"id\":").string(head.id("resp_blocked"));
        data.raw(",\"object\":\"response\",\"created_at\":")
            .number(head.created.unwrap_or_default());
        data.raw(",\"status\":").string(status);
        data.raw(",\"error\":null,\"incomplete_details\":").raw(details);
        data.raw(",\"instructions\":null,\"metadata\":{},\"model\":")
            .string(head.model());
        data.raw(",\"output\":[],\"parallel_tool_calls\":true,\"temperature\":null,\"tool_choice\":\"auto\"");
        data.raw(",\"tools\":[],\"top_p\":null,\"usage\":null}}");
        data.event(Some(kind), out);
        sequence = sequence.saturating_add(1);
    };
    if !delivered.started {
        event("response.created", "in_progress", "null");
    }
    event("response.incomplete", "incomplete", "{\"reason\":\"content_filter\"}");
}

/// Ends of the open blocks, then a refusal as the reason to stop.
fn anthropic(head: &Head, delivered: &Delivered, notice: &BlockNotice, out: &mut Vec<u8>) {
    if !delivered.started {
        let mut data = Json::new("{\"type\":\"message_start\",\"message\":{\"id\":");
        data.string(head.id("msg_blocked"));
        data.raw(",\"type\":\"message\",\"role\":\"assistant\",\"model\":")
            .string(head.model());
        data.raw(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
        data.raw(",\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}}");
        data.event(Some("message_start"), out);
    }
    for index in &delivered.open {
        let mut data = Json::new("{\"type\":\"content_block_stop\",\"index\":");
        data.number(u64::from(*index));
        data.raw("}");
        data.event(Some("content_block_stop"), out);
    }
    let mut data = Json::new("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\"");
    data.raw(",\"stop_sequence\":null,\"stop_details\":{\"type\":\"refusal\",\"category\":null,\"explanation\":");
    data.string(&notice.message);
    data.raw("}},\"usage\":{\"output_tokens\":").number(head.output_tokens);
    data.raw("}}");
    data.event(Some("message_delta"), out);
    sse::write(Some("message_stop"), "{\"type\":\"message_stop\"}", out);
}

/// JSON text as it is put together.
struct Json(Vec<u8>);

impl Json {
    fn new(start: &str) -> Self {
        Self(start.as_bytes().to_vec())
    }

    fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn string(&mut self, text: &str) -> &mut Self {
        write_string(text, &mut self.0);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_string())
    }

    fn event(self, name: Option<&str>, out: &mut Vec<u8>) {
        sse::write(name, &String::from_utf8_lossy(&self.0), out);
    }
}
