//! TensorFlow Lite: the operators that a model brings beside those of the runtime.

use crate::graphs;
use crate::scan::{Place, Scan};
use crate::source::{Source, read_exact};
use crate::verdict::{Verdict, shown};

/// Operators of one model.
const OPERATORS_MAX: u64 = 10_000;
const NAME_BYTES_MAX: usize = 1_000;

/// Whether bytes begin as a model does.
pub(crate) fn is_one(head: &[u8]) -> bool {
    head.get(4..8) == Some(b"TFL3")
}

/// Reads the names of a model's own operators.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    scan.part(place, "tflite", source.size());
    let Some(names) = operators(source) else {
        let reason = "its table of operators cannot be read";
        return scan.find(place, "tflite.operators", Verdict::Unknown, reason, None);
    };
    for name in names {
        // Operators of TensorFlow itself, by a delegate.
        if let Some(operator) = name.strip_prefix("Flex") {
            graphs::operator(scan, operator, place);
        } else if !name.starts_with("TFLite_") {
            let reason = format!("operator `{}` needs a native library", shown(&name));
            scan.find(place, "tflite.operator", Verdict::Suspicious, reason, None);
        }
    }
}

fn number(source: &dyn Source, at: u64, bytes: usize) -> Option<u64> {
    let read = read_exact(source, at, bytes).ok()?;
    Some(read.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// Where an offset leads to.
fn followed(source: &dyn Source, at: u64) -> Option<u64> {
    at.checked_add(number(source, at, 4)?)
}

/// Where a field of a table lies; `Some(None)` if it is left out.
fn field(source: &dyn Source, table: u64, index: u64) -> Option<Option<u64>> {
    let back = i64::from(i32::from_le_bytes(read_exact(source, table, 4).ok()?.try_into().ok()?));
    let fields = table.checked_add_signed(back.checked_neg()?)?;
    let bytes = number(source, fields, 2)?;
    let place = index.checked_mul(2)?.checked_add(4)?;
    if place.checked_add(2)? > bytes {
        return Some(None);
    }
    match number(source, fields.checked_add(place)?, 2)? {
        0 => Some(None),
        offset => Some(Some(table.checked_add(offset)?)),
    }
}

/// The names of operators that are none of the runtime's; nothing if they cannot be followed.
fn operators(source: &dyn Source) -> Option<Vec<String>> {
    let model = followed(source, 0)?;
    let Some(list) = field(source, model, 1)? else {
        return Some(Vec::new());
    };
    let list = followed(source, list)?;
    let count = number(source, list, 4)?;
    if count > OPERATORS_MAX {
        return None;
    }
    let mut names = Vec::new();
    for index in 0..count {
        let at = list.checked_add(4)?.checked_add(index.checked_mul(4)?)?;
        let operator = followed(source, at)?;
        let Some(name) = field(source, operator, 1)? else {
            continue;
        };
        let name = followed(source, name)?;
        let bytes = usize::try_from(number(source, name, 4)?)
            .ok()
            .filter(|bytes| *bytes <= NAME_BYTES_MAX)?;
        let text = read_exact(source, name.checked_add(4)?, bytes).ok()?;
        names.push(String::from_utf8_lossy(&text).into_owned());
    }
    Some(names)
}
