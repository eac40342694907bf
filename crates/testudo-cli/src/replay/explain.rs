//! One trace in full: each call, what was decided, and who named its values.

use std::io::{self, Write};

use serde_json::{Value, json};
use testudo_policy::provenance::ArgumentFacts;

use super::trace::Trace;
use super::walk::{Judged, Walked};
use crate::arguments::Format;
use crate::output::printable;

/// Of a value that is shown.
const VALUE_CHARS: usize = 120;

pub(super) fn show(out: &mut impl Write, trace: &Trace, walked: &Walked, format: Format) -> io::Result<()> {
    if format == Format::Json {
        let calls: Vec<Value> = walked.calls.iter().map(call_json).collect();
        return writeln!(
            out,
            "{}",
            json!({ "id": trace.id, "held": walked.held, "calls": calls })
        );
    }
    writeln!(
        out,
        "{}: {}",
        printable(&trace.id),
        if walked.held { "held" } else { "not held" }
    )?;
    for (at, call) in walked.calls.iter().enumerate() {
        let by = if call.by_injection { ", by the injection" } else { "" };
        let number = at.saturating_add(1);
        match &call.verdict.reason {
            Some(reason) => writeln!(
                out,
                "\n{number}. {}{by}: held, {}",
                printable(&call.tool),
                printable(&reason.to_string())
            )?,
            None => writeln!(out, "\n{number}. {}{by}: goes", printable(&call.tool))?,
        }
        for argument in &call.verdict.arguments {
            write_argument(out, argument)?;
        }
    }
    writeln!(out, "\nThe index took {} bytes.", walked.index_bytes)
}

/// A value, who named it, and where that stands.
pub(crate) fn write_argument(out: &mut impl Write, argument: &ArgumentFacts) -> io::Result<()> {
    let (label, value) = (label(argument), cut(&argument.value));
    writeln!(
        out,
        "   {} = {value}  [{}: {label}]",
        printable(&argument.path),
        argument.role.as_str()
    )?;
    if let Some(evidence) = &argument.provenance.evidence {
        writeln!(
            out,
            "      message {}, {} at {}, bytes {}..{}: {}",
            evidence.index,
            evidence.source,
            printable(&evidence.path),
            evidence.range.start,
            evidence.range.end,
            cut(&evidence.excerpt)
        )?;
    }
    Ok(())
}

/// The label with what else is known of the value.
fn label(argument: &ArgumentFacts) -> String {
    let found = &argument.provenance;
    let mut label = found.label.as_str().to_owned();
    let more = [
        (found.derived, ", derived"),
        (found.look_alike, ", looks like the user's"),
        (
            found.linked && found.label < testudo_policy::provenance::Label::User,
            ", pointed at",
        ),
        (found.outdone, ", another is pointed at"),
    ];
    for (holds, words) in more {
        if holds {
            label.push_str(words);
        }
    }
    label
}

fn call_json(call: &Judged) -> Value {
    let arguments: Vec<Value> = call.verdict.arguments.iter().map(argument_json).collect();
    json!({
        "tool": call.tool,
        "by": if call.by_injection { "injection" } else { "user" },
        "held": call.verdict.is_held(),
        "reason": call.verdict.reason.as_ref().map(testudo_policy::provenance::Reason::code),
        "why": call.verdict.reason.as_ref().map(ToString::to_string),
        "arguments": arguments,
    })
}

/// A value, who named it, and where that stands.
pub(crate) fn argument_json(argument: &ArgumentFacts) -> Value {
    let found = &argument.provenance;
    json!({
        "path": argument.path,
        "role": argument.role.as_str(),
        "value": argument.value,
        "label": found.label.as_str(),
        "rank": found.label.rank(),
        "derived": found.derived,
        "pointed_at": found.linked,
        "another_pointed_at": found.outdone,
        "look_alike": found.look_alike,
        "evidence": found.evidence.as_ref().map(|evidence| json!({
            "source": evidence.source.to_string(),
            "message": evidence.index,
            "path": evidence.path,
            "bytes": [evidence.range.start, evidence.range.end],
            "excerpt": evidence.excerpt,
        })),
    })
}

fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(VALUE_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    printable(&shown)
}
