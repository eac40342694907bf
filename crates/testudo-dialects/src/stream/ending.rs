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

    pub(super) fn id<'h>(&'h self, otherwise: &'h str) -> &'h str {
        self.id.as_deref().unwrap_or(otherwise)
    }

    pub(super) fn model(&self) -> &str {
        self.model.as_deref().unwrap_or("unknown")
    }

    pub(super) fn created(&self) -> u64 {
        self.created.unwrap_or_default()
    }

    pub(super) fn output_tokens(&self) -> u64 {
        self.output_tokens
    }

    /// An event with the whole response as it then is.
    pub(super) fn response(
        &self,
        kind: &str,
        sequence: u64,
        status: &str,
        output: &str,
        details: &str,
        out: &mut Vec<u8>,
    ) {
        let mut data = Json::new("{\"type\":");
        data.string(kind);
        data.raw(",\"sequence_number\":").number(sequence);
        data.raw(",\"response\":{\"id\":").string(self.id("resp_blocked"));
        data.raw(",\"object\":\"response\",\"created_at\":")
            .number(self.created());
        data.raw(",\"status\":").string(status);
        data.raw(",\"error\":null,\"incomplete_details\":").raw(details);
        data.raw(",\"instructions\":null,\"metadata\":{},\"model\":")
            .string(self.model());
        data.raw(",\"output\":").raw(output);
        data.raw(",\"parallel_tool_calls\":true,\"temperature\":null,\"tool_choice\":\"auto\"");
        data.raw(",\"tools\":[],\"top_p\":null,\"usage\":null}}");
        data.event(Some(kind), out);
    }
}

/// What the client knows.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    started: bool,
    pub(super) ended: bool,
    open: BTreeSet<u32>,
    any: bool,
    /// The first index behind all that began.
    next: u32,
    sequence: Option<u64>,
}

impl Delivered {
    pub(super) fn take(&mut self, progress: &Progress) {
        for mark in &progress.marks {
            match *mark {
                Mark::Started => self.started = true,
                Mark::Opened(index) => {
                    self.any = true;
                    self.next = self.next.max(index.saturating_add(1));
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

    pub(super) fn next(&self) -> u32 {
        self.next
    }

    pub(super) fn is_started(&self) -> bool {
        self.started
    }

    pub(super) fn next_sequence(&self) -> u64 {
        self.sequence.map_or(0, |last| last.saturating_add(1))
    }

    /// Whether a choice or block has begun.
    pub(super) fn is_begun(&self) -> bool {
        self.any
    }

    /// The choices that are open; the first when none has begun.
    pub(super) fn open_or_first(&self) -> Vec<u32> {
        if self.any {
            self.open.iter().copied().collect()
        } else {
            vec![0]
        }
    }

    /// The beginning of a message of Anthropic's, if none was sent.
    pub(super) fn begin_message(&self, head: &Head, out: &mut Vec<u8>) {
        if self.started {
            return;
        }
        let mut data = Json::new("{\"type\":\"message_start\",\"message\":{\"id\":");
        data.string(head.id("msg_blocked"));
        data.raw(",\"type\":\"message\",\"role\":\"assistant\",\"model\":")
            .string(head.model());
        data.raw(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
        data.raw(",\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}}");
        data.event(Some("message_start"), out);
    }

    /// Ends of the open blocks of a message of Anthropic's.
    pub(super) fn close_blocks(&self, out: &mut Vec<u8>) {
        for index in &self.open {
            let mut data = Json::new("{\"type\":\"content_block_stop\",\"index\":");
            data.number(u64::from(*index));
            data.raw("}");
            data.event(Some("content_block_stop"), out);
        }
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
pub(super) struct ChoiceDialect {
    pub(super) id: &'static str,
    pub(super) object: &'static str,
    empty: &'static str,
}

pub(super) const CHAT: ChoiceDialect = ChoiceDialect {
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
    for index in delivered.open_or_first() {
        let mut data = Json::new("{\"id\":");
        data.string(head.id(dialect.id));
        data.raw(",\"object\":").string(dialect.object);
        data.raw(",\"created\":").number(head.created());
        data.raw(",\"model\":").string(head.model());
        data.raw(",\"choices\":[{\"index\":").number(u64::from(index));
        data.raw(",").raw(dialect.empty);
        data.raw(",\"logprobs\":null,\"finish_reason\":\"content_filter\"}]}");
        data.event(None, out);
    }
    sse::write(None, "[DONE]", out);
}

/// `response.incomplete`, after a `response.created` if none was sent.
fn responses(head: &Head, delivered: &Delivered, out: &mut Vec<u8>) {
    let mut sequence = delivered.next_sequence();
    if !delivered.started {
        head.response("response.created", sequence, "in_progress", "[]", "null", out);
        sequence = sequence.saturating_add(1);
    }
    let details = "{\"reason\":\"content_filter\"}";
    head.response("response.incomplete", sequence, "incomplete", "[]", details, out);
}

/// Ends of the open blocks, then a refusal as the reason to stop.
fn anthropic(head: &Head, delivered: &Delivered, notice: &BlockNotice, out: &mut Vec<u8>) {
    delivered.begin_message(head, out);
    delivered.close_blocks(out);
    let mut data = Json::new("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\"");
    data.raw(",\"stop_sequence\":null,\"stop_details\":{\"type\":\"refusal\",\"category\":null,\"explanation\":");
    data.string(&notice.message);
    data.raw("}},\"usage\":{\"output_tokens\":").number(head.output_tokens);
    data.raw("}}");
    data.event(Some("message_delta"), out);
    sse::write(Some("message_stop"), "{\"type\":\"message_stop\"}", out);
}

/// JSON text as it is put together.
pub(super) struct Json(Vec<u8>);

impl Json {
    pub(super) fn new(start: &str) -> Self {
        Self(start.as_bytes().to_vec())
    }

    pub(super) fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        write_string(text, &mut self.0);
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_string())
    }

    pub(super) fn event(self, name: Option<&str>, out: &mut Vec<u8>) {
        sse::write(name, &String::from_utf8_lossy(&self.0), out);
    }
}
