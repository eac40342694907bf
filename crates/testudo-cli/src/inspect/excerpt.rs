//! The surroundings of a finding, without any secret and without anything that a terminal would act on.

use std::ops::Range;

use testudo_detect::{Hit, Rule, resolve};
use testudo_types::ThreatKind;

use crate::output::push_printable;

const AROUND_CHARS: usize = 24;
const WITHIN_CHARS: usize = 60;

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
