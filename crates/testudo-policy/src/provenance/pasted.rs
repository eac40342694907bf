//! Text in a user's message that looks as if somebody else wrote it.

use std::ops::Range;

/// Byte ranges of the text that look pasted: quoted lines, forwarded messages, and what stands between tags.
///
/// Guessing can only lower trust: a value that the user wrote in such a place has to be repeated outside it.
#[must_use]
pub fn pasted_spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = tagged(text);
    let mut at: usize = 0;
    let mut headers = HeaderRun::default();
    for line in text.split_inclusive('\n') {
        let range = at..at.saturating_add(line.len());
        at = range.end;
        let line = line.trim();
        if line.starts_with('>') && line.len() > 1 {
            spans.push(range);
            continue;
        }
        if is_divider(line) || headers.ends_with(line, range.start) {
            spans.push(headers.start.unwrap_or(range.start)..text.len());
            break;
        }
    }
    spans.sort_by_key(|span| (span.start, span.end));
    spans
}

/// A run of lines that look like the head of a mail.
#[derive(Debug, Default)]
struct HeaderRun {
    start: Option<usize>,
    lines: usize,
}

impl HeaderRun {
    /// Whether this line makes a head: a second header right after `From:`.
    fn ends_with(&mut self, line: &str, at: usize) -> bool {
        let name = line.split_once(':').map(|(name, _)| name.trim().to_ascii_lowercase());
        let known = matches!(
            name.as_deref(),
            Some("from" | "to" | "cc" | "date" | "sent" | "subject" | "reply-to")
        );
        if !known {
            *self = Self::default();
            return false;
        }
        self.start.get_or_insert(at);
        self.lines = self.lines.saturating_add(1);
        self.lines >= 2
    }
}

/// `----- Original Message -----`, `--- begin document ---`.
fn is_divider(line: &str) -> bool {
    let inner = line.trim_matches(['-', '=', '*', '_']);
    let marks = line.len().saturating_sub(inner.len());
    marks >= 6 && line.starts_with(['-', '=', '*', '_']) && inner.trim().chars().any(char::is_alphabetic)
}

/// What stands between `<name …>` and `</name>`.
fn tagged(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at: usize = 0;
    while let Some(open) = text
        .get(at..)
        .and_then(|rest| rest.find('<'))
        .map(|to| at.saturating_add(to))
    {
        at = open.saturating_add(1);
        let rest = text.get(at..).unwrap_or_default();
        let name_end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'));
        let Some(name) = name_end.and_then(|end| rest.get(..end)).filter(|name| !name.is_empty()) else {
            continue;
        };
        // A mail address in brackets is no tag.
        let Some(inside) = rest
            .find('>')
            .filter(|end| !rest.get(..*end).unwrap_or_default().contains('@'))
        else {
            continue;
        };
        let closing = format!("</{name}>");
        let body = rest.get(inside..).unwrap_or_default();
        if let Some(length) = body.find(&closing) {
            let end = at
                .saturating_add(inside)
                .saturating_add(length)
                .saturating_add(closing.len());
            spans.push(open..end);
            at = end;
        }
    }
    spans
}
