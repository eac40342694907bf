//! What the calls of each key have come to within the hour and the day: asked and counted in one step.

use std::sync::{Arc, Mutex, PoisonError};

use testudo_policy::actions::Quantities;
use testudo_policy::{CounterLimits, Outcome, ProposedCall, SessionCounters, SessionFacts};
use testudo_types::{Action, Clock, Decision, KeyId};

/// The counters of all keys, in memory: a new conversation begins no new count, a restart does.
#[derive(Debug)]
pub(crate) struct Counted {
    clock: Arc<dyn Clock>,
    counters: Mutex<SessionCounters>,
}

impl Counted {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            counters: Mutex::new(SessionCounters::new(CounterLimits::default())),
        }
    }

    /// Decides about a call by what went before, and counts it before anything else is decided: of two calls at once,
    /// or in one answer, only one can be the last that is within a sum.
    pub(crate) fn decide(
        &self,
        key: &KeyId,
        tool: &str,
        proposed: &ProposedCall,
        decide: impl FnOnce(SessionFacts) -> Decision,
    ) -> Decision {
        let now = self.clock.monotonic();
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let decision = decide(counters.facts(key.as_str(), tool, now));
        let mut count = |outcome| counters.count(key.as_str(), tool, now, outcome);
        match decision.action {
            Action::Hold | Action::Block => count(Outcome::Held),
            _ if proposed.facts.effect.is_consequential() => count(Outcome::Went(proposed.actions.quantity)),
            _ => {}
        }
        if let (Some(addresses), Action::Pass | Action::Observe | Action::Mask) =
            (proposed.verdict.fetched, decision.action)
        {
            count(Outcome::Fetched { addresses });
        }
        decision
    }

    /// Counts a call that was held, and that a person has let go since.
    pub(crate) fn approved(&self, key: &KeyId, tool: &str, quantity: Quantities) {
        let now = self.clock.monotonic();
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.count(key.as_str(), tool, now, Outcome::Went(quantity));
    }
}
