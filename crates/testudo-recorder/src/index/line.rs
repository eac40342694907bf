//! What the index keeps of an entry.

use testudo_ledger::entry::{Body, Digest, Entry, PrincipalPseudonym};

use super::facet::Facet;

/// What the statements about an artifact are found by: where their vault lies, and its name.
pub(crate) fn chain_word(place: &Digest, artifact: &str) -> String {
    format!("{place} {artifact}")
}

/// An entry as the index sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: u64,
    /// Ids by which it is found; the first is its own.
    pub(crate) ids: Vec<String>,
    /// What it can be filtered by; the first of a facet is what is shown.
    pub(crate) words: Vec<(Facet, String)>,
}

impl Line {
    pub(crate) fn of(entry: &Entry) -> Self {
        let mut line = Self {
            at: entry.at,
            ids: Vec::new(),
            words: Vec::new(),
        };
        line.word(Facet::Kind, entry.body.kind());
        if let Some(tenant) = entry.tenant {
            line.word(Facet::Tenant, &tenant.to_string());
        }
        line.principal(entry.principal.as_ref());
        line.body(&entry.body);
        line
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Exchange(it) => {
                self.id(&it.id);
                self.word(Facet::Route, &it.route);
                self.model(it.model.as_ref());
                self.word(Facet::Verdict, it.verdict.as_str());
                self.word(Facet::Action, it.action.as_str());
                self.word(Facet::Outcome, &it.outcome);
                it.findings.iter().for_each(|it| self.word(Facet::Rule, &it.rule));
            }
            Body::Begun(it) => {
                self.id(&it.id);
                self.word(Facet::Route, &it.route);
                self.model(it.model.as_ref());
                self.word(Facet::Verdict, it.verdict.as_str());
                self.word(Facet::Action, it.action.as_str());
            }
            Body::Decision(it) => {
                it.exchange.iter().for_each(|id| self.id(id));
                self.word(Facet::Verdict, it.verdict.as_str());
                self.word(Facet::Action, it.action.as_str());
            }
            Body::Hold(it) => {
                self.id(&it.id);
                it.exchange.iter().for_each(|id| self.id(id));
            }
            Body::Approval(it) => {
                self.id(&it.hold);
                self.principal(Some(&it.approver));
                self.word(Facet::Outcome, it.decision.as_str());
            }
            Body::Key(it) => {
                self.principal(Some(&it.key));
                self.word(Facet::Action, it.action.as_str());
            }
            Body::Configuration(it) => self.word(Facet::Action, it.action.as_str()),
            Body::AdminLogin(it) => {
                self.principal(it.principal.as_ref());
                self.word(Facet::Outcome, if it.success { "success" } else { "failure" });
            }
            other => self.operation(other),
        }
    }

    fn operation(&mut self, body: &Body) {
        match body {
            Body::Artifact(it) => {
                self.word(Facet::Action, &it.action);
                self.model(it.name.as_ref());
                if let (Some(chain), Some(name)) = (&it.chain, &it.name) {
                    self.word(Facet::Chain, &chain_word(&chain.place, name));
                }
            }
            Body::Data(it) => self.word(Facet::Action, &it.action),
            Body::Alarm(it) => self.word(Facet::Outcome, it.state.as_str()),
            Body::Incident(it) => {
                self.id(&it.id);
                self.word(Facet::Action, &it.step);
                self.word(Facet::Outcome, &it.state);
            }
            Body::Evidence(it) => self.word(Facet::Outcome, it.result.as_str()),
            Body::Erasure(it) => {
                self.id(&it.request);
                self.principal(Some(&it.approver));
            }
            Body::LegalHold(it) => self.word(Facet::Action, it.action.as_str()),
            Body::Recorder(it) => self.word(Facet::Action, it.action.as_str()),
            // Found by their type and time.
            _ => {}
        }
    }

    fn id(&mut self, id: &str) {
        self.ids.push(id.to_owned());
    }

    fn word(&mut self, facet: Facet, text: &str) {
        let word = (facet, text.to_owned());
        if !self.words.contains(&word) {
            self.words.push(word);
        }
    }

    fn model(&mut self, model: Option<&String>) {
        model.into_iter().for_each(|it| self.word(Facet::Model, it));
    }

    fn principal(&mut self, principal: Option<&PrincipalPseudonym>) {
        principal
            .into_iter()
            .for_each(|it| self.word(Facet::Principal, &it.to_string()));
    }
}
