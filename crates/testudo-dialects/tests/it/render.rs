//! Views written as lines, so that a whole stream can be compared at a glance.

use testudo_bounded::json::Limits;
use testudo_dialects::sse::{Decoder, Event};
use testudo_dialects::{Form, Frame, Operation, PieceKind, Refused, Span, StreamReader};
use testudo_types::Origin;

pub(crate) const LIMITS: Limits = Limits::DEFAULT;

/// Cuts a recorded stream into events.
pub(crate) fn events(stream: &str) -> Vec<Event> {
    let mut decoder = Decoder::new(1 << 20);
    decoder.push(stream.as_bytes());
    let mut events = Vec::new();
    while let Some(event) = decoder.next().expect("a recorded stream is well formed") {
        events.push(event);
    }
    events
}

/// Reads a recorded stream to its end or to its refusal.
pub(crate) fn read(operation: Operation, stream: &str) -> Result<Vec<String>, Refused> {
    let mut reader = StreamReader::new(operation);
    let mut lines = Vec::new();
    for event in events(stream) {
        frame(&reader.frame(&event, &LIMITS)?, &mut lines);
    }
    Ok(lines)
}

fn frame(frame: &Frame<'_>, lines: &mut Vec<String>) {
    for piece in &frame.pieces {
        let kind = match piece.kind {
            PieceKind::Delta => "+",
            PieceKind::Whole => "=",
            PieceKind::ArgumentsDelta => "+json",
            PieceKind::ArgumentsWhole => "=json",
        };
        lines.push(format!("{} {kind} {}", piece.channel, span(&piece.span)));
    }
    for channel in &frame.closes {
        lines.push(format!("{channel} closed"));
    }
    if let Some(usage) = frame.usage {
        lines.push(format!("usage {:?} {:?}", usage.input_tokens, usage.output_tokens));
    }
    if frame.end {
        lines.push("end".to_owned());
    }
}

/// `"text"`, then what is out of the ordinary.
pub(crate) fn span(span: &Span<'_>) -> String {
    let mut line = if span.form == Form::Media {
        format!("({} bytes)", span.text.len())
    } else {
        format!("{:?}", span.text)
    };
    match &span.origin {
        Origin::Model => {}
        Origin::ToolResult { tool: Some(tool) } => line.push_str(&format!(" by tool {tool}")),
        origin => line.push_str(&format!(" by {origin}")),
    }
    if !matches!(span.form, Form::Text | Form::JsonText) {
        line.push_str(&format!(" {:?}", span.form));
    }
    if span.null_on_edit.is_some() {
        line.push_str(" or null");
    }
    if !span.splice {
        line.push_str(" fixed");
    }
    line
}

/// Compares line by line; shows the whole on a difference, ready to be read and recorded.
pub(crate) fn check(what: &str, lines: &[String], expected: &str) {
    // The order of fields depends on how the JSON library was built, the set of lines does not.
    let mut sorted: Vec<&str> = lines.iter().flat_map(|line| line.lines()).collect();
    sorted.sort_unstable();
    let mut wanted: Vec<&str> = expected.trim().lines().collect();
    wanted.sort_unstable();
    let actual = lines.join("\n");
    assert!(sorted == wanted, "{what} reads as\n{actual}\n");
}
