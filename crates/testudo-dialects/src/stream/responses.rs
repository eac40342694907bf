//! Events of the Responses operation.

use testudo_bounded::json::{Kind as JsonKind, Node};

use super::{Effect, Mark, Scope, StreamReader, index_of, response};
use crate::table::Flow;
use crate::walk::{Context, FNV_OFFSET, RANKS, fnv};
use crate::{Channel, ChannelKind, Refused};

/// What an event does apart from its text, and what surrounds its text.
pub(super) fn read(
    reader: &mut StreamReader,
    root: Node<'_>,
    name: Option<&str>,
    context: &mut Context,
) -> Result<Effect, Refused> {
    let kind = root.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
    if name.is_some_and(|name| name != kind) {
        return Err(Refused::EventName);
    }
    context.seed = fnv(FNV_OFFSET, &kind);
    let output = index_of(root, "output_index")?;
    let mut part = None;
    for key in ["content_index", "summary_index", "command_index"] {
        part = part.or(index_of(root, key)?);
    }
    let (output, part) = (output.unwrap_or(Channel::OUTSIDE), part.unwrap_or_default());
    context.output = output;
    context.part = part;
    let (subject, step) = kind.rsplit_once('.').unwrap_or((kind.as_ref(), ""));
    context.announced = announced(subject);
    context.flow = if continues(step) && kind != "error" {
        Flow::Delta
    } else {
        Flow::Whole
    };
    context.null_on_edit = root
        .get("logprobs")
        .filter(|list| list.kind() == JsonKind::Array && list.items().next().is_some())
        .map(|list| list.range());
    let mut effect = Effect::default();
    effect.progress.sequence = root.get("sequence_number").and_then(|number| number.as_u64());
    if let Some(body) = root.get("response") {
        reader.head.learn(body, "created_at");
        effect.usage = response::usage(body);
        if reader.begun.insert(Channel::OUTSIDE) {
            effect.progress.marks.push(Mark::Started);
        }
    }
    match kind.as_ref() {
        "response.completed" | "response.failed" | "response.incomplete" | "response.cancelled" | "error" => {
            effect.closes_all = true;
            effect.end = true;
            effect.progress.marks.push(Mark::Ended);
        }
        "response.output_item.added" if output != Channel::OUTSIDE => {
            effect.progress.marks.push(Mark::Opened(output));
        }
        "response.output_item.done" => effect.closes.push(Scope::Output(output)),
        "response.content_part.done" => close_part(output, part, &PART_KINDS, &mut effect.closes),
        "response.reasoning_summary_part.done" => {
            close_part(output, part, &[ChannelKind::ReasoningSummary], &mut effect.closes);
        }
        _ if step == "done" => {
            if let Some(kind) = context.announced {
                close_part(output, part, &[kind], &mut effect.closes);
            }
        }
        _ => {}
    }
    Ok(effect)
}

/// The channels that a content part can feed.
const PART_KINDS: [ChannelKind; 4] = [
    ChannelKind::Text,
    ChannelKind::Refusal,
    ChannelKind::Reasoning,
    ChannelKind::Transcript,
];

/// Closes channels of a part; its tokens go with its text.
fn close_part(output: u32, part: u32, kinds: &[ChannelKind], closes: &mut Vec<Scope>) {
    for kind in kinds {
        closes.push(Scope::Channel(Channel {
            output,
            part,
            kind: *kind,
        }));
        if *kind == ChannelKind::Text {
            for kind in [ChannelKind::LogprobTokens, ChannelKind::LogprobBytes] {
                let first = part.saturating_mul(RANKS);
                closes.push(Scope::Channel(Channel {
                    output,
                    part: first,
                    kind,
                }));
            }
        }
    }
}

/// The channel that an event's own strings belong to.
fn announced(subject: &str) -> Option<ChannelKind> {
    Some(match subject {
        "response.output_text" => ChannelKind::Text,
        "response.refusal" => ChannelKind::Refusal,
        "response.function_call_arguments" | "response.mcp_call_arguments" | "response.mcp_call.arguments" => {
            ChannelKind::Arguments
        }
        "response.custom_tool_call_input" | "response.shell_call_command" => ChannelKind::CustomInput,
        "response.reasoning_text" | "response.reasoning" => ChannelKind::Reasoning,
        "response.reasoning_summary_text" | "response.reasoning_summary" => ChannelKind::ReasoningSummary,
        "response.code_interpreter_call_code" | "response.code_interpreter_call.code" => ChannelKind::Code,
        "response.audio.transcript" => ChannelKind::Transcript,
        _ => return None,
    })
}

/// Whether an event's strings continue what came before. What is unknown is taken to continue:
/// so a text that is split over unknown events is read as one.
fn continues(step: &str) -> bool {
    !matches!(
        step,
        "done" | "completed" | "failed" | "incomplete" | "created" | "in_progress" | "queued" | "cancelled"
    )
}
