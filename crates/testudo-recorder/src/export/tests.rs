//! What goes out can be read back, and starts no formula.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;
use testudo_ledger::entry::Body;

use super::*;
use crate::export::cells::COLUMNS;
use crate::export::samples::samples;

fn log() -> Log {
    Log {
        origin: "testudo/0011223344556677".to_owned(),
        version: "0.3.0".to_owned(),
    }
}

/// The samples' bytes, with something no version of this program writes at the end.
fn leaves() -> Vec<Vec<u8>> {
    let mut leaves: Vec<Vec<u8>> = samples().iter().map(|it| it.encode().unwrap()).collect();
    leaves.push(b"{\"v\":2,\"type\":\"later\"}".to_vec());
    leaves.push(vec![0xff, b',', b'"']);
    leaves
}

fn exported(format: Format, leaves: &[Vec<u8>]) -> String {
    let mut exporter = Exporter::new(format, log(), Vec::new()).unwrap();
    for (index, leaf) in (7..).zip(leaves) {
        exporter.write(index, leaf).unwrap();
    }
    String::from_utf8(exporter.finish()).unwrap()
}

/// A reader of RFC 4180, stricter than most.
fn table(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut letters = text.chars().peekable();
    let mut quoted = false;
    while let Some(letter) = letters.next() {
        let cell = rows.last_mut().unwrap().last_mut().unwrap();
        match (letter, quoted) {
            ('"', true) if letters.next_if_eq(&'"').is_some() => cell.push('"'),
            ('"', true) => quoted = false,
            ('"', false) => {
                assert!(cell.is_empty(), "a quote inside a cell: {cell}");
                quoted = true;
            }
            (',', false) => rows.last_mut().unwrap().push(String::new()),
            ('\r', false) => {
                assert_eq!(letters.next(), Some('\n'));
                rows.push(vec![String::new()]);
            }
            ('\n', false) => panic!("a line feed alone"),
            (other, _) => cell.push(other),
        }
    }
    assert!(!quoted);
    assert_eq!(rows.pop(), Some(vec![String::new()]), "the last line ends");
    rows
}

fn plain(cell: &str) -> &str {
    cell.strip_prefix('\'').unwrap_or(cell)
}

#[test]
fn the_samples_have_every_type_of_entry() {
    let kinds: BTreeSet<&str> = samples().iter().map(|it| it.body.kind()).collect();
    assert_eq!(kinds, Body::KINDS.iter().copied().collect());
}

#[test]
fn json_lines_hold_the_very_bytes_of_the_log() {
    let leaves = leaves();
    let text = exported(Format::JsonLines, &leaves);
    assert_eq!(text.lines().count(), leaves.len());
    for ((line, leaf), index) in text.lines().zip(&leaves).zip(7_u64..) {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["index"], index);
        assert_eq!(value["leaf"], STANDARD.encode(Hash::leaf(leaf).as_bytes()));
        let bytes = match value["raw"].as_str() {
            Some(raw) => STANDARD.decode(raw).unwrap(),
            None => {
                let end = line.rfind(",\"index\":").unwrap();
                line.as_bytes()["{\"entry\":".len()..end].to_vec()
            }
        };
        assert_eq!(&bytes, leaf);
    }
}

#[test]
fn a_table_can_be_read_back_and_starts_no_formula() {
    let leaves = leaves();
    let rows = table(&exported(Format::Csv, &leaves));
    assert_eq!(rows[0], COLUMNS);
    assert_eq!(rows.len(), leaves.len() + 1);
    for ((row, leaf), index) in rows[1..].iter().zip(&leaves).zip(7_u64..) {
        assert_eq!(row.len(), COLUMNS.len());
        assert_eq!(row[0], index.to_string());
        assert!(row.iter().all(|it| !it.starts_with(['=', '+', '-', '@', '\t', '\r'])));
        let entry = plain(row.last().unwrap());
        if row[3] == "unreadable" {
            assert_eq!(&STANDARD.decode(entry).unwrap(), leaf);
        } else {
            assert_eq!(entry.as_bytes(), leaf);
        }
    }
    let exchange = &rows[1];
    assert_eq!(exchange[1], "2026-11-14T12:00:00.000Z");
    let detail = COLUMNS.iter().position(|it| *it == "detail").unwrap();
    assert_eq!((exchange[detail].as_str(), plain(&exchange[detail])), ("'=1+1", "=1+1"));
}

proptest! {
    #[test]
    fn any_cell_can_be_read_back(texts in proptest::collection::vec("[=+@',\"\r\n\ta-]{0,6}|\\PC{0,8}", 1..6)) {
        let cells: Vec<String> = texts.iter().map(|it| cells::cell(it)).collect();
        let rows = table(&format!("{}\r\n", cells.join(",")));
        let read: Vec<&str> = rows[0].iter().map(|it| plain(it)).collect();
        prop_assert_eq!(rows.len(), 1);
        prop_assert_eq!(read, texts);
        prop_assert!(rows[0].iter().all(|it| !it.starts_with(['=', '+', '-', '@', '\t', '\r'])));
    }
}

#[test]
fn formats_have_names() {
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.as_str()), Some(format));
    }
    assert_eq!(Format::from_name("xml"), None);
}

#[test]
fn an_output_that_fails_is_an_error() {
    let mut full: &mut [u8] = &mut [0; 600];
    let mut exporter = Exporter::new(Format::Csv, log(), &mut full).unwrap();
    assert!(exporter.write(0, &[b'x'; 600]).is_err());
}
