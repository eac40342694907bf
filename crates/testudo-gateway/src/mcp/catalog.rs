//! What a server lists, and which of its tools may be seen and called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use testudo_bounded::json::{Document, Kind, Node};
use testudo_dialects::Form;
use testudo_dialects::mcp::{Definition, Flaw, ServerName, Whose, definition, texts};
use testudo_types::{Millis, Origin};

use super::link::{Link, LinkError, Outgoing};
use super::pins::{PinDigest, PinState, SeenTool};
use super::shadow::{KnownTools, names_of_others};
use super::state::State;
use crate::guard::{Exchanger, FindingLog, Inspection, Judge, Leaks, plan_span};

/// Pages that are asked for.
const PAGES_MAX: usize = 32;
/// Items of one list.
const ITEMS_MAX: usize = 2_000;
/// How long a list of tools is used for calls.
const TOOLS_MS_MAX: u64 = 60_000;

/// The list of tools that a link holds on to.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    tools: Option<(Millis, Arc<Tools>)>,
}

impl Kept {
    /// The server says that its list is another one.
    pub(crate) fn forget(&mut self) {
        self.tools = None;
    }
}

/// The tools of one server, in its order.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    pub(crate) tools: Vec<Tool>,
}

/// One tool and what was found about it.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) definition: Definition,
    pub(crate) digest: PinDigest,
    /// Why nobody can approve it.
    pub(crate) refused: Option<String>,
}

impl Tools {
    pub(crate) fn find(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.definition.name.as_ref() == name)
    }
}

impl Tool {
    /// What the tool is, given the approved definitions of its server.
    pub(crate) fn state(&self, approved: &BTreeMap<String, PinDigest>) -> PinState {
        if let Some(why) = &self.refused {
            return PinState::Refused(why.clone());
        }
        match approved.get(self.definition.name.as_ref()) {
            Some(digest) if *digest == self.digest => PinState::Approved,
            Some(_) => PinState::Changed,
            None => PinState::New,
        }
    }
}

/// Every item of a list, page by page, each as it was written.
pub(crate) async fn list(link: &Link, method: &str, key: &str) -> Result<Vec<Bytes>, LinkError> {
    let mut items = Vec::new();
    let mut members = Vec::new();
    for _ in 0..PAGES_MAX {
        let answer = link.ask(Outgoing::own(method, std::mem::take(&mut members))).await?;
        let document = Document::parse(&answer, link.limits()).map_err(|_| LinkError::Unreadable)?;
        let result = document.root().get("result").ok_or(LinkError::Status(200))?;
        let page = result.get(key).filter(|it| it.kind() == Kind::Array);
        for item in page.ok_or(LinkError::Unreadable)?.items() {
            if items.len() >= ITEMS_MAX {
                return Ok(items);
            }
            items.push(answer.slice(item.range()));
        }
        match result.get("nextCursor").and_then(|it| it.as_str()) {
            Some(cursor) if !cursor.is_empty() => {
                members = vec![("cursor".to_owned(), json!(cursor).to_string())];
            }
            _ => break,
        }
    }
    Ok(items)
}

/// The tools of a server, as this link sees them: asked for anew unless `for_call` and asked for a moment ago.
pub(crate) async fn tools(state: &State, link: &Link, judge: &Judge, for_call: bool) -> Result<Arc<Tools>, LinkError> {
    let now = state.clock.monotonic();
    if for_call
        && let Some((at, tools)) = &link.kept().tools
        && now.since(*at) < TOOLS_MS_MAX
    {
        return Ok(Arc::clone(tools));
    }
    let items = list(link, "tools/list", "tools").await?;
    let tools = Arc::new(read(state, link, judge, &items));
    link.kept().tools = Some((now, Arc::clone(&tools)));
    Ok(tools)
}

fn read(state: &State, link: &Link, judge: &Judge, items: &[Bytes]) -> Tools {
    let server = &link.server;
    let mut read: Vec<(Definition, PinDigest, Option<String>)> = Vec::new();
    for item in items {
        let Ok(document) = Document::parse(item, &server.limits) else {
            continue;
        };
        match definition(document.root()) {
            Ok(definition) => {
                let digest = PinDigest::of(&definition.canonical);
                let find = || scan(link, judge, &document);
                let refused = server.verdict(digest.bytes(), find);
                read.push((definition, digest, refused));
            }
            Err((name, flaw)) => flawed(server.name(), name.as_deref(), &flaw),
        }
    }
    let names: Vec<String> = read.iter().map(|(it, _, _)| it.name.to_string()).collect();
    state.know(server.name(), &names);
    let known = state.known();
    let mut seen_names = BTreeSet::new();
    let twice: BTreeSet<&String> = names.iter().filter(|name| !seen_names.insert(name.as_str())).collect();
    let tools: Vec<Tool> = read
        .into_iter()
        .map(|(definition, digest, refused)| {
            let doubled = twice.iter().any(|name| name.as_str() == definition.name.as_ref());
            let refused = refused
                .or_else(|| doubled.then(|| "the server defines two tools of this name".to_owned()))
                .or_else(|| shadow(&definition, server.name(), &known));
            Tool {
                definition,
                digest,
                refused,
            }
        })
        .collect();
    note(state, server.name(), &tools);
    Tools { tools }
}

fn flawed(server: &ServerName, name: Option<&str>, flaw: &Flaw) {
    let server = server.as_str();
    tracing::warn!(target: "testudo::mcp", server, tool = name.unwrap_or("?"), %flaw, "a definition cannot be used");
}

/// Why the texts of a definition keep it from being used; only a person's eyes come after this.
fn scan(link: &Link, judge: &Judge, document: &Document<'_>) -> Option<String> {
    let plan = Arc::clone(&link.server.towards_model);
    if plan.is_off() {
        return None;
    }
    let log = FindingLog::default();
    let mut inspection = Inspection::new(plan, judge.clone(), Leaks::default(), Exchanger::Nothing, log);
    let origin = Origin::ToolDefinition;
    for span in texts(document, document.root(), &origin, Whose::Server, &["/name"]) {
        let path: Arc<str> = Arc::from(span.path.as_str());
        let planned = match span.form {
            Form::Media => Vec::new(),
            _ => plan_span(&span, &path, &mut inspection, link.limits()),
        };
        if inspection.blocked().is_some() {
            return Some(inspection.why_blocked());
        }
        // Nothing of a definition is rewritten: one that would have to be cleaned is not used.
        if !planned.is_empty() {
            return Some(format!(
                "its text at `{path}` holds what a guard would have to take out"
            ));
        }
    }
    None
}

fn shadow(definition: &Definition, own: &ServerName, known: &KnownTools) -> Option<String> {
    let text = std::str::from_utf8(&definition.canonical).ok()?;
    let document = Document::parse(text.as_bytes(), &testudo_bounded::json::Limits::DEFAULT).ok()?;
    let root: Node<'_> = document.root();
    let name = root.get("name").map(|it| it.id());
    let found = root
        .strings()
        .filter(|node| node.kind() == Kind::String && Some(node.id()) != name)
        .filter_map(|node| node.as_str())
        .find_map(|text| names_of_others(&text, own, known).map(|(server, tool)| (server.clone(), tool.to_owned())));
    found.map(|(server, tool)| format!("its text names the tool `{tool}` of the server `{server}`"))
}

fn note(state: &State, server: &ServerName, tools: &[Tool]) {
    let seen: Vec<SeenTool> = tools
        .iter()
        .map(|tool| SeenTool {
            name: tool.definition.name.to_string(),
            digest: tool.digest,
            refused: tool.refused.clone(),
            definition: String::from_utf8_lossy(&tool.definition.canonical).into_owned(),
        })
        .collect();
    let mut seen = seen;
    seen.sort_by(|a, b| a.name.cmp(&b.name));
    seen.dedup_by(|a, b| a.name == b.name);
    if let Err(error) = state.pins.note(server, &seen) {
        let server = server.as_str();
        tracing::error!(target: "testudo::mcp", server, %error, "what the server lists cannot be kept for approval");
    }
}
