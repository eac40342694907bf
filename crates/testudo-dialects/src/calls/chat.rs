//! Calls in chat completions: parallel ones, and the one of the manner before.

use testudo_bounded::json::{Kind as JsonKind, Node};

use super::asked::Readings;
use super::{ToolCall, filled, index, object, of_chat, place, text};

/// The place of the one call of the older manner.
pub(super) const LEGACY: u32 = u32::MAX;

/// Choices with their indexes.
pub(super) fn choices(root: Node<'_>) -> impl Iterator<Item = (u32, Node<'_>)> {
    let choices = root.get("choices").into_iter().flat_map(|list| list.items());
    choices
        .enumerate()
        .map(|(position, choice)| (index(choice, "index").unwrap_or_else(|| place(position)), choice))
}

/// Whether a choice or what is in it asks for calls.
pub(super) fn asks(choice: Node<'_>) -> bool {
    let of = |key| object(choice, key).is_some_and(is_calling);
    of("message") || of("delta") || is_calling(choice)
}

fn is_calling(message: Node<'_>) -> bool {
    filled(message, "tool_calls").is_some() || filled(message, "function_call").is_some()
}

pub(super) fn answer(root: Node<'_>, readings: &mut Readings) {
    for (group, choice) in choices(root) {
        for message in [object(choice, "message"), object(choice, "delta"), Some(choice)] {
            for (place, call) in message.map(calls).unwrap_or_default() {
                readings.whole(group, place, call);
            }
        }
    }
}

/// The calls of a message that stands whole.
pub(super) fn calls(message: Node<'_>) -> Vec<(u32, ToolCall)> {
    let mut found = Vec::new();
    if let Some(list) = filled(message, "tool_calls") {
        if list.kind() == JsonKind::Array {
            let each = list.items().enumerate();
            found.extend(each.map(|(position, call)| (place(position), of_chat(call))));
        } else {
            found.push((0, ToolCall::unknown(list)));
        }
    }
    if let Some(call) = filled(message, "function_call") {
        let call = match call.kind() {
            JsonKind::Object => ToolCall::of(call.get("name"), call.get("arguments")),
            _ => ToolCall::unknown(call),
        };
        found.push((LEGACY, call));
    }
    found
}

/// One event of a stream.
pub(super) fn event(root: Node<'_>, readings: &mut Readings) {
    for (group, choice) in choices(root) {
        if let Some(delta) = object(choice, "delta") {
            pieces(group, delta, readings);
        }
        // Some servers send whole messages in a stream.
        for message in [object(choice, "message"), Some(choice)].into_iter().flatten() {
            for (place, call) in calls(message) {
                readings.whole(group, place, call);
            }
        }
    }
}

fn pieces(group: u32, delta: Node<'_>, readings: &mut Readings) {
    if let Some(list) = filled(delta, "tool_calls") {
        if list.kind() != JsonKind::Array {
            readings.whole(group, 0, ToolCall::unknown(list));
        }
        for (position, call) in list.items().enumerate() {
            let at = index(call, "index").unwrap_or_else(|| place(position));
            readings.id(group, at, &text(call, "id"));
            match (object(call, "function"), object(call, "custom")) {
                (Some(function), _) => function_pieces(group, at, function, readings),
                (None, Some(custom)) => {
                    readings.name(group, at, &text(custom, "name"));
                    readings.text(group, at, &text(custom, "input"));
                }
                (None, None) if is_head(call) => {}
                (None, None) => readings.whole(group, at, ToolCall::unknown(call)),
            }
        }
    }
    match filled(delta, "function_call") {
        Some(call) if call.kind() == JsonKind::Object => function_pieces(group, LEGACY, call, readings),
        Some(call) => readings.whole(group, LEGACY, ToolCall::unknown(call)),
        None => {}
    }
}

/// A piece that says only which call it belongs to.
fn is_head(call: Node<'_>) -> bool {
    call.kind() == JsonKind::Object
        && call.entries().all(|(_, value)| {
            let key = value.key_text();
            matches!(key.as_deref(), Some("index" | "id" | "type")) || value.is_null()
        })
}

fn function_pieces(group: u32, at: u32, function: Node<'_>, readings: &mut Readings) {
    readings.name(group, at, &text(function, "name"));
    match function.get("arguments").filter(|arguments| !arguments.is_null()) {
        Some(arguments) if arguments.kind() == JsonKind::String => {
            readings.json(group, at, &arguments.as_str().unwrap_or_default());
        }
        Some(_) => readings.whole(group, at, ToolCall::of(function.get("name"), function.get("arguments"))),
        None => {}
    }
}
