//! Events of Anthropic's messages.

use testudo_bounded::json::Node;

use super::{Effect, Mark, Scope, StreamReader, index_of, response};
use crate::Refused;
use crate::walk::{Context, FNV_OFFSET, fnv};

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
    let mut effect = Effect {
        usage: response::usage(root),
        ..Effect::default()
    };
    let index = index_of(root, "index")?;
    if let Some(index) = index {
        context.output = 0;
        context.part = index;
    }
    match kind.as_ref() {
        "message_start" => {
            context.output = 0;
            if let Some(message) = root.get("message") {
                reader.head.learn(message, "created");
                effect.usage = response::usage(message);
            }
            effect.progress.marks.push(Mark::Started);
        }
        "content_block_start" => {
            let index = index.unwrap_or_default();
            context.output = 0;
            if !reader.begun.insert(index) {
                return Err(Refused::AfterClose {
                    what: "a content block",
                });
            }
            effect.progress.marks.push(Mark::Opened(index));
        }
        "content_block_delta" => context.output = 0,
        "content_block_stop" => {
            let index = index.unwrap_or_default();
            effect.closes.push(Scope::Part(0, index));
            effect.progress.marks.push(Mark::Closed(index));
        }
        "message_stop" | "error" => {
            effect.closes_all = true;
            effect.end = true;
            effect.progress.marks.push(Mark::Ended);
        }
        _ => {}
    }
    Ok(effect)
}
