//! The fourth question: may this call go, which a model asks for?

use std::collections::BTreeSet;

use serde_json::Value;
use testudo_types::{Principal, RouteName};

use crate::actions::ActionFacts;
use crate::provenance::{Conversation, Knobs, ToolFacts, ToolSpec, ToolSpecs, Verdict};

/// A call that a model asks for, with all that can be known of it without its surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedCall {
    /// The tool and who named which argument.
    pub facts: ToolFacts,
    /// What provenance alone would do.
    pub verdict: Verdict,
    /// What statements, addresses, paths and commands in the arguments would do.
    pub actions: ActionFacts,
}

impl ProposedCall {
    /// Finds out all of it, by everything that was said before the call.
    #[must_use]
    pub fn of(knobs: &Knobs, specs: &ToolSpecs, conversation: &Conversation, tool: &str, arguments: &Value) -> Self {
        let unknown = ToolSpec::unknown();
        let spec = specs.tool(tool).unwrap_or(&unknown);
        let facts = ToolFacts::of(specs, conversation, tool, arguments, knobs.trust_system);
        Self {
            verdict: knobs.judge_by(specs, conversation, tool, arguments, facts.as_ref()),
            facts: facts.unwrap_or_else(|| ToolFacts::without_arguments(specs, conversation, tool)),
            actions: ActionFacts::of(spec, arguments),
        }
    }
}

/// Whether a call is of those that were to be expected when the task began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Plan {
    /// Nothing was written down then.
    #[default]
    Unset,
    Inside,
    Outside,
}

/// The tools that were asked for before anything but the trusted words was read: those that the task needs, as far as
/// the model could tell when nobody else had spoken. No list of words takes part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrozenPlan {
    tools: BTreeSet<String>,
}

/// Tools of a plan; what is asked for beyond them is no part of it.
const PLAN_TOOLS_MAX: usize = 256;

impl FrozenPlan {
    /// A call was asked for. `tainted`: something that the user did not write had been read before.
    pub fn ask(&mut self, tool: &str, tainted: bool) {
        if !tainted && self.tools.len() < PLAN_TOOLS_MAX {
            self.tools.insert(tool.to_owned());
        }
    }

    /// Where a call of a tool stands. Nothing is frozen while nothing else was read, nor where no tool was asked for
    /// before that.
    #[must_use]
    pub fn place(&self, tool: &str, tainted: bool) -> Plan {
        if !tainted || self.tools.is_empty() {
            Plan::Unset
        } else if self.tools.contains(tool) {
            Plan::Inside
        } else {
            Plan::Outside
        }
    }
}

/// What the same conversation did before, as numbers. Whoever asks counts; nothing here has a clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// Calls with consequences that went, of any tool.
    pub calls_1h: u64,
    pub calls_24h: u64,
    /// Those of this tool.
    pub tool_calls_1h: u64,
    pub tool_calls_24h: u64,
    /// Hundredths of all quantities of this tool's calls that went; see [`crate::actions::Quantities`].
    pub sum_1h: u64,
    pub sum_24h: u64,
    /// Calls that were held or refused.
    pub held_24h: u64,
    /// Pages fetched from addresses that only a text named.
    pub fetches_1h: u64,
    pub fetches_24h: u64,
    /// What the choice of those addresses can have told their owners: log₂ of how many there were to choose from.
    pub fetch_bits_1h: u64,
    pub fetch_bits_24h: u64,
    /// Calls that fetch which stand in this conversation already, whoever named their addresses. Whoever asks reads
    /// them off the conversation.
    pub fetches_here: u64,
    /// A value that was laid out as bait stands in the arguments.
    pub canary: bool,
}

/// A call that waits for an answer.
#[derive(Debug, Clone, Copy)]
pub struct ActFacts<'a> {
    pub principal: &'a Principal,
    pub route: &'a RouteName,
    pub call: &'a ProposedCall,
    pub session: SessionFacts,
    pub plan: Plan,
    /// A person has approved exactly this call.
    pub approved: bool,
}
