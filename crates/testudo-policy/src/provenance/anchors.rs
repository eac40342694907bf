//! Whether the user's own words lead to a call, without a word list.

use super::conversation::Conversation;
use super::forms::{Fold, Form, Needle};
use super::leaves::Leaf;
use super::specs::{Role, ToolSpec};
use super::words::{AskedFor, asked_for, shared_words};

/// What of a call the user's words hold, beside values that must be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchors {
    /// A time, an amount, or most words of what is said.
    pub(super) content: bool,
    /// Words of the tool's name.
    pub(super) tool: AskedFor,
}

impl Anchors {
    pub(super) fn of(conversation: &Conversation, tool: &str, spec: &ToolSpec, arguments: &[Leaf]) -> Self {
        let user: Vec<&Form> = conversation.trusted(false).map(|segment| &segment.exact).collect();
        let content = arguments.iter().any(|leaf| {
            let path = leaf.path.trim_start_matches("$.");
            match spec.role(path) {
                Role::Time => conversation.user.names_day(&leaf.value),
                Role::Quantity => is_said(&user, &leaf.value, 2),
                Role::Data => is_said(&user, &leaf.value, 8) || is_mostly_said(&user, &leaf.value),
                Role::Control | Role::Selector | Role::Sql | Role::Url | Role::Path | Role::Command => false,
            }
        });
        Self {
            content,
            tool: asked_for(tool, user.into_iter()),
        }
    }
}

fn is_said(user: &[&Form], value: &str, letters_min: usize) -> bool {
    let needle = Needle::new(value.strip_suffix(".0").unwrap_or(value), Fold::Exact);
    needle.letters() >= letters_min && user.iter().any(|form| form.find(&needle).is_some())
}

/// More than half of the longer words, and at least three.
fn is_mostly_said(user: &[&Form], value: &str) -> bool {
    let (held, all) = shared_words(value, user);
    held >= 3 && held.saturating_mul(5) >= all.saturating_mul(3)
}
