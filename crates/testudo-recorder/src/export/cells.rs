//! Entries as rows of a table: columns that are never renamed or moved, only added before the last.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use testudo_ledger::Hash;
use testudo_ledger::entry::{Body, Entry, Exchange};

/// The columns, in order.
pub(super) const COLUMNS: [&str; 30] = [
    "index",
    "time",
    "at_ms",
    "type",
    "id",
    "tenant",
    "principal",
    "route",
    "upstream",
    "operation",
    "model",
    "verdict",
    "action",
    "outcome",
    "detail",
    "status",
    "streamed",
    "edited",
    "forwarded",
    "findings",
    "policies",
    "request_bytes",
    "response_bytes",
    "input_tokens",
    "output_tokens",
    "first_byte_ms",
    "duration_ms",
    "payload_subject",
    "leaf",
    "entry",
];

pub(super) fn heading() -> String {
    let mut line = COLUMNS.join(",");
    line.push_str("\r\n");
    line
}

/// The row of an entry.
pub(super) fn row(index: u64, leaf: Hash, bytes: &[u8], entry: &Entry) -> String {
    let mut row = Row::of(index, leaf);
    row.set("time", time(entry.at));
    row.set("at_ms", entry.at.to_string());
    row.set("type", entry.body.kind().to_owned());
    row.maybe("tenant", entry.tenant.map(|it| it.to_string()));
    row.maybe("principal", entry.principal.map(|it| it.to_string()));
    let subject = entry.payload.as_ref().map(|it| it.subject.to_string());
    row.maybe("payload_subject", subject);
    row.set("entry", String::from_utf8_lossy(bytes).into_owned());
    match &entry.body {
        Body::Exchange(it) => exchange(&mut row, it),
        Body::Begun(it) => {
            row.set("id", it.id.clone());
            row.set("route", it.route.clone());
            row.set("upstream", it.upstream.clone());
            row.set("operation", it.operation.clone());
            row.maybe("model", it.model.clone());
            row.set("verdict", it.verdict.as_str().to_owned());
            row.set("action", it.action.as_str().to_owned());
        }
        Body::Decision(it) => {
            row.maybe("id", it.exchange.clone());
            row.set("verdict", it.verdict.as_str().to_owned());
            row.set("action", it.action.as_str().to_owned());
            row.set("policies", it.policies.join("; "));
        }
        // The others have columns of their own only in the entry itself.
        _ => {}
    }
    row.line()
}

/// The row of an entry that this program cannot read.
pub(super) fn unreadable(index: u64, leaf: Hash, bytes: &[u8]) -> String {
    let mut row = Row::of(index, leaf);
    row.set("type", "unreadable".to_owned());
    row.set("entry", STANDARD.encode(bytes));
    row.line()
}

fn exchange(row: &mut Row, it: &Exchange) {
    let findings: Vec<String> = it
        .findings
        .iter()
        .map(|it| {
            format!(
                "{} {} {} {}",
                it.rule,
                it.direction.as_str(),
                it.action.as_str(),
                it.count
            )
        })
        .collect();
    row.set("id", it.id.clone());
    row.set("route", it.route.clone());
    row.set("upstream", it.upstream.clone());
    row.set("operation", it.operation.clone());
    row.maybe("model", it.model.clone());
    row.set("verdict", it.verdict.as_str().to_owned());
    row.set("action", it.action.as_str().to_owned());
    row.set("outcome", it.outcome.clone());
    row.set("detail", it.detail.clone());
    row.set("status", it.status.to_string());
    row.set("streamed", it.streamed.to_string());
    row.set("edited", it.edited.to_string());
    row.set("forwarded", it.forwarded.to_string());
    row.set("findings", findings.join("; "));
    row.set("policies", it.policies.join("; "));
    row.set("request_bytes", it.request_bytes.to_string());
    row.set("response_bytes", it.response_bytes.to_string());
    row.maybe("input_tokens", it.input_tokens.map(|it| it.to_string()));
    row.maybe("output_tokens", it.output_tokens.map(|it| it.to_string()));
    row.maybe("first_byte_ms", it.first_byte_ms.map(|it| it.to_string()));
    row.set("duration_ms", it.duration_ms.to_string());
}

/// One cell for each column.
struct Row([String; COLUMNS.len()]);

impl Row {
    fn of(index: u64, leaf: Hash) -> Self {
        let mut row = Self(Default::default());
        row.set("index", index.to_string());
        row.set("leaf", STANDARD.encode(leaf.as_bytes()));
        row
    }

    fn set(&mut self, column: &str, text: String) {
        let mut cells = COLUMNS.iter().zip(&mut self.0);
        if let Some((_, cell)) = cells.find(|(name, _)| **name == column) {
            *cell = text;
        }
    }

    fn maybe(&mut self, column: &str, text: Option<String>) {
        self.set(column, text.unwrap_or_default());
    }

    fn line(&self) -> String {
        let cells: Vec<String> = self.0.iter().map(|it| cell(it)).collect();
        let mut line = cells.join(",");
        line.push_str("\r\n");
        line
    }
}

/// A cell as it is written: disarmed, and quoted where that is needed.
pub(super) fn cell(text: &str) -> String {
    let armed = text.starts_with(['=', '+', '-', '@', '\'', '\t', '\r']);
    let text = if armed { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// A time for people and for machines; one that no calendar has stays a number.
fn time(at: u64) -> String {
    let stamp = i64::try_from(at)
        .ok()
        .and_then(|it| Timestamp::from_millisecond(it).ok());
    stamp.map_or_else(|| at.to_string(), |it| format!("{it:.3}"))
}
