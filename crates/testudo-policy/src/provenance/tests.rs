//! What values count as, and which calls are held.

mod naming;
mod parsers;
mod reading;
mod verdicts;

use serde_json::{Value, json};

use super::{Conversation, Knobs, Limits, PolicyName, Reading, ToolFacts, ToolSpecs};

/// Tools of a shop that the tests speak of.
const SPECS: &str = r#"
[tools.find_contact]
effect = "read"
reviewed = true
arguments = { query = "selector" }
authoritative = ["$[*].email", "$[*].name"]

[tools.list_orders]
effect = "read"
reviewed = true
ids = ["$[*].order_id"]

[tools.read_mail]
effect = "read"
reviewed = true
arguments = { folder = "selector" }
secrets = [{ path = "$[*].code", asked = ["code"] }]

[tools.fetch]
effect = "egress_read"
external = true
reviewed = true
arguments = { url = "url" }

[tools.send_mail]
effect = "write"
external = true
reviewed = true
arguments = { to = "control", cc = "control", body = "data", when = "time" }

[tools.pay]
effect = "write"
external = true
reviewed = true
arguments = { account = "control", amount = "quantity", note = "data" }

[tools.cancel_order]
effect = "destroy"
reviewed = true
arguments = { order_id = "selector" }
nouns = { order_id = ["order"] }

[tools.save_note]
effect = "write"
reviewed = true
arguments = { title = "data", text = "data" }

[tools.drafted]
effect = "read"
arguments = { text = "data" }
"#;

fn specs() -> ToolSpecs {
    ToolSpecs::from_toml(SPECS).unwrap()
}

/// A conversation of the user's words and results of tools.
fn talk(user: &str, results: &[(&str, Value, &str)]) -> Conversation {
    let specs = specs();
    let mut conversation = Conversation::new(Limits::default(), Reading::Close);
    conversation.push_user(user, &[]);
    for (tool, arguments, text) in results {
        conversation.push_result(&specs, tool, arguments, text, false);
    }
    conversation
}

fn mail(text: &str) -> (&'static str, Value, &str) {
    ("read_mail", json!({ "folder": "inbox" }), text)
}

/// The word for why the shipped policy holds the call, or `goes`.
fn judged(conversation: &Conversation, tool: &str, arguments: &Value) -> &'static str {
    let verdict = Knobs::from(PolicyName::Default).judge(&specs(), conversation, tool, arguments);
    verdict.reason.map_or("goes", |reason| reason.code())
}

/// Who named the one value of the call that must be named.
fn label(conversation: &Conversation, tool: &str, arguments: &Value) -> &'static str {
    let facts = ToolFacts::of(&specs(), conversation, tool, arguments, false).unwrap();
    facts
        .arguments
        .first()
        .map_or("", |argument| argument.provenance.label.as_str())
}
