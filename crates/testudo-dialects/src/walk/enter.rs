//! What is looked up on the way into an object: who wrote it, and which channel it is.

use std::borrow::Cow;

use testudo_bounded::json::{Kind as JsonKind, Node};
use testudo_types::Origin;

use super::{At, Context, Side, Walker};
use crate::table::{Enter, Flow};
use crate::{ChannelKind, Refused};

impl Walker<'_, '_> {
    pub(super) fn enter(
        &mut self,
        enter: Enter,
        node: Node<'_>,
        at: At,
        context: &Context,
    ) -> Result<Context, Refused> {
        let mut inner = context.clone();
        match enter {
            Enter::From(source) => inner.origin = source.origin(&context.origin, None),
            Enter::Snapshot => inner.flow = Flow::Whole,
            Enter::Message => inner.origin = self.author(node),
            Enter::Item => self.item(node, &mut inner)?,
            Enter::Block => {
                if let Some(place) = position(node).filter(|_| self.side == Side::Response) {
                    inner.part = self.small(place)?;
                }
                self.block(node, &mut inner);
            }
            Enter::NestedBlock => {
                inner.flow = Flow::Whole;
                self.block(node, &mut inner);
            }
            Enter::Payload => inner.media = text_of(node, "type").as_deref() == Some("base64"),
            Enter::Choice => {
                inner.output = self.index(node, context.output)?;
                inner.null_on_edit = present(node, "logprobs");
            }
            Enter::ToolCall => inner.part = self.index(node, context.part)?,
            Enter::LegacyCall => inner.part = LEGACY_CALL,
            Enter::Part => self.part(node, &mut inner)?,
            Enter::BlockDelta => block_delta(node, &mut inner),
            Enter::Token => inner.part = context.part.saturating_mul(RANKS),
            Enter::Alternative => {
                inner.part = ranked(context.part, position(node).unwrap_or_default().saturating_add(1));
            }
            Enter::TokenBytes => self.token_bytes(node, at, ChannelKind::LogprobBytes, context)?,
            Enter::RefusalTokenBytes => self.token_bytes(node, at, ChannelKind::RefusalLogprobBytes, context)?,
            Enter::TokenKeys => inner.token_keys = true,
        }
        Ok(inner)
    }

    /// Who wrote a message, by its role.
    fn author(&self, node: Node<'_>) -> Origin {
        match text_of(node, "role").as_deref() {
            Some("system" | "developer") => Origin::System,
            Some("user") => Origin::User,
            Some("assistant") => Origin::Assistant,
            Some("tool") => self.result_of(text_of(node, "tool_call_id"), text_of(node, "name")),
            Some("function") => self.result_of(None, text_of(node, "name")),
            _ => Origin::Unknown,
        }
    }

    /// A tool's result; the call's own name wins over what the result says of itself.
    fn result_of(&self, call: Option<Cow<'_, str>>, name: Option<Cow<'_, str>>) -> Origin {
        let tool = match call.and_then(|call| self.tools.get(call.as_ref())) {
            Some(known) => known.clone(),
            None => name.and_then(|name| tool_name(&name)),
        };
        Origin::ToolResult { tool }
    }

    /// An item of a Responses conversation.
    fn item(&self, node: Node<'_>, inner: &mut Context) -> Result<(), Refused> {
        let kind = text_of(node, "type");
        let name = text_of(node, "name");
        let kind = kind.as_deref();
        inner.tool = name.as_deref().or(kind).and_then(tool_name);
        if let Some(place) = position(node) {
            inner.output = self.small(place)?;
            inner.part = 0;
        }
        let result = kind.is_some_and(|kind| kind.ends_with("_output"));
        if result {
            inner.origin = self.result_of(text_of(node, "call_id"), None);
        } else if self.side == Side::Request {
            inner.origin = match kind {
                None | Some("message") => self.author(node),
                Some("reasoning" | "compaction") => Origin::Assistant,
                Some("mcp_list_tools" | "additional_tools") => Origin::ToolDefinition,
                Some("mcp_approval_response") => Origin::User,
                Some("mcp_approval_request" | "program") => Origin::Assistant,
                Some(kind) if kind.ends_with("_call") => Origin::Assistant,
                Some(_) => Origin::Unknown,
            };
        }
        Ok(())
    }

    /// A content block of Anthropic's.
    fn block(&self, node: Node<'_>, inner: &mut Context) {
        let kind = text_of(node, "type");
        let kind = kind.as_deref().unwrap_or_default();
        let nested = matches!(inner.origin, Origin::ToolResult { .. });
        if let Some(server) = kind.strip_suffix("tool_result") {
            let server = Some(server.trim_end_matches('_'))
                .filter(|name| !name.is_empty())
                .map(Cow::Borrowed);
            inner.origin = self.result_of(text_of(node, "tool_use_id"), server);
        } else if matches!(kind, "document" | "search_result") && !nested {
            inner.origin = Origin::Document;
        }
        inner.signed = self.side == Side::Request
            && kind == "thinking"
            && text_of(node, "signature").is_some_and(|signature| !signature.is_empty());
    }

    /// A content part of an item: its place, its channel, its log probabilities.
    fn part(&self, node: Node<'_>, inner: &mut Context) -> Result<(), Refused> {
        if let Some(place) = position(node) {
            inner.part = self.small(place)?;
        }
        inner.announced = match text_of(node, "type").as_deref() {
            Some("output_text" | "input_text" | "text") => Some(ChannelKind::Text),
            Some("reasoning_text") => Some(ChannelKind::Reasoning),
            Some("summary_text") => Some(ChannelKind::ReasoningSummary),
            Some("refusal") => Some(ChannelKind::Refusal),
            _ => None,
        };
        inner.null_on_edit = present(node, "logprobs");
        Ok(())
    }

    /// The `index` of an element, its position when it has none.
    fn index(&self, node: Node<'_>, otherwise: u32) -> Result<u32, Refused> {
        match node.get("index").filter(|index| !index.is_null()) {
            Some(index) => index
                .as_u64()
                .and_then(|index| u32::try_from(index).ok())
                .filter(|index| *index < u32::MAX)
                .ok_or_else(|| self.misshapen("/index")),
            None => match position(node) {
                Some(place) => self.small(place),
                None => Ok(otherwise),
            },
        }
    }

    fn small(&self, place: usize) -> Result<u32, Refused> {
        u32::try_from(place).map_err(|_| self.misshapen(""))
    }

    fn misshapen(&self, field: &str) -> Refused {
        let pointer = format!("{}{field}", self.pointer).into();
        Refused::Shape {
            pointer,
            expected: "a small whole number",
        }
    }
}

/// How many parts the tokens of one content part take: one for each rank.
pub(crate) const RANKS: u32 = 256;

/// The part of a call that has no index because there can be only one.
const LEGACY_CALL: u32 = u32::MAX;

/// A tool's name as a record may hold it: what is longer or looks different names no tool. Every
/// span of a result repeats the name, so its length must not be the sender's choice.
pub(crate) fn tool_name(name: &str) -> Option<Box<str>> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'/');
    (!name.is_empty() && name.len() <= 128 && name.bytes().all(plain)).then(|| name.into())
}

/// Whether the keys of such an object say who wrote it.
pub(super) fn has_roles(enter: Enter) -> bool {
    matches!(enter, Enter::Message | Enter::Item | Enter::Block | Enter::NestedBlock)
}

/// The part of an alternative token, given the part of the chosen one.
pub(super) fn ranked(part: u32, rank: usize) -> u32 {
    part.saturating_add(u32::try_from(rank).unwrap_or(u32::MAX).min(RANKS.saturating_sub(1)))
}

/// Anthropic's `delta`: its type announces the one field that continues the block.
fn block_delta(node: Node<'_>, inner: &mut Context) {
    let kind = text_of(node, "type");
    let kind = kind.as_deref().unwrap_or_default();
    inner.announced = match kind {
        "text_delta" => Some(ChannelKind::Text),
        "thinking_delta" => Some(ChannelKind::Reasoning),
        "input_json_delta" => Some(ChannelKind::Arguments),
        _ => None,
    };
    inner.seed = super::fnv(inner.seed ^ super::FNV_OFFSET, kind);
}

/// The text of a field; `None` when it is absent or no string.
fn text_of<'d>(node: Node<'d>, key: &str) -> Option<Cow<'d, str>> {
    node.get(key).and_then(|value| value.as_str())
}

/// The raw range of a field that is neither absent nor empty.
fn present(node: Node<'_>, key: &str) -> Option<std::ops::Range<usize>> {
    node.get(key)
        .filter(|value| match value.kind() {
            JsonKind::Null => false,
            JsonKind::Array => value.items().next().is_some(),
            JsonKind::Bool | JsonKind::Number | JsonKind::String | JsonKind::Object => true,
        })
        .map(|value| value.range())
}

/// The position of an array's element.
fn position(node: Node<'_>) -> Option<usize> {
    node.parent()
        .filter(|parent| parent.kind() == JsonKind::Array)
        .and_then(|_| node.index_in_parent())
}
