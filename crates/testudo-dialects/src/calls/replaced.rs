//! An answer with a text in the place of its calls, in the dialect's own form.

use testudo_bounded::json::{Document, Edits, Limits, Node};

use super::{anthropic, chat, filled, object, responses, text};
use crate::Operation;
use crate::problem::write_string;

/// A whole answer whose calls are taken out and which says `said` instead; `None` when it has no place for that.
///
/// What belongs to no call stays: texts, reasoning, choices without calls.
#[must_use]
pub fn replaced(operation: Operation, document: &Document<'_>, said: &str) -> Option<Vec<u8>> {
    let root = document.root();
    let mut edits = Edits::new();
    match operation {
        Operation::ChatCompletions => {
            for (index, choice) in chat::choices(root).filter(|(_, choice)| chat::asks(*choice)) {
                edits.replace(choice.range(), chat_choice(index, choice, said));
            }
        }
        Operation::Responses => response(root, said, None, &mut edits)?,
        Operation::Messages => message(root, said, &mut edits)?,
        Operation::Completions
        | Operation::Embeddings
        | Operation::Models
        | Operation::CountTokens
        | Operation::AnthropicModels => return None,
    }
    edits.apply(document.bytes()).ok()
}

/// The last event of a Responses stream, `response.completed`, with `said` as the item at `place` and nothing after it.
pub(crate) fn terminal_replaced(data: &str, place: u32, sequence: u64, said: &str, limits: &Limits) -> Option<String> {
    let document = Document::parse(data.as_bytes(), limits).ok()?;
    let root = document.root();
    if text(root, "type") != "response.completed" {
        return None;
    }
    let mut edits = Edits::new();
    response(object(root, "response")?, said, Some(place), &mut edits)?;
    if let Some(number) = root.get("sequence_number") {
        edits.replace(number.range(), sequence.to_string());
    }
    String::from_utf8(edits.apply(data.as_bytes()).ok()?).ok()
}

/// What a choice said beside its calls, and then what is said in their place.
fn chat_choice(index: u32, choice: Node<'_>, said: &str) -> Vec<u8> {
    let before = object(choice, "message").map(|message| text(message, "content"));
    let before = before.unwrap_or_default();
    let mut out = format!("{{\"index\":{index},\"message\":{{\"role\":\"assistant\",\"content\":").into_bytes();
    let joined = if before.trim().is_empty() {
        said.to_owned()
    } else {
        format!("{before}\n\n{said}")
    };
    write_string(&joined, &mut out);
    out.extend_from_slice(b",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}");
    out
}

/// Items without the calls, up to `place` when it is given, and a message.
fn response(body: Node<'_>, said: &str, place: Option<u32>, edits: &mut Edits) -> Option<()> {
    let output = body.get("output")?;
    let most = place.map_or(usize::MAX, |place| usize::try_from(place).unwrap_or(usize::MAX));
    let kept = output.items().take(most).filter(|item| !responses::asks(*item));
    let mut list = b"[".to_vec();
    for item in kept {
        list.extend_from_slice(item.raw());
        list.push(b',');
    }
    message_item("completed", Some(said), &mut list);
    list.push(b']');
    edits.replace(output.range(), list);
    if let Some(status) = filled(body, "status") {
        edits.replace(status.range(), *b"\"completed\"");
    }
    if let Some(details) = filled(body, "incomplete_details") {
        edits.replace(details.range(), *b"null");
    }
    Some(())
}

/// The item that says it.
pub(crate) fn message_item(status: &str, said: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"msg_testudo\",\"type\":\"message\",\"status\":");
    write_string(status, out);
    out.extend_from_slice(b",\"role\":\"assistant\",\"content\":[");
    if let Some(said) = said {
        text_part(said, out);
    }
    out.extend_from_slice(b"]}");
}

pub(crate) fn text_part(said: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":");
    write_string(said, out);
    out.push(b'}');
}

fn message(root: Node<'_>, said: &str, edits: &mut Edits) -> Option<()> {
    let content = root.get("content")?;
    let mut list = b"[".to_vec();
    for block in content.items().filter(|block| !anthropic::asks(*block)) {
        list.extend_from_slice(block.raw());
        list.push(b',');
    }
    list.extend_from_slice(b"{\"type\":\"text\",\"text\":");
    write_string(said, &mut list);
    list.extend_from_slice(b"}]");
    match root.get("stop_reason") {
        Some(reason) => edits.replace(reason.range(), *b"\"end_turn\""),
        None => list.extend_from_slice(b",\"stop_reason\":\"end_turn\""),
    }
    edits.replace(content.range(), list);
    Some(())
}
