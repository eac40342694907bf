//! Findings about model files as one SARIF 2.1.0 document, written as they are made.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};
use testudo_formats::Verdict;

use super::scan::{Judged, member, uri};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// A document under way.
#[derive(Debug, Default)]
pub(super) struct Sarif {
    /// The rules that were used, in the order of their first use.
    rules: BTreeMap<&'static str, usize>,
    results: u64,
}

impl Sarif {
    pub(super) fn begin(out: &mut impl Write) -> io::Result<()> {
        let schema = Value::from(SCHEMA);
        write!(
            out,
            "{{\"$schema\":{schema},\"version\":\"2.1.0\",\"runs\":[{{\"results\":["
        )
    }

    pub(super) fn file(&mut self, judged: &Judged, out: &mut impl Write) -> io::Result<()> {
        for finding in &judged.report.findings {
            let next = self.rules.len();
            let index = *self.rules.entry(finding.rule).or_insert(next);
            let member = member(judged, finding);
            let mut place = json!({"artifactLocation": {"uri": uri(&judged.path)}});
            // An offset within a member is none within the file.
            if let (Some(offset), true, Some(map)) = (finding.offset, member.is_empty(), place.as_object_mut()) {
                map.insert("region".to_owned(), json!({"byteOffset": offset, "byteLength": 1}));
            }
            let mut location = json!({"physicalLocation": place});
            if let (false, Some(map)) = (member.is_empty(), location.as_object_mut()) {
                let logical = json!([{"fullyQualifiedName": member, "kind": "member"}]);
                map.insert("logicalLocations".to_owned(), logical);
            }
            let result = json!({
                "ruleId": finding.rule, "ruleIndex": index, "level": level(finding.verdict),
                "message": {"text": format!("{}.", finding.reason)}, "locations": [location],
                "occurrenceCount": finding.count,
                "properties": {"verdict": finding.verdict.word(), "offset": finding.offset},
            });
            let comma = if self.results == 0 { "" } else { "," };
            self.results = self.results.saturating_add(1);
            write!(out, "{comma}\n{result}")?;
        }
        Ok(())
    }

    pub(super) fn finish(self, problems: &[String], out: &mut impl Write) -> io::Result<()> {
        let mut rules: Vec<(&str, usize)> = self.rules.into_iter().collect();
        rules.sort_unstable_by_key(|(_, index)| *index);
        let rules: Vec<Value> = rules.into_iter().map(|(id, _)| json!({"id": id})).collect();
        let tool = json!({"driver": {
            "name": "Testudo", "version": env!("CARGO_PKG_VERSION"),
            "shortDescription": {"text": "Says what loading model files would do."}, "rules": rules,
        }});
        let notes: Vec<Value> = problems
            .iter()
            .map(|problem| json!({"level": "error", "message": {"text": format!("cannot read {problem}")}}))
            .collect();
        let invocation = json!({"executionSuccessful": problems.is_empty(), "toolExecutionNotifications": notes});
        writeln!(out, "],\"tool\":{tool},\"invocations\":[{invocation}]}}]}}")
    }
}

fn level(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Malicious | Verdict::Unknown => "error",
        Verdict::Suspicious => "warning",
        Verdict::Allowed => "note",
    }
}
