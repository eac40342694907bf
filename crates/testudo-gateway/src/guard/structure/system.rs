//! Where a sentence can be added to the system message of a request, in each dialect.

use testudo_bounded::json::{Edits, Kind, Node, StringLiteral};
use testudo_dialects::{Operation, RequestView};

/// A place for one more sentence of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SystemPlace {
    /// At the end of this string, which other edits may touch as well.
    Behind(StringLiteral),
    /// In a new string: what stands before and behind it, and the raw offset of all three.
    New {
        at: usize,
        before: &'static str,
        behind: &'static str,
    },
    /// In the place of an empty string or `null`.
    Instead { start: usize, end: usize },
}

impl SystemPlace {
    /// The place in a request; `None` when its shape leaves none.
    pub(crate) fn of(view: &RequestView<'_>) -> Option<Self> {
        let root = view.document.root();
        match view.operation {
            Operation::ChatCompletions => in_messages(root.get("messages")?),
            Operation::Responses => in_field(
                root,
                "instructions",
                Field {
                    key: "\"instructions\":",
                    item: "{\"type\":\"message\",\"role\":\"system\",\"content\":",
                },
            ),
            Operation::Messages | Operation::CountTokens => in_field(
                root,
                "system",
                Field {
                    key: "\"system\":",
                    item: "{\"type\":\"text\",\"text\":",
                },
            ),
            Operation::Completions | Operation::Embeddings | Operation::Models | Operation::AnthropicModels => None,
        }
    }

    /// Adds the sentence, unless it belongs into a string with other edits.
    pub(crate) fn add(&self, sentence: &str, edits: &mut Edits) {
        let quoted = serde_json::Value::from(sentence).to_string();
        match self {
            Self::Behind(_) => {}
            Self::New { at, before, behind } => edits.replace(*at..*at, format!("{before}{quoted}{behind}")),
            Self::Instead { start, end } => edits.replace(*start..*end, quoted),
        }
    }

    /// What is added to the end of this string, when it is the place.
    pub(crate) fn behind(&self, literal: &StringLiteral, sentence: &str) -> Option<String> {
        match self {
            Self::Behind(place) if place.range() == literal.range() => Some(format!("\n\n{sentence}")),
            Self::Behind(_) | Self::New { .. } | Self::Instead { .. } => None,
        }
    }
}

/// How a field is written where it is missing, and an item where the field is a list.
struct Field {
    key: &'static str,
    item: &'static str,
}

/// The first system or developer message, or a new first message.
fn in_messages(messages: Node<'_>) -> Option<SystemPlace> {
    let first = messages.items().next()?;
    let system = messages.items().find(|message| {
        message
            .get("role")
            .and_then(|role| role.as_str())
            .is_some_and(|role| matches!(&*role, "system" | "developer"))
    });
    match system.and_then(|message| message.get("content")) {
        Some(content) => in_value(content, "{\"type\":\"text\",\"text\":"),
        None => Some(SystemPlace::New {
            at: first.range().start,
            before: "{\"role\":\"system\",\"content\":",
            behind: "},",
        }),
    }
}

fn in_field(root: Node<'_>, name: &str, field: Field) -> Option<SystemPlace> {
    if let Some(value) = root.get(name) {
        return in_value(value, field.item);
    }
    // The object has a model at least, so that a comma is right.
    root.entries().next()?;
    Some(SystemPlace::New {
        at: root.range().start.saturating_add(1),
        before: field.key,
        behind: ",",
    })
}

/// Behind a text, as one more item of a list, or in the place of nothing.
fn in_value(value: Node<'_>, item: &'static str) -> Option<SystemPlace> {
    let range = value.range();
    match value.kind() {
        Kind::String if value.as_str().is_some_and(|text| text.is_empty()) => Some(SystemPlace::Instead {
            start: range.start,
            end: range.end,
        }),
        Kind::String => value.literal().map(SystemPlace::Behind),
        Kind::Null => Some(SystemPlace::Instead {
            start: range.start,
            end: range.end,
        }),
        Kind::Array => {
            let last = value.items().last();
            Some(match last {
                Some(last) => SystemPlace::New {
                    at: last.range().end,
                    before: comma_before(item)?,
                    behind: "}",
                },
                None => SystemPlace::New {
                    at: range.start.saturating_add(1),
                    before: item,
                    behind: "}",
                },
            })
        }
        Kind::Bool | Kind::Number | Kind::Object => None,
    }
}

/// The item's beginning behind another item.
fn comma_before(item: &str) -> Option<&'static str> {
    [
        ",{\"type\":\"text\",\"text\":",
        ",{\"type\":\"message\",\"role\":\"system\",\"content\":",
    ]
    .into_iter()
    .find(|with_comma| with_comma.strip_prefix(',') == Some(item))
}
