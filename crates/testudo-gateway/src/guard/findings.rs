//! What the guards saw in one exchange: a bounded list, a complete count.

use std::collections::BTreeMap;

use testudo_types::{Action, Decision, Direction, Finding, ThreatKind};

/// One finding with what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub direction: Direction,
    pub finding: Finding,
    pub decision: Decision,
}

/// Keeps the first findings whole and counts all of them.
#[derive(Debug, Default)]
pub struct FindingLog {
    kept: Vec<Seen>,
    counts: BTreeMap<(&'static str, ThreatKind, Action), (Direction, u64)>,
    blocked: Option<usize>,
    allowed: u64,
}

impl FindingLog {
    /// Findings kept whole; further ones are only counted.
    pub const KEPT_MAX: usize = 256;

    /// Takes one finding.
    pub fn push(&mut self, seen: Seen) {
        let key = (seen.direction.as_str(), seen.finding.kind, seen.decision.action);
        let (_, count) = self.counts.entry(key).or_insert((seen.direction, 0));
        *count = count.saturating_add(1);
        let blocks = seen.decision.action >= Action::Hold;
        if self.kept.len() < Self::KEPT_MAX {
            self.kept.push(seen);
        } else if blocks
            && self.blocked.is_none()
            && let Some(last) = self.kept.last_mut()
        {
            // The one that stopped the exchange must be among those that are shown.
            *last = seen;
        } else {
            return;
        }
        if blocks && self.blocked.is_none() {
            self.blocked = Some(self.kept.len().saturating_sub(1));
        }
    }

    /// Adds values that would have been findings and are on an allow-list.
    pub fn allow(&mut self, times: u64) {
        self.allowed = self.allowed.saturating_add(times);
    }

    /// How many values were passed over because they are on an allow-list.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        self.allowed
    }

    /// The findings kept, in the order they were made.
    #[must_use]
    pub fn kept(&self) -> &[Seen] {
        &self.kept
    }

    /// How often each kind led to each action, by direction.
    pub fn counts(&self) -> impl Iterator<Item = (Direction, ThreatKind, Action, u64)> + '_ {
        self.counts
            .iter()
            .map(|((_, kind, action), (direction, count))| (*direction, *kind, *action, *count))
    }

    /// One sentence for the caller: the policy's reason, what was found and where, never the text.
    #[must_use]
    pub fn why_blocked(&self, decision: Option<&Decision>) -> String {
        let reason = decision
            .and_then(|decision| decision.reasons.first())
            .map_or("a guard stopped this", |reason| reason.0.as_ref());
        let Some(Seen { direction, finding, .. }) = self.blocking() else {
            return reason.to_owned();
        };
        let (kind, direction, path) = (finding.kind.title(), direction.as_str(), &finding.place.path);
        let at = if path.is_empty() {
            String::new()
        } else {
            format!(" at `{path}`")
        };
        format!("{reason}: {kind} in the {direction}{at}")
    }

    /// The first finding that stopped the exchange.
    #[must_use]
    pub fn blocking(&self) -> Option<&Seen> {
        self.blocked.and_then(|at| self.kept.get(at))
    }
}
