//! What was concluded, and apart from it what was done.

use std::fmt;
use std::sync::Arc;

/// What a check concluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    Allow,
    Warn,
    Modify,
    Escalate,
    Deny,
}

impl Verdict {
    /// The name used in logs, metrics and ledger entries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Modify => "modify",
            Self::Escalate => "escalate",
            Self::Deny => "deny",
        }
    }
}

/// What was done about it. The order is by strictness: the strictest of several wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Pass,
    /// Recorded and let through.
    Observe,
    /// The text was replaced.
    Mask,
    /// Waits for a human.
    Hold,
    Block,
}

impl Action {
    /// The name used in configuration, logs, metrics and policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Observe => "observe",
            Self::Mask => "mask",
            Self::Hold => "hold",
            Self::Block => "block",
        }
    }

    /// The action that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pass, Self::Observe, Self::Mask, Self::Hold, Self::Block]
            .into_iter()
            .find(|action| action.as_str() == name)
    }
}

/// The name of a policy that took part in a decision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName(Arc<str>);

impl PolicyName {
    /// Takes the name a policy carries in its `@id` annotation.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One sentence saying why, safe to show to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(pub Arc<str>);

/// A group of people who may approve what waits, by the name that a policy's `@hold` gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApproverGroup(pub Arc<str>);

/// What becomes of a call that a policy holds, by what its `@hold` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldWay {
    /// It says nothing: the route decides.
    #[default]
    Route,
    /// The user is asked.
    Question,
    /// A person approves it, of a group where one is named.
    Approval,
    /// Nobody is asked.
    Deny,
}

impl HoldWay {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Route, Self::Question, Self::Approval, Self::Deny];

    /// The word that stands for it in `@hold` and in what people read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Question => "question",
            Self::Approval => "approval",
            Self::Deny => "deny",
        }
    }
}

/// Verdict and action with the policies that determined them and the reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub action: Action,
    pub policies: Vec<PolicyName>,
    pub reasons: Vec<Reason>,
    /// Of a hold: the groups that each have to approve. Empty where policies name none, so that whoever may approve
    /// anything may approve this.
    pub approvers: Vec<ApproverGroup>,
    /// Of a hold: what each policy that holds wants done with the call, without repetition; the strictest counts.
    pub ways: Vec<HoldWay>,
    /// Errors inside policies; a decision with any of them is a deny.
    pub errors: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_action_is_the_greatest() {
        let strictest = [Action::Mask, Action::Block, Action::Pass].into_iter().max();
        assert_eq!(strictest, Some(Action::Block));
    }
}
