//! A request as a conversation: who says what, which calls were made, and which result answers which call.
//!
//! Every string that the walk of a request finds is in it or left out by a rule below; a place that nobody knows
//! is somebody's text. So nothing can be read by the model and by nobody here.

use std::collections::BTreeMap;
use std::ops::Range;

use testudo_bounded::json::Node;
use testudo_types::Origin;

use super::{CallInput, ToolCall, anthropic, chat, filled, responses, text};
use crate::{Form, Operation, RequestView, Span};

/// One thing of a conversation, in its order.
#[derive(Debug, Clone)]
pub struct Turn<'v> {
    pub voice: Voice,
    /// Where it stands, as a JSON Pointer.
    pub path: &'v str,
    /// Its decoded text; empty for a call, and for a payload that nothing here reads.
    pub text: &'v str,
}

/// Who says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voice {
    /// The application.
    System,
    /// The user, in a message.
    User,
    /// The model, before.
    Model,
    /// A call that the model has made.
    Call(ToolCall),
    /// The result of a call; of none that is known when its id leads to none, or to several.
    Result(Option<ToolCall>),
    /// Somebody else, or a place that nobody knows.
    Other,
}

/// A definition of a tool, as the request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition<'v> {
    /// Its kind when it has none.
    pub name: String,
    pub json: &'v [u8],
}

/// Members of a request that its model does not read.
const UNREAD: [&str; 7] = [
    "metadata",
    "user",
    "stop",
    "stop_sequences",
    "safety_identifier",
    "prompt_cache_key",
    "tool_choice",
];

/// The definitions and the conversation of a request.
#[must_use]
pub fn history<'v>(view: &'v RequestView<'_>) -> (Vec<Definition<'v>>, Vec<Turn<'v>>) {
    let calls = Calls::of(view);
    let mut placed: Vec<(bool, usize, Turn<'v>)> = Vec::with_capacity(view.spans.len());
    for span in &view.spans {
        if let Some(voice) = calls.voice(view.operation, span) {
            let path = span.path.as_str();
            let said = !matches!(span.form, Form::Media);
            let text = if said { span.text.as_ref() } else { "" };
            placed.push((is_message(path), span.literal.range().start, Turn { voice, path, text }));
        }
    }
    for (start, call) in calls.made {
        let voice = Voice::Call(call);
        let (path, text) = ("", "");
        placed.push((true, start, Turn { voice, path, text }));
    }
    // What stands around the messages was said before them, wherever it is written.
    placed.sort_by_key(|(message, start, _)| (*message, *start));
    let turns = placed.into_iter().map(|(_, _, turn)| turn).collect();
    (definitions(view), turns)
}

fn is_message(path: &str) -> bool {
    path == "/input" || path.starts_with("/input/") || path.starts_with("/messages/")
}

/// The calls of a conversation, and the places of their results.
struct Calls {
    /// With the place where each stands.
    made: Vec<(usize, ToolCall)>,
    /// Ranges of results, in order and not within each other, with the call each answers.
    results: Vec<(Range<usize>, Option<ToolCall>)>,
}

/// Calls by their ids; an id that two calls share leads to none.
type ById = BTreeMap<String, Option<ToolCall>>;

impl Calls {
    fn of(view: &RequestView<'_>) -> Self {
        let root = view.document.root();
        let mut calls = Self {
            made: Vec::new(),
            results: Vec::new(),
        };
        let mut ids = ById::new();
        match view.operation {
            Operation::ChatCompletions => calls.read_chat(root, &mut ids),
            Operation::Responses => calls.read_responses(root, &mut ids),
            Operation::Messages | Operation::CountTokens => calls.read_anthropic(root, &mut ids),
            Operation::Completions | Operation::Embeddings | Operation::Models | Operation::AnthropicModels => {}
        }
        calls
    }

    fn read_chat(&mut self, root: Node<'_>, ids: &mut ById) {
        for message in items(root, "messages") {
            let start = message.range().start;
            for (_, call) in chat::calls(message) {
                self.made.push((start, call));
            }
            for call in items(message, "tool_calls") {
                note(ids, &text(call, "id"), super::of_chat(call));
            }
            match text(message, "role").as_str() {
                "tool" => {
                    let call = known(ids, &text(message, "tool_call_id"));
                    self.results.push((message.range(), call));
                }
                "function" => {
                    // The older manner has no ids: the last call by that name is meant.
                    let name = text(message, "name");
                    let call = self
                        .made
                        .iter()
                        .rev()
                        .find(|(_, call)| call.name == name && !name.is_empty());
                    self.results.push((message.range(), call.map(|(_, call)| call.clone())));
                }
                _ => {}
            }
        }
    }

    fn read_responses(&mut self, root: Node<'_>, ids: &mut ById) {
        for item in items(root, "input") {
            let kind = text(item, "type");
            if kind.ends_with("_output") {
                let call = known(ids, &text(item, "call_id"));
                self.results.push((item.range(), call));
            } else if kind.ends_with("_call") {
                let call = responses::call(item);
                note(ids, &text(item, "call_id"), call.clone());
                self.made.push((item.range().start, call));
            }
        }
    }

    fn read_anthropic(&mut self, root: Node<'_>, ids: &mut ById) {
        for message in items(root, "messages") {
            for block in items(message, "content") {
                let kind = text(block, "type");
                if kind.ends_with("tool_result") {
                    let call = known(ids, &text(block, "tool_use_id"));
                    self.results.push((block.range(), call));
                } else if kind.ends_with("tool_use") {
                    let call = match kind.as_str() {
                        "tool_use" => anthropic::call(block),
                        _ => ToolCall {
                            name: text(block, "name"),
                            input: block
                                .get("input")
                                .map_or_else(|| CallInput::Json(String::new()), super::raw),
                        },
                    };
                    note(ids, &text(block, "id"), call.clone());
                    self.made.push((block.range().start, call));
                }
            }
        }
    }

    /// Who says a string; `None` for one that the model does not read, or that is part of something else here.
    fn voice(&self, operation: Operation, span: &Span<'_>) -> Option<Voice> {
        let path = span.path.as_str();
        let start = span.literal.range().start;
        let at = self.results.partition_point(|(range, _)| range.end <= start);
        if let Some((_, call)) = self.results.get(at).filter(|(range, _)| range.contains(&start)) {
            return Some(Voice::Result(call.clone()));
        }
        if !is_message(path) {
            let top = path.trim_start_matches('/').split('/').next().unwrap_or_default();
            return match span.origin {
                _ if UNREAD.contains(&top) || matches!(top, "tools" | "functions") => None,
                // What the application asks for: formats, and texts of its own.
                Origin::System | Origin::ToolDefinition => Some(Voice::System),
                Origin::Assistant => None,
                _ => Some(Voice::Other),
            };
        }
        match (&span.origin, span.form) {
            (_, Form::Media) => Some(Voice::Other),
            (Origin::System, Form::Text) => Some(Voice::System),
            (Origin::User, Form::Text) if is_content(operation, path) => Some(Voice::User),
            (Origin::Assistant, Form::Text) if !is_of_call(path) => Some(Voice::Model),
            // Names and arguments of calls stand in them.
            (Origin::Assistant, _) => None,
            _ => Some(Voice::Other),
        }
    }
}

/// Whether a user's string is the content of a message, an element of it, or the text of a part. Names, settings and
/// kinds that nobody knows are not the user's words.
fn is_content(operation: Operation, path: &str) -> bool {
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    let number = |step: &str| !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit());
    let part = |rest: &[&str]| match rest {
        [] => true,
        [place] | [place, "text"] => number(place),
        _ => false,
    };
    match (operation, steps.as_slice()) {
        (Operation::Responses, ["input"] | ["input", _]) => true,
        (Operation::Responses, ["input", _, "content", rest @ ..]) => part(rest),
        (Operation::ChatCompletions | Operation::Messages, ["messages", _, "content", rest @ ..]) => part(rest),
        _ => false,
    }
}

fn is_of_call(path: &str) -> bool {
    ["tool_calls", "function_call", "arguments", "input", "action"]
        .into_iter()
        .any(|key| path.split('/').skip(3).any(|step| step == key))
}

fn items<'d>(node: Node<'d>, key: &str) -> impl Iterator<Item = Node<'d>> {
    node.get(key).into_iter().flat_map(|list| list.items())
}

fn note(ids: &mut ById, id: &str, call: ToolCall) {
    if !id.is_empty() {
        ids.entry(id.to_owned())
            .and_modify(|known| {
                if known.as_ref() != Some(&call) {
                    *known = None;
                }
            })
            .or_insert_with(|| Some(call.clone()));
    }
}

fn known(ids: &ById, id: &str) -> Option<ToolCall> {
    ids.get(id).cloned().flatten()
}

fn definitions<'v>(view: &'v RequestView<'_>) -> Vec<Definition<'v>> {
    let bytes = view.document.bytes();
    let root = view.document.root();
    let lists = ["tools", "functions"].into_iter().flat_map(|key| items(root, key));
    let definitions = lists.map(|tool| {
        let inner = filled(tool, "function")
            .or_else(|| filled(tool, "custom"))
            .unwrap_or(tool);
        let name = text(inner, "name");
        Definition {
            // A tool of the provider's own is called by its kind.
            name: if name.is_empty() { text(tool, "type") } else { name },
            json: bytes.get(tool.range()).unwrap_or_default(),
        }
    });
    definitions.collect()
}
