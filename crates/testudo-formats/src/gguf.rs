//! GGUF: typed keys and values, tensors whose places must fit the file, and a chat template that loaders carry out.

use std::collections::BTreeSet;

use crate::scan::{Place, Scan};
use crate::source::{Cursor, Fault, Source};
use crate::template;
use crate::verdict::{Verdict, shown};

pub(crate) const KEYS_MAX: u64 = 1 << 20;
pub(crate) const TENSORS_MAX: u64 = 1 << 20;
pub(crate) const NAME_BYTES_MAX: usize = 1 << 16;
const TEMPLATE_BYTES_MAX: usize = 4 << 20;
const DEPTH_MAX: u32 = 4;

/// What went wrong, in words.
pub(crate) struct Wrong(pub(crate) String);

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

/// Reads the header; weights are weights.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    scan.part(place, "gguf", source.size());
    let mut cursor = Cursor::new(source, 4);
    if let Err(Wrong(reason)) = header(scan, &mut cursor, place) {
        let reason = format!("its header cannot be read on: {reason}");
        scan.find(place, "gguf.header", Verdict::Unknown, reason, Some(cursor.position()));
    }
}

fn header(scan: &mut Scan<'_>, cursor: &mut Cursor<'_>, place: &Place) -> Result<(), Wrong> {
    let version = cursor.u32_le()?;
    if !matches!(version, 2 | 3) {
        return Err(Wrong(format!("version {version} is not known")));
    }
    let (tensors, keys) = (cursor.u64_le()?, cursor.u64_le()?);
    if keys > KEYS_MAX || tensors > TENSORS_MAX {
        return Err(Wrong(format!("{keys} keys and {tensors} tensors are over the limit")));
    }
    let mut seen = BTreeSet::new();
    let mut alignment = 32_u64;
    for _ in 0..keys {
        let at = cursor.position();
        let key = text(cursor, NAME_BYTES_MAX)?;
        if !seen.insert(key.clone()) {
            let reason = format!("key `{}` stands twice", shown(&key));
            scan.find(place, "gguf.keys", Verdict::Suspicious, reason, Some(at));
        }
        let kind = cursor.u32_le()?;
        match (key.as_str(), kind) {
            ("general.alignment", 4) => {
                alignment = u64::from(cursor.u32_le()?);
                if alignment == 0 || !alignment.is_power_of_two() {
                    return Err(Wrong(format!("an alignment of {alignment} is none")));
                }
            }
            (name, 8) => {
                let is_template = name.starts_with("tokenizer.chat_template");
                let max = if is_template { TEMPLATE_BYTES_MAX } else { 64 << 20 };
                let value = text(cursor, max)?;
                if is_template || template::is_template(&value) {
                    if let Some((verdict, reason)) = template::judge(&value) {
                        scan.find(
                            place,
                            "template",
                            verdict,
                            format!("`{}`: {reason}", shown(name)),
                            Some(at),
                        );
                    }
                } else if matches!(name, "general.architecture" | "general.name" | "general.license") {
                    let fact = match name {
                        "general.architecture" => "architecture",
                        "general.name" => "name",
                        _ => "license",
                    };
                    scan.fact(place, fact, &value);
                }
            }
            _ => skip(cursor, kind, DEPTH_MAX)?,
        }
    }
    places(scan, cursor, tensors, alignment, place)
}

pub(crate) fn text(cursor: &mut Cursor<'_>, bytes_max: usize) -> Result<String, Fault> {
    let bytes = cursor.u64_le()?;
    Ok(String::from_utf8_lossy(&cursor.take(bytes, bytes_max)?).into_owned())
}

pub(crate) fn skip(cursor: &mut Cursor<'_>, kind: u32, depth: u32) -> Result<(), Wrong> {
    match kind {
        0 | 1 | 7 => cursor.skip(1)?,
        2 | 3 => cursor.skip(2)?,
        4..=6 => cursor.skip(4)?,
        10..=12 => cursor.skip(8)?,
        8 => {
            let bytes = cursor.u64_le()?;
            cursor.skip(bytes)?;
        }
        9 => {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(Wrong("arrays lie too deep in each other".to_owned()));
            };
            let (inner, count) = (cursor.u32_le()?, cursor.u64_le()?);
            let width = match inner {
                0 | 1 | 7 => 1,
                2 | 3 => 2,
                4..=6 => 4,
                10..=12 => 8,
                // Each item has a length of its own; no more of them than bytes.
                _ if count > cursor.left() => return Err(Wrong("an array is longer than the file".to_owned())),
                _ => {
                    for _ in 0..count {
                        skip(cursor, inner, depth)?;
                    }
                    return Ok(());
                }
            };
            let bytes = count.checked_mul(width).ok_or(Fault::Truncated)?;
            cursor.skip(bytes)?;
        }
        other => return Err(Wrong(format!("type {other} is not known"))),
    }
    Ok(())
}

fn places(
    scan: &mut Scan<'_>,
    cursor: &mut Cursor<'_>,
    tensors: u64,
    alignment: u64,
    place: &Place,
) -> Result<(), Wrong> {
    let mut spans = Vec::new();
    let mut names = BTreeSet::new();
    for _ in 0..tensors {
        let at = cursor.position();
        let name = text(cursor, NAME_BYTES_MAX)?;
        let axes = cursor.u32_le()?;
        if axes > 4 {
            return Err(Wrong(format!("tensor `{}` has {axes} axes", shown(&name))));
        }
        let mut count = 1_u64;
        let mut first = 1_u64;
        for axis in 0..axes {
            let length = cursor.u64_le()?;
            first = if axis == 0 { length } else { first };
            count = count
                .checked_mul(length)
                .ok_or_else(|| Wrong("a shape overflows".to_owned()))?;
        }
        let kind = cursor.u32_le()?;
        let offset = cursor.u64_le()?;
        if !names.insert(name.clone()) {
            let reason = format!("tensor `{}` stands twice", shown(&name));
            scan.find(place, "gguf.tensors", Verdict::Suspicious, reason, Some(at));
        }
        if !offset.is_multiple_of(alignment) {
            let reason = format!("tensor `{}` is not aligned", shown(&name));
            scan.find(place, "gguf.tensors", Verdict::Unknown, reason, Some(at));
        }
        if let Some((block, bytes)) = block(kind) {
            if !first.is_multiple_of(block) {
                let reason = format!("a row of tensor `{}` is no whole number of blocks", shown(&name));
                scan.find(place, "gguf.tensors", Verdict::Unknown, reason, Some(at));
            }
            let size = count.div_ceil(block).checked_mul(bytes);
            spans.push((
                offset,
                size.and_then(|size| offset.checked_add(size)).unwrap_or(u64::MAX),
                name,
            ));
        }
    }
    scan.fact(place, "tensors", &tensors.to_string());
    let data_at = cursor.position().div_ceil(alignment).saturating_mul(alignment);
    let data = cursor.source().size().saturating_sub(data_at);
    spans.sort_unstable();
    let mut end = 0;
    for (from, to, name) in spans {
        if from < end || to > data {
            let what = if to > data {
                "ends after the file"
            } else {
                "overlaps another"
            };
            let reason = format!(
                "tensor `{}` {what}, which has crashed and leaked memory of loaders",
                shown(&name)
            );
            scan.find(place, "gguf.tensors", Verdict::Unknown, reason, Some(data_at));
            break;
        }
        end = to;
    }
    Ok(())
}

/// Weights in a block of this type, and its bytes; nothing for types that are not known.
pub(crate) fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        2 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        24 => (1, 1),
        27 | 28 => (1, 8),
        _ => return None,
    })
}
