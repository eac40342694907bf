//! One JSON-RPC message over its original bytes.

use std::borrow::Cow;
use std::fmt;

use testudo_bounded::json::{Document, JsonError, Kind, Limits, Node};

use super::META_REVISION;

const METHOD_BYTES_MAX: usize = 128;
const ID_BYTES_MAX: usize = 256;

/// A revision of the protocol that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// 2025-06-18.
    June2025,
    /// 2025-11-25.
    November2025,
    /// 2026-07-28: no handshake and no session.
    July2026,
}

impl Revision {
    /// Every revision, the oldest first.
    pub const ALL: [Self; 3] = [Self::June2025, Self::November2025, Self::July2026];
    /// The newest that begins with `initialize`.
    pub const LATEST_SESSION: Self = Self::November2025;

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::June2025 => "2025-06-18",
            Self::November2025 => "2025-11-25",
            Self::July2026 => "2026-07-28",
        }
    }

    /// The revision that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// Whether a session holds what the messages of this revision leave out.
    #[must_use]
    pub fn has_sessions(self) -> bool {
        self != Self::July2026
    }
}

/// The id of a request as it was written: a text or a whole number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// The id's JSON.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Of a number.
    #[must_use]
    pub fn number(number: u64) -> Self {
        Self(number.to_string().into())
    }

    /// Of a plain text, which needs no escapes.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self(format!("\"{}\"", text.replace(['"', '\\'], "")).into())
    }

    /// The id that a value spells; `None` when it is none.
    #[must_use]
    pub fn of(node: Node<'_>) -> Option<Self> {
        let raw = std::str::from_utf8(node.raw()).ok()?;
        let digits = raw.strip_prefix('-').unwrap_or(raw);
        let sound = match node.kind() {
            Kind::String => raw.len() <= ID_BYTES_MAX,
            Kind::Number => digits.len() <= 19 && digits.bytes().all(|b| b.is_ascii_digit()),
            Kind::Null | Kind::Bool | Kind::Array | Kind::Object => false,
        };
        sound.then(|| Self(raw.into()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageKind {
    Request {
        id: RequestId,
        method: Box<str>,
    },
    Notification {
        method: Box<str>,
    },
    /// The id is absent where the other side could not read it.
    Response {
        id: Option<RequestId>,
        failed: bool,
    },
}

/// One message.
#[derive(Debug)]
pub struct Message<'a> {
    pub document: Document<'a>,
    pub kind: MessageKind,
}

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the body is not strict JSON: {0}")]
    Json(#[from] JsonError),
    #[error("the body holds several messages; send each by itself")]
    Batch,
    #[error("the body is no JSON-RPC 2.0 message: {0}")]
    Shape(&'static str),
}

impl Malformed {
    /// The code of JSON-RPC for it.
    #[must_use]
    pub fn code(&self) -> i64 {
        match self {
            Self::Json(_) => super::code::PARSE,
            Self::Batch | Self::Shape(_) => super::code::INVALID_REQUEST,
        }
    }
}

/// Reads one message.
///
/// # Errors
/// The sender's fault: it is not strict JSON, or not exactly one request, notification or response.
pub fn read_message<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Message<'a>, Malformed> {
    let document = Document::parse(bytes, limits)?;
    let kind = kind(document.root())?;
    Ok(Message { document, kind })
}

fn kind(root: Node<'_>) -> Result<MessageKind, Malformed> {
    match root.kind() {
        Kind::Object => {}
        Kind::Array => return Err(Malformed::Batch),
        _ => return Err(Malformed::Shape("it is no object")),
    }
    if root.get("jsonrpc").and_then(|it| it.as_str()).as_deref() != Some("2.0") {
        return Err(Malformed::Shape("`jsonrpc` is not \"2.0\""));
    }
    let known = ["jsonrpc", "id", "method", "params", "result", "error"];
    if root.keys().count() > 0 && !own_keys(root).all(|key| known.contains(&key.as_ref())) {
        return Err(Malformed::Shape("it has a member that no message has"));
    }
    if root.get("params").is_some_and(|it| it.kind() != Kind::Object) {
        return Err(Malformed::Shape("`params` is no object"));
    }
    let outcomes = (root.get("result"), root.get("error"));
    let id = root.get("id");
    let Some(method) = root.get("method") else {
        return answer(id, outcomes);
    };
    if outcomes.0.is_some() || outcomes.1.is_some() {
        return Err(Malformed::Shape("it is a call and an answer at once"));
    }
    let method = method
        .as_str()
        .filter(|it| is_method(it))
        .ok_or(Malformed::Shape("`method` is no name"))?;
    let method = Box::from(method.as_ref());
    match id {
        None => Ok(MessageKind::Notification { method }),
        Some(id) => {
            let id = RequestId::of(id).ok_or(Malformed::Shape("`id` is neither a text nor a whole number"))?;
            Ok(MessageKind::Request { id, method })
        }
    }
}

fn answer(
    id: Option<Node<'_>>,
    (result, error): (Option<Node<'_>>, Option<Node<'_>>),
) -> Result<MessageKind, Malformed> {
    let failed = match (result, error) {
        (Some(result), None) if result.kind() == Kind::Object => false,
        (None, Some(error)) if error.kind() == Kind::Object => true,
        _ => {
            return Err(Malformed::Shape(
                "it has neither a `method` nor one `result` or `error`",
            ));
        }
    };
    let id = match id {
        Some(id) if id.is_null() && failed => None,
        None if failed => None,
        Some(id) => Some(RequestId::of(id).ok_or(Malformed::Shape("`id` is neither a text nor a whole number"))?),
        None => return Err(Malformed::Shape("the answer has no `id`")),
    };
    Ok(MessageKind::Response { id, failed })
}

fn own_keys<'d>(root: Node<'d>) -> impl Iterator<Item = Cow<'d, str>> {
    root.entries().filter_map(|(_, value)| value.key_text())
}

fn is_method(method: &str) -> bool {
    (1..=METHOD_BYTES_MAX).contains(&method.len())
        && method
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'.' | b'$'))
}

impl Message<'_> {
    /// The parameters, when there are any.
    #[must_use]
    pub fn params(&self) -> Option<Node<'_>> {
        self.document.root().get("params")
    }

    /// A parameter that is a text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        self.params()?.get(key)?.as_str()
    }

    /// A member of the parameters' `_meta`.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<Node<'_>> {
        self.params()?.get("_meta")?.get(key)
    }

    /// What the message names as its revision; messages of a session name none.
    #[must_use]
    pub fn revision(&self) -> Option<Cow<'_, str>> {
        self.meta(META_REVISION)?.as_str()
    }

    /// The method, of a request or notification.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            MessageKind::Request { method, .. } | MessageKind::Notification { method } => Some(method),
            MessageKind::Response { .. } => None,
        }
    }
}
