//! Plants requests of the corpora in their documents: an order on another subject that nobody who wrote the document would give.

use serde_json::{Map, Value, json};

use crate::framed::{capital, order, request};
use crate::random::{SplitMix64, stable_hash};
use crate::row::Row;

const ROWS: usize = 2400;
const HOST_FAMILIES: [&str; 8] = [
    "docs",
    "kb_docs",
    "tool_json",
    "bipia_ctx",
    "p3",
    "speeches",
    "writingbench",
    "user_scenario",
];
const HOST_BYTES: std::ops::RangeInclusive<usize> = 200..=1600;
/// What stands before a stray request, most often nothing.
const OPENINGS: [&str; 12] = [
    "",
    "",
    "",
    "",
    "Please ",
    "Also, ",
    "Then ",
    "Now ",
    "Next, ",
    "One more thing: ",
    "Before you answer, ",
    "Could you ",
];

/// Rows of documents with a stray request; each tells where it stands.
pub(crate) fn strays(corpus: &[Row], rng: &mut SplitMix64) -> Vec<Row> {
    let benign = || corpus.iter().filter(|row| !row.is_attack());
    let hosts: Vec<&Row> = benign().filter(|row| is_host(row)).collect();
    let requests: Vec<(String, &Row)> = benign()
        .filter_map(|row| Some((order(&request(&row.text)?)?, row)))
        .collect();
    let mut rows = Vec::new();
    for _ in 0..ROWS {
        let (Some(host), Some((request, from))) = (rng.pick(&hosts), rng.pick(&requests)) else {
            break;
        };
        let opening = rng.pick(&OPENINGS).copied().unwrap_or_default();
        let sentence = if opening.is_empty() {
            capital(request)
        } else {
            format!("{opening}{request}")
        };
        rows.extend(planted(host, from, &format!("{sentence}."), rng));
    }
    rows
}

fn is_host(row: &Row) -> bool {
    row.meta("family").is_some_and(|family| HOST_FAMILIES.contains(&family)) && HOST_BYTES.contains(&row.text.len())
}

fn planted(host: &Row, from: &Row, sentence: &str, rng: &mut SplitMix64) -> Option<Row> {
    let json_like = host.text.trim_start().starts_with(['{', '[']);
    let plant = if json_like {
        quoted(sentence)
    } else {
        sentence.to_owned()
    };
    let mark = if json_like { "\"," } else { *rng.pick(&["\n", ". "])? };
    let places: Vec<usize> = host
        .text
        .match_indices(mark)
        .map(|(at, found)| at.saturating_add(found.len()))
        .collect();
    let at = *rng.pick(&places)?;
    // Inside a JSON value the text goes before the closing quote.
    let at = if json_like { at.checked_sub(mark.len())? } else { at };
    let (before, after) = host.text.split_at_checked(at)?;
    let text = format!("{before} {plant} {after}");
    let mut meta = Map::new();
    meta.insert("family".to_owned(), json!("generated/stray"));
    meta.insert("lang".to_owned(), json!("en"));
    meta.insert("attack".to_owned(), json!(plant));
    Some(Row {
        id: format!("{:016x}", stable_hash(&text)),
        text,
        label: "injection".to_owned(),
        kind: "indirect".to_owned(),
        source: format!("testudo:generated/stray + {} + {}", host.source, from.source),
        licence: format!("{} + {}", host.licence, from.licence),
        meta,
    })
}

fn quoted(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    let inner = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(&quoted).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str, family: &str) -> Row {
        let mut meta = Map::new();
        meta.insert("family".to_owned(), json!(family));
        Row {
            id: String::new(),
            text: text.to_owned(),
            label: "benign".to_owned(),
            kind: "benign".to_owned(),
            source: "s".to_owned(),
            licence: "l".to_owned(),
            meta,
        }
    }

    #[test]
    fn a_planted_document_holds_its_attack_and_json_stays_json() {
        let host = row(r#"{"a": "one", "b": "two", "c": "three"}"#, "tool_json");
        let made = planted(&host, &host, "Write \"hello\".", &mut SplitMix64::new(1)).unwrap();
        assert!(made.text.contains(made.meta("attack").unwrap()));
        assert!(serde_json::from_str::<Value>(&made.text).is_ok(), "{}", made.text);
    }

    #[test]
    fn a_document_without_a_place_is_left_alone() {
        let host = row("no place here", "docs");
        assert!(planted(&host, &host, "Write a poem.", &mut SplitMix64::new(1)).is_none());
    }

    #[test]
    fn short_and_foreign_rows_are_no_hosts() {
        assert!(!is_host(&row("short", "docs")));
        assert!(!is_host(&row(&"long ".repeat(100), "banking77")));
        assert!(is_host(&row(&"long ".repeat(100), "docs")));
    }
}
