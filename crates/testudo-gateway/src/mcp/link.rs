//! One session's connection with one server, whatever it speaks and wherever it is.

mod http;
mod stdio;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use testudo_bounded::json::{Document, Limits};
use testudo_dialects::mcp::{
    META_CAPABILITIES, META_CLIENT, META_PREFIX, META_REVISION, MessageKind, RequestId, Revision, read_message,
};
use testudo_policy::Permit;

use self::http::HttpWire;
use self::stdio::StdioWire;
use super::catalog::Kept;
use super::server::{Era, Server};
use crate::settings::{Asks, McpTransport};
use crate::upstream::UpstreamError;

/// How long a server may take to say what it speaks.
const PROBE: Duration = Duration::from_secs(10);

/// Why a server did not answer.
///
/// The messages name no address and hold nothing that the server sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the MCP server cannot be reached: {0}")]
    Upstream(#[from] UpstreamError),
    #[error("the MCP server's program could not be started")]
    Start(#[source] std::io::Error),
    #[error("the MCP server's program has ended")]
    Ended,
    #[error("the MCP server did not answer within its deadline")]
    Timeout,
    #[error("the MCP server sent what is no message of this protocol")]
    Unreadable,
    #[error("the MCP server refused the request with HTTP status {0}")]
    Status(u16),
    #[error("the MCP server has ended its session; send the request again")]
    SessionOver,
    #[error("the MCP server and this gateway speak no common revision")]
    Revision,
    #[error("too many requests wait for this MCP server")]
    Busy,
}

impl LinkError {
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Upstream(error) => error.class(),
            Self::Start(_) => "start",
            Self::Ended => "ended",
            Self::Timeout => "timeout",
            Self::Unreadable => "unreadable",
            Self::Status(_) => "status",
            Self::SessionOver => "session_over",
            Self::Revision => "revision",
            Self::Busy => "busy",
        }
    }

    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Timeout => 504,
            Self::Upstream(error) if error.timed_out() => 504,
            Self::Busy => 503,
            _ => 502,
        }
    }

    /// Whether the connection is of no more use.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Ended | Self::SessionOver | Self::Unreadable | Self::Upstream(_)
        )
    }
}

/// By whose right something is sent.
#[derive(Debug)]
pub(crate) enum Right {
    /// A caller's, whom policy has let.
    Caller(#[expect(dead_code, reason = "it is spent by being there")] Permit),
    /// Nothing of any caller is in it.
    Own,
}

/// A request to a server, without its id.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Box<str>,
    /// Members of the parameters but `_meta`, each with its raw value.
    pub(crate) members: Vec<(String, String)>,
    /// Members of `_meta` that go on, raw.
    pub(crate) meta: Vec<(String, String)>,
    /// What `Mcp-Name` says.
    pub(crate) name: Option<String>,
    /// Headers that repeat parameters: what follows `Mcp-Param-`, and the value.
    pub(crate) mirrored: Vec<(String, String)>,
}

impl Outgoing {
    /// A request of the gateway itself.
    pub(crate) fn own(method: &str, members: Vec<(String, String)>) -> Self {
        Self {
            method: method.into(),
            members,
            meta: Vec::new(),
            name: None,
            mirrored: Vec::new(),
        }
    }

    fn bytes(&self, id: Option<u64>, modern: Option<Asks>) -> Bytes {
        let mut meta: Vec<(String, String)> = self
            .meta
            .iter()
            .filter(|(key, _)| !key.starts_with(META_PREFIX))
            .cloned()
            .collect();
        if let Some(asks) = modern {
            meta.push((META_REVISION.to_owned(), json!(Revision::July2026.as_str()).to_string()));
            meta.push((META_CLIENT.to_owned(), implementation().to_string()));
            meta.push((META_CAPABILITIES.to_owned(), capabilities(asks).to_string()));
        }
        let mut members = self.members.clone();
        if !meta.is_empty() {
            members.push(("_meta".to_owned(), object(&meta)));
        }
        let id = id.map_or(String::new(), |id| format!("\"id\":{id},"));
        let params = if members.is_empty() {
            String::new()
        } else {
            format!(",\"params\":{}", object(&members))
        };
        let method = json!(self.method.as_ref());
        Bytes::from(format!("{{\"jsonrpc\":\"2.0\",{id}\"method\":{method}{params}}}"))
    }
}

/// An object of members whose values are JSON already.
pub(crate) fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!("{}:{value}", json!(key)))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// What the gateway says of itself.
pub(crate) fn implementation() -> serde_json::Value {
    json!({"name": "testudo", "version": env!("CARGO_PKG_VERSION")})
}

/// What a server may ask, as capabilities of its client.
fn capabilities(asks: Asks) -> serde_json::Value {
    let mut capabilities = serde_json::Map::new();
    for (key, has) in [
        ("sampling", asks.sampling),
        ("elicitation", asks.elicitation),
        ("roots", asks.roots),
    ] {
        if has {
            capabilities.insert(key.to_owned(), json!({}));
        }
    }
    serde_json::Value::Object(capabilities)
}

/// What a server can do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Abilities {
    pub(crate) tools: bool,
    pub(crate) resources: bool,
    pub(crate) subscribe: bool,
    pub(crate) prompts: bool,
    pub(crate) completions: bool,
    pub(crate) logging: bool,
}

impl Abilities {
    fn of(result: testudo_bounded::json::Node<'_>) -> Self {
        let capabilities = result.get("capabilities");
        let has = |key: &str| capabilities.is_some_and(|it| it.get(key).is_some());
        let resources = capabilities.and_then(|it| it.get("resources"));
        Self {
            tools: has("tools"),
            resources: has("resources"),
            subscribe: resources
                .and_then(|it| it.get("subscribe"))
                .and_then(|it| it.as_bool())
                .unwrap_or(false),
            prompts: has("prompts"),
            completions: has("completions"),
            logging: has("logging"),
        }
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            tools: self.tools || other.tools,
            resources: self.resources || other.resources,
            subscribe: self.subscribe || other.subscribe,
            prompts: self.prompts || other.prompts,
            completions: self.completions || other.completions,
            logging: self.logging || other.logging,
        }
    }
}

/// A connection that stands.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) server: Arc<Server>,
    wire: Wire,
    pub(crate) revision: Revision,
    pub(crate) abilities: Abilities,
    pub(crate) asks: Asks,
    next: AtomicU64,
    /// What the server lists, for a while.
    pub(crate) kept: Mutex<Kept>,
}

#[derive(Debug)]
enum Wire {
    Http(HttpWire),
    Stdio(StdioWire),
}

/// What comes back for one request: messages, the answer last.
#[derive(Debug)]
pub(crate) enum Replies {
    Http(http::HttpReplies),
    Stdio(stdio::StdioReplies),
}

impl Replies {
    /// The next message; `None` when no more come.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, LinkError> {
        match self {
            Self::Http(replies) => replies.next().await,
            Self::Stdio(replies) => replies.next().await,
        }
    }
}

/// Messages that belong to no request.
pub(crate) type Unasked = tokio::sync::broadcast::Sender<(Arc<Server>, Bytes)>;

impl Link {
    /// Connects and finds out what the server speaks: first as the caller does, so that both sides can ask alike.
    pub(crate) async fn open(
        server: &Arc<Server>,
        sessions: bool,
        asks: Asks,
        unasked: &Unasked,
    ) -> Result<Self, LinkError> {
        let asks = asks.and(server.settings.asks);
        let wire = match &server.settings.transport {
            McpTransport::Http(_) => Wire::Http(HttpWire::new(Arc::clone(server))),
            McpTransport::Stdio(program) => Wire::Stdio(StdioWire::start(program, server, unasked.clone())?),
        };
        let mut link = Self {
            server: Arc::clone(server),
            wire,
            revision: Revision::July2026,
            abilities: Abilities::default(),
            asks,
            next: AtomicU64::new(1),
            kept: Mutex::default(),
        };
        if sessions && !server.is_known(Era::Sessionless) {
            match link.begin().await {
                Ok(()) => return Ok(link),
                // It may know of no sessions at all.
                Err(LinkError::Revision | LinkError::Status(_) | LinkError::Unreadable) => {}
                Err(error) => return Err(error),
            }
            link.revision = Revision::July2026;
            if !link.probe().await? {
                return Err(LinkError::Revision);
            }
            server.note(Era::Sessionless);
        } else if server.is_known(Era::Sessions) || !link.probe().await? {
            link.begin().await?;
            server.note(Era::Sessions);
        }
        Ok(link)
    }

    async fn probe(&mut self) -> Result<bool, LinkError> {
        tokio::time::timeout(PROBE, self.discover()).await.unwrap_or(Ok(false))
    }

    async fn begin(&mut self) -> Result<(), LinkError> {
        let begun = tokio::time::timeout(PROBE, self.initialize()).await;
        begun.map_err(|_elapsed| LinkError::Timeout)?
    }

    /// Asks for what needs no session; false when the server knows nothing of that.
    async fn discover(&mut self) -> Result<bool, LinkError> {
        let answer = match self.ask(Outgoing::own("server/discover", Vec::new())).await {
            Ok(answer) => answer,
            Err(LinkError::Status(_) | LinkError::SessionOver | LinkError::Unreadable) => return Ok(false),
            Err(error) => return Err(error),
        };
        let document = Document::parse(&answer, &self.server.limits).map_err(|_| LinkError::Unreadable)?;
        let root = document.root();
        let supported = match (root.get("result"), root.get("error")) {
            (Some(result), _) => result.get("supportedVersions"),
            (None, Some(error)) => error.get("data").and_then(|it| it.get("supported")),
            (None, None) => None,
        };
        let ours = Revision::July2026.as_str();
        let speaks = supported.is_some_and(|it| it.items().any(|one| one.as_str().as_deref() == Some(ours)));
        if let (true, Some(result)) = (speaks, root.get("result")) {
            self.abilities = Abilities::of(result);
            return Ok(true);
        }
        Ok(false)
    }

    async fn initialize(&mut self) -> Result<(), LinkError> {
        self.revision = Revision::LATEST_SESSION;
        let members = [
            ("protocolVersion", json!(self.revision.as_str())),
            ("capabilities", capabilities(self.asks)),
            ("clientInfo", implementation()),
        ];
        let members = members.map(|(key, value)| (key.to_owned(), value.to_string()));
        let answer = self.ask(Outgoing::own("initialize", members.to_vec())).await?;
        let document = Document::parse(&answer, &self.server.limits).map_err(|_| LinkError::Unreadable)?;
        let result = document.root().get("result").ok_or(LinkError::Revision)?;
        let agreed = result.get("protocolVersion").and_then(|it| it.as_str());
        self.revision = agreed
            .as_deref()
            .and_then(Revision::from_name)
            .filter(|it| it.has_sessions())
            .ok_or(LinkError::Revision)?;
        self.abilities = Abilities::of(result);
        self.tell(&Outgoing::own("notifications/initialized", Vec::new())).await
    }

    fn modern(&self) -> Option<Asks> {
        (!self.revision.has_sessions()).then_some(self.asks)
    }

    /// Sends a request; its messages come from what is returned.
    pub(crate) async fn send(&self, outgoing: &Outgoing, right: Right) -> Result<Replies, LinkError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let sent = match &self.wire {
            Wire::Http(wire) => {
                let bytes = outgoing.bytes(Some(id), self.modern());
                wire.post(bytes, Some(outgoing), self.revision).await.map(Replies::Http)
            }
            Wire::Stdio(wire) => {
                let token = outgoing.meta.iter().find(|(key, _)| key == "progressToken");
                let token = token.map(|(_, raw)| raw.clone());
                let mut renamed = Outgoing {
                    method: outgoing.method.clone(),
                    members: outgoing.members.clone(),
                    meta: outgoing.meta.clone(),
                    name: None,
                    mirrored: Vec::new(),
                };
                // One channel carries everybody's progress: the token names the request.
                for (key, raw) in &mut renamed.meta {
                    if key == "progressToken" {
                        *raw = id.to_string();
                    }
                }
                wire.request(id, renamed.bytes(Some(id), self.modern()), token)
                    .await
                    .map(Replies::Stdio)
            }
        };
        // Spent: one permit sends once.
        drop(right);
        sent
    }

    /// Sends a request of the gateway itself and waits for its answer.
    pub(crate) async fn ask(&self, outgoing: Outgoing) -> Result<Bytes, LinkError> {
        let mut replies = self.send(&outgoing, Right::Own).await?;
        loop {
            let Some(bytes) = replies.next().await? else {
                return Err(LinkError::Unreadable);
            };
            let message = read_message(&bytes, &self.server.limits).map_err(|_| LinkError::Unreadable)?;
            match message.kind {
                MessageKind::Response { .. } => return Ok(bytes),
                MessageKind::Request { id, .. } => self.refuse(&id).await?,
                MessageKind::Notification { .. } => {}
            }
        }
    }

    /// Sends a notification.
    pub(crate) async fn tell(&self, outgoing: &Outgoing) -> Result<(), LinkError> {
        self.write(outgoing.bytes(None, None)).await
    }

    /// Answers a request of the server with a message that is whole already.
    pub(crate) async fn write(&self, bytes: Bytes) -> Result<(), LinkError> {
        match &self.wire {
            Wire::Http(wire) => wire.post(bytes, None, self.revision).await.map(drop),
            Wire::Stdio(wire) => wire.write(bytes).await,
        }
    }

    /// Tells the server that its request is not served.
    pub(crate) async fn refuse(&self, id: &RequestId) -> Result<(), LinkError> {
        let error = json!({"code": -32601, "message": "not served by this gateway"});
        let id = id.as_json();
        self.write(Bytes::from(format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}"
        )))
        .await
    }

    /// Answers a ping.
    pub(crate) async fn pong(&self, id: &RequestId) -> Result<(), LinkError> {
        let id = id.as_json();
        self.write(Bytes::from(format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}"
        )))
        .await
    }

    /// Whether messages that belong to no request can still come.
    pub(crate) fn is_over(&self) -> bool {
        match &self.wire {
            Wire::Http(wire) => wire.is_over(),
            Wire::Stdio(wire) => wire.is_over(),
        }
    }

    /// The stream of what belongs to no request; none where it comes by itself or is not offered.
    pub(crate) async fn listen(&self) -> Option<Replies> {
        match &self.wire {
            Wire::Http(wire) if self.revision.has_sessions() => wire.listen(self.revision).await.map(Replies::Http),
            Wire::Http(_) | Wire::Stdio(_) => None,
        }
    }

    /// Ends the server's session, where there is one.
    pub(crate) async fn end(&self) {
        match &self.wire {
            Wire::Http(wire) => wire.end(self.revision).await,
            Wire::Stdio(wire) => wire.stop(),
        }
    }

    pub(crate) fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.server.limits
    }
}
