//! Addresses in running text, found by their scheme or by `www.`.

use std::ops::Range;

use super::{Form, Link};

/// Schemes longer than this are no addresses that anything makes a link of.
const SCHEME_BYTES_MAX: usize = 32;

/// Schemes without `//` that chat windows make links of.
const WITHOUT_HOST: [&str; 4] = ["mailto:", "javascript:", "data:text/", "vbscript:"];

/// Bare addresses outside of the `known` links, which are sorted by `url_range`.
pub(super) fn find(text: &str, known: &[Link]) -> Vec<Link> {
    let mut links = Vec::new();
    let mut taken = Taken { known, next: 0, end: 0 };
    let mut from = 0;
    while let Some(start) = next_start(text, from) {
        let end = address_end(text, start);
        if taken.covers(start) {
            // A known address may end before this one would, and another begin behind it.
            from = taken.end.min(end).max(start.saturating_add(1));
            continue;
        }
        if end > start {
            let range = start..end;
            let written = text.get(range.clone()).unwrap_or_default();
            let url = if is_www(written) {
                format!("http://{written}")
            } else {
                written.to_owned()
            };
            links.push(Link::new(Form::Bare, range.clone(), range, &url));
        }
        from = end.max(start.saturating_add(1));
    }
    links
}

/// Walks along the known links; asked in ascending order.
struct Taken<'a> {
    known: &'a [Link],
    next: usize,
    end: usize,
}

impl Taken<'_> {
    fn covers(&mut self, at: usize) -> bool {
        while let Some(link) = self.known.get(self.next).filter(|link| link.url_range.start <= at) {
            self.end = self.end.max(link.url_range.end);
            self.next = self.next.saturating_add(1);
        }
        at < self.end
    }
}

/// Where the next address starts, at `from` or behind it.
fn next_start(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        let start = match byte {
            b':' if behind(bytes, at).starts_with(b"//") => scheme_start(bytes, from, at),
            b'w' | b'W' if starts(behind_from(bytes, at), b"www.") && !is_word(bytes, at) => Some(at),
            b'm' | b'M' | b'j' | b'J' | b'd' | b'D' | b'v' | b'V' if !is_word(bytes, at) => WITHOUT_HOST
                .iter()
                .any(|scheme| starts(behind_from(bytes, at), scheme.as_bytes()))
                .then_some(at),
            _ => None,
        };
        if start.is_some() {
            return start;
        }
        at = at.saturating_add(1);
    }
    None
}

fn behind(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at.saturating_add(1)..).unwrap_or_default()
}

fn behind_from(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

fn starts(bytes: &[u8], word: &[u8]) -> bool {
    bytes
        .get(..word.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(word))
}

/// Whether a letter or digit stands before `at`.
fn is_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_some_and(u8::is_ascii_alphanumeric)
}

/// Where the scheme in front of a `:` starts, not before `from`.
fn scheme_start(bytes: &[u8], from: usize, colon: usize) -> Option<usize> {
    let head = bytes.get(from..colon)?;
    let length = head
        .iter()
        .rev()
        .take(SCHEME_BYTES_MAX)
        .take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
        .count();
    let start = colon.saturating_sub(length);
    let letters = bytes.get(start..colon)?;
    let skipped = letters.iter().take_while(|b| !b.is_ascii_alphabetic()).count();
    let start = start.saturating_add(skipped);
    (start < colon).then_some(start)
}

/// One past the last byte of an address, as GitHub's Markdown trims it.
fn address_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let length = rest
        .find(|c: char| c.is_whitespace() || c.is_control() || "<>\"`{}|".contains(c))
        .unwrap_or(rest.len());
    // The text of a Markdown link ends here.
    let length = rest.get(..length).and_then(|url| url.find("](")).unwrap_or(length);
    let mut range = start..start.saturating_add(length);
    trim(text, &mut range);
    range.end
}

fn trim(text: &str, range: &mut Range<usize>) {
    let mut open = 0_usize;
    let mut close = 0_usize;
    for byte in text.get(range.clone()).unwrap_or_default().bytes() {
        match byte {
            b'(' => open = open.saturating_add(1),
            b')' => close = close.saturating_add(1),
            _ => {}
        }
    }
    while let Some(last) = text.get(range.clone()).and_then(|url| url.chars().next_back()) {
        let dropped = match last {
            ')' if close > open => {
                close = close.saturating_sub(1);
                true
            }
            '?' | '!' | '.' | ',' | ':' | '*' | '_' | '~' | '\'' | ';' | '[' | ']' | '\\' | '。' | '，' | '、' => {
                true
            }
            _ => false,
        };
        if !dropped {
            return;
        }
        range.end = range.end.saturating_sub(last.len_utf8());
    }
}

fn is_www(written: &str) -> bool {
    starts(written.as_bytes(), b"www.")
}
