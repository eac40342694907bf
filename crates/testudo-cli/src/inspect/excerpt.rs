//! The surroundings of a finding, without any secret and without anything that a terminal would act on.

use std::ops::Range;

use testudo_detect::{Hit, Rule, resolve};
use testudo_types::ThreatKind;

use crate::output::push_printable;

const AROUND_CHARS: usize = 24;
const WITHIN_CHARS: usize = 60;
/// Shorter parts of a value say nothing about it.
const QUOTED_BYTES_MIN: usize = 3;

/// The places of a text that are never shown.
pub(super) fn confidential(
    hits: impl Iterator<Item = Hit>,
    rules: &dyn Fn(&Hit) -> Option<Rule>,
) -> Vec<(Hit, String)> {
    let hits: Vec<(Hit, Rule)> = hits.filter_map(|hit| rules(&hit).map(|rule| (hit, rule))).collect();
    let hidden: Vec<Hit> = hits
        .iter()
        .filter(|(_, rule)| hides(rule.kind))
        .map(|(hit, _)| *hit)
        .collect();
    let label = |place: &Hit| {
        hits.iter()
            .find(|(hit, _)| hit.rule == place.rule)
            .map(|(_, rule)| rule.label.to_string())
    };
    resolve(&hidden, &[])
        .into_iter()
        .map(|place| (place, label(&place).unwrap_or_default()))
        .collect()
}

fn hides(kind: ThreatKind) -> bool {
    match kind {
        ThreatKind::Secret | ThreatKind::PersonalData | ThreatKind::PromptLeak => true,
        // The link is shown: it is the attack. Secrets within are found as such.
        ThreatKind::Injection
        | ThreatKind::HiddenText
        | ThreatKind::Exfiltration
        | ThreatKind::UnsafeOutput
        | ThreatKind::Quality
        | ThreatKind::Unscannable => false,
    }
}

/// A finding with some text around it.
pub(super) fn excerpt(text: &str, hit: &Hit, confidential: &[(Hit, String)]) -> String {
    let from = back(text, hit.start, AROUND_CHARS);
    let shown_end = forth(text, hit.start, WITHIN_CHARS).min(hit.end);
    let to = if shown_end < hit.end {
        shown_end
    } else {
        forth(text, hit.end, AROUND_CHARS)
    };
    let mut out = String::new();
    let mut at = from;
    for (place, label) in confidential
        .iter()
        .filter(|(place, _)| place.start < to && place.end > from)
    {
        push_printable(&mut out, text.get(at..place.start.max(at)).unwrap_or_default());
        out.push_str(&format!("[{label}]"));
        at = place.end.max(at);
    }
    push_printable(&mut out, text.get(at..to.max(at)).unwrap_or_default());
    if shown_end < hit.end {
        out.push('…');
    }
    out
}

/// A range with so many bytes around it, every confidential value replaced by its label.
pub(super) fn covered(text: &str, range: &Range<usize>, around: usize, confidential: &[(Hit, String)]) -> String {
    let from = text.floor_char_boundary(range.start.saturating_sub(around));
    let to = text.ceil_char_boundary(range.end.min(range.start.saturating_add(around)).saturating_add(around));
    let mut out = String::new();
    let mut at = from;
    for (place, label) in confidential
        .iter()
        .filter(|(place, _)| place.start < to && place.end > from)
    {
        out.push_str(text.get(at..place.start.max(at)).unwrap_or_default());
        out.push_str(&format!("[{label}]"));
        at = place.end.max(at);
    }
    out.push_str(text.get(at..to.max(at)).unwrap_or_default());
    out
}

/// An explanation without the confidential values that it may quote, whole or in part.
pub(super) fn explained(why: &str, text: &str, confidential: &[(Hit, String)]) -> String {
    let quotes = |quoted: &str, value: &str| quoted.len() >= QUOTED_BYTES_MIN && value.contains(quoted);
    let told = why.split('"').enumerate().map(|(at, part)| {
        // Every second part stands between quotes.
        let value = |place: &Hit| text.get(place.start..place.end).unwrap_or_default();
        let hidden = confidential.iter().find(|(place, _)| {
            let value = value(place);
            at % 2 == 1 && (quotes(part, value) || quotes(value, part))
        });
        hidden.map_or_else(|| part.to_owned(), |(_, label)| format!("[{label}]"))
    });
    told.collect::<Vec<String>>().join("\"")
}

fn back(text: &str, offset: usize, chars: usize) -> usize {
    let before = text.get(..offset).unwrap_or_default();
    before
        .char_indices()
        .rev()
        .take(chars)
        .last()
        .map_or(offset, |(at, _)| at)
}

fn forth(text: &str, offset: usize, chars: usize) -> usize {
    let after = text.get(offset..).unwrap_or_default();
    after
        .char_indices()
        .nth(chars)
        .map_or(text.len(), |(at, _)| offset.saturating_add(at))
}

#[cfg(test)]
mod tests {
    use testudo_detect::RuleIndex;
    use testudo_types::Score;

    use super::*;

    #[test]
    fn explanations_quote_no_value() {
        let text = "mail jo.miller@fields.example now";
        let place = Hit {
            start: 5,
            rule: RuleIndex::CANARY,
            end: 29,
            score: Score::MAX,
        };
        let hidden = [(place, "EMAIL".to_owned())];
        let told = explained(
            "carried by \"mail jo.miller@fields.example\" +1.0, \"miller\" +0.5, \"now\" +0.1",
            text,
            &hidden,
        );
        assert_eq!(told, "carried by \"[EMAIL]\" +1.0, \"[EMAIL]\" +0.5, \"now\" +0.1");
        assert_eq!(explained("no \"miller\"", text, &[]), "no \"miller\"");
    }
}
