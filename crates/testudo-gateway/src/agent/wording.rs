//! What a client is told in the place of calls that were held. Values are quoted so that they stay values.

use std::fmt::Write as _;

use testudo_policy::provenance::{ArgumentFacts, Label, Leaves, Reason, Source};

use super::case::{HeldCall, Hold};
use crate::legible::is_seen;
use crate::settings::OnHold;

/// Calls that are spoken of one by one.
const CALLS_MAX: usize = 8;
/// Values that are shown of one call.
const VALUES_MAX: usize = 24;
/// Characters of a value that are shown.
const VALUE_CHARS_MAX: usize = 300;
/// Characters of a name that are shown.
const NAME_CHARS_MAX: usize = 80;

/// The text that stands in the place of an answer's calls.
pub(crate) fn said(held: &[HeldCall]) -> String {
    let mut out = String::new();
    for call in held.iter().take(CALLS_MAX) {
        if !out.is_empty() {
            out.push_str("\n\n");
        }
        match (call.on_hold, &call.code) {
            (OnHold::Question, Some(code)) => {
                ask(call, &mut out);
                let _written = write!(
                    out,
                    "\nTo let exactly this call go, once, answer with the code {code}. Or say yourself what is to be used."
                );
            }
            _ => deny(call, &mut out),
        }
    }
    let more = held.len().saturating_sub(CALLS_MAX);
    if more > 0 {
        let _written = write!(out, "\n\n{more} more calls were not permitted.");
    }
    out
}

fn deny(call: &HeldCall, out: &mut String) {
    if call.tool.is_empty() {
        out.push_str("A call of a tool was not permitted: ");
    } else {
        let _written = write!(
            out,
            "The call of {} was not permitted: ",
            quoted(&call.tool, NAME_CHARS_MAX)
        );
    }
    out.push_str(&why(&call.hold));
    out.push_str(". Nothing of this answer was carried out.");
}

fn ask(call: &HeldCall, out: &mut String) {
    let _written = write!(
        out,
        "The call of {} waits for you: {}. It would be made with",
        quoted(&call.tool, NAME_CHARS_MAX),
        why(&call.hold)
    );
    let leaves = call
        .arguments
        .as_ref()
        .and_then(Leaves::of_arguments)
        .unwrap_or_default();
    let values = leaves.leaves.iter().filter(|leaf| !leaf.path.ends_with('~'));
    let mut left: usize = 0;
    let mut shown: usize = 0;
    for leaf in values {
        if shown >= VALUES_MAX {
            left = left.saturating_add(1);
            continue;
        }
        shown = shown.saturating_add(1);
        let path = leaf.path.trim_start_matches('$').trim_start_matches('.');
        let fact = call.facts.iter().find(|fact| fact.path == path);
        let _written = write!(
            out,
            "\n- {}: {}{}",
            quoted(path, NAME_CHARS_MAX),
            quoted(&leaf.value, VALUE_CHARS_MAX),
            fact.map_or_else(String::new, whence)
        );
    }
    if left > 0 {
        let _written = write!(out, "\n- and {left} more values");
    }
    if shown == 0 {
        out.push_str(" no values.");
    }
}

/// Where a value came from.
pub(super) fn whence(fact: &ArgumentFacts) -> String {
    let found = &fact.provenance;
    if found.look_alike {
        return ", which only looks like what you wrote".to_owned();
    }
    let source = found.evidence.as_ref().map(|evidence| match &evidence.source {
        Source::System => "the application".to_owned(),
        Source::User => "you".to_owned(),
        Source::Pasted => "text pasted into your message".to_owned(),
        Source::Copied(source) => format!("text in a message that {} said before", quoted(source, NAME_CHARS_MAX)),
        Source::Tool(tool) if tool.is_empty() => "a text of unknown origin".to_owned(),
        Source::Tool(tool) => format!("the result of {}", quoted(tool, NAME_CHARS_MAX)),
        Source::Definition(tool) => format!("the definition of {}", quoted(tool, NAME_CHARS_MAX)),
    });
    match (found.label, source) {
        (Label::User, _) => ", from you".to_owned(),
        (Label::None, _) | (_, None) => ", which nobody named".to_owned(),
        (_, Some(source)) => format!(", from {source}"),
    }
}

/// Why a call is held, in one sentence without its values.
pub(super) fn why(hold: &Hold) -> String {
    let at = |path: &str| {
        if path.is_empty() {
            "a value".to_owned()
        } else {
            quoted(path, NAME_CHARS_MAX)
        }
    };
    match hold {
        Hold::Unreadable => "it could not be read as one complete call".to_owned(),
        Hold::Policy(said) => said.as_deref().unwrap_or("a policy holds it").to_owned(),
        Hold::Baited(said) | Hold::Forbidden(said) => said.as_deref().unwrap_or("a policy forbids it").to_owned(),
        Hold::Provenance(reason) => match reason {
            Reason::NotNamed { path, .. } => {
                format!("{} was not named by you, nor by a source that may name it", at(path))
            }
            Reason::LookAlike { path } => format!("{} looks like what you wrote, and is not the same", at(path)),
            Reason::NotPointedAt { path } => format!("you have pointed at nothing of {}", at(path)),
            Reason::AnotherNamed { path } => format!("{} is not the one of its kind that you named", at(path)),
            Reason::CarriesLink { path } => format!("{} carries a link that you did not give", at(path)),
            Reason::SecretLeaves { .. } => "it would carry away a secret that you did not ask for".to_owned(),
            Reason::AfterReading => "text of others was read before".to_owned(),
            Reason::NotInPlan | Reason::NotAskedFor => "nothing that you said leads to it".to_owned(),
            _ => "its arguments could not be judged".to_owned(),
        },
    }
}

/// A text that others chose, in a form that no reader takes for anything else: one line, no marks, not too long.
fn quoted(text: &str, chars_max: usize) -> String {
    let mut out = String::from("`");
    let mut chars = text.chars();
    for c in chars.by_ref().take(chars_max) {
        match c {
            '`' => out.push('\''),
            c if is_seen(c) => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out.push('`');
    let more = chars.count();
    if more > 0 {
        let _written = write!(out, " (and {more} more characters)");
    }
    out
}
