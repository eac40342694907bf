//! Findings as rows for people and as lines for programs.

use std::io::{self, Write};

use serde_json::{Map, Value, json};
use testudo_detect::{Detector, Hit, Rule};

use super::excerpt::{confidential, excerpt, explained};
use super::input::{Gap, Input};
use super::judge::{Judged, Verdict};
use super::place::Points;
use super::totals::Totals;
use crate::arguments::Format;
use crate::output::{printable, table};
use crate::scanner::{Found, Scanner};

/// Findings of one input that people are shown; programs get all.
const ROWS_MAX: usize = 200;

/// One line for programs.
pub(super) fn json_line(input: &Input, judged: &Judged, scanner: &Scanner) -> Value {
    let mut findings: Vec<Value> = Vec::new();
    for part in 0..input.parts.len() {
        let here = judged.of_part(part);
        let hidden = confidential(here.iter().map(|(_, found)| found.hit), &|hit| {
            scanner.rule(hit).cloned()
        });
        findings.extend(
            here.iter()
                .filter_map(|(_, found)| found_json(input, part, found, scanner, &hidden)),
        );
    }
    findings.extend(judged.gaps.iter().map(|(gap, _)| gap_json(input, gap)));
    json!({"id": input.id, "verdict": judged.verdict.as_str(), "score": judged.score, "findings": findings})
}

fn found_json(input: &Input, part: usize, found: &Found, scanner: &Scanner, hidden: &[(Hit, String)]) -> Option<Value> {
    let hit = found.hit;
    let rule = scanner.rule(&hit)?;
    let mut finding = json!({
        "rule": rule.id.as_str(),
        "kind": rule.kind.as_str(),
        "severity": rule.severity.as_str(),
        "score": hit.score.percent(),
        "start": hit.start,
        "end": hit.end,
        "title": &*rule.title,
    });
    if let Some(map) = finding.as_object_mut() {
        place_json(input, Some(part), map);
        if let (Some(why), Some(text)) = (&found.why, input.parts.get(part).map(|part| &part.text)) {
            map.insert("why".to_owned(), Value::from(explained(why, text, hidden)));
        }
    }
    Some(finding)
}

fn gap_json(input: &Input, gap: &Gap) -> Value {
    let mut finding = json!({
        "rule": gap.rule, "kind": "unscannable", "severity": "high", "score": 100,
        "start": gap.range.start, "end": gap.range.end, "title": gap.what,
    });
    if let Some(map) = finding.as_object_mut() {
        place_json(input, gap.part, map);
    }
    finding
}

/// Of a conversation: which string it is, and who wrote it.
fn place_json(input: &Input, part: Option<usize>, finding: &mut Map<String, Value>) {
    let part = part.and_then(|part| input.parts.get(part));
    let Some((part, path)) = part.and_then(|part| Some((part, part.path.as_ref()?))) else {
        return;
    };
    finding.insert("path".to_owned(), Value::from(path.as_str()));
    let origin = part.origin.as_ref().map(|origin| origin.as_str());
    finding.insert("origin".to_owned(), Value::from(origin));
}

/// One input for people: its verdict, and a row for each finding.
pub(super) fn table_rows(input: &Input, judged: &Judged, scanner: &Scanner, out: &mut impl Write) -> io::Result<()> {
    let id = match &input.id {
        Value::String(id) => printable(id),
        other => other.to_string(),
    };
    writeln!(out, "{id}: {}, score {}", judged.verdict.as_str(), judged.score)?;
    let mut rows: Vec<[String; 6]> = Vec::new();
    let mut left = ROWS_MAX;
    for (index, part) in input.parts.iter().enumerate() {
        let here: Vec<&Found> = judged.of_part(index).iter().map(|(_, found)| found).collect();
        let hidden = confidential(here.iter().map(|found| found.hit), &|hit| scanner.rule(hit).cloned());
        let mut points = Points::new(&part.text);
        for found in here.iter().take(left) {
            let place = points.at(found.hit.start);
            let place = match &part.path {
                Some(path) => format!("{path} {}:{}", place.line, place.column),
                None => format!("{}:{}", place.line, place.column),
            };
            if let Some(rule) = scanner.rule(&found.hit) {
                rows.push(row(place, rule, found, excerpt(&part.text, &found.hit, &hidden)));
            }
            if let Some(why) = &found.why {
                let why = explained(why, &part.text, &hidden);
                rows.push(["", "", "", "", "", &printable(&why)].map(str::to_owned));
            }
        }
        left = left.saturating_sub(here.len());
    }
    for (gap, action) in &judged.gaps {
        let path = gap.part.and_then(|part| input.parts.get(part)?.path.clone());
        let place = path.unwrap_or_default();
        rows.push([&place, action.as_str(), gap.rule, "high 100", &gap.what, ""].map(str::to_owned));
    }
    table(out, "  ", &rows)?;
    let more = judged.found.len().saturating_sub(ROWS_MAX);
    if more > 0 {
        writeln!(out, "  and {more} more; --format json has all")?;
    }
    Ok(())
}

fn row(place: String, rule: &Rule, found: &Found, excerpt: String) -> [String; 6] {
    [
        place,
        found.action.as_str().to_owned(),
        rule.id.to_string(),
        format!("{} {}", rule.severity.as_str(), found.hit.score.percent()),
        rule.title.to_string(),
        excerpt,
    ]
}

/// The last lines for people.
pub(super) fn summary(totals: &Totals, out: &mut impl Write) -> io::Result<()> {
    let texts = totals.texts();
    let noun = if texts == 1 { "text" } else { "texts" };
    writeln!(
        out,
        "{texts} {noun}: {} allow, {} flag, {} block",
        totals.of(Verdict::Allow),
        totals.of(Verdict::Flag),
        totals.of(Verdict::Block)
    )?;
    if let Some(skipped) = totals.skipped_words() {
        writeln!(out, "not looked at: {skipped}")?;
    }
    Ok(())
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
