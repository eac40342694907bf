//! What came of all traces: a line for each, tables by suite or class, and one object for programs.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::ValueEnum as _;
use serde_json::{Map, Value, json};

use super::tally::{Share, Tally};
use super::trace::{Kind, Trace};
use super::walk::Walked;
use crate::arguments::Format;
use crate::arguments::replay::{By, Policy};
use crate::output::{counted, printable, table};

#[derive(Debug)]
pub(super) struct Report {
    by: By,
    format: Format,
    policy: String,
    traces: u64,
    all: Tally,
    by_suite: BTreeMap<String, Tally>,
    by_class: BTreeMap<String, Tally>,
}

impl Report {
    pub(super) fn new(by: By, format: Format, policy: Policy) -> Self {
        let name = policy.to_possible_value();
        Self {
            by,
            format,
            policy: name.map_or_else(String::new, |name| name.get_name().to_owned()),
            traces: 0,
            all: Tally::default(),
            by_suite: BTreeMap::new(),
            by_class: BTreeMap::new(),
        }
    }

    pub(super) fn count_of_traces(&self) -> u64 {
        self.traces
    }

    pub(super) fn count(&mut self, trace: &Trace, walked: &Walked) {
        self.traces = self.traces.saturating_add(1);
        self.all.count(trace, walked);
        self.by_suite
            .entry(trace.suite.clone())
            .or_default()
            .count(trace, walked);
        if let Some(class) = &trace.class {
            self.by_class.entry(class.clone()).or_default().count(trace, walked);
        }
    }

    /// One trace for programs. Values of arguments are left out; `--explain` shows them.
    pub(super) fn line(&self, out: &mut impl Write, trace: &Trace, walked: &Walked) -> io::Result<()> {
        let (kind, attacker) = match &trace.kind {
            Kind::Benign => ("benign", None),
            Kind::BenignUnderAttack => ("benign_under_attack", None),
            Kind::Attack(attacker) => ("attack", Some(attacker)),
        };
        let holds: Vec<Value> = walked
            .calls
            .iter()
            .enumerate()
            .filter_map(|(at, call)| {
                let reason = call.verdict.reason.as_ref()?;
                Some(json!({
                    "call": at,
                    "tool": call.tool,
                    "by": if call.by_injection { "injection" } else { "user" },
                    "reason": reason.code(),
                    "why": reason.to_string(),
                }))
            })
            .collect();
        let mut line = Map::new();
        line.insert("id".to_owned(), json!(trace.id));
        line.insert("held".to_owned(), json!(walked.held));
        line.insert("suite".to_owned(), json!(trace.suite));
        line.insert("kind".to_owned(), json!(kind));
        if let Some(attacker) = attacker {
            line.insert("attacker".to_owned(), json!(attacker));
        }
        if let Some(class) = &trace.class {
            line.insert("class".to_owned(), json!(class));
        }
        line.insert("holds".to_owned(), Value::Array(holds));
        writeln!(out, "{}", Value::Object(line))
    }

    pub(super) fn end(&self, out: &mut impl Write) -> io::Result<()> {
        match self.format {
            Format::Json => writeln!(out, "{}", json!({ "summary": self.summary() })),
            Format::Table => self.tables(out),
        }
    }

    fn summary(&self) -> Value {
        let groups = |groups: &BTreeMap<String, Tally>| -> Value {
            let groups = groups
                .iter()
                .map(|(name, tally)| (name.clone(), Value::Object(tally.json())));
            Value::Object(groups.collect())
        };
        let mut summary = self.all.json();
        summary.insert("policy".to_owned(), json!(self.policy));
        summary.insert("traces".to_owned(), json!(self.traces));
        summary.insert("by_suite".to_owned(), groups(&self.by_suite));
        summary.insert("by_class".to_owned(), groups(&self.by_class));
        Value::Object(summary)
    }

    fn tables(&self, out: &mut impl Write) -> io::Result<()> {
        let traces = usize::try_from(self.traces).unwrap_or(usize::MAX);
        writeln!(out, "{}, policy {}", counted(traces, "trace"), self.policy)?;
        let (name, groups) = match self.by {
            By::Suite => ("suite", &self.by_suite),
            By::Class => ("class", &self.by_class),
        };
        let attackers: Vec<&str> = self.all.stopped.keys().map(String::as_str).collect();
        let mut rows = Vec::new();
        rows.push(
            [
                name,
                "benign, no hold",
                "attacked, no hold",
                "stopped",
                "autonomy",
                "pairs both right",
            ]
            .map(str::to_owned),
        );
        for (name, tally) in groups
            .iter()
            .map(|(name, tally)| (name.as_str(), tally))
            .chain([("all", &self.all)])
        {
            let none = Share::default();
            let stopped = attackers.iter().map(|attacker| {
                let share = tally.stopped.get(*attacker).copied().unwrap_or_default();
                format!("{} {}", printable(attacker), shown(share))
            });
            rows.push([
                printable(name),
                shown(tally.benign),
                shown(tally.under_attack),
                if tally.stopped.is_empty() {
                    shown(none)
                } else {
                    stopped.collect::<Vec<_>>().join(", ")
                },
                shown(tally.autonomy),
                shown(tally.pairs),
            ]);
        }
        writeln!(out)?;
        table(out, "", &rows)?;
        self.reasons(out)
    }

    fn reasons(&self, out: &mut impl Write) -> io::Result<()> {
        if self.all.reasons.is_empty() {
            return Ok(());
        }
        let mut rows = vec![["reason of a hold", "of the user's calls", "of the injection's"].map(str::to_owned)];
        for (reason, [user, injection]) in &self.all.reasons {
            rows.push([(*reason).to_owned(), user.to_string(), injection.to_string()]);
        }
        writeln!(out)?;
        table(out, "", &rows)
    }
}

fn shown(share: Share) -> String {
    match share.value() {
        None => "-".to_owned(),
        Some(value) => format!("{:.1} % ({}/{})", value * 100.0, share.good, share.all),
    }
}
