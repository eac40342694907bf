//! The calls of one answer as they are put together, each with every way in which it can be read.

use std::collections::BTreeMap;

use testudo_bounded::json::Node;

use super::{CallInput, ToolCall, anthropic, chat, responses};
use crate::Operation;

/// Calls of one answer that are told apart; more are not read.
const CALLS_MAX: usize = 256;
/// Ways in which one call may be read.
const READINGS_MAX: usize = 8;

/// A call that an answer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedCall {
    /// The choice of a chat; 0 elsewhere.
    pub group: u32,
    /// The call's place in it.
    pub place: u32,
    /// Every way in which a client could read it; never empty.
    pub readings: Vec<ToolCall>,
}

/// The calls of an answer so far.
#[derive(Debug, Default)]
pub struct Readings {
    calls: BTreeMap<(u32, u32), Growing>,
    excess: bool,
}

/// A call that may still grow.
#[derive(Debug, Default)]
struct Growing {
    names: Vec<String>,
    ids: Vec<String>,
    /// Arguments in pieces, since the id that is last.
    json: String,
    /// Arguments of all ids, joined.
    joined: Option<String>,
    text: String,
    pieces: bool,
    whole: Vec<ToolCall>,
}

impl Readings {
    /// The calls of a whole answer.
    #[must_use]
    pub fn of_answer(operation: Operation, root: Node<'_>) -> Self {
        let mut readings = Self::default();
        match operation {
            Operation::ChatCompletions => chat::answer(root, &mut readings),
            Operation::Responses => responses::answer(root, &mut readings),
            Operation::Messages => anthropic::answer(root, &mut readings),
            Operation::Completions
            | Operation::Embeddings
            | Operation::Models
            | Operation::CountTokens
            | Operation::AnthropicModels => {}
        }
        readings
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && !self.excess
    }

    /// There are more calls, or more readings of one, than are kept: nothing that is known of them is all of it.
    #[must_use]
    pub fn is_excessive(&self) -> bool {
        self.excess
    }

    /// Every call in order.
    #[must_use]
    pub fn calls(&self) -> Vec<AskedCall> {
        let calls = self.calls.iter().map(|((group, place), call)| AskedCall {
            group: *group,
            place: *place,
            readings: call.readings(),
        });
        calls.collect()
    }

    /// A call that stands whole.
    pub(super) fn whole(&mut self, group: u32, place: u32, call: ToolCall) {
        let Some(growing) = self.at(group, place) else { return };
        if growing.whole.contains(&call) {
            return;
        }
        if growing.whole.len() < READINGS_MAX {
            growing.whole.push(call);
        } else {
            self.excess = true;
        }
    }

    /// A piece of a name. One that says the same again says nothing.
    pub(super) fn name(&mut self, group: u32, place: u32, name: &str) {
        let Some(growing) = self.at(group, place) else { return };
        growing.pieces = true;
        if name.is_empty() || growing.names.last().is_some_and(|last| last == name) {
            return;
        }
        if growing.names.len() < READINGS_MAX {
            growing.names.push(name.to_owned());
        } else {
            self.excess = true;
        }
    }

    /// The call's id. Another one in the same place is another call to some readers, and the same to others.
    pub(super) fn id(&mut self, group: u32, place: u32, id: &str) {
        let Some(growing) = self.at(group, place) else { return };
        growing.pieces = true;
        if id.is_empty() || growing.ids.iter().any(|known| known == id) {
            return;
        }
        if growing.ids.len() >= READINGS_MAX || growing.whole.len() >= READINGS_MAX {
            self.excess = true;
            return;
        }
        if !growing.ids.is_empty() {
            let before = std::mem::take(&mut growing.json);
            growing.joined.get_or_insert_default().push_str(&before);
            for name in growing.names() {
                growing.whole.push(ToolCall {
                    name,
                    input: CallInput::Json(before.clone()),
                });
            }
        }
        growing.ids.push(id.to_owned());
    }

    /// A piece of arguments.
    pub(super) fn json(&mut self, group: u32, place: u32, piece: &str) {
        if let Some(growing) = self.at(group, place) {
            growing.pieces = true;
            growing.json.push_str(piece);
        }
    }

    /// A piece of free input.
    pub(super) fn text(&mut self, group: u32, place: u32, piece: &str) {
        if let Some(growing) = self.at(group, place) {
            growing.pieces = true;
            growing.text.push_str(piece);
        }
    }

    /// What an event says that all pieces together are.
    pub(super) fn done(&mut self, group: u32, place: u32, name: &str, said: String, free: bool) {
        self.name(group, place, name);
        let Some(growing) = self.at(group, place) else { return };
        let pieces = if free { &growing.text } else { &growing.json };
        if *pieces == said {
            return;
        }
        let input = if free {
            CallInput::Text(said)
        } else {
            CallInput::Json(said)
        };
        let names = growing.names();
        for name in names {
            let input = input.clone();
            self.whole(group, place, ToolCall { name, input });
        }
    }

    /// Something that cannot be read, and could be a call.
    pub(super) fn unreadable(&mut self) {
        self.excess = true;
    }

    fn at(&mut self, group: u32, place: u32) -> Option<&mut Growing> {
        if self.calls.len() >= CALLS_MAX && !self.calls.contains_key(&(group, place)) {
            self.excess = true;
            return None;
        }
        Some(self.calls.entry((group, place)).or_default())
    }
}

impl Growing {
    /// Every name that pieces can be read as: joined, or the first or last alone.
    fn names(&self) -> Vec<String> {
        match self.names.as_slice() {
            [] => vec![String::new()],
            [one] => vec![one.clone()],
            [first, .., last] => vec![self.names.concat(), first.clone(), last.clone()],
        }
    }

    fn readings(&self) -> Vec<ToolCall> {
        let mut readings = self.whole.clone();
        let mut add = |call: ToolCall| {
            if !readings.contains(&call) {
                readings.push(call);
            }
        };
        let silent = self.json.is_empty() && self.text.is_empty() && !self.whole.is_empty();
        if (self.pieces && !silent) || self.whole.is_empty() {
            for name in self.names() {
                let name = || name.clone();
                if !self.text.is_empty() {
                    add(ToolCall {
                        name: name(),
                        input: CallInput::Text(self.text.clone()),
                    });
                }
                if self.text.is_empty() || !self.json.is_empty() {
                    add(ToolCall {
                        name: name(),
                        input: CallInput::Json(self.json.clone()),
                    });
                }
                if let Some(joined) = &self.joined {
                    add(ToolCall {
                        name: name(),
                        input: CallInput::Json(format!("{joined}{}", self.json)),
                    });
                }
            }
        }
        readings
    }
}
