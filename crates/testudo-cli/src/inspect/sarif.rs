//! Findings as one SARIF 2.1.0 document, written as they are made.
//!
//! The list of rules stands behind the results, because only then it is known which were used.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};
use testudo_ledger::Hash;
use testudo_types::{Action, Severity, ThreatKind};

use super::excerpt::{confidential, covered};
use super::input::{GAP_RULES, Input, Part};
use super::judge::Judged;
use super::place::{Region, Regions};
use super::totals::Totals;
use crate::scanner::Scanner;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// The folder in which the command ran.
const ROOT: &str = "SRCROOT";
/// How much of the text around a finding its fingerprint covers.
const AROUND_BYTES: usize = 64;
/// Problems of the run that are listed; further ones are counted.
const NOTES_MAX: usize = 1000;

/// A document under way.
#[derive(Debug)]
pub(super) struct Sarif {
    /// The rules that were used, by id, in the order of their first use.
    rules: BTreeMap<String, (usize, Value)>,
    results: u64,
    notes: Vec<Value>,
    /// How often the same fingerprint was seen, so that each finding keeps its own.
    seen: BTreeMap<String, u64>,
    base: Option<PathBuf>,
}

/// One result before it is written.
struct Result<'r> {
    rule: &'r str,
    describe: &'r dyn Fn() -> Value,
    severity: Severity,
    score: u8,
    action: Action,
    message: String,
    part: Option<&'r Part>,
    range: Range<usize>,
    context: String,
}

impl Sarif {
    pub(super) fn begin(out: &mut impl Write) -> io::Result<Self> {
        write!(
            out,
            "{{\"$schema\":{},\"version\":\"2.1.0\",\"runs\":[{{\"columnKind\":\"unicodeCodePoints\",\"results\":[",
            Value::from(SCHEMA)
        )?;
        Ok(Self {
            rules: BTreeMap::new(),
            results: 0,
            notes: Vec::new(),
            seen: BTreeMap::new(),
            base: std::env::current_dir().ok(),
        })
    }

    pub(super) fn input(
        &mut self,
        input: &Input,
        judged: &Judged,
        scanner: &Scanner,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut regions = Regions::new(input);
        for (index, part) in input.parts.iter().enumerate() {
            let here = || judged.of_part(index).iter().map(|(_, found)| found);
            let hidden = confidential(here().map(|found| found.hit), &|hit| scanner.rule(hit).cloned());
            for found in here() {
                let Some(rule) = scanner.rule(&found.hit) else {
                    continue;
                };
                let range = found.hit.start..found.hit.end;
                let result = Result {
                    rule: rule.id.as_str(),
                    describe: &|| rule_json(rule),
                    severity: rule.severity,
                    score: found.hit.score.percent(),
                    action: found.action,
                    message: format!("{}.", rule.title),
                    part: Some(part),
                    context: covered(&part.text, &range, AROUND_BYTES, &hidden),
                    range,
                };
                self.write(input, &mut regions, &result, out)?;
            }
        }
        for (gap, action) in &judged.gaps {
            let title = GAP_RULES
                .iter()
                .find(|(id, _)| *id == gap.rule)
                .map_or("", |(_, title)| title);
            let result = Result {
                rule: gap.rule,
                describe: &|| gap_rule_json(gap.rule, title),
                severity: Severity::High,
                score: 100,
                action: *action,
                message: format!("Not scanned: {}.", gap.what),
                part: gap.part.and_then(|part| input.parts.get(part)),
                range: gap.range.clone(),
                context: String::new(),
            };
            self.write(input, &mut regions, &result, out)?;
        }
        Ok(())
    }

    /// Something that could not be read.
    pub(super) fn note(&mut self, level: &str, what: &str) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(json!({"level": level, "message": {"text": what}}));
        }
    }

    pub(super) fn finish(mut self, totals: &Totals, profile: &str, out: &mut impl Write) -> io::Result<()> {
        if let Some(skipped) = totals.skipped_words() {
            self.note("note", &format!("not looked at: {skipped}"));
        }
        let mut rules: Vec<(usize, Value)> = self.rules.into_values().collect();
        rules.sort_unstable_by_key(|(index, _)| *index);
        let rules: Vec<Value> = rules.into_iter().map(|(_, rule)| rule).collect();
        let tool = json!({"driver": {
            "name": "Testudo", "version": env!("CARGO_PKG_VERSION"),
            "shortDescription": {"text": "Finds injected instructions, secrets, personal data, hidden text and links that carry data."},
            "rules": rules,
        }});
        let invocation = json!({
            "executionSuccessful": totals.bad == 0,
            "toolExecutionNotifications": self.notes,
            "properties": {
                "profile": profile, "texts": totals.texts(), "files": totals.files,
                "bytes": totals.bytes, "unreadable": totals.bad,
            },
        });
        let roots = json!({ROOT: {"description": {"text": "The folder in which the command ran."}}});
        writeln!(
            out,
            "],\"tool\":{tool},\"invocations\":[{invocation}],\"originalUriBaseIds\":{roots}}}]}}"
        )
    }

    fn write(
        &mut self,
        input: &Input,
        regions: &mut Regions<'_>,
        result: &Result<'_>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let next = self.rules.len();
        let entry = self.rules.entry(result.rule.to_owned());
        let index = entry.or_insert_with(|| (next, (result.describe)())).0;
        let region = regions.of(result.part, &result.range);
        let mut location = json!({"physicalLocation": {
            "artifactLocation": self.artifact(&input.place.file),
            "region": region_json(input, &region),
        }});
        if let (Some(path), Some(map)) = (
            result.part.and_then(|part| part.path.as_ref()),
            location.as_object_mut(),
        ) {
            let logical = json!([{"fullyQualifiedName": path, "kind": "value"}]);
            map.insert("logicalLocations".to_owned(), logical);
        }
        let fingerprint = self.fingerprint(input, result);
        let line = json!({
            "ruleId": result.rule, "ruleIndex": index, "level": level(result.severity),
            "message": {"text": result.message},
            "locations": [location],
            "partialFingerprints": {"testudoFinding/v1": fingerprint},
            "rank": f64::from(result.score),
            "properties": {
                "action": result.action.as_str(), "severity": result.severity.as_str(),
                "score": result.score, "input": input.id,
            },
        });
        let comma = if self.results == 0 { "" } else { "," };
        self.results = self.results.saturating_add(1);
        write!(out, "{comma}\n{line}")
    }

    /// A name for the finding that outlives changes elsewhere in the file; made without any value that is kept secret.
    fn fingerprint(&mut self, input: &Input, result: &Result<'_>) -> String {
        let path = result.part.and_then(|part| part.path.as_deref()).unwrap_or_default();
        let told = json!([result.rule, &*input.place.file, path, result.context]).to_string();
        let hash: String = Hash::leaf(told.as_bytes())
            .as_bytes()
            .iter()
            .take(16)
            .map(|it| format!("{it:02x}"))
            .collect();
        let count = self.seen.entry(hash.clone()).or_default();
        *count = count.saturating_add(1);
        format!("{hash}:{count}")
    }

    fn artifact(&self, file: &str) -> Value {
        if file == "-" {
            return json!({"uri": "stdin", "description": {"text": "Standard input."}});
        }
        let path = Path::new(file);
        let inside = match &self.base {
            Some(base) if path.is_absolute() => path.strip_prefix(base).ok(),
            _ => path.is_relative().then_some(path),
        };
        let climbs = |path: &Path| path.components().any(|part| part == Component::ParentDir);
        if let Some(inside) = inside.filter(|path| !climbs(path)) {
            return json!({"uri": relative_uri(inside), "uriBaseId": ROOT});
        }
        let absolute = match &self.base {
            Some(base) => climbed(&base.join(path)),
            None => path.to_owned(),
        };
        match url::Url::from_file_path(absolute) {
            Ok(url) => json!({"uri": url.as_str()}),
            Err(()) => json!({"uri": relative_uri(path)}),
        }
    }
}

/// A path without `..` in it; links are not looked at.
fn climbed(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            tidy.pop();
        } else {
            tidy.push(part);
        }
    }
    tidy
}

/// A path as a relative reference: everything but plain characters is percent-encoded.
fn relative_uri(path: &Path) -> String {
    let mut uri = String::new();
    for part in path.components().filter(|part| *part != Component::CurDir) {
        if !uri.is_empty() {
            uri.push('/');
        }
        for byte in part.as_os_str().as_encoded_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(*byte)),
                _ => uri.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    uri
}

fn region_json(input: &Input, region: &Region) -> Value {
    if input.parts.is_empty() {
        return json!({"byteOffset": input.place.offset, "byteLength": input.place.bytes});
    }
    let mut found = json!({
        "startLine": region.from.line, "startColumn": region.from.column,
        "endLine": region.to.line, "endColumn": region.to.column,
    });
    if let Some(map) = found.as_object_mut().filter(|_| !input.converted) {
        map.insert("byteOffset".to_owned(), Value::from(region.offset));
        map.insert("byteLength".to_owned(), Value::from(region.bytes));
    }
    found
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// As code scanners rank findings, 0 to 10.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.5",
    }
}

fn rule_json(rule: &testudo_detect::Rule) -> Value {
    let mut tags = vec!["security", rule.kind.as_str()];
    tags.extend(rule.refs.iter().map(testudo_types::RefId::as_str));
    described(rule.id.as_str(), &rule.title, rule.kind, rule.severity, &tags)
}

fn gap_rule_json(id: &str, title: &str) -> Value {
    let tags = ["security", ThreatKind::Unscannable.as_str()];
    described(id, title, ThreatKind::Unscannable, Severity::High, &tags)
}

fn described(id: &str, title: &str, kind: ThreatKind, severity: Severity, tags: &[&str]) -> Value {
    let help = help(kind);
    json!({
        "id": id, "name": id,
        "shortDescription": {"text": title},
        "fullDescription": {"text": format!("{title}: {}.", kind.title())},
        "help": {"text": help, "markdown": format!("**{title}**\n\n{help}")},
        "defaultConfiguration": {"level": level(severity)},
        "properties": {"tags": tags, "security-severity": security_severity(severity)},
    })
}

fn help(kind: ThreatKind) -> &'static str {
    match kind {
        ThreatKind::Injection => {
            "The text gives orders to a model. Read who wrote it: in a document or a tool's result nobody should. \
             Remove it, or keep the text away from models. If it is only quoted or explained, mark the finding with \
             `testudo finding mark`."
        }
        ThreatKind::Secret => {
            "A credential stands in the text. Revoke it where it was issued, then remove it from the text and from its \
             history; whoever could read the text may have it."
        }
        ThreatKind::PersonalData => {
            "Data about a person stands in the text. Remove it, or mask it before the text reaches a model; make sure \
             that you may process it."
        }
        ThreatKind::HiddenText => {
            "Characters that people do not see and models read. Delete them; if you did not write them, read what they \
             say before you trust the rest."
        }
        ThreatKind::Exfiltration => {
            "A link whose address carries data. Do not open or render it; look where the data came from, and allow \
             only hosts that you know."
        }
        ThreatKind::PromptLeak => {
            "An answer holds a part of the system prompt or a canary. Treat the prompt as known; keep nothing secret \
             in it."
        }
        ThreatKind::UnsafeOutput => {
            "An answer holds markup or code that would run where the answer goes. Escape it for that place, and do \
             not run what a model writes without a look."
        }
        ThreatKind::Quality => {
            "An answer is not what was asked for: declined, in another language, off its schema, or saying what \
             nobody in the exchange said. Read it before you rely on it."
        }
        ThreatKind::Unscannable => {
            "A guard could not read this, so nothing is known about it. Convert it to UTF-8 text, or split it; a \
             gateway does with it what the profile says of `unscannable`."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(relative_uri(Path::new("./a b/ü:%.md")), "a%20b/%C3%BC%3A%25.md");
        assert_eq!(relative_uri(Path::new("x/./y")), "x/y");
        let mut out = Vec::new();
        let mut sarif = Sarif::begin(&mut out).unwrap();
        sarif.base = Some(PathBuf::from("/home/ann/texts"));
        for (file, uri) in [
            ("a.md", "a.md"),
            ("/home/ann/texts/a.md", "a.md"),
            ("../b.md", "file:///home/ann/b.md"),
            ("/etc/motd", "file:///etc/motd"),
            ("-", "stdin"),
        ] {
            let found = sarif.artifact(file);
            assert_eq!(found["uri"], uri, "{file}");
        }
    }
}
