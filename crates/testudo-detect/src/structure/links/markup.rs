//! Addresses in HTML: attributes that load or lead somewhere, styles, refreshes, documents inside attributes.

use std::borrow::Cow;
use std::ops::Range;

use super::css::IsRaw;
use super::{Form, Link, css};
use crate::structure::html::entities::decode;
use crate::structure::html::tokens::{Attribute, Tag, Token, Tokens};

/// How deep documents inside `srcdoc` attributes are read.
const NESTED_MAX: u8 = 2;

/// Addresses in the tags of a text.
pub(super) fn find(text: &str, links: &mut Vec<Link>) {
    nested(text, NESTED_MAX, links);
}

fn nested(text: &str, depth: u8, links: &mut Vec<Link>) {
    let mut in_style = false;
    for token in Tokens::new(text) {
        match token {
            Token::Open(tag) => {
                in_style = tag.is(text, &["style"]);
                for attribute in &tag.attributes {
                    address(text, &tag, attribute, depth, links);
                }
            }
            Token::Raw(range) if in_style => {
                let sheet = text.get(range.clone()).unwrap_or_default();
                css::find(sheet, &range, IsRaw::Yes, links);
            }
            Token::Raw(_) | Token::Text(_) | Token::Close { .. } | Token::Comment { .. } => {}
        }
    }
}

/// What an attribute of one tag holds.
fn address(text: &str, tag: &Tag, attribute: &Attribute, depth: u8, links: &mut Vec<Link>) {
    let name = text
        .get(attribute.name.clone())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let raw = text.get(attribute.value.clone()).unwrap_or_default();
    if raw.trim().is_empty() {
        return;
    }
    let value = decode(raw);
    let place = &attribute.value;
    let is_raw = match value {
        Cow::Borrowed(_) => IsRaw::Yes,
        Cow::Owned(_) => IsRaw::No,
    };
    match name.as_str() {
        "style" => css::find(&value, place, is_raw, links),
        "srcset" | "imagesrcset" => set(&value, tag, place, is_raw, links),
        "srcdoc" if depth > 0 => document(&value, tag, place, depth, links),
        "content" if is_refresh(text, tag) => refresh(&value, tag, place, is_raw, links),
        "ping" | "archive" => {
            for part in value.split_whitespace() {
                push(Form::HtmlForm, tag, place.clone(), part, links);
            }
        }
        _ => {
            if let Some(form) = form(text, tag, &name) {
                push(form, tag, place.clone(), &value, links);
            }
        }
    }
}

/// What an attribute does with its address; `None` when it holds none.
fn form(text: &str, tag: &Tag, name: &str) -> Option<Form> {
    let is = |names: &[&str]| tag.is(text, names);
    match name {
        "href" | "xlink:href" if is(&["a", "area"]) => Some(Form::HtmlLink),
        "href" if is(&["link"]) => Some(Form::HtmlResource),
        "href" if is(&["base"]) => Some(Form::HtmlBase),
        "href" | "xlink:href" if is(&["script"]) => Some(Form::HtmlScript),
        "href" | "xlink:href" => Some(Form::HtmlMedia),
        "src" if is(&["script"]) => Some(Form::HtmlScript),
        "src" if is(&["iframe", "frame", "embed"]) => Some(Form::HtmlFrame),
        "src" | "poster" | "background" | "lowsrc" | "dynsrc" => Some(Form::HtmlMedia),
        "data" if is(&["object"]) => Some(Form::HtmlFrame),
        "code" | "codebase" | "classid" if is(&["applet", "object", "embed"]) => Some(Form::HtmlFrame),
        "action" | "formaction" => Some(Form::HtmlForm),
        "manifest" if is(&["html"]) => Some(Form::HtmlResource),
        _ => None,
    }
}

fn push(form: Form, tag: &Tag, place: Range<usize>, url: &str, links: &mut Vec<Link>) {
    links.push(Link::new(form, tag.range.clone(), place, url));
}

/// `address 2x, address 640w`: an address ends at a blank, or at a comma before one.
fn set(value: &str, tag: &Tag, place: &Range<usize>, is_raw: IsRaw, links: &mut Vec<Link>) {
    let mut at = 0;
    loop {
        let rest = value.get(at..).unwrap_or_default();
        let start = at.saturating_add(
            rest.find(|c: char| !c.is_whitespace() && c != ',')
                .unwrap_or(rest.len()),
        );
        let rest = value.get(start..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        let end = start.saturating_add(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        let url = value.get(start..end).unwrap_or_default();
        let trimmed = url.trim_end_matches(',');
        let inner = start..start.saturating_add(trimmed.len());
        push(Form::HtmlMedia, tag, shifted(place, inner, is_raw), trimmed, links);
        at = if trimmed.len() < url.len() {
            end
        } else {
            let after = value.get(end..).unwrap_or_default();
            end.saturating_add(after.find(',').unwrap_or(after.len()))
        };
    }
}

/// A whole document inside an attribute; the attribute is named as the place of all its addresses.
fn document(value: &str, tag: &Tag, place: &Range<usize>, depth: u8, links: &mut Vec<Link>) {
    let mut inner = Vec::new();
    nested(value, depth.saturating_sub(1), &mut inner);
    links.extend(inner.into_iter().map(|link| Link {
        range: tag.range.clone(),
        url_range: place.clone(),
        ..link
    }));
}

fn is_refresh(text: &str, tag: &Tag) -> bool {
    tag.is(text, &["meta"])
        && tag
            .attribute(text, "http-equiv")
            .is_some_and(|value| decode(value).trim().eq_ignore_ascii_case("refresh"))
}

/// `5; url=address`, where `url=` and quotes may be missing.
fn refresh(value: &str, tag: &Tag, place: &Range<usize>, is_raw: IsRaw, links: &mut Vec<Link>) {
    let time = value
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c.is_whitespace()))
        .unwrap_or(value.len());
    let mut from = time;
    let rest = |from: usize| value.get(from..).unwrap_or_default();
    from = skip(value, from, |c| c == ';' || c == ',' || c.is_whitespace());
    if rest(from).get(..3).is_some_and(|head| head.eq_ignore_ascii_case("url")) {
        let equals = skip(value, from.saturating_add(3), char::is_whitespace);
        if rest(equals).starts_with('=') {
            from = skip(value, equals.saturating_add(1), char::is_whitespace);
        }
    }
    let mut end = value.len();
    if let Some(quote) = rest(from).chars().next().filter(|c| matches!(c, '"' | '\'')) {
        from = from.saturating_add(1);
        end = rest(from).find(quote).map_or(end, |at| from.saturating_add(at));
    }
    let url = value.get(from..end).unwrap_or_default();
    if !url.trim().is_empty() {
        push(Form::HtmlRefresh, tag, shifted(place, from..end, is_raw), url, links);
    }
}

fn skip(value: &str, from: usize, over: impl Fn(char) -> bool) -> usize {
    let rest = value.get(from..).unwrap_or_default();
    from.saturating_add(rest.find(|c| !over(c)).unwrap_or(rest.len()))
}

/// A range of a value as a range of the text; the whole value when the two are not written alike.
fn shifted(place: &Range<usize>, inner: Range<usize>, is_raw: IsRaw) -> Range<usize> {
    match is_raw {
        IsRaw::Yes => place.start.saturating_add(inner.start)..place.start.saturating_add(inner.end),
        IsRaw::No => place.clone(),
    }
}
