//! The definition of a tool: what is pinned of it, what it says of itself, and which parameters headers repeat.

use std::borrow::Cow;

use testudo_bounded::json::{CanonicalError, Kind, Node};

/// The longest name of a tool.
pub const TOOL_NAME_BYTES_MAX: usize = 128;
const MIRRORED_MAX: usize = 32;

/// What a server says of the effects of its tool. Hints, never facts: the server may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hints {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}

impl Hints {
    /// What the protocol assumes of a tool that says nothing.
    pub const DEFAULT: Self = Self {
        read_only: false,
        destructive: true,
        idempotent: false,
        open_world: true,
    };
}

/// A parameter that a header repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrored {
    /// What follows `Mcp-Param-`.
    pub header: Box<str>,
    /// Keys from the arguments down.
    path: Vec<Box<str>>,
}

impl Mirrored {
    /// The parameter in a call's arguments; `None` when it is absent or null.
    #[must_use]
    pub fn of<'d>(&self, arguments: Node<'d>) -> Option<Node<'d>> {
        let found = self.path.iter().try_fold(arguments, |at, key| at.get(key))?;
        (!found.is_null()).then_some(found)
    }
}

/// A tool as its server defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub name: Box<str>,
    /// What is pinned, in its one spelling: every member but `_meta`.
    pub canonical: Vec<u8>,
    /// The members but `name` and `_meta`, as they were written, separated by commas.
    pub rest: Box<str>,
    pub hints: Hints,
    pub mirrored: Vec<Mirrored>,
}

/// Why a definition cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("it has no name of 1 to 128 letters, digits, `_`, `-`, `.` and `/`")]
    Name,
    #[error("its inputSchema is no object")]
    Schema,
    #[error("its description is no text")]
    Description,
    #[error("an x-mcp-header in its inputSchema is not one that may stand there")]
    Header,
    #[error("it has no canonical spelling: {0}")]
    Canonical(#[from] CanonicalError),
}

/// The name of a definition, whatever else is wrong with it.
fn name_of(node: Node<'_>) -> Option<Cow<'_, str>> {
    node.get("name")?.as_str().filter(|name| is_tool_name(name))
}

/// Reads one item of a server's list of tools.
///
/// # Errors
/// The server's fault; the name comes back when there is one, so that the flaw can be told of it.
pub fn definition(node: Node<'_>) -> Result<Definition, (Option<Box<str>>, Flaw)> {
    let name: Box<str> = Box::from(name_of(node).ok_or((None, Flaw::Name))?.as_ref());
    let flawed = |flaw: Flaw| (Some(name.clone()), flaw);
    let schema = node.get("inputSchema").filter(|it| it.kind() == Kind::Object);
    let schema = schema.ok_or_else(|| flawed(Flaw::Schema))?;
    if node.get("description").is_some_and(|it| it.kind() != Kind::String) {
        return Err(flawed(Flaw::Description));
    }
    let mirrored = mirrored(schema).ok_or_else(|| flawed(Flaw::Header))?;
    Ok(Definition {
        canonical: pinned(node).map_err(|error| flawed(error.into()))?,
        rest: rest(node),
        hints: hints(node),
        mirrored,
        name,
    })
}

fn is_tool_name(name: &str) -> bool {
    (1..=TOOL_NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/'))
}

fn members<'d>(node: Node<'d>) -> impl Iterator<Item = (Cow<'d, str>, Node<'d>)> {
    let named = node.entries().filter_map(|(_, value)| Some((value.key_text()?, value)));
    named.filter(|(key, _)| key != "_meta")
}

/// The members that are pinned, sorted, each in its canonical spelling.
fn pinned(node: Node<'_>) -> Result<Vec<u8>, CanonicalError> {
    let mut sorted: Vec<(Cow<'_, str>, Node<'_>)> = members(node).collect();
    sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    let mut out = vec![b'{'];
    for (index, (key, value)) in sorted.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        testudo_bounded::json::escape_into(key, &mut out);
        out.extend_from_slice(b"\":");
        value.canonical(&mut out)?;
    }
    out.push(b'}');
    Ok(out)
}

fn rest(node: Node<'_>) -> Box<str> {
    let mut out = Vec::new();
    for (key, value) in members(node).filter(|(key, _)| key != "name") {
        if !out.is_empty() {
            out.push(b',');
        }
        out.push(b'"');
        testudo_bounded::json::escape_into(&key, &mut out);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value.raw());
    }
    String::from_utf8(out).unwrap_or_default().into()
}

fn hints(node: Node<'_>) -> Hints {
    let annotations = node.get("annotations");
    let hint = |key: &str, default| {
        let said = annotations.and_then(|it| it.get(key)).and_then(|it| it.as_bool());
        said.unwrap_or(default)
    };
    Hints {
        read_only: hint("readOnlyHint", Hints::DEFAULT.read_only),
        destructive: hint("destructiveHint", Hints::DEFAULT.destructive),
        idempotent: hint("idempotentHint", Hints::DEFAULT.idempotent),
        open_world: hint("openWorldHint", Hints::DEFAULT.open_world),
    }
}

/// Every `x-mcp-header` of a schema; `None` when one stands where it may not or is no name.
fn mirrored(schema: Node<'_>) -> Option<Vec<Mirrored>> {
    let mut found: Vec<Mirrored> = Vec::new();
    let marks = schema
        .descendants()
        .filter(|node| node.key_text().is_some_and(|key| key == "x-mcp-header") && !is_property(*node, schema));
    for mark in marks {
        let header = mark.as_str().filter(|it| is_token(it))?;
        let annotated = mark.parent()?;
        let kind = annotated.get("type").and_then(|it| it.as_str());
        if !matches!(kind.as_deref(), Some("string" | "integer" | "boolean")) {
            return None;
        }
        let path = path_to(annotated, schema)?;
        if found.len() >= MIRRORED_MAX || found.iter().any(|it| it.header.eq_ignore_ascii_case(&header)) {
            return None;
        }
        found.push(Mirrored {
            header: Box::from(header.as_ref()),
            path,
        });
    }
    Some(found)
}

/// Whether a value is a parameter that happens to be called `x-mcp-header`.
fn is_property(node: Node<'_>, schema: Node<'_>) -> bool {
    node.kind() == Kind::Object
        && node.parent().is_some_and(|parent| {
            parent.id() != schema.id() && parent.key_text().is_some_and(|key| key == "properties")
        })
}

/// The keys from the root of a schema to one of its properties, through `properties` alone.
fn path_to(annotated: Node<'_>, schema: Node<'_>) -> Option<Vec<Box<str>>> {
    let mut path = Vec::new();
    let mut at = annotated;
    while at.id() != schema.id() {
        let key = at.key_text()?;
        let properties = at.parent()?;
        if properties.key_text()? != "properties" {
            return None;
        }
        path.push(Box::from(key.as_ref()));
        at = properties.parent()?;
    }
    path.reverse();
    (!path.is_empty()).then_some(path)
}

fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
