//! Findings as rows for people and as lines for programs.

use std::io::{self, Write};

use serde_json::{Value, json};
use testudo_detect::{Detector, Rule};

use super::excerpt::{confidential, excerpt, place, printable};
use super::input::Text;
use super::judge::{Judge, Judged, Verdict};
use crate::arguments::Format;
use crate::output::table;

/// How many texts got which verdict.
#[derive(Debug, Default)]
pub(super) struct Totals {
    allow: u64,
    flag: u64,
    block: u64,
    /// Inputs that could not be read.
    pub(super) bad: u64,
}

impl Totals {
    pub(super) fn count(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Allow => &mut self.allow,
            Verdict::Flag => &mut self.flag,
            Verdict::Block => &mut self.block,
        };
        *counter = counter.saturating_add(1);
    }

    pub(super) fn texts(&self) -> u64 {
        self.allow.saturating_add(self.flag).saturating_add(self.block)
    }

    pub(super) fn found(&self) -> u64 {
        self.flag.saturating_add(self.block)
    }
}

/// The last line for people.
pub(super) fn summary(totals: &Totals, out: &mut impl Write) -> io::Result<()> {
    let texts = totals.texts();
    let noun = if texts == 1 { "text" } else { "texts" };
    writeln!(
        out,
        "{texts} {noun}: {} allow, {} flag, {} block",
        totals.allow, totals.flag, totals.block
    )
}

/// One line for programs.
pub(super) fn json_line(text: &Text, judged: &Judged, judge: &Judge) -> Value {
    let mut findings: Vec<Value> = judged
        .found
        .iter()
        .filter_map(|(hit, _)| {
            let rule = judge.rule(hit)?;
            Some(json!({
                "rule": rule.id.as_str(),
                "kind": rule.kind.as_str(),
                "severity": rule.severity.as_str(),
                "score": hit.score.percent(),
                "start": hit.start,
                "end": hit.end,
                "title": &*rule.title,
            }))
        })
        .collect();
    if judged.unscannable.is_some() {
        findings.push(json!({
            "rule": "guard.budget", "kind": "unscannable", "severity": "high", "score": 100,
            "start": 0, "end": text.text.len(), "title": UNSCANNABLE,
        }));
    }
    json!({"id": text.id, "verdict": judged.verdict.as_str(), "score": judged.score, "findings": findings})
}

const UNSCANNABLE: &str = "Text that costs more to scan than is granted";

/// One text for people: its verdict, and a row for each finding.
pub(super) fn table_rows(text: &Text, judged: &Judged, judge: &Judge, out: &mut impl Write) -> io::Result<()> {
    let id = match &text.id {
        Value::String(id) => printable(id),
        other => other.to_string(),
    };
    writeln!(out, "{id}: {}, score {}", judged.verdict.as_str(), judged.score)?;
    let rule = |hit: &testudo_detect::Hit| judge.rule(hit).cloned();
    let hidden = confidential(judged.found.iter().map(|(hit, _)| *hit), &rule);
    let mut rows = Vec::new();
    for (hit, action) in &judged.found {
        let Some(rule) = judge.rule(hit) else {
            continue;
        };
        let (line, column) = place(&text.text, hit.start);
        rows.push([
            format!("{line}:{column}"),
            action.as_str().to_owned(),
            rule.id.to_string(),
            format!("{} {}", rule.severity.as_str(), hit.score.percent()),
            rule.title.to_string(),
            excerpt(&text.text, hit, &hidden),
        ]);
    }
    if let Some(action) = judged.unscannable {
        let row = ["", action.as_str(), "guard.budget", "high 100", UNSCANNABLE, ""];
        rows.push(row.map(str::to_owned));
    }
    table(out, "  ", &rows)
}

/// Every rule, sorted by id.
pub(super) fn rules(detector: &Detector, format: Format, out: &mut impl Write) -> io::Result<()> {
    let mut rules: Vec<&Rule> = detector.rules().iter().collect();
    rules.sort_by(|one, other| one.id.cmp(&other.id));
    if format == Format::Json {
        for rule in rules {
            writeln!(out, "{}", rule_json(rule))?;
        }
        return Ok(());
    }
    let mut rows = vec![["rule", "severity", "score", "reads", "title"].map(str::to_owned)];
    for rule in &rules {
        rows.push([
            rule.id.to_string(),
            rule.severity.as_str().to_owned(),
            rule.score.percent().to_string(),
            directions(rule).join(", "),
            rule.title.to_string(),
        ]);
    }
    table(out, "", &rows)?;
    writeln!(out, "{} rules", rules.len())
}

fn rule_json(rule: &Rule) -> Value {
    let refs: Vec<&str> = rule.refs.iter().map(testudo_types::RefId::as_str).collect();
    json!({
        "rule": rule.id.as_str(), "kind": rule.kind.as_str(), "severity": rule.severity.as_str(),
        "score": rule.score.percent(), "title": &*rule.title, "directions": directions(rule),
        "origins": rule.origins.as_deref(), "label": &*rule.label, "refs": refs,
    })
}

fn directions(rule: &Rule) -> Vec<&'static str> {
    let mut directions = Vec::new();
    if rule.requests {
        directions.push("request");
    }
    if rule.responses {
        directions.push("response");
    }
    directions
}
