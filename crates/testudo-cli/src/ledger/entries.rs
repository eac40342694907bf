//! `testudo ledger tail` and `query`: entries as rows.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use testudo_gateway::system_clock::SystemClock;
use testudo_ledger::entry::Entry;
use testudo_recorder::LogFolder;
use testudo_recorder::query::{Cursor, Order, PAGE_ROWS_MAX};
use testudo_types::UnixMillis;

use super::{filter, log, reader};
use crate::arguments::Format;
use crate::arguments::ledger::{Query, Tail};
use crate::exit::Exit;
use crate::output::{day_and_time, table};

/// How often `--follow` looks for new entries.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The last entries, the newest at the bottom.
pub(super) async fn tail(arguments: &Tail, out: &mut impl Write) -> anyhow::Result<Exit> {
    let log = log(&arguments.store)?;
    let mut next = log.size()?.saturating_sub(u64::from(arguments.limit));
    let mut heading = true;
    loop {
        let size = log.size()?;
        let mut rows = Vec::new();
        while next < size {
            rows.push(read(&log, next)?);
            next = next.saturating_add(1);
        }
        print(&rows, arguments.format, heading, out)?;
        heading = heading && rows.is_empty();
        if !arguments.follow {
            return Ok(Exit::Done);
        }
        out.flush()?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The entries that a filter names, the newest first.
pub(super) async fn query(arguments: &Query, out: &mut impl Write) -> anyhow::Result<Exit> {
    let log = log(&arguments.store)?;
    let mut rows = Vec::new();
    if let Some(wanted) = filter::wanted(&arguments.filter, &log, &SystemClock::new()).await? {
        let mut reader = reader(&log).await?;
        let mut after: Option<Cursor> = None;
        let mut left = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
        while left > 0 {
            let page = reader
                .find(&wanted, Order::NewestFirst, left.min(PAGE_ROWS_MAX), after)
                .await?;
            left = left.saturating_sub(page.rows.len());
            let indexes: VecDeque<u64> = page.rows.iter().map(|row| row.index).collect();
            for index in indexes {
                rows.push(read(&log, index)?);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    if rows.is_empty() && arguments.format == Format::Table {
        writeln!(out, "no entry fits")?;
        return Ok(Exit::Done);
    }
    print(&rows, arguments.format, true, out)?;
    Ok(Exit::Done)
}

/// One entry of the log.
pub(super) struct Row {
    index: u64,
    bytes: Vec<u8>,
    /// Nothing when it follows no schema known here.
    entry: Option<Entry>,
}

fn read(log: &LogFolder, index: u64) -> anyhow::Result<Row> {
    let bytes = log.entry(index)?;
    let entry = Entry::decode(&bytes).ok();
    Ok(Row { index, bytes, entry })
}

impl Row {
    /// The entry as JSON, with its place; text when it is none.
    pub(super) fn json(&self) -> Value {
        let entry = serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&self.bytes).into_owned()));
        json!({"index": self.index, "entry": entry})
    }

    fn cells(&self) -> [String; 7] {
        let index = self.index.to_string();
        let Some(entry) = &self.entry else {
            let unknown = "of a newer version".to_owned();
            return [
                index,
                String::new(),
                unknown,
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ];
        };
        let json = self.json();
        let body = |name: &str| match json.pointer(&format!("/entry/body/{name}")) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        [
            index,
            day_and_time(UnixMillis(entry.at)),
            entry.body.kind().to_owned(),
            body("route"),
            first(&[
                body("outcome"),
                body("action"),
                body("state"),
                body("result"),
                body("reason"),
            ]),
            first(&[
                body("detail"),
                rules(&json),
                body("count"),
                body("basis"),
                body("version"),
            ]),
            first(&[body("id"), body("request"), body("subject")]),
        ]
    }
}

fn first(texts: &[String]) -> String {
    texts.iter().find(|text| !text.is_empty()).cloned().unwrap_or_default()
}

fn rules(json: &Value) -> String {
    let findings = json.pointer("/entry/body/findings").and_then(Value::as_array);
    let rules = findings.into_iter().flatten();
    let mut names: Vec<&str> = rules.filter_map(|it| it.get("rule")?.as_str()).collect();
    names.dedup();
    names.join(",")
}

fn print(rows: &[Row], format: Format, heading: bool, out: &mut impl Write) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            for row in rows {
                writeln!(out, "{}", row.json())?;
            }
        }
        Format::Table => {
            let header = ["entry", "time", "type", "route", "outcome", "detail", "id"].map(str::to_owned);
            let mut cells: Vec<[String; 7]> = rows.iter().map(Row::cells).collect();
            if heading {
                cells.insert(0, header);
            }
            table(out, "", &cells)?;
        }
    }
    Ok(())
}
