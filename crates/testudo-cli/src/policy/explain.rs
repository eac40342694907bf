//! One case in full: what decided, what it saw, and who named which value.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::engine::Engine;
use super::{Judged, facts};
use crate::arguments::Format;
use crate::output::{printable, table};
use crate::replay::explain::{argument_json, write_argument};

pub(super) fn show(out: &mut impl Write, engine: &Engine, judged: &Judged<'_>, format: Format) -> io::Result<()> {
    let (case, decision) = (judged.case, &judged.decision);
    let seen = match &judged.call {
        Some(call) => engine.policies.act_context(&facts(case, call)),
        None => case.asked.context(&engine.policies, &case.principal, &case.route),
    };
    let seen = seen.unwrap_or_default();
    let reason = judged.call.as_ref().and_then(|call| call.verdict.reason.as_ref());
    let arguments = judged.call.as_ref().map_or(&[][..], |call| &call.facts.arguments);
    let effective = engine.policies.effective(&case.route);
    let place = |name: &str| {
        let policy = effective.iter().find(|policy| policy.name.as_str() == name);
        policy.map_or(String::new(), |policy| format!("{}:{}", policy.file, policy.line))
    };
    let reasons: Vec<&str> = decision.reasons.iter().map(|reason| &*reason.0).collect();
    let approvers: Vec<&str> = decision.approvers.iter().map(|group| &*group.0).collect();
    if format == Format::Json {
        let policies = decision
            .policies
            .iter()
            .map(|it| json!({"id": it.as_str(), "place": place(it.as_str())}));
        let line = json!({
            "case": case.name,
            "question": case.asked.question(),
            "decided": decision.action.as_str(),
            "policies": policies.collect::<Vec<_>>(),
            "reasons": reasons,
            "approvers": approvers,
            "errors": decision.errors,
            "provenance": reason.map(ToString::to_string),
            "arguments": arguments.iter().map(argument_json).collect::<Vec<_>>(),
            "context": seen,
        });
        return writeln!(out, "{line}");
    }
    writeln!(
        out,
        "{}: {} {}",
        printable(&case.name),
        decision.action.as_str(),
        printable(&case.tool)
    )?;
    for policy in &decision.policies {
        writeln!(out, "  by {policy} at {}", place(policy.as_str()))?;
    }
    for reason in &reasons {
        writeln!(out, "  because {}", printable(reason))?;
    }
    if !approvers.is_empty() {
        writeln!(out, "  to be approved by {}", approvers.join(" and "))?;
    }
    for error in &decision.errors {
        writeln!(out, "  error: {}", printable(error))?;
    }
    if let Some(reason) = reason {
        writeln!(out, "  provenance: {}", printable(&reason.to_string()))?;
    }
    if judged.call.is_some() {
        writeln!(out, "\nvalues that somebody must have named")?;
    }
    for argument in arguments {
        write_argument(out, argument)?;
    }
    writeln!(out, "\nwhat policies see")?;
    table(out, "  ", &rows(&seen))
}

/// The facts that say something: neither false, nor zero, nor empty, nor of an argument that is not there.
fn rows(seen: &Value) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    for (name, value) in seen.as_object().into_iter().flatten() {
        match value {
            Value::Object(record) if !record.contains_key("__entity") => {
                if record.get("present") == Some(&Value::Bool(false)) {
                    continue;
                }
                rows.extend(of_record(name, record));
            }
            _ => rows.extend(says(value).map(|text| [name.clone(), text])),
        }
    }
    rows
}

fn of_record(name: &str, record: &Map<String, Value>) -> Vec<[String; 2]> {
    let parts = record.iter().filter(|(part, _)| *part != "present");
    let parts = parts.filter_map(|(part, value)| says(value).map(|text| [format!("{name}.{part}"), text]));
    parts.collect()
}

fn says(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some("true".to_owned()),
        Value::Number(number) => (number.as_i64() != Some(0)).then(|| number.to_string()),
        Value::String(text) => Some(printable(text)),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(says).collect();
            Some(items.join(", "))
        }
        Value::Object(entity) => {
            let id = entity
                .get("__entity")
                .and_then(|it| it.get("id"))
                .and_then(Value::as_str);
            id.map(printable)
        }
    }
}
