//! Calls of tools: those that a conversation has made, and those that an answer asks for.
//!
//! What a call is decides what is let go, so doubt counts as a call: a kind of item that nobody knows is one, and
//! where readers could understand a call in several ways, each way is a reading of it.

use testudo_bounded::json::{Kind as JsonKind, Node};

mod anthropic;
mod asked;
mod chat;
mod history;
pub(crate) mod replaced;
mod responses;
mod streamed;

pub use asked::{AskedCall, Readings};
pub use history::{Definition, Turn, Voice, history};
pub use replaced::replaced;
pub use streamed::CallReader;

use crate::Operation;

/// A tool and what it is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Empty when none can be read.
    pub name: String,
    pub input: CallInput,
}

/// What a tool is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallInput {
    /// Text that has to be JSON; as it was written.
    Json(String),
    /// Free text.
    Text(String),
}

impl ToolCall {
    /// What cannot be read as any call that is known: everything of it is its input.
    fn unknown(node: Node<'_>) -> Self {
        Self {
            name: String::new(),
            input: raw(node),
        }
    }

    /// A call with named parts; arguments that are no text stand as they are.
    fn of(name: Option<Node<'_>>, arguments: Option<Node<'_>>) -> Self {
        Self {
            name: name.and_then(|name| name.as_str()).unwrap_or_default().into_owned(),
            input: arguments.map_or_else(|| CallInput::Json(String::new()), json),
        }
    }
}

/// A call by what stands in one object: that of a chat (`function` or `custom` inside), with its name.
fn of_chat(call: Node<'_>) -> ToolCall {
    if let Some(function) = object(call, "function") {
        return ToolCall::of(function.get("name"), function.get("arguments"));
    }
    match object(call, "custom") {
        Some(custom) => ToolCall {
            name: text(custom, "name"),
            input: CallInput::Text(text(custom, "input")),
        },
        None => ToolCall::unknown(call),
    }
}

/// JSON that stands in a string, or as itself.
fn json(node: Node<'_>) -> CallInput {
    match node.as_str() {
        Some(text) => CallInput::Json(text.into_owned()),
        None if node.is_null() => CallInput::Json(String::new()),
        None => raw(node),
    }
}

/// A value as it is written.
fn raw(node: Node<'_>) -> CallInput {
    CallInput::Json(String::from_utf8_lossy(node.raw()).into_owned())
}

/// The text of a member; empty when it is absent or no text.
fn text(node: Node<'_>, key: &str) -> String {
    node.get(key)
        .and_then(|value| value.as_str())
        .unwrap_or_default()
        .into_owned()
}

fn object<'d>(node: Node<'d>, key: &str) -> Option<Node<'d>> {
    node.get(key).filter(|value| value.kind() == JsonKind::Object)
}

/// A member that says something: neither `null` nor an empty list.
fn filled<'d>(node: Node<'d>, key: &str) -> Option<Node<'d>> {
    node.get(key).filter(|value| match value.kind() {
        JsonKind::Null => false,
        JsonKind::Array => value.items().next().is_some(),
        JsonKind::Bool | JsonKind::Number | JsonKind::String | JsonKind::Object => true,
    })
}

/// A small index; `None` when there is none.
fn index(node: Node<'_>, key: &str) -> Option<u32> {
    node.get(key)
        .and_then(|index| index.as_u64())
        .and_then(|index| u32::try_from(index).ok())
}

fn place(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// Whether answers of this operation can ask for calls.
#[must_use]
pub fn can_call(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::ChatCompletions | Operation::Responses | Operation::Messages
    )
}
