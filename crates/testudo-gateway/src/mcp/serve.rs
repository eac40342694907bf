//! What becomes of one message: answered here, or on its way to a server.

mod lists;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::{Value, json};
use testudo_bounded::json::{Document, Edits, Node};
use testudo_dialects::mcp::{
    Message, MessageKind, RequestId, Revision, check_parameters, code, join_tool, parameter_value,
};
use testudo_policy::{AdmitFacts, CallFacts, CallHints, ModelScope, Permit};
use testudo_types::ModelName;

use super::catalog;
use super::fault::Fault;
use super::forward::{Forward, Reads, outgoing};
use super::heard::Hearing;
use super::judged::judge;
use super::link::{Abilities, Link, Outgoing, implementation};
use super::pins::{PinDigest, PinState};
use super::released::{Released as _, ReleasedCall};
use super::server::Server;
use super::session::Session;
use super::state::own_judge;
use super::visit::{Visit, asks, presented, too_many};
use crate::guard::Judge;
use crate::record::{Outcome, Record};
use crate::refusal::Refusal;
use crate::settings::Trust;

/// What is done with a message.
pub(crate) enum Serving {
    /// The whole answer.
    Message(Vec<u8>),
    /// A session was opened, and this is the answer.
    Opened(Arc<Session>, Vec<u8>),
    /// Nothing is answered.
    Accepted,
    /// A server answers.
    Forwarded(Box<Forward>),
    /// A stream of news under the id of its request, with what was asked for.
    Subscribed(Arc<Session>, RequestId, Wanted),
}

/// The news that a caller asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
}

/// Serves one message.
pub(crate) async fn serve(
    visit: &Visit<'_>,
    message: &Message<'_>,
    session: Option<Arc<Session>>,
    record: &mut Record,
) -> Result<Serving, Fault> {
    let Some(session) = session else {
        return match &message.kind {
            MessageKind::Request { id, .. } => initialize(visit, message, id).await,
            MessageKind::Notification { .. } | MessageKind::Response { .. } => Ok(Serving::Accepted),
        };
    };
    let call = Call {
        visit,
        message,
        session,
    };
    match &message.kind {
        MessageKind::Request { id, method } => call.request(id, method, record).await,
        MessageKind::Notification { method } => {
            call.notification(method);
            Ok(Serving::Accepted)
        }
        MessageKind::Response { id, .. } => call.answer(id.as_ref(), record).await,
    }
}

async fn initialize(visit: &Visit<'_>, message: &Message<'_>, id: &RequestId) -> Result<Serving, Fault> {
    let wanted = message.text("protocolVersion").unwrap_or_default();
    let revision = Revision::from_name(&wanted)
        .filter(|it| it.has_sessions())
        .unwrap_or(Revision::LATEST_SESSION);
    let capabilities = message.params().and_then(|it| it.get("capabilities"));
    let opening = visit.opening(revision, capabilities.map(asks).unwrap_or_default());
    let told = visit.gateway.random_name().ok_or_else(too_many)?;
    let now = visit.gateway.clock.monotonic();
    let session = visit.gateway.mcp().sessions.open(&told, opening, now);
    let session = session.ok_or_else(too_many)?;
    let abilities = abilities(visit, &session).await;
    let result = json!({
        "protocolVersion": revision.as_str(),
        "capabilities": capabilities_json(abilities, true),
        "serverInfo": implementation(),
    });
    Ok(Serving::Opened(session, answer(id, &result)))
}

/// What the servers can do together; one that does not answer can do nothing now.
async fn abilities(visit: &Visit<'_>, session: &Arc<Session>) -> Abilities {
    let servers = visit.covered();
    let opened = join_all(servers.iter().map(|server| session.link(server))).await;
    opened
        .into_iter()
        .filter_map(Result::ok)
        .fold(Abilities::default(), |all, link| all.or(link.abilities))
}

fn capabilities_json(abilities: Abilities, sessions: bool) -> Value {
    let mut all = serde_json::Map::new();
    all.insert("tools".to_owned(), json!({"listChanged": true}));
    if abilities.resources {
        let resources = json!({"listChanged": true, "subscribe": sessions && abilities.subscribe});
        all.insert("resources".to_owned(), resources);
    }
    if abilities.prompts {
        all.insert("prompts".to_owned(), json!({"listChanged": true}));
    }
    if abilities.completions {
        all.insert("completions".to_owned(), json!({}));
    }
    if sessions && abilities.logging {
        all.insert("logging".to_owned(), json!({}));
    }
    Value::Object(all)
}

fn answer(id: &RequestId, result: &Value) -> Vec<u8> {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}", id.as_json()).into_bytes()
}

impl Visit<'_> {
    /// The servers that the caller's key covers.
    pub(crate) fn covered(&self) -> Vec<Arc<Server>> {
        let covers = |server: &&Arc<Server>| self.caller.routes.covers(&server.route().name);
        self.door.servers.iter().filter(covers).cloned().collect()
    }

    pub(crate) fn judge(&self, server: &Server) -> Judge {
        Judge {
            policy: Arc::clone(&self.runtime.policy),
            principal: Arc::new(self.caller.principal.clone()),
            route: server.route().name.clone(),
        }
    }

    /// Whether policy lets the caller do this at this server at all.
    pub(crate) fn admit(&self, server: &Server, operation: &str, record: &mut Record) -> Result<Permit, Fault> {
        let admission = self.runtime.policy.admit(&AdmitFacts {
            principal: &self.caller.principal,
            route: &server.route().name,
            model: None,
            operation,
            key_routes: &self.caller.routes,
            // There is no model in a request to a server of tools.
            key_models: &ModelScope::All,
            hosted_tools: false,
            server_history: false,
        });
        record.policies.clone_from(&admission.decision.policies);
        let forbidden = || Fault::answer(Refusal::forbidden(&admission.decision));
        admission.permit.ok_or_else(forbidden)
    }
}

struct Call<'v> {
    visit: &'v Visit<'v>,
    message: &'v Message<'v>,
    session: Arc<Session>,
}

impl Call<'_> {
    fn modern(&self) -> bool {
        !self.session.revision.has_sessions()
    }

    async fn request(&self, id: &RequestId, method: &str, record: &mut Record) -> Result<Serving, Fault> {
        let modern = self.modern();
        match method {
            "ping" if !modern => Ok(Serving::Message(answer(id, &json!({})))),
            "server/discover" if modern => {
                let abilities = abilities(self.visit, &self.session).await;
                let result = json!({
                    "resultType": "complete",
                    "supportedVersions": Revision::ALL.map(Revision::as_str),
                    "capabilities": capabilities_json(abilities, false),
                    "_meta": {"io.modelcontextprotocol/serverInfo": implementation()},
                    "ttlMs": 0,
                    "cacheScope": "private",
                });
                Ok(Serving::Message(answer(id, &result)))
            }
            "tools/list" => self.list_tools(id, record).await,
            "tools/call" => self.call_tool(id, record).await,
            "resources/list" => self.list(id, record, "resources", "uri").await,
            "resources/templates/list" => self.list(id, record, "resourceTemplates", "uriTemplate").await,
            "prompts/list" => self.list(id, record, "prompts", "name").await,
            "prompts/get" => self.named(id, "name", record).await,
            "resources/read" => self.named(id, "uri", record).await,
            "resources/subscribe" | "resources/unsubscribe" if !modern => self.named(id, "uri", record).await,
            "completion/complete" => self.complete(id, record).await,
            "logging/setLevel" if !modern => self.set_level(id).await,
            "subscriptions/listen" if modern => Ok(self.subscribe(id)),
            _ => Err(Fault::no_method(modern)),
        }
    }

    fn notification(&self, method: &str) {
        let cancelled = self
            .message
            .params()
            .and_then(|it| it.get("requestId"))
            .and_then(RequestId::of);
        if let ("notifications/cancelled", Some(id)) = (method, cancelled) {
            self.session.cancel(&id);
        }
    }

    /// The caller answers a server's question.
    async fn answer(&self, id: Option<&RequestId>, record: &mut Record) -> Result<Serving, Fault> {
        let asked = id.and_then(|id| self.session.answered(id));
        let Some((link, own)) = asked else {
            let why = "nothing was asked under this id, or it was answered already";
            return Err(Fault::bad_request(code::INVALID_REQUEST, "mcp_answer", why));
        };
        record.upstream = Some(link.server.route().upstream.clone());
        let reads = Reads::arguments(&link.server, self.visit.judge(&link.server));
        let mut edits = Edits::new();
        if let Some(id) = self.message.document.root().get("id") {
            edits.replace(id.range(), own.as_json().as_bytes());
        }
        let bytes = reads.request(self.message, edits, record)?;
        link.write(Bytes::from(bytes)).await?;
        Ok(Serving::Accepted)
    }

    async fn tools(&self, link: &Link, for_call: bool) -> Result<Arc<catalog::Tools>, Fault> {
        let judge = own_judge(&self.visit.runtime).map(|judge| Judge {
            route: link.server.route().name.clone(),
            ..judge
        });
        let judge = judge.ok_or_else(|| Fault::no_method(false))?;
        let tools = catalog::tools(self.visit.gateway.mcp(), link, &judge, for_call).await;
        if tools.as_ref().is_err_and(super::link::LinkError::is_final) {
            self.session.drop_link(link.server.name()).await;
        }
        Ok(tools?)
    }

    /// What a person approved; nothing when that cannot be read.
    fn approved(&self, server: &Server) -> BTreeMap<String, PinDigest> {
        self.visit
            .gateway
            .mcp()
            .pins
            .approved(server.name())
            .unwrap_or_else(|error| {
                let server = server.name().as_str();
                tracing::error!(target: "testudo::mcp", server, %error, "no tool of this server counts as approved");
                BTreeMap::new()
            })
    }

    fn facts<T>(
        &self,
        server: &Server,
        tool: &catalog::Tool,
        listing: bool,
        with: impl FnOnce(&CallFacts<'_>) -> T,
    ) -> T {
        let hints = tool.definition.hints;
        with(&CallFacts {
            principal: &self.visit.caller.principal,
            route: &server.route().name,
            key_routes: &self.visit.caller.routes,
            server: server.name().as_str(),
            tool: &tool.definition.name,
            listing,
            allowed: server.settings.allows(&tool.definition.name),
            hints: CallHints {
                read_only: hints.read_only,
                destructive: hints.destructive,
                idempotent: hints.idempotent,
                open_world: hints.open_world,
            },
        })
    }

    async fn call_tool(&self, id: &RequestId, record: &mut Record) -> Result<Serving, Fault> {
        let unknown = || Fault::coded(code::INVALID_PARAMS, "mcp_tool", "there is no such tool here");
        let name = self.message.text("name").ok_or_else(unknown)?;
        let (server, own) = self.visit.door.tool(&name).ok_or_else(unknown)?;
        self.at(server, record)?;
        let link = self.link(server).await?;
        let tools = self.tools(&link, true).await?;
        let tool = tools.find(own).ok_or_else(unknown)?;
        record.model = ModelName::parse(&format!("tool:{own}")).ok();
        let permit = self.permit(server, tool, record)?;
        self.fits_pin(server, tool)?;
        let arguments = self.message.params().and_then(|it| it.get("arguments"));
        if self.modern() {
            let headers = &self.visit.parts.headers;
            check_parameters(&tool.definition.mirrored, arguments, &|name| presented(headers, name))?;
        }
        let reads = Reads::arguments(server, self.visit.judge(server));
        let bytes = reads.request(self.message, Edits::new(), record)?;
        let mut request = outgoing(&bytes, "name", own, server)?;
        let document = Document::parse(&bytes, &server.limits).map_err(|_| Fault::no_method(false))?;
        let arguments = document.root().get("params").and_then(|it| it.get("arguments"));
        for mirrored in &tool.definition.mirrored {
            let value = arguments.and_then(|it| mirrored.of(it)).and_then(parameter_value);
            request
                .mirrored
                .extend(value.map(|value| (mirrored.header.to_string(), value)));
        }
        let asked = self.message.params().and_then(|it| it.get("arguments"));
        if !self.is_released(server, own, asked)? {
            judge(self.visit, &self.session, (server, own), arguments, record).await?;
        }
        let arguments = arguments.and_then(|it| serde_json::from_slice(it.raw()).ok());
        let call = (own, arguments.unwrap_or_default());
        Ok(self.forward(id, &link, request, permit, Some(call)))
    }

    /// What policy says of the call.
    fn permit(&self, server: &Server, tool: &catalog::Tool, record: &mut Record) -> Result<Permit, Fault> {
        let _use = self.visit.admit(server, "mcp_tools_call", record)?;
        let admission = self.facts(server, tool, false, |facts| self.visit.runtime.policy.call(facts));
        for policy in &admission.decision.policies {
            if !record.policies.contains(policy) {
                record.policies.push(policy.clone());
            }
        }
        let forbidden = || Fault::answer(Refusal::forbidden(&admission.decision));
        admission.permit.ok_or_else(forbidden)
    }

    /// Only what a person has approved is called.
    fn fits_pin(&self, server: &Server, tool: &catalog::Tool) -> Result<(), Fault> {
        let (own, name) = (&tool.definition.name, server.name());
        let approve =
            format!("look at it with `testudo mcp show {name} {own}`, then `testudo mcp approve {name} {own}`");
        let (reason, why) = match tool.state(&self.approved(server)) {
            PinState::Approved => return Ok(()),
            PinState::New => (
                "mcp_quarantined",
                format!("the tool `{own}` was not approved yet; {approve}"),
            ),
            PinState::Changed => (
                "mcp_quarantined",
                format!("the definition of `{own}` is not the one that was approved; {approve}"),
            ),
            PinState::Refused(why) => ("mcp_refused", format!("the definition of `{own}` is refused: {why}")),
        };
        Err(Fault::answer(Refusal::new(Outcome::Forbidden, 403, reason, why)))
    }

    /// Whether the side in front of the model has let exactly this call go; an error where only such calls are made.
    fn is_released(&self, server: &Server, own: &str, arguments: Option<Node<'_>>) -> Result<bool, Fault> {
        let only = server.settings.released_only;
        if !only && server.route().agents.is_none() {
            return Ok(false);
        }
        let mut canonical = Vec::new();
        let spelled = match arguments {
            Some(arguments) => arguments.canonical(&mut canonical).is_ok(),
            None => {
                canonical.extend_from_slice(b"{}");
                true
            }
        };
        let tool = join_tool(server.name(), own);
        let call = ReleasedCall::of(&self.visit.caller.principal.key, &tool, &canonical);
        let released = spelled && self.visit.gateway.mcp().released.take(&call);
        if released || !only {
            return Ok(released);
        }
        let why = "no answer of a model that was let through asks for exactly this call";
        Err(Fault::answer(Refusal::new(
            Outcome::Forbidden,
            403,
            "mcp_unreleased",
            why,
        )))
    }

    /// Puts the server's route into the record, and counts the request against its limits.
    fn at(&self, server: &Server, record: &mut Record) -> Result<(), Fault> {
        record.upstream = Some(server.route().upstream.clone());
        record.route = Some(server.route().name.clone());
        record.policy_digest = server.digest;
        if self.visit.door.joined {
            let held = record.reservation.take();
            drop(held);
            self.visit.reserve(server.route(), record)?;
        }
        Ok(())
    }

    async fn link(&self, server: &Arc<Server>) -> Result<Arc<Link>, Fault> {
        Ok(self.session.link(server).await?)
    }

    fn forward(
        &self,
        id: &RequestId,
        link: &Arc<Link>,
        request: Outgoing,
        permit: Permit,
        call: Option<(&str, Value)>,
    ) -> Serving {
        let tool = call.as_ref().map(|(tool, _)| *tool);
        let hearing = self.hearing(&link.server, call);
        Serving::Forwarded(Box::new(Forward {
            id: id.clone(),
            link: Arc::clone(link),
            session: Arc::clone(&self.session),
            request,
            permit: Some(permit),
            reads: Reads::results(&link.server, self.visit.judge(&link.server), tool),
            joined: self.visit.door.joined,
            modern: self.modern(),
            is_tool: tool.is_some(),
            hearing,
        }))
    }

    /// What else is done with an answer: nothing where it is the operator's own, or nobody asks for it later.
    fn hearing(&self, server: &Server, call: Option<(&str, Value)>) -> Option<Hearing> {
        let visit = self.visit;
        let foreign = server.settings.results == Trust::ThirdParty;
        let labels = (foreign && visit.runtime.knows_again()).then(|| {
            let key = visit.caller.principal.key.clone();
            (Arc::clone(visit.gateway.labels()), key)
        });
        let mut servers = visit.door.servers.iter();
        let judged = servers.any(|server| server.route().agents.is_some());
        (judged || labels.is_some()).then(|| Hearing {
            labels,
            judged,
            server: server.name().clone(),
            call: call.map(|(tool, arguments)| (tool.into(), arguments)),
        })
    }

    /// A prompt or a resource of one server.
    async fn named(&self, id: &RequestId, key: &str, record: &mut Record) -> Result<Serving, Fault> {
        let unknown = || Fault::coded(code::INVALID_PARAMS, "mcp_name", "there is nothing of that name here");
        let name = self.message.text(key).ok_or_else(unknown)?;
        let door = &self.visit.door;
        let found = if key == "uri" {
            door.resource(&name)
        } else {
            door.tool(&name)
        };
        let (server, own) = found.ok_or_else(unknown)?;
        self.at(server, record)?;
        let permit = self.visit.admit(server, record.operation, record)?;
        let link = self.link(server).await?;
        let reads = Reads::arguments(server, self.visit.judge(server));
        let bytes = reads.request(self.message, Edits::new(), record)?;
        let request = outgoing(&bytes, key, own, server)?;
        Ok(self.forward(id, &link, request, permit, None))
    }

    async fn complete(&self, id: &RequestId, record: &mut Record) -> Result<Serving, Fault> {
        let unknown = || Fault::coded(code::INVALID_PARAMS, "mcp_name", "there is nothing of that name here");
        let reference = self.message.params().and_then(|it| it.get("ref")).ok_or_else(unknown)?;
        let text = |key: &str| reference.get(key).and_then(|it| it.as_str());
        let (name, uri): (Option<Cow<'_, str>>, Option<Cow<'_, str>>) = (text("name"), text("uri"));
        let door = &self.visit.door;
        let (server, kind, key, own) = match (&name, &uri) {
            (Some(name), None) => door.tool(name).map(|(server, own)| (server, "ref/prompt", "name", own)),
            (None, Some(uri)) => door
                .resource(uri)
                .map(|(server, own)| (server, "ref/resource", "uri", own)),
            _ => None,
        }
        .ok_or_else(unknown)?;
        self.at(server, record)?;
        let permit = self.visit.admit(server, record.operation, record)?;
        let link = self.link(server).await?;
        let reads = Reads::arguments(server, self.visit.judge(server));
        let bytes = reads.request(self.message, Edits::new(), record)?;
        let mut request = outgoing(&bytes, "", "", server)?;
        request.members.retain(|(key, _)| key != "ref");
        request
            .members
            .push(("ref".to_owned(), json!({"type": kind, key: own}).to_string()));
        Ok(self.forward(id, &link, request, permit, None))
    }

    async fn set_level(&self, id: &RequestId) -> Result<Serving, Fault> {
        const LEVELS: [&str; 8] = [
            "debug",
            "info",
            "notice",
            "warning",
            "error",
            "critical",
            "alert",
            "emergency",
        ];
        let level = self.message.text("level").unwrap_or_default();
        if !LEVELS.contains(&level.as_ref()) {
            return Err(Fault::coded(
                code::INVALID_PARAMS,
                "invalid_request",
                "there is no such level",
            ));
        }
        for link in self.session.links().await {
            if link.abilities.logging && link.revision.has_sessions() {
                let members = vec![("level".to_owned(), json!(level).to_string())];
                let _told = link.ask(Outgoing::own("logging/setLevel", members)).await;
            }
        }
        Ok(Serving::Message(answer(id, &json!({}))))
    }

    fn subscribe(&self, id: &RequestId) -> Serving {
        let filter = self.message.params().and_then(|it| it.get("notifications"));
        let wants = |key: &str| filter.and_then(|it| it.get(key)).and_then(|it| it.as_bool()) == Some(true);
        let wanted = Wanted {
            tools: wants("toolsListChanged"),
            prompts: wants("promptsListChanged"),
            resources: wants("resourcesListChanged"),
        };
        Serving::Subscribed(Arc::clone(&self.session), id.clone(), wanted)
    }
}
