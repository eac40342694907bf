//! Events of chat completions and legacy completions.

use testudo_bounded::json::Node;

use super::{Effect, Mark, Scope, StreamReader, response};

/// What an event does apart from its text. Indexes that are none are refused by the walk.
pub(super) fn read(reader: &mut StreamReader, root: Node<'_>) -> Effect {
    let mut effect = Effect {
        usage: response::usage(root),
        ..Effect::default()
    };
    reader.head.learn(root, "created");
    for (position, choice) in root
        .get("choices")
        .into_iter()
        .flat_map(|list| list.items())
        .enumerate()
    {
        let index = match choice.get("index").filter(|index| !index.is_null()) {
            Some(index) => index.as_u64().and_then(|index| u32::try_from(index).ok()),
            None => u32::try_from(position).ok(),
        };
        let Some(index) = index else {
            continue;
        };
        if reader.begun.insert(index) {
            effect.progress.marks.push(Mark::Opened(index));
        }
        // Some servers write an empty reason while they go on.
        if choice
            .get("finish_reason")
            .is_some_and(|reason| !reason.is_null() && reason.as_str().is_none_or(|reason| !reason.is_empty()))
        {
            effect.closes.push(Scope::Output(index));
            effect.progress.marks.push(Mark::Closed(index));
        }
    }
    effect
}
