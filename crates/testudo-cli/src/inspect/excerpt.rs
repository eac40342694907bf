//! The surroundings of a finding, without any secret and without anything that a terminal would act on.

use testudo_detect::{Hit, Rule, resolve};
use testudo_types::ThreatKind;

const AROUND_CHARS: usize = 24;
const WITHIN_CHARS: usize = 60;

/// Line and column of a byte, in characters, both counted from 1.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        .saturating_add(1);
    (line, column)
}

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
        ThreatKind::Injection | ThreatKind::HiddenText | ThreatKind::Exfiltration | ThreatKind::Unscannable => false,
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
        push(&mut out, text.get(at..place.start.max(at)).unwrap_or_default());
        out.push_str(&format!("[{label}]"));
        at = place.end.max(at);
    }
    push(&mut out, text.get(at..to.max(at)).unwrap_or_default());
    if shown_end < hit.end {
        out.push('…');
    }
    out
}

/// Control characters, invisible ones and those that reorder text are spelled out.
fn push(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => out.push(c),
            '\n' | '\r' | '\t' => out.push(' '),
            _ => out.extend(c.escape_debug()),
        }
    }
}

/// An id as a terminal may show it.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::new();
    push(&mut out, text);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        let text = "a\nöb\n";
        assert_eq!(place(text, 0), (1, 1));
        assert_eq!(place(text, text.find('b').unwrap()), (2, 2));
        assert_eq!(place(text, text.len()), (3, 1));
    }

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        assert_eq!(
            printable("a\u{1b}[31m\u{202e}\u{200b}\u{e0041}é\"\n"),
            "a\\u{1b}[31m\\u{202e}\\u{200b}\\u{e0041}é\" "
        );
    }
}
