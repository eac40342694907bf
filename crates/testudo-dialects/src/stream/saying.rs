//! Ends a stream with a text in the place of what was kept back, as if the model had said it and stopped.

use testudo_bounded::json::{Document, Kind, Limits};

use super::ending::{CHAT, Delivered, Head, Json};
use crate::calls::replaced::{message_item, terminal_replaced, text_part};
use crate::problem::write_string;
use crate::{Operation, sse};

/// Events from the last one back in which counts of tokens are looked for.
const COUNTED_MAX: usize = 8;

/// What is said in the place of events that were kept back.
#[derive(Debug, Clone, Copy)]
pub struct Saying<'s> {
    pub text: &'s str,
    /// The data of those events, in order: the last one ends a Responses stream, and the last ones count tokens.
    pub kept: &'s [&'s str],
    pub limits: &'s Limits,
}

/// Counts of tokens as the provider wrote them.
struct Counts {
    usage: String,
    /// In an event that says nothing else.
    apart: bool,
}

impl Saying<'_> {
    /// The counts that were kept back: clients that ask for them wait for them, whatever the answer says.
    fn counts(&self) -> Option<Counts> {
        self.kept.iter().rev().take(COUNTED_MAX).find_map(|data| {
            let document = Document::parse(data.as_bytes(), self.limits).ok()?;
            let root = document.root();
            let usage = root.get("usage").filter(|usage| usage.kind() == Kind::Object)?;
            Some(Counts {
                usage: String::from_utf8_lossy(usage.raw()).into_owned(),
                apart: root.get("choices").is_some_and(|list| list.items().next().is_none()),
            })
        })
    }
}

pub(super) fn write(operation: Operation, head: &Head, delivered: &Delivered, saying: &Saying<'_>, out: &mut Vec<u8>) {
    if delivered.ended {
        return;
    }
    match operation {
        Operation::Responses => responses(head, delivered, saying, out),
        Operation::Messages => anthropic(head, delivered, saying, out),
        Operation::ChatCompletions
        | Operation::Completions
        | Operation::Embeddings
        | Operation::Models
        | Operation::CountTokens
        | Operation::AnthropicModels => chat(head, delivered, saying, out),
    }
}

/// Two chunks for each open choice: the text, and the reason to stop. Then the counts.
fn chat(head: &Head, delivered: &Delivered, saying: &Saying<'_>, out: &mut Vec<u8>) {
    let begin = || {
        let mut data = Json::new("{\"id\":");
        data.string(head.id(CHAT.id));
        data.raw(",\"object\":").string(CHAT.object);
        data.raw(",\"created\":").number(head.created());
        data.raw(",\"model\":").string(head.model());
        data.raw(",\"choices\":[");
        data
    };
    let counts = saying.counts();
    let beside = counts.as_ref().filter(|counts| !counts.apart);
    for index in delivered.open_or_first() {
        for last in [false, true] {
            let mut data = begin();
            data.raw("{\"index\":").number(u64::from(index));
            if last {
                data.raw(",\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]");
                if let Some(counts) = beside {
                    data.raw(",\"usage\":").raw(&counts.usage);
                }
                data.raw("}");
            } else {
                data.raw(",\"delta\":{");
                // Readers join what is said twice: the role of a choice that has begun was said already.
                if !delivered.is_begun() {
                    data.raw("\"role\":\"assistant\",");
                }
                data.raw("\"content\":").string(saying.text);
                data.raw("},\"logprobs\":null,\"finish_reason\":null}]}");
            }
            data.event(None, out);
        }
    }
    if let Some(counts) = counts.filter(|counts| counts.apart) {
        let mut data = begin();
        data.raw("],\"usage\":").raw(&counts.usage).raw("}");
        data.event(None, out);
    }
    sse::write(None, "[DONE]", out);
}

/// Ends of the open blocks, a block of text, the end of the turn.
fn anthropic(head: &Head, delivered: &Delivered, saying: &Saying<'_>, out: &mut Vec<u8>) {
    delivered.begin_message(head, out);
    delivered.close_blocks(out);
    let index = u64::from(delivered.next());
    let mut block = |kind: &str, rest: &str| {
        let mut data = Json::new("{\"type\":");
        data.string(kind).raw(",\"index\":").number(index).raw(rest).raw("}");
        data.event(Some(kind), out);
    };
    block(
        "content_block_start",
        ",\"content_block\":{\"type\":\"text\",\"text\":\"\"}",
    );
    let mut text = b",\"delta\":{\"type\":\"text_delta\",\"text\":".to_vec();
    write_string(saying.text, &mut text);
    text.push(b'}');
    block("content_block_delta", &String::from_utf8_lossy(&text));
    block("content_block_stop", "");
    let mut data = Json::new("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"");
    data.raw(",\"stop_sequence\":null},\"usage\":");
    match saying.counts() {
        Some(counts) => data.raw(&counts.usage),
        None => data.raw("{\"output_tokens\":").number(head.output_tokens()).raw("}"),
    };
    data.raw("}");
    data.event(Some("message_delta"), out);
    sse::write(Some("message_stop"), "{\"type\":\"message_stop\"}", out);
}

/// A message as an item of its own, then the end with all that was sent before.
fn responses(head: &Head, delivered: &Delivered, saying: &Saying<'_>, out: &mut Vec<u8>) {
    let mut sequence = delivered.next_sequence();
    if !delivered.is_started() {
        head.response("response.created", sequence, "in_progress", "[]", "null", out);
        sequence = sequence.saturating_add(1);
    }
    let place = delivered.next();
    let mut part = Vec::new();
    text_part(saying.text, &mut part);
    let mut empty = Vec::new();
    text_part("", &mut empty);
    let mut text = Vec::new();
    write_string(saying.text, &mut text);
    let (mut begun, mut done) = (Vec::new(), Vec::new());
    message_item("in_progress", None, &mut begun);
    message_item("completed", Some(saying.text), &mut done);
    let of_part = ",\"item_id\":\"msg_testudo\",\"content_index\":0";
    for (kind, common, name, value) in [
        ("response.output_item.added", "", "item", &begun),
        ("response.content_part.added", of_part, "part", &empty),
        ("response.output_text.delta", of_part, "delta", &text),
        ("response.output_text.done", of_part, "text", &text),
        ("response.content_part.done", of_part, "part", &part),
        ("response.output_item.done", "", "item", &done),
    ] {
        let mut data = Json::new("{\"type\":");
        data.string(kind).raw(",\"sequence_number\":").number(sequence);
        data.raw(",\"output_index\":").number(u64::from(place)).raw(common);
        if kind.contains("output_text") {
            data.raw(",\"logprobs\":[]");
        }
        data.raw(",\"")
            .raw(name)
            .raw("\":")
            .raw(&String::from_utf8_lossy(value))
            .raw("}");
        data.event(Some(kind), out);
        sequence = sequence.saturating_add(1);
    }
    let terminal = saying
        .kept
        .last()
        .and_then(|data| terminal_replaced(data, place, sequence, saying.text, saying.limits));
    match terminal {
        Some(data) => sse::write(Some("response.completed"), &data, out),
        None => {
            let output = format!("[{}]", String::from_utf8_lossy(&done));
            head.response("response.completed", sequence, "completed", &output, "null", out);
        }
    }
}
