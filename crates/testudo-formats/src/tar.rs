//! Tar archives: plain, with GNU's long names, and with pax headers.

use crate::judge::{self, Inside};
use crate::scan::{Place, Scan};
use crate::source::{Source, Window, read_exact};
use crate::verdict::{Verdict, shown};

const BLOCK: u64 = 512;
const LONG_NAME_BYTES_MAX: u64 = 1 << 16;

/// Whether the first block is a tar header: its checksum is right.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.get(..512)
        .is_some_and(|block| block.first() != Some(&0) && sums_up(block))
}

fn sums_up(block: &[u8]) -> bool {
    let said = block.get(148..156).and_then(octal);
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
        .fold(0, u64::saturating_add);
    said == Some(sum)
}

/// A number in octal digits, or in GNU's base 256.
fn octal(field: &[u8]) -> Option<u64> {
    if let [first, rest @ ..] = field
        && first & 0x80 != 0
    {
        let start = u64::from(first & 0x7f);
        return rest.iter().try_fold(start, |value, byte| {
            value.checked_mul(256)?.checked_add(u64::from(*byte))
        });
    }
    let digits: Vec<u8> = field.iter().copied().filter(|byte| !matches!(byte, b' ' | 0)).collect();
    if digits.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()
}

/// What a header says, with what long-name and pax headers before it said.
#[derive(Debug, Default)]
struct Before {
    name: Option<String>,
    link: Option<String>,
    bytes: Option<u64>,
    /// What is stored are pieces around holes.
    is_sparse: bool,
}

/// Reads every member.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    scan.part(place, "tar", source.size());
    let mut at = 0_u64;
    let mut before = Before::default();
    loop {
        let Ok(block) = read_exact(source, at, 512) else {
            if at < source.size() {
                let reason = "the archive ends within a header";
                scan.find(place, "archive.end", Verdict::Unknown, reason, Some(at));
            }
            return;
        };
        if block.iter().all(|byte| *byte == 0) {
            return end(scan, source, at, place);
        }
        let size = block.get(124..136).and_then(octal);
        let (true, Some(said)) = (sums_up(&block), size) else {
            let reason = "a header is damaged; what follows was not read as an archive";
            scan.find(place, "archive.end", Verdict::Unknown, reason, Some(at));
            crate::pickle::search(scan, source, at, place);
            return;
        };
        let kind = block.get(156).copied().unwrap_or(0);
        let data_at = at.saturating_add(BLOCK);
        let bytes = match kind {
            b'L' | b'K' | b'x' | b'g' => said,
            _ => before.bytes.unwrap_or(said),
        };
        if data_at.saturating_add(bytes) > source.size() {
            let reason = "a member is longer than the archive";
            scan.find(place, "archive.end", Verdict::Unknown, reason, Some(at));
        }
        if !header(scan, source, &block, kind, (data_at, bytes), &mut before, place) {
            return;
        }
        let padded = bytes.div_ceil(BLOCK).saturating_mul(BLOCK);
        at = data_at.saturating_add(padded);
    }
}

fn end(scan: &mut Scan<'_>, source: &dyn Source, at: u64, place: &Place) {
    // Savers pad with zeros; anything else after the end is read by nobody, or by somebody else.
    let mut cursor = crate::source::Cursor::new(source, at);
    while let Ok(Some(byte)) = cursor.next_byte() {
        if byte != 0 {
            let from = cursor.position().saturating_sub(1);
            return crate::pickle::after(scan, source, from, place, "follow the end of the archive");
        }
    }
}

/// One header with its data; whether to go on.
fn header(
    scan: &mut Scan<'_>,
    source: &dyn Source,
    block: &[u8],
    kind: u8,
    data: (u64, u64),
    before: &mut Before,
    place: &Place,
) -> bool {
    let (data_at, bytes) = data;
    let window = Window::new(source, data_at, bytes);
    if matches!(kind, b'L' | b'K' | b'x' | b'g') {
        if let Some(content) = long(&window) {
            match kind {
                b'L' => before.name = Some(text(&content)),
                b'K' => before.link = Some(text(&content)),
                _ => pax(&content, before),
            }
        } else {
            let reason = "a header of another header is too long";
            scan.find(place, "archive.header", Verdict::Unknown, reason, Some(data_at));
        }
        return true;
    }
    if !scan.count_member(place) {
        return false;
    }
    let said = std::mem::take(before);
    let name = said.name.unwrap_or_else(|| full_name(block));
    let link = said
        .link
        .unwrap_or_else(|| text(block.get(157..257).unwrap_or_default()));
    if judge::leads_outside(&name) {
        let reason = format!("`{}` would be unpacked outside its folder", shown(&name));
        scan.find(place, "archive.path", Verdict::Malicious, reason, Some(data_at));
    }
    if said.is_sparse {
        let reason = format!("`{}` is stored with holes, which were not filled", shown(&name));
        scan.find(place, "archive.type", Verdict::Unknown, reason, Some(data_at));
    }
    match kind {
        b'1' | b'2' => {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let target = if kind == b'2' {
                format!("{folder}/{link}")
            } else {
                link.clone()
            };
            let outside = link.starts_with('/') || judge::leads_outside(target.trim_start_matches('/'));
            let verdict = if outside {
                Verdict::Malicious
            } else {
                Verdict::Suspicious
            };
            let reason = format!("`{}` is a link to `{}`", shown(&name), shown(&link));
            scan.find(place, "archive.link", verdict, reason, Some(data_at));
        }
        b'0' | 0 | b'7' => judge::judge(scan, &window, &place.member(&name), Inside::Archive),
        b'5' => {}
        other => {
            let reason = format!("`{}` is of type {other:#04x}, which was not read", shown(&name));
            scan.find(place, "archive.type", Verdict::Unknown, reason, Some(data_at));
        }
    }
    true
}

fn long(window: &Window<'_>) -> Option<Vec<u8>> {
    let bytes = window.size();
    if bytes > LONG_NAME_BYTES_MAX {
        return None;
    }
    read_exact(window, 0, usize::try_from(bytes).ok()?).ok()
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
}

fn full_name(block: &[u8]) -> String {
    let name = text(block.get(..100).unwrap_or_default());
    let prefix = text(block.get(345..500).unwrap_or_default());
    let is_posix = block.get(257..263) == Some(b"ustar\0");
    if is_posix && !prefix.is_empty() {
        format!("{prefix}/{name}")
    } else {
        name
    }
}

/// Records of the form `LENGTH KEY=VALUE\n`.
fn pax(content: &[u8], before: &mut Before) {
    let mut rest = content;
    while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
        let digits = rest.get(..space).and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(length) = digits.and_then(|digits| digits.parse::<usize>().ok()) else {
            return;
        };
        let record = rest
            .get(space.saturating_add(1)..length.saturating_sub(1))
            .unwrap_or_default();
        if let Some(split) = record.iter().position(|byte| *byte == b'=') {
            let value = text(record.get(split.saturating_add(1)..).unwrap_or_default());
            match record.get(..split) {
                Some(b"path") => before.name = Some(value),
                Some(b"linkpath") => before.link = Some(value),
                Some(key) if key.starts_with(b"GNU.sparse.") => before.is_sparse = true,
                Some(b"size") => before.bytes = value.parse().ok(),
                _ => {}
            }
        }
        match rest.get(length..) {
            Some(after) if length > 0 => rest = after,
            _ => return,
        }
    }
}
