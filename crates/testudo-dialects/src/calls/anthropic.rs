//! Calls in Anthropic's messages: every content block that its client has to act on.

use testudo_bounded::json::{Kind as JsonKind, Node};

use super::asked::Readings;
use super::{CallInput, ToolCall, filled, index, object, place, raw, text};

/// Blocks that ask their client for nothing: texts, and what runs upstream.
const SILENT: [&str; 7] = [
    "text",
    "thinking",
    "redacted_thinking",
    "server_tool_use",
    "mcp_tool_use",
    "container_upload",
    "compaction",
];

/// Whether a block asks its client to do something. A kind that nobody knows does.
pub(super) fn asks(block: Node<'_>) -> bool {
    let kind = block.get("type").and_then(|kind| kind.as_str());
    !kind.is_some_and(|kind| SILENT.contains(&kind.as_ref()) || kind.ends_with("_tool_result"))
}

/// The call of a block.
pub(super) fn call(block: Node<'_>) -> ToolCall {
    if text(block, "type") != "tool_use" {
        return ToolCall::unknown(block);
    }
    ToolCall {
        name: text(block, "name"),
        input: block.get("input").map_or_else(|| CallInput::Json(String::new()), raw),
    }
}

fn blocks(message: Node<'_>) -> impl Iterator<Item = (u32, Node<'_>)> {
    let blocks = message.get("content").into_iter().flat_map(|list| list.items());
    blocks.enumerate().map(|(position, block)| (place(position), block))
}

pub(super) fn answer(root: Node<'_>, readings: &mut Readings) {
    for (at, block) in blocks(root).filter(|(_, block)| asks(*block)) {
        readings.whole(0, at, call(block));
    }
}

/// One event of a stream; whether it is part of a call. `called` says which blocks are.
pub(super) fn event(root: Node<'_>, called: &mut Blocks, readings: &mut Readings) -> bool {
    let at = index(root, "index").unwrap_or_default();
    let mut calling = false;
    if let Some(message) = object(root, "message") {
        calling = blocks(message).any(|(_, block)| asks(block));
        answer(message, readings);
    }
    if let Some(block) = filled(root, "content_block") {
        let asks = asks(block);
        called.begin(at, asks);
        if asks {
            calling = true;
            begun(at, block, readings);
        }
    }
    let Some(delta) = object(root, "delta").filter(|_| text(root, "type") == "content_block_delta") else {
        return calling | (called.is_call(at) && text(root, "type") == "content_block_stop");
    };
    match delta.get("partial_json") {
        Some(piece) if !called.is_silent(at) => {
            readings.json(0, at, &piece.as_str().unwrap_or_default());
            true
        }
        _ => calling | called.is_call(at),
    }
}

/// Arguments follow in pieces, unless they stand here already.
fn begun(at: u32, block: Node<'_>, readings: &mut Readings) {
    let call = call(block);
    let input = block.get("input").filter(|input| !input.is_null());
    let empty = input.is_none_or(|input| input.kind() == JsonKind::Object && input.entries().next().is_none());
    readings.name(0, at, &call.name);
    if !empty || call.name.is_empty() {
        readings.whole(0, at, call);
    }
}

/// Which blocks of a stream have begun, and which of them are calls.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    silent: std::collections::BTreeSet<u32>,
    calls: std::collections::BTreeSet<u32>,
}

impl Blocks {
    fn begin(&mut self, at: u32, asks: bool) {
        // The reader of the stream bounds how many blocks can begin.
        if asks {
            self.silent.remove(&at);
            self.calls.insert(at);
        } else if !self.calls.contains(&at) {
            self.silent.insert(at);
        }
    }

    fn is_silent(&self, at: u32) -> bool {
        self.silent.contains(&at)
    }

    fn is_call(&self, at: u32) -> bool {
        self.calls.contains(&at)
    }
}
