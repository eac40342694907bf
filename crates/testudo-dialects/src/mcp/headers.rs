//! The headers that repeat what a body says: they are compared with it, and decide nothing themselves.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testudo_bounded::json::{Kind, Node};

use super::{Message, MessageKind, Mirrored};

/// What a request presents under one header name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented<'h> {
    Absent,
    One(&'h str),
    /// More than one, or bytes that no header of this protocol has.
    Unsound,
}

/// A header and the body disagree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderMismatch {
    #[error("the header `{0}` is missing")]
    Missing(String),
    #[error("the header `{0}` stands more than once or holds characters that it may not")]
    Unsound(String),
    #[error("the header `{0}` says something else than the body")]
    Differs(String),
    #[error("the header `{0}` repeats a parameter that the call does not have")]
    Surplus(String),
}

/// Compares `Mcp-Method` and `Mcp-Name` with the message.
///
/// `required` says whether the revision asks for them; where it does not they may be absent and never differ.
///
/// # Errors
/// At the first header that is missing, unsound or different.
pub fn check_mirrors<'h>(
    message: &Message<'_>,
    required: bool,
    header: &dyn Fn(&str) -> Presented<'h>,
) -> Result<(), HeaderMismatch> {
    let Some(method) = message.method() else { return Ok(()) };
    let required = required && matches!(message.kind, MessageKind::Request { .. });
    compare("Mcp-Method", header("mcp-method"), Some(method), required, false)?;
    let name = match method {
        "tools/call" | "prompts/get" => message.text("name"),
        "resources/read" => message.text("uri"),
        _ => None,
    };
    let presented = header("mcp-name");
    if name.is_none() && presented == Presented::Absent {
        return Ok(());
    }
    compare("Mcp-Name", presented, name.as_deref(), required, true)
}

fn compare(
    label: &str,
    presented: Presented<'_>,
    body: Option<&str>,
    required: bool,
    encoded: bool,
) -> Result<(), HeaderMismatch> {
    let value = match (presented, body) {
        (Presented::Unsound, _) => return Err(HeaderMismatch::Unsound(label.to_owned())),
        (Presented::Absent, _) if required => return Err(HeaderMismatch::Missing(label.to_owned())),
        (Presented::Absent, _) => return Ok(()),
        (Presented::One(_), None) => return Err(HeaderMismatch::Surplus(label.to_owned())),
        (Presented::One(value), Some(_)) => value,
    };
    let value = if encoded {
        sentinel(value).ok_or_else(|| HeaderMismatch::Unsound(label.to_owned()))?
    } else {
        Cow::Borrowed(value)
    };
    if body == Some(value.as_ref()) {
        Ok(())
    } else {
        Err(HeaderMismatch::Differs(label.to_owned()))
    }
}

/// Compares the headers that repeat parameters of a tool call with its arguments.
///
/// # Errors
/// At the first that is missing, different, or there without a parameter.
pub fn check_parameters<'h>(
    mirrored: &[Mirrored],
    arguments: Option<Node<'_>>,
    header: &dyn Fn(&str) -> Presented<'h>,
) -> Result<(), HeaderMismatch> {
    for one in mirrored {
        let label = || format!("Mcp-Param-{}", one.header);
        let presented = header(&label().to_ascii_lowercase());
        let expected = arguments.and_then(|it| one.of(it)).map(parameter_value);
        let value = match (presented, &expected) {
            (Presented::Absent, None) => continue,
            (Presented::Absent, Some(_)) => return Err(HeaderMismatch::Missing(label())),
            (Presented::Unsound, _) => return Err(HeaderMismatch::Unsound(label())),
            (Presented::One(_), None) => return Err(HeaderMismatch::Surplus(label())),
            (Presented::One(value), Some(_)) => sentinel(value).ok_or_else(|| HeaderMismatch::Unsound(label()))?,
        };
        if expected.flatten().as_deref() != Some(value.as_ref()) {
            return Err(HeaderMismatch::Differs(label()));
        }
    }
    Ok(())
}

/// How a parameter is written in a header, before encoding; `None` for what no header holds.
#[must_use]
pub fn parameter_value(node: Node<'_>) -> Option<String> {
    match node.kind() {
        Kind::String => node.as_str().map(Cow::into_owned),
        Kind::Bool => node.as_bool().map(|it| it.to_string()),
        Kind::Number => {
            // `42.0` is `42`.
            let raw = std::str::from_utf8(node.raw()).ok()?;
            let whole = raw.split_once('.').map_or(raw, |(whole, fraction)| {
                if fraction.bytes().all(|b| b == b'0') {
                    whole
                } else {
                    raw
                }
            });
            whole.parse::<i64>().ok().map(|it| it.to_string())
        }
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

/// What a header value says: itself, or the text inside `=?base64?…?=`; `None` when that is none.
#[must_use]
pub fn sentinel(value: &str) -> Option<Cow<'_, str>> {
    let Some(inner) = value.strip_prefix("=?base64?").and_then(|it| it.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(value));
    };
    let bytes = STANDARD.decode(inner).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}
