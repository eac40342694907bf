//! Lists: what the servers of a door have, as one caller may see it.

use std::sync::Arc;

use serde_json::json;
use testudo_bounded::json::{Document, Edits};
use testudo_dialects::mcp::{RequestId, code, join_tool, join_uri};
use testudo_types::Action;

use super::{Call, Serving};
use crate::mcp::catalog;
use crate::mcp::fault::Fault;
use crate::mcp::forward::Reads;
use crate::mcp::pins::PinState;
use crate::mcp::server::Server;
use crate::record::Record;

impl Call<'_> {
    /// Every tool that is approved, allowed, and not forbidden, of every server that answers.
    pub(super) async fn list_tools(&self, id: &RequestId, record: &mut Record) -> Result<Serving, Fault> {
        self.first_page()?;
        let mut listed = Vec::new();
        let servers = self.visit.covered();
        for server in &servers {
            match self.tools_of(server, record).await {
                Ok(tools) => listed.extend(tools),
                Err(fault) if servers.len() == 1 => return Err(fault),
                Err(fault) => unanswered(server, &fault),
            }
        }
        Ok(Serving::Message(self.listed(id, "tools", &listed)))
    }

    async fn tools_of(&self, server: &Arc<Server>, record: &mut Record) -> Result<Vec<String>, Fault> {
        let _permit = self.visit.admit(server, "mcp_tools_list", record)?;
        let link = self.session.link(server).await?;
        if !link.abilities.tools {
            return Ok(Vec::new());
        }
        let tools = self.tools(&link, false).await?;
        let approved = self.approved(server);
        let shown = tools.tools.iter().filter(|tool| {
            tool.state(&approved) == PinState::Approved
                && self.facts(server, tool, true, |facts| {
                    self.visit.runtime.policy.call(facts).decision.action <= Action::Observe
                })
        });
        let name = |own: &str| {
            if self.visit.door.joined {
                join_tool(server.name(), own)
            } else {
                own.to_owned()
            }
        };
        Ok(shown
            .map(|tool| {
                let rest = &tool.definition.rest;
                let comma = if rest.is_empty() { "" } else { "," };
                format!("{{\"name\":{}{comma}{rest}}}", json!(name(&tool.definition.name)))
            })
            .collect())
    }

    /// Resources, templates or prompts of every server that answers, scanned.
    pub(super) async fn list(
        &self,
        id: &RequestId,
        record: &mut Record,
        key: &str,
        named: &str,
    ) -> Result<Serving, Fault> {
        self.first_page()?;
        let mut listed = Vec::new();
        let servers = self.visit.covered();
        for server in &servers {
            match self.items_of(server, (key, named), record).await {
                Ok(items) => listed.extend(items),
                Err(fault) if servers.len() == 1 => return Err(fault),
                Err(fault) => unanswered(server, &fault),
            }
        }
        Ok(Serving::Message(self.listed(id, key, &listed)))
    }

    async fn items_of(
        &self,
        server: &Arc<Server>,
        (key, named): (&str, &str),
        record: &mut Record,
    ) -> Result<Vec<String>, Fault> {
        let _permit = self.visit.admit(server, record.operation, record)?;
        let link = self.session.link(server).await?;
        let able = if key == "prompts" {
            link.abilities.prompts
        } else {
            link.abilities.resources
        };
        if !able {
            return Ok(Vec::new());
        }
        let method = self.message.method().unwrap_or_default();
        let items = catalog::list(&link, method, key).await?;
        let mut reads = Reads::definitions(server, self.visit.judge(server));
        let mut kept = Vec::new();
        for item in &items {
            let Ok(document) = Document::parse(item, &server.limits) else {
                continue;
            };
            let mut edits = Edits::new();
            let name = document.root().get(named);
            let Some((own, literal)) = name.and_then(|it| Some((it.as_str()?, it.literal()?))) else {
                continue;
            };
            if self.visit.door.joined {
                let joined = if named == "name" {
                    join_tool(server.name(), &own)
                } else {
                    join_uri(server.name(), &own)
                };
                edits.replace_string(&literal, &joined);
            }
            // One that is not let through is left out; the others are not its fault.
            let except = format!("/{named}");
            if let Some(bytes) = reads.read(&document, edits, &[&except], record) {
                kept.extend(String::from_utf8(bytes));
            }
        }
        reads.finish(record);
        Ok(kept)
    }

    fn listed(&self, id: &RequestId, key: &str, items: &[String]) -> Vec<u8> {
        // What one caller may see is nobody else's, and not for long.
        let modern = if self.modern() {
            ",\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\""
        } else {
            ""
        };
        let items = items.join(",");
        let id = id.as_json();
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"{key}\":[{items}]{modern}}}}}").into_bytes()
    }

    /// Lists come whole: there is no second page.
    fn first_page(&self) -> Result<(), Fault> {
        if self.message.text("cursor").is_some() {
            return Err(Fault::coded(
                code::INVALID_PARAMS,
                "invalid_request",
                "lists come whole here: there is no cursor",
            ));
        }
        Ok(())
    }
}

/// One server that fails does not take the others' lists away.
fn unanswered(server: &Server, fault: &Fault) {
    let server = server.name().as_str();
    let why = fault.message();
    tracing::warn!(target: "testudo::mcp", server, why, "the server is left out of a list");
}
