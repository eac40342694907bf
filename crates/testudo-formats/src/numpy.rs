//! Arrays of numpy: the header is a Python literal, and objects are a pickle.

use crate::pickle::{self, Surely};
use crate::scan::{Place, Scan};
use crate::source::{Cursor, Fault, Source};
use crate::verdict::{Verdict, shown};

/// Longest header; numpy itself refuses more than 10,000 bytes unless told otherwise.
const HEADER_BYTES_MAX: usize = 1 << 20;
/// Arrays in one file, one after the other.
const ARRAYS_MAX: u32 = 100_000;

/// What a header says about the array.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) has_objects: bool,
    /// Bytes of the data, if the type is one whose size is known.
    bytes: Option<u64>,
}

/// Reads the arrays of a file.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    scan.part(place, "npy", source.size());
    let mut at = 0;
    for _ in 0..ARRAYS_MAX {
        let mut cursor = Cursor::new(source, at);
        let text = match header(&mut cursor) {
            Ok(text) => text,
            Err(fault) => {
                let reason = format!("its header cannot be read: {fault}");
                scan.find(place, "npy.header", Verdict::Unknown, reason, Some(at));
                return;
            }
        };
        let Some(header) = understood(&text) else {
            let reason = format!("its header is no plain dictionary: `{}`", shown(&text));
            scan.find(place, "npy.header", Verdict::Unknown, reason, Some(at));
            pickle::search(scan, source, cursor.position(), place);
            return;
        };
        scan.fact(place, "header", text.trim());
        let data_at = cursor.position();
        if header.has_objects {
            pickle::judge(scan, source, data_at, place, Surely::Pickle);
            return;
        }
        let Some(bytes) = header.bytes else {
            // A structured type whose size was not added up: its data is data.
            return;
        };
        let end = data_at.saturating_add(bytes);
        if end >= source.size() {
            if end > source.size() {
                let reason = "its data is shorter than its header says";
                scan.find(place, "npy.data", Verdict::Suspicious, reason, Some(data_at));
            }
            return;
        }
        let next = crate::source::read_up_to(source, end, 6).unwrap_or_default();
        if next != b"\x93NUMPY" {
            return pickle::after(scan, source, end, place, "follow the array");
        }
        at = end;
    }
    scan.find(
        place,
        "npy.header",
        Verdict::Unknown,
        "too many arrays in one file",
        Some(at),
    );
}

pub(crate) fn header(cursor: &mut Cursor<'_>) -> Result<String, Fault> {
    cursor.skip(6)?;
    let major = cursor.byte()?;
    cursor.skip(1)?;
    let bytes = if major == 1 {
        u64::from(u16::from_le_bytes(cursor.array()?))
    } else {
        u64::from(cursor.u32_le()?)
    };
    let raw = cursor.take(bytes, HEADER_BYTES_MAX)?;
    Ok(String::from_utf8_lossy(&raw).into_owned())
}

/// Reads `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`; numpy evaluates it as a literal.
pub(crate) fn understood(text: &str) -> Option<Header> {
    let text = text.trim();
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    // Literals only: no names but these, no calls, no operators.
    let mut in_quotes = None;
    let mut word = String::new();
    for character in inner.chars().chain([' ']) {
        match in_quotes {
            Some(quote) => {
                if character == quote {
                    in_quotes = None;
                } else if character == '\\' {
                    return None;
                }
                continue;
            }
            None if matches!(character, '\'' | '"') => in_quotes = Some(character),
            None => {}
        }
        if character.is_ascii_alphanumeric() || character == '_' {
            word.push(character);
            continue;
        }
        let is_number = word.trim_end_matches('L').bytes().all(|byte| byte.is_ascii_digit());
        if !is_number && !matches!(word.as_str(), "True" | "False" | "None") {
            return None;
        }
        word.clear();
        if !matches!(
            character,
            ' ' | ',' | ':' | '(' | ')' | '[' | ']' | '{' | '}' | '\'' | '"' | '\n' | '-'
        ) {
            return None;
        }
    }
    if in_quotes.is_some() {
        return None;
    }
    let descr = after_key(inner, "descr")?;
    let shape = after_key(inner, "shape")?;
    let types = quoted(descr, shape);
    let is_simple = descr.trim_start().starts_with(['\'', '"']);
    let has_objects = types
        .iter()
        .any(|name| name.trim_start_matches(['|', '<', '>', '=']).starts_with('O'));
    let bytes = if is_simple && !has_objects {
        types.first().and_then(|name| item_bytes(name)).and_then(|item| {
            let shape = shape.trim_start().strip_prefix('(')?;
            let axes = shape.get(..shape.find(')')?)?;
            axes.split(',')
                .map(|axis| axis.trim().trim_end_matches('L'))
                .filter(|axis| !axis.is_empty())
                .try_fold(item, |size, axis| size.checked_mul(axis.parse().ok()?))
        })
    } else {
        None
    };
    Some(Header { has_objects, bytes })
}

pub(crate) fn after_key<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let at = ["'", "\""]
        .iter()
        .find_map(|quote| text.find(&format!("{quote}{key}{quote}")))?;
    let rest = text.get(at.saturating_add(key.len()).saturating_add(2)..)?;
    rest.trim_start().strip_prefix(':')
}

/// The quoted texts of a value, up to where the next key begins.
fn quoted<'t>(descr: &'t str, shape: &str) -> Vec<&'t str> {
    let until = descr
        .len()
        .checked_sub(shape.len())
        .filter(|_| descr.ends_with(shape))
        .unwrap_or(descr.len());
    let mut out: Vec<&str> = descr
        .get(..until)
        .unwrap_or(descr)
        .split(['\'', '"'])
        .skip(1)
        .step_by(2)
        .collect();
    if descr.trim_start().starts_with(['\'', '"']) {
        out.truncate(1);
    }
    out
}

pub(crate) fn item_bytes(name: &str) -> Option<u64> {
    let name = name.trim_start_matches(['<', '>', '|', '=']);
    let kind = name.chars().next()?;
    let digits = name.get(kind.len_utf8()..)?;
    // Times carry their unit: `M8[ns]`.
    let digits: u64 = digits.split('[').next()?.parse().ok()?;
    match kind {
        'U' => digits.checked_mul(4),
        'b' | 'i' | 'u' | 'f' | 'c' | 'S' | 'a' | 'M' | 'm' | 'V' => Some(digits),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_literals() {
        let check = |text: &str| understood(text).map(|header| (header.has_objects, header.bytes));
        assert_eq!(
            check("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }"),
            Some((false, Some(96)))
        );
        assert_eq!(
            check("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\n"),
            Some((true, None))
        );
        assert_eq!(
            check("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (), }"),
            Some((false, Some(8)))
        );
        let structured = "{'descr': [('a', '<i8'), ('b', 'O')], 'fortran_order': False, 'shape': (2,), }";
        assert_eq!(check(structured), Some((true, None)));
        // A field that is called like a type of objects is none.
        let named = "{'descr': [('O', '<i8')], 'fortran_order': False, 'shape': (2,), }";
        assert_eq!(check(named), Some((true, None)));
        for wrong in [
            "",
            "{}",
            "{'descr': __import__('os').system('x'), 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '<f8' + '', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), ",
            "{'descr': '\\x4f', 'fortran_order': False, 'shape': (2,), }",
            "{'shape': (2,)}",
        ] {
            assert_eq!(check(wrong), None, "{wrong}");
        }
    }
}
