//! Safetensors: a header in JSON, and tensors that fill the rest of the file without a gap.

use std::collections::BTreeSet;

use testudo_bounded::json::{Document, Limits as JsonLimits, Node};

use crate::pickle;
use crate::scan::{Place, Scan};
use crate::source::{Source, read_exact, read_up_to};
use crate::verdict::{Verdict, shown};

/// What the format itself allows.
pub(crate) const HEADER_BYTES_MAX: u64 = 100_000_000;
/// A header beyond this is no longer usual.
const HEADER_BYTES_USUAL: u64 = 16 << 20;

/// Whether it begins like one: a length that fits, and a brace.
pub(crate) fn is_one(source: &dyn Source, head: &[u8]) -> bool {
    let length = head
        .get(..8)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u64::from_le_bytes);
    head.get(8) == Some(&b'{') && length.is_some_and(|length| length >= 2 && length <= source.size().saturating_sub(8))
}

/// Reads the header, and looks for what is not a tensor.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &dyn Source, head: &[u8], place: &Place) {
    scan.part(place, "safetensors", source.size());
    let length = head
        .get(..8)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_le_bytes);
    let unread = |scan: &mut Scan<'_>, reason: String| {
        scan.find(place, "safetensors.header", Verdict::Unknown, reason, Some(8));
        pickle::search(scan, source, 8, place);
    };
    if length > HEADER_BYTES_MAX {
        return unread(
            scan,
            format!("its header of {length} bytes is over the limit of the format"),
        );
    }
    if length > HEADER_BYTES_USUAL {
        let reason = format!("its header has {length} bytes");
        scan.find(place, "safetensors.header", Verdict::Suspicious, reason, Some(0));
    }
    let Some(header) = usize::try_from(length)
        .ok()
        .and_then(|length| read_exact(source, 8, length).ok())
    else {
        return unread(scan, "its header cannot be read".to_owned());
    };
    let limits = JsonLimits {
        bytes_max: header.len(),
        depth_max: 8,
        nodes_max: 4_000_000,
    };
    let document = match Document::parse(&header, &limits) {
        Ok(document) => document,
        Err(error) => {
            return unread(
                scan,
                format!("its header is no JSON that all readers understand alike: {error}"),
            );
        }
    };
    let mut spans = Vec::new();
    for (_, value) in document.root().entries() {
        let name = value.key_text().unwrap_or_default();
        if name == "__metadata__" {
            metadata(scan, value, place);
        } else {
            match tensor(value) {
                Some(span) => spans.push(span),
                None => {
                    let reason = format!("tensor `{}` is not described as the format asks", shown(&name));
                    scan.find(place, "safetensors.tensor", Verdict::Unknown, reason, Some(8));
                }
            }
        }
    }
    extents(scan, source, spans, length.saturating_add(8), place);
}

/// The names of its tensors, if the header can be read.
pub(crate) fn names(source: &dyn Source) -> Option<BTreeSet<String>> {
    let head = read_exact(source, 0, 8).ok()?;
    let length = u64::from_le_bytes(head.try_into().ok()?);
    if length > HEADER_BYTES_MAX {
        return None;
    }
    let header = read_exact(source, 8, usize::try_from(length).ok()?).ok()?;
    let limits = JsonLimits {
        bytes_max: header.len(),
        depth_max: 8,
        nodes_max: 4_000_000,
    };
    let document = Document::parse(&header, &limits).ok()?;
    let names = document.root().entries().filter_map(|(_, value)| value.key_text());
    Some(
        names
            .filter(|name| name != "__metadata__")
            .map(|name| name.to_string())
            .collect(),
    )
}

/// Tensors stand one after the other, from the header to the end of the file.
fn extents(scan: &mut Scan<'_>, source: &dyn Source, mut spans: Vec<(u64, u64)>, data_at: u64, place: &Place) {
    scan.fact(place, "tensors", &spans.len().to_string());
    spans.sort_unstable();
    let mut end = 0;
    for (from, to) in spans {
        if from != end {
            let reason = "there are gaps between tensors, or they overlap";
            scan.find(place, "safetensors.offsets", Verdict::Unknown, reason, Some(8));
            break;
        }
        end = to;
    }
    let last = data_at.saturating_add(end);
    if last > source.size() {
        let reason = "its tensors are longer than the file";
        scan.find(place, "safetensors.offsets", Verdict::Suspicious, reason, Some(data_at));
    } else if last < source.size() {
        after(scan, source, last, place);
    }
}

/// Bytes behind the tensors, which another reader may take for something else.
fn after(scan: &mut Scan<'_>, source: &dyn Source, at: u64, place: &Place) {
    pickle::after(scan, source, at, place, "follow the tensors");
    let start = read_up_to(source, at, 2).unwrap_or_default();
    if matches!(start.as_slice(), [0x80, 0..=5]) {
        let rest = crate::source::Window::new(source, at, u64::MAX);
        pickle::judge(scan, &rest, 0, &place.member("trailing bytes"), pickle::Surely::Pickle);
    }
}

/// Where a tensor lies, if its size is what its shape says.
pub(crate) fn tensor(value: Node<'_>) -> Option<(u64, u64)> {
    let name = value.get("dtype")?.as_str()?;
    let bits: u64 = match name.as_ref() {
        "F64" | "I64" | "U64" | "C64" => 64,
        "F32" | "I32" | "U32" => 32,
        "F16" | "BF16" | "I16" | "U16" => 16,
        "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" | "I8" | "U8" | "BOOL" => 8,
        "F6_E2M3" | "F6_E3M2" => 6,
        "F4" => 4,
        _ => return None,
    };
    let mut size = bits;
    for axis in value.get("shape")?.items() {
        size = size.checked_mul(axis.as_u64()?)?;
    }
    let mut offsets = value.get("data_offsets")?.items().map(|offset| offset.as_u64());
    let (from, to) = (offsets.next()??, offsets.next()??);
    (offsets.next().is_none() && to.checked_sub(from)? == size.div_ceil(8)).then_some((from, to))
}

fn metadata(scan: &mut Scan<'_>, value: Node<'_>, place: &Place) {
    for (_, value) in value.entries() {
        let key = value.key_text().unwrap_or_default();
        let Some(text) = value.as_str() else {
            let reason = "a value of its metadata is no text";
            scan.find(place, "safetensors.metadata", Verdict::Suspicious, reason, Some(8));
            continue;
        };
        let what = odd(&text).or_else(|| asks_to_call(&key, &text).then_some("an address to call or fetch from"));
        if let Some(what) = what {
            let reason = format!("its metadata has {what}: `{}`", shown(&text));
            scan.find(place, "safetensors.metadata", Verdict::Suspicious, reason, Some(8));
        }
    }
}

/// Whether a key asks whoever reads the metadata to send something to an address, or to get something to run from it.
/// Addresses of home pages, licences and papers are what savers and people write.
fn asks_to_call(key: &str, text: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let asks = ["callback", "webhook", "download", "payload", "hook_url", "exfil"];
    let is_address = ["http://", "https://", "ftp://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    is_address && asks.iter().any(|word| key.contains(word))
}

/// Code, commands and links, which no loader reads but people and programs might.
fn odd(text: &str) -> Option<&'static str> {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&[
        "__import__",
        "os.system",
        "subprocess",
        "eval(",
        "exec(",
        "import os",
        "base64.b64decode",
    ]) {
        Some("Python code")
    } else if has(&["<script", "javascript:", "onerror="]) {
        Some("script code")
    } else if has(&["/bin/sh", "rm -rf", "curl ", "wget ", "| sh", "powershell"]) {
        Some("shell commands")
    } else {
        None
    }
}
