//! What rules alone do not see in a page: text that it hides, and phrases that tags and references take apart.

#[cfg(test)]
mod tests;

use testudo_types::{Score, ThreatKind};

use super::html::{Hiding, Part, PartKind, parts, position};
use crate::{Budget, Hit, RuleIndex, Scan, Selection, rescan};

/// Hidden text of fewer words says nothing: labels of icons, counters, fillers.
const WORDS_MIN: usize = 4;
/// Pages hide by these means what scripts show later.
const SCORE_WEAK: u8 = 55;
/// So many different cues, and hidden text tells a model what to do.
const CUES_MIN: usize = 2;

/// Words of texts that tell a model what to do. None of them says it alone.
const CUES: [&str; 38] = [
    "ignore",
    "disregard",
    "instruction",
    "assistant",
    "system prompt",
    "language model",
    "llm",
    "a.i.",
    " ai ",
    "chatgpt",
    "claude",
    "gemini",
    "copilot",
    "agent",
    "you must",
    "you should",
    "you are",
    "your task",
    "do not tell",
    "do not mention",
    "don't mention",
    "the user",
    "send",
    "forward",
    "e-mail",
    "email",
    "password",
    "api key",
    "summar",
    "respond",
    "reply",
    "prompt",
    "http",
    "transfer",
    "tool",
    "override",
    "previous",
    "candidate",
];

/// Hits in the structure of a whole text that a selection has rules for.
pub(crate) fn scan(selection: &Selection, text: &str, budget: &mut Budget) -> Scan {
    let mut scan = Scan::default();
    if !selection.contains(RuleIndex::HIDDEN_HTML) && !selects_injection(selection) || !has_tags(text) {
        return scan;
    }
    if !budget.spend(text.len()) {
        scan.exhausted = true;
        return scan;
    }
    for part in parts(text) {
        let orders = take_apart(selection, &part, budget, &mut scan);
        if let PartKind::Hidden(hiding) = part.kind
            && !hiding.is_weak()
            && selection.contains(RuleIndex::HIDDEN_HTML)
        {
            hide(&part, hiding, orders, &mut scan.hits);
        }
    }
    scan.hits.sort_unstable();
    scan.hits.dedup();
    scan
}

fn selects_injection(selection: &Selection) -> bool {
    selection.contains(RuleIndex::SPECIAL_TOKEN)
}

/// Whether anything in a text is a tag.
fn has_tags(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(at) = position(rest, b'<') {
        rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
        if rest
            .first()
            .is_some_and(|next| next.is_ascii_alphabetic() || *next == b'!')
        {
            return true;
        }
    }
    false
}

/// Reads a part that does not stand as it is in the text; whether it gives orders.
fn take_apart(selection: &Selection, part: &Part, budget: &mut Budget, scan: &mut Scan) -> bool {
    let as_written = part.pieces.len() <= 1 && part.pieces.iter().all(|piece| piece.is_copy);
    let of_interest = !as_written || matches!(part.kind, PartKind::Hidden(_));
    if !of_interest || part.text.trim().is_empty() {
        return false;
    }
    let inner = rescan::phrases(selection, &part.text, budget);
    scan.exhausted |= inner.exhausted;
    let mut orders = false;
    for hit in inner.hits {
        if selection
            .rule(hit.rule)
            .is_none_or(|rule| rule.kind != ThreatKind::Injection)
        {
            continue;
        }
        orders = true;
        let original = part.original(hit.start..hit.end);
        if !as_written && original.start < original.end {
            scan.hits.push(Hit {
                start: original.start,
                end: original.end,
                ..hit
            });
        }
    }
    orders
}

/// A hit for each stretch of a hidden part, so that a mask takes the text and leaves the tags.
fn hide(part: &Part, hiding: Hiding, orders: bool, hits: &mut Vec<Hit>) {
    if part.words() < WORDS_MIN {
        return;
    }
    let (rule, score) = if orders || cues(&part.text) >= CUES_MIN {
        (RuleIndex::HIDDEN_ORDER, 90)
    } else if matches!(hiding, Hiding::Attribute | Hiding::StyleSheet) {
        (RuleIndex::HIDDEN_HTML, SCORE_WEAK)
    } else {
        (RuleIndex::HIDDEN_HTML, 70)
    };
    let Some(score) = Score::new(score) else { return };
    for (index, piece) in part.pieces.iter().enumerate() {
        let end = part
            .pieces
            .get(index.saturating_add(1))
            .map_or(part.text.len(), |next| next.at);
        let says = part.text.get(piece.at..end).unwrap_or_default();
        if !says.trim().is_empty() {
            hits.push(Hit {
                start: piece.original.start,
                rule,
                end: piece.original.end,
                score,
            });
        }
    }
}

fn cues(text: &str) -> usize {
    let folded = format!(" {} ", text.to_lowercase());
    CUES.iter().filter(|cue| folded.contains(**cue)).count()
}
