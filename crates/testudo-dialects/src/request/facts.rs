//! What a request asks for, apart from its text.

use std::collections::BTreeSet;

use testudo_bounded::json::{Kind as JsonKind, Node};

use crate::{Operation, Refused};

/// A field that must be a string; `null` counts as absent.
pub(super) fn string(root: Node<'_>, key: &'static str) -> Result<Option<String>, Refused> {
    match field(root, key) {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(shape(key, "a string")),
        },
    }
}

/// A field that must be `true` or `false`; `null` and absence count as `false`.
pub(super) fn boolean(root: Node<'_>, key: &'static str) -> Result<bool, Refused> {
    match field(root, key) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| shape(key, "`true` or `false`")),
    }
}

/// A field that must be a whole number.
fn count(root: Node<'_>, key: &'static str) -> Result<Option<u64>, Refused> {
    match field(root, key) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(shape(key, "a whole number without sign, fraction or exponent")),
        },
    }
}

pub(super) fn output_tokens_max(operation: Operation, root: Node<'_>) -> Result<Option<u64>, Refused> {
    let keys: &[&'static str] = match operation {
        Operation::ChatCompletions => &["max_completion_tokens", "max_tokens"],
        Operation::Completions | Operation::Messages => &["max_tokens"],
        Operation::Responses => &["max_output_tokens"],
        Operation::Embeddings | Operation::CountTokens | Operation::Models | Operation::AnthropicModels => &[],
    };
    let mut most = None;
    for key in keys {
        most = most.max(count(root, key)?);
    }
    Ok(most)
}

pub(super) fn choices(operation: Operation, root: Node<'_>) -> Result<u64, Refused> {
    let keys: &[&'static str] = match operation {
        Operation::ChatCompletions => &["n"],
        Operation::Completions => &["n", "best_of"],
        Operation::Responses
        | Operation::Embeddings
        | Operation::Messages
        | Operation::CountTokens
        | Operation::Models
        | Operation::AnthropicModels => &[],
    };
    let mut each: u64 = 1;
    for key in keys {
        match count(root, key)? {
            Some(0) => return Err(shape(key, "at least 1")),
            Some(number) => each = each.max(number),
            None => {}
        }
    }
    // A completion is made for each prompt of a list.
    let prompts = match (operation, root.get("prompt")) {
        (Operation::Completions, Some(prompt)) => prompt.items().filter(|item| item.kind() != JsonKind::Number).count(),
        _ => 1,
    };
    Ok(each.saturating_mul(u64::try_from(prompts.max(1)).unwrap_or(u64::MAX)))
}

/// Most kinds of hosted tools of one request. More are refused and never cut: policy asks for each.
const HOSTED_TOOLS_MAX: usize = 256;

/// Types of tools that run on the provider's side. A type that is not known to run at the client counts.
pub(super) fn hosted_tools(operation: Operation, root: Node<'_>) -> Result<Vec<String>, Refused> {
    let mut hosted = BTreeSet::new();
    let anthropic = matches!(operation, Operation::Messages | Operation::CountTokens);
    for tool in root.get("tools").into_iter().flat_map(|list| list.items()) {
        match tool.get("type").filter(|kind| !kind.is_null()) {
            None if anthropic || tool.get("function").is_some() => {}
            None => {
                hosted.insert("unknown".to_owned());
            }
            Some(kind) => match kind.as_str() {
                Some(kind) if runs_at_client(anthropic, &kind) => {}
                Some(kind) => {
                    hosted.insert(shown(&kind));
                }
                None => {
                    hosted.insert("unknown".to_owned());
                }
            },
        }
    }
    let fields: &[(&str, &str)] = match operation {
        Operation::ChatCompletions => &[("web_search_options", "web_search")],
        Operation::Messages | Operation::CountTokens => &[("mcp_servers", "mcp"), ("container", "container")],
        _ => &[],
    };
    for (key, tool) in fields {
        if root.get(key).is_some_and(is_filled) {
            hosted.insert((*tool).to_owned());
        }
    }
    if hosted.len() > HOSTED_TOOLS_MAX {
        return Err(shape("tools", "a list with at most 256 kinds of hosted tools"));
    }
    Ok(hosted.into_iter().collect())
}

/// Whether the caller's own program runs a tool of this type.
fn runs_at_client(anthropic: bool, kind: &str) -> bool {
    if anthropic {
        kind == "custom"
            || ["bash_", "text_editor_", "computer_", "memory_", "browser_"]
                .iter()
                .any(|own| kind.starts_with(own))
    } else {
        matches!(kind, "function" | "custom" | "local_shell" | "apply_patch")
    }
}

pub(super) fn server_history(operation: Operation, root: Node<'_>) -> Result<bool, Refused> {
    if operation != Operation::Responses {
        return Ok(false);
    }
    let kept = boolean(root, "background")? | boolean(root, "store")?;
    let named = ["previous_response_id", "conversation", "prompt"]
        .into_iter()
        .any(|key| field(root, key).is_some());
    let referred = root.get("input").into_iter().flat_map(|list| list.items()).any(|item| {
        item.kind() == JsonKind::Object
            && match item.get("type").filter(|kind| !kind.is_null()) {
                Some(kind) => kind.as_str().is_none_or(|kind| kind == "item_reference"),
                // A reference may leave its type out; a message has a role and content.
                None => item.get("content").is_none(),
            }
    });
    Ok(kept || named || referred)
}

/// Whether a prompt or an embedding's input has numbers where text could stand.
pub(super) fn token_prompt(operation: Operation, root: Node<'_>) -> bool {
    let key = match operation {
        Operation::Completions => "prompt",
        Operation::Embeddings => "input",
        _ => return false,
    };
    root.get(key)
        .is_some_and(|input| input.descendants().any(|value| value.kind() == JsonKind::Number))
}

fn field<'d>(root: Node<'d>, key: &str) -> Option<Node<'d>> {
    root.get(key).filter(|value| !value.is_null())
}

fn is_filled(value: Node<'_>) -> bool {
    match value.kind() {
        JsonKind::Null => false,
        JsonKind::Array => value.items().next().is_some(),
        JsonKind::Bool | JsonKind::Number | JsonKind::String | JsonKind::Object => true,
    }
}

fn shape(key: &str, expected: &'static str) -> Refused {
    Refused::Shape {
        pointer: format!("/{key}").into(),
        expected,
    }
}

/// A tool's type cut to what a record may repeat.
fn shown(kind: &str) -> String {
    kind.chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c))
        .take(64)
        .collect()
}
