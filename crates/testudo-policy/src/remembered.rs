//! Admissions that were decided before: the same facts under the same policies have the same answer.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use testudo_types::{Decision, Principal};

use crate::AdmitFacts;

/// Admissions that are remembered; after that many, remembering starts anew.
const ADMISSIONS_MAX: usize = 1024;
/// Facts longer than this are decided each time, which bounds the memory.
const FACTS_BYTES_MAX: usize = 1024;

/// Decisions that let a request through, by every fact that policies can see.
///
/// A decision is a pure function of the facts and of the engine's policies, which never change. Refusals
/// are not kept, so that whoever is refused can fill nothing.
#[derive(Debug, Default)]
pub(crate) struct Admissions(RwLock<HashMap<Facts, Decision>>);

/// Facts as bytes that no other facts have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Facts(Vec<u8>);

impl Facts {
    pub(crate) fn of(facts: &AdmitFacts<'_>) -> Self {
        // Every field by name: a new fact does not compile until it is told apart here.
        let AdmitFacts {
            principal,
            route,
            model,
            operation,
            key_routes,
            key_models,
            hosted_tools,
            server_history,
        } = *facts;
        let Principal {
            tenant,
            kind,
            key,
            name,
            roles,
        } = principal;
        let mut bytes = Self(Vec::with_capacity(192));
        bytes.text(route.as_str());
        bytes.text(tenant.as_str());
        bytes.text(kind.as_str());
        bytes.text(key.as_str());
        bytes.text(name);
        bytes.text(operation);
        for truth in [
            key_routes.covers(route),
            key_models.covers(model),
            hosted_tools,
            server_history,
            model.is_some(),
        ] {
            bytes.0.push(u8::from(truth));
        }
        if let Some(model) = model {
            bytes.text(model.as_str());
        }
        for role in roles {
            bytes.text(&role.0);
        }
        bytes
    }

    /// Its length first, so that no text can pass for the end of one and the start of another.
    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(&text.len().to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }
}

impl Admissions {
    pub(crate) fn get(&self, facts: &Facts) -> Option<Decision> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(facts)
            .cloned()
    }

    pub(crate) fn keep(&self, facts: Facts, decision: &Decision) {
        if facts.0.len() > FACTS_BYTES_MAX {
            return;
        }
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= ADMISSIONS_MAX {
            kept.clear();
        }
        kept.insert(facts, decision.clone());
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.read().unwrap().len()
    }
}

#[cfg(test)]
mod tests;
