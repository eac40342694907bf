//! Calls in the Responses operation: every item that its client has to act on.

use testudo_bounded::json::{Kind as JsonKind, Node};

use super::asked::Readings;
use super::{CallInput, ToolCall, filled, index, json, object, place, raw, text};

/// Items that ask their client for nothing: texts, and what ran upstream already.
const SILENT: [&str; 9] = [
    "message",
    "reasoning",
    "compaction",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_call",
    "mcp_list_tools",
];

/// Whether an item asks its client to do something. A kind that nobody knows does.
pub(super) fn asks(item: Node<'_>) -> bool {
    let kind = item.get("type").and_then(|kind| kind.as_str());
    !kind.is_some_and(|kind| SILENT.contains(&kind.as_ref()))
}

/// The call of an item.
pub(super) fn call(item: Node<'_>) -> ToolCall {
    let kind = text(item, "type");
    match kind.as_str() {
        "function_call" => ToolCall::of(item.get("name"), item.get("arguments")),
        "custom_tool_call" => ToolCall {
            name: text(item, "name"),
            input: CallInput::Text(text(item, "input")),
        },
        "mcp_approval_request" => ToolCall {
            name: format!("{}__{}", text(item, "server_label"), text(item, "name")),
            input: item
                .get("arguments")
                .map_or_else(|| CallInput::Json(String::new()), json),
        },
        _ => {
            let action = ["action", "actions", "operation", "arguments", "input"];
            let action = action.into_iter().find_map(|key| filled(item, key));
            match kind.strip_suffix("_call").filter(|name| !name.is_empty()) {
                Some(name) => ToolCall {
                    name: name.to_owned(),
                    input: action.map_or_else(|| raw(item), json),
                },
                None => ToolCall::unknown(item),
            }
        }
    }
}

/// Items with their places in a list of them.
fn items(body: Node<'_>) -> impl Iterator<Item = (u32, Node<'_>)> {
    let items = body.get("output").into_iter().flat_map(|list| list.items());
    items.enumerate().map(|(position, item)| (place(position), item))
}

pub(super) fn answer(root: Node<'_>, readings: &mut Readings) {
    if root
        .get("output")
        .is_some_and(|output| !matches!(output.kind(), JsonKind::Array | JsonKind::Null))
    {
        readings.unreadable();
    }
    for (at, item) in items(root).filter(|(_, item)| asks(*item)) {
        readings.whole(0, at, call(item));
    }
}

/// One event of a stream; whether it is part of a call.
pub(super) fn event(root: Node<'_>, readings: &mut Readings) -> bool {
    let kind = text(root, "type");
    let at = index(root, "output_index").unwrap_or(u32::MAX);
    let mut calling = false;
    if let Some(body) = object(root, "response") {
        let before = items(body).any(|(_, item)| asks(item));
        answer(body, readings);
        calling |= before;
    }
    if let Some(item) = filled(root, "item").filter(|item| asks(*item)) {
        calling = true;
        if kind == "response.output_item.added" {
            begun(at, item, readings);
        } else {
            readings.whole(0, at, call(item));
        }
    }
    calling | piece(&kind, at, root, readings)
}

/// An item that has just begun is not yet what it will be.
fn begun(at: u32, item: Node<'_>, readings: &mut Readings) {
    let call = call(item);
    readings.name(0, at, &call.name);
    let empty = matches!(&call.input, CallInput::Json(text) | CallInput::Text(text) if text.is_empty());
    let partial = matches!(text(item, "status").as_str(), "in_progress" | "");
    if !empty && !partial {
        readings.whole(0, at, call);
    }
}

/// Pieces of arguments. `mcp_call` runs upstream.
fn piece(kind: &str, at: u32, root: Node<'_>, readings: &mut Readings) -> bool {
    let Some((subject, step)) = kind.rsplit_once('.') else {
        return false;
    };
    let input = match subject {
        "response.function_call_arguments" => "arguments",
        "response.custom_tool_call_input" => "input",
        "response.shell_call_command" => "command",
        _ => return false,
    };
    let free = input != "arguments";
    match step {
        "delta" if free => readings.text(0, at, &text(root, "delta")),
        "delta" => readings.json(0, at, &text(root, "delta")),
        _ => {
            let said = text(root, input);
            readings.done(0, at, &text(root, "name"), said, free);
        }
    }
    true
}
