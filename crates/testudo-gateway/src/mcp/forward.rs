//! A request on its way to a server and back: what is read on the way, and what the caller hears meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use testudo_bounded::json::{Document, Edits, Kind, Limits, Node};
use testudo_dialects::mcp::{Message, MessageKind, RequestId, Whose, join_uri, read_message, texts};
use testudo_dialects::sse;
use testudo_policy::Permit;
use testudo_types::Origin;
use tokio::sync::mpsc;

use super::fault::Fault;
use super::heard::Hearing;
use super::link::{Link, LinkError, Outgoing, Right};
use super::server::Server;
use super::session::Session;
use crate::agent::Suspicious;
use crate::guard::{Exchanger, GuardPlan, Inspection, Judge, Leaks, Site, plan_span};
use crate::heavy;
use crate::record::{Outcome, Record};
use crate::refusal::Refusal;
use crate::settings::Asks;

/// Reads texts of one direction under the guards of a server.
#[derive(Debug)]
pub(crate) struct Reads {
    plan: Arc<GuardPlan>,
    judge: Judge,
    origin: Origin,
    whose: Whose,
    limits: Limits,
    inspection: Option<Inspection>,
}

impl Reads {
    fn new(server: &Server, plan: &Arc<GuardPlan>, judge: Judge, origin: Origin, whose: Whose) -> Self {
        Self {
            plan: Arc::clone(plan),
            judge,
            origin,
            whose,
            limits: server.limits,
            inspection: None,
        }
    }

    /// What a caller's model wrote, on its way to a server.
    pub(crate) fn arguments(server: &Server, judge: Judge) -> Self {
        Self::new(server, &server.from_model, judge, Origin::Model, Whose::Caller)
    }

    /// What a server answers, on its way to a model.
    pub(crate) fn results(server: &Server, judge: Judge, tool: Option<&str>) -> Self {
        let origin = server.origin(tool);
        Self::new(server, &server.towards_model, judge, origin, Whose::Server)
    }

    /// What a server lists.
    pub(crate) fn definitions(server: &Server, judge: Judge) -> Self {
        let origin = Origin::ToolDefinition;
        Self::new(server, &server.towards_model, judge, origin, Whose::Server)
    }

    /// Reads a caller's message; its bytes as they may go on.
    pub(crate) fn request(
        mut self,
        message: &Message<'_>,
        edits: Edits,
        record: &mut Record,
    ) -> Result<Vec<u8>, Fault> {
        record.scanned_response = self.plan.kinds();
        let except = ["/id", "/params/name"];
        let read = self.read(&message.document, edits, &except, record);
        let blocked = self.inspection.as_ref().and_then(|it| it.blocked().cloned());
        self.finish(record);
        read.ok_or_else(|| Fault::answer(Refusal::blocked(blocked.as_ref(), &record.findings)))
    }

    /// Reads one message or item; its bytes as they may go on, `None` when they may not.
    pub(crate) fn read(
        &mut self,
        document: &Document<'_>,
        mut edits: Edits,
        except: &[&str],
        record: &mut Record,
    ) -> Option<Vec<u8>> {
        let bytes = document.bytes();
        if !self.plan.is_off() {
            let (plan, judge) = (&self.plan, &self.judge);
            let inspection = self.inspection.get_or_insert_with(|| {
                let log = std::mem::take(&mut record.findings);
                Inspection::new(
                    Arc::clone(plan),
                    judge.clone(),
                    Leaks::default(),
                    Exchanger::Nothing,
                    log,
                )
            });
            let (origin, whose, limits) = (&self.origin, self.whose, &self.limits);
            let masked = heavy::run(bytes.len(), || {
                guard(document, inspection, origin, whose, limits, except, &mut edits)
            })?;
            record.edited |= masked;
        }
        if edits.is_empty() {
            return Some(bytes.to_vec());
        }
        edits.apply(bytes).ok()
    }

    /// Why reading stopped.
    fn why(&self) -> String {
        self.inspection
            .as_ref()
            .map(Inspection::why_blocked)
            .unwrap_or_default()
    }

    /// Puts what was seen into the record.
    pub(crate) fn finish(&mut self, record: &mut Record) {
        if let Some(inspection) = self.inspection.take() {
            record.model_work = inspection.model_work();
            record.findings = inspection.finish().0;
        }
    }

    fn is_blocked(&self) -> bool {
        self.inspection.as_ref().is_some_and(|it| it.blocked().is_some())
    }

    /// Goes on after something was blocked, keeping what was seen.
    fn renew(&mut self, record: &mut Record) {
        if self.is_blocked() {
            self.finish(record);
        }
    }
}

/// Scans every text and adds the edits that follow; whether there are any, `None` when it stops.
fn guard(
    document: &Document<'_>,
    inspection: &mut Inspection,
    origin: &Origin,
    whose: Whose,
    limits: &Limits,
    except: &[&str],
    edits: &mut Edits,
) -> Option<bool> {
    let mut masked = false;
    for span in texts(document, document.root(), origin, whose, except) {
        let path: Arc<str> = Arc::from(span.path.as_str());
        let planned = plan_span(&span, &path, inspection, limits);
        masked |= !planned.is_empty();
        let fits = Site::of(&span).splice(document.bytes(), &planned, edits);
        if inspection.blocked().is_some() || (!fits && inspection.unscannable("guard.splice", &path)) {
            return None;
        }
    }
    Some(masked)
}

/// A caller's request as a server gets it: its parameters as they were read, under the server's own name.
pub(crate) fn outgoing(bytes: &[u8], key: &str, own: &str, server: &Server) -> Result<Outgoing, Fault> {
    let message = read_message(bytes, &server.limits)?;
    let method: Box<str> = message.method().unwrap_or_default().into();
    let raw = |node: Node<'_>| String::from_utf8_lossy(node.raw()).into_owned();
    let pairs = |node: Node<'_>| -> Vec<(String, String)> {
        node.entries()
            .filter_map(|(_, value)| Some((value.key_text()?.into_owned(), raw(value))))
            .collect()
    };
    let mut members = message.params().map(pairs).unwrap_or_default();
    let meta = message
        .params()
        .and_then(|it| it.get("_meta"))
        .map(pairs)
        .unwrap_or_default();
    members.retain(|(name, _)| name != "_meta");
    for (name, value) in &mut members {
        if name == key {
            *value = json!(own).to_string();
        }
    }
    let name = matches!(method.as_ref(), "tools/call" | "prompts/get" | "resources/read").then(|| own.to_owned());
    Ok(Outgoing {
        method,
        members,
        meta,
        name,
        mirrored: Vec::new(),
    })
}

/// A permitted request with all that its way takes.
#[derive(Debug)]
pub(crate) struct Forward {
    /// The caller's own id of the request.
    pub(crate) id: RequestId,
    pub(crate) link: Arc<Link>,
    pub(crate) session: Arc<Session>,
    pub(crate) request: Outgoing,
    /// Spent when the request is sent.
    pub(crate) permit: Option<Permit>,
    pub(crate) reads: Reads,
    pub(crate) joined: bool,
    pub(crate) modern: bool,
    pub(crate) is_tool: bool,
    /// What else is done with the answer.
    pub(crate) hearing: Option<Hearing>,
}

impl Forward {
    /// Sends the request and gives the whole answer; what comes before it goes to `out`, framed, where there is one.
    pub(crate) async fn run(
        mut self,
        out: Option<&mpsc::Sender<Bytes>>,
        record: &mut Record,
    ) -> Result<Vec<u8>, Fault> {
        let Some(running) = self.session.run(&self.id) else {
            let why = "a request of this id runs already, or too many do";
            return Err(Refusal::new(Outcome::Refused, 409, "mcp_id", why).into());
        };
        record.forwarded = true;
        let result = tokio::select! {
            () = running.token.cancelled() => Err(Refusal::new(Outcome::ClientGone, 499, "mcp_cancelled", "the request was cancelled").into()),
            result = self.talk(out, record) => result,
        };
        self.reads.finish(record);
        // What is withheld was not read by anybody.
        if let (Ok(answer), Some(hearing)) = (&result, self.hearing.take()) {
            let suspicious = Suspicious::of(&record.findings, self.link.server.injection_score_min()).any();
            hearing.hear(&self.session.heard, answer, self.link.limits(), suspicious);
        }
        result
    }

    async fn talk(&mut self, out: Option<&mpsc::Sender<Bytes>>, record: &mut Record) -> Result<Vec<u8>, Fault> {
        let talked = self.exchange(out, record).await;
        if let Err(Talk::Link(error)) = &talked
            && error.is_final()
        {
            self.session.drop_link(self.link.server.name()).await;
        }
        talked.map_err(|it| match it {
            Talk::Link(error) => error.into(),
            Talk::Fault(fault) => *fault,
        })
    }

    async fn exchange(&mut self, out: Option<&mpsc::Sender<Bytes>>, record: &mut Record) -> Result<Vec<u8>, Talk> {
        let permit = self.permit.take().ok_or(LinkError::Busy)?;
        let link = Arc::clone(&self.link);
        let mut replies = link.send(&self.request, Right::Caller(permit)).await?;
        record.scanned_request = self.reads.plan.kinds();
        loop {
            let bytes = replies.next().await?.ok_or(LinkError::Unreadable)?;
            let message = read_message(&bytes, link.limits()).map_err(|_| LinkError::Unreadable)?;
            match &message.kind {
                MessageKind::Response { failed, .. } => {
                    return self
                        .answer(&message, *failed, record)
                        .map_err(|fault| Talk::Fault(Box::new(fault)));
                }
                MessageKind::Notification { method } => {
                    let heard = matches!(method.as_ref(), "notifications/progress" | "notifications/message");
                    if !heard {
                        let _nobody = self.session.unasked.send((Arc::clone(&link.server), bytes.clone()));
                        continue;
                    }
                    if let Some(out) = out
                        && let Some(news) = self.reads.read(&message.document, Edits::new(), &[], record)
                    {
                        send(out, &news, record).await;
                    }
                    self.reads.renew(record);
                }
                MessageKind::Request { id, method } => {
                    let asked = question(
                        &self.session,
                        &link,
                        &mut self.reads,
                        &message,
                        (id, method),
                        out,
                        record,
                    );
                    asked.await?;
                }
            }
        }
    }

    /// The answer under the caller's own id.
    fn answer(&mut self, message: &Message<'_>, failed: bool, record: &mut Record) -> Result<Vec<u8>, Fault> {
        let root = message.document.root();
        let mut edits = Edits::new();
        match root.get("id") {
            Some(id) => edits.replace(id.range(), self.id.as_json().as_bytes()),
            None => {
                let inside = root.range().start.saturating_add(1);
                edits.replace(inside..inside, format!("\"id\":{},", self.id).into_bytes());
            }
        }
        if let Some(result) = root.get("result").filter(|_| !failed) {
            self.complete(result, &mut edits)?;
        }
        match self.reads.read(&message.document, edits, &["/id"], record) {
            Some(bytes) => Ok(bytes),
            None => self.withheld(record),
        }
    }

    /// What the caller's revision needs, and names by which the caller can ask again.
    fn complete(&self, result: Node<'_>, edits: &mut Edits) -> Result<(), Fault> {
        let kind = result.get("resultType").and_then(|it| it.as_str());
        if kind.as_deref() == Some("input_required") {
            self.may_ask(result)?;
        }
        if self.modern && kind.is_none() {
            let cached = if self.request.method.as_ref() == "resources/read" {
                ",\"ttlMs\":0,\"cacheScope\":\"private\""
            } else {
                ""
            };
            let comma = if result.entries().next().is_some() { "," } else { "" };
            let inside = result.range().start.saturating_add(1);
            edits.replace(
                inside..inside,
                format!("\"resultType\":\"complete\"{cached}{comma}").into_bytes(),
            );
        }
        if self.joined {
            join_addresses(result, &self.link.server, edits);
        }
        Ok(())
    }

    /// A server may ask only what its configuration and the caller allow.
    fn may_ask(&self, result: Node<'_>) -> Result<(), Fault> {
        let asked = result.get("inputRequests").filter(|it| it.kind() == Kind::Object);
        let allowed = self.modern
            && asked.is_none_or(|asked| {
                asked.entries().all(|(_, request)| {
                    let method = request.get("method").and_then(|it| it.as_str());
                    method.is_some_and(|method| may(self.link.asks, &method))
                })
            });
        if allowed {
            return Ok(());
        }
        let why = "the MCP server asks the caller for something that it may not ask";
        Err(Refusal::new(Outcome::Forbidden, 403, "mcp_asks", why).into())
    }

    /// The tool has run and its result stays here; a model is told so, that it can go on.
    fn withheld(&mut self, record: &mut Record) -> Result<Vec<u8>, Fault> {
        let why = self.reads.why();
        if !self.is_tool {
            return Err(Refusal::new(Outcome::Blocked, 403, "content_blocked", why).into());
        }
        record.end(Outcome::Blocked);
        self.hearing = None;
        let kind = if self.modern { json!("complete") } else { json!(null) };
        let text = format!("The tool has run. Its result was withheld: {why}.");
        let mut result = json!({"content": [{"type": "text", "text": text}], "isError": true, "resultType": kind});
        if let (false, Some(members)) = (self.modern, result.as_object_mut()) {
            members.remove("resultType");
        }
        let id = self.id.as_json();
        Ok(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}").into_bytes())
    }
}

#[derive(Debug)]
enum Talk {
    Link(LinkError),
    Fault(Box<Fault>),
}

impl From<LinkError> for Talk {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

fn may(asks: Asks, method: &str) -> bool {
    match method {
        "sampling/createMessage" => asks.sampling,
        "elicitation/create" => asks.elicitation,
        "roots/list" => asks.roots,
        _ => false,
    }
}

/// A server asks while it works: answered here, handed to the caller, or refused.
pub(crate) async fn question(
    session: &Session,
    link: &Arc<Link>,
    reads: &mut Reads,
    message: &Message<'_>,
    (id, method): (&RequestId, &str),
    out: Option<&mpsc::Sender<Bytes>>,
    record: &mut Record,
) -> Result<(), LinkError> {
    if method == "ping" {
        return link.pong(id).await;
    }
    let Some(out) = out.filter(|_| may(link.asks, method) && session.id.is_some()) else {
        return link.refuse(id).await;
    };
    let Some(own) = session.ask(link, id.clone()) else {
        return link.refuse(id).await;
    };
    let mut edits = Edits::new();
    if let Some(id) = message.document.root().get("id") {
        edits.replace(id.range(), own.as_json().as_bytes());
    }
    match reads.read(&message.document, edits, &["/id"], record) {
        Some(news) => {
            send(out, &news, record).await;
            Ok(())
        }
        None => {
            reads.renew(record);
            drop(session.answered(&own));
            link.refuse(id).await
        }
    }
}

/// Puts one message on a stream.
pub(crate) async fn send(out: &mpsc::Sender<Bytes>, message: &[u8], record: &mut Record) {
    let framed = framed(message);
    record.first_byte();
    record.streamed = true;
    record.content.piece(&framed);
    record.response_bytes = record
        .response_bytes
        .saturating_add(u64::try_from(framed.len()).unwrap_or(u64::MAX));
    // Whoever listened has gone: the work ends with them.
    let _gone = out.send(framed).await;
}

/// A message as one event.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut framed = Vec::new();
    sse::write(Some("message"), &String::from_utf8_lossy(message), &mut framed);
    Bytes::from(framed)
}

/// Addresses of resources get the server's name where the caller could ask for them.
pub(crate) fn join_addresses(node: Node<'_>, server: &Server, edits: &mut Edits) {
    for at in node.descendants() {
        let is_address = at.key_text().is_some_and(|key| key == "uri");
        let (Some(uri), Some(literal)) = (at.as_str(), at.literal()) else {
            continue;
        };
        if is_address && !at.pointer().contains("/structuredContent/") && !at.pointer().contains("/_meta/") {
            edits.replace_string(&literal, &join_uri(server.name(), &uri));
        }
    }
}
