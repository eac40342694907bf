//! `testudo model scan`: finds files, judges them on all cores, and prints what was found in the order of their names.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use serde_json::{Value, json};
use testudo_formats::{Finding, Options, Report, Source, Verdict};

use super::bill::Bill;
use super::files::{self, Beside, Candidate, Found, Opened};
use super::sarif::Sarif;
use crate::arguments::model::scan::{FailOn, Scan, ScanFormat};
use crate::exit::Exit;
use crate::output::{counted, printable, size};
use crate::progress::Progress;

/// The most that is taken from standard input.
const STDIN_BYTES_MAX: usize = 2 << 30;

/// A file and what it came to.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) path: String,
    pub(super) bytes: u64,
    /// Made for a bill of materials only.
    pub(super) sha256: Option<String>,
    pub(super) report: Report,
}

pub(crate) fn run(arguments: &Scan, out: &mut impl Write) -> anyhow::Result<Exit> {
    let options = Options {
        also_allowed: arguments.allowed.clone(),
        ..Options::default()
    };
    let mut printer = Printer::begin(arguments, out)?;
    let paths: Vec<_> = arguments
        .paths
        .iter()
        .filter(|path| path.as_os_str() != "-")
        .cloned()
        .collect();
    if paths.len() < arguments.paths.len() {
        let bytes = testudo_bounded::read_to_end(io::stdin().lock(), STDIN_BYTES_MAX)?;
        let judged = judge(&bytes.as_slice(), "-", &options, printer.hashes());
        printer.print(&judged, out)?;
    }
    let found = match files::find(&paths) {
        Ok(found) => found,
        Err(error) => {
            writeln!(io::stderr(), "testudo: {error:#}")?;
            return Ok(Exit::BadInput);
        }
    };
    each(&found.files, arguments.jobs, &options, printer.hashes(), |judged| {
        printer.print(&judged, out)
    })?;
    printer.finish(&found, arguments.fail_on, out)
}

/// Judges files on several threads and hands them on in their order.
pub(super) fn each(
    files: &[Candidate],
    jobs: Option<NonZeroUsize>,
    options: &Options,
    hashes: bool,
    mut take: impl FnMut(Judged) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let jobs = jobs.map_or(cores, NonZeroUsize::get).min(files.len());
    let next = AtomicUsize::new(0);
    let mut progress = Progress::new("scanning");
    let total = u64::try_from(files.len()).unwrap_or(u64::MAX);
    std::thread::scope(|scope| {
        // Bounded: one slow file does not let the others pile up.
        let (sender, receiver) = mpsc::sync_channel(jobs.saturating_mul(64).max(1));
        for _ in 0..jobs {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(candidate) = files.get(index) else { return };
                    if sender.send((index, judge_file(candidate, options, hashes))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut due = 0_usize;
        for (done, (index, judged)) in receiver.iter().enumerate() {
            waiting.insert(index, judged);
            progress.at(u64::try_from(done).unwrap_or(0), total);
            while let Some(judged) = waiting.remove(&due) {
                due = due.saturating_add(1);
                progress.clear();
                take(judged)?;
            }
        }
        Ok(())
    })
}

pub(super) fn judge_file(candidate: &Candidate, options: &Options, hashes: bool) -> Judged {
    let path = candidate.path.display().to_string();
    let mut judged = match Opened::open(&candidate.path) {
        Ok(opened) => Judged {
            bytes: opened.size(),
            sha256: hashes.then(|| super::bill::sha256(&opened)).flatten(),
            report: testudo_formats::scan_in(&opened, &path, options, &Beside::of(&candidate.path)),
            path: path.clone(),
        },
        Err(error) => Judged {
            bytes: 0,
            sha256: None,
            report: Report {
                verdict: Verdict::Unknown,
                findings: vec![finding("file.read", Verdict::Unknown, &error.to_string(), &path)],
                parts: Vec::new(),
                findings_left_out: 0,
                parts_left_out: 0,
            },
            path: path.clone(),
        },
    };
    if candidate.leads_outside {
        let reason = "it is reached by a link that leads out of the folder";
        judged
            .report
            .findings
            .push(finding("file.link", Verdict::Suspicious, reason, &path));
        judged.report.verdict = judged.report.verdict.max(Verdict::Suspicious);
    }
    judged
}

fn finding(rule: &'static str, verdict: Verdict, reason: &str, path: &str) -> Finding {
    Finding {
        rule,
        verdict,
        reason: reason.to_owned(),
        path: path.to_owned(),
        offset: None,
        count: 1,
    }
}

pub(super) fn judge(source: &dyn Source, path: &str, options: &Options, hashes: bool) -> Judged {
    Judged {
        path: path.to_owned(),
        bytes: source.size(),
        sha256: hashes.then(|| super::bill::sha256(source)).flatten(),
        report: testudo_formats::scan(source, path, options),
    }
}

/// What has been printed, and what is still to be said.
struct Printer {
    format: ScanFormat,
    all: bool,
    counts: BTreeMap<Verdict, usize>,
    bytes: u64,
    sarif: Sarif,
    bill: Bill,
}

impl Printer {
    fn begin(arguments: &Scan, out: &mut impl Write) -> anyhow::Result<Self> {
        match arguments.format {
            ScanFormat::Sarif => Sarif::begin(out)?,
            ScanFormat::Cyclonedx => Bill::begin(out)?,
            ScanFormat::Table | ScanFormat::Json => {}
        }
        Ok(Self {
            format: arguments.format,
            all: arguments.all,
            counts: BTreeMap::new(),
            bytes: 0,
            sarif: Sarif::default(),
            bill: Bill::default(),
        })
    }

    fn hashes(&self) -> bool {
        self.format == ScanFormat::Cyclonedx
    }

    fn print(&mut self, judged: &Judged, out: &mut impl Write) -> anyhow::Result<()> {
        let count = self.counts.entry(judged.report.verdict).or_default();
        *count = count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(judged.bytes);
        match self.format {
            ScanFormat::Table if self.all || !judged.report.findings.is_empty() => table(judged, out)?,
            ScanFormat::Table => {}
            ScanFormat::Json => writeln!(out, "{}", object(judged))?,
            ScanFormat::Sarif => self.sarif.file(judged, out)?,
            ScanFormat::Cyclonedx => self.bill.file(judged, out)?,
        }
        Ok(())
    }

    fn finish(self, found: &Found, fail_on: FailOn, out: &mut impl Write) -> anyhow::Result<Exit> {
        for problem in &found.problems {
            writeln!(io::stderr(), "testudo: cannot read {}", printable(problem))?;
        }
        let count = |verdict| self.counts.get(&verdict).copied().unwrap_or(0);
        match self.format {
            ScanFormat::Table => {
                let files = self.counts.values().copied().fold(0_usize, usize::saturating_add);
                let mut words: Vec<String> = self
                    .counts
                    .iter()
                    .rev()
                    .map(|(verdict, count)| format!("{count} {verdict}"))
                    .collect();
                if found.passed_over > 0 {
                    words.push(format!("{} no files and passed over", found.passed_over));
                }
                let files = counted(files, "file");
                writeln!(out, "{files}, {}: {}", size(self.bytes), words.join(", "))?;
            }
            ScanFormat::Json => {}
            ScanFormat::Sarif => self.sarif.finish(&found.problems, out)?,
            ScanFormat::Cyclonedx => Bill::finish(out)?,
        }
        let suspicious = fail_on == FailOn::Suspicious && count(Verdict::Suspicious) > 0;
        let unknown = fail_on != FailOn::Malicious && count(Verdict::Unknown) > 0;
        Ok(if count(Verdict::Malicious) > 0 || (suspicious && !unknown) {
            Exit::Found
        } else if !found.problems.is_empty() {
            Exit::BadInput
        } else if unknown {
            Exit::Inconclusive
        } else {
            Exit::Done
        })
    }
}

fn table(judged: &Judged, out: &mut impl Write) -> io::Result<()> {
    let format = judged.report.parts.first().map_or("unread", |part| part.format);
    writeln!(
        out,
        "{:<10}  {}  ({format})",
        judged.report.verdict.word(),
        printable(&judged.path)
    )?;
    for finding in &judged.report.findings {
        let place = match (member(judged, finding), finding.offset) {
            ("", None) => String::new(),
            ("", Some(offset)) => format!(" at byte {offset}"),
            (member, None) => format!(" in {}", printable(member)),
            (member, Some(offset)) => format!(" in {} at byte {offset}", printable(member)),
        };
        let times = if finding.count > 1 {
            format!(" ({} times)", finding.count)
        } else {
            String::new()
        };
        let reason = printable(&finding.reason);
        writeln!(
            out,
            "            {} {}{place}: {reason}{times}",
            finding.verdict, finding.rule
        )?;
    }
    if judged.report.findings_left_out > 0 {
        writeln!(out, "            and {} findings more", judged.report.findings_left_out)?;
    }
    Ok(())
}

/// The part of a finding's path inside the file.
pub(super) fn member<'f>(judged: &Judged, finding: &'f Finding) -> &'f str {
    finding
        .path
        .strip_prefix(judged.path.as_str())
        .and_then(|rest| rest.strip_prefix("!/"))
        .unwrap_or_default()
}

pub(super) fn object(judged: &Judged) -> Value {
    let findings: Vec<Value> = judged
        .report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "rule": finding.rule, "verdict": finding.verdict.word(), "reason": finding.reason,
                "member": member(judged, finding), "offset": finding.offset, "count": finding.count,
            })
        })
        .collect();
    let parts: Vec<Value> = judged
        .report
        .parts
        .iter()
        .map(|part| {
            let facts: serde_json::Map<String, Value> = part
                .facts
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
                .collect();
            json!({"path": part.path, "format": part.format, "bytes": part.bytes, "facts": facts})
        })
        .collect();
    json!({
        "path": judged.path, "verdict": judged.report.verdict.word(), "bytes": judged.bytes,
        "findings": findings, "findings_left_out": judged.report.findings_left_out,
        "parts": parts, "parts_left_out": judged.report.parts_left_out,
    })
}

/// A path as a URI reference: relative ones stay so.
pub(super) fn uri(path: &str) -> String {
    let mut out = String::new();
    if Path::new(path).is_absolute() {
        out.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
