//! What one model's weights look like, for people and for programs.

use std::io::Write;

use serde_json::{Value, json};
use testudo_formats::weights::{LowBits, Measured, Rows, Values};

use super::collection::{Collection, Item};
use super::{Summary, hex, shape};
use crate::output::{self, counted, printable, size};

pub(super) fn table(
    known: &[(Item, Measured)],
    collection: &Collection,
    summary: &Summary,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut rows = vec![["tensor", "type", "shape", "sha256", "norm", "notes"].map(str::to_owned)];
    for (item, measured) in known {
        rows.push([
            printable(&item.name),
            item.tensor.dtype.clone(),
            shape(&item.tensor.shape),
            hex(measured.sha256.get(..6).unwrap_or_default()),
            measured.values.map_or("-".to_owned(), |values| number(values.l2)),
            notes(item, measured).join("; "),
        ]);
    }
    output::table(out, "", &rows)?;
    let noted = rows.iter().skip(1).filter(|row| !row[5].is_empty()).count();
    let mut formats: Vec<&str> = known.iter().map(|(item, _)| item.format).collect();
    formats.sort_unstable();
    formats.dedup();
    let bytes = known
        .iter()
        .map(|(item, _)| item.tensor.bytes)
        .fold(0, u64::saturating_add);
    writeln!(
        out,
        "{} of {}, {}, {noted} with notes, {} not read; {}",
        counted(known.len(), "tensor"),
        formats.join(" and "),
        size(bytes),
        collection.unread.len(),
        summary.speed.words(),
    )?;
    writeln!(out, "all together: sha256:{}", summary.digest)?;
    Ok(())
}

/// What is worth a look.
fn notes(item: &Item, measured: &Measured) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(values) = &measured.values {
        notes.extend(values_note(values));
    }
    if let Some(rows) = measured.rows.as_ref().filter(|rows| rows.outliers > 0) {
        let listed: Vec<String> = rows
            .farthest
            .iter()
            .take(3)
            .map(|row| format!("{} ({:+.1})", row.row, row.score))
            .collect();
        let more = if rows.outliers > 3 { ", …" } else { "" };
        notes.push(format!(
            "{} of {} rows stand out: {}{more}",
            rows.outliers,
            rows.count,
            listed.join(", ")
        ));
    }
    if let Some(bits) = &measured.low_bits {
        notes.extend(bits_note(&item.tensor.dtype, bits));
    }
    notes
}

fn values_note(values: &Values) -> Option<String> {
    match (
        values.nan,
        values.infinite,
        values.zero == values.count && values.count > 0,
    ) {
        (0, 0, false) => None,
        (0, 0, true) => Some("all 0".to_owned()),
        (nan, infinite, _) => Some(format!("{nan} NaN and {infinite} infinite of {}", values.count)),
    }
}

fn bits_note(dtype: &str, bits: &LowBits) -> Option<String> {
    let windows = bits.windows;
    let looked = windows
        .even
        .saturating_add(windows.uneven)
        .saturating_add(windows.silent);
    if bits.unused >= bits.width && bits.expected_min.is_some() {
        return Some(match widened(dtype, bits.unused) {
            Some(from) => format!("widened from {from}: {} low bits are 0", bits.unused),
            None => format!("{} low bits are 0", bits.unused),
        });
    }
    if let Some(at) = windows.first_change {
        let odd = windows.uneven.saturating_add(windows.silent);
        return Some(format!(
            "low bits change: {odd} of {looked} windows are no noise, first change at value {at}"
        ));
    }
    let short = bits.expected_min.is_some_and(|least| bits.entropy < least);
    short.then(|| format!("low bits are uneven: {:.3} of {} bits", bits.entropy, bits.width))
}

/// From which type, if so many low bits of the mantissa are unused.
fn widened(dtype: &str, unused: u32) -> Option<&'static str> {
    let dtype = dtype.to_ascii_lowercase();
    let dtype = dtype.trim_start_matches(['<', '>', '|', '=']);
    match (dtype, unused) {
        ("f32" | "f4" | "float32", 16..) => Some("bf16"),
        ("f32" | "f4" | "float32", 13..16) => Some("f16"),
        ("f64" | "f8" | "float64", 29..) => Some("f32"),
        _ => None,
    }
}

/// Short, and with digits enough to see a difference.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e6).contains(&value.abs()) {
        format!("{value:.4}")
    } else {
        format!("{value:.3e}")
    }
}

pub(super) fn objects(
    known: &[(Item, Measured)],
    collection: &Collection,
    summary: &Summary,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    for (item, measured) in known {
        writeln!(out, "{}", object(item, measured))?;
    }
    writeln!(out, "{}", end(collection, summary, known.len()))?;
    Ok(())
}

fn object(item: &Item, measured: &Measured) -> Value {
    json!({
        "tensor": item.name, "file": item.file, "format": item.format, "layer": item.layer(),
        "dtype": item.tensor.dtype, "shape": item.tensor.shape, "bytes": item.tensor.bytes,
        "sha256": hex(&measured.sha256),
        "values": measured.values.as_ref().map(values),
        "rows": measured.rows.as_ref().map(rows),
        "low_bits": measured.low_bits.as_ref().map(low_bits),
    })
}

fn values(values: &Values) -> Value {
    json!({
        "count": values.count, "nan": values.nan, "infinite": values.infinite, "zero": values.zero,
        "min": values.min, "max": values.max, "mean": values.mean, "l2": values.l2,
    })
}

fn rows(rows: &Rows) -> Value {
    let farthest: Vec<Value> = rows
        .farthest
        .iter()
        .map(|row| json!({"row": row.row, "norm": row.norm, "score": row.score}))
        .collect();
    json!({
        "count": rows.count, "median": rows.median, "mad": rows.mad, "outliers": rows.outliers, "farthest": farthest,
    })
}

fn low_bits(bits: &LowBits) -> Value {
    json!({
        "width": bits.width, "count": bits.count, "entropy": bits.entropy, "expected_min": bits.expected_min,
        "unused": bits.unused,
        "windows": {
            "even": bits.windows.even, "uneven": bits.windows.uneven, "silent": bits.windows.silent,
            "first_change": bits.windows.first_change,
        },
    })
}

fn end(collection: &Collection, summary: &Summary, tensors: usize) -> Value {
    json!({"summary": {
        "tensors": tensors, "manifest_sha256": summary.digest, "other_files": collection.other_files,
        "unread": unread(collection), "bytes": summary.speed.bytes, "ms": summary.speed.ms,
    }})
}

pub(super) fn unread(collection: &Collection) -> Vec<Value> {
    collection
        .unread
        .iter()
        .map(|(what, reason)| json!({"what": what, "reason": reason}))
        .collect()
}
