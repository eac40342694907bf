//! The calls of a streamed answer: which events carry them, and what they are once the answer is complete.

use std::collections::BTreeSet;

use testudo_bounded::json::{Document, Limits, Node};

use super::anthropic::Blocks;
use super::asked::Readings;
use super::{anthropic, chat, responses, text};
use crate::Operation;
use crate::sse::Event;

/// Choices of one answer that are told apart.
const CHOICES_MAX: usize = 1_024;

/// Reads the calls out of the events of one streamed answer, in order.
#[derive(Debug)]
pub struct CallReader {
    operation: Operation,
    readings: Readings,
    blocks: Blocks,
    begun: BTreeSet<u32>,
    finished: BTreeSet<u32>,
    ended: bool,
}

impl CallReader {
    /// A reader for the answer to one request.
    #[must_use]
    pub fn new(operation: Operation) -> Self {
        Self {
            operation,
            readings: Readings::default(),
            blocks: Blocks::default(),
            begun: BTreeSet::new(),
            finished: BTreeSet::new(),
            ended: false,
        }
    }

    /// Reads one event; whether it carries a call or a part of one. What cannot be read could be one.
    pub fn event(&mut self, event: &Event, limits: &Limits) -> bool {
        let data = event.data.as_deref().unwrap_or_default();
        match data.trim() {
            "" => return false,
            "[DONE]" => {
                self.ended = true;
                return false;
            }
            _ => {}
        }
        match Document::parse(data.as_bytes(), limits) {
            Ok(document) => self.body(document.root()),
            Err(_) => {
                self.readings.unreadable();
                true
            }
        }
    }

    fn body(&mut self, root: Node<'_>) -> bool {
        match self.operation {
            Operation::ChatCompletions => {
                let mut asks = false;
                for (group, choice) in chat::choices(root) {
                    asks |= chat::asks(choice);
                    self.choice(group, choice);
                }
                chat::event(root, &mut self.readings);
                asks
            }
            Operation::Responses => {
                self.ended |= matches!(
                    text(root, "type").as_str(),
                    "response.completed" | "response.failed" | "response.incomplete" | "response.cancelled" | "error"
                );
                responses::event(root, &mut self.readings)
            }
            Operation::Messages => {
                self.ended |= matches!(text(root, "type").as_str(), "message_stop" | "error");
                anthropic::event(root, &mut self.blocks, &mut self.readings)
            }
            Operation::Completions
            | Operation::Embeddings
            | Operation::Models
            | Operation::CountTokens
            | Operation::AnthropicModels => false,
        }
    }

    fn choice(&mut self, group: u32, choice: Node<'_>) {
        if self.begun.len() >= CHOICES_MAX && !self.begun.contains(&group) {
            self.readings.unreadable();
            return;
        }
        self.begun.insert(group);
        let reason = choice.get("finish_reason").filter(|reason| !reason.is_null());
        if reason.is_some_and(|reason| reason.as_str().is_none_or(|reason| !reason.is_empty())) {
            self.finished.insert(group);
        }
    }

    /// Whether the answer's own end was read, or that of each of its choices: no call can grow any more.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.ended || (!self.begun.is_empty() && self.begun == self.finished)
    }

    /// Whether the answer's own end was read.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// The calls so far.
    #[must_use]
    pub fn readings(&self) -> &Readings {
        &self.readings
    }
}
