//! Tells people, the ledger and the counters of what is wrong, when it begins and when it ends.

use std::collections::BTreeSet;
use std::sync::Arc;

use testudo_ledger::entry::{Alarm, AlarmState};
use testudo_types::Severity;

use super::decide::Trouble;
use crate::ledger::Ledger;
use crate::metrics::Metrics;

/// The alarms that are on.
#[derive(Debug)]
pub(crate) struct Alarms {
    ledger: Arc<Ledger>,
    metrics: Arc<Metrics>,
    on: BTreeSet<Trouble>,
}

impl Trouble {
    /// For the ledger, logs and counters.
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "model.vault-unreadable",
            Self::Unbelieved(_) => "model.statements-refused",
            Self::Withheld(_) => "model.withheld",
            Self::Contradicts(_) => "model.upstream-contradicts",
            Self::Unclear(_) => "model.upstream-unclear",
            Self::Silent(_) => "model.upstream-silent",
        }
    }

    /// The artifact, route or upstream.
    fn about(&self) -> &str {
        match self {
            Self::Unreadable(artifact) | Self::Unbelieved(artifact) => artifact.as_str(),
            Self::Withheld(route) => route.as_str(),
            Self::Contradicts(upstream) | Self::Unclear(upstream) | Self::Silent(upstream) => upstream.as_str(),
        }
    }

    fn severity(&self) -> Severity {
        match self {
            Self::Unbelieved(_) | Self::Contradicts(_) => Severity::Critical,
            Self::Withheld(_) => Severity::High,
            Self::Unreadable(_) | Self::Unclear(_) | Self::Silent(_) => Severity::Medium,
        }
    }
}

impl Alarms {
    pub(crate) fn new(ledger: Arc<Ledger>, metrics: Arc<Metrics>) -> Self {
        Self {
            ledger,
            metrics,
            on: BTreeSet::new(),
        }
    }

    /// Takes everything that is wrong now, but for what is `open`: an alarm about that stays as it was. `why` says more
    /// about a trouble, for the log.
    pub(crate) fn now(
        &mut self,
        mut troubles: BTreeSet<Trouble>,
        open: &BTreeSet<Trouble>,
        why: impl Fn(&Trouble) -> String,
    ) {
        troubles.retain(|trouble| !open.contains(trouble));
        troubles.extend(self.on.intersection(open).cloned());
        for trouble in troubles.difference(&self.on) {
            let (code, about) = (trouble.code(), trouble.about());
            let why = why(trouble);
            tracing::error!(target: "testudo::serving", alarm = code, about, why, "alarm");
            self.tell(trouble, AlarmState::Fire);
        }
        for trouble in self.on.difference(&troubles) {
            let (code, about) = (trouble.code(), trouble.about());
            tracing::info!(target: "testudo::serving", alarm = code, about, "the alarm is over");
            self.tell(trouble, AlarmState::Resolve);
        }
        self.on = troubles;
    }

    fn tell(&self, trouble: &Trouble, state: AlarmState) {
        let name = format!("{} {}", trouble.code(), trouble.about());
        let alarm = Alarm {
            name,
            severity: trouble.severity(),
            state,
            value: None,
        };
        self.ledger.note(alarm.into());
        let fires = state == AlarmState::Fire;
        self.metrics.model_alarm(trouble.code(), trouble.about(), fires);
    }
}
