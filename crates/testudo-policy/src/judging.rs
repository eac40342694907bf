//! Decisions on findings remembered within one exchange, which repeats the same few.

use std::sync::Arc;

use testudo_types::{Decision, Direction, Origin, Principal, RouteName, RuleId, Score, Severity, ThreatKind};

use crate::{FindingFacts, PolicyEngine};

/// Distinct decisions that are remembered; further ones are made anew each time.
const REMEMBERED_MAX: usize = 64;

/// Judges the findings of one exchange. A text with ten thousand addresses in it asks the same
/// question ten thousand times; policy is evaluated once.
///
/// It holds on to its engine, so that a reload in the middle of an exchange mixes nothing, and
/// compares every fact that a policy can see, so that an answer is never given to another question.
#[derive(Debug)]
pub struct Judging {
    engine: Arc<PolicyEngine>,
    remembered: Vec<(Question, Decision)>,
}

/// The facts of a finding, kept.
#[derive(Debug)]
struct Question {
    principal: Principal,
    route: RouteName,
    direction: Direction,
    origin: Origin,
    rule: RuleId,
    kind: ThreatKind,
    severity: Severity,
    score: Score,
    maskable: bool,
}

impl Judging {
    /// Nothing is remembered yet.
    #[must_use]
    pub fn new(engine: Arc<PolicyEngine>) -> Self {
        Self {
            engine,
            remembered: Vec::new(),
        }
    }

    /// What [`PolicyEngine::judge`] answers.
    pub fn judge(&mut self, facts: &FindingFacts<'_>) -> Decision {
        if let Some((_, decision)) = self.remembered.iter().find(|(question, _)| question.asks(facts)) {
            return decision.clone();
        }
        let decision = self.engine.judge(facts);
        if self.remembered.len() < REMEMBERED_MAX {
            self.remembered.push((Question::keep(facts), decision.clone()));
        }
        decision
    }
}

impl Question {
    fn keep(facts: &FindingFacts<'_>) -> Self {
        // Every field by name: a new fact does not compile until it is kept and compared.
        let FindingFacts {
            principal,
            route,
            direction,
            origin,
            rule,
            kind,
            severity,
            score,
            maskable,
        } = *facts;
        Self {
            principal: principal.clone(),
            route: route.clone(),
            direction,
            origin: origin.clone(),
            rule: rule.clone(),
            kind,
            severity,
            score,
            maskable,
        }
    }

    fn asks(&self, facts: &FindingFacts<'_>) -> bool {
        let FindingFacts {
            principal,
            route,
            direction,
            origin,
            rule,
            kind,
            severity,
            score,
            maskable,
        } = *facts;
        self.score == score
            && self.rule == *rule
            && self.kind == kind
            && self.severity == severity
            && self.maskable == maskable
            && self.direction == direction
            && self.origin == *origin
            && self.route == *route
            && self.principal == *principal
    }
}
