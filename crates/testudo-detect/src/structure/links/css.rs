//! Addresses in CSS: `url(…)`, `@import`, `image-set(…)`, with escapes.

use std::borrow::Cow;
use std::ops::Range;

use super::{Form, Link};

/// Addresses in a text that may hold CSS without saying so. Nothing there loads by itself.
pub(super) fn find_outside(text: &str, links: &mut Vec<Link>) {
    for found in scan(text) {
        let mut link = Link::new(found.form, found.range, found.url_range, &found.url);
        link.auto_loads = false;
        links.push(link);
    }
}

/// Addresses in a style sheet or style attribute that stands at `place` of the text.
///
/// `css` is what the place says once its references are decoded. `is_raw` tells whether that is what is written, so
/// that offsets agree; otherwise the whole place is named.
pub(super) fn find(css: &str, place: &Range<usize>, is_raw: IsRaw, links: &mut Vec<Link>) {
    let shift = |range: Range<usize>| match is_raw {
        IsRaw::Yes => place.start.saturating_add(range.start)..place.start.saturating_add(range.end),
        IsRaw::No => place.clone(),
    };
    let mut seen = Vec::new();
    for found in scan(css) {
        links.push(Link::new(
            found.form,
            shift(found.range),
            shift(found.url_range),
            &found.url,
        ));
        seen.push(found.url);
    }
    if let Cow::Owned(plain) = unescape(css) {
        seen.sort_unstable();
        for found in scan(&plain) {
            if seen.binary_search(&found.url).is_err() {
                links.push(Link::new(found.form, place.clone(), place.clone(), &found.url));
            }
        }
    }
}

/// Whether the CSS is the text as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IsRaw {
    Yes,
    No,
}

struct Found {
    form: Form,
    range: Range<usize>,
    url_range: Range<usize>,
    url: String,
}

fn scan(css: &str) -> Vec<Found> {
    let bytes = css.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let next = match byte {
            b'u' | b'U' if starts(bytes, at, b"url(") => function(css, at, 4, &mut found),
            b'@' if starts(bytes, at, b"@import") => import(css, at, &mut found),
            b'i' | b'I' if starts(bytes, at, b"image-set(") => set(css, at, &mut found),
            _ => None,
        };
        at = next.unwrap_or(at).max(at.saturating_add(1));
    }
    found
}

fn starts(bytes: &[u8], at: usize, word: &[u8]) -> bool {
    bytes
        .get(at..at.saturating_add(word.len()))
        .is_some_and(|head| head.eq_ignore_ascii_case(word))
}

/// Gives where to go on.
fn function(css: &str, at: usize, head: usize, found: &mut Vec<Found>) -> Option<usize> {
    let from = skip_blank(css, at.saturating_add(head));
    let rest = css.get(from..)?;
    let inner = match rest.as_bytes().first()? {
        quote @ (b'"' | b'\'') => quoted(rest, *quote, from)?,
        _ => {
            from..from.saturating_add(
                rest.find(|c: char| ")<>\"'".contains(c) || c == '(')
                    .unwrap_or(rest.len()),
            )
        }
    };
    push(css, Form::CssUrl, at, inner, found)
}

fn import(css: &str, at: usize, found: &mut Vec<Found>) -> Option<usize> {
    let from = skip_blank(css, at.saturating_add(7));
    let rest = css.get(from..)?;
    match rest.as_bytes().first()? {
        quote @ (b'"' | b'\'') => push(css, Form::CssImport, at, quoted(rest, *quote, from)?, found),
        _ if starts(css.as_bytes(), from, b"url(") => {
            let next = function(css, from, 4, found)?;
            if let Some(last) = found.last_mut() {
                last.form = Form::CssImport;
                last.range.start = at;
            }
            Some(next)
        }
        _ => None,
    }
}

/// The strings of an `image-set(…)`, up to its end; `url(` in it is found by itself.
fn set(css: &str, at: usize, found: &mut Vec<Found>) -> Option<usize> {
    let from = skip_blank(css, at.saturating_add(10));
    let rest = css.get(from..)?;
    let quote = *rest.as_bytes().first()?;
    if !matches!(quote, b'"' | b'\'') {
        return None;
    }
    push(css, Form::CssUrl, at, quoted(rest, quote, from)?, found)
}

fn push(css: &str, form: Form, at: usize, inner: Range<usize>, found: &mut Vec<Found>) -> Option<usize> {
    let written = css.get(inner.clone())?;
    let next = inner.end;
    if !written.trim().is_empty() {
        found.push(Found {
            form,
            range: at..next,
            url: unescape(written).trim().to_owned(),
            url_range: inner,
        });
    }
    Some(next)
}

/// What stands between quotes; ends with the line, as a broken string does.
fn quoted(rest: &str, quote: u8, from: usize) -> Option<Range<usize>> {
    let inside = rest.get(1..)?;
    let mut escaped = false;
    let mut end = inside.len();
    for (at, byte) in inside.bytes().enumerate() {
        if !escaped && (byte == quote || byte == b'\n') {
            end = at;
            break;
        }
        escaped = byte == b'\\' && !escaped;
    }
    let start = from.saturating_add(1);
    Some(start..start.saturating_add(end))
}

fn skip_blank(css: &str, from: usize) -> usize {
    let rest = css.get(from..).unwrap_or_default();
    from.saturating_add(rest.len().saturating_sub(rest.trim_start().len()))
}

/// CSS escapes: a backslash before up to six hex digits and a blank, before a line break, or before any character.
fn unescape(css: &str) -> Cow<'_, str> {
    if !css.contains('\\') {
        return Cow::Borrowed(css);
    }
    let mut plain = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, from)) = rest.split_once('\\') {
        plain.push_str(before);
        let digits = from.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
        let hex = from.get(..digits).unwrap_or_default();
        let mut after = from.get(digits..).unwrap_or_default();
        if digits > 0 {
            let c = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
            plain.push(c.unwrap_or('\u{FFFD}'));
            after = after.strip_prefix([' ', '\t', '\n']).unwrap_or(after);
        } else if let Some(next) = after.chars().next() {
            if next != '\n' {
                plain.push(next);
            }
            after = after.get(next.len_utf8()..).unwrap_or_default();
        }
        rest = after;
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}
