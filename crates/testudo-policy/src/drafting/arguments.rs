//! What each argument is for, by its name and schema.

use serde_json::Value;

use super::{ArgumentDraft, Definition, words};
use crate::provenance::{Effect, Role};

const DEPTH_MAX: usize = 4;
const ARGUMENTS_MAX: usize = 512;

/// Proposes a role for each argument, and for what is inside those that are structures.
pub(super) fn arguments(definition: &Definition, effect: Effect) -> Vec<ArgumentDraft> {
    let mut drafts = Vec::new();
    for (name, schema) in &definition.parameters {
        one(name, name, schema, effect, 0, &mut drafts);
    }
    drafts
}

fn one(path: &str, name: &str, schema: &Value, effect: Effect, depth: usize, drafts: &mut Vec<ArgumentDraft>) {
    if drafts.len() >= ARGUMENTS_MAX {
        return;
    }
    let items = schema.get("items");
    let inner = items.unwrap_or(schema);
    let members = inner.get("properties").and_then(Value::as_object);
    if let Some(members) = members.filter(|members| depth < DEPTH_MAX && !members.is_empty()) {
        let above = if items.is_some() {
            format!("{path}[*]")
        } else {
            path.to_owned()
        };
        for (member, schema) in members {
            one(
                &format!("{above}.{member}"),
                member,
                schema,
                effect,
                depth.saturating_add(1),
                drafts,
            );
        }
        return;
    }
    let (role, why) = role(name, schema, effect);
    drafts.push(ArgumentDraft {
        path: path.to_owned(),
        role,
        why,
    });
}

/// Names of what is said or stored.
const SAID: &[&str] = &[
    "body",
    "caption",
    "comment",
    "content",
    "description",
    "details",
    "html",
    "markdown",
    "memo",
    "message",
    "note",
    "notes",
    "reason",
    "subject",
    "summary",
    "text",
    "title",
];

/// Values that give somebody a right, reach or money, also when they are one of a few.
const POWER: &[&str] = &[
    "access",
    "account",
    "acl",
    "admin",
    "audience",
    "environment",
    "force",
    "grant",
    "level",
    "owner",
    "permission",
    "permissions",
    "policy",
    "privacy",
    "private",
    "privilege",
    "public",
    "recursive",
    "role",
    "roles",
    "scope",
    "scopes",
    "security",
    "share",
    "sharing",
    "target",
    "visibility",
];

const TIMES: &[&str] = &[
    "date",
    "datetime",
    "day",
    "deadline",
    "due",
    "end",
    "expires",
    "expiry",
    "since",
    "start",
    "time",
    "timestamp",
    "until",
    "when",
];
const AMOUNTS: &[&str] = &[
    "amount", "count", "depth", "duration", "height", "hours", "length", "limit", "max", "min", "minutes", "n",
    "number", "offset", "page", "percent", "price", "quantity", "rating", "seconds", "size", "top", "total", "weight",
    "width",
];

fn role(name: &str, schema: &Value, effect: Effect) -> (Role, String) {
    let name = words(name);
    let last = name.last().map(String::as_str).unwrap_or_default();
    let has = |of: &[&'static str]| of.iter().find(|word| name.iter().any(|it| it == *word)).copied();
    let kind = kind(schema);
    let because = |role: Role, word: &str| (role, format!("\"{word}\""));
    for (role, of) in [
        (Role::Sql, &["sql", "statement"][..]),
        (Role::Url, &["url", "uri", "href", "link", "webhook", "endpoint"]),
        (Role::Command, &["cmd", "command", "commands", "script", "shell"]),
        (Role::Path, &["path", "filepath", "dir", "directory", "cwd"]),
    ] {
        if let Some(word) = has(of).filter(|_| matches!(kind, Kind::Text | Kind::Other)) {
            return because(role, word);
        }
    }
    if name == ["code"] && kind == Kind::Text {
        return because(Role::Command, "code");
    }
    if schema
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| matches!(format, "uri" | "uri-reference" | "url"))
    {
        return (Role::Url, "its format is an address".to_owned());
    }
    let is_id = matches!(last, "id" | "ids" | "uuid" | "guid" | "key" | "ref" | "slug");
    match kind {
        Kind::YesNo | Kind::Listed => match has(POWER) {
            Some(word) => because(Role::Control, word),
            None => (Role::Data, "yes or no, or one of a few values".to_owned()),
        },
        Kind::Number if is_id || last == "number" => (Role::Selector, "the number of something that exists".to_owned()),
        Kind::Number => match has(AMOUNTS) {
            Some(word) => because(Role::Quantity, word),
            None if effect <= Effect::EgressRead => (Role::Quantity, "a number".to_owned()),
            None => (Role::Control, "a number of which nothing says what it means".to_owned()),
        },
        Kind::Text | Kind::Other => text_role(&name, last, is_id, schema, effect),
    }
}

fn text_role(name: &[String], last: &str, is_id: bool, schema: &Value, effect: Effect) -> (Role, String) {
    let has = |of: &[&'static str]| of.iter().find(|word| name.iter().any(|it| it == *word)).copied();
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let is_time = TIMES.contains(&last) || matches!(format, "date" | "date-time" | "time");
    if is_time && effect > Effect::EgressRead {
        return (Role::Time, format!("\"{last}\""));
    }
    if effect <= Effect::EgressRead {
        return (Role::Selector, "says which things are looked at".to_owned());
    }
    if is_id {
        return (Role::Selector, format!("\"{last}\" names something that exists"));
    }
    // Only where the whole name says so: a `message_recipient` is no message.
    let said = SAID.contains(&last) && has(POWER).is_none();
    let typed = kind(schema) == Kind::Text;
    if said && typed && name.len() <= 2 {
        return (Role::Data, format!("\"{last}\""));
    }
    if matches!(last, "amount" | "price" | "quantity") {
        return (Role::Quantity, format!("\"{last}\""));
    }
    (Role::Control, "nothing says that it is anything less".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    YesNo,
    Listed,
    Other,
}

fn kind(schema: &Value) -> Kind {
    let schema = schema.get("items").unwrap_or(schema);
    // Of "this or nothing" the first that is something.
    let choices = ["anyOf", "oneOf"]
        .iter()
        .find_map(|key| schema.get(key))
        .and_then(Value::as_array);
    let is_nothing = |it: &&Value| it.get("type").and_then(Value::as_str) != Some("null");
    if let Some(choices) = choices {
        let mut kinds = choices
            .iter()
            .filter(is_nothing)
            .map(|it| plain_kind(it.get("items").unwrap_or(it)));
        return match (kinds.next(), kinds.next()) {
            (Some(only), None) => only,
            _ => Kind::Other,
        };
    }
    plain_kind(schema)
}

fn plain_kind(schema: &Value) -> Kind {
    if schema.get("enum").is_some_and(Value::is_array) || schema.get("const").is_some() {
        return Kind::Listed;
    }
    let said = schema.get("type");
    let named = said.and_then(Value::as_str);
    let first = || {
        said.and_then(Value::as_array)?
            .iter()
            .filter_map(Value::as_str)
            .find(|it| *it != "null")
    };
    match named.or_else(first) {
        Some("string") => Kind::Text,
        Some("integer" | "number") => Kind::Number,
        Some("boolean") => Kind::YesNo,
        _ => Kind::Other,
    }
}
