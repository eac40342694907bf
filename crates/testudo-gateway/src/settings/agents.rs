//! What a route says about the tools of the agents that use it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use testudo_policy::provenance::{Knobs, PolicyName, ToolSpecs};
use testudo_types::HoldWay;

/// The tools of a route, and what becomes of calls that are held.
#[derive(Debug, Clone)]
pub struct AgentSettings {
    pub specs: Arc<ToolSpecs>,
    /// Definitions as they were when somebody reviewed them, by name; empty when none are given.
    pub definitions: Arc<BTreeMap<String, Value>>,
    pub policy: PolicyName,
    /// The policy, with what the route changes of it.
    pub knobs: Knobs,
    pub on_hold: OnHold,
    /// Of the files with specifications and definitions.
    pub digest: [u8; 32],
}

impl AgentSettings {
    /// Of the texts that specifications and definitions were read from.
    #[must_use]
    pub fn digest_of(parts: &[&[u8]]) -> [u8; 32] {
        crate::runtime::hash(parts)
    }

    /// Everything of it that decides about a call, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let digest: String = self.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "agents {} {} {:?} {digest}\n",
            self.policy.as_str(),
            self.on_hold.as_str(),
            self.knobs
        )
    }
}

/// What becomes of an answer with a call that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnHold {
    /// The calls are taken out, and a text says so.
    Deny,
    /// A text in their place names the values, and a code by which the user's next turn lets the call go.
    Question,
    /// The answer is kept until a person approves it.
    Approval,
}

impl OnHold {
    pub const ALL: [Self; 3] = [Self::Deny, Self::Question, Self::Approval];

    /// The name used in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Question => "question",
            Self::Approval => "approval",
        }
    }

    /// The choice that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// What becomes of a call, by what the policies that hold it want and what the route does: the strictest. A
    /// person with the right to is stricter than the user, and nobody stricter than both.
    #[must_use]
    pub(crate) fn strictest(self, ways: &[HoldWay]) -> Self {
        let strictness = |it: &Self| match it {
            Self::Question => 0,
            Self::Approval => 1,
            Self::Deny => 2,
        };
        let wanted = ways.iter().map(|way| match way {
            HoldWay::Route => self,
            HoldWay::Question => Self::Question,
            HoldWay::Approval => Self::Approval,
            HoldWay::Deny => Self::Deny,
        });
        wanted.max_by_key(strictness).unwrap_or(self)
    }
}
